//! Networks as plain numbers: from the spec's layers to first weights, their shapes, and their file.
//!
//! A network is plain data, [`TrainedNetwork`], from its first random weights to its last. The differentiation engine sees it only for
//! the length of one forward or backward pass (in `cryptodl-training`), so there is nothing to convert when training ends.

mod build;
mod check;
mod error;
mod file;
mod network;
mod random;

pub use build::{Activations, initial, take_over};
pub use check::{difference, shapes};
pub use error::ModelError;
pub use file::{Precision, from_bytes, load, save, save_as, to_bytes};
pub use network::{
    BatchNorm, Conv, Dense, PolynomialActivation, PreActivation, Role, TrainedLayer, TrainedNetwork,
};
pub use random::{Purpose, generator, unit};
