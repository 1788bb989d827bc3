//! What is done to coefficients before the first and after the last stage.

use std::arch::x86_64::*;

use super::registers::{Wide, all, alone, load, reversed, store};
use super::{Factor, LANES, SQUARE};

impl Wide {
    /// `x_i - iota x_(N-i)`, below 3p; x_N is zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn begin(self, x: &mut [u64], iota: Factor) {
        let [value, quotient] = iota.broadcast();
        self.pairs(x, |low, high| {
            let difference = |x: __m512i, partner: __m512i| {
                let partner = self.product(partner, value, quotient);
                // below 3p, and below 2p without a branch on the prime's size
                self.halve(_mm512_sub_epi64(_mm512_add_epi64(x, self.twice), partner))
            };
            [difference(low, high), difference(high, low)]
        });
    }

    /// What [`Self::begin`] did, undone and divided by N, canonical.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn end(self, x: &mut [u64], normalisation: Factor, sum: Factor, difference: Factor) {
        let [value, quotient] = normalisation.broadcast();
        let first = self.product(all(x[0]), value, quotient);
        let ([sum, of_sum], [difference, of_difference]) =
            (sum.broadcast(), difference.broadcast());
        self.pairs(x, |low, high| {
            let (low, high) = (self.reduce(low), self.reduce(high));
            let sum = self.product(_mm512_add_epi64(low, high), sum, of_sum);
            let apart = _mm512_sub_epi64(_mm512_add_epi64(low, self.twice), high);
            let apart = self.product(apart, difference, of_difference);
            let canonical = |x| self.canonical(self.halve(x));
            [
                canonical(_mm512_add_epi64(sum, apart)),
                canonical(_mm512_sub_epi64(_mm512_add_epi64(sum, self.twice), apart)),
            ]
        });
        x[0] = alone(self.canonical(first));
    }

    /// Canonical products with one factor.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn scale(self, x: &mut [u64], factor: Factor) {
        let [value, quotient] = factor.broadcast();
        for x in x.as_chunks_mut::<LANES>().0 {
            let product = self.product(load(x.as_ptr()), value, quotient);
            store(x.as_mut_ptr(), self.canonical(product));
        }
    }

    /// Changes coefficients i and N - i together, for 0 < i <= N / 2.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pairs(self, x: &mut [u64], change: impl Fn(__m512i, __m512i) -> [__m512i; 2]) {
        let degree = x.len();
        assert!(degree >= SQUARE);
        let one = |x: &mut [u64], i: usize| {
            let [low, high] = change(all(x[i]), all(x[degree - i]));
            (x[i], x[degree - i]) = (alone(low), alone(high));
        };
        for i in 1..LANES {
            one(x, i);
        }
        for i in (LANES..degree / 2).step_by(LANES) {
            // SAFETY: eight words from both places on lie within the polynomial, in different halves of it: the upper ones end at N - i.
            unsafe {
                let low = x.as_mut_ptr().add(i);
                let high = x.as_mut_ptr().add(degree - i - (LANES - 1));
                let [a, b] = change(load(low), reversed(load(high)));
                store(low, a);
                store(high, reversed(b));
            }
        }
        let [middle, _] = change(all(x[degree / 2]), all(x[degree / 2]));
        x[degree / 2] = alone(middle);
    }
}
