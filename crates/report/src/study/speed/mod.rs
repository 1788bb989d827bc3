//! RQ4: how fast, how large, how dear is encrypted inference? One circuit has one speed, with its spread, wherever it is shown.

mod charts;
mod conclude;
mod tables;

use cryptodl_results::{Estimate, RunTable, Spread, StoredRun, Table as Data};
use plotters::style::RGBColor;

use super::encrypted::backend;
use super::published::Published;
use super::{Part, StudyReport, answered, datasets, provenance, sweep};
use crate::page::{Answer, Block, fact, or_none};
use crate::plot::style::{ENCRYPTED, WRONG};
use crate::{ReportError, names};
use charts::{Axis, scatter, stages};
use conclude::{conclude, paper};
use tables::{backends, others, rates, sizes, times};

/// A system is compared with others by at least so many encrypted images, in batches at least half full.
const MIN_IMAGES: u64 = 1_000;

const MIN_FILL: f64 = 0.5;

/// The column of the server's evaluation.
const EVALUATION: &str = "timing.evaluate_s";

/// Runs of one network and one way of encryption, whatever their seeds.
struct Measured<'a> {
    name: String,
    run: &'a StoredRun,
    /// The key of the training.
    trained: Option<String>,
    /// In f32, and on ciphertexts.
    plain: Option<Estimate>,
    accuracy: Option<Estimate>,
    /// Predictions an hour of full batches, the server's evaluation alone.
    rate: Option<Spread>,
    /// The same with encryption and decryption.
    end_to_end: Option<Spread>,
    /// Images an hour as run, where batches were not half full.
    as_run: Option<f64>,
    /// Evaluation of one batch.
    batch_s: Option<Spread>,
    validation: f64,
}

pub(super) fn part(
    report: &StudyReport,
    encrypted: &Data,
    question: &str,
    published: &Published,
) -> Result<Option<Part>, ReportError> {
    let mut part = Part::default();
    let mut sentences = Vec::new();
    let mut facts = Vec::new();
    let timed = encrypted.filled("timing.evaluate_s")?;
    let all = datasets(&timed);
    let main = answered(&all, published);
    for dataset in all {
        let systems = systems(&timed.with("dataset", &dataset)?, &report.runs)?;
        let name = names::dataset(&dataset);
        part.blocks.push(Block::Heading(format!("On {name}")));
        if let Some((sentence, words)) =
            conclude(&systems, &dataset, published, report.price_per_core_hour)
        {
            part.blocks
                .push(Block::Conclusion(sentence.clone(), words.clone()));
            if main.contains(&dataset) {
                sentences.push(sentence);
                facts.push(fact(name, words));
            }
        }
        let labels = "Up is better; labels mark the Pareto-optimal runs. Other systems ran on their own hardware: the table of published systems has it, with what each time is of. Machines differ, so nothing here compares schemes.";
        part.chart(scatter(&systems, &dataset, published, Axis::Rate), labels);
        part.chart(scatter(&systems, &dataset, published, Axis::Latency), "Left is better: the seconds until a batch is evaluated, whether it holds one image or all; without encryption and decryption for ours, as published for the others.");
        part.chart(stages(&systems, &dataset), "Wall-clock of one run a bar over all its batches; what is too narrow for its name is in the data. “Outside” is what belongs to no layer: reading the upload, its masks, writing the reply.");
        part.blocks.extend(backends(&systems, name)?);
        part.blocks.push(Block::Table(rates(
            &systems,
            name,
            report.price_per_core_hour,
        )));
        part.blocks.push(Block::Folded(
            format!("Times, sizes and memory on {name}"),
            vec![
                Block::Table(times(&systems, name)),
                Block::Table(sizes(&systems, name)),
            ],
        ));
        part.blocks.extend(others(published, &dataset, name));
    }
    for record in report
        .sweeps
        .iter()
        .filter(|record| record.question_of() == Some("RQ4"))
    {
        let own = sweep::part(report, record)?;
        if !own.figures.is_empty() {
            part.blocks.push(Block::Heading(record.title.clone()));
            part.blocks.extend(own.blocks);
            part.figures.extend(own.figures);
        }
    }
    if sentences.is_empty() {
        return Ok(None);
    }
    facts.push(fact(
        "The paper",
        or_none(published.encrypted("mnist"), paper),
    ));
    part.answer = Some(Answer {
        name: "RQ4".to_owned(),
        question: question.to_owned(),
        sentence: sentences.join(" "),
        facts,
        provenance: provenance(&timed, "commit.encrypted"),
    });
    Ok(Some(part))
}

/// Seconds of one batch over all evaluations of the circuits of some rows, on their threads: of the evaluation, or of a column of whole runs.
fn batch_seconds(
    rows: &Data,
    runs: &RunTable,
    column: &str,
) -> Result<Option<Spread>, ReportError> {
    let mut all = Vec::new();
    let threads = rows.text("timing.threads").unwrap_or_default();
    for circuit in rows.distinct("circuit") {
        let same = runs
            .table
            .with("circuit", &circuit)?
            .with("timing.threads", &threads)?;
        let same = same.filled("batch_s")?.first_of(&["evaluation"])?;
        // Encrypting a few images is no measure of encrypting a batch.
        let same = if column == EVALUATION {
            same
        } else {
            same.at_least("fill", MIN_FILL)?
        };
        for one in same.groups(&["row"])? {
            let (batch, evaluation) = (one.real("batch_s"), one.real(EVALUATION));
            let share = batch.zip(evaluation).map(|(batch, all)| batch / all);
            all.extend(
                one.real(column)
                    .zip(share)
                    .map(|(seconds, share)| seconds * share),
            );
            // A run of several evaluations has the median above, and its ends.
            for end in ["timing.evaluate_min_s", "timing.evaluate_max_s"] {
                all.extend(
                    one.real(end)
                        .zip(share)
                        .filter(|_| column == EVALUATION)
                        .map(|(end, share)| end * share),
                );
            }
        }
    }
    Ok(Spread::of(&all))
}

/// Predictions an hour of full batches: one rate a circuit and number of threads, with its spread over all evaluations stored.
pub(super) fn rate(rows: &Data, runs: &RunTable) -> Result<Option<Spread>, ReportError> {
    rate_of(rows, runs, EVALUATION)
}

fn rate_of(rows: &Data, runs: &RunTable, column: &str) -> Result<Option<Spread>, ReportError> {
    let slots = rows.real("timing.batch");
    let seconds = batch_seconds(rows, runs, column)?;
    Ok(slots.zip(seconds).map(|(slots, batch)| Spread {
        median: slots * 3_600.0 / batch.median,
        min: slots * 3_600.0 / batch.max,
        max: slots * 3_600.0 / batch.min,
        n: batch.n,
    }))
}

fn systems<'a>(rows: &Data, runs: &'a RunTable) -> Result<Vec<Measured<'a>>, ReportError> {
    let mut found = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for group in rows.groups(&["system"])? {
        // Of each seed the evaluation of the most images.
        let full = group
            .sorted("accuracy.encrypted.n", true)?
            .first_of(&["seed"])?;
        let most = full.real("accuracy.encrypted.n").unwrap_or(0.0);
        let full = full.at_least("accuracy.encrypted.n", most)?;
        let Some(run) = runs.of(&full).into_iter().next() else {
            continue;
        };
        // One circuit on the same threads is one system, whatever its spec is called.
        let threads = full.text("timing.threads").unwrap_or_default();
        let own: Vec<(String, String)> = full
            .distinct("circuit")
            .into_iter()
            .map(|circuit| (circuit, threads.clone()))
            .collect();
        if own.iter().all(|circuit| seen.contains(circuit)) {
            continue;
        }
        seen.extend(own);
        let filled = full.real("fill").unwrap_or(0.0) >= MIN_FILL;
        let validation = full.numbers("validation");
        let plain = if run.summary.accuracy.polynomial.is_some() {
            "polynomial"
        } else {
            "original"
        };
        found.push(Measured {
            name: full.text("name").unwrap_or_default(),
            run,
            trained: full.text("trained"),
            plain: runs.accuracy(&full, plain),
            accuracy: runs.accuracy(&full, "encrypted"),
            rate: rate(&full, runs)?.filter(|_| filled),
            end_to_end: rate_of(&full, runs, "end_to_end_s")?.filter(|_| filled),
            as_run: full.real("timing.images_per_hour").filter(|_| !filled),
            batch_s: batch_seconds(&full, runs, EVALUATION)?,
            validation: validation.iter().sum::<f64>() / validation.len().max(1) as f64,
        });
    }
    found.sort_by(|a, b| {
        b.rate
            .map_or(0.0, |rate| rate.median)
            .total_cmp(&a.rate.map_or(0.0, |rate| rate.median))
    });
    Ok(found)
}

impl Measured<'_> {
    fn threads(&self) -> usize {
        self.run.summary.timing.threads
    }

    fn images(&self) -> u64 {
        self.run.summary.timing.images
    }

    /// Whether its figures are enough to stand beside those of others.
    fn is_comparable(&self) -> bool {
        self.images() >= MIN_IMAGES && self.rate.is_some()
    }

    /// US dollars for a million predictions: the server's evaluation alone, every thread a core.
    fn cost_per_million(&self, price: f64) -> Option<f64> {
        Some(1e6 / self.rate?.median * self.threads() as f64 * price)
    }

    fn color(&self) -> RGBColor {
        match backend(self.run) {
            "ckks" => ENCRYPTED,
            _ => WRONG,
        }
    }
}
