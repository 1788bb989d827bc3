//! A folded network and its plan.

use std::path::Path;

use cryptodl_circuit::{Circuit, CostTable, Plan, compile_with, estimate_noise, simulate};
use cryptodl_data::{ImageRange, Images};
use cryptodl_records::{Compared, ComparedBits, Evaluation, Prediction};
use cryptodl_spec::EncryptionSpec;

use super::evaluate::evaluate;
use super::export;
use crate::exported::write_json;
use crate::{
    CIRCUIT_FILE, CompiledNetwork, EncryptedError, Job, Measured, Outcome, PLAN_FILE, PlannedLayer,
    Trained,
};

/// Training images whose noise is estimated one by one.
const NOISE_IMAGES: usize = 2_000;

/// Integer linear layers and polynomials, with parameters, levels and scales.
#[derive(Clone, Debug)]
pub struct Network {
    /// The folded network.
    pub circuit: Circuit,
    /// Its plan.
    pub plan: Plan,
}

impl Network {
    /// Folds a trained network, and plans.
    pub(super) fn compile(
        trained: &Trained<'_>,
        costs: &CostTable,
    ) -> Result<Self, EncryptedError> {
        let encryption = &trained.experiment.encryption;
        let (circuit, mut plan) = compile_with(trained.network, trained.ranges, encryption, costs)?;
        plan.views = encryption.views;
        let some = trained.images.first(NOISE_IMAGES);
        plan.noise_estimate = estimate_noise(&circuit, &plan, &some)?;
        warn_of_noisy_images(&plan, encryption);
        Ok(Self { circuit, plan })
    }
}

impl CompiledNetwork for Network {
    fn write(&self, folder: &Path) -> Result<(), EncryptedError> {
        self.circuit.write(&folder.join(CIRCUIT_FILE))?;
        write_json(&folder.join(PLAN_FILE), &self.plan)
    }

    fn macs(&self) -> u64 {
        self.circuit.macs()
    }

    fn activations(&self) -> u64 {
        self.circuit.activations()
    }

    fn simulate(
        &self,
        images: &Images,
        seed: u64,
    ) -> Result<(Evaluation, Evaluation), EncryptedError> {
        let Self { circuit, plan } = self;
        Ok((
            simulate(circuit, plan, images, None)?,
            simulate(circuit, plan, images, Some(seed))?,
        ))
    }

    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError> {
        job.on_threads(|threads| evaluate(self, job, threads))
    }

    fn planned_layers(&self, images: usize, threads: usize) -> Vec<PlannedLayer> {
        let layers = self.plan.layers.iter();
        layers
            .map(|layer| PlannedLayer {
                name: layer.name.clone(),
                level: layer.level,
                bound_bits: layer.bound_bits,
                predicted_seconds: self.plan.layer_seconds(layer, images, threads),
            })
            .collect()
    }

    fn plan_vs_measured(&self, measured: &Measured<'_>) -> Option<Prediction> {
        let plan = &self.plan;
        let timing = measured.timing;
        let images = usize::try_from(timing.images).unwrap_or(usize::MAX);
        let errors = Errors::between(measured.encrypted, measured.circuit);
        Some(Prediction {
            evaluate_s: Compared::new(
                plan.evaluate_seconds(images, timing.threads),
                timing.evaluate_s?,
            ),
            precision_bits: errors.precision(plan),
            error_bound_bits: ComparedBits::of_errors(plan.logit_error_bound(), errors.largest),
            peak_bytes: measured
                .peak_rss_bytes
                .map(|peak| Compared::new(plan.peak_memory_bytes as f64, peak as f64)),
        })
    }

    fn export(&self, images: ImageRange, folder: &Path) -> Result<(), EncryptedError> {
        export(&self.circuit, &self.plan, images, folder)
    }
}

/// Warns where the planner's prediction is not borne out by single images: it bounds all of them at once, by averages over what training
/// images showed, and the noisiest images decide.
fn warn_of_noisy_images(plan: &Plan, encryption: &EncryptionSpec) {
    let wanted = encryption
        .precision_bits
        .unwrap_or(EncryptionSpec::DEFAULT_PRECISION_BITS);
    let expected = plan.expected_precision_bits();
    if expected < wanted {
        tracing::warn!(
            planned_bits = plan.logit_precision_bits(),
            expected_bits = expected,
            wanted_bits = wanted,
            "training images are noisier than planned: logits may be less precise than asked for \
             (hint: raise encryption.precision_bits, or train with a stronger peak_penalty)"
        );
    }
}

/// What noise changes of the logits.
struct Errors {
    largest: f64,
    root_mean_square: f64,
}

impl Errors {
    /// Over the images that both evaluations have.
    fn between(encrypted: &Evaluation, circuit: &Evaluation) -> Self {
        let pairs = encrypted.logits.iter().zip(&circuit.logits);
        let (mut largest, mut squares) = (0.0_f64, 0.0);
        for (encrypted, circuit) in pairs {
            let error = f64::from(*encrypted) - f64::from(*circuit);
            largest = largest.max(error.abs());
            squares += error * error;
        }
        let count = encrypted.logits.len().min(circuit.logits.len()).max(1);
        Self {
            largest,
            root_mean_square: (squares / count as f64).sqrt(),
        }
    }

    fn precision(&self, plan: &Plan) -> Option<ComparedBits> {
        let predicted = (-plan.expected_precision_bits()).exp2();
        ComparedBits::of_errors(predicted, self.root_mean_square)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_of_the_images_that_both_have() {
        let evaluation = |logits: &[f32]| Evaluation {
            classes: 2,
            logits: logits.to_vec(),
        };
        let encrypted = evaluation(&[1.0, 2.0, -3.0, 4.5]);
        let circuit = evaluation(&[1.25, 2.0, -3.0, 4.0, 100.0, 100.0]);
        let errors = Errors::between(&encrypted, &circuit);
        assert_eq!(errors.largest, 0.5);
        assert_eq!(errors.root_mean_square, (0.3125_f64 / 4.0).sqrt());
        let bits = ComparedBits::of_errors(1.0, errors.largest).unwrap();
        assert_eq!(
            (bits.predicted, bits.measured, bits.difference),
            (0.0, 1.0, 1.0)
        );
        assert_eq!(ComparedBits::of_errors(1.0, 0.0), None);
    }
}
