//! Accuracy against rate and latency, and where the time goes.

use cryptodl_results::Estimate;
use plotters::style::RGBColor;

use super::super::encrypted::{activation, backend};
use super::super::published::{Published, System};
use super::super::short_machine;
use super::Measured;
use crate::format::{self, count, seconds};
use crate::names::{self, counted};
use crate::plot::axes::{accuracy_scale, decades};
use crate::plot::style::{ENCRYPTED, MUTED, OTHER};
use crate::plot::{Body, Figure, Labels, Mark, Panel, Point, Rows, RowsRow, Segment, Shape};
use crate::run::layer_color;

/// The most bars that a chart has room for.
const MAX_BARS: usize = 10;

/// What a chart of systems has along x.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Axis {
    Rate,
    Latency,
}

/// Accuracy against rate or latency, with the published systems beside ours.
pub(super) fn scatter(
    systems: &[Measured<'_>],
    dataset: &str,
    published: &Published,
    axis: Axis,
) -> Option<Figure> {
    let value = |system: &Measured<'_>| match axis {
        Axis::Rate => system.rate.map(|rate| rate.median),
        Axis::Latency => system.batch_s.map(|batch| batch.median),
    };
    let ours: Vec<(&Measured<'_>, f64, Estimate)> = systems
        .iter()
        .filter(|system| system.is_comparable())
        .filter_map(|system| Some((system, value(system)?, system.accuracy?)))
        .collect();
    let of = |system: &System| match axis {
        Axis::Rate => system.per_hour,
        Axis::Latency => system.latency_s,
    };
    let theirs: Vec<(&System, f64)> = published
        .systems(dataset)
        .into_iter()
        .filter_map(|system| Some((system, of(system)?)))
        .collect();
    if ours.is_empty() || ours.len() + theirs.len() < 2 {
        return None;
    }
    let shares = ours
        .iter()
        .map(|(_, _, accuracy)| accuracy.value)
        .chain(theirs.iter().map(|(system, _)| system.accuracy / 100.0));
    let (y, place) = accuracy_scale(shares);
    let better = |a: f64, b: f64| if axis == Axis::Rate { a > b } else { a < b };
    let leads = |x: f64, accuracy: f64| {
        !ours.iter().any(|(_, other, estimate)| {
            (better(*other, x) && estimate.value >= accuracy)
                || (*other == x && estimate.value > accuracy)
        })
    };
    let point = |x: f64, y: f64| {
        vec![Point {
            x,
            y,
            interval: None,
        }]
    };
    let mut marks = Vec::new();
    for (system, x) in &theirs {
        let points = point(*x, place(system.accuracy / 100.0));
        let shape = if system.gpu {
            Shape::Rings(points, 5.0)
        } else {
            Shape::Points(points, 5.0)
        };
        let mut mark = Mark::new(shape, MUTED)
            .faint(1.0)
            .labelled(system.name.clone());
        mark.detail = system.hardware.clone();
        marks.push(mark);
    }
    for (system, x, accuracy) in &ours {
        let leading = leads(*x, accuracy.value);
        let points = point(*x, place(accuracy.value));
        let mut mark = Mark::new(
            Shape::Points(points, if leading { 5.0 } else { 3.2 }),
            system.color(),
        );
        if leading {
            mark.label = system.name.clone();
            mark.detail = format!(
                "{}, {}",
                counted(system.threads(), "thread"),
                backend(system.run)
            );
        }
        marks.push(mark);
    }
    let header = [
        "system",
        "ours",
        "accuracy_percent",
        "low",
        "high",
        "seeds",
        "n",
        "value",
        "min",
        "max",
        "evaluations",
        "hardware",
        "citation",
    ];
    let own = ours.iter().map(|(system, x, accuracy)| {
        let spread = if axis == Axis::Rate {
            system.rate
        } else {
            system.batch_s
        };
        let ends = spread.map_or([*x; 2], |spread| [spread.min, spread.max]);
        let mut row = vec![system.name.clone(), "yes".to_owned()];
        row.extend(
            [accuracy.value, accuracy.low, accuracy.high].map(|share| (100.0 * share).to_string()),
        );
        row.extend([
            accuracy.seeds.to_string(),
            accuracy.n.to_string(),
            x.to_string(),
            ends[0].to_string(),
            ends[1].to_string(),
        ]);
        row.extend([
            spread.map_or(1, |spread| spread.n).to_string(),
            short_machine(&system.run.manifest.machine.describe()),
            "measured here".to_owned(),
        ]);
        row
    });
    let foreign = theirs.iter().map(|(system, x)| {
        let empty = String::new;
        vec![
            system.name.clone(),
            "no".to_owned(),
            system.accuracy.to_string(),
            empty(),
            empty(),
            empty(),
            empty(),
            x.to_string(),
            empty(),
            empty(),
            empty(),
            system.hardware.clone(),
            system.citation.clone(),
        ]
    });
    let data = format::csv(&header, own.chain(foreign).collect::<Vec<_>>());
    let (name, title, x_name) = match axis {
        Axis::Rate => (
            "systems",
            "Encrypted accuracy against predictions an hour",
            "Predictions an hour, evaluation of full batches (logarithmic)",
        ),
        Axis::Latency => (
            "latency",
            "Encrypted accuracy against the time of one batch",
            "Seconds until a batch is evaluated (logarithmic)",
        ),
    };
    let machine = short_machine(&ours[0].0.run.manifest.machine.describe());
    Some(Figure {
        name: format!("rq4_{name}_{dataset}"),
        title: format!("{title}, {}", names::dataset(dataset)),
        subtitle: format!(
            "Colour: measured here, on {machine}. Grey: published by others, on their hardware; rings are GPUs."
        ),
        watermark: None,
        data: Some(data),
        body: Body::Panels(
            vec![Panel {
                title: "Encrypted test accuracy, %".to_owned(),
                note: String::new(),
                x: decades(
                    ours.iter()
                        .map(|(_, x, _)| *x)
                        .chain(theirs.iter().map(|(_, x)| *x)),
                ),
                ticks: Vec::new(),
                x_name: x_name.to_owned(),
                y,
                marks,
                labels: Labels::Near,
            }],
            1,
            480.0,
        ),
    })
}

/// Where the time of each system goes; the parts add up to the whole.
pub(super) fn stages(systems: &[Measured<'_>], dataset: &str) -> Option<Figure> {
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    let mut networks: Vec<Option<&String>> = Vec::new();
    for system in systems
        .iter()
        .filter(|system| !system.run.layers.is_empty())
    {
        // Of the circuits of one network, the fastest.
        if networks.contains(&system.trained.as_ref()) || networks.len() == MAX_BARS {
            continue;
        }
        networks.push(system.trained.as_ref());
        let timing = &system.run.summary.timing;
        let mut bar = Vec::new();
        let mut part = |label: &str, value: Option<f64>, color: RGBColor, shade: f64| {
            if let Some(value) = value.filter(|value| value.is_finite() && *value > 0.0) {
                cells.push(vec![
                    system.name.clone(),
                    label.to_owned(),
                    value.to_string(),
                    timing.images.to_string(),
                ]);
                bar.push(Segment {
                    label: label.to_owned(),
                    value,
                    color,
                    shade,
                });
            }
        };
        part("encrypt", timing.encrypt_s, OTHER, 0.45);
        for layer in &system.run.layers {
            part(
                &layer.name,
                Some(layer.seconds),
                layer_color(&layer.kind),
                1.0,
            );
        }
        let inside: f64 = system.run.layers.iter().map(|layer| layer.seconds).sum();
        part(
            "outside",
            timing.evaluate_s.map(|all| all - inside),
            ENCRYPTED,
            0.5,
        );
        part("decrypt", timing.decrypt_s, OTHER, 0.45);
        let whole: f64 = bar.iter().map(|part| part.value).sum();
        rows.push(RowsRow {
            label: activation(system.run),
            detail: format!("{}, {}", system.name, backend(system.run)),
            note: format!(
                "{} an image, {} images",
                seconds(whole / timing.images.max(1) as f64),
                count(timing.images)
            ),
            bar,
            ..RowsRow::default()
        });
    }
    (rows.len() > 1).then(|| Figure {
        name: format!("rq4_stages_{dataset}"),
        title: format!("Where the time goes, {}", names::dataset(dataset)),
        subtitle: "Light blue: encryption and decryption, by the client. Grey: linear layers. Blue: polynomials. Mid-blue: other layers (pooling). Green: outside the layers.".to_owned(),
        watermark: None,
        data: Some(format::csv(&["spec", "step", "seconds", "images"], cells)),
        body: Body::Rows(Rows {
            axis: None,
            key: Vec::new(),
            notes: "End to end".to_owned(),
            notes_width: 210.0,
            proportional: false,
            rows,
        }),
    })
}
