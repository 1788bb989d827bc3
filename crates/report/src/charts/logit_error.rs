//! How far encrypted logits are from plain ones, beside the distance that would change a prediction.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use super::header;
use crate::RunReport;
use crate::axes::{Panel, Scale};
use crate::canvas::{Canvas, DrawError, Type};
use crate::format;
use crate::render::Drawing;
use crate::style::{AXIS, ENCRYPTED, HEADER, LABEL, MARGIN, PAD, POLYNOMIAL, WIDTH, readable};
use cryptodl_results::Evaluation;
use cryptodl_results::agreement::logit_errors;

/// Bins for each power of ten.
const PER_DECADE: f64 = 8.0;
/// Errors below this share of the largest value count as the smallest: their exact size tells nothing.
const FLOOR: f64 = 1e-7;
/// Squares along each side of the left panel.
const SQUARES: usize = 72;

pub(super) struct LogitError<'a> {
    noisy_name: &'static str,
    noisy: &'a Evaluation,
    reference_name: &'static str,
    reference: &'a Evaluation,
    quantities: Vec<Quantity>,
    watermark: Option<&'a str>,
}

/// The name of a histogram above its peak.
struct Label<'t> {
    text: &'t str,
    style: Type,
    x: f64,
    half: f64,
    y: f64,
}

/// The sizes of one kind of difference.
struct Quantity {
    label: String,
    color: RGBColor,
    /// What is compared with; nothing for margins.
    against: Option<&'static str>,
    sizes: Vec<f64>,
}

impl<'a> LogitError<'a> {
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let evaluation = |name: &str| {
            report
                .predictions
                .evaluation(name)
                .filter(|evaluation| evaluation.images() > 0)
        };
        let (noisy_name, noisy) = evaluation("encrypted")
            .map(|found| ("encrypted", found))
            .or_else(|| Some(("simulated", evaluation("simulated")?)))?;
        let (circuit, float) = (evaluation("circuit"), evaluation("polynomial"));
        let (reference_name, reference) = float
            .map(|found| ("f32 network", found))
            .or_else(|| Some(("integer circuit", circuit?)))?;
        let mut quantities = Vec::new();
        for (other, words, color) in [
            (circuit, "integer circuit", ENCRYPTED),
            (float, "f32 network", POLYNOMIAL),
        ] {
            if let Some(other) = other {
                let sizes: Vec<f64> = logit_errors(noisy, other)
                    .map(f64::abs)
                    .filter(|size| size.is_finite())
                    .collect();
                quantities.push(Quantity {
                    label: format!("{noisy_name} − {words}"),
                    color,
                    against: Some(words),
                    sizes,
                });
            }
        }
        quantities.push(Quantity {
            label: "half margin of top two".to_owned(),
            color: MARGIN,
            against: None,
            sizes: half_margins(reference, noisy.images()),
        });
        quantities.retain(|quantity| quantity.sizes.iter().any(|size| *size > 0.0));
        let watermark = report.watermark.as_deref();
        Some(Self {
            noisy_name,
            noisy,
            reference_name,
            reference,
            quantities,
            watermark,
        })
    }
}

/// Half the distance between the two largest logits of each image: errors below it cannot change the class.
fn half_margins(evaluation: &Evaluation, images: usize) -> Vec<f64> {
    let rows = evaluation
        .logits
        .chunks_exact(evaluation.classes.max(1))
        .take(images);
    rows.filter(|row| row.len() > 1)
        .map(|row| {
            let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
            for logit in row {
                if *logit > first {
                    (first, second) = (*logit, first);
                } else {
                    second = second.max(*logit);
                }
            }
            f64::from(first - second) / 2.0
        })
        .filter(|margin| margin.is_finite())
        .collect()
}

impl Drawing for LogitError<'_> {
    fn name(&self) -> Cow<'static, str> {
        "logit_error".into()
    }
    fn title(&self) -> String {
        format!("Logits: {} against plain", self.noisy_name)
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, 460.0)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let images = self.noisy.images().min(self.reference.images());
        let largest = |quantity: &Quantity| quantity.sizes.iter().copied().fold(0.0, f64::max);
        let mut facts: Vec<String> = self
            .quantities
            .iter()
            .filter_map(|quantity| {
                Some(format!(
                    "{} from the {}",
                    format::significant(largest(quantity)),
                    quantity.against?
                ))
            })
            .collect();
        if let Some(first) = facts.first_mut() {
            first.insert_str(0, "The largest difference is ");
        }
        let margin = self
            .quantities
            .iter()
            .find(|quantity| quantity.against.is_none());
        facts.extend(margin.map(|quantity| {
            format!(
                "the median half margin is {}",
                format::significant(median(&quantity.sizes))
            )
        }));
        let subtitle = format!(
            "{} images. {}.",
            format::count(images as u64),
            facts.join(", ")
        );
        header(canvas, &self.title(), &subtitle, self.watermark)?;
        self.scatter(canvas)?;
        self.sizes(canvas)
    }
}

impl LogitError<'_> {
    /// Each noisy logit over its plain one, counted in squares.
    fn scatter<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        if self.noisy.classes != self.reference.classes {
            return Ok(());
        }
        let pairs: Vec<(f64, f64)> = self
            .reference
            .logits
            .iter()
            .zip(&self.noisy.logits)
            .map(|(plain, noisy)| (f64::from(*plain), f64::from(*noisy)))
            .filter(|(plain, noisy)| plain.is_finite() && noisy.is_finite())
            .collect();
        let (low, high) = pairs.iter().fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(low, high), (plain, noisy)| {
                (low.min(*plain).min(*noisy), high.max(*plain).max(*noisy))
            },
        );
        if low > high {
            return Ok(());
        }
        let scale = Scale::around(low, high);
        let panel = Panel {
            left: PAD + 36.0,
            top: HEADER + 40.0,
            width: 288.0,
            height: 288.0,
            x: scale,
            y: scale,
        };
        panel.y_axis(canvas, &format!("{} logit", capital(self.noisy_name)))?;
        panel.x_axis(
            canvas,
            &format!("Logit of the {}", self.reference_name),
            &scale.ticks(6),
        )?;
        canvas.dashes(
            (panel.left, panel.bottom()),
            (panel.right(), panel.top),
            &AXIS,
            1.0,
        )?;
        let mut counts = vec![0_u32; SQUARES * SQUARES];
        let square = |value: f64| ((scale.at(value) * SQUARES as f64) as usize).min(SQUARES - 1);
        for (plain, noisy) in &pairs {
            counts[square(*noisy) * SQUARES + square(*plain)] += 1;
        }
        let most = f64::from(counts.iter().copied().max().unwrap_or(1)).ln_1p();
        let side = panel.width / SQUARES as f64;
        for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (row, column) = (index / SQUARES, index % SQUARES);
            let shade = 0.25 + 0.75 * f64::from(*count).ln_1p() / most;
            let (x, y) = (
                panel.left + side * column as f64,
                panel.bottom() - side * (row + 1) as f64,
            );
            canvas.rectangle(
                x,
                y,
                side,
                side,
                &ENCRYPTED.mix((shade * 20.0).round() / 20.0),
            )?;
        }
        Ok(())
    }

    /// How large the differences are, on a logarithmic axis.
    fn sizes<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let all = || {
            self.quantities
                .iter()
                .flat_map(|quantity| quantity.sizes.iter().copied())
                .filter(|size| *size > 0.0)
        };
        let high = all().fold(0.0, f64::max);
        if high <= 0.0 {
            return Ok(());
        }
        let low = all().fold(high, f64::min).max(high * FLOOR);
        let (first, last) = (low.log10().floor(), (high * 1.000_001).log10().ceil());
        let bins = ((last - first) * PER_DECADE).round() as usize;
        let shares: Vec<Vec<f64>> = self
            .quantities
            .iter()
            .map(|quantity| histogram(&quantity.sizes, first, bins))
            .collect();
        let highest = shares.iter().flatten().copied().fold(0.0, f64::max);
        let Scale::Linear(_, top) = Scale::around(0.0, highest * 112.0) else {
            return Ok(());
        };
        let x = Scale::Log(10_f64.powf(first), 10_f64.powf(last));
        let panel = Panel {
            left: 448.0,
            top: HEADER + 40.0,
            width: WIDTH - PAD - 448.0,
            height: 288.0,
            x,
            y: Scale::Linear(0.0, top),
        };
        panel.y_axis(
            canvas,
            "Share of logits, or of images for margins, per bin (%)",
        )?;
        let edge = |bin: usize| panel.px(10_f64.powf(first + bin as f64 / PER_DECADE));
        let mut labels = Vec::new();
        for (quantity, shares) in self.quantities.iter().zip(&shares) {
            let Some(start) = shares.iter().position(|share| *share > 0.0) else {
                continue;
            };
            let end = shares
                .iter()
                .rposition(|share| *share > 0.0)
                .unwrap_or(start);
            let mut steps = vec![(edge(start), panel.bottom())];
            for (bin, share) in shares.iter().enumerate().take(end + 1).skip(start) {
                let y = panel.py(share * 100.0);
                steps.push((edge(bin), y));
                steps.push((edge(bin + 1), y));
            }
            steps.push((edge(end + 1), panel.bottom()));
            canvas.polygon(&steps, &quantity.color.mix(0.16))?;
            canvas.line(&steps, &quantity.color, 2.0)?;
            let peak = (start..=end)
                .max_by(|a, b| shares[*a].total_cmp(&shares[*b]))
                .unwrap_or(start);
            let style = Type::new(LABEL, readable(quantity.color)).bold().centre();
            let half = style.width(&quantity.label) / 2.0;
            let x = f64::midpoint(edge(peak), edge(peak + 1));
            let x = x.clamp(
                panel.left + half,
                (panel.right() - half).max(panel.left + half),
            );
            labels.push(Label {
                text: &quantity.label,
                style,
                x,
                half,
                y: panel.py(shares[peak] * 100.0) - 8.0,
            });
        }
        place(&mut labels);
        for label in &labels {
            canvas.text(
                label.x,
                label.y.max(panel.top + 4.0),
                label.text,
                label.style,
            )?;
        }
        panel.x_axis(
            canvas,
            "Size of the difference, logits (log scale)",
            &x.ticks(9),
        )
    }
}

/// Share of the sizes in each bin; what is smaller than the first bin counts there.
fn histogram(sizes: &[f64], first: f64, bins: usize) -> Vec<f64> {
    let mut counts = vec![0.0; bins.max(1)];
    for size in sizes {
        let bin = ((size.log10() - first) * PER_DECADE).max(0.0) as usize;
        counts[bin.min(bins.saturating_sub(1))] += 1.0;
    }
    let all = sizes.len().max(1) as f64;
    counts.into_iter().map(|count| count / all).collect()
}

/// From the lowest label up: one that would lie on another rises above it.
fn place(labels: &mut [Label<'_>]) {
    labels.sort_by(|a, b| b.y.total_cmp(&a.y));
    for index in 1..labels.len() {
        let (placed, rest) = labels.split_at_mut(index);
        let Some(label) = rest.first_mut() else { break };
        for other in placed.iter() {
            let beside = (other.x - label.x).abs() >= other.half + label.half + 6.0;
            if !beside && (other.y - label.y).abs() < 16.0 {
                label.y = other.y - 17.0;
            }
        }
    }
}

fn median(sizes: &[f64]) -> f64 {
    let mut sorted = sizes.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_half_the_distance_of_the_two_largest() {
        let evaluation = Evaluation {
            classes: 3,
            logits: vec![1.0, 5.0, 3.0, 2.0, 2.0, 0.0, 9.0, 0.0, 0.0],
        };
        assert_eq!(half_margins(&evaluation, 2), [1.0, 0.0]);
        let single = Evaluation {
            classes: 1,
            logits: vec![1.0],
        };
        assert!(half_margins(&single, 1).is_empty());
    }

    #[test]
    fn every_size_falls_into_a_bin() {
        let shares = histogram(&[0.0, 1e-3, 1e-2, 0.1, 5.0], -3.0, 16);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[0] - 0.4).abs() < 1e-12, "{shares:?}");
    }
}
