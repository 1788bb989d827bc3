//! The penalty that keeps pre-activations inside the polynomial's interval.

use super::kernel::{Kernel, Matrix, Owned, apply, map_rows, sum_runs};
use burn::tensor::Tensor;
use polyapprox::Interval;

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
