//! The page and the charts of a study of approximations (RQ1).

mod degrees;
mod document;
mod input;
mod methods;
mod paper;
mod polynomials;
mod shape;
#[cfg(test)]
mod tests;

use std::path::Path;

pub(super) use document::{best, function_blocks, largest, paper_blocks};
pub use input::{ApproximationReport, ApproximationRow, Inputs};
pub(super) use methods::{capital, name as method_name};
pub(super) use paper::CASES;

use polyapprox::Function;

use super::render::render;
use super::{Chart, ReportError, html, markdown, write, write_charts};

/// Writes the charts, `index.html` and `README.md` of a study.
///
/// # Errors
/// Any [`ReportError`]; only [`ReportError::Io`] comes from outside.
pub fn write_approximations(
    folder: &Path,
    report: &ApproximationReport,
) -> Result<(), ReportError> {
    let charts = charts(report)?;
    write_charts(folder, &charts)?;
    let document = document::document(report);
    write(
        &folder.join("README.md"),
        markdown::page(&document, &charts).as_bytes(),
    )?;
    write(
        &folder.join("index.html"),
        html::page(&document, &charts).as_bytes(),
    )
}

fn charts(report: &ApproximationReport) -> Result<Vec<Chart>, ReportError> {
    charts_of(report, &report.functions())
}

/// The charts of some of the functions.
pub(super) fn charts_of(
    report: &ApproximationReport,
    functions: &[Function],
) -> Result<Vec<Chart>, ReportError> {
    // Bitmaps take most of the time: one thread a chart.
    let draw = |function: Function| -> Result<Vec<Chart>, ReportError> {
        let mut charts = Vec::new();
        if let Some(drawing) = polynomials::Polynomials::of(report, function) {
            charts.push(render(&drawing)?);
        }
        if let Some(drawing) = degrees::Degrees::of(report, function) {
            charts.push(render(&drawing)?);
        }
        if let Some(drawing) = shape::Shape::of(report, function) {
            charts.push(render(&drawing)?);
        }
        Ok(charts)
    };
    let drawn = std::thread::scope(|scope| {
        let threads: Vec<_> = functions
            .iter()
            .map(|function| scope.spawn(move || draw(*function)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(charts) => charts,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(drawn.into_iter().flatten().collect())
}

/// Names of a function's charts, which are file names: `<kind>_<function>`.
macro_rules! chart_name {
    ($kind:literal, $function:expr) => {
        match $function {
            polyapprox::Function::Relu => concat!($kind, "_relu"),
            polyapprox::Function::Sigmoid => concat!($kind, "_sigmoid"),
            polyapprox::Function::Tanh => concat!($kind, "_tanh"),
            polyapprox::Function::Softplus => concat!($kind, "_softplus"),
            polyapprox::Function::Silu => concat!($kind, "_silu"),
            polyapprox::Function::Gelu => concat!($kind, "_gelu"),
            polyapprox::Function::Square => concat!($kind, "_square"),
        }
    };
}
use chart_name;
