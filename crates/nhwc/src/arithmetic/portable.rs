//! Tiles in plain Rust.

use super::{LANES, ROWS, Targets, Walk, product};
use crate::entry::Entry;

fn sums<T: Entry, const Z: usize>(
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
) -> [[[f32; LANES]; Z]; ROWS] {
    let mut sums = [[[0.0; LANES]; Z]; ROWS];
    let mut right = right.chunks_exact(Z * LANES);
    for block in 0..walk.blocks {
        for run in 0..walk.runs {
            let start = block * walk.block_stride + run * walk.run_stride;
            for (at, right) in (0..walk.length)
                .map(|k| start + k * walk.step)
                .zip(&mut right)
            {
                for (sums, offset) in sums.iter_mut().zip(offsets) {
                    let left = left[offset + at];
                    for (sums, right) in sums.iter_mut().zip(right.chunks_exact(LANES)) {
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum += product::<T>(left, *right);
                        }
                    }
                }
            }
        }
    }
    sums
}

pub(super) fn store<T: Entry, const Z: usize>(
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    y: &mut [T],
    targets: Targets<'_>,
) {
    let sums = sums::<T, Z>(left, offsets, walk, right);
    for (sums, offset) in sums.iter().zip(targets.offsets) {
        let y = &mut y[*offset..offset + targets.columns];
        for (y, sum) in y.iter_mut().zip(sums.as_flattened()) {
            *y = T::from_f32(*sum);
        }
    }
}

pub(super) fn add<T: Entry, const Z: usize>(
    left: &[u32],
    offsets: &[usize; ROWS],
    walk: &Walk,
    right: &[u32],
    to: &mut [f32],
    (rows, stride): (usize, usize),
) {
    let sums = sums::<T, Z>(left, offsets, walk, right);
    for (row, sums) in sums.iter().take(rows).enumerate() {
        for (to, sum) in to[row * stride..].iter_mut().zip(sums.as_flattened()) {
            *to += sum;
        }
    }
}
