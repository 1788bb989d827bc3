//! Accuracy against rate, with the published systems beside ours; latency against rate where there are two kinds of backend.

use super::figure::{number, sources};
use super::palette::dataset_name;
use super::plots::{Place, Scatter, accuracy_scale, decades};
use super::published::Published;
use super::rq4::System;
use crate::format::{self, csv};
use crate::style::{ENCRYPTED, MUTED, POLYNOMIAL, WRONG};
use cryptodl_results::RunRecord;

/// Systems of ours that are labelled although a better one is near.
const MIN_IMAGES: u64 = 100;

/// Whether no other of ours is both faster and more accurate.
fn leads(system: &System<'_>, all: &[&System<'_>]) -> bool {
    let value = |one: &System<'_>| {
        one.comparable_accuracy()
            .map_or(0.0, |accuracy| accuracy.value)
    };
    !all.iter().any(|other| {
        (other.per_hour > system.per_hour && value(other) >= value(system))
            || (other.per_hour >= system.per_hour && value(other) > value(system))
    })
}

/// The chart of both, and how to read it.
pub(super) fn chart(
    systems: &[&System<'_>],
    dataset: &str,
    published: &Published,
) -> Option<(Scatter, String)> {
    let ours: Vec<&System<'_>> = systems
        .iter()
        .copied()
        .filter(|system| {
            system
                .accuracy
                .is_some_and(|accuracy| accuracy.n >= MIN_IMAGES)
        })
        .collect();
    if ours.is_empty() {
        return None;
    }
    // Where only the time of one image is known, they come one after the other.
    let theirs: Vec<(&super::published::System, f64)> = published
        .systems(dataset)
        .into_iter()
        .filter_map(|system| {
            let alone = || system.latency_s.map(|seconds| 3_600.0 / seconds);
            Some((system, system.per_hour.or_else(alone)?))
        })
        .collect();
    let shares = ours
        .iter()
        .filter_map(|system| system.comparable_accuracy())
        .map(|accuracy| accuracy.value)
        .chain(theirs.iter().map(|(system, _)| system.accuracy / 100.0));
    let (y, place) = accuracy_scale(shares);
    let rates = ours
        .iter()
        .map(|system| system.per_hour)
        .chain(theirs.iter().map(|(_, rate)| *rate));
    let mut places: Vec<Place> = theirs
        .iter()
        .map(|(system, rate)| Place {
            x: *rate,
            y: place(system.accuracy / 100.0),
            label: Some(system.name.clone()),
            detail: match (system.per_hour, system.hardware.as_str()) {
                (Some(_), hardware) => hardware.to_owned(),
                (None, "") => system.time.clone(),
                (None, hardware) => format!("{hardware}, {}", system.time),
            },
            color: MUTED,
            bold: false,
            filled: !system.gpu,
            interval: None,
        })
        .collect();
    places.extend(ours.iter().filter_map(|system| {
        let accuracy = system.comparable_accuracy()?;
        let leading = leads(system, &ours);
        Some(Place {
            x: system.per_hour,
            y: place(accuracy.value),
            label: leading.then(|| system.name().to_owned()),
            detail: if leading {
                format!(
                    "{}, {}",
                    super::rq4::threads(system.threads()),
                    system.backend()
                )
            } else {
                String::new()
            },
            color: color(system),
            bold: leading,
            filled: true,
            interval: None,
        })
    }));
    let header = [
        "system",
        "ours",
        "accuracy_percent",
        "low",
        "high",
        "n",
        "seeds",
        "predictions_per_hour",
        "hardware",
        "source",
    ];
    let rows = ours
        .iter()
        .map(|system| {
            let accuracy = system.comparable_accuracy();
            vec![
                system.name().to_owned(),
                "yes".to_owned(),
                number(accuracy.map(|one| one.value * 100.0)),
                number(accuracy.map(|one| one.low * 100.0)),
                number(accuracy.map(|one| one.high * 100.0)),
                accuracy.map_or_else(String::new, |one| one.n.to_string()),
                accuracy.map_or_else(String::new, |one| one.seeds.to_string()),
                number(Some(system.per_hour)),
                system
                    .runs
                    .first()
                    .map_or_else(String::new, |run| super::figure::machine(run)),
                "measured".to_owned(),
            ]
        })
        .chain(theirs.iter().map(|(system, rate)| {
            vec![
                system.name.clone(),
                "no".to_owned(),
                system.accuracy.to_string(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                rate.to_string(),
                system.hardware.clone(),
                system.source.words().to_owned(),
            ]
        }));
    let data = csv(&header, rows);
    let runs: Vec<&RunRecord> = ours
        .iter()
        .flat_map(|system| system.runs.iter().copied())
        .collect();
    let machine = runs
        .first()
        .map_or_else(String::new, |run| super::figure::machine(run));
    Some((
        Scatter {
            name: format!("rq4_systems_{dataset}"),
            title: format!(
                "Encrypted accuracy against predictions an hour, {}",
                dataset_name(dataset)
            ),
            subtitle: match theirs.is_empty() {
                true => format!(
                    "Measured here, on {machine}. There are no published figures for this data set."
                ),
                false => format!(
                    "Colour: measured here, on {machine}. Grey: published by others, on their hardware; rings are GPUs."
                ),
            },
            height: 500.0,
            x_name: "Predictions an hour (logarithmic)".to_owned(),
            y_name: "Encrypted test accuracy, %".to_owned(),
            x: decades(rates),
            y,
            places,
            data,
        },
        format!(
            "Up and to the right is better. Of ours, those are named that no other of ours beats in both; n is at least {MIN_IMAGES} encrypted images, and the table below has their intervals; below 1,000 of them, all predicted as by the integer circuit, the accuracy is the circuit’s on all test images. Published figures: the table of published systems. A time that was published without a rate is taken for one image’s. Machines differ: nothing here compares schemes. {}",
            sources(&runs)
        ),
    ))
}

fn color(system: &System<'_>) -> plotters::style::RGBColor {
    match system.backend() {
        "ckks" => ENCRYPTED,
        "tfhe" => WRONG,
        _ => POLYNOMIAL,
    }
}

/// `ReLU, degree 2`, or `exact ReLU`.
fn function(system: &System<'_>) -> String {
    let run = system.runs.first();
    run.map_or_else(String::new, |run| super::views::activation(run))
}

/// Whether the function itself is computed, no polynomial in its place.
fn exact(system: &System<'_>) -> bool {
    let run = system.runs.first();
    run.is_some_and(|run| run.summary.activation.degree.is_none())
}

/// Latency against rate, where more than one backend was measured.
pub(super) fn latency(systems: &[&System<'_>], dataset: &str) -> Option<(Scatter, String)> {
    let mut backends: Vec<&str> = systems.iter().map(|system| system.backend()).collect();
    backends.sort_unstable();
    backends.dedup();
    let timed: Vec<(&System<'_>, f64)> = systems
        .iter()
        .filter_map(|system| Some((*system, system.latency?)))
        .collect();
    if backends.len() < 2 || timed.len() < 2 {
        return None;
    }
    let best = |system: &System<'_>| {
        !timed.iter().any(|(other, latency)| {
            other.backend() == system.backend()
                && exact(other) == exact(system)
                && other.per_hour > system.per_hour
                && Some(*latency) < system.latency
        })
    };
    let places = timed
        .iter()
        .map(|(system, latency)| Place {
            x: system.per_hour,
            y: *latency,
            label: best(system).then(|| system.name().to_owned()),
            detail: if best(system) {
                format!(
                    "{}, {}, {}",
                    function(system),
                    system.backend(),
                    super::rq4::threads(system.threads())
                )
            } else {
                String::new()
            },
            color: color(system),
            bold: best(system),
            filled: true,
            interval: None,
        })
        .collect();
    let data = csv(
        &[
            "spec",
            "activation",
            "backend",
            "threads",
            "latency_s",
            "predictions_per_hour",
        ],
        timed.iter().map(|(system, latency)| {
            vec![
                system.name().to_owned(),
                function(system),
                system.backend().to_owned(),
                system.threads().to_string(),
                latency.to_string(),
                system.per_hour.to_string(),
            ]
        }),
    );
    let runs: Vec<&RunRecord> = timed
        .iter()
        .flat_map(|(system, _)| system.runs.iter().copied())
        .collect();
    Some((
        Scatter {
            name: format!("rq4_latency_{dataset}"),
            title: format!(
                "Latency against predictions an hour, {}",
                dataset_name(dataset)
            ),
            subtitle: "Batches answer many images at once, bootstrapped inference one after the other. A colour a backend.".to_owned(),
            height: 420.0,
            x_name: "Predictions an hour (logarithmic)".to_owned(),
            y_name: "Seconds until one image is answered (logarithmic)".to_owned(),
            x: decades(timed.iter().map(|(system, _)| system.per_hour)),
            y: decades(timed.iter().map(|(_, latency)| *latency)),
            places,
            data,
        },
        format!(
            "Down and to the right is better. Wall-clock medians over {}. {}",
            match runs.len() {
                1 => "1 run".to_owned(),
                runs => format!("{} runs", format::count(runs as u64)),
            },
            sources(&runs)
        ),
    ))
}
