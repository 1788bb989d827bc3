//! A linear map on one image: every output position's window times the weights, in double precision and, limb by limb, exactly.

use ckks::LinearMap;
use pulp::{Arch, Simd, WithSimd};

/// Positions that are computed together, as the lanes of vector registers.
const LANES: usize = 16;
/// Outputs that read the same position and are computed together, so that a loaded window is used that often.
const ROWS: usize = 4;
/// Whole numbers up to two to this power are exact in double precision.
const EXACT_BITS: u32 = 53;

type Lanes = [f64; LANES];

/// `map` on one image, with `weight` of every integer weight. Windows past the edge read zero.
pub(super) fn apply_map(map: &LinearMap, inputs: &[f64], weight: impl Fn(i16) -> f64) -> Vec<f64> {
    let arch = Arch::new();
    let mut outputs = vec![0.0; map.outputs()];
    for group in map.groups() {
        let (taps, positions) = (group.taps(), group.positions());
        let weights: Vec<f64> = group.weights().iter().map(|value| weight(*value)).collect();
        let blocks = interleaved(&weights, taps);
        let outputs = &mut outputs[group.out_start()..][..weights.len() / taps * positions];
        let mut panel = vec![[0.0; LANES]; taps];
        for (start, windows) in (0..positions)
            .step_by(LANES)
            .zip(group.gather().chunks(LANES * taps))
        {
            for (lane, window) in windows.chunks_exact(taps).enumerate() {
                for (lanes, input) in panel.iter_mut().zip(window) {
                    // The padding's index is none of the inputs: it reads zero.
                    lanes[lane] = inputs.get(*input as usize).copied().unwrap_or(0.0);
                }
            }
            let lanes = windows.len() / taps;
            for (block, rows) in blocks
                .chunks_exact(taps)
                .zip(outputs.chunks_mut(ROWS * positions))
            {
                let panel = &panel;
                let sums = arch.dispatch(Products { block, panel });
                for (row, sums) in rows.chunks_exact_mut(positions).zip(&sums) {
                    row[start..start + lanes].copy_from_slice(&sums[..lanes]);
                }
            }
        }
    }
    outputs
}

/// `map` on one image of integers, exactly. The caller has seen to it that no sum passes 126 bits.
///
/// Integers are split into limbs so small that every sum of weighted limbs is exact in double precision, whatever its order: one limb
/// where a schedule rescales before the layer, two or three where it does not.
pub(super) fn apply_map_exactly(map: &LinearMap, inputs: &[i128]) -> Vec<i128> {
    let bits_of = |value: u128| u128::BITS - value.leading_zeros();
    let largest = inputs.iter().map(|value| value.unsigned_abs()).max();
    let bits = bits_of(largest.unwrap_or(0));
    let width = EXACT_BITS - 1 - bits_of(map.max_abs_row_sum().unsigned_abs().into());
    let limbs = bits.div_ceil(width).max(1);
    let mut outputs = vec![0_i128; map.outputs()];
    for limb in 0..limbs {
        let shift = limb * width;
        // The last limb keeps the sign.
        let mask = if limb + 1 == limbs {
            -1
        } else {
            (1_i128 << width) - 1
        };
        let part: Vec<f64> = inputs
            .iter()
            .map(|value| ((value >> shift) & mask) as f64)
            .collect();
        for (output, sum) in outputs.iter_mut().zip(apply_map(map, &part, f64::from)) {
            *output = output.wrapping_add((sum as i128).wrapping_shl(shift));
        }
    }
    outputs
}

/// Rows of weights, `[rows, taps]`, as blocks of [`ROWS`] rows: `[blocks, taps]` of one weight for each row, zero past the last.
fn interleaved(weights: &[f64], taps: usize) -> Vec<[f64; ROWS]> {
    let mut blocks = Vec::with_capacity(weights.len().div_ceil(ROWS * taps) * taps);
    for rows in weights.chunks(ROWS * taps) {
        blocks.extend((0..taps).map(|tap| {
            std::array::from_fn(|row| rows.get(row * taps + tap).copied().unwrap_or(0.0))
        }));
    }
    blocks
}

/// Sums over the taps of `block`, `[taps]` of [`ROWS`] weights, times `panel`, `[taps]` of [`LANES`] inputs.
struct Products<'a> {
    block: &'a [[f64; ROWS]],
    panel: &'a [Lanes],
}

impl WithSimd for Products<'_> {
    type Output = [Lanes; ROWS];

    /// Compiled for every instruction set; the compiler makes vectors of the lanes.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [Lanes; ROWS] {
        let mut sums = [[0.0; LANES]; ROWS];
        for (weights, inputs) in self.block.iter().zip(self.panel) {
            for row in 0..ROWS {
                for lane in 0..LANES {
                    sums[row][lane] += weights[row] * inputs[lane];
                }
            }
        }
        sums
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ckks::{Group, PADDING};
    use proptest::prelude::*;

    proptest! {
        /// Against the definition, with values of any size whose sums stay below 126 bits.
        #[test]
        fn integers_are_exact(
            rows in 1_usize..9,
            taps in 1_usize..40,
            positions in 1_usize..40,
            bits in 1_u32..95,
            seed in any::<u64>(),
        ) {
            let mut state = u128::from(seed) | 1;
            let mut next = || {
                state = state.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
                (state >> 1) as i128
            };
            let inputs: Vec<i128> = (0..50)
                .map(|_| {
                    let value = next() % (1 << bits);
                    if next() % 2 == 0 { value } else { -value }
                })
                .collect();
            let weights: Vec<i16> = (0..rows * taps).map(|_| (next() % 4_095 - 2_047) as i16).collect();
            let gather: Vec<u32> = (0..positions * taps)
                .map(|_| match next() % 58 {
                    input @ 0..50 => input as u32,
                    _ => PADDING,
                })
                .collect();
            let mut wanted = Vec::new();
            for row in weights.chunks_exact(taps) {
                for window in gather.chunks_exact(taps) {
                    let pairs = row.iter().zip(window).filter(|(_, input)| **input != PADDING);
                    wanted.push(pairs.map(|(weight, input)| i128::from(*weight) * inputs[*input as usize]).sum::<i128>());
                }
            }
            let group = Group::new(0, rows, taps, weights, gather).unwrap();
            let map = LinearMap::from_groups(50, rows * positions, vec![group]).unwrap();
            prop_assert_eq!(apply_map_exactly(&map, &inputs), wanted);
        }
    }
}
