//! The quantised circuit: integer sums and tables between them.

use serde::{Deserialize, Serialize};

use super::error::PbsError;
use crate::types::LinearKind;
use ckks::LinearMap;
use cryptodl_spec::Shape;

/// Integer linear maps, one after the other, and a constant: `maps(x) + constants`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegerSum {
    /// `conv1`, `dense2`, ...
    pub name: String,
    /// What the weighted map was in the network.
    pub kind: LinearKind,
    /// In order: one with weights, poolings before or after it.
    pub maps: Vec<LinearMap>,
    /// One per output.
    pub constants: Vec<i64>,
}

/// A sum, then one look-up a neuron.
///
/// The index of a look-up is the sum modulo `2^(message_bits + 1)`. The lower half reads the table, the upper half the negated table:
/// that is what a bootstrap does where the padding bit is set, and the simulator does it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PbsLayer {
    /// The sum.
    pub sum: IntegerSum,
    /// `relu1`, `poly2`, ...
    pub name: String,
    /// `[tables, 2^message_bits]`.
    pub tables: Vec<Vec<i64>>,
    /// Which table each neuron reads.
    pub table_of: Vec<u32>,
    /// This many times the sum itself is added to what the table gives. Not zero for exact ReLUs alone, which then use the whole torus
    /// ([`table::half_turn`](super::table)).
    pub through: i64,
}

/// A network of integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PbsCircuit {
    /// Shape of one image.
    pub input: Shape,
    /// Bits of a pixel: byte `b` enters as `round(b (2^pixel_bits - 1) / 255)`.
    pub pixel_bits: u32,
    /// A table has `2^message_bits` entries.
    pub message_bits: u32,
    /// In order.
    pub layers: Vec<PbsLayer>,
    /// The last sum: the logits, decrypted as they are.
    pub logits: IntegerSum,
    /// Logits are integers modulo `2^logit_bits`, read as signed.
    pub logit_bits: u32,
    /// A logit is its integer times this.
    pub logit_step: f64,
    /// Largest |integer| of a logit that the calibration images promise, margin included. None in circuits from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bound: Option<i64>,
}

/// The most bits of a message.
pub const MAX_MESSAGE_BITS: u32 = 7;
/// The most bits of a logit.
const MAX_LOGIT_BITS: u32 = 40;
/// Constants and table entries stay below this.
const MAX_ENTRY: u64 = 1 << 40;

impl IntegerSum {
    /// Features that enter.
    pub fn inputs(&self) -> usize {
        self.maps.first().map_or(0, LinearMap::inputs)
    }

    /// Features that leave.
    pub fn outputs(&self) -> usize {
        self.constants.len()
    }

    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> u64 {
        self.maps.iter().map(LinearMap::macs).sum()
    }

    /// How much an independent variance grows at most.
    pub fn gain(&self) -> f64 {
        // Poolings overlap at most in whole windows of one map, so that the sums of squares bound each other's product only together with
        // the sums: |A B|_row^2 <= (sum |A|)^2 max |B|_row^2.
        let (first, rest) = match self.maps.split_first() {
            Some(parts) => parts,
            None => return 0.0,
        };
        rest.iter()
            .map(|map| (map.max_abs_row_sum() as f64).powi(2))
            .product::<f64>()
            * first.max_row_sum_of_squares()
    }

    fn check(&self, inputs: usize) -> Result<usize, PbsError> {
        let mut features = inputs;
        for map in &self.maps {
            if map.inputs() != features {
                return Err(PbsError::invalid(
                    &self.name,
                    "inputs",
                    map.inputs(),
                    features,
                ));
            }
            features = map.outputs();
        }
        if self.maps.is_empty() || self.constants.len() != features {
            let found = self.constants.len();
            return Err(PbsError::invalid(&self.name, "constants", found, features));
        }
        if self
            .constants
            .iter()
            .any(|value| value.unsigned_abs() >= MAX_ENTRY)
        {
            return Err(PbsError::invalid(
                &self.name,
                "a constant's size",
                "beyond bounds",
                "less than 2^40",
            ));
        }
        Ok(features)
    }
}

impl PbsCircuit {
    /// Entries of a table.
    pub const fn messages(&self) -> usize {
        1 << self.message_bits
    }

    /// Bootstraps of one image.
    pub fn bootstraps(&self) -> usize {
        self.layers.iter().map(|layer| layer.table_of.len()).sum()
    }

    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> u64 {
        let sums = self.layers.iter().map(|layer| &layer.sum);
        sums.chain([&self.logits]).map(IntegerSum::macs).sum()
    }

    /// Largest |integer| of a logit that an image like those of the training can have: what the circuit was made for, or all that its bits
    /// can say.
    pub fn largest_logit(&self) -> i64 {
        let most = 1 << (self.logit_bits - 1);
        self.logit_bound.map_or(most, |bound| bound.min(most))
    }

    /// log2 of the steps of the torus that the outputs of layer `index` are integers of; `None` for the pixels.
    pub fn step_bits(&self, index: Option<usize>) -> u32 {
        let next = index.map_or(0, |index| index + 1);
        match self.layers.get(next) {
            // What passes a look-up by must already have the steps of what follows it.
            Some(layer) if layer.through != 0 => self.step_bits(Some(next)),
            Some(_) => self.message_bits + 1,
            None => self.logit_bits,
        }
    }

    /// Whether a circuit (from a file, say) is one.
    ///
    /// # Errors
    /// [`PbsError::Invalid`] with the first contradiction.
    pub fn check(&self) -> Result<(), PbsError> {
        if !(1..=MAX_MESSAGE_BITS).contains(&self.message_bits) {
            return Err(PbsError::invalid(
                "the circuit",
                "message bits",
                self.message_bits,
                "1 to 7",
            ));
        }
        if !(1..=8).contains(&self.pixel_bits) {
            return Err(PbsError::invalid(
                "the circuit",
                "pixel bits",
                self.pixel_bits,
                "1 to 8",
            ));
        }
        if !(self.message_bits + 1..=MAX_LOGIT_BITS).contains(&self.logit_bits) {
            return Err(PbsError::invalid(
                "the circuit",
                "logit bits",
                self.logit_bits,
                format!("{} to {MAX_LOGIT_BITS}", self.message_bits + 1),
            ));
        }
        if let Some(bound) = self.logit_bound.filter(|bound| *bound < 1) {
            return Err(PbsError::invalid(
                "the circuit",
                "the largest logit",
                bound,
                "a positive number",
            ));
        }
        let mut features = self.input.len();
        for (index, layer) in self.layers.iter().enumerate() {
            features = layer.sum.check(features)?;
            let name = &layer.name;
            if layer.table_of.len() != features {
                return Err(PbsError::invalid(
                    name,
                    "neurons",
                    layer.table_of.len(),
                    features,
                ));
            }
            let tables = layer.tables.len();
            if layer.table_of.iter().any(|table| *table as usize >= tables) {
                return Err(PbsError::invalid(
                    name,
                    "a table's number",
                    "too large",
                    format!("below {tables}"),
                ));
            }
            for table in &layer.tables {
                if table.len() != self.messages()
                    || table.iter().any(|entry| entry.unsigned_abs() >= MAX_ENTRY)
                {
                    return Err(PbsError::invalid(
                        name,
                        "entries of a table",
                        table.len(),
                        self.messages(),
                    ));
                }
            }
            if layer.through.unsigned_abs() >= MAX_ENTRY || (layer.through != 0 && index != 0) {
                return Err(PbsError::invalid(
                    name,
                    "the part that passes by",
                    layer.through,
                    "none but in the first layer",
                ));
            }
        }
        self.logits.check(features)?;
        Ok(())
    }
}
