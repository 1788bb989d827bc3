//! What flows into a network's activations: its extremes bound the encrypted circuit, its histogram is drawn in the report.

use super::graph::{Graph, Normalisation, values};
use super::infer::{Inputs, tensor};
use super::parameters::{Coefficients, Parameters};
use burn::tensor::Device;
use cryptodl_data::Images;
use cryptodl_model::ModelError;
use cryptodl_model::shapes;
use cryptodl_model::{PreActivation, TrainedNetwork};
use cryptodl_spec::Shape;
use polyapprox::Interval;

/// Bins of the histogram.
const BINS: usize = 128;
/// Images per forward pass.
const BATCH: usize = 500;

/// Measures the input of every activation layer on all `images`, in inference.
///
/// Two passes: the first finds extremes, mean and deviation, the second fills a histogram between the extremes (widened to hold
/// `interval`). `outside` counts against `interval`. With no images, extremes are zero and histograms empty.
///
/// # Errors
/// When the network does not pass [`shapes`], or the images have another shape.
pub fn pre_activations(
    network: &TrainedNetwork,
    images: &Images,
    interval: Interval,
) -> Result<Vec<PreActivation>, ModelError> {
    let mut moments: Vec<Moments> = Vec::new();
    sweep(network, images, |index, layer, shape, values| {
        if moments.len() <= index {
            moments.push(Moments::new(layer, shape));
        }
        moments[index].add(values, interval);
    })?;
    let mut measured: Vec<PreActivation> = moments
        .into_iter()
        .map(|moments| moments.finish(interval))
        .collect();
    sweep(network, images, |index, _, _, values| {
        let measured = &mut measured[index];
        let per_unit = BINS as f64 / (measured.histogram_high - measured.histogram_low);
        for value in values {
            let bin = (f64::from(*value) - measured.histogram_low) * per_unit;
            measured.histogram[(bin.max(0.0) as usize).min(BINS - 1)] += 1;
        }
    })?;
    Ok(measured)
}

/// Runs all images through the network; `see` gets the running number and index of each activation layer, its input's shape and
/// values `[images * height * width, channels]`.
fn sweep(
    network: &TrainedNetwork,
    images: &Images,
    mut see: impl FnMut(usize, usize, Shape, &[f32]),
) -> Result<(), ModelError> {
    let shapes = shapes(network)?;
    let inputs = Inputs::new(network, images)?;
    let parameters = Parameters::of(network, Coefficients::Frozen);
    let device = Device::flex();
    let graph = Graph::new(
        network,
        &shapes,
        &parameters,
        &parameters.gather(network),
        &device,
    );
    for indices in inputs.batches(BATCH) {
        let pixels = tensor(inputs.plain(&indices), inputs.channels(), &device);
        let pass = graph.forward(pixels, Normalisation::Stored);
        for (index, input) in pass.inputs.into_iter().enumerate() {
            see(index, input.layer, input.shape, &values(input.values)?);
        }
    }
    Ok(())
}

/// Running sums at one activation.
struct Moments {
    layer: usize,
    count: u64,
    outside: u64,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
    channel_abs_max: Vec<f64>,
}

impl Moments {
    fn new(layer: usize, shape: Shape) -> Self {
        Self {
            layer,
            count: 0,
            outside: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            squares: 0.0,
            channel_abs_max: vec![0.0; shape.channels],
        }
    }

    fn add(&mut self, values: &[f32], interval: Interval) {
        for row in values.chunks_exact(self.channel_abs_max.len().max(1)) {
            for (value, largest) in row.iter().zip(&mut self.channel_abs_max) {
                let value = f64::from(*value);
                self.min = self.min.min(value);
                self.max = self.max.max(value);
                self.sum += value;
                self.squares += value * value;
                self.outside += u64::from(!interval.contains(value));
                *largest = largest.max(value.abs());
            }
        }
        self.count += values.len() as u64;
    }

    fn finish(self, interval: Interval) -> PreActivation {
        let count = (self.count as f64).max(1.0);
        let mean = self.sum / count;
        let (min, max) = if self.count == 0 {
            (0.0, 0.0)
        } else {
            (self.min, self.max)
        };
        PreActivation {
            layer: self.layer,
            min,
            max,
            mean,
            std: (self.squares / count - mean * mean).max(0.0).sqrt(),
            outside: self.outside as f64 / count,
            channel_abs_max: self.channel_abs_max,
            histogram_low: min.min(interval.low()),
            histogram_high: max.max(interval.high()),
            histogram: vec![0; BINS],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    #[test]
    fn measured_numbers_agree_with_plain_loops() {
        let network = reference::network(2);
        let images = reference::images(network.input, 11, 50);
        let interval = Interval::new(-1.0, 1.5).unwrap();
        let measured = pre_activations(&network, &images, interval).unwrap();
        let activations: Vec<usize> = network
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.is_activation())
            .map(|(index, _)| index)
            .collect();
        assert_eq!(
            measured.iter().map(|row| row.layer).collect::<Vec<_>>(),
            activations
        );
        for row in &measured {
            let values: Vec<f64> = images
                .pixels
                .chunks(network.input.len())
                .flat_map(|image| reference::inputs_of(&network, image, row.layer))
                .collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let std = (values
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / count)
                .sqrt();
            let outside = values
                .iter()
                .filter(|value| !interval.contains(**value))
                .count() as f64
                / count;
            let close = |left: f64, right: f64| {
                assert!(
                    (left - right).abs() < 1e-4 * (1.0 + right.abs()),
                    "{left} {right}"
                )
            };
            close(
                row.min,
                values.iter().copied().fold(f64::INFINITY, f64::min),
            );
            close(
                row.max,
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            );
            close(row.mean, mean);
            close(row.std, std);
            assert!((row.outside - outside).abs() < 0.01);
            assert_eq!(row.histogram.iter().sum::<u64>(), values.len() as u64);
            assert_eq!(row.histogram.len(), BINS);
            assert!(row.histogram_low <= -1.0 && row.histogram_high >= 1.5);
            let largest = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
            close(
                row.channel_abs_max.iter().copied().fold(0.0, f64::max),
                largest,
            );
        }
    }
}
