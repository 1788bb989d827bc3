//! The circuit as a whole: folded, planned, simulated, written and read.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod choosing;
mod ciphertexts;
mod files;
mod folding;
pub mod planning;
mod simulation;
mod streaming;
