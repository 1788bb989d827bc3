//! Number-theoretic transforms of both rings.
//!
//! The values are those of `tfhe-ntt`: of a polynomial of size N at the roots of `Y^N = -1`, in
//! bit-reversed order. Where the machine has IFMA they are computed by [`Butterflies`], elsewhere by
//! the library.
//!
//! In the conjugate-invariant ring of rank N an element `m_0 + sum m_i (X^i + X^-i)` is a
//! polynomial modulo `X^2N + 1` (`X^-i = -X^(2N-i)`) whose values at a point and at its inverse are
//! equal. With psi a primitive 4N-th root of unity and iota = psi^N, a square root of -1, the roots
//! of `X^N = iota` are one point of every pair, and there the element is
//! `m_0 + sum (m_i - iota m_(N-i)) X^i`. With `X = Y / psi` those points are the roots of
//! `Y^N = -1`, so that one transform of size N is enough after multiplying coefficient i by
//! `psi^-i`. The way back solves the two equations that `m_i` and `m_(N-i)` are in.

#[cfg(target_arch = "x86_64")]
mod butterflies;

use std::fmt;

use tfhe_ntt::prime64::Plan;

#[cfg(target_arch = "x86_64")]
use self::butterflies::Butterflies;
use crate::error::{Error, Result};
use crate::isa::{Isa, Kind};
use crate::modulus::{CENTRE, Modulus};
use crate::params::Ring;
use crate::pointwise;
use crate::twist::ConjugateInvariantTwist;

/// The transform of one prime.
pub(crate) struct Transform {
    modulus: Modulus,
    ring: Ring,
    degree: usize,
    kernel: Kernel,
}

enum Kernel {
    Library(Library),
    #[cfg(target_arch = "x86_64")]
    Butterflies(Butterflies),
}

/// The transform of the library, and what the conjugate-invariant ring needs before and after.
struct Library {
    isa: Isa,
    plan: Plan,
    twist: Option<ConjugateInvariantTwist>,
}

impl Transform {
    /// Prepares the transform of ring degree `degree` and checks that it is one.
    pub fn new(ring: Ring, degree: usize, modulus: Modulus) -> Result<Self> {
        Self::with(Isa::detect(), ring, degree, modulus)
    }

    /// As [`Transform::new`], on an instruction set.
    fn with(isa: Isa, ring: Ring, degree: usize, modulus: Modulus) -> Result<Self> {
        let fault = |reason| Error::Transform {
            prime: modulus.value(),
            ring_degree: degree,
            reason,
        };
        let library = Library::new(isa, ring, degree, modulus).map_err(fault)?;
        let kernel = match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => {
                let iota = library.twist.as_ref().map(ConjugateInvariantTwist::iota);
                match Butterflies::new(modulus, &library.points(), iota) {
                    Some(butterflies) => Kernel::Butterflies(butterflies),
                    None => Kernel::Library(library),
                }
            }
            _ => Kernel::Library(library),
        };
        let transform = Self {
            modulus,
            ring,
            degree,
            kernel,
        };
        transform.check().map_err(fault)?;
        Ok(transform)
    }

    /// The prime.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// The values of `first + sum of factor * polynomial`, canonical. Polynomials hold words ([`CENTRE`]), factors are residues.
    pub fn forward(&self, first: &[u64], more: &[(u64, &[u64])], out: &mut [u64]) {
        match &self.kernel {
            Kernel::Library(library) => library.forward(self.modulus, first, more, out),
            #[cfg(target_arch = "x86_64")]
            Kernel::Butterflies(kernel) => kernel.forward::<false>(first, more, out),
        }
    }

    /// The same, as numbers whose lower 52 bits are congruent to the values and which may have anything above them: what
    /// [`inner_products`](crate::inner_product::inner_products) takes.
    pub fn forward_open(&self, first: &[u64], more: &[(u64, &[u64])], out: &mut [u64]) {
        match &self.kernel {
            Kernel::Library(library) => library.forward(self.modulus, first, more, out),
            #[cfg(target_arch = "x86_64")]
            Kernel::Butterflies(kernel) => kernel.forward::<true>(first, more, out),
        }
    }

    /// Canonical values to centred coefficients, as words ([`CENTRE`]).
    pub fn inverse(&self, values: &[u64], out: &mut [u64]) {
        match &self.kernel {
            Kernel::Library(library) => library.inverse(self.modulus, values, out),
            #[cfg(target_arch = "x86_64")]
            Kernel::Butterflies(kernel) => kernel.inverse(values, out),
        }
    }

    /// What has to hold for the transform to be trusted.
    fn check(&self) -> Result<(), &'static str> {
        let (p, size) = (self.modulus, self.degree);
        // extremes and a fixed pseudo-random walk
        let original: Vec<u64> = (0..size as u64)
            .map(|i| match i % 5 {
                0 => p.value() - 1,
                1 => p.value() / 2,
                _ => i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % p.value(),
            })
            .collect();
        let original: Vec<u64> = original.into_iter().map(|x| p.word(x)).collect();
        let (mut values, mut round_trip) = (vec![0; size], vec![0; size]);
        self.forward(&original, &[], &mut values);
        self.inverse(&values, &mut round_trip);
        if original != round_trip {
            return Err("its inverse does not undo it");
        }
        // in the standard ring X X^(N-1) = -1; in the other, with b_i = X^i + X^-i, b_1 b_(N-1) =
        // b_(N-2) because b_N is zero
        let values = |place: usize| {
            let mut basis = vec![CENTRE; size];
            basis[place] += 1;
            let mut values = vec![0; size];
            self.forward(&basis, &[], &mut values);
            values
        };
        let (first, last) = (values(1), values(size - 1));
        let expected = match self.ring {
            Ring::Standard => vec![p.value() - 1; size],
            Ring::ConjugateInvariant => values(size - 2),
        };
        let products = first.iter().zip(&last).map(|(&a, &b)| p.multiply(a, b));
        if !products.eq(expected) {
            return Err("its values do not multiply as the ring does");
        }
        Ok(())
    }
}

impl Library {
    fn new(isa: Isa, ring: Ring, degree: usize, p: Modulus) -> Result<Self, &'static str> {
        let no_roots = "there are no roots of unity";
        let plan = Plan::try_new(degree, p.value()).ok_or(no_roots)?;
        if plan.use_ifma() != ifma_detected() {
            // the library then mixes tables and kernels of different word sizes
            return Err("its kernels do not match the prime's size");
        }
        let twist = match ring {
            Ring::Standard => None,
            Ring::ConjugateInvariant => {
                Some(ConjugateInvariantTwist::new(isa, degree, p).ok_or(no_roots)?)
            }
        };
        Ok(Self { isa, plan, twist })
    }

    fn forward(&self, p: Modulus, first: &[u64], more: &[(u64, &[u64])], out: &mut [u64]) {
        pointwise::reduce(self.isa, p, first, out);
        for (factor, words) in more {
            pointwise::add_scaled(self.isa, p, out, words, *factor);
        }
        if let Some(twist) = &self.twist {
            twist.forward(out);
        }
        self.plan.fwd(out);
    }

    fn inverse(&self, p: Modulus, values: &[u64], out: &mut [u64]) {
        out.copy_from_slice(values);
        self.plan.inv(out);
        match &self.twist {
            None => self.plan.normalize(out),
            Some(twist) => twist.inverse(out),
        }
        pointwise::centre(self.isa, p, out);
    }

    /// Where polynomials `sum h_i X^i` are evaluated, `h_i` what [`ConjugateInvariantTwist`] says.
    #[cfg(target_arch = "x86_64")]
    fn points(&self) -> Vec<u64> {
        let mut points = vec![0; self.plan.ntt_size()];
        points[1] = self
            .twist
            .as_ref()
            .map_or(1, ConjugateInvariantTwist::twist);
        self.plan.fwd(&mut points);
        points
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("prime", &self.modulus.value())
            .field("size", &self.degree)
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
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::primes::primes_below;

    const DEGREE: usize = 64;

    fn transform(ring: Ring, bits: u32) -> Transform {
        let prime = primes_below(bits, 4 * DEGREE as u64).next().unwrap();
        Transform::new(ring, DEGREE, Modulus::new(prime)).unwrap()
    }

    /// Every size, primes on both sides of every bound, and residues as large as they can be.
    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for ring in [Ring::Standard, Ring::ConjugateInvariant] {
            for (log_n, bits) in (6..=16).flat_map(|n| [50, 46, 45, 44, 36, 24].map(|b| (n, b))) {
                let degree = 1usize << log_n;
                let Some(prime) = primes_below(bits, 4 * degree as u64).next() else {
                    continue;
                };
                let p = Modulus::new(prime);
                let transforms: Vec<Transform> = Isa::available()
                    .map(|isa| Transform::with(isa, ring, degree, p).unwrap())
                    .collect();
                // words of centred numbers of up to 50 bits, whatever the prime
                let most = (1u64 << 49) - 1;
                for extreme in 0..4 {
                    let word = |seed: u64| {
                        move |i: u64| match extreme {
                            0 => CENTRE + most,
                            1 => CENTRE - most,
                            2 if i % 7 < 3 => CENTRE + most,
                            2 => CENTRE - most,
                            _ => {
                                let scrambled = (i + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                                CENTRE - most + scrambled % (2 * most)
                            }
                        }
                    };
                    let words: [Vec<u64>; 3] =
                        [1, 2, 3].map(|seed| (0..degree as u64).map(word(seed)).collect());
                    let sums: [&[(u64, &[u64])]; 3] = [
                        &[],
                        &[(prime - 1, &words[1])],
                        &[(prime - 1, &words[1]), (prime / 3, &words[2])],
                    ];
                    for more in sums {
                        let mut outcomes = transforms.iter().map(|transform| {
                            let [mut there, mut open, mut back] =
                                std::array::from_fn(|_| vec![u64::MAX; degree]);
                            transform.forward(&words[0], more, &mut there);
                            transform.forward_open(&words[0], more, &mut open);
                            let word = (1u64 << 52) - 1;
                            let agree =
                                |(open, value): (&u64, &u64)| (open & word) % prime == *value;
                            assert!(open.iter().zip(&there).all(agree));
                            transform.inverse(&there, &mut back);
                            (there, back)
                        });
                        let first = outcomes.next().unwrap();
                        assert!(
                            outcomes.all(|other| other == first),
                            "2^{log_n}, {bits} bits"
                        );
                    }
                }
            }
        }
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
            let values = |x: &[u64]| {
                let words: Vec<u64> = x.iter().map(|&x| p.word(x)).collect();
                let mut values = vec![0; DEGREE];
                transform.forward(&words, &[], &mut values);
                values
            };
            let product: Vec<u64> =
                values(a).into_iter().zip(values(b)).map(|(x, y)| p.multiply(x, y)).collect();
            let mut coefficients = vec![0; DEGREE];
            transform.inverse(&product, &mut coefficients);
            let expected: Vec<u64> =
                schoolbook(ring, p, a, b).into_iter().map(|x| p.word(x)).collect();
            prop_assert_eq!(coefficients, expected);
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

    /// Microseconds of the library's transforms and of those that this machine takes, the least of alternating runs:
    /// `cargo test --release -p ckks --lib transforms_timed -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn transforms_timed() {
        for ring in [Ring::Standard, Ring::ConjugateInvariant] {
            for (log_n, bits) in [(11, 40), (13, 40), (13, 50), (14, 40), (14, 50), (15, 40)] {
                let degree = 1usize << log_n;
                let prime = primes_below(bits, 4 * degree as u64).next().unwrap();
                let p = Modulus::new(prime);
                let portable = Isa::available().next().unwrap();
                let transforms = [portable, Isa::detect()]
                    .map(|isa| Transform::with(isa, ring, degree, p).unwrap());
                let mut x: Vec<u64> = (0..degree as u64).map(|i| i * 12345 % prime).collect();
                let mut values = vec![0; degree];
                let mut least = [[f64::MAX; 2]; 2];
                for _ in 0..400 {
                    for (transform, least) in transforms.iter().zip(&mut least) {
                        let start = Instant::now();
                        transform.forward(&x, &[], &mut values);
                        let middle = Instant::now();
                        transform.inverse(&values, &mut x);
                        least[0] = least[0].min((middle - start).as_secs_f64() * 1e6);
                        least[1] = least[1].min(middle.elapsed().as_secs_f64() * 1e6);
                    }
                }
                let [library, own] = least.map(|[there, back]| format!("{there:.1} + {back:.1}"));
                println!("{ring}, 2^{log_n}, {bits} bits: library {library} us, own {own} us");
            }
        }
    }
}
