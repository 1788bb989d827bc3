//! The plan: which ring, which primes, which scales; and what comes out of it in bits, bytes and seconds.
//!
//! Two runs of the circuit on the planner's machine make it. The first has no primes yet: the first rescaling seen at a level chooses the
//! size that brings the scale back to `scale_bits`, and everything that must stay below half the modulus is noted, which gives the bottom
//! prime. The second runs on the actual primes of the smallest secure ring, checks every bound, and counts noise, memory and time.

use serde::{Deserialize, Serialize};

use super::cost::CostModel;
use super::error::CircuitError;
use super::execute::apply;
use super::planning::{Demand, Outline, Planner};
use super::types::{Circuit, CircuitLayer};
use crate::spec::EncryptionSpec;
use ckks::{Parameters, ParametersLiteral, Ring, max_log_qp};

/// Sizes of primes in bits: the transforms are right below 2^50.
const PRIME_BITS: (u32, u32) = (20, 50);
/// log2 of the ring degrees tried, smallest first.
const LOG_N: std::ops::RangeInclusive<u32> = 11..=16;
/// Bits kept free between twice the largest planned integer and the modulus, for noise and for primes slightly below their size.
/// The margin on the measured ranges, [`super::RANGE_MARGIN`], comes on top.
const HEADROOM_BITS: f64 = 1.0;

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
    /// Bytes of the relinearisation key; 0 where none is needed.
    pub evaluation_key_bytes: u64,
    /// Bytes of one fresh, unseeded ciphertext.
    pub ciphertext_bytes: u64,
    /// Bytes of one batch's upload (seeded ciphertexts).
    pub input_bytes: u64,
    /// Bytes of one batch's reply.
    pub output_bytes: u64,
    /// Most memory that the server's values and key take at once.
    pub peak_memory_bytes: u64,
    /// Evaluation of one batch on one core.
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
    /// Bytes of the ciphertexts.
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
/// # Errors
/// As [`plan`].
pub fn plan_in(circuit: &Circuit, encryption: &EncryptionSpec, ring: Ring) -> Result<Plan, CircuitError> {
    if encryption.security_bits != ckks::SECURITY_BITS {
        return Err(CircuitError::Security { asked: encryption.security_bits, known: ckks::SECURITY_BITS });
    }
    circuit.check()?;
    let depth = circuit.multiplicative_depth();
    let (mut needed_log_qp, mut largest_log_qp, mut largest_log_n) = (0.0, 0.0, 0);
    for log_n in LOG_N {
        let Some(admitted) = max_log_qp(log_n) else { continue };
        let sizes = (smallest_prime_bits(ring, log_n), PRIME_BITS.1);
        let prime_bits = choose_primes(circuit, encryption, sizes)?;
        let log_q: f64 = prime_bits.iter().map(|bits| f64::from(*bits)).sum();
        // The special prime must not be smaller than any digit of the key; larger ones make less noise.
        let least = prime_bits.iter().max().copied().unwrap_or(0);
        let room = admitted - log_q;
        let special = if depth > 0 { f64::from(least) } else { 0.0 };
        if special > room {
            (needed_log_qp, largest_log_qp, largest_log_n) = (log_q + special, admitted, log_n);
            continue;
        }
        let special_bits = (depth > 0).then(|| room.min(f64::from(PRIME_BITS.1)) as u32);
        let parameters = Parameters::new(ParametersLiteral { ring, log_n, prime_bits, special_bits })?;
        return describe(circuit, encryption, &parameters, admitted);
    }
    Err(CircuitError::TooDeep { depth, needed_log_qp, largest_log_qp, largest_log_n })
}

/// The smallest size at which a ring has a fair number of primes: they are 1 modulo 2N (4N), and about one in `bits` of those is prime.
fn smallest_prime_bits(ring: Ring, log_n: u32) -> u32 {
    let modulo_bits = log_n + if ring == Ring::ConjugateInvariant { 2 } else { 1 };
    PRIME_BITS.0.max(modulo_bits + 7)
}

/// Largest |input| of the circuit: a black or a white pixel.
fn input_bound(circuit: &Circuit) -> f64 {
    let ends = circuit.mean.iter().zip(&circuit.std).map(|(mean, std)| {
        let (mean, std) = (f64::from(*mean), f64::from(*std));
        mean.abs().max((1.0 - mean).abs()) / std
    });
    ends.fold(0.0, f64::max)
}

/// Runs the circuit on the planner's machine. The bounds of the training data replace what the machine can only bound by row sums.
fn walk(
    planner: &Planner,
    circuit: &Circuit,
    input: Outline,
    record: &mut dyn FnMut(&CircuitLayer, &Outline),
) -> Result<Outline, CircuitError> {
    let mut value = input;
    for layer in &circuit.layers {
        planner.begin(layer.name());
        if let CircuitLayer::Polynomial(layer) = layer {
            (value.bound, value.typical) = (layer.bound, layer.typical);
        }
        value = apply(planner, layer, value)?;
        if let CircuitLayer::Linear(layer) = layer {
            (value.bound, value.typical) = (layer.bound, value.typical.min(layer.bound));
        }
        record(layer, &value);
    }
    planner.demand(&value)?;
    Ok(value)
}

/// First run: sizes of the primes, the last one left first.
fn choose_primes(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    sizes: (u32, u32),
) -> Result<Vec<u32>, CircuitError> {
    let top = circuit.multiplicative_depth();
    let target_bits = f64::from(encryption.scale_bits);
    let planner = Planner::open(target_bits, sizes, top);
    let input = planner.input(circuit.input.len(), top, target_bits.exp2(), input_bound(circuit));
    let output = walk(&planner, circuit, input, &mut |_, _| {})?;
    let (chosen, demands) = planner.chosen(output.level);
    let mut chain = bottom_primes(&chosen, output.level, &demands, sizes);
    chain.extend(chosen);
    Ok(chain)
}

/// The primes that stay to the end: one, or as few as hold what is demanded beyond the primes above them.
fn bottom_primes(chosen: &[u32], bottom: usize, demands: &[Demand], sizes: (u32, u32)) -> Vec<u32> {
    let above = |level: usize| -> f64 {
        chosen.iter().take(level.saturating_sub(bottom)).map(|bits| f64::from(*bits)).sum()
    };
    let wanted = demands.iter().map(|demand| demand.bits - above(demand.level)).fold(0.0, f64::max);
    // A hostile circuit may want any number of bits; far past every table is far enough.
    let wanted = (wanted + HEADROOM_BITS).min(1e4);
    let count = (wanted / f64::from(sizes.1)).ceil().max(1.0);
    let size = (wanted / count).ceil().max(f64::from(sizes.0));
    vec![size as u32; count as usize]
}

/// Second run: bounds checked on the actual primes, noise, memory and time.
fn describe(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    parameters: &Parameters,
    admitted: f64,
) -> Result<Plan, CircuitError> {
    let planner = Planner::fixed(parameters);
    let cost = CostModel::new(parameters.literal());
    let input_scale = f64::from(encryption.scale_bits).exp2();
    let inputs = circuit.input.len();
    let limbs = parameters.max_level() + 1;
    let input = planner.input(inputs, parameters.max_level(), input_scale, input_bound(circuit));
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
    let evaluation_key_bytes = if parameters.special_prime().is_some() { cost.key_bytes(limbs) } else { 0 };
    let input_bytes = cost.seeded_bytes(inputs, limbs);
    let peak = layers.iter().map(|layer| layer.peak_bytes).max().unwrap_or(0);
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
        evaluation_key_bytes,
        ciphertext_bytes: cost.set_bytes(1, limbs),
        input_bytes,
        output_bytes: cost.set_bytes(output.features, output.level + 1),
        peak_memory_bytes: peak + evaluation_key_bytes + input_bytes,
        core_seconds: layers.iter().map(|layer| layer.seconds).sum(),
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
        self.layers.iter().map(|layer| layer.precision_bits).fold(f64::INFINITY, f64::min)
    }
}
