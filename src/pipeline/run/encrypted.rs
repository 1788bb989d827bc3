//! The stage `encrypted`: real ciphertexts.

use serde::{Deserialize, Serialize};

use super::circuit::CircuitStage;
use super::session::{Session, write_viewed};
use crate::backends::Job;
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
        let outcome = circuit.compiled.evaluate(&job)?;
        let peak_rss_bytes = peak_rss_bytes();
        let in_the_clear = read_logits(&circuit.entry.file("circuit.f32"))?;
        circuit.compiled.confirm(&outcome.evaluation, &in_the_clear);
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
