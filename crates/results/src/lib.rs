//! What a run leaves on disk: tables, the machine-readable summary, and where it all came from.
//!
//! The only crate that names polars: behind [`tables`], the files of one run, and [`Table`], the queries over many.

mod error;
mod frame;
mod json;
mod machine;
mod manifest;
mod points;
mod stored;
mod table;

pub mod tables;

pub use cryptodl_records::*;
pub use error::ResultsError;
pub use json::{read_json, write_json};
pub use machine::Machine;
pub use manifest::{DataDigest, Manifest, Program, StageRecord, WeightsRecord};
pub use points::{PointRecord, Standing, key_column, point_table, seed_table};
pub use stored::{RunTable, StoredRun};
pub use table::{Row, Table};
