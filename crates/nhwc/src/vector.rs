//! Vectors of 16 numbers for passes over feature maps, in AVX-512 or in plain Rust.

use crate::arithmetic::{LANES, Processor};
use crate::entry::Entry;

/// Sixteen numbers in f32.
pub(crate) trait Vector: Copy {
    /// The same number in every lane.
    fn splat(value: f32) -> Self;

    /// Up to 16 entries; the other lanes are zero.
    fn load<T: Entry>(entries: &[T]) -> Self;

    /// Writes as many lanes as there are entries, at most 16.
    fn store<T: Entry>(self, entries: &mut [T]);

    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;

    fn divide(self, other: Self) -> Self;

    /// The exponential function, to a few units in the last place.
    fn exp(self) -> Self;

    /// The function of every lane.
    #[inline(always)]
    fn each(self, function: fn(f32) -> f32) -> Self {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        Self::load(&lanes.map(function))
    }

    /// `self * factor + summand`, with one rounding or two.
    fn multiply_add(self, factor: Self, summand: Self) -> Self;

    /// The nearest value between `low` and `high`.
    fn clamp(self, low: Self, high: Self) -> Self;

    /// Zero in the lanes in which `left` and `right` differ.
    fn where_equal(self, left: Self, right: Self) -> Self;

    /// The larger of both, without sign.
    fn largest_magnitude(self, other: Self) -> Self;
}

impl Vector for [f32; LANES] {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        [value; LANES]
    }

    #[inline(always)]
    fn load<T: Entry>(entries: &[T]) -> Self {
        let mut lanes = [0.0; LANES];
        for (lane, entry) in lanes.iter_mut().zip(entries) {
            *lane = entry.to_f32();
        }
        lanes
    }

    #[inline(always)]
    fn store<T: Entry>(self, entries: &mut [T]) {
        for (entry, lane) in entries.iter_mut().zip(self) {
            *entry = T::from_f32(lane);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + other[lane])
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] - other[lane])
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] * other[lane])
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] / other[lane])
    }

    #[inline(always)]
    fn exp(self) -> Self {
        self.map(f32::exp)
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, summand: Self) -> Self {
        std::array::from_fn(|lane| self[lane] * factor[lane] + summand[lane])
    }

    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        // Not `f32::max`, which would turn NaN into a bound.
        std::array::from_fn(|lane| {
            if self[lane] < low[lane] {
                low[lane]
            } else if self[lane] > high[lane] {
                high[lane]
            } else {
                self[lane]
            }
        })
    }

    #[inline(always)]
    fn where_equal(self, left: Self, right: Self) -> Self {
        std::array::from_fn(|lane| {
            if left[lane] == right[lane] {
                self[lane]
            } else {
                0.0
            }
        })
    }

    #[inline(always)]
    fn largest_magnitude(self, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane].abs().max(other[lane].abs()))
    }
}

/// A loop over a part of a map, for any kind of vector.
pub(crate) trait Pass {
    type Output;

    /// Must be `#[inline(always)]`, so that it is compiled for the processor that runs it.
    fn run<V: Vector>(self) -> Self::Output;
}

/// Runs a pass on vectors of the processor.
pub(crate) fn run<P: Pass>(processor: Processor, pass: P) -> P::Output {
    match processor {
        Processor::Portable => pass.run::<[f32; LANES]>(),
        // SAFETY: `Processor` names only kinds that were detected.
        #[cfg(target_arch = "x86_64")]
        Processor::Avx512 | Processor::Avx512Bf16 => unsafe { x86::run(pass) },
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Pass, Vector};
    use crate::entry::{Entry, Precision};
    use std::arch::x86_64::*;

    /// # Safety
    /// The processor must have AVX-512 F, BW and VL.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn run<P: Pass>(pass: P) -> P::Output {
        pass.run::<__m512>()
    }

    /// Only [`run`] uses vectors of this type, on processors that have AVX-512 F, BW and VL: that makes every call below sound.
    impl Vector for __m512 {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn load<T: Entry>(entries: &[T]) -> Self {
            let mask = mask(entries.len());
            // SAFETY: see above; the mask has the entries' length.
            unsafe {
                match T::PRECISION {
                    Precision::F32 => _mm512_maskz_loadu_ps(mask, entries.as_ptr().cast()),
                    Precision::Bf16 => {
                        let halves = _mm256_maskz_loadu_epi16(mask, entries.as_ptr().cast());
                        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))
                    }
                }
            }
        }

        #[inline(always)]
        fn store<T: Entry>(self, entries: &mut [T]) {
            let to = entries.as_mut_ptr();
            // SAFETY: see above; 16 entries are there, or the mask has their number.
            unsafe {
                match (T::PRECISION, entries.len() >= LANES) {
                    (Precision::F32, true) => _mm512_storeu_ps(to.cast(), self),
                    (Precision::F32, false) => {
                        _mm512_mask_storeu_ps(to.cast(), mask(entries.len()), self);
                    }
                    (Precision::Bf16, true) => _mm256_storeu_si256(to.cast(), narrowed(self)),
                    (Precision::Bf16, false) => {
                        _mm256_mask_storeu_epi16(to.cast(), mask(entries.len()), narrowed(self));
                    }
                }
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        fn subtract(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_sub_ps(self, other) }
        }

        #[inline(always)]
        fn multiply(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_mul_ps(self, other) }
        }

        #[inline(always)]
        fn divide(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_div_ps(self, other) }
        }

        /// `exp(x) = 2^n exp(r)` with `x = n ln 2 + r` and Taylor's series to the sixth power on |r| <= ln 2 / 2.
        #[inline(always)]
        fn exp(self) -> Self {
            const SERIES: [f32; 7] = [
                1.0,
                1.0,
                0.5,
                1.0 / 6.0,
                1.0 / 24.0,
                1.0 / 120.0,
                1.0 / 720.0,
            ];
            let x = self.clamp(Self::splat(-104.0), Self::splat(89.0));
            // SAFETY: see above.
            unsafe {
                let scaled = _mm512_mul_ps(x, Self::splat(std::f32::consts::LOG2_E));
                let n = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT }>(scaled);
                // ln 2 in two parts, the first of which has few enough digits for an exact product.
                let r = _mm512_fnmadd_ps(n, Self::splat(0.693_359_4), x);
                let r = _mm512_fnmadd_ps(n, Self::splat(-2.121_944_4e-4), r);
                let mut sum = Self::splat(SERIES[6]);
                for coefficient in SERIES.iter().rev().skip(1) {
                    sum = sum.multiply_add(r, Self::splat(*coefficient));
                }
                _mm512_scalef_ps(sum, n)
            }
        }

        #[inline(always)]
        fn multiply_add(self, factor: Self, summand: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(self, factor, summand) }
        }

        #[inline(always)]
        fn clamp(self, low: Self, high: Self) -> Self {
            // SAFETY: see above. These instructions return their second operand where one is NaN.
            unsafe { _mm512_min_ps(high, _mm512_max_ps(low, self)) }
        }

        #[inline(always)]
        fn where_equal(self, left: Self, right: Self) -> Self {
            // SAFETY: see above.
            unsafe {
                let equal = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left, right);
                _mm512_maskz_mov_ps(equal, self)
            }
        }

        #[inline(always)]
        fn largest_magnitude(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_max_ps(_mm512_abs_ps(self), _mm512_abs_ps(other)) }
        }
    }

    /// A bit for each of `count` lanes, at most all.
    #[inline(always)]
    fn mask(count: usize) -> __mmask16 {
        ((1_u32 << count.min(LANES)) - 1) as __mmask16
    }

    /// Sixteen bf16, rounded to nearest, ties to even, as `Entry::from_f32` does it: the instruction for it would flush small numbers
    /// to zero.
    ///
    /// # Safety
    /// The processor must have AVX-512 F.
    #[inline(always)]
    pub unsafe fn narrowed(values: __m512) -> __m256i {
        // SAFETY: the caller has AVX-512 F.
        unsafe {
            let bits = _mm512_castps_si512(values);
            let odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(bits, half), 16))
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::narrowed;

#[cfg(test)]
mod tests {
    use super::*;

    struct Exp([f32; LANES]);

    impl Pass for Exp {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<V: Vector>(self) -> [f32; LANES] {
            let mut lanes = [0.0; LANES];
            V::load(&self.0).exp().store(&mut lanes);
            lanes
        }
    }

    #[test]
    fn the_exponential_function_is_exact_to_a_few_units_in_the_last_place() {
        for processor in Processor::all() {
            for start in -900..=880 {
                let x: [f32; LANES] =
                    std::array::from_fn(|lane| (start as f32 + lane as f32 / 16.0) / 10.0);
                for (x, found) in x.iter().zip(run(processor, Exp(x))) {
                    let wanted = f64::from(*x).exp();
                    let distance = (f64::from(found) - wanted).abs();
                    assert!(
                        distance <= 4e-7 * wanted + 1e-44,
                        "{processor:?} exp({x}): {found} {wanted}"
                    );
                }
            }
            let ends = [
                f32::NEG_INFINITY,
                f32::INFINITY,
                200.0,
                -200.0,
                0.0,
                f32::NAN,
                1.0,
                1.0,
            ];
            let ends: [f32; LANES] = std::array::from_fn(|lane| ends[lane % 8]);
            let found = run(processor, Exp(ends));
            assert_eq!(found[..5], [0.0, f32::INFINITY, f32::INFINITY, 0.0, 1.0]);
            assert!(found[5].is_nan());
        }
    }
}
