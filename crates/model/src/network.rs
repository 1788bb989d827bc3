//! A trained network as plain numbers: what training hands to the circuit, and what `model.safetensors` holds. Names no burn type.

use cryptodl_data::Preprocessing;
use cryptodl_spec::Shape;
use polyapprox::Function;

/// One layer with its trained numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainedLayer {
    /// Convolution. `weight` is `[out, in, kernel, kernel]`, row major.
    Conv {
        /// Input channels.
        in_channels: usize,
        /// Output channels.
        out_channels: usize,
        /// Kernel rows and columns.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Zeros added on each side.
        padding: usize,
        /// `[out, in, kernel, kernel]`.
        weight: Vec<f32>,
        /// `[out]`; empty where there is none.
        bias: Vec<f32>,
    },
    /// Fully connected. `weight` is `[out, in]`, row major; the input is flattened `[channels, height, width]`.
    Dense {
        /// Input features.
        inputs: usize,
        /// Output features.
        outputs: usize,
        /// `[out, in]`.
        weight: Vec<f32>,
        /// `[out]`.
        bias: Vec<f32>,
    },
    /// Batch normalisation in inference: `gamma (x - mean) / sqrt(variance + epsilon) + beta`, per channel.
    BatchNorm {
        /// `[channels]`.
        gamma: Vec<f32>,
        /// `[channels]`.
        beta: Vec<f32>,
        /// `[channels]`.
        mean: Vec<f32>,
        /// `[channels]`.
        variance: Vec<f32>,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Polynomial activation. Ascending coefficients, `rows x (degree + 1)`; one row, or one a channel.
    Polynomial {
        /// Degree.
        degree: usize,
        /// 1, or the number of channels.
        rows: usize,
        /// `[rows, degree + 1]`, ascending powers.
        coefficients: Vec<f32>,
    },
    /// The original activation, in the baseline network alone.
    Function(Function),
    /// Average pooling.
    AvgPool {
        /// Window.
        size: usize,
        /// Step.
        stride: usize,
    },
    /// Maximum pooling (in the clear only).
    MaxPool {
        /// Window.
        size: usize,
        /// Step.
        stride: usize,
    },
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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
