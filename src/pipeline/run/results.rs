//! Everything that the stages made: what tables, charts and reports are written from.

use polyapprox::Polynomial;

use super::circuit::CircuitStage;
use super::encrypted::EncryptedStage;
use super::plaintext::Plaintext;
use super::train::Networks;
use crate::backends::Measured;
use crate::pipeline::PipelineError;
use crate::pipeline::logits::read_logits;
use crate::pipeline::stages::Finished;
use crate::pipeline::views::ONE_VIEW;
use crate::results::{EpochRow, Evaluation, Prediction, Predictions, WeightsRecord};

/// The results of all stages.
#[derive(Debug)]
pub(super) struct StageResults {
    pub start: Polynomial,
    pub data_digest: [u8; 32],
    /// Where the network came from, if it was not trained.
    pub weights: Option<WeightsRecord>,
    pub networks: Networks,
    pub plaintext: Plaintext,
    pub circuit: CircuitStage,
    pub encrypted: Option<EncryptedStage>,
    /// Of the test images.
    pub labels: Vec<u16>,
    pub stages: Vec<Finished>,
}

impl StageResults {
    /// The epochs of all trainings.
    pub fn epochs(&self) -> Vec<EpochRow> {
        let networks = [&self.networks.polynomial, &self.networks.original];
        let epochs = networks.into_iter().flatten();
        epochs
            .flat_map(|trained| trained.record.epochs.clone())
            .collect()
    }

    /// Seconds that the training of the encrypted network took; `None` where nothing was trained.
    pub fn train_seconds(&self) -> Result<Option<f64>, PipelineError> {
        let trained = self.networks.encrypted()?;
        Ok(self.weights.is_none().then_some(trained.record.seconds))
    }

    /// The logits of every evaluation of the test images.
    pub fn predictions(&self, views: usize) -> Result<Predictions, PipelineError> {
        let (plaintext, circuit) = (&self.plaintext.entry, &self.circuit.entry);
        let encrypted = self.encrypted.as_ref().map(|stage| &stage.entry);
        let original = self.networks.original.as_ref().map(|_| plaintext);
        let polynomial = self.networks.polynomial.as_ref().map(|_| plaintext);
        let mut found = vec![
            ("original".to_owned(), original),
            ("polynomial".to_owned(), polynomial),
            ("circuit".to_owned(), Some(circuit)),
            ("simulated".to_owned(), Some(circuit)),
            ("encrypted".to_owned(), encrypted),
        ];
        if views > 1 {
            found.push((format!("polynomial{ONE_VIEW}"), polynomial));
            found.push((format!("encrypted{ONE_VIEW}"), encrypted));
        }
        let mut evaluations = Vec::new();
        for (name, entry) in found {
            if let Some(entry) = entry {
                let logits = read_logits(&entry.file(&format!("{name}.f32")))?;
                evaluations.push((name, logits));
            }
        }
        Ok(Predictions {
            labels: self.labels.clone(),
            evaluations,
        })
    }

    /// The plan's predictions beside what was measured; `None` where nothing was encrypted.
    pub fn plan_vs_measured(&self, predictions: &Predictions) -> Option<Prediction> {
        let record = &self.encrypted.as_ref()?.record;
        let named = |name: &str| -> Option<&Evaluation> {
            let mut evaluations = predictions.evaluations.iter();
            evaluations.find_map(|(known, evaluation)| (known == name).then_some(evaluation))
        };
        self.circuit.compiled.plan_vs_measured(&Measured {
            encrypted: named("encrypted")?,
            circuit: named("circuit")?,
            timing: &record.timing,
            peak_rss_bytes: record.peak_rss_bytes,
        })
    }
}
