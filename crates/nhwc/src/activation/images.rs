//! Penalties on single images, of which few in a batch pass their limits.

use super::Activation;
use super::steps::Argument;
use crate::arithmetic::{LANES, Processor};
use crate::entry::Entry;
use crate::vector::{Pass, Vector, run};
use rayon::prelude::*;

/// A penalty on each image: `weight` times the mean over the images of the squared excess over `limit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImagePenalty {
    /// What is free.
    pub limit: f64,
    /// Factor.
    pub weight: f64,
}

impl ImagePenalty {
    /// The penalty of one of `images` images, and its derivative.
    fn of(self, value: f64, images: usize) -> (f64, f64) {
        let excess = (value - self.limit).max(0.0);
        let factor = self.weight / images as f64;
        (factor * excess * excess, 2.0 * factor * excess)
    }
}

/// An image that passes a limit.
#[derive(Clone, Debug)]
pub(super) struct Penalised {
    /// Its number.
    image: usize,
    /// What it adds to the loss.
    pub penalty: f64,
    /// Of its entries: where its largest |z| is (of equal ones the first), and the penalty's gradient there.
    peak: (usize, f64),
    /// The gradient of the penalty on the mean square, for each unit of z.
    pull: f64,
}

/// The images that pass a limit, in their order.
pub(super) fn find<T: Entry>(
    processor: Processor,
    activation: &Activation,
    argument: &Argument,
    x: &[T],
) -> Vec<Penalised> {
    if activation.peaks.is_none() && activation.energies.is_none() {
        return Vec::new();
    }
    let channels = activation.channels;
    let len = activation.image_len();
    let images = x.len().div_ceil(len);
    let penalised = |(image, entries): (usize, &[T])| {
        let size = Size {
            channels,
            entries,
            argument,
        };
        let (largest, squares) = run(processor, size);
        let mean_square = squares / entries.len() as f64;
        let of = |penalty: Option<ImagePenalty>, value| {
            penalty.map_or((0.0, 0.0), |penalty| penalty.of(value, images))
        };
        let (peak, peak_slope) = of(activation.peaks, f64::from(largest));
        let (energy, energy_slope) = of(activation.energies, mean_square);
        let penalty = peak + energy;
        if penalty == 0.0 {
            return None;
        }
        let peak = if peak_slope > 0.0 {
            let (at, sign) = first_largest(entries, argument, channels);
            (at, sign * peak_slope)
        } else {
            (0, 0.0)
        };
        Some(Penalised {
            image,
            penalty,
            peak,
            pull: 2.0 * energy_slope / entries.len() as f64,
        })
    };
    x.par_chunks(len)
        .enumerate()
        .filter_map(penalised)
        .collect()
}

/// Where the largest |z| of an image is, and its sign.
fn first_largest<T: Entry>(entries: &[T], argument: &Argument, channels: usize) -> (usize, f64) {
    let mut largest = (0.0_f32, 0, 1.0);
    for (index, entry) in entries.iter().enumerate() {
        let z = argument.z(entry.to_f32(), index % channels);
        if z.abs() > largest.0 {
            largest = (z.abs(), index, f64::from(z.signum()));
        }
    }
    (largest.1, largest.2)
}

/// Adds the penalties' gradient of z, and its product with u, to the sums of all entries, `[channels]` each.
pub(super) fn add_sums<T: Entry>(
    activation: &Activation,
    argument: &Argument,
    found: &[Penalised],
    x: &[T],
    first: &mut [f64],
    second: &mut [f64],
) {
    let channels = activation.channels;
    for penalised in found {
        let entries = image(x, activation, penalised.image);
        let mut add = |index: usize, dz: f64| {
            let channel = index % channels;
            first[channel] += dz;
            second[channel] += dz * f64::from(argument.u(entries[index].to_f32(), channel));
        };
        if penalised.peak.1 != 0.0 {
            add(penalised.peak.0, penalised.peak.1);
        }
        if penalised.pull > 0.0 {
            for (index, entry) in entries.iter().enumerate() {
                let z = argument.z(entry.to_f32(), index % channels);
                add(index, penalised.pull * f64::from(z));
            }
        }
    }
}

/// Adds the penalties' gradient of z, times a factor for each channel, to the gradient of the input.
pub(super) fn add_gradients<T: Entry>(
    activation: &Activation,
    argument: &Argument,
    found: &[Penalised],
    x: &[T],
    factor: &[f64],
    x_gradient: &mut [T],
) {
    let channels = activation.channels;
    let len = activation.image_len();
    for penalised in found {
        let entries = image(x, activation, penalised.image);
        let gradient = &mut x_gradient[penalised.image * len..][..entries.len()];
        let mut add = |index: usize, dz: f64| {
            let by = (dz * factor[index % channels]) as f32;
            gradient[index] = T::from_f32(gradient[index].to_f32() + by);
        };
        if penalised.peak.1 != 0.0 {
            add(penalised.peak.0, penalised.peak.1);
        }
        if penalised.pull > 0.0 {
            for (index, entry) in entries.iter().enumerate() {
                let z = argument.z(entry.to_f32(), index % channels);
                add(index, penalised.pull * f64::from(z));
            }
        }
    }
}

fn image<'a, T>(x: &'a [T], activation: &Activation, number: usize) -> &'a [T] {
    let len = activation.image_len();
    &x[number * len..x.len().min((number + 1) * len)]
}

/// The largest |z| and the sum of all z^2 of an image.
struct Size<'a, T> {
    channels: usize,
    entries: &'a [T],
    argument: &'a Argument,
}

impl<T: Entry> Pass for Size<'_, T> {
    type Output = (f32, f64);

    #[inline(always)]
    fn run<V: Vector>(self) -> (f32, f64) {
        let (mut most, mut total) = (0.0_f32, 0.0_f64);
        for first in (0..self.channels).step_by(LANES) {
            let count = LANES.min(self.channels - first);
            let argument = self.argument.vectors::<V>(first..first + count);
            let (mut largest, mut squares) = (V::splat(0.0), V::splat(0.0));
            let mut at = first;
            while at < self.entries.len() {
                let x = V::load(&self.entries[at..at + count]);
                let z = argument.normal(argument.unit(x));
                largest = largest.largest_magnitude(z);
                squares = z.multiply_add(z, squares);
                at += self.channels;
            }
            let mut lanes = [0.0_f32; LANES];
            largest.store(&mut lanes);
            most = lanes[..count]
                .iter()
                .fold(most, |most, value| most.max(*value));
            squares.store(&mut lanes);
            total += lanes[..count]
                .iter()
                .map(|sum| f64::from(*sum))
                .sum::<f64>();
        }
        (most, total)
    }
}
