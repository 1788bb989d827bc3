//! What an operation costs: nanoseconds of one core, and bytes. The constants are one machine's (2-core Zen 4 at 3.7 GHz, `ckks` as of its
//! first version); a prediction is for choosing between plans and for telling minutes from hours, not for publishing.

use ckks::{ParametersLiteral, Ring};

/// One multiply-accumulate of a small weight on one residue.
const NS_PER_RESIDUE_MAC: f64 = 0.12;
/// One butterfly of a number-theoretic transform (half the ring degree, times its log2, make a transform).
const NS_PER_BUTTERFLY: f64 = 0.4;
/// One pointwise modular multiplication or addition on one residue, memory traffic included.
const NS_PER_RESIDUE_STEP: f64 = 1.2;
/// A residue in memory.
const BYTES_PER_RESIDUE: u64 = 8;

/// Sizes that every cost depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct CostModel {
    degree: u64,
    /// Butterflies of one transform.
    butterflies: f64,
}

impl CostModel {
    pub fn new(literal: &ParametersLiteral) -> Self {
        let degree = 1_u64 << literal.log_n;
        // The conjugate-invariant ring transforms by way of the standard ring of twice its degree.
        let doubled = u32::from(literal.ring == Ring::ConjugateInvariant);
        let butterflies = (degree << doubled) as f64 / 2.0 * f64::from(literal.log_n + doubled);
        Self { degree, butterflies }
    }

    /// A linear layer on two components of `limbs` residues.
    pub fn linear(&self, macs: u64, limbs: usize) -> f64 {
        macs as f64 * 2.0 * self.residues(limbs) * NS_PER_RESIDUE_MAC
    }

    /// A pass over all residues of `features` ciphertexts (adding, multiplying by a constant).
    pub fn pass(&self, features: usize, limbs: usize) -> f64 {
        features as f64 * 2.0 * self.residues(limbs) * NS_PER_RESIDUE_STEP
    }

    /// A product with its relinearisation, on values held as coefficients or not, whichever the engine prefers: both factors and the
    /// product change form, every limb of the third component is a digit under every prime and the special one.
    pub fn multiply(&self, features: usize, limbs: usize) -> f64 {
        let limbs = limbs as f64;
        let transforms = 4.0 * limbs + limbs * (limbs + 1.0) + 4.0 * limbs;
        let steps = 5.0 * limbs + 2.0 * limbs * (limbs + 1.0);
        features as f64
            * (transforms * self.butterflies * NS_PER_BUTTERFLY
                + steps * self.degree as f64 * NS_PER_RESIDUE_STEP)
    }

    /// Dropping one of `limbs` primes.
    pub fn rescale(&self, features: usize, limbs: usize) -> f64 {
        self.pass(features, limbs) * 2.0
    }

    /// A set of ciphertexts of two components in memory.
    pub fn set_bytes(&self, features: usize, limbs: usize) -> u64 {
        2 * self.seeded_bytes(features, limbs)
    }

    /// A seeded upload: one component.
    pub fn seeded_bytes(&self, features: usize, limbs: usize) -> u64 {
        features as u64 * limbs as u64 * self.degree * BYTES_PER_RESIDUE
    }

    /// The relinearisation key for `limbs` primes: a pair under every prime and the special one, for every digit.
    pub fn key_bytes(&self, limbs: usize) -> u64 {
        let limbs = limbs as u64;
        limbs * 2 * (limbs + 1) * self.degree * BYTES_PER_RESIDUE
    }

    fn residues(&self, limbs: usize) -> f64 {
        self.degree as f64 * limbs as f64
    }
}
