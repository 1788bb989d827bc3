//! What an operation costs: nanoseconds of one core, and bytes.
//!
//! The times are of one residue (one number modulo one prime, of which a ciphertext has ring degree x primes x components) and come from a
//! [`CostTable`]; the counts of residues are exact. A prediction is for choosing between plans and for telling minutes from hours.

use serde::{Deserialize, Serialize};

use super::planning::MapFacts;
use ckks::{Parameters, Ring};

/// A residue in memory.
const BYTES_PER_RESIDUE: u64 = 8;

/// Nanoseconds of one core for the inner loops of the engine, a residue each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostTable {
    /// A multiply-accumulate with a small weight in a dense layer, modulo a prime of 50 bits and of 30 bits.
    pub dense_mac: [f64; 2],
    /// What of it remains where all weights of a dense layer fit eight signed bits.
    pub small_weights: f64,
    /// A multiply-accumulate in a convolution, modulo primes of those sizes.
    pub conv_mac: [f64; 2],
    /// The same channel by channel, as in pooling.
    pub pool_mac: f64,
    /// Bringing an input of a dense layer into place, once for all its outputs.
    pub dense_gather: f64,
    /// Bringing an input into place for a window, once for all output channels.
    pub conv_gather: f64,
    /// A butterfly of a transform: half the length, times its log2, make one.
    pub butterfly: f64,
    /// A product of two residues in a tensor product or with a key.
    pub product: f64,
    /// Any other pass over residues: a sum, a constant, a reduction, a copy.
    pub step: f64,
    /// A residue of a mask from its seed.
    pub mask: f64,
    /// Reading from the wire.
    pub read: f64,
    /// Switching keys, in what its transforms, products and passes take by the figures above.
    pub switch: f64,
}

impl Default for CostTable {
    /// Of one machine: two cores of Zen 4 at 3.7 GHz.
    fn default() -> Self {
        Self {
            dense_mac: [0.033, 0.016],
            small_weights: 0.5,
            conv_mac: [0.050, 0.030],
            pool_mac: 0.43,
            dense_gather: 0.4,
            conv_gather: 0.1,
            butterfly: 0.21,
            product: 0.32,
            step: 0.28,
            mask: 2.5,
            read: 1.5,
            switch: 0.74,
        }
    }
}

impl CostTable {
    /// All of them.
    pub(super) fn values(&self) -> [f64; 14] {
        [
            self.dense_mac[0],
            self.dense_mac[1],
            self.small_weights,
            self.conv_mac[0],
            self.conv_mac[1],
            self.pool_mac,
            self.dense_gather,
            self.conv_gather,
            self.butterfly,
            self.product,
            self.step,
            self.mask,
            self.read,
            self.switch,
        ]
    }
}

/// Sizes that every cost depends on.
#[derive(Clone, Debug)]
pub(super) struct CostModel {
    table: CostTable,
    degree: u64,
    /// Butterflies of one transform.
    butterflies: f64,
    /// Sizes of the primes, bits.
    bits: Vec<f64>,
    /// Bytes of a residue on the wire, by prime, the special one last.
    widths: Vec<u64>,
    special: bool,
}

impl CostModel {
    pub fn new(parameters: &Parameters, table: &CostTable) -> Self {
        let degree = parameters.ring_degree() as u64;
        let special = parameters.special_prime();
        let primes = parameters.primes().iter().copied().chain(special);
        Self {
            table: *table,
            degree,
            butterflies: butterflies(parameters.ring(), degree),
            bits: parameters
                .primes()
                .iter()
                .map(|prime| (*prime as f64).log2())
                .collect(),
            widths: primes
                .map(|prime| u64::from(prime.ilog2() / 8 + 1))
                .collect(),
            special: special.is_some(),
        }
    }

    /// The upload of one batch: read from the wire, its masks made from their seed.
    pub fn upload(&self, features: usize, limbs: usize) -> f64 {
        self.residues(limbs) * features as f64 * (self.table.mask + self.table.read)
    }

    /// A linear layer.
    pub fn linear(&self, map: &MapFacts, limbs: usize, components: usize) -> f64 {
        let table = &self.table;
        let rest = map.pool_macs * table.pool_mac
            + map.dense_gathers * table.dense_gather
            + map.conv_gathers * table.conv_gather;
        let small = if map.largest <= SMALL_WEIGHT {
            table.small_weights
        } else {
            1.0
        };
        let limb = |bits: &f64| {
            map.dense_macs * small * between(table.dense_mac, *bits)
                + map.conv_macs * between(table.conv_mac, *bits)
                + rest
        };
        let nanoseconds: f64 = self.bits.iter().take(limbs).map(limb).sum();
        components as f64 * self.residues(1) * nanoseconds
    }

    /// A pass over all residues of `features` ciphertexts (adding, multiplying by a constant).
    pub fn pass(&self, features: usize, limbs: usize, components: usize) -> f64 {
        self.residues(limbs) * (features * components) as f64 * self.table.step
    }

    /// A square that stays at `2 components - 1` components: every pair of components once.
    pub fn tensor_square(&self, features: usize, limbs: usize, components: usize) -> f64 {
        let products = (components * (components + 1) / 2) as f64;
        self.residues(limbs) * features as f64 * products * self.table.product
    }

    /// Three components to two. Transforms: the third component back (L), its digits forward under every other prime and the special one
    /// (L²), the division by the special prime (2 + 2 L).
    pub fn relinearize(&self, features: usize, limbs: usize) -> f64 {
        let l = limbs as f64;
        let transforms = self.transforms((l + 1.0) * (l + 2.0));
        let products = 2.0 * l * (l + 1.0) * self.table.product;
        let steps = (l * (l + 1.0) + 4.0 * l) * self.table.step;
        features as f64 * (transforms + self.residues(1) * (products + steps)) * self.table.switch
    }

    /// The same with one division by the special prime and the last one: four transforms back, two forward for every prime that stays.
    pub fn relinearize_rescale(&self, features: usize, limbs: usize) -> f64 {
        self.relinearize(features, limbs) + self.pass(features, 1, 4)
    }

    /// A product with its relinearisation.
    pub fn product(&self, features: usize, limbs: usize) -> f64 {
        self.tensor_square(features, limbs, 2) + self.relinearize(features, limbs)
    }

    /// Dropping one of `limbs` primes: the dropped limb back, its remainder forward under the others, for every component.
    pub fn rescale(&self, features: usize, limbs: usize, components: usize) -> f64 {
        let transforms = self.transforms((components * limbs) as f64);
        features as f64 * transforms + self.pass(features, limbs, components)
    }

    fn transforms(&self, count: f64) -> f64 {
        count * self.butterflies * self.table.butterfly
    }

    fn residues(&self, limbs: usize) -> f64 {
        self.degree as f64 * limbs as f64
    }

    /// Bytes in memory of a set of ciphertexts.
    pub fn set_bytes(&self, features: usize, limbs: usize, components: usize) -> u64 {
        (features * components * limbs) as u64 * self.degree * BYTES_PER_RESIDUE
    }

    /// Bytes on the wire of a set of ciphertexts; seeded ones send one component.
    pub fn wire_bytes(&self, features: usize, limbs: usize, components: usize) -> u64 {
        let row: u64 = self.widths.iter().take(limbs).sum();
        (features * components) as u64 * row * self.degree
    }

    /// Bytes on the wire of the relinearisation key, one polynomial a prime (the special one too) and digit; 0 without a special prime.
    pub fn key_wire_bytes(&self, limbs: usize) -> u64 {
        if !self.special {
            return 0;
        }
        limbs as u64 * self.widths.iter().sum::<u64>() * self.degree
    }

    /// Bytes in memory of the relinearisation key, both polynomials; 0 without a special prime.
    pub fn key_bytes(&self, limbs: usize) -> u64 {
        if !self.special {
            return 0;
        }
        2 * limbs as u64 * self.widths.len() as u64 * self.degree * BYTES_PER_RESIDUE
    }
}

/// The largest weight of eight signed bits.
const SMALL_WEIGHT: u16 = 127;

/// Sizes of primes at which multiply-accumulates are timed: the number of digits that a kernel makes of a residue lies between.
pub(super) const TIMED_BITS: [u32; 2] = [50, 30];

/// The cost at a size of prime.
fn between([wide, narrow]: [f64; 2], bits: f64) -> f64 {
    let [most, least] = TIMED_BITS.map(f64::from);
    let share = ((bits - least) / (most - least)).clamp(0.0, 1.0);
    narrow + share * (wide - narrow)
}

/// Butterflies of one transform. The conjugate-invariant ring transforms by way of the standard ring of twice its degree.
pub(super) fn butterflies(ring: Ring, degree: u64) -> f64 {
    let length = match ring {
        Ring::Standard => degree,
        Ring::ConjugateInvariant => 2 * degree,
    };
    length as f64 / 2.0 * f64::from(length.ilog2())
}
