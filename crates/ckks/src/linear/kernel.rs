//! The residue kernel: integer weights times residues, exactly, in floating point.
//!
//! A centred residue below 2^49 is split as `low + high * 2^25` with digits of at most 2^24 in
//! magnitude. Weights of a row sum (absolutely) below 2^27 ([`MAX_ABS_ROW_SUM`]), so sums of
//! products of digits and weights stay below 2^51 and doubles hold every partial sum exactly, in
//! any order, fused or not: all instruction sets give the same bits. Where the prime and the row
//! sum are small, one digit is enough. Multiplying doubles is what every machine does at full
//! width, which 64-bit integer products are not.
//!
//! The panel of one block and component is cut into strips of one or two registers: digits of a
//! strip of every input are computed once, and a tile of rows runs over the taps with its sums in
//! registers. Where the machine has integer kernels, groups go to those that take them.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::bytes::{ByteGroup, ByteScratch};
use super::map::{Group, LinearMap, MAX_ABS_ROW_SUM, PADDING};
#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{DIGIT_BITS, LANES, Lanes, Portable, Vectors};
#[cfg(target_arch = "x86_64")]
use super::words::WordGroup;
use crate::isa::{Isa, Kind};
use crate::modulus::Modulus;
use crate::residues::{BLOCK, Block};

/// Integers up to this magnitude go between `f64` and `i64` by [`round_to_i64`](crate::modulus::round_to_i64).
const EXACT: i128 = 1 << 51;
const _: () = assert!((MAX_ABS_ROW_SUM as i128) << (DIGIT_BITS - 1) < EXACT);

/// A thread's panel of digits.
#[derive(Default)]
pub(crate) struct Scratch {
    digits: Vec<Lanes>,
    #[cfg(target_arch = "x86_64")]
    bytes: ByteScratch,
}

/// A map with its weights in the order of the kernels, for as many calls as it is kept
/// ([`Evaluator::prepare`](crate::Evaluator::prepare)).
pub struct PreparedMap {
    inputs: usize,
    outputs: usize,
    isa: Isa,
    groups: Vec<PreparedGroup>,
}

/// A group for the kernels that may take it; which one does depends on the prime.
struct PreparedGroup {
    /// Where no other kernel takes every prime.
    doubles: Option<DoubleGroup>,
    #[cfg(target_arch = "x86_64")]
    bytes: Option<ByteGroup>,
    #[cfg(target_arch = "x86_64")]
    words: Option<WordGroup>,
}

/// A group for the kernel of doubles.
struct DoubleGroup {
    out_start: usize,
    taps: usize,
    positions: usize,
    max_abs_row_sum: i64,
    /// Tiles of rows, `[tile][tap][row of the tile]`; the last tile may have fewer rows.
    weights: Vec<f64>,
    /// `[positions, taps]`; the zero of a padding is one more input.
    gather: Vec<u32>,
}

/// Rows that a tile holds in registers.
fn tile_rows(isa: Isa) -> usize {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 | Kind::Avx512Ifma => Avx512::ROWS,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => Avx2::ROWS,
        Kind::Portable => Portable::ROWS,
    }
}

/// From so many taps on bytes are faster than words: what it takes to bring them apart and together is shared by enough products.
#[cfg(target_arch = "x86_64")]
const TAPS_OF_BYTES: usize = 48;

impl PreparedGroup {
    fn new(group: &Group, inputs: usize, isa: Isa) -> Self {
        #[cfg(target_arch = "x86_64")]
        if isa.kind() == Kind::Avx512Ifma {
            let bytes = ByteGroup::new(group, inputs);
            let alone = bytes.is_some() && group.taps() >= TAPS_OF_BYTES;
            let words = if alone {
                None
            } else {
                WordGroup::new(group, inputs)
            };
            let doubles = bytes
                .is_none()
                .then(|| DoubleGroup::new(group, inputs, isa));
            return Self {
                doubles,
                bytes,
                words,
            };
        }
        Self {
            doubles: Some(DoubleGroup::new(group, inputs, isa)),
            #[cfg(target_arch = "x86_64")]
            bytes: None,
            #[cfg(target_arch = "x86_64")]
            words: None,
        }
    }
}

impl PreparedMap {
    pub(crate) fn new(map: &LinearMap, isa: Isa) -> Self {
        let groups = map.groups().iter();
        Self {
            inputs: map.inputs(),
            outputs: map.outputs(),
            isa,
            groups: groups
                .map(|group| PreparedGroup::new(group, map.inputs(), isa))
                .collect(),
        }
    }

    /// Number of input features.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output features.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The kernel for one prime.
    pub(crate) fn modulo(&self, p: Modulus) -> Kernel<'_> {
        let mut kernel = Kernel {
            p,
            isa: self.isa,
            inputs: self.inputs,
            one_digit: Vec::new(),
            two_digits: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            bytes: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            words: Vec::new(),
        };
        for group in &self.groups {
            #[cfg(target_arch = "x86_64")]
            {
                let words = group.words.as_ref().filter(|words| words.takes(p));
                if let Some(words) = words {
                    kernel.words.push(words);
                    continue;
                }
                if let Some(bytes) = &group.bytes {
                    kernel.bytes.push(bytes);
                    continue;
                }
            }
            let Some(group) = &group.doubles else {
                continue;
            };
            // one digit is enough where the largest possible sum of whole residues is small
            let largest = i128::from(p.value() / 2 + 1) * i128::from(group.max_abs_row_sum);
            if largest < EXACT {
                kernel.one_digit.push(group);
            } else {
                kernel.two_digits.push(group);
            }
        }
        kernel
    }
}

impl fmt::Debug for PreparedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedMap({} -> {})", self.inputs, self.outputs)
    }
}

/// A map modulo one prime.
pub(crate) struct Kernel<'a> {
    p: Modulus,
    isa: Isa,
    inputs: usize,
    one_digit: Vec<&'a DoubleGroup>,
    two_digits: Vec<&'a DoubleGroup>,
    #[cfg(target_arch = "x86_64")]
    bytes: Vec<&'a ByteGroup>,
    #[cfg(target_arch = "x86_64")]
    words: Vec<&'a WordGroup>,
}

impl Kernel<'_> {
    /// One block of one component: as many blocks as the map has inputs to as many as it has
    /// outputs.
    pub fn apply(&self, scratch: &mut Scratch, input: &[Block], out: &mut [Block]) {
        for (groups, one_digit) in [(&self.one_digit, true), (&self.two_digits, false)] {
            if !groups.is_empty() {
                let panel = Panel {
                    p: self.p,
                    groups,
                    input: &input[..self.inputs],
                };
                panel.apply(self.isa, one_digit, &mut scratch.digits, out);
            }
        }
        #[cfg(target_arch = "x86_64")]
        for group in &self.bytes {
            group.apply(self.p, &mut scratch.bytes, &input[..self.inputs], out);
        }
        #[cfg(target_arch = "x86_64")]
        for group in &self.words {
            group.apply(self.p, &input[..self.inputs], out);
        }
    }
}

impl DoubleGroup {
    fn new(group: &Group, inputs: usize, isa: Isa) -> Self {
        let tile = tile_rows(isa);
        let (rows, taps) = (group.rows(), group.taps());
        let mut weights = Vec::with_capacity(rows * taps);
        for tile in group.weights().chunks(tile * taps) {
            for tap in 0..taps {
                let column = tile.iter().skip(tap).step_by(taps);
                weights.extend(column.map(|&w| f64::from(w)));
            }
        }
        let zero_row = |&index: &u32| {
            if index == PADDING {
                inputs as u32
            } else {
                index
            }
        };
        Self {
            out_start: group.out_start(),
            taps,
            positions: group.positions(),
            max_abs_row_sum: group.max_abs_row_sum(),
            weights,
            gather: group.gather().iter().map(zero_row).collect(),
        }
    }
}

/// One block of one component, and the groups that read it with the same number of digits.
#[derive(Clone, Copy)]
struct Panel<'a> {
    p: Modulus,
    groups: &'a [&'a DoubleGroup],
    input: &'a [Block],
}

impl Panel<'_> {
    fn apply(self, isa: Isa, one_digit: bool, scratch: &mut Vec<Lanes>, out: &mut [Block]) {
        match (isa.kind(), one_digit) {
            (Kind::Portable, false) => self.strips::<Portable, 2>(Portable, scratch, out),
            (Kind::Portable, true) => self.strips::<Portable, 1>(Portable, scratch, out),
            // SAFETY: an `Isa` exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, false) => unsafe { self.avx2::<2>(scratch, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, true) => unsafe { self.avx2::<1>(scratch, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512 | Kind::Avx512Ifma, false) => unsafe { self.avx512::<2>(scratch, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512 | Kind::Avx512Ifma, true) => unsafe { self.avx512::<1>(scratch, out) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const DIGITS: usize>(self, scratch: &mut Vec<Lanes>, out: &mut [Block]) {
        // SAFETY: this function is compiled for these features.
        let vectors = unsafe { Avx2::assume() };
        self.strips::<_, DIGITS>(vectors, scratch, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma")]
    fn avx512<const DIGITS: usize>(self, scratch: &mut Vec<Lanes>, out: &mut [Block]) {
        // SAFETY: this function is compiled for these features.
        let vectors = unsafe { Avx512::assume() };
        self.strips::<_, DIGITS>(vectors, scratch, out);
    }

    /// Strip by strip: digits of every input, then every group.
    #[inline(always)]
    fn strips<V: Vectors, const DIGITS: usize>(
        self,
        vectors: V,
        scratch: &mut Vec<Lanes>,
        out: &mut [Block],
    ) {
        // one more input, the zero of paddings; the others are written for every strip
        let zero = self.input.len() * DIGITS * V::WIDTH;
        scratch.resize(zero + DIGITS * V::WIDTH, Lanes::ZERO);
        scratch[zero..].fill(Lanes::ZERO);
        for strip in (0..BLOCK).step_by(V::WIDTH * LANES) {
            self.digits::<V, DIGITS>(vectors, strip, scratch);
            for group in self.groups {
                let run = Run {
                    p: self.p,
                    strip,
                    group,
                    panel: scratch,
                };
                run.tiles::<V, DIGITS>(vectors, out);
            }
        }
    }

    /// `[input][digit][vector]` of a strip.
    #[inline(always)]
    fn digits<V: Vectors, const DIGITS: usize>(
        self,
        vectors: V,
        strip: usize,
        panel: &mut [Lanes],
    ) {
        let rows = panel.chunks_exact_mut(DIGITS * V::WIDTH);
        for (block, row) in self.input.iter().zip(rows) {
            let residues = block.0[strip..].as_chunks::<LANES>().0;
            for (vector, residues) in residues[..V::WIDTH].iter().enumerate() {
                if DIGITS == 1 {
                    row[vector] = vectors.centred(self.p, residues);
                } else {
                    let [low, high] = vectors.digits(self.p, residues);
                    row[vector] = low;
                    row[V::WIDTH + vector] = high;
                }
            }
        }
    }
}

/// One strip of one group.
#[derive(Clone, Copy)]
struct Run<'a> {
    p: Modulus,
    strip: usize,
    group: &'a DoubleGroup,
    panel: &'a [Lanes],
}

impl Run<'_> {
    /// Tile after tile, so that a tile's weights stay in the nearest cache over all positions.
    #[inline(always)]
    fn tiles<V: Vectors, const DIGITS: usize>(self, vectors: V, out: &mut [Block]) {
        let DoubleGroup {
            taps, positions, ..
        } = *self.group;
        let mut first = self.group.out_start;
        for weights in self.group.weights.chunks(V::ROWS * taps) {
            let rows = weights.len() / taps;
            let gathers = self.group.gather.chunks_exact(taps);
            for (position, gather) in gathers.enumerate() {
                let out = &mut out[first + position..];
                match rows {
                    6 => self.tile::<V, 6, DIGITS>(vectors, weights, gather, out),
                    5 => self.tile::<V, 5, DIGITS>(vectors, weights, gather, out),
                    4 => self.tile::<V, 4, DIGITS>(vectors, weights, gather, out),
                    3 => self.tile::<V, 3, DIGITS>(vectors, weights, gather, out),
                    2 => self.tile::<V, 2, DIGITS>(vectors, weights, gather, out),
                    _ => self.tile::<V, 1, DIGITS>(vectors, weights, gather, out),
                }
            }
            first += rows * positions;
        }
    }

    /// One tile at one position: all its sums in registers.
    #[inline(always)]
    fn tile<V: Vectors, const ROWS: usize, const DIGITS: usize>(
        self,
        vectors: V,
        weights: &[f64],
        gather: &[u32],
        out: &mut [Block],
    ) {
        // a strip is at most two registers wide
        let mut sums = [[[vectors.zero(); 2]; DIGITS]; ROWS];
        let weights = weights.as_chunks::<ROWS>().0;
        for (weights, &input) in weights.iter().zip(gather) {
            let first = input as usize * DIGITS * V::WIDTH;
            let row = &self.panel[first..first + DIGITS * V::WIDTH];
            for digit in 0..DIGITS {
                for vector in 0..V::WIDTH {
                    let x = vectors.load(&row[digit * V::WIDTH + vector]);
                    for (sums, &weight) in sums.iter_mut().zip(weights) {
                        let sum = &mut sums[digit][vector];
                        *sum = vectors.multiply_add(x, weight, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * self.group.positions].0[self.strip..];
            for (vector, out) in out.as_chunks_mut::<LANES>().0[..V::WIDTH]
                .iter_mut()
                .enumerate()
            {
                let high = if DIGITS == 2 {
                    sums[DIGITS - 1][vector]
                } else {
                    vectors.zero()
                };
                vectors.combine(self.p, sums[0][vector], high, out);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
