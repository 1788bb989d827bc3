//! What the planner chooses of a packed evaluation: parameters, scales, and where primes are dropped.

use ckks::{Parameters, ParametersLiteral};
use serde::{Deserialize, Serialize};

use super::program::Program;
use crate::error::CircuitError;

/// Bits that a scale may have.
const SCALE_BITS: std::ops::RangeInclusive<u32> = 1..=45;

/// Parameters and scales of one circuit, one image a ciphertext.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// What the encryption parameters are made from.
    pub parameters: ParametersLiteral,
    /// log2 of the scale of fresh encryptions.
    pub input_bits: u32,
    /// log2 of the scale of the weights of each linear layer.
    pub weight_bits: Vec<u32>,
    /// Primes that are dropped after each square.
    pub drops: Vec<usize>,
    /// Primes that are dropped before the reply.
    pub final_drops: usize,
}

impl Design {
    /// Scale of fresh encryptions.
    pub fn input_scale(&self) -> f64 {
        f64::from(self.input_bits).exp2()
    }

    /// Scale of the weights of a linear layer.
    pub(super) fn weight_scale(&self, linear: usize) -> f64 {
        let bits = self.weight_bits.get(linear).copied().unwrap_or(0);
        f64::from(bits).exp2()
    }

    /// Primes that are dropped after each square, and at the end.
    pub(super) fn all_drops(&self) -> (&[usize], usize) {
        (&self.drops, self.final_drops)
    }

    /// The level of the reply.
    pub(super) fn last_level(&self) -> usize {
        let drops = self.drops.iter().sum::<usize>() + self.final_drops;
        (self.parameters.prime_bits.len() - 1).saturating_sub(drops)
    }

    /// The parameters, if the design is one for this program: whatever was read from outside must pass before it is run.
    pub(super) fn check(&self, program: &Program) -> Result<Parameters, CircuitError> {
        let parameters = Parameters::new(self.parameters.clone())?;
        let within = |what: &str, found: usize, wanted: usize| {
            if found == wanted {
                return Ok(());
            }
            Err(CircuitError::Invalid {
                what: what.into(),
                found: found.to_string(),
                wanted: wanted.to_string(),
            })
        };
        let linear = program.linear_steps();
        within(
            "the number of weight scales",
            self.weight_bits.len(),
            linear,
        )?;
        within("the number of squares", self.drops.len(), program.squares())?;
        let scales = self.weight_bits.iter().chain([&self.input_bits]);
        for bits in scales {
            if !SCALE_BITS.contains(bits) {
                return Err(CircuitError::Invalid {
                    what: "a scale".into(),
                    found: format!("2^{bits}"),
                    wanted: format!("2^{} to 2^{}", SCALE_BITS.start(), SCALE_BITS.end()),
                });
            }
        }
        let mut drops = self.drops.iter().chain([&self.final_drops]);
        let drops = drops.try_fold(0_usize, |sum, drops| sum.checked_add(*drops));
        if drops.is_none_or(|drops| drops > parameters.max_level()) {
            return Err(CircuitError::Invalid {
                what: "the number of dropped primes".into(),
                found: drops.map_or("huge".into(), |drops| drops.to_string()),
                wanted: format!("at most {}", parameters.max_level()),
            });
        }
        Ok(parameters)
    }
}
