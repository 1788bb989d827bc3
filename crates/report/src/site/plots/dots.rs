//! A row a case, a dot a figure, a bar its interval: for cases that have names and no order.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::axes::Scale;
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::header;
use crate::render::Drawing;
use crate::style::{AXIS, GRID, HEADER, INK, LABEL, MUTED, PAD, SMALL, WIDTH, readable};

/// Distance of the dots of a row, px.
const STEP: f64 = 9.0;
/// Room above and below the dots of a row.
const AIR: f64 = 17.0;
/// Right end of the names, left end of the axis.
const NAMES: f64 = 262.0;
/// Room for key and headings.
const TOP: f64 = 42.0;
/// Room for the notes at the right.
const NOTES: f64 = 210.0;

/// A chart of rows.
pub(in crate::site) struct Dots {
    pub name: String,
    pub title: String,
    pub subtitle: String,
    /// Quantity and unit.
    pub x_name: String,
    pub x: Scale,
    /// What the dots of a row are, in their order from top to bottom.
    pub series: Vec<(String, RGBColor)>,
    /// Heading of the notes.
    pub notes: String,
    pub rows: Vec<DotRow>,
    pub data: String,
}

/// One case.
pub(in crate::site) struct DotRow {
    pub label: String,
    /// Below the label, small.
    pub detail: String,
    /// At the right end.
    pub note: String,
    /// One a series.
    pub dots: Vec<Option<Dot>>,
    /// A published figure to compare with.
    pub published: Option<f64>,
}

/// One figure with its interval.
#[derive(Clone, Copy, Debug)]
pub(in crate::site) struct Dot {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Dots {
    fn row_height(&self) -> f64 {
        (STEP * self.series.len().saturating_sub(1) as f64 + 2.0 * AIR).max(40.0)
    }

    fn key<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>, y: f64) -> Result<(), DrawError> {
        let mut x = PAD;
        for (name, color) in &self.series {
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

impl Drawing for Dots {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone().into()
    }
    fn title(&self) -> String {
        self.title.clone()
    }
    fn size(&self) -> (f64, f64) {
        (
            WIDTH,
            HEADER + TOP + self.row_height() * self.rows.len() as f64 + 56.0,
        )
    }
    fn data(&self) -> Option<String> {
        Some(self.data.clone())
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        header(canvas, &self.title, &self.subtitle, None)?;
        self.key(canvas, HEADER + 10.0)?;
        let small = Type::new(SMALL, MUTED);
        canvas.text(WIDTH - PAD, HEADER + 30.0, &self.notes, small.right())?;
        let (left, right) = (NAMES, WIDTH - PAD - NOTES);
        let (top, height) = (HEADER + TOP, self.row_height());
        let bottom = top + height * self.rows.len() as f64;
        let px = |value: f64| left + (right - left) * self.x.at(value).clamp(0.0, 1.0);
        for (value, label) in self.x.ticks(((right - left) / 58.0) as usize) {
            let x = px(value);
            canvas.line(&[(x, top), (x, bottom)], &GRID, 1.0)?;
            canvas.text(x, bottom + 17.0, &label, small.centre())?;
        }
        canvas.line(&[(left, bottom), (right, bottom)], &AXIS, 1.0)?;
        canvas.text(
            (left + right) / 2.0,
            bottom + 36.0,
            &self.x_name,
            small.centre(),
        )?;
        for (index, row) in self.rows.iter().enumerate() {
            let row_top = top + height * index as f64;
            if index > 0 {
                canvas.line(&[(PAD, row_top), (WIDTH - PAD, row_top)], &GRID, 1.0)?;
            }
            let middle = row_top + height / 2.0;
            let label = Type::new(LABEL, INK).bold();
            let room = NAMES - PAD - 24.0;
            let (upper, lower) = if row.detail.is_empty() {
                (middle + 4.0, middle)
            } else {
                (middle - 3.0, middle + 13.0)
            };
            canvas.text(PAD, upper, &label.fit(&row.label, room), label)?;
            if !row.detail.is_empty() {
                canvas.text(PAD, lower, &small.fit(&row.detail, room), small)?;
            }
            let note = small.fit(&row.note, NOTES - 12.0);
            canvas.text(WIDTH - PAD, middle + 4.0, &note, small.right())?;
            let first = middle - STEP * (self.series.len().saturating_sub(1)) as f64 / 2.0;
            if let Some(value) = row.published {
                diamond(canvas, px(value), middle)?;
            }
            for (place, (dot, (_, color))) in row.dots.iter().zip(&self.series).enumerate() {
                let Some(dot) = dot else { continue };
                let y = first + STEP * place as f64;
                let bar = [(px(dot.low), y), (px(dot.high), y)];
                canvas.line(&bar, &color.mix(0.55), 1.6)?;
                canvas.dot(px(dot.value), y, 4.0, color)?;
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
