//! A trained network as plain numbers: what training hands to the circuit, and what `model.safetensors` holds. Names no burn type.

use cryptodl_data::Preprocessing;
use cryptodl_spec::{Shape, Window};
use polyapprox::Function;
use serde::{Deserialize, Serialize};

/// One layer with its trained numbers.
///
/// In JSON it is the layer's entry in the architecture, without its numbers ([`Self::tensors`] lists them).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrainedLayer {
    /// Convolution.
    Conv(Conv),
    /// Fully connected.
    Dense(Dense),
    /// Batch normalisation in inference.
    BatchNorm(BatchNorm),
    /// Polynomial activation.
    Polynomial(PolynomialActivation),
    /// The original activation, in the baseline network alone.
    Function {
        /// Which.
        function: Function,
    },
    /// Average pooling.
    AvgPool {
        /// Rows and columns of the window.
        size: usize,
        /// Step between windows.
        stride: usize,
    },
}

/// Two-dimensional convolution with a square kernel, zero padding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Kernel rows and columns.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// `[out, in, kernel, kernel]`, row major.
    #[serde(skip)]
    pub weight: Vec<f32>,
    /// `[out]`; empty where there is none.
    #[serde(with = "presence")]
    pub bias: Vec<f32>,
}

/// Fully connected layer; the input is flattened `[channels, height, width]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Input features.
    pub inputs: usize,
    /// Output features.
    pub outputs: usize,
    /// `[out, in]`, row major.
    #[serde(skip)]
    pub weight: Vec<f32>,
    /// `[out]`; empty where there is none.
    #[serde(with = "presence")]
    pub bias: Vec<f32>,
}

/// `gamma (x - mean) / sqrt(variance + epsilon) + beta`, per channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// `[channels]`.
    #[serde(skip)]
    pub gamma: Vec<f32>,
    /// `[channels]`.
    #[serde(skip)]
    pub beta: Vec<f32>,
    /// `[channels]`.
    #[serde(skip)]
    pub mean: Vec<f32>,
    /// `[channels]`.
    #[serde(skip)]
    pub variance: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// A polynomial on every value: one for the layer, or one a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolynomialActivation {
    /// Degree.
    pub degree: usize,
    /// 1, or the number of channels.
    pub rows: usize,
    /// `[rows, degree + 1]`, ascending powers.
    #[serde(skip)]
    pub coefficients: Vec<f32>,
}

/// A bias in the architecture: whether there is one. One that is read holds a single zero until its numbers are.
mod presence {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bias: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(!bias.is_empty())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let is_there = bool::deserialize(deserializer)?;
        Ok(vec![0.0; usize::from(is_there)])
    }
}

/// What a list of numbers is in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or dense layer: the only numbers that decay in training.
    Weight,
    /// Bias of a convolution or dense layer.
    Bias,
    /// Batch norm's factor.
    Gamma,
    /// Batch norm's offset.
    Beta,
    /// Batch norm's mean, which is measured, not trained.
    Mean,
    /// Batch norm's variance, which is measured, not trained.
    Variance,
    /// Ascending polynomial coefficients.
    Coefficients,
}

impl Role {
    /// The name in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Gamma => "gamma",
            Self::Beta => "beta",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Coefficients => "coefficients",
        }
    }

    /// Whether training by gradients moves such numbers.
    pub const fn is_trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }
}

/// The lists of a layer, to be read or to be written to.
macro_rules! tensors {
    ($layer:expr) => {
        match $layer {
            TrainedLayer::Conv(Conv {
                in_channels,
                out_channels,
                kernel,
                weight,
                bias,
                ..
            }) => {
                let shape = vec![*out_channels, *in_channels, *kernel, *kernel];
                let mut tensors = vec![(Role::Weight, shape, weight)];
                if !bias.is_empty() {
                    tensors.push((Role::Bias, vec![*out_channels], bias));
                }
                tensors
            }
            TrainedLayer::Dense(Dense {
                inputs,
                outputs,
                weight,
                bias,
            }) => {
                let mut tensors = vec![(Role::Weight, vec![*outputs, *inputs], weight)];
                if !bias.is_empty() {
                    tensors.push((Role::Bias, vec![*outputs], bias));
                }
                tensors
            }
            TrainedLayer::BatchNorm(BatchNorm {
                gamma,
                beta,
                mean,
                variance,
                ..
            }) => {
                let shape = vec![gamma.len()];
                vec![
                    (Role::Gamma, shape.clone(), gamma),
                    (Role::Beta, shape.clone(), beta),
                    (Role::Mean, shape.clone(), mean),
                    (Role::Variance, shape, variance),
                ]
            }
            TrainedLayer::Polynomial(PolynomialActivation {
                degree,
                rows,
                coefficients,
            }) => {
                let shape = vec![*rows, degree.saturating_add(1)];
                vec![(Role::Coefficients, shape, coefficients)]
            }
            TrainedLayer::Function { .. } | TrainedLayer::AvgPool { .. } => Vec::new(),
        }
    };
}

impl TrainedLayer {
    /// The name of the layer's kind, as in specs and files.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Dense(_) => "dense",
            Self::BatchNorm(_) => "batch-norm",
            Self::Polynomial(_) => "polynomial",
            Self::Function { .. } => "function",
            Self::AvgPool { .. } => "avg-pool",
        }
    }

    /// Whether the layer is an activation.
    pub const fn is_activation(&self) -> bool {
        matches!(self, Self::Polynomial(_) | Self::Function { .. })
    }

    /// The lists of numbers, with their shapes; no bias where there is none.
    pub fn tensors(&self) -> Vec<(Role, Vec<usize>, &Vec<f32>)> {
        tensors!(self)
    }

    /// [`Self::tensors`], to be written to.
    pub fn tensors_mut(&mut self) -> Vec<(Role, Vec<usize>, &mut Vec<f32>)> {
        tensors!(self)
    }
}

impl Conv {
    /// The window that slides over the input.
    pub const fn window(&self) -> Window {
        Window {
            size: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl BatchNorm {
    /// `factor x + offset` per channel: what batch norm is in inference.
    pub fn affine(&self) -> impl Iterator<Item = (f64, f64)> {
        let scales = self.gamma.iter().zip(&self.beta);
        let moments = self.mean.iter().zip(&self.variance);
        scales
            .zip(moments)
            .map(|((gamma, beta), (mean, variance))| {
                let factor = f64::from(*gamma) / (f64::from(*variance) + self.epsilon).sqrt();
                (factor, f64::from(*beta) - factor * f64::from(*mean))
            })
    }
}

impl PolynomialActivation {
    /// The coefficients of each row, ascending.
    pub fn polynomials(&self) -> impl Iterator<Item = Vec<f64>> {
        let rows = self.coefficients.chunks_exact(self.degree + 1);
        rows.map(|row| row.iter().map(|value| f64::from(*value)).collect())
    }
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedNetwork {
    /// Shape of one image. Pixels enter as `(byte / 255 - mean[c]) / std[c]`, and then as `preprocessing` says.
    pub input: Shape,
    /// Per input channel.
    pub mean: Vec<f32>,
    /// Per input channel.
    pub std: Vec<f32>,
    /// What is done to the values of each image after that.
    pub preprocessing: Preprocessing,
    /// Number of logits.
    pub classes: usize,
    /// In order.
    pub layers: Vec<TrainedLayer>,
}

/// What was measured at the input of one activation layer, on some images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreActivation {
    /// Index among the network's layers.
    pub layer: usize,
    /// Smallest value seen.
    pub min: f64,
    /// Largest value seen.
    pub max: f64,
    /// Mean of all values.
    pub mean: f64,
    /// Standard deviation of all values.
    pub std: f64,
    /// Share of values outside the spec's interval, 0 to 1.
    pub outside: f64,
    /// Largest |value| per channel (feature maps) or per unit (dense layers).
    pub channel_abs_max: Vec<f64>,
    /// Left edge of the histogram.
    pub histogram_low: f64,
    /// Right edge of the histogram.
    pub histogram_high: f64,
    /// Counts in equal bins between the edges (values outside fall into the first or last bin).
    pub histogram: Vec<u64>,
}
