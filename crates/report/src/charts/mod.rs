//! The charts of a run, one a file. Each is a [`Drawing`](super::render::Drawing): one function draws SVG and PNG.

mod activation;
mod confusion;
mod layers;
mod logit_error;
mod misclassified;
mod training;

use plotters::backend::DrawingBackend;

pub(super) use activation::function_name;

use super::canvas::{Canvas, DrawError, Type};
use super::render::render;
use super::style::{INK, MUTED, ON_DARK, PAD, SUBTITLE, TITLE, WIDTH, WRONG, readable};
use super::{Chart, ReportError, RunReport};

/// Draws every chart that the run has data for, in the order of the report.
///
/// # Errors
/// [`ReportError::Font`], [`ReportError::Draw`] and [`ReportError::Png`]; none of them comes from the data.
pub fn charts(report: &RunReport) -> Result<Vec<Chart>, ReportError> {
    let mut charts = Vec::new();
    if let Some(drawing) = training::Training::of(report) {
        charts.push(render(&drawing)?);
    }
    if let Some(drawing) = activation::Activations::of(report) {
        charts.push(render(&drawing)?);
    }
    if let Some(drawing) = layers::Layers::of(report) {
        charts.push(render(&drawing)?);
    }
    if let Some(drawing) = logit_error::LogitError::of(report) {
        charts.push(render(&drawing)?);
    }
    if let Some(drawing) = confusion::Confusion::of(report) {
        charts.push(render(&drawing)?);
    }
    if let Some(drawing) = misclassified::Misclassified::of(report) {
        charts.push(render(&drawing)?);
    }
    Ok(charts)
}

/// Title and subtitle at the top left, the watermark in a box at the top right.
pub(super) fn header<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    title: &str,
    subtitle: &str,
    watermark: Option<&str>,
) -> Result<(), DrawError> {
    let mut room = WIDTH - 2.0 * PAD;
    let subtitle_type = Type::new(SUBTITLE, MUTED);
    canvas.text(PAD, 50.0, &subtitle_type.fit(subtitle, room), subtitle_type)?;
    if let Some(watermark) = watermark {
        let style = Type::new(SUBTITLE, ON_DARK).bold();
        let text = style.fit(watermark, 0.42 * room);
        let width = style.width(&text) + 20.0;
        canvas.rectangle(WIDTH - PAD - width, 13.0, width, 24.0, &readable(WRONG))?;
        canvas.text(WIDTH - PAD - 10.0, 29.5, &text, style.right())?;
        room -= width + 16.0;
    }
    let title_type = Type::new(TITLE, INK).bold();
    canvas.text(PAD, 30.0, &title_type.fit(title, room), title_type)
}
