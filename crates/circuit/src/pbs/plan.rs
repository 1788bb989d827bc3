//! What an encrypted run of a look-up circuit takes.

use serde::{Deserialize, Serialize};

use super::error::PbsError;
use super::parameters::{PARAMETER_SETS, ParameterSet};
use super::search::Choice;
use super::types::PbsCircuit;
use crate::error::CircuitError;
use cryptodl_spec::{Experiment, LayerSpec};

/// One row of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PbsRow {
    /// `dense1`, `relu1`, ...
    pub name: String,
    /// `linear` or `look-up`.
    pub kind: String,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Ciphertexts that leave the layer, one image.
    pub ciphertexts: usize,
    /// Bootstraps for one image.
    pub bootstraps: usize,
    /// Bits of what leaves the layer: of a sum the message bits (or those of a logit), of a look-up those of its entries.
    pub bits: u32,
}

/// Parameters, sizes and failure probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PbsPlan {
    /// The crate's name for the parameter set.
    pub set: String,
    /// Bits of a pixel; `None` where the search has still to choose them.
    pub pixel_bits: Option<u32>,
    /// Bits of a look-up's index.
    pub message_bits: u32,
    /// Bits of a logit; `None` before training.
    pub logit_bits: Option<u32>,
    /// log2 of the probability that one look-up is not the simulator's.
    pub lookup_failure_log2: f64,
    /// The same of one logit; `None` before training.
    pub logit_failure_log2: Option<f64>,
    /// Bootstraps of one image.
    pub bootstraps: usize,
    /// In order.
    pub layers: Vec<PbsRow>,
    /// How the bits were chosen; `None` before training.
    pub choice: Option<Choice>,
}

impl PbsPlan {
    /// Of a circuit under a set.
    pub fn new(circuit: &PbsCircuit, set: &ParameterSet, choice: Choice) -> Self {
        let failure = circuit.failure(set);
        let mut layers = Vec::new();
        for layer in &circuit.layers {
            layers.push(PbsRow {
                name: layer.sum.name.clone(),
                kind: "linear".into(),
                macs: layer.sum.macs(),
                ciphertexts: layer.sum.outputs(),
                bootstraps: 0,
                bits: circuit.message_bits + u32::from(layer.through != 0),
            });
            let entries = layer.tables.iter().flatten();
            let largest = entries.map(|entry| entry.unsigned_abs()).max().unwrap_or(0);
            layers.push(PbsRow {
                name: layer.name.clone(),
                kind: "look-up".into(),
                macs: 0,
                ciphertexts: layer.table_of.len(),
                bootstraps: layer.table_of.len(),
                bits: (2 * largest + 1).next_power_of_two().ilog2(),
            });
        }
        layers.push(PbsRow {
            name: circuit.logits.name.clone(),
            kind: "linear".into(),
            macs: circuit.logits.macs(),
            ciphertexts: circuit.logits.outputs(),
            bootstraps: 0,
            bits: circuit.logit_bits,
        });
        Self {
            set: set.name.into(),
            pixel_bits: Some(circuit.pixel_bits),
            message_bits: circuit.message_bits,
            logit_bits: Some(circuit.logit_bits),
            lookup_failure_log2: failure.lookup,
            logit_failure_log2: Some(failure.logit),
            bootstraps: circuit.bootstraps(),
            layers,
            choice: Some(choice),
        }
    }

    /// The parameter set.
    ///
    /// # Errors
    /// Where a file names a set that there is not.
    pub fn set(&self) -> Result<&'static ParameterSet, PbsError> {
        ParameterSet::named(&self.set).ok_or_else(|| {
            PbsError::invalid(
                "the plan",
                "the parameter set",
                &self.set,
                "one of the sets of this program",
            )
        })
    }
}

/// Message bits that a plan assumes where the spec leaves them open: what the search mostly finds.
const ASSUMED_MESSAGE_BITS: u32 = 5;

/// The plan of a spec before training: how many bootstraps under which set.
///
/// # Errors
/// [`PbsError::NoSet`] where no set has the message bits of the spec.
pub fn plan_shape(experiment: &Experiment) -> Result<PbsPlan, CircuitError> {
    let encryption = &experiment.encryption;
    let message_bits = encryption.message_bits.unwrap_or(ASSUMED_MESSAGE_BITS);
    let set = PARAMETER_SETS
        .iter()
        // Below, logits come out with too much noise.
        .find(|set| set.message_bits >= message_bits.max(ASSUMED_MESSAGE_BITS))
        .ok_or(PbsError::NoSet {
            reasons: vec![format!("there is no set for {message_bits} message bits")],
        })?;
    let network = &experiment.network;
    let mut input = network.input;
    let mut rows = Vec::new();
    let mut weighted = 0;
    for (layer, output) in network.layers.iter().zip(&network.shapes) {
        let macs = match layer {
            LayerSpec::Conv { kernel, .. } => output.len() * input.channels * kernel * kernel,
            LayerSpec::Dense { units } => input.len() * units,
            LayerSpec::AvgPool { size, .. } => output.len() * size * size,
            LayerSpec::GlobalAvgPool => input.len(),
            LayerSpec::BatchNorm | LayerSpec::Activation => 0,
        };
        let (name, bootstraps) = match layer {
            LayerSpec::Conv { .. } | LayerSpec::Dense { .. } => {
                weighted += 1;
                (layer.as_str(), 0)
            }
            LayerSpec::AvgPool { .. } | LayerSpec::GlobalAvgPool => ("pool", 0),
            LayerSpec::Activation => ("look-up", output.len()),
            LayerSpec::BatchNorm => {
                input = *output;
                continue;
            }
        };
        rows.push(PbsRow {
            name: format!("{name}{weighted}"),
            kind: if bootstraps > 0 { "look-up" } else { "linear" }.into(),
            macs: macs as u64,
            ciphertexts: output.len(),
            bootstraps,
            bits: message_bits,
        });
        input = *output;
    }
    Ok(PbsPlan {
        set: set.name.into(),
        pixel_bits: encryption.pixel_bits,
        message_bits,
        logit_bits: None,
        lookup_failure_log2: set.failure_log2,
        logit_failure_log2: None,
        bootstraps: rows.iter().map(|row| row.bootstraps).sum(),
        layers: rows,
        choice: None,
    })
}
