//! The report over all studies, from stored results alone.

use std::fs;
use std::path::{Path, PathBuf};

use super::PipelineError;
use super::collect::collect;
use crate::report::{ReportFiles, write_studies};

/// What a report was made from, and what it became.
#[derive(Clone, Debug)]
pub struct ReportOutcome {
    /// The files, and the answers they open with.
    pub written: ReportFiles,
    /// Runs that were read.
    pub runs: usize,
    /// Studies that were read.
    pub studies: usize,
    /// What could not be read: each is named in the report.
    pub troubles: usize,
}

/// Reads every result below `from` and writes the report to `to`.
///
/// # Errors
/// [`PipelineError::NoResults`] where there is nothing to report on; else the file system refused.
pub fn write_report(
    from: &[PathBuf],
    to: &Path,
    price_per_core_hour: f64,
) -> Result<ReportOutcome, PipelineError> {
    let (mut report, troubles) = collect(from)?;
    report.price_per_core_hour = price_per_core_hour;
    let studies = report.sweeps.len() + report.approximations.len();
    if report.runs.runs.is_empty() && studies == 0 && troubles == 0 {
        return Err(PipelineError::NoResults {
            folders: from.to_vec(),
        });
    }
    fs::create_dir_all(to).map_err(PipelineError::io("create the folder", to))?;
    Ok(ReportOutcome {
        written: write_studies(to, &report)?,
        runs: report.runs.runs.len(),
        studies,
        troubles,
    })
}
