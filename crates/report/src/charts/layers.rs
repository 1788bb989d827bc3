//! Where the server's time goes: one bar a circuit layer, and how many primes its ciphertexts have left.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::header;
use crate::RunReport;
use crate::canvas::{Canvas, DrawError, Type};
use crate::format;
use crate::render::Drawing;
use crate::style::{
    ENCRYPTED, GRID, HEADER, INK, LABEL, MUTED, OTHER, PAD, POLYNOMIAL, SMALL, WIDTH, readable,
};
use cryptodl_results::LayerRow;

/// Height of one layer, px.
const ROW: f64 = 30.0;
/// Left end of the bars.
const BARS: f64 = 170.0;
/// Length of the longest bar.
const LONGEST: f64 = 330.0;
/// Left end of the primes.
const PRIMES: f64 = 660.0;
/// Space for the primes.
const PRIMES_WIDTH: f64 = 200.0;

pub(super) struct Layers<'a> {
    rows: &'a [LayerRow],
    images: u64,
    threads: usize,
    watermark: Option<&'a str>,
}

impl<'a> Layers<'a> {
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let timing = &report.summary.timing;
        (!report.layers.is_empty()).then_some(Self {
            rows: &report.layers,
            images: timing.images,
            threads: timing.threads,
            watermark: report.watermark.as_deref(),
        })
    }

    fn seconds(&self) -> f64 {
        self.rows
            .iter()
            .map(|row| row.seconds)
            .filter(|seconds| seconds.is_finite())
            .sum()
    }
}

impl Drawing for Layers<'_> {
    fn name(&self) -> Cow<'static, str> {
        "layers".into()
    }
    fn title(&self) -> String {
        "Encrypted evaluation: time and levels by layer".to_owned()
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, HEADER + 42.0 + ROW * self.rows.len() as f64 + 16.0)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let threads = if self.threads == 1 {
            "1 thread".to_owned()
        } else {
            format!("{} threads", self.threads)
        };
        let subtitle = format!(
            "All layers together: {} for {} images on {threads}. One square is one prime of the ciphertext modulus; each rescaling spends one.",
            format::seconds(self.seconds()),
            format::count(self.images)
        );
        header(canvas, &self.title(), &subtitle, self.watermark)?;
        let (longest, all) = (
            self.rows
                .iter()
                .map(|row| row.seconds)
                .fold(0.0, f64::max)
                .max(1e-12),
            self.seconds().max(1e-12),
        );
        let primes = self
            .rows
            .iter()
            .map(|row| row.limbs)
            .max()
            .unwrap_or(0)
            .max(1);
        let column = Type::new(SMALL, MUTED);
        let head = HEADER + 24.0;
        canvas.text(PAD, head, "Layer", column)?;
        canvas.text(BARS, head, "Time (share of all layers)", column)?;
        canvas.text(PRIMES, head, "Primes left after the layer", column)?;
        canvas.text(WIDTH - PAD, head, "Precision", column.right())?;
        canvas.line(&[(PAD, head + 8.0), (WIDTH - PAD, head + 8.0)], &GRID, 1.0)?;
        for (index, row) in self.rows.iter().enumerate() {
            let top = head + 14.0 + ROW * index as f64;
            let base = top + ROW / 2.0 + 1.0;
            let color = kind_color(&row.kind);
            let label = Type::new(LABEL, INK);
            canvas.text(PAD, base, &label.fit(&row.name, BARS - PAD - 60.0), label)?;
            canvas.text(
                BARS - 10.0,
                base,
                &row.kind,
                Type::new(SMALL, readable(color)).right(),
            )?;
            let width = LONGEST * (row.seconds.max(0.0) / longest).min(1.0);
            canvas.rectangle(BARS, top + 3.0, width.max(1.0), ROW - 12.0, &color)?;
            let share = format!(
                "{} ({})",
                format::seconds(row.seconds),
                share(row.seconds / all)
            );
            canvas.text(BARS + width + 8.0, base, &share, Type::new(LABEL, INK))?;
            draw_primes(canvas, top + 5.0, row.limbs, primes)?;
            let precision = format!("{} bit", format::decimals(row.precision_bits, 1));
            canvas.text(WIDTH - PAD, base, &precision, label.right())?;
        }
        Ok(())
    }
}

/// Squares for the primes that are left, empty ones for those that are spent.
fn draw_primes<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    top: f64,
    left: usize,
    all: usize,
) -> Result<(), DrawError> {
    let step = (PRIMES_WIDTH / all as f64).min(15.0);
    let side = (step - 3.0).max(2.0);
    for prime in 0..all {
        let x = PRIMES + step * prime as f64;
        canvas.rectangle(
            x,
            top + (15.0 - side) / 2.0,
            side,
            side,
            if prime < left { &ENCRYPTED } else { &GRID },
        )?;
    }
    let number = left.to_string();
    canvas.text(
        PRIMES + step * all as f64 + 4.0,
        top + 11.5,
        &number,
        Type::new(SMALL, MUTED),
    )
}

fn share(share: f64) -> String {
    if share < 0.005 {
        "<1 %".to_owned()
    } else {
        format!("{} %", format::decimals(share * 100.0, 0))
    }
}

fn kind_color(kind: &str) -> RGBColor {
    match kind {
        "polynomial" => POLYNOMIAL,
        "linear" | "conv" | "dense" => MUTED,
        _ => OTHER,
    }
}
