//! Vectors in the clear that ciphertexts are multiplied with.

use std::fmt;

use crate::aligned::Aligned;
use crate::automorphism::RotationOrder;
use crate::encoding::Encoder;
use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::modulus::{CENTRE, power_modulo};
use crate::params::Parameters;
use crate::pointwise;

/// Coefficients are taken in two words; this is what one of the upper word stands for, in bits.
const LOWER_BITS: u32 = 40;
/// log2 of the largest coefficient that two words hold. Larger ones are multiples of a power of two: doubles have fewer digits.
const MAX_COEFFICIENT_BITS: f64 = 88.0;

/// A vector of slot values, encoded for the primes of a level.
#[derive(Clone)]
pub struct Plaintext {
    pub(crate) parameters: Parameters,
    pub(crate) scale: f64,
    /// By prime, in the evaluation domain.
    pub(crate) values: Vec<Aligned>,
}

/// Encodes vectors in [`RotationOrder`]; the tables are made once.
pub struct PlaintextEncoder {
    parameters: Parameters,
    order: RotationOrder,
    encoder: Encoder,
    isa: Isa,
}

impl Plaintext {
    /// The factor between values and the integers that stand for them.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The highest level of ciphertexts that it meets.
    pub fn level(&self) -> usize {
        self.values.len().saturating_sub(1)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.values.iter().map(|limb| size_of_val(&limb[..])).sum()
    }
}

impl PlaintextEncoder {
    /// An encoder for a parameter set.
    pub fn new(parameters: &Parameters) -> Self {
        Self {
            parameters: parameters.clone(),
            order: RotationOrder::new(parameters),
            encoder: Encoder::new(parameters.ring(), parameters.ring_degree()),
            isa: Isa::detect(),
        }
    }

    /// Encodes slot values, in the order of rotations, for ciphertexts of a level or below; missing values are zero.
    ///
    /// # Errors
    /// If there are more values than slots, if one is not finite or does not fit the modulus at that scale, if the scale is
    /// below 1, or if there is no such level.
    pub fn encode(&mut self, values: &[f64], scale: f64, level: usize) -> Result<Plaintext> {
        let operation = "encode";
        let parameters = &self.parameters;
        if values.len() > parameters.slots() {
            return Err(Error::Shape {
                values: values.len(),
                features: 1,
                slots: parameters.slots(),
            });
        }
        if level > parameters.max_level() {
            return Err(Error::Level {
                operation,
                wanted: level,
                level: parameters.max_level(),
            });
        }
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(Error::Scale { operation, scale });
        }
        // a coefficient is at most the largest slot value; one bit of the modulus is the sign
        let available = parameters.log_q_at(level) - 1.0;
        let mut largest = 0.0_f64;
        for (index, &value) in values.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    operation,
                    index,
                    value,
                });
            }
            let bits = (value.abs() * scale).log2();
            if bits > available {
                return Err(Error::DoesNotFit {
                    operation,
                    index,
                    bits,
                    available,
                });
            }
            largest = largest.max(bits);
        }
        // what is left out of the words, a power of two
        let excess = (largest - MAX_COEFFICIENT_BITS).ceil().max(0.0);
        let scale_of_words = scale * (-excess).exp2();
        let degree = parameters.ring_degree();
        let mut coefficients = vec![0.0; degree];
        let slots = self.order.arrange(values);
        self.encoder
            .encode(&slots, scale_of_words, &mut coefficients);
        let (mut lower, mut upper) = (vec![0; degree], vec![0; degree]);
        for ((coefficient, lower), upper) in coefficients.iter().zip(&mut lower).zip(&mut upper) {
            let integer = coefficient.round() as i128;
            let high = (integer + (1 << (LOWER_BITS - 1))) >> LOWER_BITS;
            let low = integer - (high << LOWER_BITS);
            *lower = CENTRE.wrapping_add_signed(low as i64);
            *upper = CENTRE.wrapping_add_signed(high as i64);
        }
        let limb = |limb: usize| {
            let transform = parameters.transform(limb);
            let factor = (1 << LOWER_BITS) % transform.modulus().value();
            let mut values = Aligned::zeros(degree, 4 + limb);
            transform.forward(&lower, &[(factor, &upper)], &mut values);
            if excess > 0.0 {
                let p = transform.modulus();
                let left_out = power_modulo(2, excess as u64, p.value());
                pointwise::scale_assign(self.isa, p, &mut values, left_out);
            }
            values
        };
        Ok(Plaintext {
            parameters: parameters.clone(),
            scale,
            values: (0..=level).map(limb).collect(),
        })
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plaintext")
            .field("level", &self.level())
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PlaintextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaintextEncoder").finish_non_exhaustive()
    }
}
