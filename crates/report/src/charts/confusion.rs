//! Which classes are taken for which.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use super::header;
use crate::RunReport;
use crate::canvas::{Canvas, DrawError, Type};
use crate::format;
use crate::input::evaluation_words;
use crate::render::Drawing;
use crate::style::{
    GRID, HEADER, INK, LABEL, MUTED, ON_DARK, PAD, POLYNOMIAL, SMALL, WIDTH, WRONG,
};
use cryptodl_results::agreement::ConfusionMatrix;

/// Class names longer than this are cut, px.
const NAME: f64 = 150.0;

/// Right end of the matrix at most: recall stands behind it.
const RIGHT: f64 = 800.0;
/// Heading of the rows.
const TRUE_CLASS: &str = "True class ↓";
/// More classes than this do not fit.
const MOST_CLASSES: usize = 25;

pub(super) struct Confusion<'a> {
    matrix: ConfusionMatrix,
    names: Vec<String>,
    of: &'static str,
    watermark: Option<&'a str>,
}

impl<'a> Confusion<'a> {
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let classes = report.classes();
        let of = RunReport::judged(&report.predictions)?;
        let predicted = report.predictions.predicted(of)?;
        if !(1..=MOST_CLASSES).contains(&classes) {
            return None;
        }
        Some(Self {
            matrix: ConfusionMatrix::new(&report.predictions.labels, predicted, classes),
            names: (0..classes).map(|class| report.class_name(class)).collect(),
            of,
            watermark: report.watermark.as_deref(),
        })
    }

    /// Left end of the matrix: class names stand before it.
    fn left(&self) -> f64 {
        let (name, head) = (Type::new(LABEL, INK), Type::new(SMALL, MUTED).bold());
        let widest = self
            .names
            .iter()
            .map(|text| name.width(text))
            .fold(head.width(TRUE_CLASS), f64::max);
        PAD + widest.min(NAME) + 12.0
    }

    fn cell(&self) -> (f64, f64) {
        let width = ((RIGHT - self.left()) / self.matrix.classes as f64).min(70.0);
        (width, (width * 0.62).clamp(20.0, 38.0))
    }

    fn wide_names(&self) -> bool {
        let style = Type::new(SMALL, MUTED);
        self.names
            .iter()
            .any(|name| style.width(name) > self.cell().0 - 4.0)
    }

    /// Top of the matrix.
    fn top(&self) -> f64 {
        HEADER + if self.wide_names() { 104.0 } else { 46.0 }
    }
}

impl Drawing for Confusion<'_> {
    fn name(&self) -> Cow<'static, str> {
        "confusion".into()
    }
    fn title(&self) -> String {
        format!("Confusion matrix of {}", evaluation_words(self.of))
    }
    fn size(&self) -> (f64, f64) {
        (
            WIDTH,
            self.top() + self.cell().1 * self.matrix.classes as f64 + 20.0,
        )
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let (correct, all) = self.matrix.correct_of();
        let others = match all - correct {
            0 => ".".to_owned(),
            1 => "; the other one is orange.".to_owned(),
            others => format!(
                "; the {} others are orange, the darker the more frequent.",
                format::count(others)
            ),
        };
        let subtitle = format!(
            "{} of {} images are on the diagonal{others}",
            format::count(correct),
            format::count(all)
        );
        header(canvas, &self.title(), &subtitle, self.watermark)?;
        let classes = self.matrix.classes;
        let (width, height) = self.cell();
        let (left, top) = (self.left(), self.top());
        let right = left + width * classes as f64;
        let worst = (0..classes * classes)
            .filter(|index| index / classes != index % classes)
            .map(|index| self.matrix.counts[index])
            .max()
            .unwrap_or(0);
        let head = Type::new(SMALL, MUTED);
        canvas.text(left, HEADER + 14.0, "Predicted class →", head.bold())?;
        canvas.text(left - 12.0, top - 10.0, TRUE_CLASS, head.bold().right())?;
        canvas.text(right + 14.0, top - 10.0, "Correct", head.bold())?;
        for row in 0..classes {
            let y = top + height * row as f64;
            let base = y + height / 2.0 + 4.5;
            let name = Type::new(LABEL, INK);
            canvas.text(
                left - 12.0,
                base,
                &name.fit(&self.names[row], NAME),
                name.right(),
            )?;
            let x = left + width * (row as f64 + 0.5);
            if self.wide_names() {
                canvas.text(
                    x + 4.0,
                    top - 8.0,
                    &name.fit(&self.names[row], 78.0),
                    head.upwards(),
                )?;
            } else {
                canvas.text(x, top - 10.0, &self.names[row], head.centre())?;
            }
            for column in 0..classes {
                self.draw_cell(
                    canvas,
                    row,
                    column,
                    (left + width * column as f64, y),
                    worst,
                )?;
            }
            let total: u64 = (0..classes)
                .map(|column| self.matrix.count(row, column))
                .sum();
            if total > 0 {
                let recall = format::percent(self.matrix.count(row, row) as f64 / total as f64);
                canvas.text(right + 14.0, base, &recall, Type::new(LABEL, INK))?;
                canvas.text(
                    right + 84.0,
                    base,
                    &format!("of {}", format::count(total)),
                    head,
                )?;
            }
        }
        Ok(())
    }
}

impl Confusion<'_> {
    fn draw_cell<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        row: usize,
        column: usize,
        at: (f64, f64),
        worst: u64,
    ) -> Result<(), DrawError> {
        let (width, height) = self.cell();
        let (x, y) = (at.0 + 1.0, at.1 + 1.0);
        let (inner_width, inner_height) = (width - 2.0, height - 2.0);
        let count = self.matrix.count(row, column);
        let shade = (count as f64).ln_1p() / (worst.max(1) as f64).ln_1p();
        let color = if row == column {
            canvas.rectangle(x, y, inner_width, inner_height, &POLYNOMIAL.mix(0.14))?;
            INK
        } else if count == 0 {
            canvas.rectangle(x, y, inner_width, inner_height, &GRID.mix(0.4))?;
            return Ok(());
        } else {
            canvas.rectangle(
                x,
                y,
                inner_width,
                inner_height,
                &WRONG.mix(0.15 + 0.75 * shade),
            )?;
            if shade > 0.7 { ON_DARK } else { INK }
        };
        let style = Type::new(LABEL.min(width * 0.36), color).centre();
        let style = if row == column { style } else { style.bold() };
        canvas.text(
            x + inner_width / 2.0,
            y + inner_height / 2.0 + 4.5,
            &format::count(count),
            style,
        )
    }
}
