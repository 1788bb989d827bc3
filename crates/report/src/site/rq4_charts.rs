//! The charts of RQ4 but one: batch fill, scaling, and where the time goes.

use plotters::style::RGBColor;

use super::figure::{machine, sources};
use super::palette::dataset_name;
use super::plots::{Bars, Line, LinePanel, Lines, Mark, Segment, Stack, close_log, decades};
use super::rq4::System;
use super::views::{View, fullest, network, short_network};
use crate::format::{self, csv};
use crate::style::{ENCRYPTED, MUTED, OTHER, POLYNOMIAL};
use cryptodl_results::{RunRecord, median};

/// The most bars that the chart has room for.
const MAX_BARS: usize = 10;

fn images(run: &RunRecord) -> usize {
    run.summary.timing.images as usize
}

fn per_hour(run: &RunRecord) -> Option<f64> {
    run.summary.timing.predictions_per_hour
}

/// What a run has but for the number of images.
fn otherwise(run: &RunRecord, free: &str) -> Vec<(String, String)> {
    run.spec
        .iter()
        .filter(|(key, _)| key.as_str() != free && *key != "name" && !key.starts_with("output."))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Rate against the number of encrypted images.
pub(super) fn fill(views: &[View<'_>], dataset: &str) -> Option<(Lines, String)> {
    let view = fullest(views, 2, |view| {
        view.varies(images, |run| otherwise(run, "encryption.images"))
    })?;
    let mut runs: Vec<&RunRecord> = view
        .runs()
        .into_iter()
        .filter(|run| run.encrypted().is_some() && per_hour(run).is_some())
        .collect();
    runs.sort_by_key(|run| images(run));
    let first = runs.first()?;
    let batch = first.summary.timing.batch;
    let marks = |value: &dyn Fn(&RunRecord) -> Option<f64>| -> Vec<Mark> {
        runs.iter()
            .filter_map(|run| {
                Some(Mark {
                    x: images(run) as f64,
                    y: value(run)?,
                    interval: None,
                })
            })
            .collect()
    };
    let answered = marks(&|run| run.summary.timing.images_per_hour);
    let padded = marks(&per_hour);
    let whole = marks(&|run| {
        let timing = &run.summary.timing;
        let seconds = timing.encrypt_s? + timing.evaluate_s? + timing.decrypt_s?;
        Some(timing.images as f64 * 3_600.0 / seconds)
    });
    let values = || [&answered, &padded, &whole].into_iter().flatten();
    let x = close_log(runs.iter().map(|run| images(run) as f64));
    let line = |label: &str, color: RGBColor, reference: bool, marks: &[Mark]| Line {
        label: label.to_owned(),
        color,
        reference,
        values: false,
        marks: marks.to_vec(),
    };
    let data = csv(
        &[
            "images",
            "batch",
            "predictions_per_hour",
            "images_per_hour",
            "encrypt_s",
            "evaluate_s",
            "decrypt_s",
            "threads",
            "spec",
        ],
        runs.iter().map(|run| {
            let timing = &run.summary.timing;
            vec![
                timing.images.to_string(),
                timing.batch.to_string(),
                super::figure::number(timing.predictions_per_hour),
                super::figure::number(timing.images_per_hour),
                super::figure::number(timing.encrypt_s),
                super::figure::number(timing.evaluate_s),
                super::figure::number(timing.decrypt_s),
                timing.threads.to_string(),
                run.summary.name.clone(),
            ]
        }),
    );
    Some((
        Lines {
            name: format!("rq4_fill_{dataset}"),
            title: format!(
                "Predictions an hour against batch fill, {}",
                dataset_name(dataset)
            ),
            subtitle: format!(
                "A batch has {} slots, one image each; an empty slot costs as much as a full one.",
                format::count(batch)
            ),
            height: 360.0,
            panels: vec![LinePanel {
                y_name: "Images an hour (logarithmic)".to_owned(),
                x_name: "Encrypted images (logarithmic)".to_owned(),
                ticks: runs
                    .iter()
                    .map(|run| (images(run) as f64, format::count(images(run) as u64)))
                    .fold(Vec::new(), |mut ticks: Vec<(f64, String)>, tick| {
                        // Ticks that would write over each other are left out.
                        if ticks
                            .last()
                            .is_none_or(|last| x.at(tick.0) - x.at(last.0) > 0.06)
                        {
                            ticks.push(tick);
                        }
                        ticks
                    }),
                x,
                y: decades(values().map(|mark| mark.y)),
                lines: vec![
                    line("slots evaluated", MUTED, true, &padded),
                    line("images answered", ENCRYPTED, false, &answered),
                    line("with encryption, decryption", POLYNOMIAL, false, &whole),
                ],
            }],
            data,
        },
        format!(
            "Study {}, part “{}”: {}, one run a point, wall-clock on {}. {}",
            view.sweep.name,
            view.part,
            network(first),
            super::rq4::threads(first.summary.timing.threads),
            sources(&runs)
        ),
    ))
}

/// One panel of the scaling chart: what varies, and how it is called.
type Axis = (&'static str, &'static str, fn(&RunRecord) -> usize);

/// Rate against threads, degree and depth, one panel each.
pub(super) fn scaling(views: &[View<'_>], dataset: &str) -> Option<(Lines, String)> {
    let axes: [Axis; 3] = [
        ("threads", "Threads", |run| run.summary.timing.threads),
        ("degree", "Degree", |run| {
            run.summary.activation.degree.unwrap_or(0)
        }),
        ("depth", "Convolution blocks", |run| {
            run.summary.network.depth
        }),
    ];
    let mut panels = Vec::new();
    let mut rows = Vec::new();
    let mut shown: Vec<&RunRecord> = Vec::new();
    let mut parts = Vec::new();
    for (name, words, of) in axes {
        let timed = |view: &View<'_>| {
            let encrypted = view
                .runs()
                .into_iter()
                .all(|run| run.encrypted().is_some() && per_hour(run).is_some());
            let others = axes.iter().filter(|other| other.0 != name);
            let alone = others
                .map(|other| view.distinct(other.2).len())
                .all(|values| values == 1);
            let function = view.distinct(|run| run.summary.activation.function.clone());
            if encrypted && alone && function.len() == 1 {
                view.distinct(of).len()
            } else {
                0
            }
        };
        let Some(view) = fullest(views, 2, timed) else {
            continue;
        };
        let mut values = view.distinct(of);
        values.sort_unstable();
        let marks: Vec<Mark> = values
            .iter()
            .filter_map(|value| {
                let rates: Vec<f64> = view
                    .runs()
                    .into_iter()
                    .filter(|run| of(run) == *value)
                    .filter_map(per_hour)
                    .collect();
                Some(Mark {
                    x: *value as f64,
                    y: median(&rates)?,
                    interval: None,
                })
            })
            .collect();
        rows.extend(
            marks
                .iter()
                .map(|mark| vec![name.to_owned(), mark.x.to_string(), mark.y.to_string()]),
        );
        let (first, last) = (*values.first()?, *values.last()?);
        panels.push(LinePanel {
            y_name: "Predictions an hour (log)".to_owned(),
            x_name: words.to_owned(),
            x: crate::axes::Scale::Linear(first as f64 - 0.2, last as f64 + 0.2),
            ticks: values
                .iter()
                .map(|value| (*value as f64, value.to_string()))
                .collect(),
            y: decades(marks.iter().map(|mark| mark.y)),
            lines: vec![Line {
                label: String::new(),
                color: ENCRYPTED,
                reference: false,
                values: true,
                marks,
            }],
        });
        parts.push(format!("{} ({})", view.part, view.sweep.name));
        shown.extend(view.runs());
    }
    // The panels share an axis, so that their slopes compare.
    let all: Vec<f64> = panels
        .iter()
        .flat_map(|panel: &LinePanel| panel.lines.iter().flat_map(|line| &line.marks))
        .map(|mark| mark.y)
        .collect();
    for panel in &mut panels {
        panel.y = decades(all.iter().copied());
    }
    (!panels.is_empty()).then(|| {
        (
            Lines {
                name: format!("rq4_scaling_{dataset}"),
                title: format!("What changes the rate, {}", dataset_name(dataset)),
                subtitle:
                    "Predictions an hour of the server’s evaluation; each panel changes one thing."
                        .to_owned(),
                height: 330.0,
                panels,
                data: csv(&["axis", "value", "predictions_per_hour"], rows),
            },
            format!(
                "Parts: {}. Wall-clock, median over runs. {}",
                parts.join(", "),
                sources(&shown)
            ),
        )
    })
}

/// Where the time of each system goes.
pub(super) fn stages(systems: &[&System<'_>], dataset: &str) -> Option<(Bars, String)> {
    let mut rows = Vec::new();
    let mut stacks = Vec::new();
    let mut shown: Vec<&RunRecord> = Vec::new();
    for system in systems {
        let Some(run) = system.runs.first() else {
            continue;
        };
        let timing = &run.summary.timing;
        if run.layers.is_empty() || stacks.len() == MAX_BARS {
            continue;
        }
        let mut segments = Vec::new();
        let mut part = |label: &str, value: Option<f64>, color: RGBColor, shade: f64| {
            if let Some(value) = value.filter(|value| value.is_finite() && *value > 0.0) {
                segments.push(Segment {
                    label: label.to_owned(),
                    value,
                    color,
                    shade,
                });
            }
        };
        part("encrypt", timing.encrypt_s, OTHER, 0.45);
        for layer in &run.layers {
            let color = match layer.kind.as_str() {
                "linear" => MUTED,
                "polynomial" => POLYNOMIAL,
                _ => ENCRYPTED,
            };
            part(&layer.name, Some(layer.seconds), color, 1.0);
        }
        part("decrypt", timing.decrypt_s, OTHER, 0.45);
        let whole: f64 = segments.iter().map(|part| part.value).sum();
        let count = timing.images.max(1) as f64;
        rows.extend(segments.iter().map(|part| {
            vec![
                system.name().to_owned(),
                part.label.clone(),
                part.value.to_string(),
                timing.images.to_string(),
            ]
        }));
        stacks.push(Stack {
            label: short_network(run),
            detail: format!("{}, {}", system.name(), system.backend()),
            note: format!("{} an image", format::seconds(whole / count)),
            segments,
        });
        shown.push(run);
    }
    let first = shown.first()?;
    let place = machine(first);
    (!stacks.is_empty()).then(|| {
        (
            Bars {
                name: format!("rq4_stages_{dataset}"),
                title: format!("Where the time goes, {}", dataset_name(dataset)),
                subtitle: "Light blue: encryption and decryption, by the client. Grey: linear layers. Blue: polynomials.".to_owned(),
                stacks,
                data: csv(&["spec", "step", "seconds", "images"], rows),
            },
            format!(
                "Wall-clock of one run a bar over all its batches, on {place}; what is too narrow for its name is in the data. {}",
                sources(&shown)
            ),
        )
    })
}
