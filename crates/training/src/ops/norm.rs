//! Batch normalisation over the rows of a matrix (Ioffe and Szegedy 2015).

use super::kernel::{Kernel, Matrix, Owned, apply, map_rows, sum_runs};
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// A batch's mean and biased variance, per channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}

/// Normalises by the batch's own statistics, which are also returned.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - `gamma`, `beta`: `[channels]`
pub(crate) fn batch_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> (Tensor<2>, Moments) {
    let moments = Arc::new(OnceLock::new());
    let y = apply(
        Norm {
            epsilon,
            moments: Arc::clone(&moments),
        },
        x,
        Tensor::stack(vec![gamma, beta], 0),
    );
    let moments = moments.get().cloned().unwrap_or_default();
    (y, moments)
}

/// Parameters: gamma in the first row, beta in the second.
#[derive(Debug)]
struct Norm {
    epsilon: f64,
    /// Set by the forward pass.
    moments: Arc<OnceLock<Moments>>,
}

impl Norm {
    /// `1 / sqrt(variance + epsilon)`, per channel.
    fn factors(&self, moments: &Moments) -> Vec<f64> {
        moments
            .variance
            .iter()
            .map(|variance| 1.0 / (variance + self.epsilon).sqrt())
            .collect()
    }
}

/// Mean and biased variance of every column, in two passes, since the difference of large sums would lose digits.
fn moments(x: Matrix<'_>) -> Moments {
    let count = x.rows.max(1) as f64;
    let rows = |range: std::ops::Range<usize>| {
        x.values[range.start * x.columns..range.end * x.columns].chunks_exact(x.columns)
    };
    let sums = sum_runs(x.rows, x.columns, |range, sums| {
        for row in rows(range) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    });
    let mean: Vec<f64> = sums.into_iter().map(|sum| sum / count).collect();
    let centre: Vec<f32> = mean.iter().map(|mean| *mean as f32).collect();
    let squares = sum_runs(x.rows, x.columns, |range, sums| {
        for row in rows(range) {
            for ((sum, x), centre) in sums.iter_mut().zip(row).zip(&centre) {
                *sum += (x - centre) * (x - centre);
            }
        }
    });
    Moments {
        mean,
        variance: squares.into_iter().map(|square| square / count).collect(),
    }
}

/// `y = x * factor + offset` for every row.
fn affine(x: Matrix<'_>, factors: &[f32], offsets: &[f32]) -> Vec<f32> {
    map_rows(x, |x, y| {
        for (((y, x), factor), offset) in y.iter_mut().zip(x).zip(factors).zip(offsets) {
            *y = x * factor + offset;
        }
    })
}

impl Kernel for Norm {
    fn forward(&self, x: Matrix<'_>, parameters: Matrix<'_>) -> Owned {
        let moments = self.moments.get_or_init(|| moments(x));
        let (gamma, beta) = parameters.values.split_at(x.columns);
        let factors: Vec<f64> = self
            .factors(moments)
            .iter()
            .zip(gamma)
            .map(|(factor, gamma)| factor * f64::from(*gamma))
            .collect();
        let offsets: Vec<f32> = beta
            .iter()
            .zip(&moments.mean)
            .zip(&factors)
            .map(|((beta, mean), factor)| (f64::from(*beta) - mean * factor) as f32)
            .collect();
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        Owned {
            rows: x.rows,
            columns: x.columns,
            values: affine(x, &factors, &offsets),
        }
    }

    /// With `u = (x - mean) / deviation` and m rows: d gamma = sum g u, d beta = sum g, and
    /// d x = gamma / deviation * (g - d beta / m - u d gamma / m)  (the paper's equations, simplified).
    fn backward(
        &self,
        x: Matrix<'_>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let channels = x.columns;
        let moments = self.moments.get_or_init(|| moments(x));
        let factors = self.factors(moments);
        let unit: Vec<f32> = factors.iter().map(|factor| *factor as f32).collect();
        let mean: Vec<f32> = moments.mean.iter().map(|mean| *mean as f32).collect();
        let sums = sum_runs(x.rows, 2 * channels, |range, sums| {
            let (gammas, betas) = sums.split_at_mut(channels);
            let rows = range.start * channels..range.end * channels;
            for (x, g) in x.values[rows.clone()]
                .chunks_exact(channels)
                .zip(gradient.values[rows].chunks_exact(channels))
            {
                let lanes = gammas
                    .iter_mut()
                    .zip(betas.iter_mut())
                    .zip(x.iter().zip(g))
                    .zip(mean.iter().zip(&unit));
                for (((gamma, beta), (x, g)), (mean, unit)) in lanes {
                    *gamma += g * (x - mean) * unit;
                    *beta += g;
                }
            }
        });
        let (gammas, betas) = sums.split_at(channels);
        let x_gradient = wants_x.then(|| {
            // d x = a g + b x + c, per channel.
            let count = x.rows.max(1) as f64;
            let a: Vec<f64> = factors
                .iter()
                .zip(parameters.values)
                .map(|(factor, gamma)| factor * f64::from(*gamma))
                .collect();
            let b: Vec<f64> = (0..channels)
                .map(|c| -a[c] * gammas[c] * factors[c] / count)
                .collect();
            let c: Vec<f32> = (0..channels)
                .map(|c| (-a[c] * betas[c] / count - b[c] * moments.mean[c]) as f32)
                .collect();
            let b: Vec<f32> = b.into_iter().map(|value| value as f32).collect();
            let a: Vec<f32> = a.into_iter().map(|value| value as f32).collect();
            let mut dx = affine(x, &b, &c);
            add_scaled(&mut dx, gradient.values, &a);
            dx
        });
        (x_gradient, sums.iter().map(|sum| *sum as f32).collect())
    }
}

/// `y += factor * x` for every row, in which `factor` has one number a column.
fn add_scaled(y: &mut [f32], x: &[f32], factor: &[f32]) {
    for (y, x) in y
        .chunks_exact_mut(factor.len())
        .zip(x.chunks_exact(factor.len()))
    {
        for ((y, x), factor) in y.iter_mut().zip(x).zip(factor) {
            *y += factor * x;
        }
    }
}

/// Normalises by statistics measured before: one factor and one offset a channel, computed in f64 and rounded once.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - all lists: `[channels]`
pub(crate) fn fixed_norm(
    x: Tensor<2>,
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f64,
) -> Tensor<2> {
    let device = x.device();
    let factors: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt())
        .collect();
    let offsets = beta
        .iter()
        .zip(mean)
        .zip(&factors)
        .map(|((beta, mean), factor)| f64::from(*beta) - f64::from(*mean) * factor);
    let row =
        |values: Vec<f32>| Tensor::<1>::from_floats(values.as_slice(), &device).unsqueeze::<2>();
    let offsets = row(offsets.map(|value| value as f32).collect());
    x * row(factors.iter().map(|value| *value as f32).collect()) + offsets
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same, same_bits_on_any_threads};
    use super::*;

    fn ours(x: Tensor<2>, p: Tensor<2>) -> Tensor<2> {
        let row = |k: usize| p.clone().slice(k..k + 1).squeeze_dim::<1>(0);
        batch_norm(x, row(0), row(1), 1e-3).0
    }

    #[test]
    fn agrees_with_the_engines_own_operation() {
        for (rows, channels) in [(1300, 5), (40, 1), (700, 16)] {
            // Far from zero mean: where the difference of squares would fail.
            let x = random(rows, channels, 1)
                .iter()
                .map(|value| 30.0 + value)
                .collect();
            same(
                (x, [rows, channels]),
                (random(2, channels, 2), [2, channels]),
                ours,
                |x, p| {
                    let row = |k: usize| p.clone().slice(k..k + 1).squeeze_dim::<1>(0);
                    burn::tensor::module::batch_norm_train(x, row(0), row(1), 1e-3).output
                },
            );
        }
    }

    #[test]
    fn moments_are_those_of_the_columns() {
        let found = moments(Matrix {
            rows: 4,
            columns: 2,
            values: &[1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 6.0, 10.0],
        });
        assert_eq!(
            found,
            Moments {
                mean: vec![3.0, 10.0],
                variance: vec![3.5, 0.0]
            }
        );
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        same_bits_on_any_threads(
            (random(3000, 4, 1), [3000, 4]),
            (random(2, 4, 2), [2, 4]),
            ours,
        );
    }
}
