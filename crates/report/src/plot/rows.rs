//! A row a case: points with intervals on a common axis, or a bar cut into its parts.

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use super::axes::Scale;
use super::canvas::{Canvas, DrawError, Type};
use super::style::{
    AXIS, GRID, HEADER, INK, LABEL, MUTED, ON_DARK, PAD, PAPER, SMALL, WIDTH, readable,
};

/// Distance of the points of a row, px.
const STEP: f64 = 9.0;
/// Left end of points and bars.
const NAMES: f64 = 262.0;
/// Room for the key.
const TOP: f64 = 42.0;
/// Height of a bar.
const BAR: f64 = 24.0;

/// Rows on a common axis.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The axis of points, and its name; none where rows are bars alone.
    pub axis: Option<(Scale, String)>,
    /// What the points of a row are, in their order from top to bottom.
    pub key: Vec<(String, RGBColor)>,
    /// Heading of the notes at the right.
    pub notes: String,
    /// Room for the notes, px.
    pub notes_width: f64,
    /// Bars in proportion to each other; else each is as long as the others and shows shares.
    pub proportional: bool,
    pub rows: Vec<RowsRow>,
}

/// One case.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowsRow {
    pub label: String,
    /// Below the label, small.
    pub detail: String,
    /// At the right end.
    pub note: String,
    /// One for each entry of the key.
    pub dots: Vec<Option<Dot>>,
    /// A published figure to compare with.
    pub published: Option<f64>,
    /// The parts of the bar.
    pub bar: Vec<Segment>,
}

/// One figure with its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dot {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub label: String,
    pub value: f64,
    pub color: RGBColor,
    /// Opacity, so that neighbours of one colour differ.
    pub shade: f64,
}

impl Rows {
    fn row_height(&self) -> f64 {
        match self.axis {
            Some(_) => (STEP * self.key.len().saturating_sub(1) as f64 + 34.0).max(40.0),
            None => 42.0,
        }
    }

    pub(super) fn height(&self) -> f64 {
        let foot = if self.axis.is_some() { 56.0 } else { 14.0 };
        TOP + self.row_height() * self.rows.len() as f64 + foot
    }

    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
    ) -> Result<(), DrawError> {
        self.draw_key(canvas, HEADER + 10.0)?;
        let small = Type::new(SMALL, MUTED);
        canvas.text(WIDTH - PAD, HEADER + 30.0, &self.notes, small.right())?;
        let (left, right) = (NAMES, WIDTH - PAD - self.notes_width);
        let (top, height) = (HEADER + TOP, self.row_height());
        let bottom = top + height * self.rows.len() as f64;
        let px = |value: f64| {
            let at = self.axis.as_ref().map_or(0.0, |(scale, _)| scale.at(value));
            left + (right - left) * at.clamp(0.0, 1.0)
        };
        if let Some((scale, name)) = &self.axis {
            for (value, label) in scale.ticks(((right - left) / 58.0) as usize) {
                canvas.line(&[(px(value), top), (px(value), bottom)], &GRID, 1.0)?;
                canvas.text(px(value), bottom + 17.0, &label, small.centre())?;
            }
            canvas.line(&[(left, bottom), (right, bottom)], &AXIS, 1.0)?;
            canvas.text(
                f64::midpoint(left, right),
                bottom + 36.0,
                name,
                small.centre(),
            )?;
        }
        let longest = self
            .rows
            .iter()
            .map(RowsRow::whole)
            .fold(f64::MIN_POSITIVE, f64::max);
        for (index, row) in self.rows.iter().enumerate() {
            let row_top = top + height * index as f64;
            if index > 0 && self.axis.is_some() {
                canvas.line(&[(PAD, row_top), (WIDTH - PAD, row_top)], &GRID, 1.0)?;
            }
            let middle = row_top + height / 2.0;
            let (label, room) = (Type::new(LABEL, INK).bold(), NAMES - PAD - 20.0);
            let base = if row.detail.is_empty() {
                middle + 4.0
            } else {
                middle - 3.0
            };
            canvas.text(PAD, base, &label.fit(&row.label, room), label)?;
            canvas.text(PAD, middle + 13.0, &small.fit(&row.detail, room), small)?;
            let note = small.fit(&row.note, self.notes_width - 12.0);
            canvas.text(WIDTH - PAD, middle + 4.0, &note, small.right())?;
            if let Some(value) = row.published {
                diamond(canvas, px(value), middle)?;
            }
            let first = middle - STEP * self.key.len().saturating_sub(1) as f64 / 2.0;
            for (place, (dot, (_, color))) in row.dots.iter().zip(&self.key).enumerate() {
                let Some(dot) = dot else { continue };
                let y = first + STEP * place as f64;
                canvas.line(
                    &[(px(dot.low), y), (px(dot.high), y)],
                    &color.mix(0.55),
                    1.6,
                )?;
                canvas.dot(px(dot.value), y, 4.0, color)?;
            }
            let whole = if self.proportional {
                longest
            } else {
                row.whole()
            };
            row.draw_bar(
                canvas,
                (left, middle),
                (right - left) / whole.max(f64::MIN_POSITIVE),
            )?;
        }
        Ok(())
    }

    fn draw_key<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        y: f64,
    ) -> Result<(), DrawError> {
        let mut x = PAD;
        for (name, color) in &self.key {
            canvas.dot(x + 4.0, y - 4.0, 4.0, color)?;
            let style = Type::new(SMALL, readable(*color)).bold();
            canvas.text(x + 12.0, y, name, style)?;
            x += style.width(name) + 30.0;
        }
        if self.rows.iter().any(|row| row.published.is_some()) {
            diamond(canvas, x + 5.0, y - 4.0)?;
            canvas.text(x + 14.0, y, "the paper", Type::new(SMALL, INK).bold())?;
        }
        Ok(())
    }
}

impl RowsRow {
    fn whole(&self) -> f64 {
        self.bar
            .iter()
            .map(|part| part.value)
            .filter(|value| value.is_finite())
            .sum()
    }

    fn draw_bar<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        (left, middle): (f64, f64),
        px: f64,
    ) -> Result<(), DrawError> {
        let (mut x, whole) = (left, self.whole());
        for part in self
            .bar
            .iter()
            .filter(|part| part.value.is_finite() && part.value > 0.0)
        {
            let width = part.value * px;
            canvas.rectangle(
                x,
                middle - BAR / 2.0,
                width,
                BAR,
                &part.color.mix(part.shade),
            )?;
            let style = Type::new(SMALL, if part.shade > 0.65 { ON_DARK } else { INK }).centre();
            let share = format!(
                "{} {} %",
                part.label,
                crate::format::decimals(100.0 * part.value / whole, 0)
            );
            let fitting = [share.as_str(), part.label.as_str()]
                .into_iter()
                .find(|text| style.width(text) + 8.0 <= width);
            if let Some(text) = fitting.filter(|text| !text.is_empty() && self.bar.len() > 1) {
                canvas.text(x + width / 2.0, middle + 4.0, text, style)?;
            }
            x += width;
            if self.bar.len() > 1 {
                canvas.rectangle(x - 0.5, middle - BAR / 2.0, 1.0, BAR, &PAPER)?;
            }
        }
        Ok(())
    }
}

/// The mark of a published figure.
fn diamond<DB: DrawingBackend>(canvas: &Canvas<'_, DB>, x: f64, y: f64) -> Result<(), DrawError> {
    const R: f64 = 5.5;
    canvas.polygon(&[(x - R, y), (x, y - R), (x + R, y), (x, y + R)], &INK)
}
