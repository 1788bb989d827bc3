//! Weights as integers, and what rounding them changes.

use super::Walk;
use crate::error::CircuitError;
use crate::float_layer::FloatLayer;
use crate::integer_map::apply_map;
use ckks::{Group, LinearMap, PADDING};

/// How near to a grid weights must lie to be taken as trained on it, as a share of its step.
const ON_GRID: f64 = 2e-3;
/// The most steps of a grid that training is taken to have used.
const MAX_GRID: i64 = 64;

impl Walk {
    /// The chain with integer weights, those of channel `c` being `round(weight / steps[c])`.
    pub(super) fn maps(
        &self,
        weighted: usize,
        steps: &[f64],
    ) -> Result<Vec<LinearMap>, CircuitError> {
        self.chain
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let mut start = 0;
                let mut groups = Vec::with_capacity(layer.groups.len());
                for group in &layer.groups {
                    let weights = group
                        .weights
                        .iter()
                        .enumerate()
                        .map(|(at, weight)| {
                            let step = if index == weighted && !layer.is_plain_sum() {
                                steps[at / group.taps]
                            } else {
                                1.0
                            };
                            (weight / step).round() as i16
                        })
                        .collect();
                    let positions = group.gather.len() / group.taps;
                    groups.push(
                        Group::new(start, group.rows, group.taps, weights, group.gather.clone())
                            .map_err(ckks::Error::from)?,
                    );
                    start += group.rows * positions;
                }
                Ok(
                    LinearMap::from_groups(layer.inputs, layer.shape.len(), groups)
                        .map_err(ckks::Error::from)?,
                )
            })
            .collect()
    }
}

/// What rounding the weights took from the mean of every sum, in the units of the chain: a constant gives it back.
pub(super) fn moved(
    chain: &[FloatLayer],
    maps: &[LinearMap],
    steps: &[f64],
    values: &[Vec<i64>],
) -> Vec<f64> {
    let mut means = vec![0.0; values.first().map_or(0, Vec::len)];
    for image in values {
        for (mean, value) in means.iter_mut().zip(image) {
            *mean += *value as f64 / values.len() as f64;
        }
    }
    let mut exact = means.clone();
    for layer in chain {
        exact = apply(layer, &exact);
    }
    let mut rounded = means;
    for map in maps {
        rounded = apply_map(map, &rounded, f64::from);
    }
    let plane = exact.len() / steps.len().max(1);
    exact
        .iter()
        .zip(&rounded)
        .enumerate()
        .map(|(feature, (exact, rounded))| exact - steps[feature / plane.max(1)] * rounded)
        .collect()
}

/// Per channel, the grid that its weights were trained on; `None` where they lie on none.
pub(super) fn grids(layer: &FloatLayer) -> Vec<Option<f64>> {
    layer
        .groups
        .iter()
        .flat_map(|group| group.weights.chunks_exact(group.taps))
        .map(|row| {
            let extreme = row.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            if extreme == 0.0 {
                return None;
            }
            (1..=MAX_GRID)
                .map(|steps| extreme / steps as f64)
                .find(|step| {
                    row.iter().all(|weight| {
                        let place = weight / step;
                        (place - place.round()).abs() < ON_GRID
                    })
                })
        })
        .collect()
}

/// `W x` in floating point, without the bias.
pub(super) fn apply(layer: &FloatLayer, x: &[f64]) -> Vec<f64> {
    let positions = layer.shape.height * layer.shape.width;
    let mut out = Vec::with_capacity(layer.shape.len());
    for group in &layer.groups {
        for weights in group.weights.chunks_exact(group.taps) {
            out.extend(
                group
                    .gather
                    .chunks_exact(group.taps)
                    .take(positions)
                    .map(|gather| {
                        weights
                            .iter()
                            .zip(gather)
                            .filter(|(_, input)| **input != PADDING)
                            .map(|(weight, input)| weight * x[*input as usize])
                            .sum::<f64>()
                    }),
            );
        }
    }
    out
}
