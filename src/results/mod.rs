//! What a run leaves: typed rows, the tables on disk, the machine-readable summary and where it all came from.
//!
//! The only place that names polars (behind [`tables`]).

mod error;
mod frame;
mod grid;
mod json;
mod machine;
mod manifest;
mod predictions;
mod record;
mod statistics;
mod summary;

pub mod agreement;
pub mod tables;

pub use error::ResultsError;
pub use grid::{Cell, Grid};
pub use json::{read_json, write_json};
pub use machine::Machine;
pub use manifest::{DataDigest, Manifest, Program, StageRecord, utc};
pub use predictions::{PredictionColumn, PredictionTable};
pub use record::{EncryptionRecord, RunRecord, SummaryRecord};
pub use statistics::{mean_interval, median};
pub use summary::*;
