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
use crate::isa::{Isa, Kind, per_isa};
use crate::modulus::{Modulus, power_modulo};

/// Both directions for one prime.
pub(crate) struct Fold {
    modulus: Modulus,
    isa: Isa,
    forward: Table,
    inverse: Table,
}

/// What coefficients are multiplied with, and their partners besides. Where the loops multiply by
/// Montgomery's method, all in his form.
struct Table {
    own: Aligned<u64>,
    iota: u64,
}

impl Table {
    fn new(isa: Isa, p: Modulus, own: Vec<u64>, iota: u64) -> Self {
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => {
                let factor = (1 << 52) % p.value();
                let form = |value: u64| p.multiply(value, factor);
                let own: Vec<u64> = own.into_iter().map(form).collect();
                Self {
                    own: Aligned::of(&own, 8),
                    iota: form(iota),
                }
            }
            _ => Self {
                own: Aligned::of(&own, 8),
                iota,
            },
        }
    }
}

impl Fold {
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
            forward: Table::new(isa, p, there, iota),
            inverse: Table::new(isa, p, back, iota),
        })
    }

    /// Before a transform.
    pub fn forward(&self, polynomial: &mut [u64]) {
        let Table { own, iota } = &self.forward;
        match self.isa.kind() {
            // SAFETY: an `Isa` exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => unsafe { ifma::there(self.modulus, polynomial, own, *iota) },
            _ => there(self.isa, self.modulus, polynomial, own, *iota),
        }
    }

    /// After an inverse transform.
    pub fn inverse(&self, polynomial: &mut [u64]) {
        let Table { own, iota } = &self.inverse;
        match self.isa.kind() {
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => unsafe { ifma::back(self.modulus, polynomial, own, *iota) },
            _ => back(self.isa, self.modulus, polynomial, own, *iota),
        }
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

/// Eight pairs at a time; products by Montgomery's method (Math. Comp. 44, 1985) with R = 2^52,
/// which the instructions split products at.
#[cfg(target_arch = "x86_64")]
mod ifma {
    use std::arch::x86_64::*;

    use super::{Modulus, factors, parts};

    const LANES: usize = 8;

    #[derive(Clone, Copy)]
    struct Wide {
        p: __m512i,
        /// 1/p modulo 2^52.
        inverse: __m512i,
    }

    impl Wide {
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn new(p: Modulus) -> Self {
            // Newton: each step doubles the bits that are right, and an odd number is its own
            // inverse modulo 8
            let mut inverse = p.value();
            for _ in 0..5 {
                let error = p.value().wrapping_mul(inverse);
                inverse = inverse.wrapping_mul(2u64.wrapping_sub(error));
            }
            Self {
                p: _mm512_set1_epi64(p.value() as i64),
                inverse: _mm512_set1_epi64((inverse & ((1 << 52) - 1)) as i64),
            }
        }

        /// `a b / 2^52` modulo p in (-p, p), for a below 2^52 and b below p.
        #[inline]
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn product(self, a: __m512i, b: __m512i) -> __m512i {
            let zero = _mm512_setzero_si512();
            let low = _mm512_madd52lo_epu64(zero, a, b);
            let high = _mm512_madd52hi_epu64(zero, a, b);
            let quotient = _mm512_madd52lo_epu64(zero, low, self.inverse);
            _mm512_sub_epi64(high, _mm512_madd52hi_epu64(zero, quotient, self.p))
        }

        /// A remainder in (-p, p) brought to [0, p).
        #[inline]
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn canonical(self, x: __m512i) -> __m512i {
            _mm512_min_epu64(x, _mm512_add_epi64(x, self.p))
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn reversed(x: __m512i) -> __m512i {
        _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), x)
    }

    /// One value in all lanes, through the same arithmetic.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn alone(x: __m512i) -> u64 {
        _mm_cvtsi128_si64(_mm512_castsi512_si128(x)) as u64
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn all(x: u64) -> __m512i {
        _mm512_set1_epi64(x as i64)
    }

    /// What becomes of eight values and their partners, by their factors.
    trait Step: Copy {
        fn pair(self, a: __m512i, b: __m512i, of_a: __m512i, of_b: __m512i) -> [__m512i; 2];
    }

    #[derive(Clone, Copy)]
    struct There(Wide, __m512i);

    #[derive(Clone, Copy)]
    struct Back(Wide, __m512i);

    impl Step for There {
        #[inline(always)]
        fn pair(self, a: __m512i, b: __m512i, of_a: __m512i, of_b: __m512i) -> [__m512i; 2] {
            let Self(wide, iota) = self;
            // SAFETY: only made where the features are.
            unsafe {
                let one = |x: __m512i, partner: __m512i, own: __m512i| {
                    // in (0, 3 p), which is below 2^52
                    let difference = _mm512_sub_epi64(x, wide.product(partner, iota));
                    let difference = _mm512_add_epi64(difference, wide.p);
                    wide.canonical(wide.product(difference, own))
                };
                [one(a, b, of_a), one(b, a, of_b)]
            }
        }
    }

    impl Step for Back {
        #[inline(always)]
        fn pair(self, a: __m512i, b: __m512i, of_a: __m512i, of_b: __m512i) -> [__m512i; 2] {
            let Self(wide, iota) = self;
            // SAFETY: only made where the features are.
            unsafe {
                let (a, b) = (
                    wide.canonical(wide.product(a, of_a)),
                    wide.canonical(wide.product(b, of_b)),
                );
                let one = |own: __m512i, partner: __m512i| {
                    let sum = _mm512_add_epi64(own, wide.canonical(wide.product(partner, iota)));
                    _mm512_min_epu64(sum, _mm512_sub_epi64(sum, wide.p))
                };
                [one(a, b), one(b, a)]
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn there(p: Modulus, x: &mut [u64], own: &[u64], iota: u64) {
        let wide = Wide::new(p);
        pairs(wide, There(wide, all(iota)), x, own);
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn back(p: Modulus, x: &mut [u64], own: &[u64], iota: u64) {
        let wide = Wide::new(p);
        pairs(wide, Back(wide, all(iota)), x, own);
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn pairs(wide: Wide, step: impl Step, x: &mut [u64], own: &[u64]) {
        let (Some((first, low, middle, high)), Some((f, of_low, m, of_high))) =
            (parts(x), factors(own))
        else {
            return;
        };
        let length = low.len();
        assert!(length == high.len() && length == of_low.len() && length == of_high.len());
        *first = alone(wide.canonical(wide.product(all(*first), all(f))));
        *middle = alone(step.pair(all(*middle), all(*middle), all(m), all(m))[0]);
        let whole = length / LANES * LANES;
        for place in (0..whole).step_by(LANES) {
            let opposite = length - LANES - place;
            // SAFETY: eight words from both places on lie within slices of that length.
            unsafe {
                let a = low.as_mut_ptr().add(place).cast::<__m512i>();
                let b = high.as_mut_ptr().add(opposite).cast::<__m512i>();
                let of_a = _mm512_loadu_si512(of_low.as_ptr().add(place).cast());
                let of_b = _mm512_loadu_si512(of_high.as_ptr().add(opposite).cast());
                let [x, y] = step.pair(
                    _mm512_loadu_si512(a),
                    reversed(_mm512_loadu_si512(b)),
                    of_a,
                    reversed(of_b),
                );
                _mm512_storeu_si512(a, x);
                _mm512_storeu_si512(b, reversed(y));
            }
        }
        for place in whole..length {
            let opposite = length - 1 - place;
            let (a, b) = (all(low[place]), all(high[opposite]));
            let [x, y] = step.pair(a, b, all(of_low[place]), all(of_high[opposite]));
            (low[place], high[opposite]) = (alone(x), alone(y));
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
                    let fold = Fold::new(isa, degree, p).unwrap();
                    let mut there = x.clone();
                    fold.forward(&mut there);
                    let mut back = there.clone();
                    fold.inverse(&mut back);
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
        let Table { own, iota } = Fold::new(portable, degree, p).unwrap().forward;
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
