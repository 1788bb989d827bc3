//! How far encrypted logits are from plain ones, beside the distance that would change a prediction.

use cryptodl_results::agreement::logit_errors;
use cryptodl_results::{Evaluation, median};
use plotters::style::RGBColor;

use super::super::RunReport;
use super::figure;
use crate::format::{count, significant};
use crate::names;
use crate::plot::axes::{Scale, ends};
use crate::plot::style::{AXIS, ENCRYPTED, MARGIN, POLYNOMIAL};
use crate::plot::{Body, Figure, Labels, Mark, Panel, Shape};

/// Bins for each power of ten.
const PER_DECADE: f64 = 8.0;

/// Errors below this share of the largest value count as the smallest: their exact size tells nothing.
const FLOOR: f64 = 1e-7;

/// Squares along each side of the logits' panel.
const SQUARES: usize = 72;

/// How far encrypted logits are from plain ones, beside the distance that would change a prediction.
pub(super) fn logit_error(report: &RunReport) -> Option<Figure> {
    let evaluation = |name: &str| {
        report
            .predictions
            .evaluation(name)
            .filter(|evaluation| evaluation.images() > 0)
    };
    let (noisy_name, noisy) = ["encrypted", "simulated"]
        .into_iter()
        .find_map(|name| Some((name, evaluation(name)?)))?;
    let plain = [
        ("f32 network", evaluation("polynomial"), POLYNOMIAL),
        ("integer circuit", evaluation("circuit"), ENCRYPTED),
    ];
    let (reference_name, reference) = plain
        .iter()
        .find_map(|(name, found, _)| Some((*name, (*found)?)))?;
    let mut quantities: Vec<(String, RGBColor, Vec<f64>)> = Vec::new();
    let mut facts = Vec::new();
    for (words, other, color) in plain.iter().rev() {
        let Some(other) = other else { continue };
        let sizes: Vec<f64> = logit_errors(noisy, other)
            .map(f64::abs)
            .filter(|size| size.is_finite())
            .collect();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        facts.push(format!("{} from the {words}", significant(largest)));
        quantities.push((format!("{noisy_name} − {words}"), *color, sizes));
    }
    let margins = half_margins(reference, noisy.images());
    let subtitle = format!(
        "{} images. The largest difference is {}; the median half margin is {}.",
        count(noisy.images().min(reference.images()) as u64),
        facts.join(", "),
        median(&margins).map_or("–".to_owned(), significant)
    );
    quantities.push(("half margin of top two".to_owned(), MARGIN, margins));
    let panels = [
        scatter(noisy_name, noisy, reference_name, reference),
        sizes(&quantities),
    ];
    let title = format!("Logits: {noisy_name} against plain");
    Some(figure(
        "logit_error",
        title,
        subtitle,
        Body::Panels(panels.into_iter().flatten().collect(), 2, 380.0),
    ))
}

/// Half the distance between the two largest logits of each image: errors below it cannot change the class.
fn half_margins(evaluation: &Evaluation, images: usize) -> Vec<f64> {
    let rows = evaluation
        .logits
        .chunks_exact(evaluation.classes.max(1))
        .take(images);
    let margin = |row: &[f32]| {
        let (first, second) = row.iter().fold(
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            |(first, second), logit| match *logit > first {
                true => (*logit, first),
                false => (first, second.max(*logit)),
            },
        );
        f64::from(first - second) / 2.0
    };
    rows.filter(|row| row.len() > 1)
        .map(margin)
        .filter(|margin| margin.is_finite())
        .collect()
}

/// Each noisy logit over its plain one, counted in squares.
fn scatter(
    noisy_name: &str,
    noisy: &Evaluation,
    reference_name: &str,
    reference: &Evaluation,
) -> Option<Panel> {
    let pairs = reference
        .logits
        .iter()
        .zip(&noisy.logits)
        .map(|(plain, noisy)| (f64::from(*plain), f64::from(*noisy)));
    let pairs: Vec<(f64, f64)> = pairs
        .filter(|(plain, noisy)| plain.is_finite() && noisy.is_finite())
        .collect();
    let (low, high) = ends(pairs.iter().flat_map(|(plain, noisy)| [*plain, *noisy]));
    if noisy.classes != reference.classes || low > high {
        return None;
    }
    let scale = Scale::around(low, high);
    let Scale::Linear(low, high) = scale else {
        return None;
    };
    let mut counts = vec![0_u32; SQUARES * SQUARES];
    let square = |value: f64| ((scale.at(value) * SQUARES as f64) as usize).min(SQUARES - 1);
    for (plain, noisy) in &pairs {
        counts[square(*noisy) * SQUARES + square(*plain)] += 1;
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(1)).ln_1p();
    let side = (high - low) / SQUARES as f64;
    let cells = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(index, count)| {
            let corner = (
                low + side * (index % SQUARES) as f64,
                low + side * (index / SQUARES) as f64,
            );
            let shade = 0.25 + 0.75 * f64::from(*count).ln_1p() / most;
            (
                corner,
                (corner.0 + side, corner.1 + side),
                (shade * 20.0).round() / 20.0,
            )
        });
    Some(Panel {
        title: format!("{} logit", names::capital(noisy_name)),
        note: String::new(),
        x: scale,
        ticks: Vec::new(),
        x_name: format!("Logit of the {reference_name}"),
        y: scale,
        marks: vec![
            Mark::new(Shape::Dashes((low, low), (high, high)), AXIS),
            Mark::new(Shape::Cells(cells.collect()), ENCRYPTED),
        ],
        labels: Labels::Near,
    })
}

/// How large the differences are, on a logarithmic axis.
fn sizes(quantities: &[(String, RGBColor, Vec<f64>)]) -> Option<Panel> {
    let all = || {
        quantities
            .iter()
            .flat_map(|(_, _, sizes)| sizes)
            .copied()
            .filter(|size| *size > 0.0)
    };
    let (low, high) = ends(all());
    if high <= 0.0 || !high.is_finite() {
        return None;
    }
    let (first, last) = (
        low.max(high * FLOOR).log10().floor(),
        (high * 1.000_001).log10().ceil(),
    );
    let bins = ((last - first) * PER_DECADE).round() as usize;
    let edge = |bin: usize| 10_f64.powf(first + bin as f64 / PER_DECADE);
    let mut marks = Vec::new();
    let mut highest = 0.0_f64;
    for (label, color, sizes) in quantities
        .iter()
        .filter(|(_, _, sizes)| sizes.iter().any(|size| *size > 0.0))
    {
        let shares = histogram(sizes, first, bins);
        highest = shares.iter().copied().fold(highest, f64::max);
        let bins = shares.iter().enumerate();
        let outline: Vec<(f64, f64)> = bins
            .flat_map(|(bin, share)| [bin, bin + 1].map(|side| (edge(side), 100.0 * share)))
            .collect();
        marks.push(Mark::new(Shape::Area(outline.clone()), *color).faint(0.16));
        marks.push(Mark::new(Shape::Line(outline, 2.0), *color).labelled(label));
    }
    Some(Panel {
        title: "Share of logits, or of images for margins, per bin (%)".to_owned(),
        note: String::new(),
        x: Scale::Log(10_f64.powf(first), 10_f64.powf(last)),
        ticks: Vec::new(),
        x_name: "Size of the difference, logits (log scale)".to_owned(),
        y: Scale::around(0.0, highest * 112.0),
        marks,
        labels: Labels::AtPeak,
    })
}

/// Share of the sizes in each bin; what is smaller than the first bin counts there.
pub(super) fn histogram(sizes: &[f64], first: f64, bins: usize) -> Vec<f64> {
    let mut counts = vec![0.0; bins.max(1)];
    for size in sizes {
        let bin = ((size.log10() - first) * PER_DECADE).max(0.0) as usize;
        counts[bin.min(bins.saturating_sub(1))] += 1.0 / sizes.len() as f64;
    }
    counts
}

#[cfg(test)]
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
