//! Each image's largest value.

use super::Peaks;
use super::steps::Argument;
use crate::arithmetic::{LANES, Processor};
use crate::entry::Entry;
use crate::vector::{Pass, Vector, run};
use rayon::prelude::*;

/// The largest |z| of an image, where it passes the limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peak {
    /// Of the entry.
    pub index: usize,
    /// By how much |z| passes the limit.
    pub excess: f64,
    /// The penalty's gradient of z.
    pub gradient: f64,
}

/// In the order of the images; those within the limit are left out. Of equal values the first counts.
pub(super) fn find<T: Entry>(
    processor: Processor,
    x: &[T],
    argument: &Argument,
    channels: usize,
    peaks: Peaks,
) -> Vec<Peak> {
    let len = (peaks.rows * channels).max(1);
    let images = x.len().div_ceil(len);
    let peak = |(image, entries): (usize, &[T])| {
        let free = Largest {
            channels,
            entries,
            argument,
        };
        // Few images pass the limit: where in the image is looked for in those alone.
        if f64::from(run(processor, free)) <= peaks.limit {
            return None;
        }
        let mut largest = (0.0_f32, 0, 0.0_f32);
        for (row, entries) in entries.chunks_exact(channels).enumerate() {
            for (channel, entry) in entries.iter().enumerate() {
                let unit = entry.to_f32() * argument.scale[channel] + argument.shift[channel];
                let z = unit * argument.gamma[channel] + argument.beta[channel];
                if z.abs() > largest.0 {
                    largest = (z.abs(), row * channels + channel, z);
                }
            }
        }
        let (size, at, z) = largest;
        let excess = f64::from(size) - peaks.limit;
        (excess > 0.0).then(|| Peak {
            index: image * len + at,
            excess,
            gradient: 2.0 * peaks.weight * excess.copysign(f64::from(z)) / images as f64,
        })
    };
    x.par_chunks(len).enumerate().filter_map(peak).collect()
}

/// The largest |z| of an image.
struct Largest<'a, T> {
    channels: usize,
    entries: &'a [T],
    argument: &'a Argument,
}

impl<T: Entry> Pass for Largest<'_, T> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Vector>(self) -> f32 {
        let mut most = 0.0_f32;
        for first in (0..self.channels).step_by(LANES) {
            let count = LANES.min(self.channels - first);
            let argument = self.argument.vectors::<V>(first..first + count);
            let mut largest = V::splat(0.0);
            let mut at = first;
            while at < self.entries.len() {
                let x = V::load(&self.entries[at..at + count]);
                largest = largest.largest_magnitude(argument.normal(argument.unit(x)));
                at += self.channels;
            }
            let mut lanes = [0.0; LANES];
            largest.store(&mut lanes);
            most = lanes[..count]
                .iter()
                .fold(most, |most, value| most.max(*value));
        }
        most
    }
}

/// The weighted penalty of a map of `rows` rows.
pub(super) fn penalty(found: &[Peak], rows: usize, peaks: Peaks) -> f64 {
    let images = rows.div_ceil(peaks.rows.max(1)).max(1) as f64;
    peaks.weight * found.iter().map(|peak| peak.excess.powi(2)).sum::<f64>() / images
}
