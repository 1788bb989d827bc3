//! What an operation costs: nanoseconds of one core, and bytes.
//!
//! The times are of one residue (one number modulo one prime, of which a ciphertext has ring degree x primes x components) and come from a
//! [`CostTable`]; the counts of residues are exact. A prediction is for choosing between plans and for telling minutes from hours.

use serde::{Deserialize, Serialize};

use super::map_facts::MapFacts;
use ckks::{Parameters, Ring};

/// A residue in memory.
const BYTES_PER_RESIDUE: u64 = 8;

/// Nanoseconds of one core for the inner loops of the engine, a residue each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostTable {
    /// A multiply-accumulate with a small weight in a dense layer, modulo a prime of 50 bits and of 30 bits.
    pub dense_mac: [f64; 2],
    /// What of it remains where all weights of a dense layer fit eight signed bits.
    pub small_weights: f64,
    /// A multiply-accumulate in a convolution, modulo primes of those sizes.
    pub conv_mac: [f64; 2],
    /// What of it remains where all weights of a convolution fit eight signed bits.
    pub conv_small_weights: f64,
    /// The same channel by channel, as in pooling.
    pub pool_mac: f64,
    /// Bringing an input of a dense layer from the cache into place, once for all its outputs.
    pub dense_gather: f64,
    /// The same for a window, once for all output channels.
    pub conv_gather: f64,
    /// A butterfly of a transform: half the length, times its log2, make one.
    pub butterfly: f64,
    /// A product of two residues in a tensor product or with a key, in the cache.
    pub product: f64,
    /// Any other pass over residues in memory, read and written: a sum, a constant, a reduction, a copy.
    pub step: f64,
    /// A residue of a mask from its seed.
    pub mask: f64,
    /// Reading from the wire.
    pub read: f64,
    /// Switching keys, in what its transforms, products and passes take by the figures above, with a key that nearly fits a core's own
    /// cache (`KEY_BYTES`).
    pub switch: f64,
    /// The same with a key that fits no cache.
    pub switch_far: f64,
}

impl Default for CostTable {
    /// Of one machine: a virtual one with two cores of an AMD EPYC (Zen 5) and AVX-512.
    fn default() -> Self {
        Self {
            dense_mac: [0.032, 0.0155],
            small_weights: 0.51,
            conv_mac: [0.037, 0.0195],
            conv_small_weights: 0.73,
            pool_mac: 0.14,
            dense_gather: 0.136,
            conv_gather: 0.022,
            butterfly: 0.19,
            product: 0.133,
            step: 0.43,
            mask: 2.55,
            read: 1.4,
            switch: 0.76,
            switch_far: 1.05,
        }
    }
}

/// The number of costs.
const COSTS: usize = 16;

impl CostTable {
    /// Their names.
    pub(super) const NAMES: [&str; COSTS] = [
        "dense_mac, 50 bits",
        "dense_mac, 30 bits",
        "small_weights",
        "conv_mac, 50 bits",
        "conv_mac, 30 bits",
        "conv_small_weights",
        "pool_mac",
        "dense_gather",
        "conv_gather",
        "butterfly",
        "product",
        "step",
        "mask",
        "read",
        "switch",
        "switch_far",
    ];

    /// All of them.
    pub(super) fn values(mut self) -> [f64; COSTS] {
        self.values_mut().map(|value| *value)
    }

    /// All of them, to be changed.
    pub(super) fn values_mut(&mut self) -> [&mut f64; COSTS] {
        let [dense_wide, dense_narrow] = &mut self.dense_mac;
        let [conv_wide, conv_narrow] = &mut self.conv_mac;
        [
            dense_wide,
            dense_narrow,
            &mut self.small_weights,
            conv_wide,
            conv_narrow,
            &mut self.conv_small_weights,
            &mut self.pool_mac,
            &mut self.dense_gather,
            &mut self.conv_gather,
            &mut self.butterfly,
            &mut self.product,
            &mut self.step,
            &mut self.mask,
            &mut self.read,
            &mut self.switch,
            &mut self.switch_far,
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
    /// Bits of a residue on the wire, by prime, the special ones last.
    widths: Vec<u64>,
    /// Special primes.
    special: usize,
}

impl CostModel {
    pub fn new(parameters: &Parameters, table: &CostTable) -> Self {
        let degree = parameters.ring_degree() as u64;
        let special = parameters.special_primes();
        let primes = parameters.primes().iter().chain(special);
        Self {
            table: *table,
            degree,
            butterflies: butterflies(parameters.ring(), degree),
            bits: parameters
                .primes()
                .iter()
                .map(|prime| (*prime as f64).log2())
                .collect(),
            widths: primes.map(|prime| u64::from(prime.ilog2() + 1)).collect(),
            special: special.len(),
        }
    }

    /// Between the wire and memory: one component of every ciphertext. One thread does it, however many there are.
    pub fn wire(&self, features: usize, limbs: usize, components: usize) -> f64 {
        self.residues(limbs) * (features * components) as f64 * self.table.read
    }

    /// The masks of an upload from their seed.
    pub fn masks(&self, features: usize, limbs: usize) -> f64 {
        self.residues(limbs) * features as f64 * self.table.mask
    }

    /// A linear layer on `features` inputs.
    pub fn linear(&self, map: &MapFacts, features: usize, limbs: usize, components: usize) -> f64 {
        let table = &self.table;
        let rest = map.pool_macs * table.pool_mac
            + map.dense_gathers * table.dense_gather
            + map.conv_gathers * table.conv_gather;
        let [dense_small, conv_small] = if map.largest <= SMALL_WEIGHT {
            [table.small_weights, table.conv_small_weights]
        } else {
            [1.0; 2]
        };
        let limb = |bits: &f64| {
            map.dense_macs * dense_small * between(table.dense_mac, *bits)
                + map.conv_macs * conv_small * between(table.conv_mac, *bits)
                + rest
        };
        let nanoseconds: f64 = self.bits.iter().take(limbs).map(limb).sum();
        components as f64 * self.residues(1) * nanoseconds
            + self.spill((features + map.outputs as usize) * components, limbs)
    }

    /// What a layer costs beyond its arithmetic where one block of everything that enters and leaves it, polynomials in all, does not fit
    /// the nearer caches: measured at about half of what memory costs.
    fn spill(&self, polynomials: usize, limbs: usize) -> f64 {
        if polynomials * BLOCK_BYTES > NEAR_CACHES {
            self.stream(polynomials, limbs, 1) / 2.0
        } else {
            0.0
        }
    }

    /// A pass over all residues of `features` ciphertexts (adding, multiplying by a constant).
    pub fn pass(&self, features: usize, limbs: usize, components: usize) -> f64 {
        self.residues(limbs) * (features * components) as f64 * self.table.step
    }

    /// All residues of `features` ciphertexts from memory or to it, once.
    pub fn stream(&self, features: usize, limbs: usize, components: usize) -> f64 {
        self.pass(features, limbs, components) / 2.0
    }

    /// A square that stays at `2 components - 1` components: every pair of components once.
    pub fn tensor_square(&self, features: usize, limbs: usize, components: usize) -> f64 {
        let products = (components * (components + 1) / 2) as f64;
        self.residues(limbs) * features as f64 * products * self.table.product
            + self.spill(features * (3 * components - 1), limbs)
    }

    /// Digits of a key switch with so many primes left; none without special primes.
    fn digits(&self, limbs: usize) -> usize {
        limbs
            .checked_div(self.special)
            .map_or(0, |_| limbs.div_ceil(self.special))
    }

    /// Three components to two. Transforms: the third component back (L), its D digits forward under every other prime and the S special
    /// ones (D (L + S) - L), the division by the special primes (2 S + 2 L).
    pub fn relinearize(&self, features: usize, limbs: usize) -> f64 {
        let [l, s, d] = [limbs, self.special, self.digits(limbs)].map(|count| count as f64);
        let transforms = self.transforms(d * (l + s) + 2.0 * (l + s));
        let products = 2.0 * d * (l + s) * self.table.product;
        let steps = (d * (l + s) + 4.0 * l) * self.table.step;
        let (near, far) = (self.table.switch, self.table.switch_far);
        let key = 2.0 * d * (l + s) * (self.degree * BYTES_PER_RESIDUE) as f64;
        let [least, most] = KEY_BYTES.map(f64::log2);
        let share = ((key.log2() - least) / (most - least)).clamp(0.0, 1.0);
        let switch = near + share * (far - near);
        features as f64 * (transforms + self.residues(1) * (products + steps)) * switch
    }

    /// The same with one division by the special prime and the last one: four transforms back, two forward for every prime that stays.
    pub fn relinearize_rescale(&self, features: usize, limbs: usize) -> f64 {
        self.relinearize(features, limbs) + self.pass(features, 1, 4)
    }

    /// A product with its relinearisation, from memory to memory.
    pub fn product(&self, features: usize, limbs: usize) -> f64 {
        self.tensor_square(features, limbs, 2)
            + self.stream(features, limbs, 5)
            + self.relinearize(features, limbs)
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
        (features * components) as u64 * row * self.degree / 8
    }

    /// Bytes on the wire of the relinearisation key, one polynomial a prime (the special ones too) and digit; 0 without a special prime.
    pub fn key_wire_bytes(&self, limbs: usize) -> u64 {
        self.digits(limbs) as u64 * self.widths.iter().sum::<u64>() * self.degree / 8
    }

    /// Bytes in memory of the relinearisation key, both polynomials; 0 without a special prime.
    pub fn key_bytes(&self, limbs: usize) -> u64 {
        2 * self.digits(limbs) as u64 * self.widths.len() as u64 * self.degree * BYTES_PER_RESIDUE
    }
}

/// What the engine works on at once of every polynomial: 64 residues.
const BLOCK_BYTES: usize = 512;
/// About what the caches nearer than memory's own hold without a loss.
const NEAR_CACHES: usize = 5 << 19;

/// Bytes of the evaluation keys that key switching is timed with: of three primes in a ring of 2^13, and of seven in one of 2^14.
const KEY_BYTES: [f64; 2] = [key_bytes(3, 13), key_bytes(7, 14)];

const fn key_bytes(limbs: u64, log_n: u32) -> f64 {
    ((2 * limbs * (limbs + 1) * BYTES_PER_RESIDUE) << log_n) as f64
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

/// Butterflies of one transform. In the conjugate-invariant ring every coefficient meets its twin on the way in and out: two products and
/// a sum that do not run as fast as butterflies, measured at [`TWIST`] of them.
pub(super) fn butterflies(ring: Ring, degree: u64) -> f64 {
    let twist = match ring {
        Ring::Standard => 0.0,
        Ring::ConjugateInvariant => TWIST,
    };
    degree as f64 * (f64::from(degree.ilog2()) / 2.0 + twist)
}

/// See [`butterflies`].
const TWIST: f64 = 1.25;
