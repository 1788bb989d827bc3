//! What is done to coefficients before the first and after the last stage.

use std::arch::x86_64::*;

use super::registers::{Wide, all, alone, load, reversed, store};
use super::{Factor, LANES, Sum};
use crate::modulus::CENTRE;

impl Wide {
    /// The sum at one place, below 2^51 and three primes more, or, without room, below 2p. `load` reads a register of a polynomial.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn sum<const ROOM: bool>(self, sum: &Sum<'_>, load: impl Fn(&[u64]) -> __m512i) -> __m512i {
        let first = _mm512_add_epi64(load(sum.first), all(sum.constant));
        let first = if ROOM {
            first
        } else {
            _mm512_and_si512(self.reduce(first), self.word)
        };
        sum.more.iter().fold(first, |total, (factor, words)| {
            let [value, quotient] = factor.broadcast();
            let words = load(words);
            if ROOM {
                self.add_product(total, words, value, quotient)
            } else {
                let product = self.product(words, value, quotient);
                self.halve(_mm512_add_epi64(total, product))
            }
        })
    }

    /// The sum's coefficients.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn begin<const ROOM: bool>(self, sum: &Sum<'_>, out: &mut [u64]) {
        for place in (0..out.len()).step_by(LANES) {
            // SAFETY: all polynomials have the length of `out`, a multiple of eight.
            let at = |words: &[u64]| load(unsafe { words.as_ptr().add(place) });
            let total = self.sum::<ROOM>(sum, at);
            store(out[place..].as_mut_ptr(), total);
        }
    }

    /// `x_i - iota x_(N-i)` of the sum's coefficients; x_N is zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn begin_pairs<const ROOM: bool>(self, sum: &Sum<'_>, iota: Factor, out: &mut [u64]) {
        let [value, quotient] = iota.broadcast();
        let difference = |x: __m512i, partner: __m512i| {
            let partner = self.product(partner, value, quotient);
            let difference = _mm512_sub_epi64(_mm512_add_epi64(x, self.twice), partner);
            if ROOM {
                difference
            } else {
                self.halve(difference)
            }
        };
        let one = |place: usize| self.sum::<ROOM>(sum, |words| all(words[place]));
        let degree = out.len();
        out[0] = alone(one(0));
        for low in (1..LANES).chain([degree / 2]) {
            let (x, y) = (one(low), one(degree - low));
            out[low] = alone(difference(x, y));
            out[degree - low] = alone(difference(y, x));
        }
        for low in (LANES..degree / 2).step_by(LANES) {
            let high = degree - low - (LANES - 1);
            // SAFETY: eight words from both places on lie within the polynomials, which have the length of `out`.
            unsafe {
                let at =
                    |place: usize| self.sum::<ROOM>(sum, |words| load(words.as_ptr().add(place)));
                let (x, y) = (at(low), reversed(at(high)));
                store(out.as_mut_ptr().add(low), difference(x, y));
                store(out.as_mut_ptr().add(high), reversed(difference(y, x)));
            }
        }
    }

    /// The centred representative of a canonical residue, as a word.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn centred(self, x: __m512i) -> __m512i {
        let upper = _mm512_cmpgt_epu64_mask(x, _mm512_srli_epi64::<1>(self.p));
        let centre = all(CENTRE);
        let below = _mm512_sub_epi64(centre, self.p);
        _mm512_add_epi64(x, _mm512_mask_blend_epi64(upper, centre, below))
    }

    /// What [`Self::begin_pairs`] did, undone and divided by N; centred.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn end_pairs(self, x: &mut [u64], normalisation: Factor, sum: Factor, difference: Factor) {
        let [value, quotient] = normalisation.broadcast();
        let ([sum, of_sum], [difference, of_difference]) =
            (sum.broadcast(), difference.broadcast());
        let pair = |low: __m512i, high: __m512i| {
            let word = |x: __m512i| _mm512_and_si512(self.reduce(x), self.word);
            let (low, high) = (word(low), word(high));
            let sum = self.product(_mm512_add_epi64(low, high), sum, of_sum);
            let apart = _mm512_sub_epi64(_mm512_add_epi64(low, self.twice), high);
            let apart = self.product(apart, difference, of_difference);
            let centred = |x| self.centred(self.canonical(self.halve(x)));
            [
                centred(_mm512_add_epi64(sum, apart)),
                centred(_mm512_sub_epi64(_mm512_add_epi64(sum, self.twice), apart)),
            ]
        };
        let degree = x.len();
        let first = self.canonical(self.product(all(x[0]), value, quotient));
        x[0] = alone(self.centred(first));
        for i in (1..LANES).chain([degree / 2]) {
            let [low, high] = pair(all(x[i]), all(x[degree - i]));
            x[degree - i] = alone(high);
            x[i] = alone(low);
        }
        for i in (LANES..degree / 2).step_by(LANES) {
            // SAFETY: eight words from both places on lie within the polynomial, in different halves of it: the upper ones end at N - i.
            unsafe {
                let low = x.as_mut_ptr().add(i);
                let high = x.as_mut_ptr().add(degree - i - (LANES - 1));
                let [a, b] = pair(load(low), reversed(load(high)));
                store(low, a);
                store(high, reversed(b));
            }
        }
    }

    /// Products with one factor, centred.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn scale(self, x: &mut [u64], factor: Factor) {
        let [value, quotient] = factor.broadcast();
        for x in x.as_chunks_mut::<LANES>().0 {
            let product = self.canonical(self.product(load(x.as_ptr()), value, quotient));
            store(x.as_mut_ptr(), self.centred(product));
        }
    }
}
