//! Activations: polynomials by Horner's rule, and the original functions for the baseline.

use super::kernel::{Kernel, Matrix, Owned, apply, map_rows, sum_runs};
use burn::tensor::{Tensor, activation};
use polyapprox::Function;

/// `p_c(x)` for every column `c`, by Horner's rule.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - `coefficients`: `[1 or channels, degree + 1]`, ascending powers
pub(crate) fn polynomial(x: Tensor<2>, coefficients: Tensor<2>) -> Tensor<2> {
    apply(Horner, x, coefficients)
}

#[derive(Debug)]
struct Horner;

/// The coefficients as one row a power, `[degree + 1][channels]`, so that a row of data meets a row of coefficients.
fn by_power(coefficients: Matrix<'_>, channels: usize) -> Vec<Vec<f32>> {
    let Matrix {
        rows,
        columns,
        values,
    } = coefficients;
    let at = |power, channel| values[if rows == 1 { 0 } else { channel } * columns + power];
    (0..columns)
        .map(|power| (0..channels).map(|channel| at(power, channel)).collect())
        .collect()
}

/// `y = p(x)` for one row.
fn evaluate(by_power: &[Vec<f32>], x: &[f32], y: &mut [f32]) {
    let Some((leading, lower)) = by_power.split_last() else {
        return;
    };
    y.copy_from_slice(leading);
    for coefficients in lower.iter().rev() {
        for ((y, x), coefficient) in y.iter_mut().zip(x).zip(coefficients) {
            *y = *y * x + coefficient;
        }
    }
}

impl Kernel for Horner {
    fn forward(&self, x: Matrix<'_>, parameters: Matrix<'_>) -> Owned {
        let by_power = by_power(parameters, x.columns);
        let values = map_rows(x, |x, y| evaluate(&by_power, x, y));
        Owned {
            rows: x.rows,
            columns: x.columns,
            values,
        }
    }

    fn backward(
        &self,
        x: Matrix<'_>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let channels = x.columns;
        let x_gradient = wants_x.then(|| {
            let mut derivative = by_power(parameters, channels);
            derivative.remove(0);
            for (power, coefficients) in derivative.iter_mut().enumerate() {
                coefficients
                    .iter_mut()
                    .for_each(|value| *value *= (power + 1) as f32);
            }
            let mut slopes = map_rows(x, |x, y| evaluate(&derivative, x, y));
            slopes
                .iter_mut()
                .zip(gradient.values)
                .for_each(|(slope, gradient)| *slope *= gradient);
            slopes
        });
        // The gradient of the coefficient of x^k is the sum of gradient * x^k over the rows.
        let sums = sum_runs(x.rows, parameters.columns * channels, |range, sums| {
            let rows = range.start * channels..range.end * channels;
            let mut term = vec![0.0; channels];
            for (x, gradient) in x.values[rows.clone()]
                .chunks_exact(channels)
                .zip(gradient.values[rows].chunks_exact(channels))
            {
                term.copy_from_slice(gradient);
                for sums in sums.chunks_exact_mut(channels) {
                    for ((sum, term), x) in sums.iter_mut().zip(&mut term).zip(x) {
                        *sum += *term;
                        *term *= x;
                    }
                }
            }
        });
        let mut coefficients = vec![0.0_f64; parameters.values.len()];
        for (power, sums) in sums.chunks_exact(channels).enumerate() {
            for (channel, sum) in sums.iter().enumerate() {
                let row = if parameters.rows == 1 { 0 } else { channel };
                coefficients[row * parameters.columns + power] += sum;
            }
        }
        (
            x_gradient,
            coefficients.into_iter().map(|value| value as f32).collect(),
        )
    }
}

/// The original function, entry by entry.
pub(crate) fn function(x: Tensor<2>, function: Function) -> Tensor<2> {
    match function {
        Function::Relu => activation::relu(x),
        Function::Sigmoid => activation::sigmoid(x),
        Function::Tanh => activation::tanh(x),
        Function::Softplus => activation::softplus(x, 1.0),
        Function::Silu => activation::silu(x),
        Function::Gelu => activation::gelu(x),
        Function::Square => x.square(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same, same_bits_on_any_threads};
    use super::*;
    use crate::graph::values;
    use burn::tensor::{Device, TensorData};

    /// Horner's rule with the engine's own operations.
    fn plain(x: Tensor<2>, coefficients: Tensor<2>) -> Tensor<2> {
        let [_, count] = coefficients.dims();
        let by_power = coefficients.transpose();
        let power = |k: usize| by_power.clone().slice(k..k + 1);
        (0..count - 1)
            .rev()
            .fold(x.zeros_like() + power(count - 1), |y, k| {
                y * x.clone() + power(k)
            })
    }

    #[test]
    fn agrees_with_the_engines_own_operations() {
        for (channels, rows, degree) in [(5, 5, 2), (16, 16, 3), (7, 1, 4), (1, 1, 1), (32, 32, 9)]
        {
            let x = (
                random(1100, channels, 1)
                    .iter()
                    .map(|value| 0.7 * value)
                    .collect(),
                [1100, channels],
            );
            let coefficients = (random(rows, degree + 1, 2), [rows, degree + 1]);
            same(x, coefficients, polynomial, plain);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (channels, degree) = (3, 4);
        let device = Device::flex().autodiff();
        let tensor = |values: &[f32], rows: usize, columns: usize| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [rows, columns]), &device)
        };
        let (x, c) = (random(4, channels, 3), random(channels, degree + 1, 4));
        let (leaf, coefficients) = (
            tensor(&x, 4, channels).require_grad(),
            tensor(&c, channels, degree + 1).require_grad(),
        );
        let gradients = polynomial(leaf.clone(), coefficients.clone())
            .sum()
            .backward();
        // The sum of all values, in f64.
        let total = |x: &[f64], c: &[f64]| -> f64 {
            let row = |index: usize| &c[index % channels * (degree + 1)..][..degree + 1];
            x.iter()
                .enumerate()
                .map(|(index, x)| {
                    row(index)
                        .iter()
                        .rev()
                        .fold(0.0, |sum, coefficient| sum * x + coefficient)
                })
                .sum()
        };
        let wide = |values: &[f32]| {
            values
                .iter()
                .map(|value| f64::from(*value))
                .collect::<Vec<_>>()
        };
        let (x, c) = (wide(&x), wide(&c));
        let step = 1e-5;
        for (index, found) in values(leaf.grad(&gradients).unwrap())
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[index] += by;
                total(&x, &c)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(
                (f64::from(found) - slope).abs() < 1e-4 * (1.0 + slope.abs()),
                "x[{index}]: {found} {slope}"
            );
        }
        for (index, found) in values(coefficients.grad(&gradients).unwrap())
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let moved = |by: f64| {
                let mut c = c.clone();
                c[index] += by;
                total(&x, &c)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(
                (f64::from(found) - slope).abs() < 1e-4 * (1.0 + slope.abs()),
                "c[{index}]: {found} {slope}"
            );
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let x = (random(3000, 4, 1), [3000, 4]);
        same_bits_on_any_threads(x, (random(4, 3, 2), [4, 3]), polynomial);
    }
}
