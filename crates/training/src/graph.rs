//! A network's numbers as tensors, and the one forward pass through them.

use super::hermite;
use super::ops::{self, Moments, Windows};
use super::parameters::{Coefficients, Parameters};
use burn::tensor::{DType, Device, FloatDType, Gradients, Tensor, TensorData};
use cryptodl_model::{ModelError, TrainedLayer, TrainedNetwork};
use cryptodl_spec::{Shape, Window};
use nhwc::{Activation, Form, ImagePenalty, Norm, Outside, Precision};
use polyapprox::{Function, Interval};

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
    /// In layer order, from a pass with [`Normalisation::Stored`] or of a graph that keeps them.
    pub inputs: Vec<ActivationInput>,
    /// What lay outside of the limits at each activation, in layer order, from all other passes. The penalties enter the gradients by
    /// themselves.
    pub outside: Vec<Outside>,
    /// The batch's own, in layer order; empty unless it was normalised by them.
    pub statistics: Vec<LayerStatistics>,
}

/// What keeps the inputs of polynomials inside their interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Penalties {
    /// What lies outside is counted.
    pub interval: Interval,
    /// Factor of the mean squared distance of all values from the interval.
    pub range: f64,
    /// The penalty on each image's largest |value|.
    pub peak: Option<ImagePenalty>,
    /// The penalty on each image's mean square.
    pub energy: Option<ImagePenalty>,
}

/// A batch norm that is computed together with the activation after it.
struct PendingNorm {
    layer: usize,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    norm: Norm,
    epsilon: f64,
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
    penalties: Option<Penalties>,
    precision: Precision,
    keeps_inputs: bool,
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
            penalties: None,
            precision: Precision::F32,
            keeps_inputs: false,
        }
    }

    /// Counts and penalises what leaves the polynomials' interval.
    pub fn penalised(self, penalties: Penalties) -> Self {
        Self {
            penalties: Some(penalties),
            ..self
        }
    }

    /// Keeps the inputs of activations, which are then computed apart from the norm before them.
    pub fn keeping_inputs(self) -> Self {
        Self {
            keeps_inputs: true,
            ..self
        }
    }

    /// Keeps feature maps in the precision, and multiplies in it. Statistics, dense layers and all parameters stay in f32.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
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
        let (mut inputs, mut statistics, mut outside) = (Vec::new(), Vec::new(), Vec::new());
        let mut pending: Option<PendingNorm> = None;
        let fixed_at = |layer: usize| match normalisation {
            Normalisation::Fixed(all) => all.iter().find(|statistics| statistics.layer == layer),
            Normalisation::Stored | Normalisation::Batch => None,
        };
        let mut x = match self.precision {
            Precision::F32 => x,
            Precision::Bf16 => x.cast(FloatDType::BF16),
        };
        for (layer, (numbers, output)) in self.network.layers.iter().zip(self.shapes).enumerate() {
            let activates = numbers.is_activation();
            if let Some(norm) = pending.take_if(|_| !activates || self.keeps_inputs) {
                x = normalised(x, norm, &mut statistics);
            }
            if activates && (self.keeps_inputs || matches!(normalisation, Normalisation::Stored)) {
                inputs.push(ActivationInput {
                    layer,
                    shape,
                    values: x.clone(),
                });
            }
            x = match numbers {
                TrainedLayer::Conv(conv) => {
                    let windows = Windows {
                        input: shape,
                        window: conv.window(),
                    };
                    let (inputs, outputs) = (conv.in_channels, conv.out_channels);
                    let weight = next().reshape([outputs, inputs, conv.kernel, conv.kernel]);
                    let y = ops::conv(x, weight, windows);
                    if conv.bias.is_empty() {
                        y
                    } else {
                        let bias = next().cast(y.dtype());
                        y + bias.unsqueeze::<2>()
                    }
                }
                TrainedLayer::Dense(dense) => {
                    // The map is in memory order [height, width, channels]: turn the weight, which is smaller than the batch.
                    let weight = next()
                        .reshape([dense.outputs, shape.channels, shape.plane()])
                        .permute([2, 1, 0])
                        .reshape([dense.inputs, dense.outputs]);
                    let y = in_f32(x).reshape([images, dense.inputs]).matmul(weight);
                    if dense.bias.is_empty() {
                        y
                    } else {
                        y + next().unsqueeze::<2>()
                    }
                }
                TrainedLayer::BatchNorm(norm) => {
                    let (gamma, beta) = (next(), next());
                    if matches!(normalisation, Normalisation::Stored) {
                        ops::fixed_norm(x, norm)
                    } else {
                        let moments = fixed_at(layer)
                            .map_or(Norm::Batch, |fixed| Norm::Fixed(fixed.moments.clone()));
                        pending = Some(PendingNorm {
                            layer,
                            gamma,
                            beta,
                            norm: moments,
                            epsilon: norm.epsilon,
                        });
                        x
                    }
                }
                TrainedLayer::Polynomial(polynomial)
                    if matches!(normalisation, Normalisation::Stored) =>
                {
                    ops::polynomial(x, next().reshape([polynomial.rows, polynomial.degree + 1]))
                }
                TrainedLayer::Function { function }
                    if matches!(normalisation, Normalisation::Stored) =>
                {
                    ops::function(x, *function)
                }
                TrainedLayer::Polynomial(polynomial) => {
                    let numbers = next().reshape([polynomial.rows, polynomial.degree + 1]);
                    let fixed = fixed_at(layer).map(|fixed| fixed.moments.clone());
                    let activation = self.polynomial(shape, polynomial.degree, fixed);
                    let (y, inner) = activated(
                        activation,
                        x,
                        pending.take(),
                        numbers,
                        &mut statistics,
                        &mut outside,
                    );
                    if let Some(moments) = inner {
                        statistics.push(LayerStatistics { layer, moments });
                    }
                    y
                }
                TrainedLayer::Function { function } => {
                    let activation = Activation {
                        function: Some((ops::original(*function), 1.0)),
                        ..ops::identity(shape.channels)
                    };
                    let activation = self.watched(activation, shape);
                    let numbers = ops::row(ops::IDENTITY, &x);
                    activated(
                        activation,
                        x,
                        pending.take(),
                        numbers,
                        &mut statistics,
                        &mut outside,
                    )
                    .0
                }
                TrainedLayer::AvgPool { size, stride } => ops::avg_pool(
                    x,
                    Windows {
                        input: shape,
                        window: Window::unpadded(*size, *stride),
                    },
                ),
            };
            shape = *output;
        }
        if let Some(norm) = pending {
            x = normalised(x, norm, &mut statistics);
        }
        Pass {
            logits: in_f32(x),
            outside,
            inputs,
            statistics,
        }
    }

    /// The polynomial of one layer in training; `fixed` are the statistics inside of it, where they are given.
    fn polynomial(&self, shape: Shape, degree: usize, fixed: Option<Moments>) -> Activation {
        let form = match self.coefficients {
            Coefficients::HermiteNormalized { linear } => Form::Hermite {
                linear: f64::from(linear),
                fixed,
            },
            Coefficients::Frozen | Coefficients::Trained { .. } => Form::Polynomial { degree },
        };
        let bound = self.clamp.unwrap_or(f64::INFINITY);
        let activation = Activation {
            form,
            epsilon: hermite::EPSILON,
            bounds: [-bound, bound],
            function: self
                .blend
                .map(|(function, share)| (ops::original(function), 1.0 - share)),
            ..ops::identity(shape.channels)
        };
        self.watched(activation, shape)
    }

    /// The activation with the penalties on what goes into it.
    fn watched(&self, activation: Activation, shape: Shape) -> Activation {
        let Some(penalties) = self.penalties else {
            return activation;
        };
        Activation {
            limits: [penalties.interval.low(), penalties.interval.high()],
            range_weight: penalties.range,
            image_rows: shape.height * shape.width,
            peaks: penalties.peak,
            energies: penalties.energy,
            ..activation
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

/// A batch norm without an activation after it.
fn normalised(x: Tensor<2>, norm: PendingNorm, statistics: &mut Vec<LayerStatistics>) -> Tensor<2> {
    let activation = ops::identity(x.dims()[1]);
    let numbers = ops::row(ops::IDENTITY, &x);
    activated(
        activation,
        x,
        Some(norm),
        numbers,
        statistics,
        &mut Vec::new(),
    )
    .0
}

/// An activation with the norm before it: the values, and the statistics of a norm inside of it where those are the batch's own.
fn activated(
    activation: Activation,
    x: Tensor<2>,
    norm: Option<PendingNorm>,
    numbers: Tensor<2>,
    statistics: &mut Vec<LayerStatistics>,
    outside: &mut Vec<Outside>,
) -> (Tensor<2>, Option<Moments>) {
    let own = matches!(activation.form, Form::Hermite { fixed: None, .. });
    let (activation, norm) = match norm {
        Some(PendingNorm {
            layer,
            gamma,
            beta,
            norm,
            epsilon,
        }) => {
            let batch = (norm == Norm::Batch).then_some(layer);
            (
                Activation {
                    norm,
                    epsilon,
                    ..activation
                },
                Some((batch, gamma, beta)),
            )
        }
        None => (activation, None),
    };
    let batch = norm.as_ref().and_then(|(batch, ..)| *batch);
    let y = ops::activate(
        activation,
        x,
        norm.map(|(_, gamma, beta)| (gamma, beta)),
        numbers,
    );
    let Some(found) = y.found.get() else {
        return (y.values, None);
    };
    if let Some(layer) = batch {
        statistics.push(LayerStatistics {
            layer,
            moments: found.moments.clone(),
        });
    }
    outside.push(found.outside);
    (y.values, own.then(|| found.inner.clone()))
}

/// A map whose entries are to be computed with in f32.
fn in_f32(x: Tensor<2>) -> Tensor<2> {
    if x.dtype() == DType::F32 {
        x
    } else {
        x.cast(FloatDType::F32)
    }
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
