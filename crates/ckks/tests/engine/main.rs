//! The engine from outside: algebra within the predicted noise, measured noise against predicted,
//! files.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;
mod fused;
mod lazy;
mod noise;
mod operations;
mod polynomials;
mod refusals;
mod rotations;
mod wire;
