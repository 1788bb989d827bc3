//! Batch norm's statistics, measured afresh for the averaged weights.
//!
//! During training batch norm divides by each batch's own statistics. The averaged weights never saw those, so before they are
//! validated their statistics are measured on training images as they are, without augmentation: the images that inference gets.

use crate::graph::{Graph, LayerStatistics, Normalisation};
use crate::hermite;
use crate::infer::{Inputs, tensor};
use crate::ops::Moments;
use crate::parameters::{Coefficients, Parameters};
use burn::tensor::Device;
use cryptodl_model::{ModelError, TrainedLayer, TrainedNetwork};
use cryptodl_spec::Shape;

/// Images per forward pass.
pub(super) const BATCH: usize = 500;

/// Brings a network with trained numbers to its final form: the mean and variance of every batch norm become those of the first `count`
/// images ([`measure`]), and activations that were trained in the normalised Hermite form become plain polynomials.
///
/// # Errors
/// When the engine fails.
pub(super) fn recalibrate(
    network: &mut TrainedNetwork,
    shapes: &[Shape],
    parameters: &Parameters,
    inputs: &Inputs<'_>,
    count: usize,
) -> Result<(), ModelError> {
    let weights = parameters.gather(network);
    for statistics in measure(network, shapes, parameters, &weights, inputs, count)? {
        let moments = statistics.moments;
        match (
            &mut network.layers[statistics.layer],
            parameters.coefficients(),
        ) {
            (TrainedLayer::BatchNorm(norm), _) => {
                let singles = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
                norm.mean = singles(&moments.mean);
                norm.variance = singles(&moments.variance);
            }
            (TrainedLayer::Polynomial(polynomial), Coefficients::HermiteNormalized { linear }) => {
                hermite::finish(&mut polynomial.coefficients, linear, &moments)
            }
            _ => {}
        }
    }
    Ok(())
}

/// The statistics of every layer that normalises, for `weights`, on the first `count` images, at least a batch and at most all.
///
/// Within a batch each layer is normalised by the batch's own statistics; over the batches, the mean is the mean of means and the
/// variance the mean variance plus the variance of the means.
///
/// # Errors
/// When the engine fails.
pub(super) fn measure(
    network: &TrainedNetwork,
    shapes: &[Shape],
    parameters: &Parameters,
    weights: &[f32],
    inputs: &Inputs<'_>,
    count: usize,
) -> Result<Vec<LayerStatistics>, ModelError> {
    let device = Device::flex();
    let indices: Vec<usize> = (0..inputs.len().min(count.max(BATCH))).collect();
    // First and second moments.
    let mut sums: Vec<LayerStatistics> = Vec::new();
    let graph = Graph::new(network, shapes, parameters, weights, &device);
    for batch in indices.chunks(BATCH) {
        let share = batch.len() as f64 / indices.len() as f64;
        let pass = graph.forward(
            tensor(inputs.plain(batch), inputs.channels(), &device),
            Normalisation::Batch,
        );
        for (index, statistics) in pass.statistics.into_iter().enumerate() {
            let Moments { mean, variance } = statistics.moments;
            if sums.len() <= index {
                sums.push(LayerStatistics {
                    layer: statistics.layer,
                    moments: Moments {
                        mean: vec![0.0; mean.len()],
                        variance: vec![0.0; mean.len()],
                    },
                });
            }
            let sum = &mut sums[index].moments;
            for (channel, (mean, variance)) in mean.iter().zip(variance).enumerate() {
                sum.mean[channel] += share * mean;
                sum.variance[channel] += share * (variance + mean * mean);
            }
        }
    }
    for Moments { mean, variance } in sums.iter_mut().map(|statistics| &mut statistics.moments) {
        for (square, mean) in variance.iter_mut().zip(mean) {
            *square = (*square - *mean * *mean).max(0.0);
        }
    }
    Ok(sums)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parameters::Coefficients;
    use cryptodl_model::shapes;
    use cryptodl_reference as reference;

    #[test]
    fn the_first_norms_statistics_are_those_of_its_inputs() {
        let mut network = reference::network(2);
        let images = reference::images(network.input, 1200, 60);
        let (shapes, parameters) = (
            shapes(&network).unwrap(),
            Parameters::of(&network, Coefficients::Frozen),
        );
        let inputs = Inputs::new(&network, &images).unwrap();
        recalibrate(&mut network, &shapes, &parameters, &inputs, 1100).unwrap();
        let TrainedLayer::BatchNorm(norm) = &network.layers[1] else {
            panic!("layer 1 is a batch norm")
        };
        let (mean, variance) = (&norm.mean, &norm.variance);
        let plane = shapes[0].height * shapes[0].width;
        let maps: Vec<Vec<f64>> = images
            .pixels
            .chunks(network.input.len())
            .take(1100)
            .map(|image| reference::inputs_of(&network, image, 1))
            .collect();
        for channel in 0..4 {
            let values = || {
                maps.iter()
                    .flat_map(|map| &map[channel * plane..(channel + 1) * plane])
            };
            let count = (1100 * plane) as f64;
            let expected = values().sum::<f64>() / count;
            let spread = values()
                .map(|value| (value - expected).powi(2))
                .sum::<f64>()
                / count;
            assert!(
                (f64::from(mean[channel]) - expected).abs() < 1e-4,
                "{} {expected}",
                mean[channel]
            );
            assert!(
                (f64::from(variance[channel]) - spread).abs() < 1e-3 * spread,
                "{} {spread}",
                variance[channel]
            );
        }
    }
}
