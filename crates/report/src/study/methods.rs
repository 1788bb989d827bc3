//! How methods are called and coloured, and the grid of one panel a method.

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;
use polyapprox::{Approximation, Method};

use crate::axes::Panel;
use crate::canvas::{Canvas, DrawError, Type};
use crate::format::csv;
use crate::style::{
    AXIS, ENCRYPTED, GRID, HEADER, INK, LABEL, MARGIN, MUTED, ORIGINAL, OTHER, PAD, POLYNOMIAL,
    SMALL, WIDTH, WRONG,
};

/// Panels in one row.
pub(super) const COLUMNS: usize = 4;
/// Height of one row, px.
pub(super) const ROW: f64 = 236.0;

/// The name for people.
pub(crate) fn name(method: Method) -> &'static str {
    match method {
        Method::Numerical => "least squares",
        Method::Taylor => "Taylor",
        Method::Chebyshev => "Chebyshev",
        Method::ModifiedChebyshev => "modified Chebyshev",
        Method::Derivative => "derivative",
        Method::Minimax => "minimax",
        Method::Hermite => "Hermite",
        Method::Data => "data",
    }
}

/// The colour of a method's line. In a run's charts these colours stand for networks; here there are none.
pub(super) const fn color(method: Method) -> RGBColor {
    match method {
        Method::Numerical => OTHER,
        Method::Taylor => MUTED,
        Method::Chebyshev => MARGIN,
        Method::ModifiedChebyshev => ORIGINAL,
        Method::Derivative => POLYNOMIAL,
        Method::Minimax => WRONG,
        Method::Hermite => ENCRYPTED,
        Method::Data => INK,
    }
}

/// Height of a figure with a panel for each of so many methods.
pub(super) fn figure_height(methods: usize) -> f64 {
    HEADER + ROW * methods.div_ceil(COLUMNS) as f64 + 8.0
}

/// With a capital letter, as a title begins.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Upper left corner and width of a method's cell.
pub(super) fn cell(index: usize) -> (f64, f64, f64) {
    let width = (WIDTH - 2.0 * PAD) / COLUMNS as f64;
    (
        PAD + width * (index % COLUMNS) as f64,
        HEADER + ROW * (index / COLUMNS) as f64,
        width - 14.0,
    )
}

/// Names the cell, and draws the panel's axes and the ends of the interval.
pub(super) fn frame<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    panel: &Panel,
    method: Method,
    note: &str,
    ends: (f64, f64),
) -> Result<(), DrawError> {
    let (left, top) = (panel.left - 30.0, panel.top - 22.0);
    canvas.text(left, top, name(method), Type::new(LABEL, INK).bold())?;
    if !note.is_empty() {
        canvas.text(panel.right(), top, note, Type::new(SMALL, MUTED).right())?;
    }
    // A small panel: more lines than a large one would have in its place.
    for (value, label) in panel.y.ticks(6) {
        let y = panel.py(value);
        canvas.line(&[(panel.left, y), (panel.right(), y)], &GRID, 1.0)?;
        canvas.text(
            panel.left - 6.0,
            y + 4.0,
            &label,
            Type::new(SMALL, MUTED).right(),
        )?;
    }
    for edge in [ends.0, ends.1] {
        // Not dashed: the dashes of all panels would be half of the file.
        let x = panel.px(edge);
        canvas.line(&[(x, panel.top), (x, panel.bottom())], &AXIS, 0.8)?;
    }
    panel.x_axis(canvas, "", &panel.x.ticks((panel.width / 34.0) as usize))
}

/// Polynomials with their errors and coefficients, as CSV.
pub(super) fn coefficients_csv<'a>(found: impl Iterator<Item = &'a Approximation>) -> String {
    let header = [
        "function",
        "method",
        "degree",
        "low",
        "high",
        "max_error",
        "l2_uniform",
        "coefficients_ascending",
    ];
    let rows = found.map(|found| {
        let coefficients = found.polynomial.coefficients().iter();
        vec![
            found.function.as_str().to_owned(),
            found.method.as_str().to_owned(),
            found.degree.to_string(),
            found.interval.low().to_string(),
            found.interval.high().to_string(),
            found.errors.max.to_string(),
            found.errors.l2_uniform.to_string(),
            coefficients
                .map(f64::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        ]
    });
    csv(&header, rows)
}
