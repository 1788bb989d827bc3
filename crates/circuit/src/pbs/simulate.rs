//! The clear simulator: the integers of an encrypted run.

use rayon::prelude::*;

use super::types::{IntegerSum, PbsCircuit, PbsLayer};
use crate::error::CircuitError;
use cryptodl_data::Images;
use cryptodl_records::Evaluation;

impl PbsCircuit {
    /// The integers that a client encrypts for one image.
    pub fn pixels(&self, image: &[u8]) -> Vec<i64> {
        pixel_integers(image, self.pixel_bits)
    }

    /// The integers of one image's logits.
    ///
    /// # Errors
    /// When the circuit does not belong to these pixels.
    pub fn evaluate(&self, pixels: &[i64]) -> Result<Vec<i64>, CircuitError> {
        let mut values = pixels.to_vec();
        for layer in &self.layers {
            values = layer.evaluate(&values, self.message_bits)?;
        }
        let logits = self.logits.evaluate(&values)?;
        Ok(logits
            .into_iter()
            .map(|value| signed(value, self.logit_bits))
            .collect())
    }

    /// Logits from their integers.
    pub fn real_logits(&self, integers: &[i64]) -> Vec<f32> {
        integers
            .iter()
            .map(|value| (*value as f64 * self.logit_step) as f32)
            .collect()
    }
}

impl IntegerSum {
    /// `maps(values) + constants`.
    ///
    /// # Errors
    /// When there are not as many values as inputs.
    pub fn evaluate(&self, values: &[i64]) -> Result<Vec<i64>, CircuitError> {
        let mut values = values.to_vec();
        for map in &self.maps {
            values = map.apply(&values).map_err(ckks::Error::from)?;
        }
        for (value, constant) in values.iter_mut().zip(&self.constants) {
            *value += constant;
        }
        Ok(values)
    }
}

impl PbsLayer {
    pub(super) fn evaluate(
        &self,
        values: &[i64],
        message_bits: u32,
    ) -> Result<Vec<i64>, CircuitError> {
        let sums = self.sum.evaluate(values)?;
        Ok(sums
            .iter()
            .zip(&self.table_of)
            .map(|(sum, table)| {
                look_up(&self.tables[*table as usize], *sum, message_bits) + self.through * sum
            })
            .collect())
    }
}

/// `round(byte (2^bits - 1) / 255)`: what a client makes of an image, and all that it has to know about the circuit.
pub fn pixel_integers(image: &[u8], bits: u32) -> Vec<i64> {
    let largest = (1_i64 << bits) - 1;
    let rounded = |byte: &u8| (i64::from(*byte) * largest * 2 + 255) / 510;
    image.iter().map(rounded).collect()
}

/// What a bootstrap gives for `sum`: the table is read modulo `2^(message_bits + 1)`, negated in the upper half.
pub fn look_up(table: &[i64], sum: i64, message_bits: u32) -> i64 {
    let half = 1_i64 << message_bits;
    let index = sum.rem_euclid(2 * half);
    if index < half {
        table[index as usize]
    } else {
        -table[(index - half) as usize]
    }
}

/// `value` modulo `2^bits`, read as a signed number.
pub fn signed(value: i64, bits: u32) -> i64 {
    let modulus = 1_i64 << bits;
    (value + modulus / 2).rem_euclid(modulus) - modulus / 2
}

/// The logits of all `images`.
///
/// # Errors
/// [`CircuitError::Images`] for images of another shape.
pub fn simulate(circuit: &PbsCircuit, images: &Images) -> Result<Evaluation, CircuitError> {
    if images.shape != circuit.input {
        return Err(CircuitError::Images {
            found: images.shape.len(),
            wanted: circuit.input.len(),
        });
    }
    let rows: Result<Vec<Vec<f32>>, CircuitError> = (0..images.len())
        .into_par_iter()
        .map(|index| {
            let integers = circuit.evaluate(&circuit.pixels(images.image(index)))?;
            Ok(circuit.real_logits(&integers))
        })
        .collect();
    Ok(Evaluation {
        classes: circuit.logits.outputs(),
        logits: rows?.concat(),
    })
}
