//! A network's numbers as tensors, and the one forward pass through them.

use super::hermite;
use super::ops::{self, Moments, Windows};
use super::parameters::{Coefficients, Parameters};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use cryptodl_model::ModelError;
use cryptodl_model::{TrainedLayer, TrainedNetwork};
use cryptodl_spec::Shape;
use polyapprox::Function;

/// Which statistics a forward pass normalises by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Normalisation<'s> {
    /// The ones stored in the network, whose polynomials have plain coefficients: inference.
    Stored,
    /// The batch's own: training and recalibration.
    Batch,
    /// These, in layer order: training with fixed statistics.
    Fixed(&'s [LayerStatistics]),
}

/// The input of one activation layer.
pub(crate) struct ActivationInput {
    /// Index of the layer.
    pub layer: usize,
    /// Its shape for one image.
    pub shape: Shape,
    /// `[images * height * width, channels]`.
    pub values: Tensor<2>,
}

/// The statistics at one layer that normalises.
#[derive(Clone, Debug)]
pub(crate) struct LayerStatistics {
    /// Index of the layer.
    pub layer: usize,
    /// Mean and biased variance, per channel.
    pub moments: Moments,
}

/// What one forward pass gives.
pub(crate) struct Pass {
    /// `[images, classes]`.
    pub logits: Tensor<2>,
    /// In layer order.
    pub inputs: Vec<ActivationInput>,
    /// The batch's own, in layer order; empty unless it was normalised by them.
    pub statistics: Vec<LayerStatistics>,
}

/// A network on the engine. Its numbers are copied in when it is made; a new step makes a new one.
pub(crate) struct Graph<'n> {
    network: &'n TrainedNetwork,
    shapes: &'n [Shape],
    leaves: Vec<Tensor<1>>,
    coefficients: Coefficients,
    /// Largest |input| of a polynomial; what is larger is cut off.
    clamp: Option<f64>,
    /// The function that a polynomial stands for, and its own share of the activation.
    blend: Option<(Function, f64)>,
}

impl<'n> Graph<'n> {
    /// The network's layers with the flat numbers `weights` in place of its own. On a device with autodiff, trainable numbers
    /// collect gradients. `shapes` are the network's checked output shapes, `parameters` its layout.
    pub fn new(
        network: &'n TrainedNetwork,
        shapes: &'n [Shape],
        parameters: &Parameters,
        weights: &[f32],
        device: &Device,
    ) -> Self {
        let leaves = parameters
            .segments()
            .iter()
            .map(|segment| {
                let flat = weights[segment.range.clone()]
                    .iter()
                    .zip(segment.every_unit());
                let values: Vec<f32> = flat.map(|(value, unit)| value * unit).collect();
                let count = values.len();
                let leaf = Tensor::<1>::from_data(TensorData::new(values, [count]), device);
                if device.is_autodiff() && segment.trainable {
                    leaf.require_grad()
                } else {
                    leaf
                }
            })
            .collect();
        Self {
            network,
            shapes,
            leaves,
            coefficients: parameters.coefficients(),
            clamp: None,
            blend: None,
        }
    }

    /// Cuts what goes into polynomials off at `most` on either side.
    pub fn clamped(self, most: f64) -> Self {
        Self {
            clamp: Some(most),
            ..self
        }
    }

    /// Mixes `function`, with the weight `1 - share`, into the polynomials in its place.
    pub fn blended(self, function: Function, share: f64) -> Self {
        Self {
            blend: Some((function, share)),
            ..self
        }
    }

    /// # Shapes
    /// - `x`: `[images * height * width, channels]`, normalised pixels
    /// - logits: `[images, classes]`
    pub fn forward(&self, x: Tensor<2>, normalisation: Normalisation<'_>) -> Pass {
        let mut shape = self.network.input;
        let images = x.dims()[0] / (shape.height * shape.width);
        let mut taken = 0;
        let mut next = || {
            taken += 1;
            self.leaves[taken - 1].clone()
        };
        let (mut inputs, mut statistics) = (Vec::new(), Vec::new());
        let fixed_at = |layer: usize| match normalisation {
            Normalisation::Fixed(all) => all.iter().find(|statistics| statistics.layer == layer),
            Normalisation::Stored | Normalisation::Batch => None,
        };
        let mut x = x;
        for (layer, (numbers, output)) in self.network.layers.iter().zip(self.shapes).enumerate() {
            x = match numbers {
                TrainedLayer::Conv {
                    out_channels,
                    in_channels,
                    kernel,
                    stride,
                    padding,
                    bias,
                    ..
                } => {
                    let windows = Windows {
                        input: shape,
                        kernel: *kernel,
                        stride: *stride,
                        padding: *padding,
                    };
                    let weight = next().reshape([*out_channels, *in_channels, *kernel, *kernel]);
                    let y = ops::conv(x, weight, windows);
                    if bias.is_empty() {
                        y
                    } else {
                        y + next().unsqueeze::<2>()
                    }
                }
                TrainedLayer::Dense {
                    inputs,
                    outputs,
                    bias,
                    ..
                } => {
                    // The map is in memory order [height, width, channels]: turn the weight, which is smaller than the batch.
                    let weight = next()
                        .reshape([*outputs, shape.channels, shape.height * shape.width])
                        .permute([2, 1, 0])
                        .reshape([*inputs, *outputs]);
                    let y = x.reshape([images, *inputs]).matmul(weight);
                    if bias.is_empty() {
                        y
                    } else {
                        y + next().unsqueeze::<2>()
                    }
                }
                TrainedLayer::BatchNorm {
                    gamma,
                    beta,
                    mean,
                    variance,
                    epsilon,
                } => {
                    let (gamma_leaf, beta_leaf) = (next(), next());
                    match (normalisation, fixed_at(layer)) {
                        (Normalisation::Stored, _) => {
                            ops::fixed_norm(x, gamma, beta, mean, variance, *epsilon)
                        }
                        (_, Some(fixed)) => {
                            let line = line(gamma_leaf, beta_leaf, &fixed.moments, *epsilon);
                            ops::polynomial(x, line)
                        }
                        (_, None) => {
                            let (y, moments) = ops::batch_norm(x, gamma_leaf, beta_leaf, *epsilon);
                            statistics.push(LayerStatistics { layer, moments });
                            y
                        }
                    }
                }
                TrainedLayer::Polynomial { degree, rows, .. } => {
                    inputs.push(ActivationInput {
                        layer,
                        shape,
                        values: x.clone(),
                    });
                    let x = match self.clamp {
                        Some(most) => x.clamp(-most, most),
                        None => x,
                    };
                    let original = self
                        .blend
                        .map(|(function, share)| (ops::function(x.clone(), function), share));
                    let numbers = next().reshape([*rows, degree + 1]);
                    let y = match (self.coefficients, fixed_at(layer)) {
                        (Coefficients::HermiteNormalized { linear }, Some(fixed)) => {
                            let row = hermite::coefficients(numbers, linear, &fixed.moments);
                            ops::polynomial(x, row)
                        }
                        (Coefficients::HermiteNormalized { linear }, None) => {
                            let (y, moments) = hermite::forward(x, numbers, linear);
                            statistics.push(LayerStatistics { layer, moments });
                            y
                        }
                        (Coefficients::Frozen | Coefficients::Trained { .. }, _) => {
                            ops::polynomial(x, numbers)
                        }
                    };
                    match original {
                        Some((original, share)) => {
                            original.mul_scalar(1.0 - share) + y.mul_scalar(share)
                        }
                        None => y,
                    }
                }
                TrainedLayer::Function(function) => {
                    inputs.push(ActivationInput {
                        layer,
                        shape,
                        values: x.clone(),
                    });
                    ops::function(x, *function)
                }
                TrainedLayer::AvgPool { size, stride } => ops::avg_pool(
                    x,
                    Windows {
                        input: shape,
                        kernel: *size,
                        stride: *stride,
                        padding: 0,
                    },
                ),
                TrainedLayer::MaxPool { size, stride } => ops::max_pool(
                    x,
                    Windows {
                        input: shape,
                        kernel: *size,
                        stride: *stride,
                        padding: 0,
                    },
                ),
            };
            shape = *output;
        }
        Pass {
            logits: x,
            inputs,
            statistics,
        }
    }

    /// The gradients, flat, in the order of `parameters`; zero for what is not trained.
    ///
    /// # Errors
    /// When the engine cannot hand a gradient back.
    pub fn gradients(
        &self,
        parameters: &Parameters,
        mut gradients: Gradients,
    ) -> Result<Vec<f32>, ModelError> {
        let mut flat = vec![0.0; parameters.len()];
        for (segment, leaf) in parameters.segments().iter().zip(&self.leaves) {
            if let Some(gradient) = leaf.grad_remove(&mut gradients) {
                let numbers = values(gradient)?.into_iter().zip(segment.every_unit());
                for (to, (gradient, unit)) in flat[segment.range.clone()].iter_mut().zip(numbers) {
                    *to = gradient * unit;
                }
            }
        }
        Ok(flat)
    }
}

/// Batch norm with given statistics as the coefficients `[channels, 2]` of a line.
fn line(gamma: Tensor<1>, beta: Tensor<1>, moments: &Moments, epsilon: f64) -> Tensor<2> {
    let device = gamma.device();
    let list = |values: Vec<f32>| Tensor::<1>::from_floats(values.as_slice(), &device);
    let scale = moments
        .variance
        .iter()
        .map(|variance| (variance + epsilon).sqrt().recip() as f32);
    let mean = moments.mean.iter().map(|mean| *mean as f32);
    let slope = gamma * list(scale.collect());
    Tensor::stack(vec![beta - slope.clone() * list(mean.collect()), slope], 1)
}

/// A tensor's values, in row-major order.
///
/// # Errors
/// When the engine cannot hand them back.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| ModelError::Engine(format!("{error:?}")))
}
