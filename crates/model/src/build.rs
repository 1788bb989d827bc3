//! The untrained network of an experiment: the spec's layers with random weights and the starting polynomial.

use super::network::{BatchNorm, Conv, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork};
use super::random::{Purpose, generator, unit};
use cryptodl_data::Preprocessing;
use cryptodl_spec::{Experiment, LayerSpec, Shape, Trainable};
use polyapprox::Polynomial;
use rand_chacha::ChaCha8Rng;

/// What stands at the network's activations.
#[derive(Clone, Copy, Debug)]
pub enum Activations<'a> {
    /// The original function: the baseline network.
    Original,
    /// A polynomial, fixed or the start of trained ones.
    Polynomial(&'a Polynomial),
}

/// Added to the variance by every batch norm.
const EPSILON: f64 = 1e-5;

/// The experiment's network before its first step, the same for the same spec and seed on any machine.
///
/// Weights are normal with variance 2 / fan-in (He et al. 2015), the closing layer's 1 / fan-in: batch norm, which stands before
/// every activation unless the spec turns it off, makes the scale matter to the first steps alone. Convolutions and dense layers
/// that lead into a batch norm have no bias, since it would be subtracted again. `mean` and `std` are the data set's, per channel. A filter
/// of the preprocessing is not fitted yet.
pub fn initial(
    experiment: &Experiment,
    activations: Activations<'_>,
    mean: &[f32],
    std: &[f32],
) -> TrainedNetwork {
    let spec = &experiment.network;
    let mut shape = spec.input;
    let mut layers = Vec::with_capacity(spec.layers.len());
    for (index, layer) in spec.layers.iter().enumerate() {
        let last = index + 1 == spec.layers.len();
        let mut random = generator(experiment.seed, Purpose::Weights, index, 0);
        let gain = if last { 1.0 } else { 2.0 };
        let biased = |outputs: usize| {
            if leads_to_norm(&spec.layers[index + 1..]) {
                Vec::new()
            } else {
                vec![0.0; outputs]
            }
        };
        layers.push(match *layer {
            LayerSpec::Conv {
                channels,
                kernel,
                stride,
                padding,
            } => {
                let fan_in = shape.channels * kernel * kernel;
                TrainedLayer::Conv(Conv {
                    in_channels: shape.channels,
                    out_channels: channels,
                    kernel,
                    stride,
                    padding,
                    weight: normal(
                        &mut random,
                        channels * fan_in,
                        (gain / fan_in as f64).sqrt(),
                    ),
                    bias: biased(channels),
                })
            }
            LayerSpec::Dense { units } => TrainedLayer::Dense(Dense {
                inputs: shape.len(),
                outputs: units,
                weight: normal(
                    &mut random,
                    units * shape.len(),
                    (gain / shape.len() as f64).sqrt(),
                ),
                bias: biased(units),
            }),
            LayerSpec::BatchNorm => TrainedLayer::BatchNorm(BatchNorm {
                gamma: vec![1.0; shape.channels],
                beta: vec![0.0; shape.channels],
                mean: vec![0.0; shape.channels],
                variance: vec![1.0; shape.channels],
                epsilon: EPSILON,
            }),
            LayerSpec::Activation => activation(experiment, activations, shape),
            LayerSpec::AvgPool { size, stride } => TrainedLayer::AvgPool { size, stride },
            // The spec has it on square maps alone.
            LayerSpec::GlobalAvgPool => TrainedLayer::AvgPool {
                size: shape.height,
                stride: shape.height,
            },
        });
        shape = spec.shapes[index];
    }
    TrainedNetwork {
        input: spec.input,
        mean: mean.to_vec(),
        std: std.to_vec(),
        preprocessing: Preprocessing::unfitted(&experiment.dataset),
        classes: spec.classes,
        layers,
    }
}

/// Takes over the trained numbers of `original`, layer by layer; its activations have none.
pub fn take_over(network: &mut TrainedNetwork, original: &TrainedNetwork) {
    for (layer, trained) in network.layers.iter_mut().zip(&original.layers) {
        if layer.kind() == trained.kind() {
            *layer = trained.clone();
        }
    }
}

/// Whether what follows subtracts the mean before anything that is not linear. Average pooling passes a constant through.
fn leads_to_norm(following: &[LayerSpec]) -> bool {
    let next = following
        .iter()
        .find(|layer| !matches!(layer, LayerSpec::AvgPool { .. } | LayerSpec::GlobalAvgPool));
    matches!(next, Some(LayerSpec::BatchNorm))
}

fn activation(experiment: &Experiment, activations: Activations<'_>, shape: Shape) -> TrainedLayer {
    match activations {
        Activations::Original => TrainedLayer::Function {
            function: experiment.activation.function,
        },
        Activations::Polynomial(polynomial) => {
            let rows = match experiment.activation.trainable {
                Trainable::Channel => shape.channels,
                Trainable::Fixed | Trainable::Layer => 1,
            };
            let row: Vec<f32> = polynomial
                .coefficients()
                .iter()
                .map(|value| *value as f32)
                .collect();
            TrainedLayer::Polynomial(PolynomialActivation {
                degree: row.len().saturating_sub(1),
                rows,
                coefficients: row.repeat(rows),
            })
        }
    }
}

/// Normal numbers by Box and Muller, from our own generator: the engine's is one for the whole process.
fn normal(random: &mut ChaCha8Rng, count: usize, deviation: f64) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - unit(random)).ln()).sqrt();
            (deviation * radius * (std::f64::consts::TAU * unit(random)).cos()) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_stated_variance() {
        let weights = normal(&mut generator(5, Purpose::Weights, 0, 0), 20_000, 0.5);
        let mean = weights.iter().map(|value| f64::from(*value)).sum::<f64>() / 20_000.0;
        let variance = weights
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            / 20_000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 0.25).abs() < 0.01,
            "{mean} {variance}"
        );
    }
}
