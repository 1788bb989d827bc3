//! Eight doubles at a time on every instruction set.
//!
//! The compiler does not keep a tile of sums in registers by itself and turns the conversions at
//! both ends into gathers, so these few operations are spelled out.

use crate::modulus::{MAGIC, Modulus, exact_f64, round_to_i64};

/// log2 of a digit's base.
pub(super) const DIGIT_BITS: i32 = 25;
pub(super) const BASE: f64 = (1u64 << DIGIT_BITS) as f64;

/// Doubles that are handled as one.
pub(super) const LANES: usize = 8;

/// Neighbouring slots, aligned for the widest loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [f64; LANES]);

impl Lanes {
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Registers of one instruction set; a value proves that the machine has it.
pub(super) trait Vectors: Copy {
    /// Eight doubles.
    type Register: Copy;
    /// Registers that a strip is wide.
    const WIDTH: usize;
    /// Rows of a tile: as many sums as there are registers for, with two digits.
    const ROWS: usize;

    fn zero(self) -> Self::Register;
    fn load(self, from: &Lanes) -> Self::Register;
    /// `x * weight + sum` in every lane. All three are such that nothing is rounded.
    fn multiply_add(self, x: Self::Register, weight: f64, sum: Self::Register) -> Self::Register;
    /// Centred residues as doubles.
    fn centred(self, p: Modulus, residues: &[u64; LANES]) -> Lanes;
    /// Centred residues as `low + high * BASE` with digits of at most BASE / 2 in magnitude.
    fn digits(self, p: Modulus, residues: &[u64; LANES]) -> [Lanes; 2];
    /// `(low + high * BASE) mod p` of exact sums below 2^51 in magnitude.
    ///
    /// The quotient is below 2^50 with a relative error of a few 2^-53, so its rounding is off by
    /// less than one half more, and the wrapping remainder lies in (-p, p).
    fn combine(self, p: Modulus, low: Self::Register, high: Self::Register, out: &mut [u64; LANES]);
}

/// What every machine has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Vectors for Portable {
    type Register = [f64; LANES];
    const WIDTH: usize = 1;
    const ROWS: usize = 1;

    #[inline(always)]
    fn zero(self) -> [f64; LANES] {
        [0.0; LANES]
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> [f64; LANES] {
        from.0
    }

    #[inline(always)]
    fn multiply_add(self, x: [f64; LANES], weight: f64, mut sum: [f64; LANES]) -> [f64; LANES] {
        // not fused: without the instruction that would be a function call, and nothing is rounded
        // anyway
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += x * weight;
        }
        sum
    }

    #[inline(always)]
    fn centred(self, p: Modulus, residues: &[u64; LANES]) -> Lanes {
        Lanes(residues.map(|residue| exact_f64(p.centred(residue))))
    }

    #[inline(always)]
    fn digits(self, p: Modulus, residues: &[u64; LANES]) -> [Lanes; 2] {
        let centred = residues.map(|residue| exact_f64(p.centred(residue)));
        let high = centred.map(|x| exact_f64(round_to_i64(x * (1.0 / BASE))));
        let mut low = centred;
        for (low, high) in low.iter_mut().zip(high) {
            *low -= high * BASE;
        }
        [Lanes(low), Lanes(high)]
    }

    #[inline(always)]
    fn combine(self, p: Modulus, low: [f64; LANES], high: [f64; LANES], out: &mut [u64; LANES]) {
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            let quotient = round_to_i64((high * BASE + low) * p.reciprocal());
            let value = round_to_i64(low).wrapping_add(round_to_i64(high) << DIGIT_BITS);
            *out = p.canonical(value.wrapping_sub(quotient.wrapping_mul(p.value() as i64)));
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BASE, DIGIT_BITS, LANES, Lanes, MAGIC, Modulus, Portable, Vectors};

    /// AVX2 and FMA: two registers of four.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(());

    impl Avx2 {
        /// # Safety
        /// The machine has AVX2 and FMA.
        pub unsafe fn assume() -> Self {
            Self(())
        }
    }

    impl Vectors for Avx2 {
        type Register = [__m256d; 2];
        const WIDTH: usize = 1;
        const ROWS: usize = 2;

        #[inline(always)]
        fn zero(self) -> [__m256d; 2] {
            // SAFETY: a value of this type proves the features.
            unsafe { [_mm256_setzero_pd(); 2] }
        }

        #[inline(always)]
        fn load(self, from: &Lanes) -> [__m256d; 2] {
            let (low, high) = from.0.split_at(LANES / 2);
            // SAFETY: features as above; both halves are four doubles at multiples of 32 bytes.
            unsafe { [_mm256_load_pd(low.as_ptr()), _mm256_load_pd(high.as_ptr())] }
        }

        #[inline(always)]
        fn multiply_add(self, x: [__m256d; 2], weight: f64, sum: [__m256d; 2]) -> [__m256d; 2] {
            // SAFETY: features as above.
            unsafe {
                let weight = _mm256_set1_pd(weight);
                [
                    _mm256_fmadd_pd(x[0], weight, sum[0]),
                    _mm256_fmadd_pd(x[1], weight, sum[1]),
                ]
            }
        }

        #[inline(always)]
        fn centred(self, p: Modulus, residues: &[u64; LANES]) -> Lanes {
            Portable.centred(p, residues)
        }

        #[inline(always)]
        fn digits(self, p: Modulus, residues: &[u64; LANES]) -> [Lanes; 2] {
            Portable.digits(p, residues)
        }

        #[inline(always)]
        fn combine(
            self,
            p: Modulus,
            low: [__m256d; 2],
            high: [__m256d; 2],
            out: &mut [u64; LANES],
        ) {
            let [low, high] = [low, high].map(|register| {
                let mut lanes = Lanes::ZERO;
                let (first, second) = lanes.0.split_at_mut(LANES / 2);
                // SAFETY: features as above; both halves are four doubles at multiples of 32 bytes.
                unsafe {
                    _mm256_store_pd(first.as_mut_ptr(), register[0]);
                    _mm256_store_pd(second.as_mut_ptr(), register[1]);
                }
                lanes.0
            });
            Portable.combine(p, low, high, out);
        }
    }

    /// AVX-512 F and DQ.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(());

    impl Avx512 {
        /// # Safety
        /// The machine has AVX-512 F and DQ.
        pub unsafe fn assume() -> Self {
            Self(())
        }
    }

    impl Vectors for Avx512 {
        type Register = __m512d;
        const WIDTH: usize = 2;
        const ROWS: usize = 6;

        #[inline(always)]
        fn zero(self) -> __m512d {
            // SAFETY: a value of this type proves the feature.
            unsafe { _mm512_setzero_pd() }
        }

        #[inline(always)]
        fn load(self, from: &Lanes) -> __m512d {
            // SAFETY: feature as above; eight doubles aligned to 64 bytes.
            unsafe { _mm512_load_pd(from.0.as_ptr()) }
        }

        #[inline(always)]
        fn multiply_add(self, x: __m512d, weight: f64, sum: __m512d) -> __m512d {
            // SAFETY: feature as above.
            unsafe { _mm512_fmadd_pd(x, _mm512_set1_pd(weight), sum) }
        }

        #[inline(always)]
        fn centred(self, p: Modulus, residues: &[u64; LANES]) -> Lanes {
            let mut lanes = Lanes::ZERO;
            // SAFETY: features as above; eight doubles aligned to 64 bytes.
            unsafe { _mm512_store_pd(lanes.0.as_mut_ptr(), self.centre(p, residues)) };
            lanes
        }

        #[inline(always)]
        fn digits(self, p: Modulus, residues: &[u64; LANES]) -> [Lanes; 2] {
            let mut lanes = [Lanes::ZERO; 2];
            // SAFETY: features as above; eight doubles aligned to 64 bytes each. `high` is the
            // rounded quotient by a power of two, so nothing else is rounded.
            unsafe {
                let centred = self.centre(p, residues);
                let magic = _mm512_set1_pd(MAGIC);
                let high = _mm512_fmadd_pd(centred, _mm512_set1_pd(1.0 / BASE), magic);
                let high = _mm512_sub_pd(high, magic);
                let low = _mm512_fnmadd_pd(high, _mm512_set1_pd(BASE), centred);
                _mm512_store_pd(lanes[0].0.as_mut_ptr(), low);
                _mm512_store_pd(lanes[1].0.as_mut_ptr(), high);
            }
            lanes
        }

        #[inline(always)]
        fn combine(self, p: Modulus, low: __m512d, high: __m512d, out: &mut [u64; LANES]) {
            // SAFETY: features as above; eight words. Conversions round, as the portable ones do.
            unsafe {
                let prime = _mm512_set1_epi64(p.value() as i64);
                let sum = _mm512_fmadd_pd(high, _mm512_set1_pd(BASE), low);
                let quotient = _mm512_mul_pd(sum, _mm512_set1_pd(p.reciprocal()));
                let quotient = _mm512_cvtpd_epi64(quotient);
                let high = _mm512_slli_epi64::<{ DIGIT_BITS as u32 }>(_mm512_cvtpd_epi64(high));
                let value = _mm512_add_epi64(_mm512_cvtpd_epi64(low), high);
                let rest = _mm512_sub_epi64(value, _mm512_mullo_epi64(quotient, prime));
                let rest = _mm512_min_epu64(rest, _mm512_add_epi64(rest, prime));
                _mm512_storeu_si512(out.as_mut_ptr().cast(), rest);
            }
        }
    }

    impl Avx512 {
        #[inline(always)]
        fn centre(self, p: Modulus, residues: &[u64; LANES]) -> __m512d {
            // SAFETY: a value of this type proves the features; eight words are read.
            unsafe {
                let residues = _mm512_loadu_si512(residues.as_ptr().cast());
                let half = _mm512_set1_epi64((p.value() / 2) as i64);
                let prime = _mm512_set1_epi64(p.value() as i64);
                let upper = _mm512_cmpgt_epu64_mask(residues, half);
                _mm512_cvtepi64_pd(_mm512_mask_sub_epi64(residues, upper, residues, prime))
            }
        }
    }
}
