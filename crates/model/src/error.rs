//! What can be wrong with a network, its file or its images.

use cryptodl_spec::Shape;
use std::path::PathBuf;

/// What can be wrong with a network, its file or its images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A list of numbers of the wrong length.
    #[error("layer {layer} ({kind}): {what} holds {found} values where {expected} belong")]
    Length {
        /// Index of the layer.
        layer: usize,
        /// Its kind.
        kind: &'static str,
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The right length.
        expected: usize,
    },
    /// A layer that cannot take what the layer before it gives.
    #[error("layer {layer} ({kind}) cannot take an input of shape {}: {reason}", show(.input))]
    Input {
        /// Index of the layer.
        layer: usize,
        /// Its kind.
        kind: &'static str,
        /// Shape of its input.
        input: Shape,
        /// Why not.
        reason: String,
    },
    /// A number that is NaN, infinite or out of its range.
    #[error("layer {layer} ({kind}): {what} holds {value}, which is not allowed there")]
    Value {
        /// Index of the layer.
        layer: usize,
        /// Its kind.
        kind: &'static str,
        /// Which list.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// Something wrong with the network as a whole.
    #[error("not a usable network: {0}")]
    Network(String),
    /// Images of another shape than the network takes.
    #[error("the images have the shape {}, the network takes {}", show(.found), show(.expected))]
    Images {
        /// What the network takes.
        expected: Shape,
        /// What it was given.
        found: Shape,
    },
    /// Pixels and labels that do not go together.
    #[error("{images} images, but {pixels} pixel bytes and {labels} labels")]
    Pixels {
        /// Images by the labels' count and the shape.
        images: usize,
        /// Bytes there are.
        pixels: usize,
        /// Labels there are.
        labels: usize,
    },
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that holds no network.
    #[error("not a network file: {0}")]
    File(String),
    /// The engine could not hand a result back.
    #[error("the tensor engine failed: {0}")]
    Engine(String),
}

/// `channels x height x width`.
fn show(shape: &Shape) -> String {
    format!("{} x {} x {}", shape.channels, shape.height, shape.width)
}
