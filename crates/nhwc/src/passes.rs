//! Passes over maps, channel by channel, on all threads.

use crate::arithmetic::{LANES, Processor};
use crate::entry::Entry;
use crate::vector::{Pass, Vector, run};
use rayon::prelude::*;

/// Entries that a task works on, about. How a map is divided depends on its shape alone, so that sums have the same bits on any number
/// of threads.
const TASK: usize = 1 << 14;

/// Entries of a task: whole rows of `channels`.
pub(crate) fn task_len(channels: usize) -> usize {
    (TASK / channels).max(1) * channels
}

/// What a pass does with 16 channels, row by row. `N` numbers a channel are added up.
pub(crate) trait Step<const N: usize>: Sync {
    /// What is the same for all rows.
    type Constants<V: Vector>: Copy;

    /// For up to 16 channels.
    fn constants<V: Vector>(&self, channels: std::ops::Range<usize>) -> Self::Constants<V>;

    /// From one vector of each input, the vector to write, and the sums with this row's numbers added. Must be `#[inline(always)]`.
    fn step<V: Vector>(constants: &Self::Constants<V>, x: V, g: V, sums: [V; N]) -> (V, [V; N]);
}

/// Where a pass writes.
enum Output<'a, T> {
    Nothing,
    To(&'a mut [T]),
}

struct Part<'a, T, S, const N: usize> {
    channels: usize,
    x: &'a [T],
    g: Option<&'a [T]>,
    y: Output<'a, T>,
    step: &'a S,
}

impl<T: Entry, S: Step<N>, const N: usize> Pass for Part<'_, T, S, N> {
    /// `[N, channels]`
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Vector>(self) -> Vec<f32> {
        let Part {
            channels,
            x,
            g,
            mut y,
            step,
        } = self;
        let mut totals = vec![0.0; N * channels];
        for first in (0..channels).step_by(LANES) {
            let count = LANES.min(channels - first);
            let constants = step.constants::<V>(first..first + count);
            let mut sums = [V::splat(0.0); N];
            let mut at = first;
            while at < x.len() {
                let range = at..at + count;
                let value = V::load(&x[range.clone()]);
                let gradient = match g {
                    Some(g) => V::load(&g[range.clone()]),
                    None => V::splat(0.0),
                };
                let (written, next) = S::step(&constants, value, gradient, sums);
                sums = next;
                if let Output::To(y) = &mut y {
                    written.store(&mut y[range]);
                }
                at += channels;
            }
            for (n, sum) in sums.into_iter().enumerate() {
                sum.store(&mut totals[n * channels + first..][..count]);
            }
        }
        totals
    }
}

/// Adds up over all rows; `[N][channels]`.
pub(crate) fn sum<T: Entry, S: Step<N>, const N: usize>(
    processor: Processor,
    channels: usize,
    x: &[T],
    g: Option<&[T]>,
    step: &S,
) -> [Vec<f64>; N] {
    let len = task_len(channels);
    let parts = (0..x.len().div_ceil(len)).into_par_iter().map(|task| {
        let range = task * len..x.len().min((task + 1) * len);
        run(
            processor,
            Part {
                channels,
                x: &x[range.clone()],
                g: g.map(|g| &g[range]),
                y: Output::Nothing,
                step,
            },
        )
    });
    total(channels, parts.collect())
}

/// Fills `y`, and adds up over all rows; `[N][channels]`.
pub(crate) fn map<T: Entry, S: Step<N>, const N: usize>(
    processor: Processor,
    channels: usize,
    x: &[T],
    g: Option<&[T]>,
    y: &mut [T],
    step: &S,
) -> [Vec<f64>; N] {
    assert_eq!(x.len(), y.len());
    let len = task_len(channels);
    let parts = y.par_chunks_mut(len).enumerate().map(|(task, y)| {
        let range = task * len..x.len().min((task + 1) * len);
        run(
            processor,
            Part {
                channels,
                x: &x[range.clone()],
                g: g.map(|g| &g[range]),
                y: Output::To(y),
                step,
            },
        )
    });
    total(channels, parts.collect())
}

/// Parts are added in their order, in f64.
fn total<const N: usize>(channels: usize, parts: Vec<Vec<f32>>) -> [Vec<f64>; N] {
    let mut totals = std::array::from_fn(|_| vec![0.0; channels]);
    for part in parts {
        for (total, part) in totals.iter_mut().zip(part.chunks_exact(channels)) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += f64::from(*part);
            }
        }
    }
    totals
}
