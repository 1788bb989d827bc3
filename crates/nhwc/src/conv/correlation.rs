//! Weighted sums over windows of a padded map: the forward pass, and the gradient of the input as forward passes.

use super::{Conv, tile_widths};
use crate::arithmetic::{LANES, Processor, ROWS, Targets, Walk, store};
use crate::entry::Entry;
use rayon::prelude::*;

/// Words of padded maps that a task holds, about: a quarter of a core's second-level cache.
const TASK_WORDS: usize = 1 << 16;

/// A map is padded with zeros; then every phase computes some positions of the output from the same taps of the kernel.
pub(super) struct Correlation {
    height: usize,
    width: usize,
    channels: usize,
    out_channels: usize,
    /// Entries of one image of the output.
    out_len: usize,
    /// Zeros above and to the left.
    top: usize,
    left: usize,
    padded_height: usize,
    padded_width: usize,
    /// Words of a padded pixel.
    words: usize,
    phases: Vec<Phase>,
}

/// Positions of the output that are sums over the same places of the kernel.
struct Phase {
    /// Rows and columns of the kernel, in the order in which the window meets them.
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// For each position: where its window begins in the padded map, in words, and where it lies in the output.
    sources: Vec<usize>,
    targets: Vec<usize>,
}

/// How the gradient of a map's rows (or columns) follows from the output's: the parts of the kernel that meet every `stride`-th row.
struct Axis {
    /// For each remainder modulo the stride, the kernel's rows in the order in which the window meets them.
    taps: Vec<Vec<usize>>,
    /// For each row of the map, its remainder and the first row of its window, counted from the padded gradient's first.
    rows: Vec<(usize, usize)>,
    /// Zeros before, and length with zeros on both sides.
    before: usize,
    padded: usize,
}

impl Axis {
    /// For a map of `length` rows of which the convolution makes `count`.
    ///
    /// Output row `r` meets map row `i` at the kernel's row `i + padding - r * stride`. With `i + padding = stride * q + a` those
    /// are the rows `a + stride * t` of the kernel and `q - t` of the output.
    fn new(conv: &Conv, length: usize, count: usize) -> Self {
        let taps: Vec<Vec<usize>> = (0..conv.stride)
            .map(|first| (first..conv.kernel).step_by(conv.stride).rev().collect())
            .collect();
        let at = |i: usize| {
            (
                (i + conv.padding) % conv.stride,
                (i + conv.padding) / conv.stride,
            )
        };
        // One more than the furthest row before the first that a window reaches.
        let before = (0..length)
            .map(|i| (taps[at(i).0].len()).saturating_sub(at(i).1 + 1))
            .max()
            .unwrap_or(0);
        let last = at(length - 1).1.max(count - 1);
        let rows = (0..length)
            .map(|i| {
                let (remainder, quotient) = at(i);
                (remainder, quotient + before + 1 - taps[remainder].len())
            })
            .collect();
        Self {
            taps,
            rows,
            before,
            padded: before + last + 1,
        }
    }
}

impl Correlation {
    pub fn forward(conv: &Conv, per_word: usize) -> Self {
        let [rows, columns] = conv.output_size();
        let words = conv.in_channels.div_ceil(per_word);
        let (padded_height, padded_width) = (
            conv.height + 2 * conv.padding,
            conv.width + 2 * conv.padding,
        );
        let positions = || (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
        let phase = Phase {
            rows: (0..conv.kernel).collect(),
            columns: (0..conv.kernel).collect(),
            sources: positions()
                .map(|(r, c)| (r * padded_width + c) * conv.stride * words)
                .collect(),
            targets: positions()
                .map(|(r, c)| (r * columns + c) * conv.out_channels)
                .collect(),
        };
        Self {
            height: conv.height,
            width: conv.width,
            channels: conv.in_channels,
            out_channels: conv.out_channels,
            out_len: conv.output_len(),
            top: conv.padding,
            left: conv.padding,
            padded_height,
            padded_width,
            words,
            phases: vec![phase],
        }
    }

    pub fn input_gradient(conv: &Conv, per_word: usize) -> Self {
        let [height, width] = conv.output_size();
        let words = conv.out_channels.div_ceil(per_word);
        let (down, across) = (
            Axis::new(conv, conv.height, height),
            Axis::new(conv, conv.width, width),
        );
        let remainders = (0..conv.stride).flat_map(|a| (0..conv.stride).map(move |b| (a, b)));
        let phases = remainders.map(|(a, b)| {
            let positions: Vec<(usize, usize)> = (0..conv.height)
                .filter(|i| down.rows[*i].0 == a)
                .flat_map(|i| (0..conv.width).map(move |j| (i, j)))
                .filter(|(_, j)| across.rows[*j].0 == b)
                .collect();
            Phase {
                rows: down.taps[a].clone(),
                columns: across.taps[b].clone(),
                sources: positions
                    .iter()
                    .map(|(i, j)| (down.rows[*i].1 * across.padded + across.rows[*j].1) * words)
                    .collect(),
                targets: positions
                    .iter()
                    .map(|(i, j)| (i * conv.width + j) * conv.in_channels)
                    .collect(),
            }
        });
        Self {
            height,
            width,
            channels: conv.out_channels,
            out_channels: conv.in_channels,
            out_len: conv.input_len(),
            phases: phases.collect(),
            top: down.before,
            left: across.before,
            padded_height: down.padded,
            padded_width: across.padded,
            words,
        }
    }

    /// Fills `y` from `x`. `weight(output, input, row, column)` is asked for channels of `y`, channels of `x` and places of the kernel.
    ///
    /// # Panics
    /// When `x` or `y` is not a whole number of images, or not the same number.
    pub fn run<T: Entry>(
        &self,
        processor: Processor,
        x: &[T],
        y: &mut [T],
        weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
    ) {
        let in_len = self.height * self.width * self.channels;
        let images = x.len() / in_len;
        assert_eq!(x.len(), images * in_len);
        assert_eq!(y.len(), images * self.out_len);
        let packed: Vec<Vec<Tiles>> = self
            .phases
            .iter()
            .map(|phase| self.pack::<T>(phase, &weight))
            .collect();
        let padded_len = self.padded_height * self.padded_width * self.words;
        let task = (TASK_WORDS / padded_len)
            .clamp(1, 16)
            .min(images.div_ceil(8).max(1));
        y.par_chunks_mut(task * self.out_len)
            .zip(x.par_chunks(task * in_len))
            .for_each_init(
                || vec![0; task * padded_len],
                |padded, (y, x)| {
                    for (padded, x) in padded
                        .chunks_exact_mut(padded_len)
                        .zip(x.chunks_exact(in_len))
                    {
                        self.pad(x, padded);
                    }
                    for (phase, packed) in self.phases.iter().zip(&packed) {
                        self.run_phase(processor, phase, packed, padded, y);
                    }
                },
            );
    }

    fn run_phase<T: Entry>(
        &self,
        processor: Processor,
        phase: &Phase,
        packed: &[Tiles],
        padded: &[u32],
        y: &mut [T],
    ) {
        let padded_len = self.padded_height * self.padded_width * self.words;
        let walk = Walk {
            blocks: 1,
            block_stride: 0,
            runs: phase.rows.len(),
            run_stride: self.padded_width * self.words,
            length: phase.columns.len() * self.words,
            step: 1,
        };
        if walk.steps() == 0 {
            for y in y.chunks_exact_mut(self.out_len) {
                for target in &phase.targets {
                    y[*target..target + self.out_channels].fill(T::default());
                }
            }
            return;
        }
        for tiles in packed {
            for (y, padded) in y
                .chunks_exact_mut(self.out_len)
                .zip(padded.chunks_exact(padded_len))
            {
                let y = &mut y[tiles.first..];
                for (sources, targets) in phase.sources.chunks(ROWS).zip(phase.targets.chunks(ROWS))
                {
                    // A short last group reads its first window again in the rows that it does not have.
                    let mut offsets = [sources[0]; ROWS];
                    offsets[..sources.len()].copy_from_slice(sources);
                    let targets = Targets {
                        offsets: targets,
                        columns: tiles.columns,
                    };
                    let store = match tiles.width {
                        1 => store::<T, 1>,
                        2 => store::<T, 2>,
                        _ => store::<T, 3>,
                    };
                    store(processor, padded, &offsets, &walk, &tiles.words, y, targets);
                }
            }
        }
    }

    /// Copies one image between its zeros, which are there already.
    fn pad<T: Entry>(&self, x: &[T], padded: &mut [u32]) {
        let row_words = self.padded_width * self.words;
        for (row, x) in x.chunks_exact(self.width * self.channels).enumerate() {
            let start = (self.top + row) * row_words + self.left * self.words;
            let padded = &mut padded[start..start + self.width * self.words];
            if self.channels.is_multiple_of(T::PER_WORD) {
                bytemuck::cast_slice_mut::<u32, T>(padded).copy_from_slice(x);
                continue;
            }
            for (padded, x) in padded
                .chunks_exact_mut(self.words)
                .zip(x.chunks_exact(self.channels))
            {
                bytemuck::cast_slice_mut::<u32, T>(padded)[..self.channels].copy_from_slice(x);
            }
        }
    }

    /// The phase's weights in the order in which the tiles read them: `[row, column, word of channels, lane]` for each width of tile.
    fn pack<T: Entry>(
        &self,
        phase: &Phase,
        weight: &(impl Fn(usize, usize, usize, usize) -> f32 + Sync),
    ) -> Vec<Tiles> {
        let mut first = 0;
        let tiles: Vec<(usize, usize)> = tile_widths(self.out_channels)
            .into_iter()
            .map(|width| {
                first += width * LANES;
                (first - width * LANES, width)
            })
            .collect();
        let pack = |(first, width): (usize, usize)| {
            let lanes = width * LANES;
            let columns = lanes.min(self.out_channels - first);
            let taps = phase.rows.len() * phase.columns.len();
            let mut words = vec![0; taps * self.words * lanes];
            let places = phase
                .rows
                .iter()
                .flat_map(|row| phase.columns.iter().map(move |c| (row, c)));
            for ((row, column), words) in places.zip(words.chunks_exact_mut(self.words * lanes)) {
                for (word, words) in words.chunks_exact_mut(lanes).enumerate() {
                    for (lane, to) in words[..columns].iter_mut().enumerate() {
                        let entry = |input: usize| {
                            if input < self.channels {
                                T::from_f32(weight(first + lane, input, *row, *column))
                            } else {
                                T::default()
                            }
                        };
                        let input = word * T::PER_WORD;
                        *to = T::word(entry(input), entry(input + 1));
                    }
                }
            }
            Tiles {
                first,
                columns,
                width,
                words,
            }
        };
        tiles.into_par_iter().map(pack).collect()
    }
}

/// The weights of some channels of the output.
struct Tiles {
    /// The first of the channels, and how many they are.
    first: usize,
    columns: usize,
    /// Vectors in a row of a tile.
    width: usize,
    words: Vec<u32>,
}
