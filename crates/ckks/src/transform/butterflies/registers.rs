//! Arithmetic on eight residues at a time, in words of 52 bits.

use std::arch::x86_64::*;

use super::{Factor, Factors, LANES, WORD_BITS};
use crate::modulus::Modulus;

/// The prime in all lanes. Made in functions that are compiled for the features.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    pub p: __m512i,
    pub twice: __m512i,
    /// `2^52 - p`
    pub negative: __m512i,
    /// `floor(2^52 / p)`
    pub quotient: __m512i,
    pub word: __m512i,
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn new(p: Modulus) -> Self {
        let p = p.value();
        Self {
            p: all(p),
            twice: all(2 * p),
            negative: all((1 << WORD_BITS) - p),
            quotient: all((1 << WORD_BITS) / p),
            word: all((1 << WORD_BITS) - 1),
        }
    }

    /// `x + S y` with a product below 2p, for any words.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn add_product(self, x: __m512i, y: __m512i, value: __m512i, quotient: __m512i) -> __m512i {
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), y, quotient);
        let sum = _mm512_madd52lo_epu64(x, y, value);
        _mm512_madd52lo_epu64(sum, quotient, self.negative)
    }

    /// A product with a factor below 2p, for any word, and nothing above the word.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn product(self, x: __m512i, value: __m512i, quotient: __m512i) -> __m512i {
        let product = self.add_product(_mm512_setzero_si512(), x, value, quotient);
        _mm512_and_si512(product, self.word)
    }

    /// A word brought below 2p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn reduce(self, x: __m512i) -> __m512i {
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, self.quotient);
        _mm512_madd52lo_epu64(x, quotient, self.negative)
    }

    /// What is below 4p brought below 2p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn halve(self, x: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.twice))
    }

    /// What is below 2p brought below p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn canonical(self, x: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.p))
    }

    /// `(x + S y, x - S y)`: words that grow by 2p, or, without room, numbers below 4p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn forward<const ROOM: bool>(
        self,
        x: __m512i,
        y: __m512i,
        value: __m512i,
        quotient: __m512i,
    ) -> [__m512i; 2] {
        if ROOM {
            let twice = _mm512_add_epi64(_mm512_add_epi64(x, x), self.twice);
            let sum = self.add_product(x, y, value, quotient);
            return [sum, _mm512_sub_epi64(twice, sum)];
        }
        let x = self.halve(x);
        let y = self.product(y, value, quotient);
        let difference = _mm512_sub_epi64(_mm512_add_epi64(x, self.twice), y);
        [_mm512_add_epi64(x, y), difference]
    }

    /// `(x + y, (x - y) S)` of words below `bound`, a multiple of p, or, without room, of numbers below 2p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn inverse<const ROOM: bool>(
        self,
        x: __m512i,
        y: __m512i,
        value: __m512i,
        quotient: __m512i,
        bound: __m512i,
    ) -> [__m512i; 2] {
        let sum = _mm512_add_epi64(x, y);
        let difference = _mm512_sub_epi64(_mm512_add_epi64(x, bound), y);
        if ROOM {
            let zero = _mm512_setzero_si512();
            return [sum, self.add_product(zero, difference, value, quotient)];
        }
        [self.halve(sum), self.product(difference, value, quotient)]
    }
}

impl Factor {
    /// In all lanes, and its quotient.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn broadcast(self) -> [__m512i; 2] {
        [all(self.value), all(self.quotient)]
    }
}

impl Factors {
    /// The factors and their quotients.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn load(&self) -> [__m512i; 2] {
        [load(self.values.as_ptr()), load(self.quotients.as_ptr())]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn all(x: u64) -> __m512i {
    _mm512_set1_epi64(x as i64)
}

/// One value in all lanes, through the same arithmetic.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn alone(x: __m512i) -> u64 {
    _mm_cvtsi128_si64(_mm512_castsi512_si128(x)) as u64
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn reversed(x: __m512i) -> __m512i {
    _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), x)
}

/// Eight words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(from: *const u64) -> __m512i {
    // SAFETY: every caller has eight words there.
    unsafe { _mm512_loadu_si512(from.cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(to: *mut u64, x: __m512i) {
    // SAFETY: every caller has eight words there.
    unsafe { _mm512_storeu_si512(to.cast(), x) };
}

/// Lane j of register i goes to lane i of register j.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(v: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut pairs = v;
    for i in (0..LANES).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi64(v[i], v[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(v[i], v[i + 1]);
    }
    // 128-bit lanes of registers i and i + 2, then of i and i + 4
    let mut fours = pairs;
    for i in [0, 1, 4, 5] {
        fours[i] = _mm512_shuffle_i64x2::<0x88>(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_shuffle_i64x2::<0xdd>(pairs[i], pairs[i + 2]);
    }
    let mut out = fours;
    for i in 0..4 {
        out[i] = _mm512_shuffle_i64x2::<0x88>(fours[i], fours[i + 4]);
        out[i + 4] = _mm512_shuffle_i64x2::<0xdd>(fours[i], fours[i + 4]);
    }
    out
}
