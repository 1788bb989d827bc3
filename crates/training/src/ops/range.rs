//! The penalties that keep pre-activations inside the polynomial's interval.

use super::kernel::{Kernel, Matrix, Owned, RUN, apply, map_rows, sum_runs};
use burn::tensor::Tensor;
use polyapprox::Interval;
use rayon::prelude::*;

/// Mean over all entries of `max(|x - centre| - half_width, 0)^2`: zero inside the interval, and with a continuous derivative at
/// its ends. Beside it the share of entries outside, 0 to 1, which has no gradient.
///
/// # Shapes
/// - `x`: `[rows, channels]`
/// - output: `[1, 2]`, penalty and share
pub(crate) fn range_penalty(x: Tensor<2>, interval: Interval) -> Tensor<2> {
    let nothing = Tensor::zeros([1, 1], &x.device());
    apply(
        Range {
            centre: interval.centre() as f32,
            half_width: interval.half_width() as f32,
        },
        x,
        nothing,
    )
}

#[derive(Debug)]
struct Range {
    centre: f32,
    half_width: f32,
}

impl Range {
    fn excess(&self, x: f32) -> f32 {
        ((x - self.centre).abs() - self.half_width).max(0.0)
    }
}

impl Kernel for Range {
    fn forward(&self, x: Matrix<'_>, _: Matrix<'_>) -> Owned {
        let sums = sum_runs(x.rows, 2, |range, sums| {
            let mut squares = 0.0;
            let mut outside = 0;
            for x in &x.values[range.start * x.columns..range.end * x.columns] {
                let excess = self.excess(*x);
                squares += excess * excess;
                outside += u32::from(excess > 0.0);
            }
            (sums[0], sums[1]) = (squares, outside as f32);
        });
        let count = x.values.len().max(1) as f64;
        Owned {
            rows: 1,
            columns: 2,
            values: sums.into_iter().map(|sum| (sum / count) as f32).collect(),
        }
    }

    fn backward(
        &self,
        x: Matrix<'_>,
        _: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let factor = 2.0 * gradient.values[0] / x.values.len().max(1) as f32;
        let x_gradient = wants_x.then(|| {
            map_rows(x, |x, y| {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = factor * self.excess(*x).copysign(x - self.centre);
                }
            })
        });
        (x_gradient, vec![0.0])
    }
}

/// Mean over the images of `max(p - limit, 0)^2`, in which p is the largest |x| of the image: a pull on the one image in thousands whose
/// values run away, which a mean over all entries hardly feels.
///
/// # Shapes
/// - `x`: `[images * rows, channels]`
/// - output: `[1, 1]`
pub(crate) fn peak_penalty(x: Tensor<2>, rows: usize, limit: f64) -> Tensor<2> {
    let nothing = Tensor::zeros([1, 1], &x.device());
    let limit = limit as f32;
    apply(Peak { rows, limit }, x, nothing)
}

#[derive(Debug)]
struct Peak {
    /// Rows of an image.
    rows: usize,
    limit: f32,
}

impl Peak {
    /// Values of an image.
    fn size(&self, x: Matrix<'_>) -> usize {
        (self.rows * x.columns).max(1)
    }

    /// Where an image's largest |value| is, and by how much it passes the limit.
    fn peak(&self, image: &[f32]) -> (usize, f32) {
        let largest = image.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        let at = image.iter().position(|x| x.abs() == largest);
        (at.unwrap_or_default(), (largest - self.limit).max(0.0))
    }
}

impl Kernel for Peak {
    fn forward(&self, x: Matrix<'_>, _: Matrix<'_>) -> Owned {
        let size = self.size(x);
        let squares: Vec<f64> = x
            .values
            .par_chunks(size)
            .map(|image| f64::from(self.peak(image).1).powi(2))
            .collect();
        let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
        Owned {
            rows: 1,
            columns: 1,
            values: vec![mean as f32],
        }
    }

    fn backward(
        &self,
        x: Matrix<'_>,
        _: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let size = self.size(x);
        let images = x.values.len().div_ceil(size).max(1);
        let factor = 2.0 * gradient.values[0] / images as f32;
        let x_gradient = wants_x.then(|| {
            let mut dx = vec![0.0; x.values.len()];
            dx.par_chunks_mut(size)
                .zip(x.values.par_chunks(size))
                .for_each(|(dx, image)| {
                    let (at, excess) = self.peak(image);
                    dx[at] = factor * excess.copysign(image[at]);
                });
            dx
        });
        (x_gradient, vec![0.0])
    }
}

/// Mean over the images of `max(m - limit, 0)^2`, in which m is the mean square of the image's values: it holds an image back whose
/// values are all a little too large, as one of unusual contrast has them.
///
/// # Shapes
/// - `x`: `[images * rows, channels]`
/// - output: `[1, 1]`
pub(crate) fn energy_penalty(x: Tensor<2>, rows: usize, limit: f64) -> Tensor<2> {
    let nothing = Tensor::zeros([1, 1], &x.device());
    let limit = limit as f32;
    apply(Energy { rows, limit }, x, nothing)
}

#[derive(Debug)]
struct Energy {
    /// Rows of an image.
    rows: usize,
    limit: f32,
}

impl Energy {
    /// Values of an image.
    fn size(&self, x: Matrix<'_>) -> usize {
        (self.rows * x.columns).max(1)
    }

    /// By how much an image's mean square passes the limit.
    fn excess(&self, image: &[f32]) -> f32 {
        let sum: f32 = image
            .chunks(RUN)
            .map(|run| run.iter().map(|x| x * x).sum::<f32>())
            .sum();
        (sum / image.len().max(1) as f32 - self.limit).max(0.0)
    }
}

impl Kernel for Energy {
    fn forward(&self, x: Matrix<'_>, _: Matrix<'_>) -> Owned {
        let size = self.size(x);
        let squares: Vec<f64> = x
            .values
            .par_chunks(size)
            .map(|image| f64::from(self.excess(image)).powi(2))
            .collect();
        let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
        Owned {
            rows: 1,
            columns: 1,
            values: vec![mean as f32],
        }
    }

    fn backward(
        &self,
        x: Matrix<'_>,
        _: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let size = self.size(x);
        let images = x.values.len().div_ceil(size).max(1);
        let factor = 4.0 * gradient.values[0] / (images * size) as f32;
        let x_gradient = wants_x.then(|| {
            let mut dx = vec![0.0; x.values.len()];
            dx.par_chunks_mut(size)
                .zip(x.values.par_chunks(size))
                .for_each(|(dx, image)| {
                    let excess = self.excess(image);
                    if excess > 0.0 {
                        let slope = factor * excess;
                        dx.iter_mut().zip(image).for_each(|(dx, x)| *dx = slope * x);
                    }
                });
            dx
        });
        (x_gradient, vec![0.0])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same};
    use super::*;
    use crate::graph::values;
    use burn::tensor::Device;

    #[test]
    fn counts_and_penalises_what_is_outside() {
        let x = Tensor::<2>::from_floats([[0.0, 1.0, 3.5], [-1.5, 4.0, -1.0]], &Device::flex());
        let found = values(range_penalty(x, Interval::new(-1.0, 3.0).unwrap())).unwrap();
        assert!(
            (found[0] - (0.25 + 0.25 + 1.0) / 6.0).abs() < 1e-6,
            "{found:?}"
        );
        assert!((found[1] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_energy_penalty_agrees_with_the_engines_own_operations() {
        same(
            (random(60, 4, 7), [60, 4]),
            (vec![0.0], [1, 1]),
            |x, p| energy_penalty(x, 5, 1.2) + p * 0.0,
            |x, p| {
                let means = x.reshape([12, 20]).square().mean_dim(1);
                (means - 1.2).clamp_min(0.0).square().mean().reshape([1, 1]) + p * 0.0
            },
        );
    }

    #[test]
    fn the_peak_penalty_agrees_with_the_engines_own_operations() {
        same(
            (random(60, 4, 6), [60, 4]),
            (vec![0.0], [1, 1]),
            |x, p| peak_penalty(x, 5, 1.7) + p * 0.0,
            |x, p| {
                let largest = x.reshape([12, 20]).abs().max_dim(1);
                (largest - 1.7)
                    .clamp_min(0.0)
                    .square()
                    .mean()
                    .reshape([1, 1])
                    + p * 0.0
            },
        );
    }

    #[test]
    fn agrees_with_the_engines_own_operations() {
        let interval = Interval::new(-1.2, 0.8).unwrap();
        let only = |pair: Tensor<2>| pair.slice([0..1, 0..1]);
        same(
            (random(700, 3, 5), [700, 3]),
            (vec![0.0], [1, 1]),
            |x, p| only(range_penalty(x, interval)) + p * 0.0,
            |x, p| {
                let excess =
                    (x.sub_scalar(interval.centre()).abs() - interval.half_width()).clamp_min(0.0);
                excess.square().mean().reshape([1, 1]) + p * 0.0
            },
        );
    }
}
