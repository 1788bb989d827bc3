//! The last sum, whose values are the logits.

use rayon::prelude::*;

use super::Walk;
use super::weights::moved;
use crate::error::CircuitError;
use crate::pbs::error::PbsError;
use crate::pbs::types::{IntegerSum, PbsCircuit};

/// The logits get this much more room than the calibration images needed.
const LOGIT_MARGIN: f64 = 1.25;
/// Shares of the largest weight of the last layer that are tried as its reach.
const CLIPS: [f64; 10] = [1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.22, 0.16, 0.1];

impl Walk {
    /// The last sum.
    pub(super) fn logits(&mut self, circuit: &mut PbsCircuit) -> Result<(), CircuitError> {
        let Some(weighted) = self.weighted else {
            return Err(PbsError::Network {
                layer: self.names,
                what: "no weights after the last activation",
                wanted: "a dense layer there",
            }
            .into());
        };
        let weights = self.chain[weighted].groups.iter();
        let extreme = weights
            .flat_map(|group| &group.weights)
            .fold(0.0, |extreme: f64, weight| extreme.max(weight.abs()));
        if extreme == 0.0 {
            return Err(PbsError::ZeroWeights {
                layer: self.weighted_name(),
            }
            .into());
        }
        let largest = f64::from((1_u32 << (self.bits.weight - 1)) - 1);
        let step = self.last_step(weighted, extreme, largest);
        let reach = largest * step;
        let before = self.chain.clone();
        for group in &mut self.chain[weighted].groups {
            for weight in &mut group.weights {
                *weight = weight.clamp(-reach, reach);
            }
        }
        let steps = vec![step; self.shape.channels];
        let maps = self.maps(weighted, &steps)?;
        for (shift, moved) in self
            .shift
            .iter_mut()
            .zip(moved(&before, &maps, &steps, &self.values))
        {
            *shift += moved;
        }
        circuit.logits = IntegerSum {
            name: self.weighted_name(),
            kind: self.weighted_kind(),
            maps,
            constants: self
                .shift
                .iter()
                .map(|shift| (shift / step).round() as i64)
                .collect(),
        };
        circuit.logit_step = step;
        let largest = self
            .values
            .par_iter()
            .map(|values| {
                let logits = circuit.logits.evaluate(values)?;
                Ok(logits.iter().map(|value| value.abs()).max().unwrap_or(0))
            })
            .collect::<Result<Vec<i64>, CircuitError>>()?
            .into_iter()
            .max()
            .unwrap_or(0);
        let bound = largest.max(1) as f64 * LOGIT_MARGIN;
        circuit.logit_bound = Some(bound.ceil() as i64);
        circuit.logit_bits = (bound.log2().ceil() as u32 + 1).max(circuit.message_bits + 1);
        Ok(())
    }

    /// The step of the last weights, of at most `largest` steps each, that moves the logits least: rounding counts with the variance of
    /// what it multiplies, and so does clipping, which is cheap where a large weight reads a neuron that hardly ever changes.
    fn last_step(&self, weighted: usize, extreme: f64, largest: f64) -> f64 {
        let layer = &self.chain[weighted];
        let count = self.values.len() as f64;
        let mut variances = vec![0.0; layer.inputs];
        // Behind a pooling, inputs of the weights are not values of the tables: all count the same.
        if weighted == 0 {
            for (feature, variance) in variances.iter_mut().enumerate() {
                let values = || self.values.iter().map(|values| values[feature] as f64);
                let mean = values().sum::<f64>() / count;
                *variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            }
        } else {
            variances.fill(1.0);
        }
        let cost = |step: f64| -> f64 {
            let groups = layer.groups.iter();
            groups
                .flat_map(|group| {
                    let rows = group.weights.chunks_exact(group.taps);
                    rows.flat_map(|row| row.iter().zip(&group.gather))
                })
                .map(|(weight, input)| {
                    let place = (weight / step).round().clamp(-largest, largest);
                    let variance = variances.get(*input as usize).copied().unwrap_or(0.0);
                    (place * step - weight).powi(2) * variance
                })
                .sum()
        };
        CLIPS
            .iter()
            .map(|clip| clip * extreme / largest)
            .min_by(|one, other| cost(*one).total_cmp(&cost(*other)))
            .unwrap_or(extreme / largest)
    }
}
