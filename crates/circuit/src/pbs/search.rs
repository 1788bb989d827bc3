//! Which bits everything gets: a small search, measured by the clear simulator on held-out training images.

use serde::{Deserialize, Serialize};

use super::error::PbsError;
use super::noise::{Noise, failure_log2};
use super::parameters::{PARAMETER_SETS, ParameterSet};
use super::quantise::{Bits, quantise};
use super::simulate::simulate;
use super::types::PbsCircuit;
use crate::error::CircuitError;
use cryptodl_data::Images;
use cryptodl_model::TrainedNetwork;
use cryptodl_spec::EncryptionSpec;

/// What was chosen, and what it was chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Held-out training images that the simulator classified correctly.
    pub correct: u64,
    /// Of how many.
    pub images: u64,
    /// Circuits tried.
    pub tried: u64,
}

/// Message spaces that are tried where the spec leaves them open.
const MESSAGE_BITS: [u32; 3] = [4, 5, 6];
/// Pixels that are tried: 1, 3, 15 steps divide 255.
const PIXEL_BITS: [u32; 3] = [1, 2, 4];
/// Steps of activations and of the last weights, from coarse to fine. Finer ones need more bits of the logits, where noise is.
const LAST: [(u32, u32); 5] = [(3, 3), (3, 4), (4, 4), (4, 5), (5, 6)];
/// Bits of activations that go into another look-up's sum.
const HIDDEN: [u32; 2] = [1, 2];
/// A cheaper circuit is taken where it is this much worse at most.
const TOLERANCE: f64 = 0.005;
/// A look-up fails at most this often.
pub(super) const LOOKUP_FAILURE_LOG2: f64 = -128.0;
/// A decrypted logit is off by one at most this often: whoever sees decryptions fail learns about the key.
pub(super) const LOGIT_FAILURE_LOG2: f64 = -128.0;
/// Images that the search looks at.
const CALIBRATION: usize = 2_000;
const HELD_OUT: usize = 2_000;

/// The noise of a circuit under a set: log2 of the probability that some look-up, and that some logit of an image, is not the simulator's;
/// the worst single one each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Failure {
    pub lookup: f64,
    pub logit: f64,
}

impl PbsCircuit {
    /// See [`Failure`].
    pub(super) fn failure(&self, set: &ParameterSet) -> Failure {
        let noise = Noise::of(set);
        let mut variance = noise.fresh;
        let mut lookup = f64::NEG_INFINITY;
        let step = (-f64::from(self.message_bits + 1)).exp2();
        for (index, layer) in self.layers.iter().enumerate() {
            let before = index.checked_sub(1);
            // A sum on finer steps is multiplied up to those of the look-up.
            let up = f64::from(self.step_bits(before) - (self.message_bits + 1)).exp2();
            let sum = variance * layer.sum.gain();
            lookup = lookup.max(failure_log2(noise.at_lookup(sum * up * up), step));
            variance = noise.bootstrap + (layer.through as f64).powi(2) * sum;
        }
        let step = (-f64::from(self.logit_bits)).exp2();
        Failure {
            lookup,
            logit: failure_log2(variance * self.logits.gain(), step),
        }
    }

    /// The cheapest set that carries the circuit, or why none does.
    pub(super) fn cheapest_set(&self) -> Result<&'static ParameterSet, String> {
        let mut reason = String::new();
        for set in PARAMETER_SETS
            .iter()
            .filter(|set| set.message_bits >= self.message_bits)
        {
            let failure = self.failure(set);
            if failure.lookup <= LOOKUP_FAILURE_LOG2 && failure.logit <= LOGIT_FAILURE_LOG2 {
                return Ok(set);
            }
            reason = format!(
                "{} message bits under {}: a look-up fails with 2^{:.0}, a logit of {} bits with 2^{:.0}",
                self.message_bits, set.name, failure.lookup, self.logit_bits, failure.logit
            );
        }
        Err(reason)
    }
}

/// Quantises `network` with the bits that the search finds best.
///
/// # Errors
/// What [`quantise`] fails with, and [`PbsError::NoSet`] where no parameter set carries any of the circuits.
pub fn compile(
    network: &TrainedNetwork,
    train: &Images,
    validation: usize,
    encryption: &EncryptionSpec,
) -> Result<(PbsCircuit, &'static ParameterSet, Choice), CircuitError> {
    let (kept, held_out) = train.hold_out(validation.clamp(1, train.len() / 2));
    let (calibration, held_out) = (kept.first(CALIBRATION), held_out.first(HELD_OUT));
    let hidden = network
        .layers
        .iter()
        .filter(|layer| layer.is_activation())
        .count();
    let hidden = if hidden > 1 {
        &HIDDEN[..]
    } else {
        &HIDDEN[..1]
    };
    let messages = choices(encryption.message_bits, &MESSAGE_BITS);
    let pixels = choices(encryption.pixel_bits, &PIXEL_BITS);
    let mut candidates = Vec::new();
    for message in &messages {
        for pixel in &pixels {
            for hidden in hidden {
                candidates.extend(LAST.map(|(activation, weight)| Bits {
                    pixel: *pixel,
                    message: *message,
                    activation,
                    hidden: *hidden,
                    weight,
                }));
            }
        }
    }
    let mut reasons = Vec::new();
    let mut found: Vec<(u64, PbsCircuit, &'static ParameterSet)> = Vec::new();
    let tried = candidates.len() as u64;
    for bits in candidates {
        let circuit = match quantise(network, &calibration, bits) {
            Ok(circuit) => circuit,
            // So few bits that every sum is a constant: others may do.
            Err(CircuitError::Pbs(error @ PbsError::ZeroWeights { .. })) => {
                reasons.push(format!("{} message bits: {error}", bits.message));
                continue;
            }
            Err(error) => return Err(error),
        };
        let set = match circuit.cheapest_set() {
            Ok(set) => set,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        let predicted = simulate(&circuit, &held_out)?.predicted();
        let correct = predicted
            .iter()
            .zip(&held_out.labels)
            .filter(|(predicted, label)| predicted == label)
            .count() as u64;
        tracing::debug!(?bits, correct, set = set.name, "look-up circuit tried");
        found.push((correct, circuit, set));
    }
    let best = found.iter().map(|(correct, ..)| *correct).max();
    let Some(best) = best else {
        return Err(PbsError::NoSet { reasons }.into());
    };
    let enough = best as f64 - TOLERANCE * held_out.len() as f64;
    // Of the sets that do, the cheapest; of its circuits, the best, and of equals the coarsest.
    let cost = found
        .iter()
        .filter(|(correct, ..)| *correct as f64 >= enough)
        .map(|(.., set)| set.cost)
        .fold(f64::INFINITY, f64::min);
    let chosen = found
        .into_iter()
        .filter(|(.., set)| set.cost == cost)
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    match chosen {
        Some((correct, circuit, set)) => Ok((
            circuit,
            set,
            Choice {
                correct,
                images: held_out.len() as u64,
                tried,
            },
        )),
        None => Err(PbsError::NoSet { reasons }.into()),
    }
}

/// What the spec says, or everything that is tried.
fn choices(asked: Option<u32>, all: &[u32]) -> Vec<u32> {
    asked.map_or_else(|| all.to_vec(), |asked| vec![asked])
}
