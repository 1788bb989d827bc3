//! The layers of a network: the depth knob, batch norm before activations, the closing layer, and the shapes in between.

use super::{DatasetName, DatasetSource, LayerSpec, Shape, Window};
use std::ops::Range;

/// A layer, and where the spec asks for it (`None`: added here).
pub(super) type Placed = (LayerSpec, Option<Range<usize>>);

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
/// Each block is a convolution and an activation: first two 5x5 ones of stride 2 (28 -> 12 -> 4; with two zeros around CIFAR-10's
/// images and those in files 32 -> 16 -> 8), then 3x3 ones that keep the size. Channels are `width`, 2 `width`, then 4 `width`; a hidden dense layer
/// of 4 `width` units follows. Depth 2 and width 16 is the conv 16 - conv 32 - dense 64 network of `design/training.md`.
pub(super) fn knob(depth: usize, width: usize, source: &DatasetSource) -> Vec<LayerSpec> {
    let around = match source {
        DatasetSource::Name(DatasetName::Cifar10) | DatasetSource::Files { .. } => 2,
        DatasetSource::Name(_) => 0,
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
    for (layer, place) in layers {
        let follows_linear = all.last().is_some_and(|(before, _)| is_linear(*before));
        if layer == LayerSpec::Activation && follows_linear {
            all.push((LayerSpec::BatchNorm, place.clone()));
        }
        all.push((layer, place));
    }
    all
}

/// Appends the dense layer with one unit a class, unless the list ends with it.
pub(super) fn closed(mut layers: Vec<Placed>, classes: usize) -> Vec<Placed> {
    let closing = LayerSpec::Dense { units: classes };
    if layers.last().is_none_or(|(last, _)| *last != closing) {
        layers.push((closing, None));
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
    for (index, (layer, _)) in layers.iter().enumerate() {
        let before = layers.get(..index).unwrap_or_default();
        let from = shapes.last().copied().unwrap_or(input);
        let shape = order(*layer, before)
            .and_then(|()| output(*layer, from))
            .map_err(|why| (index, why))?;
        parameters = parameters.saturating_add(layer.parameters(from));
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
    let last = before.last().map(|(layer, _)| *layer);
    match layer {
        LayerSpec::Activation => {
            let since = before
                .iter()
                .rev()
                .take_while(|(layer, _)| *layer != LayerSpec::Activation);
            if !since.into_iter().any(|(layer, _)| is_linear(*layer)) {
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
                .any(|(layer, _)| matches!(layer, LayerSpec::Dense { .. })) =>
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
        } => {
            let window = Window {
                size: kernel,
                stride,
                padding,
            };
            let shape = windows(from, "kernel", window)?;
            Shape { channels, ..shape }
        }
        LayerSpec::AvgPool { size, stride } => {
            windows(from, "window", Window::unpadded(size, stride))?
        }
        LayerSpec::GlobalAvgPool if from.height != from.width => {
            return Err(misplaced(
                format!("its input of {}x{} is not square", from.height, from.width),
                "use type = \"avg-pool\", or end with a dense layer",
            ));
        }
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

/// Shape of what a sliding window gives, one value per window and channel.
fn windows(from: Shape, what: &str, window: Window) -> Result<Shape, Misplaced> {
    let padding = 2 * window.padding;
    let (height, width) = (from.height + padding, from.width + padding);
    window.over(from).ok_or_else(|| {
        let size = window.size;
        let padded = if padding > 0 {
            " (padding included)"
        } else {
            ""
        };
        misplaced(
            format!("a {size}x{size} {what} does not fit its input of {height}x{width}{padded}"),
            format!(
                "choose a {what} of at most {}, less stride in earlier layers, or more padding",
                height.min(width)
            ),
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn network(depth: usize, dataset: DatasetName) -> Vec<(usize, usize, usize)> {
        let layers = knob(depth, 16, &DatasetSource::Name(dataset))
            .into_iter()
            .map(|layer| (layer, None))
            .collect();
        let layers = closed(with_batch_norm(layers), 10);
        let shapes = shapes(dataset.shape(), &layers).unwrap();
        let weighty = layers.iter().zip(shapes).filter(|((layer, _), _)| {
            !matches!(layer, LayerSpec::BatchNorm | LayerSpec::Activation)
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
        .map(|layer| (layer, None));
        assert_eq!(with_batch_norm(layers.to_vec()).len(), 3);
    }

    #[test]
    fn the_closing_layer_is_not_doubled() {
        let dense = |units| (LayerSpec::Dense { units }, None);
        assert_eq!(closed(vec![dense(10)], 10).len(), 1);
        assert_eq!(closed(vec![dense(11)], 10).len(), 2);
        assert_eq!(closed(vec![], 10).len(), 1);
    }
}
