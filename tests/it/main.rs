//! Black-box tests of the program, one module a subject: `cargo test --release --workspace --test it keys::` runs one of them.
//!
//! They are one binary because each links the whole program.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod client_server;
#[cfg(feature = "tfhe")]
mod client_server_pbs;
mod colour;
mod common;
mod documents;
mod keys;
mod mnist;
#[cfg(unix)]
mod outputs;
mod own_data;
mod python;
mod report;
mod run;
#[cfg(unix)]
mod signals;
mod spoilt;
mod sweep;
