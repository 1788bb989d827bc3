//! A heat map of counts: one row and one column a class.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use super::canvas::{Canvas, DrawError, Type};
use super::style::{GRID, HEADER, INK, LABEL, MUTED, ON_DARK, PAD, POLYNOMIAL, SMALL, WRONG};
use crate::format;

/// Class names longer than this are cut, px.
const NAME: f64 = 150.0;
/// Right end of the map at most: notes stand behind it.
const RIGHT: f64 = 800.0;

/// Counts by row and column; the diagonal is what should be.
#[derive(Clone, Debug)]
pub(crate) struct Heat {
    /// Above the rows' names, above the map, above the notes.
    pub heads: [String; 3],
    pub rows: Vec<HeatRow>,
}

/// One row of the map, named as the column of the same place.
#[derive(Clone, Debug)]
pub(crate) struct HeatRow {
    pub name: String,
    pub counts: Vec<u64>,
    /// Right of the row, and after it, small.
    pub notes: (String, String),
}

impl Heat {
    /// Left end of the map: names stand before it.
    fn left(&self) -> f64 {
        let head = Type::new(SMALL, MUTED).bold().width(&self.heads[0]);
        let names = self
            .rows
            .iter()
            .map(|row| Type::new(LABEL, INK).width(&row.name));
        PAD + names.fold(head, f64::max).min(NAME) + 12.0
    }

    fn cell(&self) -> (f64, f64) {
        let width = ((RIGHT - self.left()) / self.rows.len().max(1) as f64).min(70.0);
        (width, (width * 0.62).clamp(20.0, 38.0))
    }

    /// Whether names of columns have to stand upright.
    fn wide_names(&self) -> bool {
        let style = Type::new(SMALL, MUTED);
        self.rows
            .iter()
            .any(|row| style.width(&row.name) > self.cell().0 - 4.0)
    }

    fn head(&self) -> f64 {
        if self.wide_names() { 104.0 } else { 46.0 }
    }

    pub(super) fn height(&self) -> f64 {
        self.head() + self.cell().1 * self.rows.len() as f64 + 20.0
    }

    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
    ) -> Result<(), DrawError> {
        let (left, top) = (self.left(), HEADER + self.head());
        let (width, height) = self.cell();
        let right = left + width * self.rows.len() as f64;
        let (head, name) = (Type::new(SMALL, MUTED), Type::new(LABEL, INK));
        canvas.text(left - 12.0, top - 10.0, &self.heads[0], head.bold().right())?;
        canvas.text(left, HEADER + 14.0, &self.heads[1], head.bold())?;
        canvas.text(right + 14.0, top - 10.0, &self.heads[2], head.bold())?;
        let off_diagonal = |(row, cells): (usize, &HeatRow)| {
            cells
                .counts
                .iter()
                .enumerate()
                .filter(|(column, _)| *column != row)
                .map(|(_, count)| *count)
                .max()
        };
        let worst = self
            .rows
            .iter()
            .enumerate()
            .filter_map(off_diagonal)
            .max()
            .unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            let (x, y) = (
                left + width * (index as f64 + 0.5),
                top + height * index as f64,
            );
            let base = y + height / 2.0 + 4.5;
            canvas.text(left - 12.0, base, &name.fit(&row.name, NAME), name.right())?;
            match self.wide_names() {
                true => canvas.text(
                    x + 4.0,
                    top - 8.0,
                    &name.fit(&row.name, 78.0),
                    head.upwards(),
                )?,
                false => canvas.text(x, top - 10.0, &row.name, head.centre())?,
            }
            for (column, count) in row.counts.iter().enumerate() {
                let shade = (*count as f64).ln_1p() / (worst.max(1) as f64).ln_1p();
                let (fill, ink) = match (column == index, *count) {
                    (true, _) => (POLYNOMIAL.mix(0.14), INK),
                    (false, 0) => (GRID.mix(0.4), INK),
                    (false, _) => (
                        WRONG.mix(0.15 + 0.75 * shade),
                        if shade > 0.7 { ON_DARK } else { INK },
                    ),
                };
                let x = left + width * column as f64 + 1.0;
                canvas.rectangle(x, y + 1.0, width - 2.0, height - 2.0, &fill)?;
                let mut style = Type::new(LABEL.min(width * 0.36), ink).centre();
                style.bold = column != index;
                if *count > 0 || column == index {
                    canvas.text(x + width / 2.0 - 1.0, base, &format::count(*count), style)?;
                }
            }
            canvas.text(right + 14.0, base, &row.notes.0, name)?;
            canvas.text(right + 84.0, base, &row.notes.1, head)?;
        }
        Ok(())
    }
}
