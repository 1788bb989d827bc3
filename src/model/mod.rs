//! Networks: from the spec's layers to trained numbers, their forward pass, what flows into their activations, and their file.
//!
//! A network is plain data, [`TrainedNetwork`], from its first random weights to its last. The differentiation engine (burn) sees
//! it only for the length of one forward or backward pass, as a [`graph`](self) over the same numbers; so there is one forward pass
//! for training, validation and test, and nothing to convert when training ends.

mod architecture;
mod build;
mod check;
mod error;
mod file;
mod graph;
mod infer;
mod measure;
mod network;
mod ops;
mod parameters;
mod random;

pub use build::{Activations, initial};
pub use check::shapes;
pub use error::ModelError;
pub use file::{Precision, from_bytes, load, save, save_as, to_bytes};
pub use infer::logits;
pub use measure::pre_activations;
pub use network::{PreActivation, TrainedLayer, TrainedNetwork};

pub(crate) use graph::{Graph, Normalisation, values};
pub(crate) use infer::{Inputs, tensor};
pub(crate) use ops::range_penalty;
pub(crate) use parameters::{Coefficients, Parameters, Role};
pub(crate) use random::{Purpose, generator, unit};

#[cfg(test)]
pub(crate) mod reference;
