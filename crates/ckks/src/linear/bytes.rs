//! The integer kernel: residues as bytes, weights of eight bits, on machines with AVX-512 VNNI.
//!
//! One instruction multiplies 64 unsigned bytes with 64 signed ones and adds every four products
//! into a 32-bit sum: the same byte of four neighbouring taps, for sixteen coefficients. A residue
//! of K bytes needs K of them, 9 to 16 products of a residue and a weight an instruction where the
//! floating-point kernel has 4 to 8. Sums of one byte stay below 2^31 ([`MAX_ROW_SUM`]) and are
//! exact, so the result has the bits of every other kernel.
//!
//! Taps are put together in fours so that few different fours of inputs occur: of a convolution the
//! same place in four channels, which many positions share. Each is taken apart once for all of
//! them. Where that is not possible, as with one channel, the floating-point kernel is faster.

use std::arch::x86_64::*;
use std::collections::HashMap;

use crate::linear::map::{Group, PADDING};
use crate::modulus::Modulus;
use crate::residues::{BLOCK, Block};

/// Taps of one instruction.
const QUAD: usize = 4;
/// Coefficients of one register.
const STRIP: usize = 16;
/// Quads whose bytes stay in the nearest cache while all rows run over them.
const QUADS: usize = 64;
/// Largest sum of absolute weights of a row: 255 times it is below 2^31, and what the estimate of a
/// quotient leaves out is below a quarter.
const MAX_ROW_SUM: i64 = 1 << 22;
/// Fewer taps or rows than this do not repay taking the residues apart.
const LEAST_TAPS: usize = 16;
const LEAST_ROWS: usize = 6;
/// Areas of the windows of convolutions: how far apart the same place in two channels is.
const WINDOWS: [usize; 6] = [1, 4, 9, 16, 25, 49];

/// Registers of bytes or sums.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Words([i32; STRIP]);

const ZERO: Words = Words([0; STRIP]);

/// A thread's bytes and sums.
#[derive(Default)]
pub(super) struct ByteScratch {
    panel: Vec<Words>,
    sums: Vec<Words>,
}

/// A group with its weights in quads. A value proves that the machine has the features.
pub(super) struct ByteGroup {
    out_start: usize,
    rows: usize,
    positions: usize,
    /// Quads of a position.
    quads: usize,
    /// `[row][quad]`
    weights: Vec<i32>,
    /// The different quads of inputs; what is no input stands for zero.
    inputs: Vec<[u32; QUAD]>,
    /// Which of them they are, `[position][quad]`.
    places: Vec<u32>,
}

impl ByteGroup {
    /// The group for this kernel, if it is one that pays and the machine has the instructions.
    pub fn new(group: &Group, inputs: usize) -> Option<Self> {
        let available = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vnni");
        let fits = group.weights().iter().all(|&w| i8::try_from(w).is_ok())
            && group.max_abs_row_sum() <= MAX_ROW_SUM;
        let pays = group.taps() >= LEAST_TAPS && group.rows() >= LEAST_ROWS;
        if !(available && fits && pays) {
            return None;
        }
        let taps = group.taps();
        let orders = WINDOWS
            .into_iter()
            .filter(|window| taps.is_multiple_of(*window))
            .map(|window| tap_quads(taps, window));
        // a few positions show which order is the one
        let (_, order) = orders
            .map(|order| {
                (
                    distinct(
                        &group.gather()[..taps * group.positions().min(8)],
                        taps,
                        &order,
                    )
                    .0
                    .len(),
                    order,
                )
            })
            .min_by_key(|(count, order)| (*count, order.len()))?;
        let (quads, places) = distinct(group.gather(), taps, &order);
        // taking a quad apart has to be worth it: each input in about one quad
        if group.positions() > 1 && quads.len() > inputs / 2 {
            return None;
        }
        let pack = |row: &[i16], quad: &[u32; QUAD]| {
            let weight = |&tap: &u32| row.get(tap as usize).map_or(0, |&weight| weight as u8);
            i32::from_le_bytes(std::array::from_fn(|i| weight(&quad[i])))
        };
        let rows = group.weights().chunks_exact(taps);
        Some(Self {
            out_start: group.out_start(),
            rows: group.rows(),
            positions: group.positions(),
            quads: order.len(),
            weights: rows
                .flat_map(|row| order.iter().map(move |quad| pack(row, quad)))
                .collect(),
            inputs: quads,
            places,
        })
    }

    /// One block of one component.
    pub fn apply(&self, p: Modulus, scratch: &mut ByteScratch, input: &[Block], out: &mut [Block]) {
        let out = &mut out[self.out_start..][..self.rows * self.positions];
        // SAFETY: a value of this type proves the features.
        unsafe {
            match p.bytes() {
                7 => self.strips::<7, 3>(p, scratch, input, out),
                6 => self.strips::<6, 4>(p, scratch, input, out),
                5 => self.strips::<5, 5>(p, scratch, input, out),
                _ => self.strips::<4, 6>(p, scratch, input, out),
            }
        }
    }

    /// Strip by strip; K bytes of every residue, tiles of ROWS rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    fn strips<const K: usize, const ROWS: usize>(
        &self,
        p: Modulus,
        scratch: &mut ByteScratch,
        input: &[Block],
        out: &mut [Block],
    ) {
        for strip in (0..BLOCK).step_by(STRIP) {
            if self.positions == 1 {
                self.dense::<K, ROWS>(p, scratch, strip, input, out);
            } else {
                self.convolve::<K, ROWS>(p, scratch, strip, input, out);
            }
        }
    }

    /// One position: some quads are taken apart, and all rows run over them before the next ones.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    fn dense<const K: usize, const ROWS: usize>(
        &self,
        p: Modulus,
        scratch: &mut ByteScratch,
        strip: usize,
        input: &[Block],
        out: &mut [Block],
    ) {
        let ByteScratch { panel, sums } = scratch;
        panel.resize(QUADS * K, ZERO);
        sums.clear();
        sums.resize(self.rows.next_multiple_of(ROWS) * K, ZERO);
        for (step, places) in self.places.chunks(QUADS).enumerate() {
            for (place, bytes) in places.iter().zip(panel.as_chunks_mut::<K>().0) {
                *bytes = split::<K>(residues(input, self.inputs[*place as usize], strip));
            }
            let panel = &panel.as_chunks::<K>().0[..places.len()];
            for (tile, sums) in sums.chunks_exact_mut(ROWS * K).enumerate() {
                let rows = self.tile::<ROWS>(tile, step * QUADS, places.len());
                multiply_accumulate::<K, ROWS>(panel.iter(), rows, sums);
            }
        }
        for (sums, out) in sums.as_chunks::<K>().0.iter().zip(out) {
            store(p, sums, strip, out);
        }
    }

    /// Many positions: all quads are taken apart, and every position runs over its own.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    fn convolve<const K: usize, const ROWS: usize>(
        &self,
        p: Modulus,
        scratch: &mut ByteScratch,
        strip: usize,
        input: &[Block],
        out: &mut [Block],
    ) {
        let ByteScratch { panel, sums } = scratch;
        panel.resize(self.inputs.len() * K, ZERO);
        for (inputs, bytes) in self.inputs.iter().zip(panel.as_chunks_mut::<K>().0) {
            *bytes = split::<K>(residues(input, *inputs, strip));
        }
        let panel = panel.as_chunks::<K>().0;
        for (position, places) in self.places.chunks_exact(self.quads).enumerate() {
            for tile in 0..self.rows.div_ceil(ROWS) {
                sums.clear();
                sums.resize(ROWS * K, ZERO);
                let rows = self.tile::<ROWS>(tile, 0, self.quads);
                let bytes = places.iter().map(|&place| &panel[place as usize]);
                multiply_accumulate::<K, ROWS>(bytes, rows, sums);
                let rows = tile * ROWS..self.rows.min((tile + 1) * ROWS);
                for (sums, row) in sums.as_chunks::<K>().0.iter().zip(rows) {
                    store(p, sums, strip, &mut out[row * self.positions + position]);
                }
            }
        }
    }

    /// The weights of a tile's rows for some quads. Rows past the end repeat the last one; their
    /// sums are not used.
    fn tile<const ROWS: usize>(&self, tile: usize, first: usize, quads: usize) -> [&[i32]; ROWS] {
        std::array::from_fn(|row| {
            let row = (tile * ROWS + row).min(self.rows - 1);
            &self.weights[row * self.quads + first..][..quads]
        })
    }
}

/// Taps in fours, those of a four `window` apart; a tap beyond the last is none.
fn tap_quads(taps: usize, window: usize) -> Vec<[u32; QUAD]> {
    let channels = taps / window;
    let quads = (0..channels).step_by(QUAD);
    quads
        .flat_map(|first| {
            (0..window).map(move |place| {
                std::array::from_fn(|i| {
                    let channel = first + i;
                    let tap = (channel * window + place) as u32;
                    if channel < channels { tap } else { PADDING }
                })
            })
        })
        .collect()
}

/// The different quads of inputs, and which of them every position has.
fn distinct(gather: &[u32], taps: usize, order: &[[u32; QUAD]]) -> (Vec<[u32; QUAD]>, Vec<u32>) {
    let mut known: HashMap<[u32; QUAD], u32> = HashMap::new();
    let mut quads = Vec::new();
    let mut places = Vec::with_capacity(gather.len().div_ceil(QUAD));
    for window in gather.chunks_exact(taps) {
        for quad in order {
            let inputs = quad.map(|tap| window.get(tap as usize).copied().unwrap_or(PADDING));
            places.push(*known.entry(inputs).or_insert_with(|| {
                quads.push(inputs);
                quads.len() as u32 - 1
            }));
        }
    }
    (quads, places)
}

/// A strip of four inputs.
fn residues(input: &[Block], indices: [u32; QUAD], strip: usize) -> [&[u64; STRIP]; QUAD] {
    indices.map(|index| {
        let block = input.get(index as usize);
        let words = block.and_then(|block| block.0[strip..].first_chunk());
        words.unwrap_or(&[0; STRIP])
    })
}

/// The bytes of sixteen residues of four taps: register k holds byte k of the four, together, for
/// every coefficient.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn split<const K: usize>(residues: [&[u64; STRIP]; QUAD]) -> [Words; K] {
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    let halves = residues.map(|residues| {
        // SAFETY: sixteen words are read.
        unsafe {
            [
                _mm512_loadu_si512(residues.as_ptr().cast()),
                _mm512_loadu_si512(residues.as_ptr().add(8).cast()),
            ]
        }
    });
    let mut bytes = [ZERO; K];
    for (words, bytes) in [even, odd].into_iter().zip(bytes.chunks_mut(4)) {
        let [a, b, c, d] = halves.map(|[x, y]| _mm512_permutex2var_epi32(x, words, y));
        // a transposition of four by four bytes in every 32-bit lane
        const ODD_BYTES: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        const ODD_PAIRS: u32 = 0xAAAA_AAAA;
        let ab_even = _mm512_mask_blend_epi8(ODD_BYTES, a, _mm512_slli_epi16::<8>(b));
        let ab_odd = _mm512_mask_blend_epi8(ODD_BYTES, _mm512_srli_epi16::<8>(a), b);
        let cd_even = _mm512_mask_blend_epi8(ODD_BYTES, c, _mm512_slli_epi16::<8>(d));
        let cd_odd = _mm512_mask_blend_epi8(ODD_BYTES, _mm512_srli_epi16::<8>(c), d);
        let low = |x, y| _mm512_mask_blend_epi16(ODD_PAIRS, x, _mm512_slli_epi32::<16>(y));
        let high = |x, y| _mm512_mask_blend_epi16(ODD_PAIRS, _mm512_srli_epi32::<16>(x), y);
        let planes = [
            low(ab_even, cd_even),
            low(ab_odd, cd_odd),
            high(ab_even, cd_even),
            high(ab_odd, cd_odd),
        ];
        for (out, plane) in bytes.iter_mut().zip(planes) {
            // SAFETY: sixteen words, aligned.
            unsafe { _mm512_store_si512(out.0.as_mut_ptr().cast(), plane) };
        }
    }
    bytes
}

/// Adds the quads' products to the sums of a tile, `[row][byte]`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply_accumulate<'a, const K: usize, const ROWS: usize>(
    panel: impl Iterator<Item = &'a [Words; K]>,
    rows: [&[i32]; ROWS],
    sums: &mut [Words],
) {
    let quads = rows[0].len();
    let rows = rows.map(|row| &row[..quads]);
    let (sums, _) = sums.as_chunks_mut::<K>();
    let mut registers = [[_mm512_setzero_si512(); K]; ROWS];
    for (registers, sums) in registers.iter_mut().zip(&*sums) {
        for (register, sum) in registers.iter_mut().zip(sums) {
            // SAFETY: sixteen words, aligned.
            *register = unsafe { _mm512_load_si512(sum.0.as_ptr().cast()) };
        }
    }
    for (quad, bytes) in (0..quads).zip(panel) {
        let weights = rows.map(|row| _mm512_set1_epi32(row[quad]));
        for (k, bytes) in bytes.iter().enumerate() {
            // SAFETY: sixteen words, aligned.
            let bytes = unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) };
            for (registers, weights) in registers.iter_mut().zip(weights) {
                registers[k] = _mm512_dpbusd_epi32(registers[k], bytes, weights);
            }
        }
    }
    for (registers, sums) in registers.iter().zip(sums) {
        for (register, sum) in registers.iter().zip(sums) {
            // SAFETY: sixteen words, aligned.
            unsafe { _mm512_store_si512(sum.0.as_mut_ptr().cast(), *register) };
        }
    }
}

/// The residues of sums, to their strip of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn store<const K: usize>(p: Modulus, sums: &[Words; K], strip: usize, out: &mut Block) {
    if let [low, high, ..] = out.0[strip..].as_chunks_mut::<8>().0 {
        combine::<K>(p, sums, low, high);
    }
}

/// `sum_k sums_k 2^8k mod p`.
///
/// The quotient is at most [`MAX_ROW_SUM`]. It is estimated from the four upper bytes, to less than
/// one: the wrapping remainder lies in (-p, p).
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn combine<const K: usize>(p: Modulus, sums: &[Words; K], low: &mut [u64; 8], high: &mut [u64; 8]) {
    let prime = _mm512_set1_epi64(p.value() as i64);
    let skipped = K - 4;
    let unit = (1u64 << (8 * skipped)) as f64 * p.reciprocal();
    for (half, out) in [low, high].into_iter().enumerate() {
        let mut upper = _mm512_setzero_si512();
        let mut lower = _mm512_setzero_si512();
        for (k, sum) in sums.iter().enumerate().rev() {
            // SAFETY: eight of sixteen words.
            let sum = unsafe { _mm256_loadu_si256(sum.0.as_ptr().add(8 * half).cast()) };
            let sum = _mm512_cvtepi32_epi64(sum);
            let target = if k >= skipped { &mut upper } else { &mut lower };
            *target = _mm512_add_epi64(_mm512_slli_epi64::<8>(*target), sum);
        }
        let quotient = _mm512_mul_pd(_mm512_cvtepi64_pd(upper), _mm512_set1_pd(unit));
        let quotient = _mm512_cvtpd_epi64(quotient);
        let shift = _mm_cvtsi64_si128(8 * skipped as i64);
        let value = _mm512_add_epi64(_mm512_sll_epi64(upper, shift), lower);
        let rest = _mm512_sub_epi64(value, _mm512_mullo_epi64(quotient, prime));
        let rest = _mm512_min_epu64(rest, _mm512_add_epi64(rest, prime));
        // SAFETY: eight words.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), rest) };
    }
}
