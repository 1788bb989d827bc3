//! What a run measures: its typed rows, its predictions and how they agree, and its summary. Plain numbers; nothing here reads or writes.

pub mod agreement;
mod predictions;
mod statistics;
mod summary;

pub use predictions::{PredictionColumn, PredictionTable};
pub use statistics::{Estimate, Paired, Spread, clopper_pearson, difference, median};
pub use summary::*;
