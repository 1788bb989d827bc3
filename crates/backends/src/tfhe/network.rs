//! A quantised network and its plan.

use std::path::Path;

use cryptodl_circuit::pbs::{PbsCircuit, PbsPlan, compile, simulate};
use cryptodl_data::{ImageRange, Images};
use cryptodl_records::Evaluation;

use super::evaluate::evaluate;
use super::export;
use crate::exported::write_json;
use crate::{CompiledNetwork, EncryptedError, Job, Outcome, PBS_FILE, PLAN_FILE, Trained};

/// Integer sums and tables, with parameters and failure probabilities.
#[derive(Clone, Debug)]
pub struct Network {
    /// The quantised network.
    pub circuit: PbsCircuit,
    /// Its plan.
    pub plan: PbsPlan,
}

impl Network {
    /// Quantises a trained network, and plans.
    pub(super) fn compile(trained: &Trained<'_>) -> Result<Self, EncryptedError> {
        let experiment = trained.experiment;
        let (circuit, set, choice) = compile(
            trained.network,
            trained.images,
            experiment.train.validation,
            &experiment.encryption,
        )?;
        let plan = PbsPlan::new(&circuit, set, choice);
        tracing::info!(
            set = set.name,
            pixel_bits = circuit.pixel_bits,
            message_bits = circuit.message_bits,
            logit_bits = circuit.logit_bits,
            bootstraps = plan.bootstraps,
            held_out_correct = choice.correct,
            of = choice.images,
            "look-up circuit chosen"
        );
        Ok(Self { circuit, plan })
    }
}

impl CompiledNetwork for Network {
    fn write(&self, folder: &Path) -> Result<(), EncryptedError> {
        write_json(&folder.join(PBS_FILE), &self.circuit)?;
        write_json(&folder.join(PLAN_FILE), &self.plan)
    }

    fn macs(&self) -> u64 {
        self.circuit.macs()
    }

    fn activations(&self) -> u64 {
        self.circuit.bootstraps() as u64
    }

    /// Noise is rounded away: there is none to sample.
    fn simulate(
        &self,
        images: &Images,
        _: u64,
    ) -> Result<(Evaluation, Evaluation), EncryptedError> {
        let evaluation = simulate(&self.circuit, images)?;
        Ok((evaluation.clone(), evaluation))
    }

    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError> {
        job.on_threads(|threads| evaluate(self, job, threads))
    }

    fn confirm(&self, encrypted: &Evaluation, circuit: &Evaluation) {
        let pairs = encrypted.logits.iter().zip(&circuit.logits);
        let different = pairs.filter(|(one, other)| one != other).count();
        if different == 0 {
            tracing::info!(
                logits = encrypted.logits.len(),
                "every decrypted logit is the simulator's integer"
            );
        } else {
            tracing::warn!(
                different,
                logits = encrypted.logits.len(),
                predicted_log2 = self.plan.logit_failure_log2,
                "decrypted logits differ from the simulator's"
            );
        }
    }

    fn export(&self, images: ImageRange, folder: &Path) -> Result<(), EncryptedError> {
        export(&self.circuit, &self.plan, images, folder)
    }
}
