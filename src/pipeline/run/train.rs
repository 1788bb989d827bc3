//! The stages `train` and `original`: the network with the polynomial, and with the original activation.

use std::fs;

use polyapprox::Polynomial;
use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::model::{self, Activations, TrainedNetwork};
use crate::pipeline::{PipelineError, Stage};
use crate::results::{EpochRow, read_json, write_json};
use crate::training;

/// A network, and how it was trained.
#[derive(Debug)]
pub(super) struct TrainedStage {
    pub network: TrainedNetwork,
    pub record: TrainRecord,
}

/// `train.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TrainRecord {
    pub epochs: Vec<EpochRow>,
    pub seconds: f64,
}

/// The networks of a run.
#[derive(Debug)]
pub(super) struct Networks {
    pub polynomial: Option<TrainedStage>,
    pub original: Option<TrainedStage>,
}

impl Networks {
    /// The one that is encrypted: an exact activation has the original network alone.
    ///
    /// # Errors
    /// Where the run's keys name no training.
    pub fn encrypted(&self) -> Result<&TrainedStage, PipelineError> {
        let trained = self.polynomial.as_ref().or(self.original.as_ref());
        trained.ok_or_else(|| PipelineError::Malformed {
            path: "the stages".into(),
            what: "no network was trained".into(),
        })
    }
}

/// Trains what the run's keys name, or takes `given` in the place of the network that would be encrypted.
pub(super) fn networks(
    session: &Session<'_>,
    start: &Polynomial,
    mut given: Option<TrainedNetwork>,
) -> Result<Networks, PipelineError> {
    // First the original network: the polynomial one may learn from it.
    let original = match &session.keys.original {
        Some(key) => Some(match given.take() {
            Some(network) => untrained(network),
            None => train(session, Stage::Original, key, Activations::Original, None)?,
        }),
        None => None,
    };
    let polynomial = match &session.keys.train {
        Some(key) => Some(match given.take() {
            Some(network) => untrained(network),
            None => train(
                session,
                Stage::Train,
                key,
                Activations::Polynomial(start),
                original.as_ref().map(|original| &original.network),
            )?,
        }),
        None => None,
    };
    Ok(Networks {
        polynomial,
        original,
    })
}

fn untrained(network: TrainedNetwork) -> TrainedStage {
    TrainedStage {
        network,
        record: TrainRecord::default(),
    }
}

fn train(
    session: &Session<'_>,
    stage: Stage,
    key: &str,
    activations: Activations<'_>,
    original: Option<&TrainedNetwork>,
) -> Result<TrainedStage, PipelineError> {
    let scratch = session.store.scratch(stage.as_str(), key);
    let entry = session.stage(stage, key, |pending| {
        let outcome = training::train(
            session.experiment,
            session.dataset()?,
            activations,
            original,
            &scratch,
            session.options.stop,
        )?;
        model::save(&outcome.network, &pending.file("model.safetensors"))?;
        let record = TrainRecord {
            epochs: outcome.epochs,
            seconds: outcome.seconds,
        };
        Ok(write_json(&pending.file("train.json"), &record)?)
    })?;
    // The checkpoints have done their work; that they are gone changes nothing.
    let _ = fs::remove_dir_all(&scratch);
    Ok(TrainedStage {
        network: model::load(&entry.file("model.safetensors"))?,
        record: read_json(&entry.file("train.json"))?,
    })
}
