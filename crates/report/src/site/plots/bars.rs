//! Where a whole goes: one bar a case, cut into its parts, each named in its place.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::header;
use crate::render::Drawing;
use crate::style::{HEADER, INK, LABEL, MUTED, ON_DARK, PAD, PAPER, SMALL, WIDTH};

/// Height of a row, px.
const ROW: f64 = 46.0;
/// Height of its bar.
const BAR: f64 = 26.0;
/// Left end of the bars.
const NAMES: f64 = 250.0;
/// Room for the wholes at the right.
const NOTES: f64 = 130.0;

/// A chart of bars of one length.
pub(in crate::site) struct Bars {
    pub name: String,
    pub title: String,
    pub subtitle: String,
    pub stacks: Vec<Stack>,
    pub data: String,
}

/// One bar.
pub(in crate::site) struct Stack {
    pub label: String,
    pub detail: String,
    /// The whole, in words.
    pub note: String,
    pub segments: Vec<Segment>,
}

/// A part of it.
pub(in crate::site) struct Segment {
    pub label: String,
    pub value: f64,
    pub color: RGBColor,
    /// Opacity, so that neighbours of one colour differ.
    pub shade: f64,
}

impl Drawing for Bars {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone().into()
    }
    fn title(&self) -> String {
        self.title.clone()
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, HEADER + ROW * self.stacks.len() as f64 + 14.0)
    }
    fn data(&self) -> Option<String> {
        Some(self.data.clone())
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        header(canvas, &self.title, &self.subtitle, None)?;
        let length = WIDTH - PAD - NOTES - NAMES;
        for (index, stack) in self.stacks.iter().enumerate() {
            let top = HEADER + ROW * index as f64;
            let middle = top + ROW / 2.0;
            let label = Type::new(LABEL, INK).bold();
            let small = Type::new(SMALL, MUTED);
            let room = NAMES - PAD - 12.0;
            canvas.text(PAD, middle - 3.0, &label.fit(&stack.label, room), label)?;
            canvas.text(PAD, middle + 13.0, &small.fit(&stack.detail, room), small)?;
            let whole: f64 = stack.segments.iter().map(|part| part.value).sum();
            let mut x = NAMES;
            for part in &stack.segments {
                let width = length * part.value / whole.max(f64::MIN_POSITIVE);
                // Paper below, so that what is behind does not shine through.
                canvas.rectangle(
                    x,
                    middle - BAR / 2.0,
                    width,
                    BAR,
                    &part.color.mix(part.shade),
                )?;
                let strong = part.shade > 0.65;
                let style = Type::new(SMALL, if strong { ON_DARK } else { INK }).centre();
                let share = format!(
                    "{} {} %",
                    part.label,
                    crate::format::decimals(100.0 * part.value / whole, 0)
                );
                for text in [share.as_str(), part.label.as_str()] {
                    if style.width(text) + 8.0 <= width {
                        canvas.text(x + width / 2.0, middle + 4.0, text, style)?;
                        break;
                    }
                }
                x += width;
                canvas.rectangle(x - 0.5, middle - BAR / 2.0, 1.0, BAR, &PAPER)?;
            }
            canvas.text(
                WIDTH - PAD,
                middle + 4.0,
                &stack.note,
                Type::new(LABEL, INK).right(),
            )?;
        }
        Ok(())
    }
}
