//! The stage `plaintext`: logits in the clear, and the ranges of the pre-activations.

use serde::{Deserialize, Serialize};

use super::session::{Session, write_viewed};
use super::train::Networks;
use crate::circuit;
use crate::data::{Dataset, Images};
use crate::model::{PreActivation, TrainedNetwork};
use crate::pipeline::store::Entry;
use crate::pipeline::views::over_views;
use crate::pipeline::{PipelineError, Stage};
use crate::results::{TailSummary, read_json, write_json};
use crate::spec::Experiment;
use crate::training;

/// Images per step of the evaluations in the clear.
const EVALUATION_BATCH: usize = 500;
const TAILS_FILE: &str = "tails.json";
/// Training images on which the ranges of the pre-activations are measured.
const RANGE_IMAGES: usize = 20_000;

/// What the stage found.
#[derive(Debug)]
pub(super) struct Plaintext {
    pub entry: Entry,
    pub ranges: Ranges,
    pub tails: Option<TailSummary>,
}

/// `ranges.json`: what flowed into the activations.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ranges {
    /// Of training images, those of the logits last.
    pub train: Vec<PreActivation>,
    pub test: Vec<PreActivation>,
}

/// Evaluates the networks on the test images, and measures what flows into the activations of the one that is encrypted.
pub(super) fn evaluate(
    session: &Session<'_>,
    networks: &Networks,
) -> Result<Plaintext, PipelineError> {
    let experiment = session.experiment;
    let network = &networks.encrypted()?.network;
    let entry = session.stage(Stage::Plaintext, &session.keys.plaintext, |pending| {
        let (dataset, interval) = (session.dataset()?, experiment.activation.interval);
        let (first, test) = (dataset.train.first(RANGE_IMAGES), &dataset.test);
        // A network that learned from coarse pixels is judged on such pixels.
        let (first, test) = match experiment.train.quantize {
            Some(bits) => (first.coarse(bits.pixel_bits), &test.coarse(bits.pixel_bits)),
            None => (first, test),
        };
        let mut train = training::pre_activations(network, &first, interval)?;
        // What the planner must leave room for at the very end.
        let logits = training::logits(network, &first, EVALUATION_BATCH)?;
        train.push(circuit::output_range(network, &logits));
        let ranges = Ranges {
            train,
            test: training::pre_activations(network, test, interval)?,
        };
        write_json(&pending.file("ranges.json"), &ranges)?;
        let tails = tails(experiment, network, dataset, test, &ranges.train)?;
        write_json(&pending.file(TAILS_FILE), &tails)?;
        let trained = [
            ("polynomial", &networks.polynomial),
            ("original", &networks.original),
        ];
        for (name, trained) in trained {
            if let Some(trained) = trained {
                let viewed = over_views(experiment.encryption.views, test, |test| {
                    Ok(training::logits(&trained.network, test, EVALUATION_BATCH)?)
                })?;
                write_viewed(pending.path(), name, &viewed)?;
            }
        }
        Ok(())
    })?;
    Ok(Plaintext {
        ranges: read_json(&entry.file("ranges.json"))?,
        // Results from before there were tails have none.
        tails: match entry.file(TAILS_FILE) {
            file if file.is_file() => Some(read_json(&file)?),
            _ => None,
        },
        entry,
    })
}

/// How far the held-out training images and the test images go, against what was `measured` on training images.
fn tails(
    experiment: &Experiment,
    network: &TrainedNetwork,
    dataset: &Dataset,
    test: &Images,
    measured: &[PreActivation],
) -> Result<TailSummary, PipelineError> {
    let of = |images: &Images| training::tails(network, images, measured, circuit::RANGE_MARGIN);
    let (_, mut held_out) = dataset.train.hold_out(experiment.train.validation);
    if let Some(bits) = experiment.train.quantize {
        held_out = held_out.coarse(bits.pixel_bits);
    }
    let mirrored = held_out.mirrored();
    held_out.pixels.extend(mirrored.pixels);
    held_out.labels.extend(mirrored.labels);
    let summary = TailSummary {
        held_out: match held_out.is_empty() {
            true => None,
            false => Some(of(&held_out)?),
        },
        test: of(test)?,
    };
    if summary.test.past_bound > 0 {
        tracing::warn!(
            images = summary.test.past_bound,
            of = summary.test.images,
            "test images pass what training images showed, margin included; the plan is a heuristic, and their batches may be lost"
        );
    }
    Ok(summary)
}
