//! The stage `encrypted`: real ciphertexts.

use serde::{Deserialize, Serialize};

use super::circuit::CircuitStage;
use super::session::{Session, write_viewed};
use crate::backends::{Job, Outcome};
use crate::pipeline::logits::read_logits;
use crate::pipeline::memory::{forget_peak, peak_rss_bytes};
use crate::pipeline::store::Entry;
use crate::pipeline::views::Viewed;
use crate::pipeline::{PipelineError, Stage};
use crate::results::{EncryptionSummary, LayerRow, Timing, read_json, write_json};

/// What the stage made.
#[derive(Debug)]
pub(super) struct EncryptedStage {
    pub entry: Entry,
    pub record: EncryptedRecord,
}

/// `outcome.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EncryptedRecord {
    pub encryption: EncryptionSummary,
    pub timing: Timing,
    pub layers: Vec<LayerRow>,
    pub peak_rss_bytes: Option<u64>,
}

/// Encrypts, evaluates and decrypts the test images that the spec asks for.
pub(super) fn evaluate(
    session: &Session<'_>,
    circuit: &CircuitStage,
) -> Result<EncryptedStage, PipelineError> {
    let experiment = session.experiment;
    let entry = session.stage(Stage::Encrypted, &session.keys.encrypted, |pending| {
        let job = Job {
            name: &experiment.name,
            key_dir: None,
            images: &session.dataset()?.test,
            count: experiment.encryption.images,
            threads: experiment.encryption.threads,
            stop: session.options.stop,
        };
        forget_peak();
        let in_the_clear = read_logits(&circuit.entry.file("circuit.f32"))?;
        let mut outcomes = Vec::new();
        for _ in 0..experiment.encryption.repetitions {
            let outcome = circuit.compiled.evaluate(&job)?;
            circuit.compiled.confirm(&outcome.evaluation, &in_the_clear);
            outcomes.push(outcome);
        }
        let outcome = median(outcomes)?;
        let peak_rss_bytes = peak_rss_bytes();
        let viewed = Viewed {
            all: outcome.evaluation,
            one: outcome.one_view,
        };
        write_viewed(pending.path(), "encrypted", &viewed)?;
        let record = EncryptedRecord {
            encryption: outcome.encryption,
            timing: outcome.timing,
            layers: outcome.layers,
            peak_rss_bytes,
        };
        Ok(write_json(&pending.file("outcome.json"), &record)?)
    })?;
    let record = read_json(&entry.file("outcome.json"))?;
    Ok(EncryptedStage { entry, record })
}

/// Of several evaluations the one with the median time, whole, with the times of the shortest and the longest.
fn median(mut outcomes: Vec<Outcome>) -> Result<Outcome, PipelineError> {
    let seconds = |outcome: &Outcome| outcome.timing.evaluate_s.unwrap_or(f64::INFINITY);
    outcomes.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    let ends = outcomes
        .first()
        .map(seconds)
        .zip(outcomes.last().map(seconds));
    let count = outcomes.len();
    // Of an even number the slower of the middle two: a rate is not flattered.
    let median = outcomes.into_iter().nth(count / 2);
    let mut outcome = median.ok_or_else(|| PipelineError::Malformed {
        path: "the encrypted stage".into(),
        what: "it was evaluated no time at all".into(),
    })?;
    if let Some((min, max)) = ends.filter(|_| count > 1) {
        outcome.timing.evaluations = Some(count as u64);
        outcome.timing.evaluate_min_s = Some(min);
        outcome.timing.evaluate_max_s = Some(max);
    }
    Ok(outcome)
}
