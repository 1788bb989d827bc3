//! What an operation costs: nanoseconds of one core, and bytes. The constants are one machine's (2-core Zen 4 at 3.7 GHz, the first version
//! of `ckks`); a prediction is for choosing between plans and for telling minutes from hours, not for publishing.

use ckks::{LinearMap, Parameters, Ring};

/// One multiply-accumulate of a small weight on one residue.
const NS_PER_RESIDUE_MAC: f64 = 0.045;
/// Bringing one residue into place for a window of inputs, once for all output channels.
const NS_PER_RESIDUE_GATHER: f64 = 3.6;
/// One butterfly of a number-theoretic transform: half the ring degree, times its log2, make a transform.
const NS_PER_BUTTERFLY: f64 = 0.27;
/// One pointwise operation on one residue, its memory traffic included.
const NS_PER_RESIDUE_STEP: f64 = 0.5;
/// One residue of a mask from its seed.
const NS_PER_MASK_RESIDUE: f64 = 11.0;
/// A residue in memory.
const BYTES_PER_RESIDUE: u64 = 8;

/// Sizes that every cost depends on.
#[derive(Clone, Debug)]
pub(super) struct CostModel {
    degree: u64,
    /// Butterflies of one transform.
    butterflies: f64,
    /// Bytes of a residue on the wire, by prime, the special one last.
    widths: Vec<u64>,
}

impl CostModel {
    pub fn new(parameters: &Parameters) -> Self {
        let degree = parameters.ring_degree() as u64;
        // The conjugate-invariant ring transforms by way of the standard ring of twice its degree.
        let length = if parameters.ring() == Ring::ConjugateInvariant {
            2 * degree
        } else {
            degree
        };
        let primes = parameters
            .primes()
            .iter()
            .copied()
            .chain(parameters.special_prime());
        Self {
            degree,
            butterflies: length as f64 / 2.0 * f64::from(length.ilog2()),
            widths: primes
                .map(|prime| u64::from(prime.ilog2() / 8 + 1))
                .collect(),
        }
    }

    /// The masks of a seeded upload.
    pub fn expand(&self, features: usize, limbs: usize) -> f64 {
        self.residues(limbs) * features as f64 * NS_PER_MASK_RESIDUE
    }

    /// A linear layer on two components of `limbs` residues.
    pub fn linear(&self, map: &LinearMap, limbs: usize) -> f64 {
        let gathers: usize = map.groups().iter().map(|group| group.gather().len()).sum();
        let nanoseconds =
            map.macs() as f64 * NS_PER_RESIDUE_MAC + gathers as f64 * NS_PER_RESIDUE_GATHER;
        2.0 * self.residues(limbs) * nanoseconds
    }

    /// A pass over all residues of `features` ciphertexts (adding, multiplying by a constant).
    pub fn pass(&self, features: usize, limbs: usize) -> f64 {
        self.residues(limbs) * features as f64 * 2.0 * NS_PER_RESIDUE_STEP
    }

    /// A product with its relinearisation. Transforms: the third component back (L), its digits forward under every other prime and the
    /// special one (L²), the division by the special prime (2 + 2 L).
    pub fn multiply(&self, features: usize, limbs: usize) -> f64 {
        let l = limbs as f64;
        let transforms = (l + 1.0) * (l + 2.0);
        let steps = 4.0 * l + 3.0 * l * (l + 1.0) + 4.0 * l;
        features as f64
            * (self.transforms(transforms) + self.residues(1) * steps * NS_PER_RESIDUE_STEP)
    }

    /// Dropping one of `limbs` primes: the dropped limb back, its remainder forward under the others, for two components.
    pub fn rescale(&self, features: usize, limbs: usize) -> f64 {
        features as f64 * self.transforms(2.0 * limbs as f64) + self.pass(features, limbs)
    }

    fn transforms(&self, count: f64) -> f64 {
        count * self.butterflies * NS_PER_BUTTERFLY
    }

    fn residues(&self, limbs: usize) -> f64 {
        self.degree as f64 * limbs as f64
    }

    /// Bytes in memory of a set of ciphertexts of two components.
    pub fn set_bytes(&self, features: usize, limbs: usize) -> u64 {
        features as u64 * 2 * limbs as u64 * self.degree * BYTES_PER_RESIDUE
    }

    /// Bytes on the wire of a set of ciphertexts; seeded ones send one component, others two.
    pub fn wire_bytes(&self, features: usize, limbs: usize, components: u64) -> u64 {
        let row: u64 = self.widths.iter().take(limbs).sum();
        features as u64 * components * row * self.degree
    }

    /// Bytes on the wire of the relinearisation key, one polynomial a prime (the special one too) and digit; 0 without a special prime.
    pub fn key_wire_bytes(&self, limbs: usize) -> u64 {
        if self.widths.len() == limbs {
            return 0;
        }
        limbs as u64 * self.widths.iter().sum::<u64>() * self.degree
    }

    /// Bytes in memory of the relinearisation key, both polynomials; 0 without a special prime.
    pub fn key_bytes(&self, limbs: usize) -> u64 {
        if self.widths.len() == limbs {
            return 0;
        }
        2 * limbs as u64 * self.widths.len() as u64 * self.degree * BYTES_PER_RESIDUE
    }
}
