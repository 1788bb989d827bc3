//! Muon (Keller Jordan et al. 2024): momentum, made orthogonal, for the filters of convolutions.
//!
//! The filters of a layer are one matrix `[filters, inputs]`. Its Frobenius norm is kept at `sqrt(filters)`, and every step is the matrix
//! nearest to the momentum whose singular values are all about one: no direction of the layer's input is changed by more than the learning
//! rate, however large a gradient is. Polynomials of polynomials need such a bound.

use crate::graph::values;
use burn::tensor::{Device, Tensor, TensorData};
use cryptodl_model::ModelError;

/// Steps of the iteration, and its coefficients: with these, singular values between about 0.01 and 1 end near 1.
const STEPS: usize = 3;
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Keeps the division by a gradient's norm from zero.
const EPSILON: f64 = 1e-7;

/// `v = momentum v + g; w = w sqrt(filters) / |w|; w -= rate orthogonal(g + momentum v)`.
///
/// # Errors
/// When the engine fails.
pub(super) fn step(
    rate: f64,
    momentum: f64,
    filters: usize,
    weights: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
) -> Result<(), ModelError> {
    let factor = momentum as f32;
    for (velocity, gradient) in velocity.iter_mut().zip(gradient) {
        *velocity = factor * *velocity + gradient;
    }
    let ahead = velocity.iter().zip(gradient);
    let ahead = ahead.map(|(velocity, gradient)| gradient + factor * velocity);
    let direction = orthogonal(ahead.collect(), filters)?;
    let norm = (filters as f64).sqrt() / euclidean(weights).max(f64::MIN_POSITIVE);
    for (weight, direction) in weights.iter_mut().zip(direction) {
        *weight = (f64::from(*weight) * norm) as f32 - rate as f32 * direction;
    }
    Ok(())
}

fn euclidean(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The matrix with `rows` rows, its singular values brought near one by Newton and Schulz's iteration, to the fifth order.
fn orthogonal(matrix: Vec<f32>, rows: usize) -> Result<Vec<f32>, ModelError> {
    let columns = matrix.len() / rows.max(1);
    let norm = euclidean(&matrix) + EPSILON;
    let matrix = Tensor::<2>::from_data(TensorData::new(matrix, [rows, columns]), &Device::flex());
    let tall = rows > columns;
    // The products are of the shorter side's size.
    let mut x = if tall { matrix.transpose() } else { matrix }.div_scalar(norm);
    let [linear, cubic, quintic] = COEFFICIENTS;
    for _ in 0..STEPS {
        let a = x.clone().matmul(x.clone().transpose());
        let b = a.clone().mul_scalar(cubic) + a.clone().matmul(a).mul_scalar(quintic);
        x = x.clone().mul_scalar(linear) + b.matmul(x);
    }
    values(if tall { x.transpose() } else { x })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_model::{Purpose, generator, unit};

    fn random(count: usize) -> Vec<f32> {
        let mut random = generator(3, Purpose::Weights, count, 0);
        (0..count)
            .map(|_| (2.0 * unit(&mut random) - 1.0) as f32)
            .collect()
    }

    /// From the definition, in f64.
    fn slow(matrix: &[f32], rows: usize) -> Vec<f64> {
        let columns = matrix.len() / rows;
        let norm = euclidean(matrix) + EPSILON;
        let mut x: Vec<f64> = matrix
            .iter()
            .map(|value| f64::from(*value) / norm)
            .collect();
        for _ in 0..STEPS {
            let gram = |i: usize, j: usize| -> f64 {
                (0..columns)
                    .map(|k| x[i * columns + k] * x[j * columns + k])
                    .sum()
            };
            let a: Vec<f64> = (0..rows * rows)
                .map(|at| gram(at / rows, at % rows))
                .collect();
            let b: Vec<f64> = (0..rows * rows)
                .map(|at| {
                    let (i, j) = (at / rows, at % rows);
                    let square: f64 = (0..rows).map(|k| a[i * rows + k] * a[k * rows + j]).sum();
                    COEFFICIENTS[1] * a[at] + COEFFICIENTS[2] * square
                })
                .collect();
            x = (0..x.len())
                .map(|at| {
                    let (i, k) = (at / columns, at % columns);
                    let product: f64 = (0..rows)
                        .map(|j| b[i * rows + j] * x[j * columns + k])
                        .sum();
                    COEFFICIENTS[0] * x[at] + product
                })
                .collect();
        }
        x
    }

    #[test]
    fn wide_and_tall_matrices_follow_the_definition() {
        for (rows, columns) in [(4, 9), (9, 4), (6, 6)] {
            let matrix = random(rows * columns);
            // Transposing commutes with the iteration, which the definition does on the rows.
            let expected = slow(&matrix, rows);
            for (found, expected) in orthogonal(matrix, rows).unwrap().iter().zip(expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{found} {expected}"
                );
            }
        }
    }

    #[test]
    fn steps_are_near_orthogonal_and_the_norm_is_kept() {
        let (rows, columns) = (8, 27);
        let found = orthogonal(random(rows * columns), rows).unwrap();
        for i in 0..rows {
            let length = euclidean(&found[i * columns..][..columns]);
            assert!((0.5..1.5).contains(&length), "{length}");
        }
        let mut weights = random(rows * columns);
        let mut velocity = vec![0.0; weights.len()];
        for _ in 0..3 {
            let gradient = random(weights.len());
            step(0.1, 0.6, rows, &mut weights, &gradient, &mut velocity).unwrap();
        }
        // Each step is at most 0.1 times a matrix of norm about sqrt(rows) away from the sphere.
        let norm = euclidean(&weights) / (rows as f64).sqrt();
        assert!((0.8..1.2).contains(&norm), "{norm}");
    }

    #[test]
    fn no_gradient_is_no_step() {
        let mut weights = vec![1.0, 0.0, 0.0, 1.0];
        step(0.1, 0.6, 2, &mut weights, &[0.0; 4], &mut [0.0; 4]).unwrap();
        assert_eq!(weights, [1.0, 0.0, 0.0, 1.0]);
    }
}
