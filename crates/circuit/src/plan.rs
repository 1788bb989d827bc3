//! The plan: which ring, which primes, which scales, which schedule; and what comes out of it in bits, bytes and seconds.

use serde::{Deserialize, Serialize};

use super::alternative::Alternative;
use super::choose::Design;
use super::cost::{CostModel, CostTable};
use super::error::CircuitError;
use super::map_facts::Facts;
use super::per_image_noise::NoiseEstimate;
use super::planning::{Planner, SimulatedFeatures, input_bound, root_mean_square, walk};
use super::schedule::Schedule;
use super::search::search;
use super::streaming::{Execution, Order, peak_bytes};
use super::types::{Circuit, CircuitLayer};
use ckks::{Parameters, ParametersLiteral};
use cryptodl_spec::EncryptionSpec;

/// Parameters, levels and scales for one circuit, and what to expect of them. Sizes and times are of one batch, that is, one image a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the encryption parameters are made from.
    pub parameters: ParametersLiteral,
    /// When products are relinearised.
    pub schedule: Schedule,
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
    /// log2 of the scale that rescaling returns to.
    pub scale_bits: f64,
    /// Signed bits of the largest weight.
    pub weight_bits: u32,
    /// Ciphertext-ciphertext multiplications in a row.
    pub multiplicative_depth: usize,
    /// Input features of one image.
    pub inputs: usize,
    /// One a circuit layer.
    pub layers: Vec<LayerPlan>,
    /// What the rounding of the weights leaves of the logits: -log2 of the standard deviation of their change.
    pub rounding_bits: f64,
    /// Bytes of the relinearisation key on the wire; 0 where none is needed.
    pub evaluation_key_bytes: u64,
    /// Bytes of one fresh, unseeded ciphertext on the wire.
    pub ciphertext_bytes: u64,
    /// Bytes of one batch's upload (seeded ciphertexts) on the wire.
    pub input_bytes: u64,
    /// Bytes of one batch's reply on the wire.
    pub output_bytes: u64,
    /// How much of a layer is computed before the next one goes on with it.
    #[serde(default)]
    pub execution: Execution,
    /// Most memory that a server takes at once, with the upload, the key and the program itself.
    pub peak_memory_bytes: u64,
    /// Evaluation of one batch on one core, from the upload's bytes to the reply's.
    pub core_seconds: f64,
    /// What of it one thread does alone, however many there are: reading the upload and writing the reply.
    #[serde(default)]
    pub serial_seconds: f64,
    /// By which costs that is predicted.
    #[serde(default)]
    pub costs: CostTable,
    /// Views of an image that a client encrypts, each in a slot of its own.
    #[serde(default = "one_view", skip_serializing_if = "is_one_view")]
    pub views: usize,
    /// The noise that images of the training data show, where there were any.
    #[serde(default, rename = "forecast")]
    pub noise_estimate: Option<NoiseEstimate>,
    /// The other ways to run the circuit, the best of each kind, and why they were not chosen.
    pub alternatives: Vec<Alternative>,
}

const fn one_view() -> usize {
    1
}

/// Keeps what every plan once had out of the file.
const fn is_one_view(views: &usize) -> bool {
    *views == 1
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
    /// Polynomials of each ciphertext.
    pub components: usize,
    /// Ciphertexts that are relinearised in the layer.
    #[serde(default)]
    pub key_switches: u64,
    /// Level: primes left, minus one.
    pub level: usize,
    /// log2 of the scale.
    pub scale_bits: f64,
    /// log2 of the largest |value| to plan for.
    pub bound_bits: f64,
    /// Bits after the binary point that the noise leaves alone: -log2 of its standard deviation in real units.
    pub precision_bits: f64,
    /// The same of the largest error to expect in any slot, for values up to the bound.
    pub error_bound_bits: f64,
    /// Bytes of the ciphertexts in memory.
    pub bytes: u64,
    /// Seconds of one core.
    pub seconds: f64,
}

/// Plans `circuit`: searches rings, schedules, scales and primes for the fastest plan that is secure, precise and small enough, by the
/// fixed [`CostTable`]. What the spec names is kept; `weight_bits` is the circuit's own and is not looked at.
///
/// # Errors
/// [`CircuitError::TooDeep`] with what would be needed where no secure parameters hold the circuit, [`CircuitError::NoPlan`] where those
/// that do miss the precision or the memory that is asked for; [`CircuitError::Security`] for a security level without a table.
pub fn plan(circuit: &Circuit, encryption: &EncryptionSpec) -> Result<Plan, CircuitError> {
    plan_with(circuit, encryption, &CostTable::default())
}

/// As [`plan`], by the costs of this machine.
///
/// # Errors
/// As [`plan`].
pub fn plan_with(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    costs: &CostTable,
) -> Result<Plan, CircuitError> {
    if !ckks::SECURITY_LEVELS.contains(&encryption.security_bits) {
        return Err(CircuitError::Security {
            asked: encryption.security_bits,
        });
    }
    circuit.check()?;
    search(circuit, encryption, costs)
}

/// Second run of the planner: bounds checked on the actual primes, noise and time, and the memory of the whole circuit at once.
pub(super) fn describe(
    design: &Design<'_>,
    parameters: &Parameters,
    costs: &CostTable,
) -> Result<Plan, CircuitError> {
    let (circuit, facts): (&Circuit, &Facts) = (design.circuit, design.facts);
    let planner = Planner::fixed(facts, parameters, costs);
    let cost = CostModel::new(parameters, costs);
    let input_scale = design.input_bits.exp2();
    let inputs = circuit.input.len();
    let (level, limbs) = (parameters.max_level(), parameters.max_level() + 1);
    let input = planner.input(inputs, level, input_scale, input_bound(circuit));
    let mut layers: Vec<LayerPlan> = Vec::with_capacity(circuit.layers.len());
    let mut record = |layer: &CircuitLayer, value: &SimulatedFeatures| {
        layers.push(LayerPlan {
            name: layer.name().to_owned(),
            kind: layer.kind().to_owned(),
            macs: layer.macs(),
            ciphertexts: value.features,
            components: value.components,
            key_switches: planner.key_switches(),
            level: value.level,
            scale_bits: value.scale.log2(),
            bound_bits: value.bound.log2(),
            precision_bits: (value.scale / root_mean_square(&value.noise.typical)).log2(),
            error_bound_bits: (value.scale / planner.noise_bound(value)).log2(),
            bytes: cost.set_bytes(value.features, value.level + 1, value.components),
            seconds: planner.seconds(),
        });
    };
    let operations = design.schedule.operations(circuit);
    let output = walk(&planner, circuit, &operations, input, &mut record)?;
    let serial = cost.wire(inputs, limbs, 1)
        + cost.wire(output.features, output.level + 1, output.components);
    let upload = cost.masks(inputs, limbs) + serial;
    let upload_bytes = cost.wire_bytes(inputs, limbs, 1);
    let order = Order::new(circuit, design.schedule, Execution::Whole);
    let peak = peak_bytes(&cost, &order, limbs, upload_bytes)?;
    Ok(Plan {
        parameters: parameters.literal().clone(),
        schedule: design.schedule.clone(),
        security_bits: parameters.security_bits(),
        log_q: parameters.log_q(),
        log_qp: parameters.log_qp(),
        max_log_qp: ckks::max_log_qp(parameters.security_bits(), parameters.literal().log_n)
            .unwrap_or(0.0),
        ring_degree: parameters.ring_degree(),
        slots: parameters.slots(),
        input_scale,
        scale_bits: design.scale_bits,
        weight_bits: weight_bits(circuit),
        multiplicative_depth: circuit.multiplicative_depth(),
        inputs,
        rounding_bits: -root_mean_square(&output.rounding).log2(),
        evaluation_key_bytes: cost.key_wire_bytes(limbs),
        ciphertext_bytes: cost.wire_bytes(1, limbs, 2),
        input_bytes: upload_bytes,
        output_bytes: cost.wire_bytes(output.features, output.level + 1, output.components),
        execution: Execution::Whole,
        peak_memory_bytes: peak,
        core_seconds: layers.iter().map(|layer| layer.seconds).sum::<f64>() + upload * 1e-9,
        serial_seconds: serial * 1e-9,
        costs: *costs,
        views: 1,
        layers,
        noise_estimate: None,
        alternatives: Vec::new(),
    })
}

/// Signed bits that hold every weight.
fn weight_bits(circuit: &Circuit) -> u32 {
    let maps = circuit.layers.iter().filter_map(|layer| match layer {
        CircuitLayer::Linear(layer) => Some(&layer.map),
        CircuitLayer::Polynomial(_) => None,
    });
    let weights = maps
        .flat_map(|map| map.groups())
        .flat_map(|group| group.weights());
    let largest = weights
        .map(|weight| weight.unsigned_abs())
        .max()
        .unwrap_or(0);
    u16::BITS - largest.leading_zeros() + 1
}

/// 0 stands for all of this machine.
fn cores(threads: usize) -> f64 {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from) as f64,
        some => some as f64,
    }
}

impl Plan {
    /// Images that one batch holds.
    pub fn images_per_batch(&self) -> usize {
        (self.slots / self.views.max(1)).max(1)
    }

    /// Batches that hold `images` images; the last one may be padded.
    pub fn batches(&self, images: usize) -> usize {
        images.div_ceil(self.images_per_batch())
    }

    /// Predicted seconds to evaluate `images` images on `threads` cores (0: all of this machine).
    pub fn evaluate_seconds(&self, images: usize, threads: usize) -> f64 {
        let shared = (self.core_seconds - self.serial_seconds) / cores(threads);
        self.batches(images) as f64 * (self.serial_seconds + shared)
    }

    /// What of [`Self::evaluate_seconds`] a layer takes.
    pub fn layer_seconds(&self, layer: &LayerPlan, images: usize, threads: usize) -> f64 {
        self.batches(images) as f64 * layer.seconds / cores(threads)
    }

    /// About what of [`Self::peak_memory_bytes`] ciphertexts take.
    pub fn ciphertext_memory_bytes(&self) -> u64 {
        let others = self.input_bytes + 2 * self.evaluation_key_bytes + (128 << 20);
        self.peak_memory_bytes.saturating_sub(others)
    }

    /// Seconds of one core for one image of a full batch.
    pub fn seconds_per_image(&self) -> f64 {
        self.core_seconds / self.slots.max(1) as f64
    }

    /// Bytes uploaded for one image of a full batch.
    pub fn input_bytes_per_image(&self) -> f64 {
        self.input_bytes as f64 / self.slots.max(1) as f64
    }

    /// Ciphertexts that are relinearised in one batch.
    pub fn key_switches(&self) -> u64 {
        self.layers.iter().map(|layer| layer.key_switches).sum()
    }

    /// The smallest predicted precision of any layer, bits after the binary point.
    pub fn min_precision_bits(&self) -> f64 {
        let bits = self.layers.iter().map(|layer| layer.precision_bits);
        bits.fold(f64::INFINITY, f64::min)
    }

    /// Predicted precision of the logits: -log2 of the standard deviation of their noise.
    pub fn logit_precision_bits(&self) -> f64 {
        self.layers
            .last()
            .map_or(f64::NEG_INFINITY, |layer| layer.precision_bits)
    }

    /// The largest error of a logit to expect in any slot, against the same circuit without noise: by the [`NoiseEstimate`], or, where there is
    /// none, for values up to the planned bounds.
    pub fn logit_error_bound(&self) -> f64 {
        let planned = self
            .layers
            .last()
            .map_or(f64::INFINITY, |layer| (-layer.error_bound_bits).exp2());
        self.noise_estimate
            .map_or(planned, |estimate| estimate.error_bound.min(planned))
    }

    /// Precision of the logits as they will be measured: by the [`NoiseEstimate`], or as planned.
    pub fn expected_precision_bits(&self) -> f64 {
        self.noise_estimate
            .map_or(self.logit_precision_bits(), |estimate| {
                estimate.precision_bits
            })
    }
}
