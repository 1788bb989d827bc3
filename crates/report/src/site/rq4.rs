//! RQ4: how fast, how large, how dear is encrypted inference?

use super::figure::{Estimate, sources};
use super::input::Site;
use super::palette::dataset_name;
use super::published::Published;
use super::rq4_charts as charts;
use super::views::{network, one_a_seed, twins, views};
use super::{Part, first_dataset};
use crate::document::{Answer, Block, NONE, Table};
use crate::render::render;
use crate::{ReportError, format};
use cryptodl_results::{RunRecord, median};

const QUESTION: &str = "How fast, how large and how costly is encrypted inference?";

/// Runs of one network and one way of encryption, whatever their seeds: what a reader takes for one system.
pub(super) struct System<'a> {
    pub runs: Vec<&'a RunRecord>,
    pub accuracy: Option<Estimate>,
    /// Medians over the runs.
    pub per_hour: f64,
    pub latency: Option<f64>,
}

pub(super) fn part(site: &Site, published: &Published) -> Result<Part, ReportError> {
    let systems = systems(site);
    let datasets = super::datasets(
        systems
            .iter()
            .filter_map(|system| Some(system.runs.first()?.summary.dataset.as_str())),
    );
    let Some(first) = first_dataset(&datasets) else {
        return Ok(Part::empty(missing(published)));
    };
    let all_views = views(site);
    let mut found = Part::empty(missing(published));
    for dataset in &datasets {
        let own: Vec<&System<'_>> = systems
            .iter()
            .filter(|system| {
                system
                    .runs
                    .first()
                    .is_some_and(|run| run.summary.dataset == *dataset)
            })
            .collect();
        if *dataset == first {
            found.answer = answer(&own, dataset, published, site.price_per_core_hour);
        }
        if datasets.len() > 1 {
            let name = dataset_name(dataset);
            found.blocks.push(Block::Heading(format!("On {name}")));
        }
        let own_views: Vec<_> = all_views
            .iter()
            .filter(|view| view.dataset == *dataset)
            .cloned()
            .collect();
        if let Some((drawing, note)) = super::frontier::chart(&own, dataset, published) {
            found.add(render(&drawing)?, note);
        }
        if let Some((drawing, note)) = super::frontier::latency(&own, dataset) {
            found.add(render(&drawing)?, note);
        }
        if let Some((drawing, note)) = charts::fill(&own_views, dataset) {
            found.add(render(&drawing)?, note);
        }
        if let Some((drawing, note)) = charts::scaling(&own_views, dataset) {
            found.add(render(&drawing)?, note);
        }
        if let Some((drawing, note)) = charts::stages(&own, dataset) {
            found.add(render(&drawing)?, note);
        }
        found.blocks.extend(super::backends::tables(&own, dataset));
        found
            .blocks
            .push(rates(&own, dataset, site.price_per_core_hour));
        found.blocks.push(sizes(&own, dataset));
        found.blocks.extend(others(dataset, published));
    }
    Ok(found)
}

fn systems(site: &Site) -> Vec<System<'_>> {
    let mut timed: Vec<&RunRecord> = site
        .runs
        .iter()
        .map(|run| &run.record)
        .filter(|run| {
            run.encrypted().is_some() && run.summary.timing.predictions_per_hour.is_some()
        })
        .collect();
    // A spec of its own has a better name than a point of a study, and its time was taken for its own sake.
    let points = site.sweeps.iter().flat_map(|sweep| &sweep.points);
    let swept: Vec<&RunRecord> = points.filter_map(|point| site.run(point)).collect();
    timed.sort_by_key(|run| swept.iter().any(|point| std::ptr::eq(*point, *run)));
    // How many images fill the batches does not make another system: a padded batch costs a full one.
    let groups = twins(timed, |key| key == "encryption.images");
    let mut found: Vec<System<'_>> = groups
        .into_iter()
        .filter_map(|runs| {
            let most = runs.iter().filter_map(|run| images(run)).max()?;
            let full: Vec<&RunRecord> = runs
                .iter()
                .copied()
                .filter(|run| images(run) == Some(most))
                .collect();
            let full = one_a_seed(&full);
            let accuracies: Vec<_> = full
                .iter()
                .filter_map(|run| run.summary.accuracy.encrypted)
                .collect();
            let of = |value: fn(&RunRecord) -> Option<f64>| {
                median(
                    &full
                        .iter()
                        .filter_map(|run| value(run))
                        .collect::<Vec<f64>>(),
                )
            };
            Some(System {
                accuracy: Estimate::of(&accuracies),
                per_hour: of(|run| run.summary.timing.predictions_per_hour)?,
                latency: of(|run| run.summary.timing.latency_s),
                runs: full,
            })
        })
        .collect();
    found.sort_by(|a, b| b.per_hour.total_cmp(&a.per_hour));
    found
}

fn images(run: &RunRecord) -> Option<u64> {
    run.summary.accuracy.encrypted.map(|accuracy| accuracy.n)
}

impl System<'_> {
    /// Accuracy to compare systems by: on the encrypted images, or, where these are few and gave the predictions of the integer circuit
    /// without exception, the circuit's on all test images.
    pub fn comparable_accuracy(&self) -> Option<Estimate> {
        const FEW: u64 = 1_000;
        let own = self.accuracy?;
        let exact = |run: &RunRecord| {
            let agreement = run.summary.agreement.encrypted_vs_circuit;
            agreement.is_some_and(|agreement| agreement.value >= 1.0)
        };
        if own.n >= FEW || !self.runs.iter().all(|run| exact(run)) {
            return Some(own);
        }
        let circuits = self.runs.iter().map(|run| run.summary.accuracy.circuit);
        let circuits: Option<Vec<_>> = circuits.collect();
        circuits.and_then(|all| Estimate::of(&all)).or(Some(own))
    }

    /// The name of its first run's spec.
    pub fn name(&self) -> &str {
        self.runs.first().map_or("", |run| &run.summary.name)
    }

    /// Its backend.
    pub fn backend(&self) -> &str {
        let encryption = self.runs.first().and_then(|run| run.encrypted());
        encryption.map_or("", |encryption| &encryption.backend)
    }

    /// Threads of its evaluation.
    pub fn threads(&self) -> usize {
        self.runs
            .first()
            .map_or(0, |run| run.summary.timing.threads)
    }

    /// US dollars for a million predictions: the server's evaluation alone, every thread a core.
    pub fn cost_per_million(&self, price: f64) -> f64 {
        1e6 / self.per_hour * self.threads() as f64 * price
    }
}

fn paper_words(published: &Published) -> String {
    let row = published.encrypted("mnist");
    let rate = row.and_then(|row| row.per_hour);
    match (row, rate) {
        (Some(row), Some(rate)) => format!(
            "{} MNIST predictions an hour at {:.2} % with batches in HElib ({}, {}).",
            format::count(rate as u64),
            row.accuracy,
            row.source.mark(),
            row.source.words()
        ),
        _ => NONE.to_owned(),
    }
}

fn missing(published: &Published) -> Answer {
    Answer {
        name: "RQ4".to_owned(),
        question: QUESTION.to_owned(),
        sentence: "Not answered here: no run with encrypted images is among the results; `cryptodl sweep experiments/rq4.toml --jobs 1` makes some."
            .to_owned(),
        ours: None,
        paper: paper_words(published),
    }
}

fn answer(systems: &[&System<'_>], dataset: &str, published: &Published, price: f64) -> Answer {
    let paper = published.encrypted(dataset);
    // As accurate as the paper's, and the fastest of those; else the most accurate.
    let at_least = paper.and_then(|paper| {
        systems
            .iter()
            .filter(|system| {
                system
                    .accuracy
                    .is_some_and(|accuracy| accuracy.value * 100.0 >= paper.accuracy)
            })
            .max_by(|a, b| a.per_hour.total_cmp(&b.per_hour))
    });
    let most = systems.iter().max_by(|a, b| {
        let value = |system: &System<'_>| system.accuracy.map_or(0.0, |accuracy| accuracy.value);
        value(a).total_cmp(&value(b))
    });
    let Some(chosen) = at_least.or(most) else {
        return missing(published);
    };
    let accuracy = chosen.accuracy.map_or(NONE.to_owned(), |one| one.percent());
    let mut sentence = format!(
        "{} predictions an hour on {} at {accuracy} encrypted accuracy, on {}",
        format::short(chosen.per_hour.round()),
        dataset_name(dataset),
        threads(chosen.threads())
    );
    match paper.and_then(|paper| paper.per_hour) {
        Some(rate) if at_least.is_some() => sentence.push_str(&format!(
            ", {} times the paper’s rate at its accuracy or a higher one",
            format::significant(chosen.per_hour / rate)
        )),
        Some(rate) => sentence.push_str(&format!(
            ", {} times the paper’s rate, at a lower accuracy than its",
            format::significant(chosen.per_hour / rate)
        )),
        None => {}
    }
    if let Some(latency) = chosen.latency {
        sentence.push_str(&format!(
            "; one image alone takes {}",
            format::seconds(latency)
        ));
    }
    sentence.push_str(&format!(
        "; a million cost {} at {} a core-hour.",
        dollars(chosen.cost_per_million(price)),
        dollars(price)
    ));
    let ours = format!(
        "{} predictions an hour (median of {}), accuracy {}. {}",
        format::count(chosen.per_hour.round() as u64),
        match chosen.runs.len() {
            1 => "1 run".to_owned(),
            runs => format!("{runs} runs"),
        },
        chosen.accuracy.map_or(NONE.to_owned(), |one| one.full()),
        sources(&chosen.runs)
    );
    Answer {
        name: "RQ4".to_owned(),
        question: QUESTION.to_owned(),
        sentence,
        ours: Some(ours),
        paper: paper_words(published),
    }
}

pub(super) fn threads(threads: usize) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    }
}

/// `$0.0123`.
pub(super) fn dollars(value: f64) -> String {
    format!("${}", format::significant(value))
}

fn rates(systems: &[&System<'_>], dataset: &str, price: f64) -> Block {
    let mut table = Table::new(
        format!(
            "Rates on {}, wall-clock, medians over runs that differ in their seed. Evaluation is the server's, from the upload's bytes to the reply's; end to end adds encryption and decryption. Cost: evaluation alone, every thread a core at {} an hour.",
            dataset_name(dataset),
            dollars(price)
        ),
        &[
            "Spec",
            "Network",
            "Backend",
            "#Threads",
            "#Runs",
            "#Encrypted accuracy",
            "#Predictions an hour",
            "#End to end",
            "#Latency of one image",
            "#Cost of a million",
            "Machine",
        ],
    );
    for system in systems {
        let Some(run) = system.runs.first() else {
            continue;
        };
        let whole: Vec<f64> = system
            .runs
            .iter()
            .filter_map(|run| run.summary.timing.predictions_per_hour_end_to_end)
            .collect();
        table.rows.push(vec![
            system.name().to_owned(),
            network(run),
            system.backend().to_owned(),
            system.threads().to_string(),
            system.runs.len().to_string(),
            system
                .accuracy
                .map_or(NONE.to_owned(), |accuracy| accuracy.percent()),
            format::count(system.per_hour.round() as u64),
            median(&whole).map_or(NONE.to_owned(), |rate| format::count(rate.round() as u64)),
            system.latency.map_or(NONE.to_owned(), format::seconds),
            dollars(system.cost_per_million(price)),
            super::figure::machine(run),
        ]);
    }
    Block::Table(table)
}

fn sizes(systems: &[&System<'_>], dataset: &str) -> Block {
    let mut table = Table::new(
        format!(
            "Sizes, keys and memory on {}. Upload and download: of one image in a full batch.",
            dataset_name(dataset)
        ),
        &[
            "Spec",
            "Scheme",
            "#Ring degree",
            "#log2 QP",
            "#Security, bits",
            "#Evaluation keys",
            "#Fresh ciphertext",
            "#Upload an image",
            "#Download an image",
            "#Largest memory",
            "#Key generation",
            "#Encryption",
            "#Evaluation",
            "#Decryption",
            "#Images",
        ],
    );
    let bytes = |value: Option<f64>| value.map_or(NONE.to_owned(), format::bytes);
    let seconds = |value: Option<f64>| value.map_or(NONE.to_owned(), format::seconds);
    for system in systems {
        let Some((run, encryption)) = system
            .runs
            .first()
            .and_then(|run| Some((run, run.encrypted()?)))
        else {
            continue;
        };
        let timing = &run.summary.timing;
        table.rows.push(vec![
            system.name().to_owned(),
            encryption
                .scheme
                .clone()
                .unwrap_or_else(|| encryption.backend.clone()),
            encryption
                .ring_degree
                .map_or(NONE.to_owned(), format::count),
            encryption
                .log_qp
                .map_or(NONE.to_owned(), |bits| format::decimals(bits, 0)),
            encryption
                .security_bits
                .map_or(NONE.to_owned(), |bits| bits.to_string()),
            bytes(encryption.evaluation_key_bytes.map(|size| size as f64)),
            bytes(encryption.ciphertext_bytes.map(|size| size as f64)),
            bytes(encryption.input_bytes_per_image),
            bytes(download(run)),
            bytes(run.summary.memory.peak_rss_bytes.map(|size| size as f64)),
            seconds(timing.keygen_s),
            seconds(timing.encrypt_s),
            seconds(timing.evaluate_s),
            seconds(timing.decrypt_s),
            format::count(timing.images),
        ]);
    }
    Block::Table(table)
}

/// Bytes that leave the last layer for one image of a full batch.
fn download(run: &RunRecord) -> Option<f64> {
    let last = run.layers.last()?;
    let batch = run.summary.timing.batch;
    (batch > 0 && last.bytes > 0).then(|| last.bytes as f64 / batch as f64)
}

fn others(dataset: &str, published: &Published) -> Option<Block> {
    let mut table = Table::new(
        format!(
            "Published systems on {}. Source: P {}, L {}; none was measured here.",
            dataset_name(dataset),
            super::published::Source::P.words(),
            super::published::Source::L.words()
        ),
        &[
            "System",
            "Scheme",
            "#Accuracy, %",
            "Time",
            "#Predictions an hour",
            "Hardware",
            "Source",
        ],
    );
    let or_none = |text: &str| match text {
        "" => NONE.to_owned(),
        text => text.to_owned(),
    };
    for system in published.systems(dataset) {
        table.rows.push(vec![
            system.name.clone(),
            or_none(&system.scheme),
            system
                .accuracy_text
                .clone()
                .unwrap_or_else(|| system.accuracy.to_string()),
            or_none(&system.time),
            system
                .per_hour
                .map_or(NONE.to_owned(), |rate| format::count(rate as u64)),
            or_none(&system.hardware),
            system.source.mark().to_owned(),
        ]);
    }
    (!table.rows.is_empty()).then_some(Block::Table(table))
}
