//! The gradient of the weight: for each place of the kernel, sums over all positions of all images.

use super::{Conv, tile_widths};
use crate::arithmetic::{LANES, Processor, ROWS, Walk, add};
use crate::entry::Entry;
use rayon::prelude::*;
use std::ops::Range;

/// Channels of the input whose words lie together.
const BLOCK: usize = ROWS;

/// Sums that a task holds, at most, about: a quarter of a core's second-level cache.
const TASK_SUMS: usize = 1 << 16;

/// Words of the input that a task works on at a time, about: a quarter of a core's second-level cache.
const CHUNK_WORDS: usize = 1 << 16;

/// Tasks that the work is divided into, about.
const TASKS: usize = 8;

/// What all tasks share.
struct Plan<'a> {
    conv: &'a Conv,
    processor: Processor,
    /// Rows and columns of the output.
    rows: usize,
    columns: usize,
    /// Rows and columns of the padded input.
    padded_height: usize,
    padded_width: usize,
    /// Channels in a block.
    block: usize,
    /// Columns of the output in words.
    steps: usize,
    /// First column and vectors of each width of tile.
    tiles: Vec<(usize, usize)>,
    /// Output channels, rounded up to whole vectors.
    lanes: usize,
}

pub(super) fn weight_gradient<T: Entry>(
    conv: &Conv,
    processor: Processor,
    x: &[T],
    y_gradient: &[T],
) -> Vec<f32> {
    let images = x.len() / conv.input_len();
    assert_eq!(x.len(), images * conv.input_len());
    assert_eq!(y_gradient.len(), images * conv.output_len());
    let plan = Plan::new::<T>(conv, processor);
    let blocks = conv.in_channels.div_ceil(plan.block);
    let taps = conv.kernel * conv.kernel;
    // Tasks: some blocks of channels of some images.
    let blocks_each = (TASK_SUMS / (taps * plan.block * plan.lanes)).clamp(1, blocks);
    let ranges: Vec<Range<usize>> = (0..blocks)
        .step_by(blocks_each)
        .map(|first| first..blocks.min(first + blocks_each))
        .collect();
    let groups = TASKS.div_ceil(ranges.len()).min(images.max(1));
    let group = images.div_ceil(groups).max(1);
    let parts: Vec<Vec<Vec<f32>>> = ranges
        .par_iter()
        .map(|range| {
            x.par_chunks(group * conv.input_len())
                .zip(y_gradient.par_chunks(group * conv.output_len()))
                .map(|(x, y_gradient)| plan.sums(range.clone(), x, y_gradient))
                .collect()
        })
        .collect();
    let mut gradient = vec![0.0; conv.weight_len()];
    gradient
        .par_chunks_mut(conv.in_channels * taps)
        .enumerate()
        .for_each(|(output, gradient)| {
            for (range, parts) in ranges.iter().zip(&parts) {
                for (row, (block, tap, channel)) in plan.sum_rows(range.clone()).enumerate() {
                    let input = block * plan.block + channel;
                    let sum = parts.iter().map(|sums| sums[row * plan.lanes + output]);
                    gradient[input * taps + tap] = sum.sum();
                }
            }
        });
    gradient
}

impl<'a> Plan<'a> {
    fn new<T: Entry>(conv: &'a Conv, processor: Processor) -> Self {
        let [rows, columns] = conv.output_size();
        let mut first = 0;
        let tiles = tile_widths(conv.out_channels)
            .into_iter()
            .map(|width| {
                first += width * LANES;
                (first - width * LANES, width)
            })
            .collect();
        Self {
            conv,
            processor,
            rows,
            columns,
            padded_height: conv.height + 2 * conv.padding,
            padded_width: conv.width + 2 * conv.padding,
            block: conv.in_channels.min(BLOCK),
            steps: columns.div_ceil(T::PER_WORD),
            tiles,
            lanes: first,
        }
    }

    /// Block, place of the kernel and channel within the block, in the order in which the sums of `range` lie.
    fn sum_rows(&self, range: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> {
        let (block, channels) = (self.block, self.conv.in_channels);
        let taps = self.conv.kernel * self.conv.kernel;
        range.flat_map(move |index| {
            let count = block.min(channels - index * block);
            (0..taps).flat_map(move |tap| (0..count).map(move |channel| (index, tap, channel)))
        })
    }

    /// Words of one block of channels of a padded image.
    const fn image_words(&self) -> usize {
        self.padded_height * self.padded_width * self.block
    }

    /// The sums over some images for the blocks `range` of input channels.
    fn sums<T: Entry>(&self, range: Range<usize>, x: &[T], y_gradient: &[T]) -> Vec<f32> {
        let conv = self.conv;
        let rows: Vec<(usize, usize, usize)> = self.sum_rows(range.clone()).collect();
        let mut sums = vec![0.0; rows.len() * self.lanes];
        let images = x.len() / conv.input_len();
        let chunk = (CHUNK_WORDS / (self.image_words() * range.len())).clamp(1, images.max(1));
        let mut left = vec![0; range.len() * chunk * self.image_words()];
        let mut right = vec![0; chunk * self.rows * self.steps * self.lanes];
        let chunks = x
            .chunks(chunk * conv.input_len())
            .zip(y_gradient.chunks(chunk * conv.output_len()));
        for (x, y_gradient) in chunks {
            let images = x.len() / conv.input_len();
            let left = &mut left[..range.len() * images * self.image_words()];
            let right = &mut right[..images * self.rows * self.steps * self.lanes];
            self.write_left(range.clone(), x, left);
            self.write_right(y_gradient, right);
            self.add_chunk::<T>(images, &rows, left, right, &mut sums);
        }
        sums
    }

    fn add_chunk<T: Entry>(
        &self,
        images: usize,
        rows: &[(usize, usize, usize)],
        left: &[u32],
        right: &[u32],
        sums: &mut [f32],
    ) {
        let conv = self.conv;
        let walk = Walk {
            blocks: images,
            block_stride: self.image_words(),
            runs: self.rows,
            run_stride: conv.stride * self.padded_width * self.block,
            length: self.steps,
            step: T::PER_WORD * conv.stride * self.block,
        };
        let first_block = rows[0].0;
        for (first, width) in &self.tiles {
            let right = &right[first * walk.steps()..(first + width * LANES) * walk.steps()];
            for (index, rows) in rows.chunks(ROWS).enumerate() {
                let offset = |(block, tap, channel): (usize, usize, usize)| {
                    let place = (tap / conv.kernel) * self.padded_width + tap % conv.kernel;
                    (block - first_block) * images * self.image_words()
                        + place * self.block
                        + channel
                };
                let mut offsets = [offset(rows[0]); ROWS];
                for (offsets, row) in offsets.iter_mut().zip(rows) {
                    *offsets = offset(*row);
                }
                let sums = &mut sums[index * ROWS * self.lanes + first..];
                let add = match width {
                    1 => add::<T, 1>,
                    2 => add::<T, 2>,
                    _ => add::<T, 3>,
                };
                add(
                    self.processor,
                    left,
                    &offsets,
                    &walk,
                    right,
                    sums,
                    (rows.len(), self.lanes),
                );
            }
        }
    }

    /// The padded input as `[block, image, row, column, channel]`. Where a word holds two entries, they are those of the windows of
    /// two neighbouring columns of the output, which lie `stride` apart.
    fn write_left<T: Entry>(&self, range: Range<usize>, x: &[T], left: &mut [u32]) {
        let conv = self.conv;
        let images = x.len() / conv.input_len();
        let row_len = conv.width * conv.in_channels;
        for (index, left) in range.zip(left.chunks_exact_mut(images * self.image_words())) {
            let first = index * self.block;
            let count = self.block.min(conv.in_channels - first);
            for (image, left) in x
                .chunks_exact(conv.input_len())
                .zip(left.chunks_exact_mut(self.image_words()))
            {
                let padded_row = self.padded_width * self.block;
                for (row, left) in image
                    .chunks_exact(row_len)
                    .zip(left[conv.padding * padded_row..].chunks_exact_mut(padded_row))
                {
                    let pixel = |column: usize| {
                        let column = column
                            .checked_sub(conv.padding)
                            .filter(|c| *c < conv.width)?;
                        row.get(column * conv.in_channels + first..)?.get(..count)
                    };
                    for (column, left) in left.chunks_exact_mut(self.block).enumerate() {
                        write_pairs(
                            pixel(column),
                            pixel(column + conv.stride),
                            &mut left[..count],
                        );
                    }
                }
            }
        }
    }

    /// The gradient of the output as `[tile, image, row, step, lane]`. Where a word holds two entries, they are those of two
    /// neighbouring columns.
    fn write_right<T: Entry>(&self, y_gradient: &[T], right: &mut [u32]) {
        let channels = self.conv.out_channels;
        let positions = y_gradient.len() / (self.columns * channels) * self.steps;
        let mut rest = right;
        for (first, width) in &self.tiles {
            let lanes = width * LANES;
            let (right, after) = std::mem::take(&mut rest).split_at_mut(positions * lanes);
            rest = after;
            let count = lanes.min(channels - first);
            for (row, right) in y_gradient
                .chunks_exact(self.columns * channels)
                .zip(right.chunks_exact_mut(self.steps * lanes))
            {
                let pixel = |column: usize| row.get(column * channels + first..)?.get(..count);
                for (step, right) in right.chunks_exact_mut(lanes).enumerate() {
                    let column = step * T::PER_WORD;
                    write_pairs(pixel(column), pixel(column + 1), &mut right[..count]);
                }
            }
        }
    }
}

/// Words of entries from two slices of the same length as `words`; a missing slice counts as zeros.
fn write_pairs<T: Entry>(first: Option<&[T]>, second: Option<&[T]>, words: &mut [u32]) {
    let nothing = T::default();
    match (first, second) {
        (Some(first), Some(second)) => {
            for ((word, first), second) in words.iter_mut().zip(first).zip(second) {
                *word = T::word(*first, *second);
            }
        }
        (Some(first), None) => {
            for (word, first) in words.iter_mut().zip(first) {
                *word = T::word(*first, nothing);
            }
        }
        (None, Some(second)) => {
            for (word, second) in words.iter_mut().zip(second) {
                *word = T::word(nothing, *second);
            }
        }
        (None, None) => words.fill(T::word(nothing, nothing)),
    }
}
