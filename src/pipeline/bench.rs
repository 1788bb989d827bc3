//! What a spec's encrypted evaluation costs and whether it is right, on a network with random weights and random images: no data, no training.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::PipelineError;
use super::memory::{forget_peak, peak_rss_bytes};
use super::random_circuit::random_circuit;
use crate::backends::ckks::Network;
use crate::backends::{CompiledNetwork, EncryptedError, Job, Outcome};
use crate::circuit::{self, CostTable, NoiseEstimate, Plan};
use crate::data::Images;
use crate::spec::{BackendName, Experiment};
use cryptodl_runtime::interrupt;

/// Images on which the ranges of the activations are measured.
const RANGE_IMAGES: usize = 64;
/// Images whose logits are compared with those of the circuit in the clear.
const COMPARED: usize = 16;
/// How many times the expected one the root mean square of the errors may be: three bits.
const CREDIBLE: f64 = 8.0;

/// A bench's figures.
#[derive(Debug)]
pub struct Bench {
    /// How it ran.
    pub plan: Plan,
    /// What the encrypted evaluation said of itself.
    pub outcome: Outcome,
    /// Making the network, its ranges, circuit and plan.
    pub prepare_s: f64,
    /// Images whose logits were compared.
    pub compared: usize,
    /// Largest difference of a logit to the integer circuit's.
    pub max_error: f64,
    /// Their root mean square.
    pub rms_error: f64,
    /// What was to be expected of exactly these images.
    pub expected: NoiseEstimate,
    /// Largest resident set of the process, where the system tells.
    pub peak_rss_bytes: Option<u64>,
}

/// Makes a network with random weights, encrypts `count` random images (a full batch unless said), evaluates and decrypts them, and
/// compares some of the logits with the same integer circuit in the clear.
///
/// # Errors
/// As planning and the encrypted evaluation; [`PipelineError::Wrong`] if the logits are further off than the noise of these images explains.
pub fn bench(
    experiment: &Experiment,
    count: Option<usize>,
    costs: &CostTable,
    stop: &AtomicBool,
    planned: &dyn Fn(&Plan),
) -> Result<Bench, PipelineError> {
    let start = Instant::now();
    match experiment.encryption.backend {
        BackendName::Ckks => {}
        BackendName::Clear => return Err(PipelineError::NothingEncrypted),
        BackendName::Tfhe => {
            return Err(EncryptedError::Mismatch {
                what: "the backend of a bench",
                found: "tfhe".into(),
                wanted: "ckks".into(),
            }
            .into());
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(experiment.seed);
    let range = random_images(experiment, RANGE_IMAGES, &mut random)?;
    let (circuit, plan) = random_circuit(experiment, &range, costs)?;
    planned(&plan);
    let count = count.unwrap_or(plan.slots).max(1);
    let images = random_images(experiment, count, &mut random)?;
    let prepare_s = start.elapsed().as_secs_f64();
    let job = Job {
        name: &experiment.name,
        key_dir: None,
        images: &images,
        count,
        threads: experiment.encryption.threads,
        stop,
    };
    forget_peak();
    let finishing = interrupt::finishing("the current layer on ciphertexts");
    let network = Network { circuit, plan };
    let outcome = network.evaluate(&job)?;
    let Network { circuit, plan } = network;
    drop(finishing);
    let peak_rss_bytes = peak_rss_bytes();

    let step = count.div_ceil(COMPARED);
    let chosen: Vec<usize> = (0..count).step_by(step).collect();
    let pixels = chosen.iter().flat_map(|image| images.image(*image));
    let some = Images::new(
        images.shape,
        pixels.copied().collect(),
        vec![0; chosen.len()],
    )?;
    let wanted = circuit::simulate(&circuit, &plan, &some, None)?;
    let classes = wanted.classes;
    let rows = chosen.iter().zip(wanted.logits.chunks_exact(classes));
    let errors: Vec<f64> = rows
        .flat_map(|(image, wanted)| {
            let found = &outcome.evaluation.logits[image * classes..][..classes];
            found
                .iter()
                .zip(wanted)
                .map(|(a, b)| f64::from(a - b).abs())
        })
        .collect();
    let max_error = errors.iter().copied().fold(0.0, f64::max);
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let rms_error = (squares / errors.len().max(1) as f64).sqrt();
    // Of these images, not of others: what squares of squares make of noise differs from image to image by orders of magnitude.
    let expected = circuit::estimate_noise(&circuit, &plan, &some)?;
    let expected = expected.ok_or(PipelineError::NothingEncrypted)?;
    let bound = expected.error_bound;
    let credible = CREDIBLE * (-expected.precision_bits).exp2();
    // Written so that no NaN passes.
    if !(max_error <= bound && rms_error <= credible) {
        return Err(PipelineError::Wrong {
            max_error,
            bound,
            rms_error,
            credible,
        });
    }
    Ok(Bench {
        compared: chosen.len(),
        max_error,
        rms_error,
        expected,
        plan,
        outcome,
        prepare_s,
        peak_rss_bytes,
    })
}

fn random_images(
    experiment: &Experiment,
    count: usize,
    random: &mut ChaCha8Rng,
) -> Result<Images, PipelineError> {
    let shape = experiment.network.input;
    let mut pixels = vec![0; count * shape.len()];
    random.fill_bytes(&mut pixels);
    Ok(Images::new(shape, pixels, vec![0; count])?)
}
