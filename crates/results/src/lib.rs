//! What a run leaves on disk: tables, the machine-readable summary, and where it all came from.
//!
//! The only crate that names polars (behind [`tables`]).

mod error;
mod frame;
mod grid;
mod json;
mod machine;
mod manifest;
mod record;

pub mod tables;

pub use cryptodl_records::*;
pub use error::ResultsError;
pub use grid::{Cell, Grid};
pub use json::{read_json, write_json};
pub use machine::Machine;
pub use manifest::{DataDigest, Manifest, Program, StageRecord, WeightsRecord};
pub use record::{EncryptionRecord, RunRecord, SummaryRecord};
