//! Training: the loop and what it consists of.
//!
//! All state is plain numbers ([`state`]), every random number comes from the seed and its place of use, and a checkpoint is
//! written after every epoch: a resumed run ends with the same network as an unbroken one.

mod average;
mod batch;
mod checkpoint;
mod error;
mod fingerprint;
mod floor;
mod loss;
mod optimizer;
mod quantise;
mod recalibrate;
mod schedule;
mod session;
mod state;
#[cfg(test)]
mod tests;

pub use error::TrainError;
pub use session::{TrainOutcome, train};
