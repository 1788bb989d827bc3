//! The compiled network: a circuit and its plan, of the kind that the backend takes.

use std::path::PathBuf;

use super::PipelineError;
use super::run::{read_json, write_json};
use crate::backends::{CIRCUIT_FILE, LOOKUP_FILE, PLAN_FILE, Work};
use crate::circuit::pbs::{PbsCircuit, PbsPlan};
use crate::circuit::{self, Circuit, CircuitError, CostTable, Plan};
use crate::data::{Dataset, Images};
use crate::model::{PreActivation, TrainedNetwork};
use crate::results::Evaluation;
use crate::spec::{BackendName, EncryptionSpec, Experiment};

/// Training images whose noise is estimated one by one.
const NOISE_IMAGES: usize = 2_000;

/// What the circuit stage makes.
#[derive(Debug)]
pub(super) enum Compiled {
    Polynomials {
        circuit: Circuit,
        plan: Box<Plan>,
    },
    Lookups {
        circuit: Box<PbsCircuit>,
        plan: PbsPlan,
    },
}

impl Compiled {
    /// Folds or quantises `network`, and plans.
    pub fn of(
        experiment: &Experiment,
        network: &TrainedNetwork,
        ranges: &[PreActivation],
        dataset: &Dataset,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Self, PipelineError> {
        let encryption = &experiment.encryption;
        match encryption.backend {
            BackendName::Ckks | BackendName::Clear => {
                let (circuit, mut plan) =
                    circuit::compile_with(network, ranges, encryption, &costs())?;
                plan.views = encryption.views;
                let some = dataset.train.first(NOISE_IMAGES);
                plan.noise_estimate = circuit::estimate_noise(&circuit, &plan, &some)?;
                doubt(&plan, encryption);
                Ok(Self::Polynomials {
                    circuit,
                    plan: Box::new(plan),
                })
            }
            BackendName::Tfhe => {
                let (circuit, set, choice) = circuit::pbs::compile(
                    network,
                    &dataset.train,
                    experiment.train.validation,
                    encryption,
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
                Ok(Self::Lookups {
                    circuit: Box::new(circuit),
                    plan,
                })
            }
        }
    }

    /// Logits of the exact circuit, and of the circuit with sampled noise. Look-ups have none to sample: it is rounded away.
    pub fn simulate(
        &self,
        images: &Images,
        seed: u64,
    ) -> Result<(Evaluation, Evaluation), PipelineError> {
        match self {
            Self::Polynomials { circuit, plan } => Ok((
                circuit::simulate(circuit, plan, images, None)?,
                circuit::simulate(circuit, plan, images, Some(seed))?,
            )),
            Self::Lookups { circuit, .. } => {
                let evaluation = circuit::pbs::simulate(circuit, images)?;
                Ok((evaluation.clone(), evaluation))
            }
        }
    }

    /// Writes both into a folder.
    pub fn write(&self, file: &dyn Fn(&str) -> PathBuf) -> Result<(), PipelineError> {
        match self {
            Self::Polynomials { circuit, plan } => {
                circuit.write(&file(CIRCUIT_FILE))?;
                write_json(&file(PLAN_FILE), plan)
            }
            Self::Lookups { circuit, plan } => {
                write_json(&file(LOOKUP_FILE), circuit)?;
                write_json(&file(PLAN_FILE), plan)
            }
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(
        backend: BackendName,
        file: &dyn Fn(&str) -> PathBuf,
    ) -> Result<Self, PipelineError> {
        match backend {
            BackendName::Ckks | BackendName::Clear => Ok(Self::Polynomials {
                circuit: Circuit::read(&file(CIRCUIT_FILE))?,
                plan: read_json(&file(PLAN_FILE))?,
            }),
            BackendName::Tfhe => {
                let circuit: Box<PbsCircuit> = read_json(&file(LOOKUP_FILE))?;
                circuit.check().map_err(CircuitError::from)?;
                Ok(Self::Lookups {
                    circuit,
                    plan: read_json(&file(PLAN_FILE))?,
                })
            }
        }
    }

    /// For the backend.
    pub fn work(&self) -> Work<'_> {
        match self {
            Self::Polynomials { circuit, plan } => Work::Polynomials { circuit, plan },
            Self::Lookups { circuit, plan } => Work::Lookups { circuit, plan },
        }
    }

    /// Look-ups on ciphertexts should give the simulator's integers; says so where they did not.
    pub fn confirm(&self, encrypted: &Evaluation, simulated: &Evaluation) {
        if let Self::Lookups { plan, .. } = self {
            let pairs = encrypted.logits.iter().zip(&simulated.logits);
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
                    predicted_log2 = plan.logit_failure_log2,
                    "decrypted logits differ from the simulator's"
                );
            }
        }
    }

    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> u64 {
        match self {
            Self::Polynomials { circuit, .. } => circuit.macs(),
            Self::Lookups { circuit, .. } => circuit.macs(),
        }
    }

    /// Activations of one image.
    pub fn activations(&self) -> u64 {
        match self {
            Self::Polynomials { circuit, .. } => circuit.activations(),
            Self::Lookups { circuit, .. } => circuit.bootstraps() as u64,
        }
    }
}

/// Warns where the planner's prediction is not borne out by single images: it bounds all of them at once, by averages over what training
/// images showed, and the noisiest images decide.
fn doubt(plan: &Plan, encryption: &EncryptionSpec) {
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
