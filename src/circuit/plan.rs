//! The plan: which ring, which primes, which scales; and what comes out of it in bits, bytes and seconds.
//!
//! Two runs of the circuit on the planner's machine make it. The first has no primes yet: the first rescaling seen at a level chooses the
//! size that brings the scale back to `scale_bits`, and everything that must stay below half the modulus is noted, which gives the bottom
//! prime. The second runs on the actual primes of the smallest secure ring, checks every bound, and counts noise, memory and time.

use serde::{Deserialize, Serialize};

use super::choose::{Choice, choose_parameters};
use super::cost::CostModel;
use super::error::CircuitError;
use super::planning::Planner;
use super::types::Circuit;
use super::walk::{input_bound, walk};
use crate::spec::EncryptionSpec;
use ckks::{Parameters, ParametersLiteral, Ring, max_log_qp};

/// log2 of the ring degrees tried, smallest first.
const LOG_N: std::ops::RangeInclusive<u32> = 11..=16;
/// Parameters, levels and scales for one circuit, and what to expect of them. Sizes and times are of one batch, that is, one image a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the encryption parameters are made from.
    pub parameters: ParametersLiteral,
    /// Classical security, bits.
    pub security_bits: u32,
    /// log2 of the ciphertext modulus of a fresh ciphertext.
    pub log_q: f64,
    /// The same with the special prime.
    pub log_qp: f64,
    /// The most that the security table admits at this ring degree.
    pub max_log_qp: f64,
    /// Rank over Z.
    pub ring_degree: usize,
    /// Images in a batch.
    pub slots: usize,
    /// Scale of the fresh encryptions.
    pub input_scale: f64,
    /// Ciphertext-ciphertext multiplications in a row.
    pub multiplicative_depth: usize,
    /// Input features of one image.
    pub inputs: usize,
    /// One a circuit layer.
    pub layers: Vec<LayerPlan>,
    /// Bytes of the relinearisation key on the wire; 0 where none is needed.
    pub evaluation_key_bytes: u64,
    /// Bytes of one fresh, unseeded ciphertext on the wire.
    pub ciphertext_bytes: u64,
    /// Bytes of one batch's upload (seeded ciphertexts) on the wire.
    pub input_bytes: u64,
    /// Bytes of one batch's reply on the wire.
    pub output_bytes: u64,
    /// Most memory that the server's values and key take at once.
    pub peak_memory_bytes: u64,
    /// Evaluation of one batch on one core, the seeds of the upload expanded first.
    pub core_seconds: f64,
}

/// What leaves one layer of the circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerPlan {
    /// `conv1`, `square1`, ...
    pub name: String,
    /// `linear`, `pool` or `polynomial`.
    pub kind: String,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Ciphertexts, one a feature.
    pub ciphertexts: usize,
    /// Level: primes left, minus one.
    pub level: usize,
    /// log2 of the scale.
    pub scale_bits: f64,
    /// log2 of the largest |value| to plan for.
    pub bound_bits: f64,
    /// Bits after the binary point that the noise leaves alone: -log2 of its standard deviation in real units.
    pub precision_bits: f64,
    /// Bytes of the ciphertexts in memory.
    pub bytes: u64,
    /// Most memory in use at once during the layer.
    pub peak_bytes: u64,
    /// Seconds of one core.
    pub seconds: f64,
}

/// Plans `circuit` in the standard ring with the smallest secure ring degree.
///
/// # Errors
/// [`CircuitError::TooDeep`] with what would be needed where no secure parameters hold the circuit; [`CircuitError::Security`] for a
/// security level without a table.
pub fn plan(circuit: &Circuit, encryption: &EncryptionSpec) -> Result<Plan, CircuitError> {
    plan_in(circuit, encryption, Ring::Standard)
}

/// As [`plan`], in the ring asked for. The conjugate-invariant ring holds twice the images at the price of about two bits of precision.
///
/// A scale one bit below `scale_bits` is taken where that halves the ring: so does the noise of rescaling, and precision stays.
///
/// # Errors
/// As [`plan`].
pub fn plan_in(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    ring: Ring,
) -> Result<Plan, CircuitError> {
    if encryption.security_bits != ckks::SECURITY_BITS {
        return Err(CircuitError::Security {
            asked: encryption.security_bits,
            known: ckks::SECURITY_BITS,
        });
    }
    circuit.check()?;
    let mut largest = None;
    for (log_n, admitted) in LOG_N.filter_map(|log_n| Some((log_n, max_log_qp(log_n)?))) {
        for scale_bits in [
            encryption.scale_bits,
            encryption.scale_bits.saturating_sub(1),
        ] {
            match choose_parameters(circuit, scale_bits, ring, log_n, admitted)? {
                Choice::Fits(parameters, scale_bits) => {
                    return describe(circuit, scale_bits, &parameters, admitted);
                }
                Choice::TooLarge { log_qp } => largest = Some((log_n, admitted, log_qp)),
            }
        }
    }
    let (largest_log_n, largest_log_qp, needed_log_qp) = largest.unwrap_or_default();
    let depth = circuit.multiplicative_depth();
    Err(CircuitError::TooDeep {
        depth,
        needed_log_qp,
        largest_log_qp,
        largest_log_n,
    })
}

/// Second run: bounds checked on the actual primes, noise, memory and time.
fn describe(
    circuit: &Circuit,
    scale_bits: f64,
    parameters: &Parameters,
    admitted: f64,
) -> Result<Plan, CircuitError> {
    let planner = Planner::fixed(parameters);
    let cost = CostModel::new(parameters);
    let input_scale = scale_bits.exp2();
    let inputs = circuit.input.len();
    let limbs = parameters.max_level() + 1;
    let input = planner.input(
        inputs,
        parameters.max_level(),
        input_scale,
        input_bound(circuit),
    );
    let mut layers: Vec<LayerPlan> = Vec::with_capacity(circuit.layers.len());
    let output = walk(&planner, circuit, input, &mut |layer, value| {
        layers.push(LayerPlan {
            name: layer.name().to_owned(),
            kind: layer.kind().to_owned(),
            macs: layer.macs(),
            ciphertexts: value.features,
            level: value.level,
            scale_bits: value.scale.log2(),
            bound_bits: value.bound.log2(),
            precision_bits: (value.scale / value.noise).log2(),
            bytes: cost.set_bytes(value.features, value.level + 1),
            peak_bytes: planner.peak_bytes(),
            seconds: planner.seconds(),
        });
    })?;
    let expansion = cost.expand(inputs, limbs);
    let seeded = cost.set_bytes(inputs, limbs) / 2;
    let peak = layers
        .iter()
        .map(|layer| layer.peak_bytes)
        .max()
        .unwrap_or(0);
    Ok(Plan {
        parameters: parameters.literal().clone(),
        security_bits: parameters.security_bits(),
        log_q: parameters.log_q(),
        log_qp: parameters.log_qp(),
        max_log_qp: admitted,
        ring_degree: parameters.ring_degree(),
        slots: parameters.slots(),
        input_scale,
        multiplicative_depth: circuit.multiplicative_depth(),
        inputs,
        evaluation_key_bytes: cost.key_wire_bytes(limbs),
        ciphertext_bytes: cost.wire_bytes(1, limbs, 2),
        input_bytes: cost.wire_bytes(inputs, limbs, 1),
        output_bytes: cost.wire_bytes(output.features, output.level + 1, 2),
        peak_memory_bytes: peak + cost.key_bytes(limbs) + seeded,
        core_seconds: layers.iter().map(|layer| layer.seconds).sum::<f64>() + expansion * 1e-9,
        layers,
    })
}

impl Plan {
    /// Batches that hold `images` images; the last one may be padded.
    pub fn batches(&self, images: usize) -> usize {
        images.div_ceil(self.slots.max(1))
    }

    /// Predicted seconds to evaluate `images` images on `threads` cores (0: all of this machine).
    pub fn evaluate_seconds(&self, images: usize, threads: usize) -> f64 {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        };
        self.batches(images) as f64 * self.core_seconds / threads as f64
    }

    /// Bytes uploaded for one image of a full batch.
    pub fn input_bytes_per_image(&self) -> f64 {
        self.input_bytes as f64 / self.slots.max(1) as f64
    }

    /// The smallest predicted precision of any layer, bits after the binary point.
    pub fn min_precision_bits(&self) -> f64 {
        self.layers
            .iter()
            .map(|layer| layer.precision_bits)
            .fold(f64::INFINITY, f64::min)
    }
}
