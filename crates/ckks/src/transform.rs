//! Number-theoretic transforms of both rings.
//!
//! The transforms are those of `tfhe-ntt`: values of a polynomial of size N at the roots of
//! `Y^N = -1`, in bit-reversed order.
//!
//! In the conjugate-invariant ring of rank N an element `m_0 + sum m_i (X^i + X^-i)` is a
//! polynomial modulo `X^2N + 1` (`X^-i = -X^(2N-i)`) whose values at a point and at its inverse are
//! equal. With psi a primitive 4N-th root of unity and iota = psi^N, a square root of -1, the roots
//! of `X^N = iota` are one point of every pair, and there the element is
//! `m_0 + sum (m_i - iota m_(N-i)) X^i`. With `X = Y / psi` those points are the roots of
//! `Y^N = -1`, so that one transform of size N is enough after multiplying coefficient i by
//! `psi^-i`. The way back solves the two equations that `m_i` and `m_(N-i)` are in.

use std::fmt;

use tfhe_ntt::prime64::Plan;

use crate::error::{Error, Result};
use crate::fold::Fold;
use crate::isa::Isa;
use crate::modulus::Modulus;
use crate::params::Ring;

/// The transform of one prime. Residues go in and come out canonical, in [0, p).
pub(crate) struct Transform {
    plan: Plan,
    modulus: Modulus,
    /// Of the conjugate-invariant ring alone.
    fold: Option<Fold>,
}

impl Transform {
    /// Prepares the transform of ring degree `degree` and checks that it is one.
    pub fn new(ring: Ring, degree: usize, modulus: Modulus) -> Result<Self> {
        let fault = |reason| Error::Transform {
            prime: modulus.value(),
            ring_degree: degree,
            reason,
        };
        let no_roots = || fault("there are no roots of unity");
        let plan = Plan::try_new(degree, modulus.value()).ok_or_else(no_roots)?;
        let new = || Fold::new(Isa::detect(), degree, modulus);
        let fold = match ring {
            Ring::Standard => None,
            Ring::ConjugateInvariant => Some(new().ok_or_else(no_roots)?),
        };
        let transform = Self {
            plan,
            modulus,
            fold,
        };
        transform.check().map_err(fault)?;
        Ok(transform)
    }

    /// The prime.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Coefficients to values, in place.
    pub fn forward(&self, polynomial: &mut [u64]) {
        if let Some(fold) = &self.fold {
            fold.forward(polynomial);
        }
        self.plan.fwd(polynomial);
    }

    /// Values to coefficients, in place.
    pub fn inverse(&self, values: &mut [u64]) {
        self.plan.inv(values);
        match &self.fold {
            None => self.plan.normalize(values),
            Some(fold) => fold.inverse(values),
        }
    }

    /// What has to hold for the transform to be trusted.
    fn check(&self) -> Result<(), &'static str> {
        let (p, size) = (self.modulus, self.plan.ntt_size());
        if self.plan.use_ifma() != ifma_detected() {
            // the library then mixes tables and kernels of different word sizes
            return Err("its kernels do not match the prime's size");
        }
        // extremes and a fixed pseudo-random walk
        let original: Vec<u64> = (0..size as u64)
            .map(|i| match i % 5 {
                0 => p.value() - 1,
                1 => p.value() / 2,
                _ => i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % p.value(),
            })
            .collect();
        let mut round_trip = original.clone();
        self.forward(&mut round_trip);
        self.inverse(&mut round_trip);
        if original != round_trip {
            return Err("its inverse does not undo it");
        }
        // in the standard ring X X^(N-1) = -1; in the other, with b_i = X^i + X^-i, b_1 b_(N-1) =
        // b_(N-2) because b_N is zero
        let values = |place: usize| {
            let mut basis = vec![0; size];
            basis[place] = 1;
            self.forward(&mut basis);
            basis
        };
        let (first, last) = (values(1), values(size - 1));
        let expected = match self.fold {
            None => vec![p.value() - 1; size],
            Some(_) => values(size - 2),
        };
        let products = first.iter().zip(&last).map(|(&a, &b)| p.multiply(a, b));
        if !products.eq(expected) {
            return Err("its values do not multiply as the ring does");
        }
        Ok(())
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("prime", &self.modulus.value())
            .field("size", &self.plan.ntt_size())
            .finish_non_exhaustive()
    }
}

/// Whether the library takes its 52-bit kernels here, by the features that it asks for.
fn ifma_detected() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512ifma")
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512cd")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("lzcnt")
            && std::arch::is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::primes::primes_below;

    const DEGREE: usize = 64;

    fn transform(ring: Ring, bits: u32) -> Transform {
        let prime = primes_below(bits, 4 * DEGREE as u64).next().unwrap();
        Transform::new(ring, DEGREE, Modulus::new(prime)).unwrap()
    }

    /// The product from the definition of the ring, in wide integers.
    fn schoolbook(ring: Ring, p: Modulus, a: &[u64], b: &[u64]) -> Vec<u64> {
        let n = a.len() as i64;
        let mut sums = vec![0i128; a.len()];
        let mut add = |power: i64, value: i128| match ring {
            Ring::Standard => {
                let sign = if power < n { 1 } else { -1 };
                sums[(power % n) as usize] += sign * value;
            }
            // X^k + X^-k for |k| < 2N: X^N + X^-N is zero and X^(2N-k) + X^(k-2N) = -(X^k + X^-k)
            Ring::ConjugateInvariant => {
                let power = power.abs();
                match power.cmp(&n) {
                    std::cmp::Ordering::Less => sums[power as usize] += value,
                    std::cmp::Ordering::Equal => {}
                    std::cmp::Ordering::Greater => sums[(2 * n - power) as usize] -= value,
                }
            }
        };
        for (i, &x) in (0..).zip(a) {
            for (j, &y) in (0..).zip(b) {
                let product = i128::from(p.multiply(x, y));
                match ring {
                    Ring::Standard => add(i + j, product),
                    Ring::ConjugateInvariant => {
                        // (X^i + X^-i)(X^j + X^-j), where the first basis element is 1 and not 2
                        if i == 0 || j == 0 {
                            add(i + j, product);
                        } else {
                            add(i + j, product);
                            add(i - j, product * if i == j { 2 } else { 1 });
                        }
                    }
                }
            }
        }
        sums.into_iter().map(|sum| p.reduce_wide(sum)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn products_of_values_are_products_of_the_ring(
            words in prop::collection::vec(any::<u64>(), 2 * DEGREE),
            bits in prop_oneof![Just(50u32), Just(40), Just(20)],
            conjugate_invariant: bool,
        ) {
            let ring = if conjugate_invariant { Ring::ConjugateInvariant } else { Ring::Standard };
            let transform = transform(ring, bits);
            let p = transform.modulus();
            let words: Vec<u64> = words.iter().map(|w| w % p.value()).collect();
            let (a, b) = words.split_at(DEGREE);
            let (mut x, mut y) = (a.to_vec(), b.to_vec());
            transform.forward(&mut x);
            transform.forward(&mut y);
            let mut product: Vec<u64> = x.iter().zip(&y).map(|(&x, &y)| p.multiply(x, y)).collect();
            transform.inverse(&mut product);
            prop_assert_eq!(product, schoolbook(ring, p, a, b));
        }
    }

    #[test]
    fn a_prime_of_another_form_is_refused() {
        let prime = (1u64 << 39..)
            .find(|p| p % 256 != 1 && crate::primes::is_prime(*p))
            .unwrap();
        let made = Transform::new(Ring::Standard, DEGREE, Modulus::new(prime));
        assert!(matches!(made, Err(Error::Transform { .. })));
    }
}
