//! A network's architecture as it stands in the file's metadata, and the names of its numbers.

use super::network::TrainedLayer;
use cryptodl_data::Preprocessing;
use cryptodl_spec::Shape;
use polyapprox::Function;
use serde::{Deserialize, Serialize};

/// The architecture.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub version: u32,
    pub input: Shape,
    #[serde(default, skip_serializing_if = "Preprocessing::is_plain")]
    pub preprocessing: Preprocessing,
    pub classes: usize,
    pub layers: Vec<LayerHeader>,
}

/// One layer without its numbers.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum LayerHeader {
    Conv {
        in_channels: usize,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    Dense {
        inputs: usize,
        outputs: usize,
        bias: bool,
    },
    BatchNorm {
        epsilon: f64,
    },
    Polynomial {
        degree: usize,
        rows: usize,
    },
    Function {
        function: Function,
    },
    AvgPool {
        size: usize,
        stride: usize,
    },
    MaxPool {
        size: usize,
        stride: usize,
    },
}

/// The lists of numbers of a layer, with names and shapes.
pub(super) fn lists(layer: &TrainedLayer) -> Vec<(&'static str, Vec<usize>, &[f32])> {
    let mut lists: Vec<(&'static str, Vec<usize>, &[f32])> = match layer {
        TrainedLayer::Conv {
            in_channels,
            out_channels,
            kernel,
            weight,
            ..
        } => {
            vec![(
                "weight",
                vec![*out_channels, *in_channels, *kernel, *kernel],
                weight,
            )]
        }
        TrainedLayer::Dense {
            inputs,
            outputs,
            weight,
            ..
        } => vec![("weight", vec![*outputs, *inputs], weight)],
        TrainedLayer::BatchNorm {
            gamma,
            beta,
            mean,
            variance,
            ..
        } => [
            ("gamma", gamma),
            ("beta", beta),
            ("mean", mean),
            ("variance", variance),
        ]
        .map(|(name, values)| (name, vec![values.len()], values.as_slice()))
        .to_vec(),
        TrainedLayer::Polynomial {
            degree,
            rows,
            coefficients,
        } => {
            vec![("coefficients", vec![*rows, degree + 1], coefficients)]
        }
        TrainedLayer::Function(_) | TrainedLayer::AvgPool { .. } | TrainedLayer::MaxPool { .. } => {
            Vec::new()
        }
    };
    if let TrainedLayer::Conv { bias, .. } | TrainedLayer::Dense { bias, .. } = layer
        && !bias.is_empty()
    {
        lists.push(("bias", vec![bias.len()], bias));
    }
    lists
}

impl LayerHeader {
    /// The header of a layer.
    pub fn of(layer: &TrainedLayer) -> Self {
        match layer {
            TrainedLayer::Conv {
                in_channels,
                out_channels,
                kernel,
                stride,
                padding,
                bias,
                ..
            } => Self::Conv {
                in_channels: *in_channels,
                out_channels: *out_channels,
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
                bias: !bias.is_empty(),
            },
            TrainedLayer::Dense {
                inputs,
                outputs,
                bias,
                ..
            } => Self::Dense {
                inputs: *inputs,
                outputs: *outputs,
                bias: !bias.is_empty(),
            },
            TrainedLayer::BatchNorm { epsilon, .. } => Self::BatchNorm { epsilon: *epsilon },
            TrainedLayer::Polynomial { degree, rows, .. } => Self::Polynomial {
                degree: *degree,
                rows: *rows,
            },
            TrainedLayer::Function(function) => Self::Function {
                function: *function,
            },
            TrainedLayer::AvgPool { size, stride } => Self::AvgPool {
                size: *size,
                stride: *stride,
            },
            TrainedLayer::MaxPool { size, stride } => Self::MaxPool {
                size: *size,
                stride: *stride,
            },
        }
    }
}
