//! Charts and pages from stored results alone: the page of a run, of a study of approximations, and of all studies. The only place that names
//! plotters.
//!
//! What is said is decided in `run` and `study`, as plain data ([`page`] and [`plot`]); how it looks, in these two.

mod error;
mod format;
mod names;
mod page;
mod plot;
mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod sample;
mod study;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod words;

use std::path::Path;

use cryptodl_runtime::write_whole;

pub use error::ReportError;
pub use plot::Chart;
pub use run::{
    ActivationPlot, Inputs, PlanRow, RunReport, SAMPLES, Sample, charts, write_charts, write_report,
};
pub use study::{
    APPROXIMATION_COLUMNS, ApproximationReport, ChartRecord, MAX_BYTES, MeasuredInputs,
    ReportFiles, StudyReport, SweepRecord, write_approximations, write_studies,
};
pub use words::rate as rate_words;

fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    write_whole(path, bytes).map_err(|source| ReportError::Io {
        path: path.to_path_buf(),
        source,
    })
}
