//! Automorphisms of both rings, and the order of slots in which they are rotations.
//!
//! The automorphism of an odd g takes X to X^g. On values it is a permutation: the value at a point x becomes the one at x^g. Slots that
//! stand at `zeta^(5^i)`, zeta a root of unity of order 2N (4N in the conjugate-invariant ring), are moved by the automorphism of 5^r to
//! the left by r places, in one cycle: 5 has order N/2 modulo 2N, the number of slots of the standard ring, and the N powers of 5 modulo 4N
//! are one of every pair of points of the conjugate-invariant one.

use crate::modulus::CENTRE;
use crate::params::{Parameters, Ring};

/// A rotation of the slots, as permutations of values.
#[derive(Clone)]
pub(crate) struct Automorphism {
    /// By prime, the special ones last: where each value comes from. Primes have roots of unity of their own, and so orders of their own.
    sources: Vec<Vec<u32>>,
}

impl Automorphism {
    /// The rotation of the slots to the left.
    pub fn rotation(parameters: &Parameters, places: usize) -> Self {
        let element = powers_of_five(parameters).nth(places).unwrap_or(1);
        let degree = parameters.ring_degree();
        let count = parameters.primes().len() + parameters.special_primes().len();
        let sources = (0..count).map(|prime| {
            // X at every point, and X^g there, which is X at the point that it goes to
            let values = |element: usize| {
                let mut values = vec![0; degree];
                let image = image_of_x(parameters.ring(), degree, element);
                parameters
                    .transform(prime)
                    .forward(&image, &[], &mut values);
                values
            };
            let (from, to) = (values(1), values(element));
            let mut points: Vec<(u64, u32)> = from.into_iter().zip(0..).collect();
            points.sort_unstable();
            let place = |value: &u64| {
                let found = points.binary_search_by_key(value, |point| point.0);
                found.map_or(0, |found| points[found].1)
            };
            to.iter().map(place).collect()
        });
        Self {
            sources: sources.collect(),
        }
    }

    /// Permutes values modulo a prime; the special primes follow the chain.
    pub fn apply(&self, prime: usize, values: &[u64], out: &mut [u64]) {
        let sources = &self.sources[prime];
        assert!(values.len() == sources.len());
        for (out, &source) in out.iter_mut().zip(sources) {
            *out = values[source as usize];
        }
    }
}

/// The powers 5^i modulo the order of the roots of unity.
fn powers_of_five(parameters: &Parameters) -> impl Iterator<Item = usize> {
    let order = match parameters.ring() {
        Ring::Standard => 2 * parameters.ring_degree(),
        Ring::ConjugateInvariant => 4 * parameters.ring_degree(),
    };
    std::iter::successors(Some(1), move |power| Some(power * 5 % order))
}

/// Where X (`X + X^-1` in the conjugate-invariant ring) goes, as a polynomial of words: a basis element or its negative.
fn image_of_x(ring: Ring, degree: usize, element: usize) -> Vec<u64> {
    let (place, sign) = match ring {
        // X^N = -1
        Ring::Standard if element < degree => (element, 1),
        Ring::Standard => (element - degree, -1),
        // b_k = X^k + X^-k with X^2N = -1: b_(4N-k) = b_k and b_(2N-k) = -b_k
        Ring::ConjugateInvariant => match element.min(4 * degree - element) {
            near if near < degree => (near, 1),
            far => (2 * degree - far, -1),
        },
    };
    let mut polynomial = vec![CENTRE; degree];
    polynomial[place] = CENTRE.wrapping_add_signed(sign);
    polynomial
}

/// The order of slots in which automorphisms rotate.
///
/// [`SecretKey::encrypt`](crate::SecretKey::encrypt) and [`decrypt`](crate::SecretKey::decrypt) keep the order of the embedding, which only
/// values that are rotated need to leave.
#[derive(Clone, Debug)]
pub struct RotationOrder {
    /// The slot of the embedding in which each one is.
    places: Vec<usize>,
}

impl RotationOrder {
    /// The order of a parameter set.
    pub fn new(parameters: &Parameters) -> Self {
        let degree = parameters.ring_degree();
        let place = |power: usize| match parameters.ring() {
            // slot j is at zeta^(4j+1)
            Ring::Standard => (power - 1) / 4,
            // slot j is at the angle (2j+1) pi / 2N, and so at its negative
            Ring::ConjugateInvariant => (power.min(4 * degree - power) - 1) / 2,
        };
        let powers = powers_of_five(parameters).take(parameters.slots());
        Self {
            places: powers.map(place).collect(),
        }
    }

    /// Slot values in the order of rotations brought to that of the embedding; missing ones are zero.
    pub fn arrange(&self, values: &[f64]) -> Vec<f64> {
        let mut slots = vec![0.0; self.places.len()];
        for (&place, &value) in self.places.iter().zip(values) {
            slots[place] = value;
        }
        slots
    }

    /// The way back.
    pub fn restore(&self, slots: &[f64]) -> Vec<f64> {
        let places = self.places.iter();
        places.map(|&place| slots[place]).collect()
    }
}
