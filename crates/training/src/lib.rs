//! Training of networks with polynomial activations, and their forward pass: the only crate that names burn.
//!
//! There is one forward pass for training, validation and test: a graph over the numbers of a
//! [`TrainedNetwork`](cryptodl_model::TrainedNetwork). All state is plain numbers (`state`), every random number comes from the seed and its place of use, and a checkpoint is
//! written after every epoch: a resumed run ends with the same network as an unbroken one.

mod average;
mod batch;
mod checkpoint;
mod error;
mod fingerprint;
mod floor;
mod graph;
mod hermite;
mod infer;
mod loss;
mod measure;
mod muon;
mod ops;
mod optimizer;
mod parameters;
mod quantise;
mod recalibrate;
mod schedule;
mod session;
mod state;
mod tails;
#[cfg(test)]
mod tests;
mod whiten;

pub use error::TrainError;
pub use infer::logits;
pub use measure::pre_activations;
pub use session::{TrainOutcome, train};
pub use tails::tails;
