//! RQ3: is the encrypted network as accurate as the plain one?

use super::figure::{Estimate, number, sources};
use super::input::Site;
use super::palette::dataset_name;
use super::plots::{Dot, DotRow, Dots, accuracy_scale};
use super::published::Published;
use super::views::{network, one_a_seed, seed, short_network, trained_network, twins};
use super::{Part, first_dataset};
use crate::document::{Answer, Block, NONE, Table};
use crate::format::{self, csv};
use crate::render::render;
use crate::style::{ENCRYPTED, MARGIN, ORIGINAL, OTHER, POLYNOMIAL};
use crate::{ReportError, input::evaluation_words};
use cryptodl_results::agreement::STEPS;
use cryptodl_results::{Accuracy, Agreement, RunRecord};

const QUESTION: &str = "Is the network on encrypted images as accurate as the plain one?";

/// Fewer encrypted images than this say nothing about accuracy.
const LEAST_IMAGES: u64 = 100;

/// Runs on fewer images than the largest by this factor are in the tables alone.
const SMALL: u64 = 10;

/// The most networks that the chart has room for.
const MAX_ROWS: usize = 18;

pub(super) fn part(site: &Site, published: &Published) -> Result<Part, ReportError> {
    let runs = networks(site);
    let datasets = super::datasets(runs.iter().map(|run| run.summary.dataset.as_str()));
    let Some(first) = first_dataset(&datasets) else {
        return Ok(Part::empty(missing(published)));
    };
    let mut found = Part::empty(missing(published));
    for dataset in &datasets {
        let own: Vec<&RunRecord> = runs
            .iter()
            .copied()
            .filter(|run| run.summary.dataset == *dataset)
            .collect();
        if *dataset == first {
            found.answer = answer(&own, dataset, published);
        }
        if datasets.len() > 1 {
            let name = dataset_name(dataset);
            found.blocks.push(Block::Heading(format!("On {name}")));
        }
        let shown: Vec<&RunRecord> = comparable(&own).into_iter().take(MAX_ROWS).collect();
        let dots = chart(&shown, dataset, published);
        found.blocks.push(Block::Chart(
            dots.name.clone().into(),
            format!(
                "Bars: 95 % interval (Wilson) over the encrypted images, n = {}; all dots of a row are of the same images. {}{}",
                images(&shown),
                if own.len() > shown.len() {
                    format!("{} of {} networks are shown, those on the most images; the table has all. ", shown.len(), own.len())
                } else {
                    String::new()
                },
                sources(&shown)
            ),
        ));
        found.charts.push(render(&dots)?);
        found.blocks.push(accuracies(&own, dataset));
        found.blocks.push(agreements(&own, dataset));
    }
    Ok(found)
}

/// Every trained network once a backend: the run that encrypted most of its images, the latest of equals.
fn networks(site: &Site) -> Vec<&RunRecord> {
    let mut kept: Vec<&RunRecord> = Vec::new();
    for run in site.runs.iter().map(|run| &run.record) {
        if run.encrypted().is_none() || encrypted_images(run) < LEAST_IMAGES {
            continue;
        }
        match kept.iter_mut().find(|other| same_network(other, run)) {
            Some(other) => {
                let newer = |run: &RunRecord| (encrypted_images(run), run.manifest.started.clone());
                if newer(run) > newer(other) {
                    *other = run;
                }
            }
            None => kept.push(run),
        }
    }
    kept.sort_by(|a, b| {
        let rate = |run: &RunRecord| share(run, "encrypted").map_or(0.0, |accuracy| accuracy.value);
        rate(b).total_cmp(&rate(a))
    });
    kept
}

/// Those on many images: one more or less right is a whole point of a hundred, which says little beside thousands.
fn comparable<'a>(runs: &[&'a RunRecord]) -> Vec<&'a RunRecord> {
    let most = runs.iter().map(|run| encrypted_images(run)).max();
    let enough = |run: &&RunRecord| encrypted_images(run) >= most.unwrap_or(0) / SMALL;
    runs.iter().copied().filter(enough).collect()
}

fn encrypted_images(run: &RunRecord) -> u64 {
    run.summary
        .accuracy
        .encrypted
        .map_or(0, |accuracy| accuracy.n)
}

fn same_network(a: &RunRecord, b: &RunRecord) -> bool {
    let trained = |run: &RunRecord| {
        (
            trained_network(run),
            run.encrypted().map(|encryption| encryption.backend.clone()),
        )
    };
    trained(a) == trained(b)
}

/// Accuracy on the encrypted images; of the summary where the predictions are not there.
fn share(run: &RunRecord, name: &str) -> Option<Accuracy> {
    if let Some(step) = run.step(name) {
        return step.accuracy;
    }
    if !run.steps.is_empty() {
        return None;
    }
    let all = &run.summary.accuracy;
    let found = match name {
        "original" => all.original,
        "polynomial" => all.polynomial,
        "circuit" => all.circuit,
        "simulated" => all.simulated,
        _ => all.encrypted,
    };
    // On other images than the encrypted ones it is no comparison.
    found.filter(|accuracy| accuracy.n == encrypted_images(run))
}

fn images(runs: &[&RunRecord]) -> String {
    let mut counts: Vec<u64> = runs.iter().map(|run| encrypted_images(run)).collect();
    counts.sort_unstable();
    counts.dedup();
    match (counts.first(), counts.last()) {
        (Some(low), Some(high)) if low < high => {
            format!("{} to {}", format::count(*low), format::count(*high))
        }
        (Some(only), _) => format::count(*only),
        _ => "0".to_owned(),
    }
}

fn paper_words(published: &Published) -> String {
    let rows: Vec<String> = published
        .paper
        .encrypted
        .iter()
        .map(|row| format!("{} {:.2} %", dataset_name(&row.dataset), row.accuracy))
        .collect();
    let relu = published
        .paper
        .activations
        .iter()
        .find(|row| row.function == "relu");
    let twin = relu.map_or_else(String::new, |row| {
        format!(" (its ReLU network {:.2} %)", row.original)
    });
    format!(
        "{}{twin} ({}, {}).",
        rows.join(", "),
        super::published::Source::P.mark(),
        super::published::Source::P.words()
    )
}

fn missing(published: &Published) -> Answer {
    Answer {
        name: "RQ3".to_owned(),
        question: QUESTION.to_owned(),
        sentence: format!(
            "Not answered here: no run with at least {LEAST_IMAGES} encrypted images is among the results; `cryptodl sweep experiments/rq3.toml` makes some."
        ),
        ours: None,
        paper: paper_words(published),
    }
}

fn answer(runs: &[&RunRecord], dataset: &str, published: &Published) -> Answer {
    let runs = &comparable(runs)[..];
    let changes: Vec<f64> = runs
        .iter()
        .filter_map(|run| Some(share(run, "encrypted")?.value - share(run, "polynomial")?.value))
        .collect();
    let agreements: Vec<Agreement> = runs
        .iter()
        .filter_map(|run| run.summary.agreement.encrypted_vs_polynomial)
        .collect();
    let mut sentence = String::new();
    let largest = changes.iter().map(|change| change.abs()).reduce(f64::max);
    let worst = agreements
        .iter()
        .map(|agreement| agreement.value)
        .reduce(f64::min);
    if let (Some(largest), Some(worst)) = (largest, worst) {
        let within = runs.iter().all(|run| {
            let (own, plain) = (share(run, "encrypted"), share(run, "polynomial"));
            own.zip(plain)
                .is_none_or(|(own, plain)| (plain.low..=plain.high).contains(&own.value))
        });
        sentence = format!(
            "{}: over {} {} on {}, {} images each, the encrypted accuracy is within {} percentage points of the same network’s in f32, and at least {} of the predictions are the same",
            if within { "Yes" } else { "Not always" },
            runs.len(),
            if runs.len() == 1 {
                "network"
            } else {
                "networks"
            },
            dataset_name(dataset),
            images(runs),
            format::decimals(largest * 100.0, 2),
            format::percent(worst)
        );
    }
    let best = twins(runs.iter().copied(), |_| false)
        .iter()
        .filter_map(|group| {
            let group = one_a_seed(group);
            let accuracies: Vec<Accuracy> = group
                .iter()
                .filter_map(|run| share(run, "encrypted"))
                .collect();
            Some((Estimate::of(&accuracies)?, group))
        })
        .max_by(|a, b| a.0.value.total_cmp(&b.0.value));
    let ours = best.map(|(estimate, group)| {
        if !sentence.is_empty() {
            sentence.push_str(&format!("; the best has {} encrypted", estimate.percent()));
        }
        format!("{} encrypted. {}", estimate.full(), sources(&group))
    });
    if sentence.is_empty() {
        sentence = "Not answered here: no run has both an encrypted and a plain accuracy on the same images".to_owned();
    }
    sentence.push('.');
    Answer {
        name: "RQ3".to_owned(),
        question: QUESTION.to_owned(),
        sentence,
        ours,
        paper: paper_words(published),
    }
}

fn chart(runs: &[&RunRecord], dataset: &str, published: &Published) -> Dots {
    let colors = [ORIGINAL, POLYNOMIAL, OTHER, MARGIN, ENCRYPTED];
    let words = [
        "original activation",
        "polynomial, f32",
        "integer circuit",
        "simulated noise",
        "encrypted",
    ];
    let shares = runs.iter().flat_map(|run| {
        STEPS
            .iter()
            .filter_map(|(name, _)| share(run, name))
            .flat_map(|accuracy| [accuracy.low, accuracy.high])
    });
    // The paper's polynomial network of the same activation.
    let paper = |run: &RunRecord| {
        let rows = &published.paper.activations;
        let same = |function: &str| function == run.summary.activation.function;
        let row = rows
            .iter()
            .find(|row| dataset == "mnist" && same(&row.function));
        let whole = || published.encrypted(dataset).filter(|_| dataset != "mnist");
        row.map(|row| row.polynomial)
            .or_else(|| whole().map(|row| row.accuracy))
            .map(|percent| percent / 100.0)
    };
    let theirs: Vec<f64> = runs.iter().filter_map(|run| paper(run)).collect();
    let (x, place) = accuracy_scale(shares.chain(theirs));
    let rows = runs
        .iter()
        .map(|run| {
            let encryption = run.encrypted();
            DotRow {
                label: short_network(run),
                detail: format!(
                    "{}, {}",
                    run.summary.name,
                    encryption.map_or("", |encryption| encryption.backend.as_str())
                ),
                note: run
                    .summary
                    .agreement
                    .encrypted_vs_polynomial
                    .map_or(NONE.to_owned(), |agreement| format::agreement(&agreement)),
                dots: STEPS
                    .iter()
                    .map(|(name, _)| {
                        share(run, name).map(|accuracy| Dot {
                            value: place(accuracy.value),
                            low: place(accuracy.low),
                            high: place(accuracy.high),
                        })
                    })
                    .collect(),
                published: paper(run).map(place),
            }
        })
        .collect();
    let data = csv(
        &[
            "spec",
            "backend",
            "evaluation",
            "accuracy",
            "low",
            "high",
            "n",
        ],
        runs.iter().flat_map(|run| {
            STEPS.iter().filter_map(|(name, _)| {
                let accuracy = share(run, name)?;
                Some(vec![
                    run.summary.name.clone(),
                    run.encrypted()
                        .map(|one| one.backend.clone())
                        .unwrap_or_default(),
                    (*name).to_owned(),
                    number(Some(accuracy.value)),
                    number(Some(accuracy.low)),
                    number(Some(accuracy.high)),
                    accuracy.n.to_string(),
                ])
            })
        }),
    );
    Dots {
        name: format!("rq3_accuracy_{dataset}"),
        title: format!("Five accuracies of each network, {}", dataset_name(dataset)),
        subtitle: "From the original activation to real ciphertexts, on the same test images."
            .to_owned(),
        x_name: "Test accuracy, %".to_owned(),
        x,
        series: words.into_iter().map(str::to_owned).zip(colors).collect(),
        notes: "Encrypted agrees with f32 on".to_owned(),
        rows,
        data,
    }
}

fn accuracies(runs: &[&RunRecord], dataset: &str) -> Block {
    let mut table = Table::new(
        format!(
            "Accuracies on the encrypted images of {}. Interval: Wilson, 95 %.",
            dataset_name(dataset)
        ),
        &[
            "Spec",
            "Network",
            "#Seed",
            "Backend",
            "#n",
            "#Original",
            "#Polynomial, f32",
            "#Integer circuit",
            "#Simulated",
            "#Encrypted",
            "#95 % interval",
        ],
    );
    for run in runs {
        let mut row = vec![
            run.summary.name.clone(),
            network(run),
            seed(run).to_owned(),
            run.encrypted()
                .map(|one| one.backend.clone())
                .unwrap_or_default(),
            format::count(encrypted_images(run)),
        ];
        row.extend(STEPS.iter().map(|(name, _)| {
            share(run, name).map_or(NONE.to_owned(), |accuracy| format::accuracy(&accuracy))
        }));
        row.push(share(run, "encrypted").map_or(NONE.to_owned(), |accuracy| {
            format!("{} %", format::interval(&accuracy))
        }));
        table.rows.push(row);
    }
    Block::Table(table)
}

fn agreements(runs: &[&RunRecord], dataset: &str) -> Block {
    let mut table = Table::new(
        format!(
            "How exactly ciphertexts compute, {}: predictions that are the same as {} makes, the largest error of a logit against the integer circuit, and the smallest predicted precision of a layer.",
            dataset_name(dataset),
            evaluation_words("polynomial")
        ),
        &[
            "Spec",
            "#Same as f32",
            "#Same as the circuit",
            "#Original and polynomial agree",
            "#Largest logit error",
            "#Precision, bits",
            "#Security, bits",
        ],
    );
    for run in runs {
        let agreement = &run.summary.agreement;
        let shown = |value: Option<Agreement>| {
            value.map_or(NONE.to_owned(), |value| format::agreement(&value))
        };
        let encryption = run.encrypted();
        table.rows.push(vec![
            run.summary.name.clone(),
            shown(agreement.encrypted_vs_polynomial),
            shown(agreement.encrypted_vs_circuit),
            shown(agreement.polynomial_vs_original),
            agreement
                .max_logit_error
                .map_or(NONE.to_owned(), format::significant),
            encryption
                .and_then(|one| one.min_precision_bits)
                .map_or(NONE.to_owned(), |bits| format::decimals(bits, 1)),
            encryption
                .and_then(|one| one.security_bits)
                .map_or(NONE.to_owned(), |bits| bits.to_string()),
        ]);
    }
    Block::Table(table)
}
