//! Eight doubles at a time on every instruction set.
//!
//! The compiler does not keep a tile of sums in registers by itself, so these few operations are
//! spelled out.

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
    fn store(self, register: Self::Register) -> Lanes;
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
    fn store(self, register: [f64; LANES]) -> Lanes {
        Lanes(register)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256d, __m512d, _mm256_fmadd_pd, _mm256_load_pd, _mm256_set1_pd, _mm256_setzero_pd,
        _mm256_store_pd, _mm512_fmadd_pd, _mm512_load_pd, _mm512_set1_pd, _mm512_setzero_pd,
        _mm512_store_pd,
    };

    use super::{LANES, Lanes, Vectors};

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
        fn store(self, register: [__m256d; 2]) -> Lanes {
            let mut lanes = Lanes::ZERO;
            let (low, high) = lanes.0.split_at_mut(LANES / 2);
            // SAFETY: features as above; both halves are four doubles at multiples of 32 bytes.
            unsafe {
                _mm256_store_pd(low.as_mut_ptr(), register[0]);
                _mm256_store_pd(high.as_mut_ptr(), register[1]);
            }
            lanes
        }
    }

    /// AVX-512 F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(());

    impl Avx512 {
        /// # Safety
        /// The machine has AVX-512 F.
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
        fn store(self, register: __m512d) -> Lanes {
            let mut lanes = Lanes::ZERO;
            // SAFETY: feature as above; eight doubles aligned to 64 bytes.
            unsafe { _mm512_store_pd(lanes.0.as_mut_ptr(), register) };
            lanes
        }
    }
}
