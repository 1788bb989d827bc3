//! Encryption under the secret key.

use zeroize::Zeroizing;

use super::SecretKey;
use crate::encoding::Encoder;
use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::modulus::{CENTRE, round_to_i64};
use crate::pointwise;
use crate::residues::Residues;
use crate::sampling::{Mask, SecretStream, public_seed, secret_seed};
use crate::set::SeededSet;
use crate::wire::MAX_FEATURES;

/// log2 of the largest coefficient: beyond it a reduction is not exact.
const MAX_COEFFICIENT_BITS: f64 = 49.5;

impl SecretKey {
    /// Encrypts real values, `[features, values.len() / features]` row by row, at the top level.
    ///
    /// Slots beyond the values of a feature hold zero. An encryption is `(m + e - a s, a)` with a
    /// fresh uniform `a` that is kept as a seed.
    ///
    /// # Errors
    /// If the values are not a whole number of slots for every feature or more than there are
    /// slots, if a value is not finite or does not fit the modulus (or 49 bits) at that scale, if
    /// the scale is below 1, or if the operating system gives no entropy.
    pub fn encrypt(&self, values: &[f64], features: usize, scale: f64) -> Result<SeededSet> {
        let parameters = self.parameters();
        let slots = self.check_values(values, features, scale)?;
        let (degree, limbs) = (parameters.ring_degree(), parameters.primes().len());
        let mut residues = Residues::unwritten(parameters.arena(), degree, limbs, 1, features);
        let seed = public_seed()?;
        let noise = secret_seed()?;
        residues.for_each_feature(
            || Workspace::new(self),
            |work, mut polynomials| {
                let feature = polynomials.index();
                work.encode(&values[feature * slots..][..slots], scale);
                SecretStream::new(&noise, feature).add_errors(parameters.ring(), &mut work.message);
                for limb in 0..limbs {
                    let mut mask = Mask::new(&seed, feature, limb, parameters.modulus(limb));
                    mask.fill(&mut work.mask);
                    work.encrypt(limb);
                    polynomials.scatter(limb, 0, &work.residues);
                }
            },
        );
        Ok(SeededSet {
            parameters: parameters.clone(),
            scale,
            seed,
            residues,
        })
    }

    /// The number of slots that every feature fills.
    fn check_values(&self, values: &[f64], features: usize, scale: f64) -> Result<usize> {
        let operation = "encrypt";
        let slots = values.len().checked_div(features).unwrap_or(0);
        let shaped = slots > 0
            && slots * features == values.len()
            && slots <= self.parameters().slots()
            && features <= MAX_FEATURES;
        if !shaped {
            return Err(Error::Shape {
                values: values.len(),
                features,
                slots: self.parameters().slots(),
            });
        }
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(Error::Scale { operation, scale });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                operation,
                index,
                value: values[index],
            });
        }
        // a coefficient is at most the largest slot value; one bit of the modulus is the sign
        let available = (self.parameters().log_q() - 1.0).min(MAX_COEFFICIENT_BITS);
        let limit = available.exp2() / scale;
        if let Some(index) = values.iter().position(|value| value.abs() > limit) {
            return Err(Error::DoesNotFit {
                operation,
                index,
                bits: (values[index].abs() * scale).log2(),
                available,
            });
        }
        Ok(slots)
    }
}

/// One thread's buffers. Message and error are wiped with it.
struct Workspace<'a> {
    key: &'a SecretKey,
    isa: Isa,
    encoder: Encoder,
    coefficients: Zeroizing<Vec<f64>>,
    /// As words.
    message: Zeroizing<Vec<u64>>,
    residues: Vec<u64>,
    mask: Vec<u64>,
}

impl<'a> Workspace<'a> {
    fn new(key: &'a SecretKey) -> Self {
        let degree = key.parameters().ring_degree();
        Self {
            key,
            isa: Isa::detect(),
            encoder: Encoder::new(key.parameters().ring(), degree),
            coefficients: Zeroizing::new(vec![0.0; degree]),
            message: Zeroizing::new(vec![0; degree]),
            residues: vec![0; degree],
            mask: vec![0; degree],
        }
    }

    fn encode(&mut self, values: &[f64], scale: f64) {
        self.encoder.encode(values, scale, &mut self.coefficients);
        for (message, coefficient) in self.message.iter_mut().zip(self.coefficients.iter()) {
            *message = CENTRE.wrapping_add_signed(round_to_i64(*coefficient));
        }
    }

    /// `residues = message - mask * s` modulo one prime.
    fn encrypt(&mut self, prime: usize) {
        let parameters = self.key.parameters();
        let p = parameters.modulus(prime);
        let transform = parameters.transform(prime);
        transform.forward(&self.message, &[], &mut self.residues);
        pointwise::scale_assign(self.isa, p, &mut self.mask, p.value() - 1);
        let secret = self.key.values(prime);
        pointwise::multiply_accumulate(self.isa, p, &mut self.residues, &self.mask, secret);
    }
}
