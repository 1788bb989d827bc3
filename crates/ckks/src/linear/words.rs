//! The kernel of whole words: residues as they are, on machines with IFMA.
//!
//! One instruction multiplies eight residues with eight weights and adds the lower 52 bits of the products to sums of 64 bits. Where the
//! largest product is below 2^52 nothing is lost, however many of them are added: weights are made positive by subtracting the least
//! of them where that is negative, and what that adds to every row of a position, so many times the sum of its inputs, is taken off at the end. Nothing has to be
//! brought into another form before, which is most of the work where a residue meets few weights.

use std::arch::x86_64::*;

use super::map::{Group, PADDING};
use crate::modulus::Modulus;
use crate::residues::{BLOCK, Block};

/// Residues of a register.
const LANES: usize = 8;
/// Registers of a strip of coefficients.
const WIDTH: usize = 4;
/// Rows of a tile: as many sums as there are registers for.
const ROWS: usize = 6;
/// Positions whose inputs stay in the nearer caches while all tiles of rows run over them.
const POSITIONS: usize = 8;
/// Most taps of a sum: products are below 2^52 and sums below 2^64.
const MOST_TAPS: usize = 1 << 12;
/// Fewer taps do not repay the reductions at their end, unless they are only added.
const LEAST_TAPS: usize = 16;

/// The block that a padding reads.
static ZERO: Block = Block::ZERO;

/// A group with its weights in tiles. A value proves that the machine has the features.
pub(super) struct WordGroup {
    out_start: usize,
    rows: usize,
    taps: usize,
    positions: usize,
    inputs: usize,
    /// What was subtracted from every weight: zero, or the least of them.
    least: i64,
    /// Whether there is one row and all its weights are one, as in pooling.
    plain: bool,
    largest: u64,
    max_abs_row_sum: i64,
    /// `[tile][tap][row of the tile]`; the last tile may have fewer rows.
    weights: Vec<u64>,
    /// `[positions, taps]`
    gather: Vec<u32>,
}

impl WordGroup {
    /// The group for this kernel, if it is one that pays and the machine has the instructions.
    pub fn new(group: &Group, inputs: usize) -> Option<Self> {
        let available = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512ifma");
        let plain = group.rows() == 1 && group.weights().iter().all(|&weight| weight == 1);
        let least_taps = if plain { 1 } else { LEAST_TAPS };
        if !available || !(least_taps..=MOST_TAPS).contains(&group.taps()) {
            return None;
        }
        let least = i64::from(group.weights().iter().copied().min()?.min(0));
        let positive = |weight: i16| (i64::from(weight) - least) as u64;
        let taps = group.taps();
        let mut weights = Vec::with_capacity(group.weights().len());
        for tile in group.weights().chunks(ROWS * taps) {
            for tap in 0..taps {
                let column = tile.iter().skip(tap).step_by(taps);
                weights.extend(column.map(|&weight| positive(weight)));
            }
        }
        let gathered = |input: u32| input == PADDING || (input as usize) < inputs;
        assert!(group.gather().iter().all(|&input| gathered(input)));
        Some(Self {
            out_start: group.out_start(),
            rows: group.rows(),
            taps,
            positions: group.positions(),
            inputs,
            least,
            plain,
            max_abs_row_sum: group.max_abs_row_sum(),
            largest: weights.iter().copied().max()?,
            weights,
            gather: group.gather().to_vec(),
        })
    }

    /// Whether all products are below 2^52, and sums with their signs below 2^62.
    pub fn takes(&self, p: Modulus) -> bool {
        let p = i128::from(p.value());
        p * i128::from(self.largest) < 1 << 52 && p * i128::from(self.max_abs_row_sum) < 1 << 62
    }

    /// One block of one component, modulo a prime that it [takes](Self::takes).
    pub fn apply(&self, p: Modulus, input: &[Block], out: &mut [Block]) {
        assert!(self.takes(p) && input.len() == self.inputs);
        let out = &mut out[self.out_start..][..self.rows * self.positions];
        for strip in (0..BLOCK).step_by(WIDTH * LANES) {
            // SAFETY: a value of this type proves the features.
            unsafe {
                if self.plain {
                    self.add(p, strip, input, out);
                } else {
                    self.strip(p, strip, input, out);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn strip(&self, p: Modulus, strip: usize, input: &[Block], out: &mut [Block]) {
        let mut excess = [[_mm512_setzero_si512(); WIDTH]; POSITIONS];
        for first in (0..self.positions).step_by(POSITIONS) {
            let gathers = self.gather[first * self.taps..].chunks_exact(self.taps);
            let gathers = || gathers.clone().take(POSITIONS).enumerate();
            for (at, gather) in gathers() {
                excess[at] = self.excess(gather, input, strip);
            }
            for (tile, weights) in self.weights.chunks(ROWS * self.taps).enumerate() {
                for (at, gather) in gathers() {
                    let run = Tile {
                        p,
                        strip,
                        weights,
                        gather,
                        input,
                        excess: excess[at],
                    };
                    let row = tile * ROWS * self.positions;
                    let out = &mut out[row + first + at..];
                    match weights.len() / self.taps {
                        6 => run.apply::<6>(out, self.positions),
                        5 => run.apply::<5>(out, self.positions),
                        4 => run.apply::<4>(out, self.positions),
                        3 => run.apply::<3>(out, self.positions),
                        2 => run.apply::<2>(out, self.positions),
                        _ => run.apply::<1>(out, self.positions),
                    }
                }
            }
        }
    }

    /// Sums of inputs.
    #[target_feature(enable = "avx512f,avx512dq")]
    fn add(&self, p: Modulus, strip: usize, input: &[Block], out: &mut [Block]) {
        // a sum of up to 2^k residues is below 2^k p: halved k times
        let halvings = self.taps.next_power_of_two().ilog2();
        for (gather, out) in self.gather.chunks_exact(self.taps).zip(out) {
            let out = &mut out.0.as_chunks_mut::<LANES>().0[strip / LANES..][..WIDTH];
            for (mut sum, out) in self.sums(gather, input, strip).into_iter().zip(out) {
                for halving in (0..halvings).rev() {
                    let most = _mm512_set1_epi64((p.value() << halving) as i64);
                    sum = _mm512_min_epu64(sum, _mm512_sub_epi64(sum, most));
                }
                // SAFETY: eight words are written.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sum) };
            }
        }
    }

    /// What is to be taken off every row of a position: minus the least weight times the sum of its inputs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn excess(&self, gather: &[u32], input: &[Block], strip: usize) -> [__m512i; WIDTH] {
        let factor = _mm512_set1_epi64(-self.least);
        let mut excess = self.sums(gather, input, strip);
        for sum in &mut excess {
            *sum = _mm512_mullo_epi64(*sum, factor);
        }
        excess
    }

    /// The sums of a position's inputs.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn sums(&self, gather: &[u32], input: &[Block], strip: usize) -> [__m512i; WIDTH] {
        let mut sums = [_mm512_setzero_si512(); WIDTH];
        for &index in gather {
            let x = residues(input, index, strip);
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = _mm512_add_epi64(*sum, load(x));
            }
        }
        sums
    }
}

/// The strip of an input.
#[inline(always)]
fn residues(input: &[Block], index: u32, strip: usize) -> [&[u64; LANES]; WIDTH] {
    let block = if index == PADDING {
        &ZERO
    } else {
        // SAFETY: indices were compared with the number of inputs.
        unsafe { input.get_unchecked(index as usize) }
    };
    let words = &block.0.as_chunks::<LANES>().0[strip / LANES..][..WIDTH];
    std::array::from_fn(|at| &words[at])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u64; LANES]) -> __m512i {
    // SAFETY: eight words are read.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// A tile of rows at one position.
#[derive(Clone, Copy)]
struct Tile<'a> {
    p: Modulus,
    strip: usize,
    /// `[tap][row]`
    weights: &'a [u64],
    gather: &'a [u32],
    input: &'a [Block],
    excess: [__m512i; WIDTH],
}

impl Tile<'_> {
    /// All its sums in registers; row after row is `positions` blocks further.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn apply<const ROWS: usize>(self, out: &mut [Block], positions: usize) {
        let mut sums = [[_mm512_setzero_si512(); WIDTH]; ROWS];
        let weights = self.weights.as_chunks::<ROWS>().0;
        for (weights, &index) in weights.iter().zip(self.gather) {
            let x = residues(self.input, index, self.strip);
            for at in 0..WIDTH {
                let x = load(x[at]);
                for (sums, &weight) in sums.iter_mut().zip(weights) {
                    let weight = _mm512_set1_epi64(weight as i64);
                    sums[at] = _mm512_madd52lo_epu64(sums[at], x, weight);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let out = &mut out[row * positions].0.as_chunks_mut::<LANES>().0;
            let out = out[self.strip / LANES..].iter_mut();
            for ((sum, excess), out) in sums.into_iter().zip(self.excess).zip(out) {
                let residue = self.reduce(_mm512_sub_epi64(sum, excess));
                // SAFETY: eight words are written.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), residue) };
            }
        }
    }

    /// A sum below 2^62 in magnitude modulo p. The quotient is below 2^27, the largest sum of absolute weights, so that its rounding is off
    /// by less than one half and a little: the wrapping remainder lies in (-p, p).
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn reduce(self, sum: __m512i) -> __m512i {
        let prime = _mm512_set1_epi64(self.p.value() as i64);
        let reciprocal = _mm512_set1_pd(self.p.reciprocal());
        let quotient = _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtepi64_pd(sum), reciprocal));
        let rest = _mm512_sub_epi64(sum, _mm512_mullo_epi64(quotient, prime));
        _mm512_min_epu64(rest, _mm512_add_epi64(rest, prime))
    }
}
