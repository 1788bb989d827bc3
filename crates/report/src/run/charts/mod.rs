//! The charts of a run: training, activations, layers, errors of the logits, confusion, misclassified images.

mod classes;
mod logits;

use cryptodl_results::{EpochRow, LayerRow};
use plotters::style::RGBColor;

use super::{ActivationPlot, RunReport};
use crate::format::{self, count, percent};
use crate::names;
use crate::plot::axes::{Scale, ends, nines_around};
use crate::plot::style::{AXIS, ENCRYPTED, MEASURED, MUTED, ORIGINAL, OTHER, POLYNOMIAL};
use crate::plot::{Body, Figure, Labels, Mark, Panel, Point, Rows, RowsRow, Segment, Shape};
use classes::{confusion, misclassified};
use logits::logit_error;

/// Points of a curve.
const POINTS: usize = 100;

/// Channels whose own polynomial is drawn, at most: more would be one grey area.
const FAN: usize = 40;

pub(super) fn figures(report: &RunReport) -> Vec<Figure> {
    let all = [
        training(report),
        activations(report),
        layers(report),
        logit_error(report),
        confusion(report),
        misclassified(report),
    ];
    let marked = |figure: Figure| Figure {
        watermark: report.watermark.clone(),
        ..figure
    };
    all.into_iter().flatten().map(marked).collect()
}

fn figure(name: &str, title: String, subtitle: String, body: Body) -> Figure {
    Figure {
        name: name.to_owned(),
        title,
        subtitle,
        watermark: None,
        body,
        data: None,
    }
}

/// Loss and accuracy by epoch; the baseline beside the polynomial network.
fn training(report: &RunReport) -> Option<Figure> {
    let of = |network: &str| {
        report
            .epochs
            .iter()
            .filter(|row| row.network == network)
            .collect::<Vec<&EpochRow>>()
    };
    let networks = [
        ("polynomial", POLYNOMIAL, of("polynomial")),
        ("original", ORIGINAL, of("original")),
    ];
    let networks: Vec<_> = networks
        .into_iter()
        .filter(|(_, _, epochs)| !epochs.is_empty())
        .collect();
    let (first, _, epochs) = networks.first()?;
    let best = epochs
        .iter()
        .filter(|row| row.validation_accuracy.is_finite());
    let best = best.max_by(|a, b| {
        a.validation_accuracy
            .total_cmp(&b.validation_accuracy)
            .then(b.epoch.cmp(&a.epoch))
    });
    let outside = epochs.last().map_or(0.0, |row| row.outside);
    let subtitle = best.map_or_else(String::new, |best| {
        format!(
            "The {first} network’s best validation accuracy is {} in epoch {}; in the last epoch {} of its pre-activations lay outside the interval.",
            percent(best.validation_accuracy),
            best.epoch,
            percent(outside)
        )
    });
    let lines = |value: fn(&EpochRow) -> f64, what: &str, faint: bool| -> Vec<Mark> {
        let line = |(name, color, epochs): &(&str, RGBColor, Vec<&EpochRow>)| {
            let points = epochs
                .iter()
                .map(|row| (row.epoch as f64, value(row)))
                .filter(|point| point.1.is_finite());
            let points: Vec<(f64, f64)> = points.collect();
            let last = points.last().map(|point| Point {
                x: point.0,
                y: point.1,
                interval: None,
            });
            let label = match (what, last) {
                ("validation", Some(last)) => format!("{name}, validation {}", percent(last.y)),
                ("", _) => (*name).to_owned(),
                (what, _) => format!("{name}, {what}"),
            };
            let width = if faint { 1.5 } else { 2.25 };
            let line = Mark::new(Shape::Line(points, width), *color).labelled(label);
            let dot = Mark::new(
                Shape::Points(last.into_iter().collect(), width + 1.2),
                *color,
            );
            [line, dot].map(|mark| if faint { mark.faint(0.5) } else { mark })
        };
        networks.iter().flat_map(line).collect()
    };
    let loss = lines(|row| row.train_loss, "", false);
    let mut accuracy = lines(|row| row.train_accuracy, "training", true);
    accuracy.extend(lines(|row| row.validation_accuracy, "validation", false));
    let values = |marks: &[Mark]| -> Vec<(f64, f64)> {
        let lines = marks.iter().filter_map(|mark| {
            if let Shape::Line(points, _) = &mark.shape {
                Some(points.clone())
            } else {
                None
            }
        });
        lines.flatten().collect()
    };
    let (low, high) = ends(values(&loss).into_iter().map(|point| point.1));
    let loss_scale = match low > 0.0 && high / low > 30.0 {
        true => Scale::Log(
            10_f64.powf(low.log10().floor()),
            10_f64.powf(high.log10().ceil()),
        ),
        false => match Scale::around(low.min(0.0), high) {
            Scale::Linear(_, top) if low >= 0.0 => Scale::Linear(0.0, top),
            scale => scale,
        },
    };
    let (low, high) = ends(values(&accuracy).into_iter().map(|point| point.1));
    let (from, to) = ends(epochs.iter().map(|row| row.epoch as f64));
    let x = if to > from {
        Scale::Linear(from, to)
    } else {
        Scale::Linear(to - 1.0, to + 1.0)
    };
    let ticks = x
        .ticks(6)
        .into_iter()
        .filter(|(tick, _)| tick.fract() == 0.0 && (from..=to).contains(tick));
    let ticks: Vec<(f64, String)> = ticks
        .map(|(tick, _)| (tick, format::decimals(tick, 0)))
        .collect();
    let panel = |title: &str, y: Scale, marks: Vec<Mark>| Panel {
        title: title.to_owned(),
        note: String::new(),
        x,
        ticks: ticks.clone(),
        x_name: "Epoch".to_owned(),
        y,
        marks,
        labels: Labels::AtEnd,
    };
    let panels = vec![
        panel("Training loss (mean cross-entropy, nats)", loss_scale, loss),
        panel(
            "Accuracy (%, nines evenly spaced)",
            nines_around(low.max(0.0), high.min(1.0)),
            accuracy,
        ),
    ];
    Some(figure(
        "training",
        "Training: loss and accuracy by epoch".to_owned(),
        subtitle,
        Body::Panels(panels, 2, 330.0),
    ))
}

/// Each activation layer: the original function, the trained polynomials, and what the layer's inputs were.
fn activations(report: &RunReport) -> Option<Figure> {
    let first = report.activations.first()?;
    let by_channel = report
        .activations
        .iter()
        .any(|layer| layer.polynomials.len() > 1);
    let subtitle = match by_channel {
        true => {
            "Thick: mean of the channels’ polynomials; thin: each channel’s own. Grey: how often an input occurs on the test images. Upright lines: the interval."
        }
        false => {
            "Grey: how often an input occurs on the test images. Upright lines: the interval in which the polynomial stands for the function."
        }
    };
    let title = format!(
        "Activations: {}, the trained polynomials, and the inputs they meet",
        names::function(first.function.as_str()).0
    );
    let panels: Vec<Panel> = report.activations.iter().map(activation).collect();
    let columns = panels.len().min(3);
    Some(figure(
        "activation",
        title,
        subtitle.to_owned(),
        Body::Panels(panels, columns, 300.0),
    ))
}

fn activation(layer: &ActivationPlot) -> Panel {
    let (low, high) = (layer.interval.low(), layer.interval.high());
    let margin = 0.2 * (high - low);
    let sample = |f: &dyn Fn(f64) -> f64| curve(low - margin, high + margin, f);
    let mean = layer.mean_polynomial();
    let (function, polynomial) = (
        sample(&|x| layer.function.value(x)),
        sample(&|x| evaluate(&mean, x)),
    );
    // The frame is made for what happens inside the interval; outside a polynomial may go anywhere.
    let inside = function
        .iter()
        .chain(&polynomial)
        .filter(|(x, _)| (low..=high).contains(x))
        .map(|(_, y)| *y);
    let (bottom, top) = ends(inside.chain([0.0]));
    let space = 0.08 * (top - bottom).max(1e-6);
    let (bottom, top) = (bottom - space, top + space);
    let inputs = &layer.inputs;
    let mut marks = vec![
        Mark::new(
            Shape::Area(steps(
                inputs.range,
                &inputs.counts,
                bottom,
                0.5 * (top - bottom),
            )),
            MEASURED,
        )
        .faint(0.75),
    ];
    marks.extend([low, high].map(|edge| Mark::new(Shape::Upright(edge), AXIS)));
    if layer.polynomials.len() > 1 {
        let fan = layer
            .polynomials
            .iter()
            .step_by(layer.polynomials.len().div_ceil(FAN));
        marks.extend(fan.map(|row| {
            Mark::new(Shape::Line(sample(&|x| evaluate(row, x)), 1.0), POLYNOMIAL).faint(0.18)
        }));
    }
    marks.push(
        Mark::new(Shape::Line(function, 2.5), ORIGINAL)
            .labelled(names::function(layer.function.as_str()).0),
    );
    marks.push(Mark::new(Shape::Line(polynomial, 2.5), POLYNOMIAL).labelled("polynomial"));
    Panel {
        title: layer.name.clone(),
        note: format!("{} of inputs outside", percent(inputs.outside)),
        x: Scale::Linear(low - margin, high + margin),
        ticks: Vec::new(),
        x_name: "Input (pre-activation)".to_owned(),
        y: Scale::Linear(bottom, top),
        marks,
        labels: Labels::Corner,
    }
}

/// The outline of a histogram that rises from `bottom` by at most `height`.
pub(crate) fn steps(
    (low, high): (f64, f64),
    counts: &[u64],
    bottom: f64,
    height: f64,
) -> Vec<(f64, f64)> {
    let most = counts.iter().copied().max().unwrap_or(0);
    if most == 0 || high <= low || !(high - low).is_finite() {
        return Vec::new();
    }
    let edge = |bin: usize| low + (high - low) * bin as f64 / counts.len() as f64;
    let bins = counts.iter().enumerate();
    bins.flat_map(|(bin, count)| {
        [bin, bin + 1].map(|side| (edge(side), bottom + height * *count as f64 / most as f64))
    })
    .collect()
}

/// A function over an interval.
pub(crate) fn curve(low: f64, high: f64, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let x = |step: usize| low + (high - low) * step as f64 / POINTS as f64;
    (0..=POINTS).map(|step| (x(step), f(x(step)))).collect()
}

impl ActivationPlot {
    /// Mean of the coefficients over the channels.
    pub(super) fn mean_polynomial(&self) -> Vec<f64> {
        let terms = self.polynomials.iter().map(Vec::len).max().unwrap_or(0);
        let rows = self.polynomials.len().max(1) as f64;
        let mean = |term: usize| {
            self.polynomials
                .iter()
                .filter_map(|row| row.get(term))
                .sum::<f64>()
                / rows
        };
        (0..terms).map(mean).collect()
    }
}

pub(crate) fn evaluate(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Where the server's time goes: one bar a circuit layer, and one for what is outside all layers.
fn layers(report: &RunReport) -> Option<Figure> {
    let timing = &report.summary.timing;
    let outside = outside_layers(report);
    let whole = report
        .layers
        .iter()
        .map(|row| row.seconds)
        .filter(|seconds| seconds.is_finite())
        .sum::<f64>()
        + outside.unwrap_or(0.0);
    let share = |seconds: f64| {
        format!(
            "{} ({} %)",
            format::seconds(seconds),
            format::decimals(100.0 * seconds / whole.max(1e-12), 0)
        )
    };
    let bar = |seconds: f64, color: RGBColor| {
        vec![Segment {
            label: String::new(),
            value: seconds,
            color,
            shade: 1.0,
        }]
    };
    let row = |row: &LayerRow| RowsRow {
        label: row.name.clone(),
        detail: row.kind.clone(),
        note: format!(
            "{}; {} left, {} bit",
            share(row.seconds),
            names::counted(row.limbs, "prime"),
            format::decimals(row.precision_bits, 1)
        ),
        bar: bar(row.seconds, layer_color(&row.kind)),
        ..RowsRow::default()
    };
    let mut rows: Vec<RowsRow> = report.layers.iter().map(row).collect();
    if rows.is_empty() {
        return None;
    }
    rows.extend(outside.map(|seconds| RowsRow {
        label: "outside the layers".to_owned(),
        detail: "upload, masks, reply".to_owned(),
        note: share(seconds),
        bar: bar(seconds, ENCRYPTED),
        ..RowsRow::default()
    }));
    let subtitle = format!(
        "{} for {} images on {}: the rows add up to it. Each rescaling spends one prime of the ciphertext modulus.",
        format::seconds(whole),
        count(timing.images),
        names::counted(timing.threads, "thread")
    );
    let body = Rows {
        axis: None,
        key: Vec::new(),
        notes: "Time (share); primes and precision after the layer".to_owned(),
        notes_width: 290.0,
        proportional: true,
        rows,
    };
    Some(figure(
        "layers",
        "Encrypted evaluation: time by layer".to_owned(),
        subtitle,
        Body::Rows(body),
    ))
}

/// Seconds of the evaluation that no layer counts; none where the layers leave nothing over.
pub(super) fn outside_layers(report: &RunReport) -> Option<f64> {
    let all = report.summary.timing.evaluate_s?;
    let rest = all - report.layers.iter().map(|row| row.seconds).sum::<f64>();
    (rest > 1e-4 * all).then_some(rest)
}

/// The colour of a kind of layer.
pub(crate) fn layer_color(kind: &str) -> RGBColor {
    match kind {
        "polynomial" => POLYNOMIAL,
        "linear" | "conv" | "dense" => MUTED,
        _ => OTHER,
    }
}
