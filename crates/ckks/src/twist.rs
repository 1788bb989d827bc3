//! The step between coefficients of the conjugate-invariant ring and the transform: see
//! [`crate::transform`] for where it comes from.
//!
//! ```text
//! there: g_i = psi^-i (m_i - iota m_(N-i))
//! back:  m_i = h_i + iota h_(N-i)  with  h_i = psi^i g_i / 2
//! ```
//! Both work on pairs of coefficients i and N - i, in place, with one table. Coefficient 0 has no
//! partner (`m_N` is zero) and coefficient N/2 is its own.

use crate::aligned::Aligned;
use crate::isa::{Isa, per_isa};
use crate::modulus::{Modulus, power_modulo};

/// Kim and Song's map between the conjugate-invariant ring and the ring of a negacyclic transform (Approximate Homomorphic Encryption over
/// the Conjugate-invariant Ring, ICISC 2018): both directions for one prime.
pub(crate) struct ConjugateInvariantTwist {
    modulus: Modulus,
    isa: Isa,
    forward: Table,
    inverse: Table,
}

/// What coefficients are multiplied with, and their partners besides.
struct Table {
    own: Aligned,
    iota: u64,
}

impl ConjugateInvariantTwist {
    /// The factors, if there is a root of unity of order 4N. `back` also divides by N, the
    /// normalisation of a transform.
    pub fn new(isa: Isa, degree: usize, p: Modulus) -> Option<Self> {
        let order = 4 * degree as u64;
        if p.value() % order != 1 {
            return None;
        }
        // half of all candidates are no squares and give a root of the full order
        let psi = (2..1000)
            .map(|base| power_modulo(base, (p.value() - 1) / order, p.value()))
            .find(|&root| power_modulo(root, order / 2, p.value()) == p.value() - 1)?;
        let iota = power_modulo(psi, degree as u64, p.value());
        let normalisation = p.invert(degree as u64 % p.value());
        let powers = |base: u64, first: u64| -> Vec<u64> {
            std::iter::successors(Some(first), |&power| Some(p.multiply(power, base)))
                .take(degree)
                .collect()
        };
        let there = powers(p.invert(psi), 1);
        let mut back = powers(psi, p.multiply(p.invert(2), normalisation));
        // coefficient 0 stands alone: there is nothing to halve
        back[0] = normalisation;
        Some(Self {
            modulus: p,
            isa,
            forward: Table {
                own: Aligned::of(&there, 8),
                iota,
            },
            inverse: Table {
                own: Aligned::of(&back, 8),
                iota,
            },
        })
    }

    /// The square root of -1.
    pub fn iota(&self) -> u64 {
        self.forward.iota
    }

    /// `1 / psi`, what coefficient 1 is multiplied with before a transform.
    pub fn twist(&self) -> u64 {
        self.forward.own[1]
    }

    /// Before a transform.
    pub fn forward(&self, polynomial: &mut [u64]) {
        let Table { own, iota } = &self.forward;
        there(self.isa, self.modulus, polynomial, own, *iota);
    }

    /// After an inverse transform.
    pub fn inverse(&self, polynomial: &mut [u64]) {
        let Table { own, iota } = &self.inverse;
        back(self.isa, self.modulus, polynomial, own, *iota);
    }
}

/// Slices as the loops take them: coefficient 0, those up to the middle one, that, and the rest.
type Parts<'a> = (&'a mut u64, &'a mut [u64], &'a mut u64, &'a mut [u64]);

fn parts(x: &mut [u64]) -> Option<Parts<'_>> {
    let (first, rest) = x.split_first_mut()?;
    let (low, rest) = rest.split_at_mut(rest.len() / 2);
    let (middle, high) = rest.split_first_mut()?;
    Some((first, low, middle, high))
}

/// The factors in the same four parts.
fn factors(own: &[u64]) -> Option<(u64, &[u64], u64, &[u64])> {
    let (first, rest) = own.split_first()?;
    let (low, rest) = rest.split_at(rest.len() / 2);
    let (middle, high) = rest.split_first()?;
    Some((*first, low, *middle, high))
}

per_isa! {
    /// `x_i = own_i (x_i - iota x_(N-i))`, with zero for `x_N`. N is even.
    fn there(p: Modulus, x: &mut [u64], own: &[u64], iota: u64) {
        let (Some((first, low, middle, high)), Some((f, of_low, m, of_high))) =
            (parts(x), factors(own))
        else {
            return;
        };
        let one = |x: u64, partner: u64, own: u64| {
            p.multiply(p.subtract(x, p.multiply(partner, iota)), own)
        };
        *first = p.multiply(*first, f);
        *middle = one(*middle, *middle, m);
        let pairs = low.iter_mut().zip(high.iter_mut().rev());
        let owns = of_low.iter().zip(of_high.iter().rev());
        for ((low, high), (&of_low, &of_high)) in pairs.zip(owns) {
            let (a, b) = (*low, *high);
            *low = one(a, b, of_low);
            *high = one(b, a, of_high);
        }
    }

    /// `x_i = own_i x_i + iota own_(N-i) x_(N-i)`, with zero for `x_N`. N is even.
    fn back(p: Modulus, x: &mut [u64], own: &[u64], iota: u64) {
        let (Some((first, low, middle, high)), Some((f, of_low, m, of_high))) =
            (parts(x), factors(own))
        else {
            return;
        };
        let one = |own: u64, partner: u64| p.add(own, p.multiply(partner, iota));
        *first = p.multiply(*first, f);
        let own = p.multiply(*middle, m);
        *middle = one(own, own);
        let pairs = low.iter_mut().zip(high.iter_mut().rev());
        let owns = of_low.iter().zip(of_high.iter().rev());
        for ((low, high), (&of_low, &of_high)) in pairs.zip(owns) {
            let (a, b) = (p.multiply(*low, of_low), p.multiply(*high, of_high));
            *low = one(a, b);
            *high = one(b, a);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::primes::primes_below;

    /// Every instruction set against the formulas, on extreme and scrambled residues.
    #[test]
    fn there_and_back_are_what_they_say_on_every_instruction_set() {
        for (degree, bits) in [(2, 50), (4, 50), (16, 20), (64, 50), (64, 30), (256, 40)] {
            let prime = primes_below(bits, 4 * degree as u64).next().unwrap();
            let p = Modulus::new(prime);
            for extreme in [false, true] {
                let residue = |i: u64| match (extreme, i % 3) {
                    (true, 0) => prime - 1,
                    (true, 1) => 0,
                    _ => (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % prime,
                };
                let x: Vec<u64> = (0..degree as u64).map(residue).collect();
                let mut outcomes = Vec::new();
                for isa in Isa::available() {
                    let twist = ConjugateInvariantTwist::new(isa, degree, p).unwrap();
                    let mut there = x.clone();
                    twist.forward(&mut there);
                    let mut back = there.clone();
                    twist.inverse(&mut back);
                    // `back` divides by N
                    let n = degree as u64 % prime;
                    let round: Vec<u64> = back.iter().map(|&x| p.multiply(x, n)).collect();
                    assert_eq!(round, x, "{isa:?}, {degree}, {bits} bits");
                    outcomes.push((there, back));
                }
                assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
                assert_eq!(outcomes[0].0, by_definition(p, &x));
            }
        }
    }

    fn by_definition(p: Modulus, x: &[u64]) -> Vec<u64> {
        let degree = x.len();
        let portable = Isa::available().next().unwrap();
        let Table { own, iota } = ConjugateInvariantTwist::new(portable, degree, p)
            .unwrap()
            .forward;
        assert_eq!(p.multiply(iota, iota), p.value() - 1);
        (0..degree)
            .map(|i| {
                let partner = if i == 0 { 0 } else { x[degree - i] };
                let difference = p.subtract(x[i], p.multiply(partner, iota));
                p.multiply(difference, own[i])
            })
            .collect()
    }
}
