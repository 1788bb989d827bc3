//! The packed plan: what comes out of a design in bits, bytes and seconds.

use ckks::{GaloisKeys, NoiseModel, Parameters, Ring};
use serde::{Deserialize, Serialize};

use super::clear::Trace;
use super::design::Design;
use super::execute::PackedExecutor;
use super::layout::{lay_out, unfit};
use super::noise::{Gains, Outcome, Scales, variances};
use super::program::{Program, SlotOp};
use super::search::{Found, Search};
use crate::cost::{CostModel, CostTable};
use crate::error::CircuitError;
use crate::types::Circuit;
use cryptodl_data::Images;
use cryptodl_spec::EncryptionSpec;

/// Ring degrees that are tried.
const LOG_N: std::ops::RangeInclusive<u32> = 11..=15;
/// Deviations of the worst slot that no logit is off by.
const TAIL: f64 = 6.0;

/// How one image is evaluated in one ciphertext, and what to expect of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedPlan {
    /// Parameters and scales.
    pub design: Design,
    /// Classical security, bits.
    pub security_bits: u32,
    /// log2 of the modulus of a fresh ciphertext.
    pub log_q: f64,
    /// The same with the special prime.
    pub log_qp: f64,
    /// The most that the security table admits at this ring degree.
    pub max_log_qp: f64,
    /// Slots of the ciphertext.
    pub slots: usize,
    /// One a circuit layer.
    pub layers: Vec<PackedLayerPlan>,
    /// Predicted precision of the logits: -log2 of the standard deviation of their noise.
    pub precision_bits: f64,
    /// The largest error of a logit to expect.
    pub error_bound: f64,
    /// Bytes of one image's upload on the wire.
    pub upload_bytes: u64,
    /// Bytes of its reply.
    pub reply_bytes: u64,
    /// Bytes of the relinearisation key and the Galois keys.
    pub key_bytes: u64,
    /// Number of Galois keys.
    pub galois_keys: usize,
    /// Evaluation of one image on one core.
    pub seconds: f64,
}

/// What leaves one layer of the circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedLayerPlan {
    /// `conv1`, `square1`, ...
    pub name: String,
    /// `linear`, `pool` or `polynomial`.
    pub kind: String,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Rotations and relinearisations.
    pub key_switches: usize,
    /// Level: primes left, minus one.
    pub level: usize,
    /// log2 of the scale.
    pub scale_bits: f64,
    /// -log2 of the standard deviation of the noise, by the noisiest slot.
    pub precision_bits: f64,
    /// Seconds of one core.
    pub seconds: f64,
}

impl PackedPlan {
    /// Rotations and relinearisations of one image.
    pub fn key_switches(&self) -> usize {
        self.layers.iter().map(|layer| layer.key_switches).sum()
    }
}

/// Plans a packed evaluation of `circuit`: the smallest ring in which it has a layout, a secure chain of primes and logits of the precision
/// that is asked for, on values like those of `images`.
///
/// # Errors
/// [`CircuitError::Unpackable`] with the reason where there is no such plan.
pub fn plan_packed(
    circuit: &Circuit,
    images: &Images,
    encryption: &EncryptionSpec,
    costs: &CostTable,
) -> Result<PackedPlan, CircuitError> {
    let ring = encryption.ring.unwrap_or(Ring::ConjugateInvariant);
    let wanted = encryption
        .precision_bits
        .unwrap_or(EncryptionSpec::DEFAULT_PRECISION_BITS);
    let mut reason = unfit("no ring has room for it".into());
    for log_n in LOG_N {
        let slots = match ring {
            Ring::Standard => 1 << (log_n - 1),
            Ring::ConjugateInvariant => 1 << log_n,
        };
        let program = match lay_out(circuit, slots) {
            Ok(program) => program,
            Err(error) => {
                reason = error;
                continue;
            }
        };
        let (_, trace) = program.trace(circuit, images);
        let gains = Gains::of(&program, &trace);
        let search = Search {
            program: &program,
            trace: &trace,
            gains: &gains,
            ring,
            log_n,
            security_bits: encryption.security_bits,
        };
        match search.run(wanted) {
            Some(found) if found.precision_bits >= wanted => {
                let plan = describe(circuit, &program, &trace, found, encryption, costs)?;
                // The search bounds ciphertexts; whether every plaintext fits beside them shows when it is encoded.
                match PackedExecutor::new(circuit, &plan.design) {
                    Ok(_) => return Ok(plan),
                    Err(error) => reason = error,
                }
            }
            Some(found) => {
                reason = unfit(format!(
                    "logits of {:.1} bits of precision at ring degree 2^{log_n}, where {wanted:.1} are asked for",
                    found.precision_bits
                ));
            }
            None => {
                reason = unfit(format!(
                    "no secure modulus at ring degree 2^{log_n} holds its values"
                ));
            }
        }
    }
    Err(reason)
}

fn describe(
    circuit: &Circuit,
    program: &Program,
    trace: &Trace,
    found: Found,
    encryption: &EncryptionSpec,
    costs: &CostTable,
) -> Result<PackedPlan, CircuitError> {
    let design = found.design;
    let parameters = Parameters::new(design.parameters.clone())?;
    let model = NoiseModel::new(&parameters);
    let primes = parameters.primes().iter().map(|&p| p as f64).collect();
    let outcome = Scales::run(program, &design, (model.clone(), primes), trace);
    let variances = variances(program, trace, &outcome.sources);
    let of_logits: Vec<f64> = variances.last().map_or_else(Vec::new, |last| {
        program.output.iter().map(|&slot| last[slot]).collect()
    });
    let mean = of_logits.iter().sum::<f64>() / of_logits.len().max(1) as f64;
    let worst = of_logits.iter().fold(0.0, |most: f64, v| most.max(*v));
    let cost = CostModel::new(&parameters, costs);
    let layers = layers(circuit, program, &outcome, &variances, &cost);
    let top = parameters.max_level() + 1;
    let nanoseconds =
        cost.masks(1, top) + cost.wire(1, top, 1) + cost.wire(1, design.last_level() + 1, 2);
    Ok(PackedPlan {
        security_bits: parameters.security_bits(),
        log_q: parameters.log_q(),
        log_qp: parameters.log_qp(),
        max_log_qp: ckks::max_log_qp(encryption.security_bits, design.parameters.log_n)
            .unwrap_or(0.0),
        slots: parameters.slots(),
        precision_bits: -0.5 * mean.log2(),
        error_bound: TAIL * model.worst_slot_factor() * worst.sqrt(),
        upload_bytes: parameters.wire_bytes(parameters.max_level(), 1) as u64,
        reply_bytes: parameters.wire_bytes(design.last_level(), 2) as u64,
        key_bytes: cost.key_wire_bytes(top)
            + GaloisKeys::wire_bytes(&parameters, &outcome.rotations) as u64,
        galois_keys: outcome.rotations.len(),
        seconds: layers.iter().map(|layer| layer.seconds).sum::<f64>() + nanoseconds * 1e-9,
        layers,
        design,
    })
}

fn layers(
    circuit: &Circuit,
    program: &Program,
    outcome: &Outcome,
    variances: &[Vec<f64>],
    cost: &CostModel,
) -> Vec<PackedLayerPlan> {
    let mut layers: Vec<PackedLayerPlan> = circuit
        .layers
        .iter()
        .map(|layer| PackedLayerPlan {
            name: layer.name().to_owned(),
            kind: layer.kind().to_owned(),
            macs: layer.macs(),
            key_switches: 0,
            level: 0,
            scale_bits: 0.0,
            precision_bits: 0.0,
            seconds: 0.0,
        })
        .collect();
    let mut level = outcome.after.first().map_or(0, |(level, _)| *level);
    let steps = program.steps.iter().zip(&outcome.after).zip(variances);
    for ((step, &(after, scale)), variance) in steps {
        let limbs = level + 1;
        let switches = step.op.key_switches();
        let products = match &step.op {
            SlotOp::Diagonals(diagonals) => diagonals.babies * diagonals.weights.len(),
            SlotOp::Sums(_) | SlotOp::Add(_) | SlotOp::Square(_) => 1,
        };
        // A rotation passes over its result once more than a relinearisation does: the permutation.
        let mut nanoseconds = switches as f64
            * (cost.relinearize(1, limbs) + cost.pass(1, limbs, 2))
            + products as f64 * cost.pass(1, limbs, 2);
        for dropped in after..level {
            nanoseconds += cost.rescale(1, dropped + 2, 2);
        }
        let layer = &mut layers[step.layer];
        layer.key_switches += switches;
        layer.level = after;
        layer.scale_bits = scale.log2();
        let worst = variance.iter().fold(0.0, |most: f64, v| most.max(*v));
        layer.precision_bits = -0.5 * worst.log2();
        layer.seconds += nanoseconds * 1e-9;
        level = after;
    }
    layers
}
