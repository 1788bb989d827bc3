//! Training on integers: the forward pass sees coarse pixels and rounded weights, the gradient goes straight through to the weights
//! themselves (Bengio et al., arXiv 1308.3432; Hubara et al., arXiv 1609.07061).
//!
//! Only the layer that reads the pixels is rounded: in networks of one hidden layer its sums are the only ones that look-ups read.
//! Its weights lie on a grid of their own for every output channel, as fine as the sum's bits leave room for; the circuit finds that grid
//! again in the trained weights.

use super::recalibrate::BATCH;
use crate::graph::{Graph, Normalisation, values};
use crate::infer::{Inputs, tensor};
use crate::parameters::Parameters;
use burn::tensor::Device;
use cryptodl_data::Images;
use cryptodl_model::{ModelError, Role, TrainedLayer, TrainedNetwork};
use cryptodl_spec::{QuantizeSpec, Shape};

/// Share of the epochs before rounding starts: integers need a network that already knows something.
const FLOAT_SHARE: f64 = 0.25;
/// Images on which the sums are measured.
const MEASURED: usize = 2_000;
/// On the whole torus sums saturate, they do not wrap, so that it need not hold every one: standard deviations that it holds on either
/// side. Of 1.8 to 4 on MNIST's validation images, 2.5 was best for a hidden layer of 100.
const USUAL: f64 = 2.5;
/// Room for test images that reach further than those, and for what rounding adds. A sum on the whole torus needs none: it saturates.
const MARGIN: f64 = 1.08;

/// Coarse images and the grid's rule.
#[derive(Debug)]
pub(super) struct Quantiser {
    spec: QuantizeSpec,
    /// The first training images, coarse.
    pub images: Images,
    /// The held-out images, coarse.
    pub validation: Images,
}

/// Steps of the weights: a run of the flat vector, numbers a channel, one step a channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    start: usize,
    taps: usize,
    steps: Vec<f32>,
}

impl Grid {
    /// `weights` with those of the layer on their grid.
    pub fn rounded(&self, weights: &[f32]) -> Vec<f32> {
        let mut rounded = weights.to_vec();
        let run = &mut rounded[self.start..][..self.taps * self.steps.len()];
        for (row, step) in run.chunks_exact_mut(self.taps.max(1)).zip(&self.steps) {
            for weight in row {
                *weight = (*weight / step).round() * step;
            }
        }
        rounded
    }
}

impl Quantiser {
    /// `recalibrated` images are needed coarse for batch norm.
    pub fn new(
        spec: QuantizeSpec,
        images: &Images,
        validation: &Images,
        recalibrated: usize,
    ) -> Self {
        let count = recalibrated.max(MEASURED).max(BATCH);
        Self {
            spec,
            images: images.first(count).coarse(spec.pixel_bits),
            validation: validation.coarse(spec.pixel_bits),
        }
    }

    /// Whether rounding has started in epoch `number` (from 1) of `epochs`.
    pub fn rounds(&self, number: usize, epochs: usize) -> bool {
        number as f64 > FLOAT_SHARE * epochs as f64
    }

    /// The grid of the weights as they are now, from the sums that they make of training images.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn grid(
        &self,
        network: &TrainedNetwork,
        shapes: &[Shape],
        parameters: &Parameters,
        weights: &[f32],
    ) -> Result<Grid, ModelError> {
        let Some(segment) = parameters
            .segments()
            .iter()
            .find(|segment| segment.role == Role::Weight)
        else {
            return Err(ModelError::Network("no layer has weights".into()));
        };
        let channels = match &network.layers[segment.layer] {
            TrainedLayer::Conv(conv) => conv.out_channels,
            TrainedLayer::Dense(dense) => dense.outputs,
            _ => 1,
        };
        let norm = network.layers[segment.layer..]
            .iter()
            .position(|layer| matches!(layer, TrainedLayer::BatchNorm(_)))
            .map(|after| segment.layer + after)
            .ok_or_else(|| ModelError::Network("no batch norm follows the first layer".into()))?;
        let gammas = parameters
            .segments()
            .iter()
            .find(|segment| segment.layer == norm && segment.role == Role::Gamma)
            .map(|segment| &weights[segment.range.clone()])
            .unwrap_or_default();

        let betas = parameters
            .segments()
            .iter()
            .find(|segment| segment.layer == norm && segment.role == Role::Beta)
            .map(|segment| &weights[segment.range.clone()])
            .unwrap_or_default();

        let device = Device::flex();
        let graph = Graph::new(network, shapes, parameters, weights, &device).keeping_inputs();
        let inputs = Inputs::new(network, &self.images)?;
        let indices: Vec<usize> = (0..inputs.len().min(MEASURED)).collect();
        let mut low = vec![f64::INFINITY; channels];
        let mut high = vec![f64::NEG_INFINITY; channels];
        let mut deviation = vec![0.0_f64; channels];
        for batch in indices.chunks(BATCH) {
            let pixels = tensor(inputs.plain(batch), inputs.channels(), &device);
            let pass = graph.forward(pixels, Normalisation::Batch);
            if let Some(statistics) = pass.statistics.first() {
                for (deviation, variance) in deviation.iter_mut().zip(&statistics.moments.variance)
                {
                    *deviation = deviation.max(f64::from(*variance as f32).sqrt());
                }
            }
            if let Some(input) = pass.inputs.into_iter().next() {
                for (index, value) in values(input.values)?.into_iter().enumerate() {
                    let (channel, value) = (index % channels, f64::from(value));
                    low[channel] = low[channel].min(value);
                    high[channel] = high[channel].max(value);
                }
            }
        }
        // A pixel's step in normalised units; where channels differ, the grid is that of the widest.
        let shades = f64::from((1_u32 << self.spec.pixel_bits) - 1);
        let std = network
            .std
            .iter()
            .fold(f64::INFINITY, |least, std| least.min(f64::from(*std)));
        let pixel = 1.0 / (shades * std);
        let places = f64::from((1_u32 << self.spec.sum_bits) - 1);
        let steps = (0..channels)
            .map(|channel| {
                let reach = if self.spec.whole_torus {
                    // The kink is at zero, and in the middle.
                    let most = low[channel].abs().max(high[channel].abs());
                    let [gamma, beta] = [gammas, betas].map(|list| {
                        f64::from(list.get(channel).copied().unwrap_or_default()).abs()
                    });
                    let usual = beta + USUAL * gamma;
                    2.0 * most.min(usual)
                } else {
                    MARGIN * (high[channel] - low[channel])
                };
                let gamma = f64::from(gammas.get(channel).copied().unwrap_or(1.0)).abs();
                let sum = reach * deviation[channel] / gamma.max(f64::MIN_POSITIVE);
                let step = sum / (places * pixel);
                // A channel that never changes, or that nothing reads any more: its own weights, unrounded, do no harm.
                if step.is_finite() && step > 0.0 {
                    step as f32
                } else {
                    f32::MIN_POSITIVE
                }
            })
            .collect();
        Ok(Grid {
            start: segment.range.start,
            taps: segment.range.len() / channels.max(1),
            steps,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parameters::Coefficients;
    use cryptodl_model::shapes;
    use cryptodl_reference as reference;

    #[test]
    fn weights_on_the_grid_are_whole_steps_and_sums_fill_their_bits() {
        let network = reference::network(2);
        let images = reference::images(network.input, 600, 60);
        let spec = QuantizeSpec {
            pixel_bits: 2,
            sum_bits: 5,
            whole_torus: false,
        };
        let quantiser = Quantiser::new(spec, &images, &images.first(10), 0);
        let (shapes, parameters) = (
            shapes(&network).unwrap(),
            Parameters::of(&network, Coefficients::Frozen),
        );
        let weights = parameters.gather(&network);
        let grid = quantiser
            .grid(&network, &shapes, &parameters, &weights)
            .unwrap();
        let rounded = grid.rounded(&weights);
        assert_ne!(rounded, weights);
        assert_eq!(
            grid.rounded(&rounded),
            rounded,
            "rounding twice changes nothing"
        );
        assert_eq!(
            &rounded[grid.taps * grid.steps.len()..],
            &weights[grid.taps * grid.steps.len()..]
        );

        // The integer sums of the images, from the definition.
        let mut on_grid = network.clone();
        parameters.scatter(&rounded, &mut on_grid);
        let plane = shapes[0].height * shapes[0].width;
        let pixel = 1.0 / (3.0 * f64::from(network.std[0]));
        for (channel, step) in grid.steps.iter().enumerate() {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for image in quantiser.images.pixels.chunks(network.input.len()) {
                for value in &reference::inputs_of(&on_grid, image, 1)[channel * plane..][..plane] {
                    (low, high) = (low.min(*value), high.max(*value));
                }
            }
            let width = (high - low) / (f64::from(*step) * pixel);
            assert!(
                (12.0..40.0).contains(&width),
                "channel {channel}: {width} steps"
            );
        }
    }

    #[test]
    fn rounding_starts_after_a_quarter() {
        let images = reference::images(reference::network(1).input, 4, 3);
        let spec = QuantizeSpec {
            pixel_bits: 1,
            sum_bits: 6,
            whole_torus: true,
        };
        let quantiser = Quantiser::new(spec, &images, &images, 0);
        assert!(!quantiser.rounds(2, 8));
        assert!(quantiser.rounds(3, 8));
        assert!(quantiser.rounds(1, 1));
    }
}
