//! Tiles in AVX-512 vectors, with `vdpbf16ps` where the processor has it.

use super::{LANES, Processor, ROWS, Targets, Walk};
use crate::entry::{Entry, Precision};
use crate::vector::narrowed;
use std::arch::x86_64::*;

/// Multiplies words and adds the products to sums.
trait Multiply {
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn multiply_add(sums: __m512, left: __m512i, right: __m512i) -> __m512;
}

struct F32;
struct Bf16;
/// bf16 pairs on a processor that has no instruction for them: both halves are widened to f32.
struct Widened;

impl Multiply for F32 {
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe { _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sums) }
    }
}

impl Multiply for Bf16 {
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512 BF16, and both types are 512 bits without invalid values.
        unsafe {
            let words = |value| std::mem::transmute::<__m512i, __m512bh>(value);
            _mm512_dpbf16_ps(sums, words(left), words(right))
        }
    }
}

impl Multiply for Widened {
    #[inline(always)]
    unsafe fn multiply_add(sums: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: the caller has AVX-512 F.
        unsafe {
            let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let high = |value| _mm512_castsi512_ps(_mm512_and_si512(value, upper));
            let low = |value| _mm512_castsi512_ps(_mm512_slli_epi32(value, 16));
            let sums = _mm512_fmadd_ps(high(left), high(right), sums);
            _mm512_fmadd_ps(low(left), low(right), sums)
        }
    }
}

/// All sums of a tile, added to `sums`.
///
/// # Safety
/// The processor must have what `M` asks for, and `walk` must fit the operands.
#[inline(always)]
unsafe fn sums<M: Multiply, const Z: usize>(
    mut sums: [[__m512; Z]; ROWS],
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
) -> [[__m512; Z]; ROWS] {
    // SAFETY: every step stays inside the operands, as the caller has checked.
    unsafe {
        let rows = offsets.map(|offset| left.as_ptr().add(offset));
        let mut right = right.as_ptr();
        for block in 0..walk.blocks {
            for run in 0..walk.runs {
                let mut at = block * walk.block_stride + run * walk.run_stride;
                for _ in 0..walk.length {
                    let mut words = [_mm512_setzero_si512(); Z];
                    for (z, words) in words.iter_mut().enumerate() {
                        *words = _mm512_loadu_si512(right.add(z * LANES).cast());
                    }
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        let word = _mm512_set1_epi32(row.add(at).cast::<i32>().read());
                        for (sum, words) in sums.iter_mut().zip(words) {
                            *sum = M::multiply_add(*sum, word, words);
                        }
                    }
                    at += walk.step;
                    right = right.add(Z * LANES);
                }
            }
        }
        sums
    }
}

/// # Safety
/// As [`sums`]; every target must lie inside of `y`.
#[inline(always)]
unsafe fn store_tile<M: Multiply, T: Entry, const Z: usize>(
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    y: &mut [T],
    targets: Targets<'_>,
) {
    // SAFETY: the caller's promise; masked stores write `columns` entries of a row alone.
    unsafe {
        let sums = sums::<M, Z>([[_mm512_setzero_ps(); Z]; ROWS], left, offsets, walk, right);
        for (sums, offset) in sums.iter().zip(targets.offsets) {
            for (z, sum) in sums.iter().enumerate() {
                let columns = targets.columns.saturating_sub(z * LANES).min(LANES);
                let to = y.as_mut_ptr().add(*offset).wrapping_add(z * LANES);
                let mask = ((1_u32 << columns) - 1) as __mmask16;
                match (T::PRECISION, columns == LANES) {
                    (Precision::F32, true) => _mm512_storeu_ps(to.cast(), *sum),
                    (Precision::F32, false) => _mm512_mask_storeu_ps(to.cast(), mask, *sum),
                    (Precision::Bf16, true) => _mm256_storeu_si256(to.cast(), narrowed(*sum)),
                    (Precision::Bf16, false) => {
                        _mm256_mask_storeu_epi16(to.cast(), mask, narrowed(*sum));
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`sums`]; the rows must fit into `to`.
#[inline(always)]
unsafe fn add_tile<M: Multiply, const Z: usize>(
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    to: &mut [f32],
    (rows, stride): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = sums::<M, Z>([[_mm512_setzero_ps(); Z]; ROWS], left, offsets, walk, right);
        for (row, sums) in sums.iter().take(rows).enumerate() {
            for (z, sum) in sums.iter().enumerate() {
                let to = to.as_mut_ptr().add(row * stride + z * LANES);
                _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), *sum));
            }
        }
    }
}

/// The functions above for one kind of multiplication, compiled for the processors that have it.
macro_rules! compiled {
    ($module:ident, $multiply:ty, $features:literal) => {
        mod $module {
            use super::*;

            /// # Safety
            /// See [`store_tile`].
            #[target_feature(enable = $features)]
            pub unsafe fn store<T: Entry, const Z: usize>(
                left: &[u32],
                offsets: &[usize; ROWS],
                walk: &Walk,
                right: &[u32],
                y: &mut [T],
                targets: Targets<'_>,
            ) {
                // SAFETY: the caller's promise.
                unsafe { store_tile::<$multiply, T, Z>(left, offsets, walk, right, y, targets) }
            }

            /// # Safety
            /// See [`add_tile`].
            #[target_feature(enable = $features)]
            pub unsafe fn add<const Z: usize>(
                left: &[u32],
                offsets: &[usize; ROWS],
                walk: &Walk,
                right: &[u32],
                to: &mut [f32],
                rows: (usize, usize),
            ) {
                // SAFETY: the caller's promise.
                unsafe { add_tile::<$multiply, Z>(left, offsets, walk, right, to, rows) }
            }
        }
    };
}

compiled!(f32s, F32, "avx512f,avx512bw,avx512vl");
compiled!(widened, Widened, "avx512f,avx512bw,avx512vl");
compiled!(bf16s, Bf16, "avx512f,avx512bw,avx512vl,avx512bf16");

/// # Safety
/// The machine must be of the kind `processor`, which must not be the portable one; `walk` must fit the operands, and every target
/// must lie inside of `y`.
pub(super) unsafe fn store<T: Entry, const Z: usize>(
    processor: Processor,
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    y: &mut [T],
    targets: Targets<'_>,
) {
    let store = match (T::PRECISION, processor) {
        (Precision::F32, _) => f32s::store::<T, Z>,
        (Precision::Bf16, Processor::Avx512Bf16) => bf16s::store::<T, Z>,
        (Precision::Bf16, _) => widened::store::<T, Z>,
    };
    // SAFETY: the caller's promise.
    unsafe { store(left, offsets, walk, right, y, targets) }
}

/// # Safety
/// As [`store`]; the rows must fit into `to`.
pub(super) unsafe fn add<T: Entry, const Z: usize>(
    processor: Processor,
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    to: &mut [f32],
    rows: (usize, usize),
) {
    let add = match (T::PRECISION, processor) {
        (Precision::F32, _) => f32s::add::<Z>,
        (Precision::Bf16, Processor::Avx512Bf16) => bf16s::add::<Z>,
        (Precision::Bf16, _) => widened::add::<Z>,
    };
    // SAFETY: the caller's promise.
    unsafe { add(left, offsets, walk, right, to, rows) }
}
