//! Number-theoretic transforms of both rings.
//!
//! The transforms are those of `tfhe-ntt`, whose output is in bit-reversed order: place j of a
//! negacyclic transform of size M holds the value at `psi^(2 brv(j) + 1)`. In the
//! conjugate-invariant ring of rank N an element `m_0 + sum m_i (X^i + X^-i)` is a polynomial of
//! size 2N (`X^-i = -X^(2N-i)`) whose values come in pairs that are equal, at a point and its
//! inverse. Complementing the bits of an index maps a point to its inverse and reversed order keeps
//! complements complements, so place j pairs with place 2N - 1 - j: the first half is the
//! transform. That order is checked when a transform is made, by transforming X.

use std::fmt;

use tfhe_ntt::prime64::Plan;

use crate::error::{Error, Result};
use crate::modulus::Modulus;
use crate::params::Ring;

/// The transform of one prime. Residues go in and come out canonical, in [0, p).
pub(crate) struct Transform {
    plan: Plan,
    modulus: Modulus,
    ring: Ring,
    degree: usize,
}

impl Transform {
    /// Prepares the transform of ring degree `degree` and checks that it is one.
    pub fn new(ring: Ring, degree: usize, modulus: Modulus) -> Result<Self> {
        let fault = |reason| Error::Transform {
            prime: modulus.value(),
            ring_degree: degree,
            reason,
        };
        let size = match ring {
            Ring::Standard => degree,
            Ring::ConjugateInvariant => 2 * degree,
        };
        let plan = Plan::try_new(size, modulus.value())
            .ok_or_else(|| fault("there are no roots of unity"))?;
        let transform = Self {
            plan,
            modulus,
            ring,
            degree,
        };
        transform.check().map_err(fault)?;
        Ok(transform)
    }

    /// The prime.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Coefficients to values, in place. `fold` is scratch space.
    pub fn forward(&self, polynomial: &mut [u64], fold: &mut Vec<u64>) {
        match self.ring {
            Ring::Standard => self.plan.fwd(polynomial),
            Ring::ConjugateInvariant => {
                fold.clear();
                fold.extend_from_slice(polynomial);
                fold.push(0);
                let negated = polynomial[1..].iter().rev();
                fold.extend(negated.map(|&m| self.modulus.subtract(0, m)));
                self.plan.fwd(fold);
                polynomial.copy_from_slice(&fold[..self.degree]);
            }
        }
    }

    /// Values to coefficients, in place. `fold` is scratch space.
    pub fn inverse(&self, values: &mut [u64], fold: &mut Vec<u64>) {
        match self.ring {
            Ring::Standard => self.plan.inv(values),
            Ring::ConjugateInvariant => {
                fold.clear();
                fold.extend_from_slice(values);
                fold.extend(values.iter().rev());
                self.plan.inv(fold);
                values.copy_from_slice(&fold[..self.degree]);
            }
        }
        self.plan.normalize(values);
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
        self.plan.fwd(&mut round_trip);
        self.plan.inv(&mut round_trip);
        let scaled = original.iter().map(|&a| p.multiply(a, size as u64));
        if !scaled.eq(round_trip.iter().copied()) {
            return Err("its inverse does not undo it");
        }
        let mut points = vec![0; size];
        points[1] = 1;
        self.plan.fwd(&mut points);
        let mut pairs = points.iter().zip(points.iter().rev());
        if !pairs.all(|(&a, &b)| p.multiply(a, b) == 1) {
            return Err("its points are not in bit-reversed order");
        }
        Ok(())
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("prime", &self.modulus.value())
            .field("ring", &self.ring)
            .field("degree", &self.degree)
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
            let (mut x, mut y, mut fold) = (a.to_vec(), b.to_vec(), vec![]);
            transform.forward(&mut x, &mut fold);
            transform.forward(&mut y, &mut fold);
            let mut product: Vec<u64> = x.iter().zip(&y).map(|(&x, &y)| p.multiply(x, y)).collect();
            transform.inverse(&mut product, &mut fold);
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
