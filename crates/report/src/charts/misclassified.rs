//! The images that were classified wrongly: people see at once which of them are hard.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;

use super::header;
use crate::canvas::{Canvas, DrawError, Picture, Type};
use crate::format;
use crate::input::{RunReport, SAMPLES, Sample, evaluation_words};
use crate::render::Drawing;
use crate::style::{GRID, HEADER, INK, LABEL, MUTED, PAD, SMALL, WIDTH, WRONG, readable};

/// Images in one row.
const COLUMNS: usize = 8;
/// Side of an image, px.
const SIDE: f64 = 84.0;
/// Height of a row: image, two lines of classes, and the index.
const ROW: f64 = 146.0;

pub(super) struct Misclassified<'a> {
    report: &'a RunReport,
    of: &'static str,
    wrong: usize,
}

impl<'a> Misclassified<'a> {
    /// Nothing where images were misclassified but their pixels are not there, as in reports made from published tables alone.
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let of = RunReport::judged(&report.predictions)?;
        let wrong = RunReport::misclassified_indices(&report.predictions).len();
        (wrong == 0 || !report.misclassified.is_empty()).then_some(Self { report, of, wrong })
    }

    /// Whether every caption fits on one line.
    fn one_line(&self) -> bool {
        let style = Type::new(LABEL, INK).bold();
        self.report
            .class_names
            .iter()
            .all(|name| style.width(name) < 12.0)
    }

    fn row(&self) -> f64 {
        if self.one_line() { ROW - 30.0 } else { ROW }
    }

    fn samples(&self) -> &'a [Sample] {
        &self.report.misclassified[..self.report.misclassified.len().min(SAMPLES)]
    }
}

impl Drawing for Misclassified<'_> {
    fn name(&self) -> Cow<'static, str> {
        "misclassified".into()
    }
    fn title(&self) -> String {
        format!("Images misclassified by {}", evaluation_words(self.of))
    }
    fn size(&self) -> (f64, f64) {
        let rows = self.samples().len().div_ceil(COLUMNS).max(1);
        (
            WIDTH,
            HEADER
                + 8.0
                + if self.wrong == 0 {
                    40.0
                } else {
                    self.row() * rows as f64
                },
        )
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let all = self
            .report
            .predictions
            .predicted(self.of)
            .map_or(0, |classes| classes.iter().flatten().count());
        let (shown, wrong, all) = (
            self.samples().len(),
            format::count(self.wrong as u64),
            format::count(all as u64),
        );
        let subtitle = if self.wrong == 0 {
            String::new()
        } else if shown < self.wrong {
            format!(
                "True class → predicted class. The first {shown} of the {wrong} wrong among {all} images; # is the index in the test set."
            )
        } else {
            format!(
                "True class → predicted class. All {wrong} wrong among {all} images; # is the index in the test set."
            )
        };
        header(
            canvas,
            &self.title(),
            &subtitle,
            self.report.watermark.as_deref(),
        )?;
        if self.wrong == 0 {
            let style = Type::new(LABEL, INK);
            return canvas.text(
                PAD,
                HEADER + 14.0,
                &format!("None: all {all} images were classified correctly."),
                style,
            );
        }
        let cell = (WIDTH - 2.0 * PAD) / COLUMNS as f64;
        for (index, sample) in self.samples().iter().enumerate() {
            let left = PAD + cell * (index % COLUMNS) as f64;
            let top = HEADER + 8.0 + self.row() * (index / COLUMNS) as f64;
            self.draw_sample(canvas, sample, left, top, cell - 8.0)?;
        }
        Ok(())
    }
}

impl Misclassified<'_> {
    fn draw_sample<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        sample: &Sample,
        left: f64,
        top: f64,
        room: f64,
    ) -> Result<(), DrawError> {
        canvas.outline(left - 0.5, top - 0.5, SIDE + 1.0, SIDE + 1.0, &GRID, 1.0)?;
        if let Some(rgb) = colours(sample) {
            let (side, rgb) = squared(&rgb, sample.shape.height, sample.shape.width);
            canvas.picture(Picture {
                left,
                top,
                side: SIDE,
                columns: side,
                rows: side,
                rgb,
            });
        }
        let label = self.report.class_name(usize::from(sample.label));
        let predicted = format!(
            "→ {}",
            self.report.class_name(usize::from(sample.predicted))
        );
        let (true_type, wrong_type) = (
            Type::new(LABEL, INK),
            Type::new(LABEL, readable(WRONG)).bold(),
        );
        let number = Type::new(SMALL, MUTED);
        let index = format!("#{}", sample.index);
        let base = top + SIDE + 16.0;
        let gap = 5.0;
        let both = true_type.width(&label) + gap + wrong_type.width(&predicted);
        if both + 8.0 + number.width(&index) <= SIDE {
            // Short names: everything on one line.
            canvas.text(left, base, &label, true_type)?;
            canvas.text(
                left + true_type.width(&label) + gap,
                base,
                &predicted,
                wrong_type,
            )?;
            return canvas.text(left + SIDE, base, &index, number.right());
        }
        canvas.text(left, base, &true_type.fit(&label, room), true_type)?;
        canvas.text(
            left,
            base + 15.0,
            &wrong_type.fit(&predicted, room),
            wrong_type,
        )?;
        canvas.text(left, base + 29.0, &index, number)
    }
}

/// An image `[rows, columns, 3]` in the middle of a white square, and the side of that.
fn squared(rgb: &[u8], rows: usize, columns: usize) -> (usize, Vec<u8>) {
    let side = rows.max(columns);
    let (above, before) = ((side - rows) / 2, (side - columns) / 2);
    let mut square = vec![u8::MAX; 3 * side * side];
    for (row, values) in rgb.chunks_exact(3 * columns.max(1)).enumerate() {
        let start = 3 * ((above + row) * side + before);
        square[start..start + values.len()].copy_from_slice(values);
    }
    (side, square)
}

/// `[rows, columns, 3]` of an image with one channel (grey) or three; `None` where the pixels do not fit the shape.
fn colours(sample: &Sample) -> Option<Vec<u8>> {
    let plane = sample.shape.height * sample.shape.width;
    if plane == 0 || sample.pixels.len() != plane * sample.shape.channels {
        return None;
    }
    match sample.shape.channels {
        1 => Some(sample.pixels.iter().flat_map(|grey| [*grey; 3]).collect()),
        3 => Some(
            (0..plane)
                .flat_map(|pixel| [0, 1, 2].map(|channel| sample.pixels[channel * plane + pixel]))
                .collect(),
        ),
        _ => None,
    }
}
