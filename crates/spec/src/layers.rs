//! The layers of a network: the depth knob, batch norm before activations, the closing layer, and the shapes in between.

use super::{DatasetName, LayerSpec, Shape};
use std::ops::Range;

/// A layer, and where the spec asks for it (`None`: added here).
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub layer: LayerSpec,
    pub span: Option<Range<usize>>,
}

/// Why a layer cannot stand where it stands.
#[derive(Debug)]
pub(super) struct Misplaced {
    pub why: String,
    pub help: String,
}

/// Largest number of values in one feature map, so that no product of sizes overflows or exhausts the memory.
const MAX_FEATURES: usize = 10_000_000;
/// Largest number of weights of a network.
pub(super) const MAX_PARAMETERS: u64 = 1_000_000_000;

/// The network of the depth knob, without batch norm and the closing layer.
///
/// Each block is a convolution and an activation: first two 5x5 ones of stride 2 (28 -> 12 -> 4; with two zeros around colour
/// images 32 -> 16 -> 8), then 3x3 ones that keep the size. Channels are `width`, 2 `width`, then 4 `width`; a hidden dense layer
/// of 4 `width` units follows. Depth 2 and width 16 is the conv 16 - conv 32 - dense 64 network of `design/training.md`.
pub(super) fn knob(depth: usize, width: usize, dataset: DatasetName) -> Vec<LayerSpec> {
    let around = if matches!(dataset, DatasetName::Cifar10) {
        2
    } else {
        0
    };
    let mut layers = Vec::new();
    for block in 0..depth {
        let channels = width << block.min(2);
        layers.push(match block {
            0 | 1 => LayerSpec::Conv {
                channels,
                kernel: 5,
                stride: 2,
                padding: around,
            },
            _ => LayerSpec::Conv {
                channels,
                kernel: 3,
                stride: 1,
                padding: 1,
            },
        });
        layers.push(LayerSpec::Activation);
    }
    layers.extend([LayerSpec::Dense { units: 4 * width }, LayerSpec::Activation]);
    layers
}

/// Puts a batch norm before every activation that has none: it keeps the activation's inputs in the polynomial's interval.
pub(super) fn with_batch_norm(layers: Vec<Placed>) -> Vec<Placed> {
    let mut all: Vec<Placed> = Vec::with_capacity(layers.len() * 2);
    for placed in layers {
        let follows_linear = all.last().is_some_and(|before| is_linear(before.layer));
        if placed.layer == LayerSpec::Activation && follows_linear {
            all.push(Placed {
                layer: LayerSpec::BatchNorm,
                span: placed.span.clone(),
            });
        }
        all.push(placed);
    }
    all
}

/// Appends the dense layer with one unit a class, unless the list ends with it.
pub(super) fn closed(mut layers: Vec<Placed>, classes: usize) -> Vec<Placed> {
    let closing = LayerSpec::Dense { units: classes };
    if layers.last().is_none_or(|last| last.layer != closing) {
        layers.push(Placed {
            layer: closing,
            span: None,
        });
    }
    layers
}

/// The output shape of every layer.
///
/// # Errors
/// The index of the first layer that cannot stand where it stands, and why.
pub(super) fn shapes(input: Shape, layers: &[Placed]) -> Result<Vec<Shape>, (usize, Misplaced)> {
    let mut shapes: Vec<Shape> = Vec::with_capacity(layers.len());
    let mut parameters = 0_u64;
    for (index, placed) in layers.iter().enumerate() {
        let before = layers.get(..index).unwrap_or_default();
        let from = shapes.last().copied().unwrap_or(input);
        let shape = order(placed.layer, before)
            .and_then(|()| output(placed.layer, from))
            .map_err(|why| (index, why))?;
        parameters = parameters.saturating_add(placed.layer.parameters(from));
        if parameters > MAX_PARAMETERS {
            return Err((
                index,
                misplaced(
                    format!("with this layer the network has {parameters} weights"),
                    format!("at most {MAX_PARAMETERS} are supported"),
                ),
            ));
        }
        shapes.push(shape);
    }
    Ok(shapes)
}

fn is_linear(layer: LayerSpec) -> bool {
    !matches!(layer, LayerSpec::Activation | LayerSpec::BatchNorm)
}

fn misplaced(why: impl Into<String>, help: impl Into<String>) -> Misplaced {
    Misplaced {
        why: why.into(),
        help: help.into(),
    }
}

/// Whether a layer may come after those before it. The circuit alternates linear maps and polynomials, and folds batch norm into
/// the linear map before it.
fn order(layer: LayerSpec, before: &[Placed]) -> Result<(), Misplaced> {
    let last = before.last().map(|placed| placed.layer);
    match layer {
        LayerSpec::Activation => {
            let since = before
                .iter()
                .rev()
                .take_while(|placed| placed.layer != LayerSpec::Activation);
            if !since.into_iter().any(|placed| is_linear(placed.layer)) {
                let help = "put a conv, pooling or dense layer before every activation";
                return Err(misplaced(
                    "there is no linear layer between this activation and what comes before",
                    help,
                ));
            }
        }
        LayerSpec::BatchNorm if !last.is_some_and(is_linear) => {
            return Err(misplaced(
                "this batch norm does not follow a linear layer",
                "put it right after a conv, pooling or dense layer",
            ));
        }
        LayerSpec::Conv { .. } | LayerSpec::AvgPool { .. } | LayerSpec::GlobalAvgPool
            if before
                .iter()
                .any(|placed| matches!(placed.layer, LayerSpec::Dense { .. })) =>
        {
            return Err(misplaced(
                "this layer needs an image, and a dense layer has flattened it",
                "put conv and pooling layers before the first dense layer",
            ));
        }
        _ => {}
    }
    Ok(())
}

fn output(layer: LayerSpec, from: Shape) -> Result<Shape, Misplaced> {
    let shape = match layer {
        LayerSpec::Conv {
            channels,
            kernel,
            stride,
            padding,
        } => windows(from, "kernel", kernel, stride, padding)
            .map(|shape| Shape { channels, ..shape })?,
        LayerSpec::AvgPool { size, stride } => windows(from, "window", size, stride, 0)?,
        LayerSpec::GlobalAvgPool => Shape {
            height: 1,
            width: 1,
            ..from
        },
        LayerSpec::Dense { units } => Shape {
            channels: units,
            height: 1,
            width: 1,
        },
        LayerSpec::BatchNorm | LayerSpec::Activation => from,
    };
    let features = shape
        .channels
        .saturating_mul(shape.height)
        .saturating_mul(shape.width);
    if features > MAX_FEATURES {
        return Err(misplaced(
            format!("this layer has {features} outputs"),
            format!("at most {MAX_FEATURES} are supported"),
        ));
    }
    Ok(shape)
}

/// Shape of a sliding window's results: `floor((side + 2 padding - size) / stride) + 1` a side.
fn windows(
    from: Shape,
    what: &str,
    size: usize,
    stride: usize,
    padding: usize,
) -> Result<Shape, Misplaced> {
    let (height, width) = (from.height + 2 * padding, from.width + 2 * padding);
    if size > height || size > width {
        let why = format!(
            "a {size}x{size} {what} does not fit its input of {height}x{width}{}",
            if padding > 0 {
                " (padding included)"
            } else {
                ""
            }
        );
        return Err(misplaced(
            why,
            format!(
                "choose a {what} of at most {}, less stride in earlier layers, or more padding",
                height.min(width)
            ),
        ));
    }
    Ok(Shape {
        channels: from.channels,
        height: (height - size) / stride + 1,
        width: (width - size) / stride + 1,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn network(depth: usize, dataset: DatasetName) -> Vec<(usize, usize, usize)> {
        let layers = knob(depth, 16, dataset)
            .into_iter()
            .map(|layer| Placed { layer, span: None })
            .collect();
        let layers = closed(with_batch_norm(layers), 10);
        let shapes = shapes(dataset.shape(), &layers).unwrap();
        let weighty = layers.iter().zip(shapes).filter(|(placed, _)| {
            !matches!(placed.layer, LayerSpec::BatchNorm | LayerSpec::Activation)
        });
        weighty
            .map(|(_, shape)| (shape.channels, shape.height, shape.width))
            .collect()
    }

    #[test]
    fn depth_two_is_the_known_mnist_network() {
        assert_eq!(
            network(2, DatasetName::Mnist),
            [(16, 12, 12), (32, 4, 4), (64, 1, 1), (10, 1, 1)]
        );
    }

    #[test]
    fn every_depth_fits_every_data_set() {
        for dataset in DatasetName::ALL {
            for depth in 1..=6 {
                assert_eq!(network(depth, dataset).len(), depth + 2);
            }
        }
        assert_eq!(
            network(3, DatasetName::Cifar10),
            [(16, 16, 16), (32, 8, 8), (64, 8, 8), (64, 1, 1), (10, 1, 1)]
        );
    }

    #[test]
    fn batch_norm_is_not_doubled() {
        let layers = [
            LayerSpec::Dense { units: 5 },
            LayerSpec::BatchNorm,
            LayerSpec::Activation,
        ]
        .map(|layer| Placed { layer, span: None });
        assert_eq!(with_batch_norm(layers.to_vec()).len(), 3);
    }

    #[test]
    fn the_closing_layer_is_not_doubled() {
        let dense = |units| Placed {
            layer: LayerSpec::Dense { units },
            span: None,
        };
        assert_eq!(closed(vec![dense(10)], 10).len(), 1);
        assert_eq!(closed(vec![dense(11)], 10).len(), 2);
        assert_eq!(closed(vec![], 10).len(), 1);
    }
}
