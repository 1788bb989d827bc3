//! Charts and pages about a run, made from its stored results alone. The only place that names plotters.
//!
//! [`charts`] draws; [`write_report`] writes `report.md` and the self-contained `report.html`. Both pages show the same
//! `document`: what is said is decided in one place, how it looks in another.

mod axes;
mod canvas;
mod charts;
mod document;
mod error;
mod format;
mod html;
mod input;
mod markdown;
mod render;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod sample;
pub mod site;
mod study;
mod style;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use std::path::Path;

use cryptodl_runtime::write_whole;

pub use charts::charts;
pub use document::Document;
pub use error::ReportError;
pub use input::{ActivationPlot, PlanRow, RunReport, SAMPLES, Sample};
pub use render::Chart;
pub use study::{ApproximationReport, ApproximationRow, Inputs, write_approximations};

/// Writes `<name>.svg` and `<name>.png` of every chart.
///
/// # Errors
/// [`ReportError::Io`].
pub fn write_charts(folder: &Path, charts: &[Chart]) -> Result<(), ReportError> {
    for chart in charts {
        write(
            &folder.join(format!("{}.svg", chart.name)),
            chart.svg.as_bytes(),
        )?;
        write(&folder.join(format!("{}.png", chart.name)), &chart.png)?;
    }
    Ok(())
}

/// Writes `report.md`, which links to the charts' files beside it, and `report.html`, which holds everything.
///
/// # Errors
/// [`ReportError::Io`].
pub fn write_report(
    folder: &Path,
    report: &RunReport,
    charts: &[Chart],
) -> Result<(), ReportError> {
    let document = Document::of(report);
    write(
        &folder.join("report.md"),
        markdown::page(&document, charts).as_bytes(),
    )?;
    write(
        &folder.join("report.html"),
        html::page(&document, charts).as_bytes(),
    )
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    write_whole(path, bytes).map_err(|source| ReportError::Io {
        path: path.to_path_buf(),
        source,
    })
}
