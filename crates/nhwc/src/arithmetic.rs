//! Tiles of sums of products: the innermost loops of every convolution, for each kind of processor.
//!
//! A tile is [`ROWS`] rows of `Z` vectors of [`LANES`] sums in f32. Its operands are 32-bit words (see [`Entry`]): every step
//! multiplies one word of each row's left operand with `Z * LANES` words of the right operand, which all rows share.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::entry::Entry;
use half::bf16;

/// Rows of a tile.
pub(crate) const ROWS: usize = 8;

/// Sums in a vector.
pub(crate) const LANES: usize = 16;

/// Vectors in a row of the widest tile.
pub(crate) const WIDEST: usize = 3;

/// The way that a tile takes through its operands, in words: `blocks` times `runs` times `length` steps.
///
/// The right operand is read from one end to the other, `Z * LANES` words a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub blocks: usize,
    pub block_stride: usize,
    pub runs: usize,
    pub run_stride: usize,
    pub length: usize,
    pub step: usize,
}

impl Walk {
    /// Steps in all.
    pub const fn steps(&self) -> usize {
        self.blocks * self.runs * self.length
    }

    /// Where the last step reads, counted from where the first one does.
    const fn reach(&self) -> usize {
        (self.blocks - 1) * self.block_stride
            + (self.runs - 1) * self.run_stride
            + (self.length - 1) * self.step
    }

    /// Whether all that a tile reads from `left` at `offsets` and from `right` is there.
    fn fits(&self, left: &[u32], offsets: &[usize; ROWS], right: &[u32], vectors: usize) -> bool {
        self.steps() > 0
            && self.steps() * vectors * LANES <= right.len()
            && offsets
                .iter()
                .all(|offset| offset + self.reach() < left.len())
    }
}

/// Where a finished tile goes: `columns` entries to each of the first `rows` of `offsets`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Targets<'a> {
    pub offsets: &'a [usize],
    pub columns: usize,
}

/// Kinds of processors for which there are tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    /// Any.
    Portable,
    /// AVX-512 F, BW and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with BF16: Zen 4 and Sapphire Rapids, and later ones.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Processor {
    /// The best kind that this machine is of.
    pub fn here() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    /// All kinds that this machine is of, the best one last.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            all.push(Self::Avx512);
            if is_x86_feature_detected!("avx512bf16") {
                all.push(Self::Avx512Bf16);
            }
        }
        all
    }
}

/// A tile's sums become entries of `y`, which holds nothing before.
///
/// # Panics
/// When the operands are shorter than `walk` is long, or a target lies outside of `y`.
pub(crate) fn store<T: Entry, const Z: usize>(
    processor: Processor,
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    y: &mut [T],
    targets: Targets<'_>,
) {
    assert!(walk.fits(left, offsets, right, Z) && targets.columns <= Z * LANES);
    assert!(targets.offsets.len() <= ROWS);
    assert!(
        targets
            .offsets
            .iter()
            .all(|offset| offset + targets.columns <= y.len())
    );
    match processor {
        Processor::Portable => portable::store::<T, Z>(left, offsets, walk, right, y, targets),
        // SAFETY: the processor has the instructions, since `Processor` names only kinds that were detected, and the assertions
        // above are what the functions ask for.
        #[cfg(target_arch = "x86_64")]
        Processor::Avx512 | Processor::Avx512Bf16 => unsafe {
            x86::store::<T, Z>(processor, left, offsets, walk, right, y, targets)
        },
    }
}

/// Adds a tile's sums to `sums`, whose row `p` begins at `p * stride`.
///
/// # Panics
/// When the operands are shorter than `walk` is long, or a row does not fit into `sums`.
pub(crate) fn add<T: Entry, const Z: usize>(
    processor: Processor,
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    sums: &mut [f32],
    (rows, stride): (usize, usize),
) {
    assert!(walk.fits(left, offsets, right, Z));
    assert!((1..=ROWS).contains(&rows) && (rows - 1) * stride + Z * LANES <= sums.len());
    match processor {
        Processor::Portable => {
            portable::add::<T, Z>(left, offsets, walk, right, sums, (rows, stride));
        }
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Processor::Avx512 | Processor::Avx512Bf16 => unsafe {
            x86::add::<T, Z>(processor, left, offsets, walk, right, sums, (rows, stride))
        },
    }
}

/// Product of two words: of two f32, or the sum of the products of two pairs of bf16.
fn product<T: Entry>(left: u32, right: u32) -> f32 {
    if T::PER_WORD == 1 {
        return f32::from_bits(left) * f32::from_bits(right);
    }
    let pair = |word: u32| bytemuck::cast::<u32, [bf16; 2]>(word).map(Entry::to_f32);
    let ([a, b], [c, d]) = (pair(left), pair(right));
    a * c + b * d
}
