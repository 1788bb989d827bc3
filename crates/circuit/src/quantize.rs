//! Floating-point weights to integers, and how far the values can go with them.

use super::error::CircuitError;
use super::float_layer::FloatLayer;
use super::types::{LinearLayer, MAX_WEIGHT_BITS, MIN_WEIGHT_BITS};
use ckks::{Group, LinearMap};
use cryptodl_model::TrainedNetwork;

/// Gives layers their integer weights in order, and follows the interval of every feature through them.
pub(super) struct Quantizer {
    /// Largest |weight|: `2^(bits - 1) - 1`.
    largest: f64,
    /// Smallest and largest value of every feature that enters the next layer.
    intervals: Vec<(f64, f64)>,
}

impl Quantizer {
    /// Starts with the pixels of `network`, darkest to brightest.
    pub fn new(bits: u32, network: &TrainedNetwork) -> Result<Self, CircuitError> {
        if !(MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS).contains(&bits) {
            return Err(CircuitError::WeightBits {
                bits,
                low: MIN_WEIGHT_BITS,
                high: MAX_WEIGHT_BITS,
            });
        }
        let plane = network.input.height * network.input.width;
        let channels = network
            .preprocessing
            .bounds(network.input, &network.mean, &network.std);
        let intervals = channels
            .into_iter()
            .flat_map(|ends| std::iter::repeat_n(ends, plane))
            .collect();
        Ok(Self {
            largest: f64::from((1_u32 << (bits - 1)) - 1),
            intervals,
        })
    }

    /// Rounds the weights, one scale for the layer.
    ///
    /// The biases stay as they are: what an input's constant adds was computed with the unrounded weights, so rounding does not move it.
    pub fn quantize(&mut self, layer: FloatLayer) -> Result<LinearLayer, CircuitError> {
        let plain = layer.is_plain_sum();
        if let Some(intervals) = layer.input_intervals {
            self.intervals = intervals;
        }
        let weights = layer.groups.iter().flat_map(|group| &group.weights);
        let extreme = weights.fold(0.0, |extreme: f64, weight| extreme.max(weight.abs()));
        if extreme == 0.0 {
            return Err(CircuitError::ZeroWeights { layer: layer.name });
        }
        let weight_scale = if plain { 1.0 } else { self.largest / extreme };
        let outputs = layer.shape.len();
        let mut groups = Vec::with_capacity(layer.groups.len());
        let mut start = 0;
        for group in layer.groups {
            let weights = group
                .weights
                .iter()
                .map(|weight| (weight * weight_scale).round() as i16)
                .collect();
            let positions = group.gather.len() / group.taps;
            groups.push(
                Group::new(start, group.rows, group.taps, weights, group.gather)
                    .map_err(ckks::Error::from)?,
            );
            start += group.rows * positions;
        }
        let map =
            LinearMap::from_groups(layer.inputs, outputs, groups).map_err(ckks::Error::from)?;
        self.intervals = propagate(&map, weight_scale, &layer.bias, &self.intervals);
        let reach = self
            .intervals
            .iter()
            .fold(0.0, |reach: f64, (low, high)| reach.max(-low).max(*high));
        // Zero only where every output is a constant zero; any positive bound is true then.
        let bound = if reach > 0.0 {
            reach.min(layer.bound)
        } else {
            1.0
        };
        Ok(LinearLayer {
            name: layer.name,
            kind: layer.kind,
            map,
            weight_scale,
            bias: layer.bias,
            bound,
        })
    }
}

/// Interval arithmetic through a linear layer: sound, and tighter than row sums where inputs have one sign, as squares do.
fn propagate(
    map: &LinearMap,
    weight_scale: f64,
    bias: &[f64],
    inputs: &[(f64, f64)],
) -> Vec<(f64, f64)> {
    let mut outputs = vec![(0.0, 0.0); map.outputs()];
    for group in map.groups() {
        let positions = group.positions();
        for (position, gather) in group.gather().chunks_exact(group.taps()).enumerate() {
            for (row, weights) in group.weights().chunks_exact(group.taps()).enumerate() {
                let (mut low, mut high) = (0.0, 0.0);
                for (weight, input) in weights.iter().zip(gather) {
                    let weight = f64::from(*weight);
                    // The padding's index is none of the inputs: it reads zero.
                    let ends = inputs.get(*input as usize).copied().unwrap_or((0.0, 0.0));
                    let (a, b) = (weight * ends.0, weight * ends.1);
                    low += a.min(b);
                    high += a.max(b);
                }
                let output = group.out_start() + row * positions + position;
                let shift = bias.get(output).copied().unwrap_or(0.0);
                outputs[output] = (low / weight_scale + shift, high / weight_scale + shift);
            }
        }
    }
    outputs
}
