//! Quadratic activations in the normalised Hermite basis (HerPN; Park et al. 2022, arXiv 2201.06699), the form in which some are trained:
//!
//! `y = gain (linear z + second norm((z² - 1) / √2)) + offset`, per channel,
//!
//! in which z has mean 0 and variance 1 (batch norm stands before), (z² - 1) / √2 is the normalised Hermite polynomial of degree 2, and
//! `norm` subtracts its mean over the batch and divides by its standard deviation. While a network is trained, the rows of its polynomial
//! layers hold `[offset, gain, second]`. Once the statistics are fixed, what remains is a polynomial of degree 2, and the rows become its
//! ascending coefficients.

use super::ops::Moments;
use cryptodl_model::{PolynomialActivation, TrainedLayer, TrainedNetwork};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Added to the variance of the quadratic part.
pub(super) const EPSILON: f64 = 1e-5;

/// Turns the starting coefficients `[c0, c1, c2]` of every activation into the numbers that are trained: gain 1, offset 0, and the
/// coefficient √2 c2 of the normalised Hermite polynomial. c1 is the fixed `linear` part; c0 is lost on the layer after, which has a bias
/// or a batch norm.
pub(crate) fn begin(network: &mut TrainedNetwork) {
    for row in rows_of(network) {
        *row = [0.0, 1.0, (SQRT_2 * f64::from(row[2])) as f32];
    }
}

fn rows_of(network: &mut TrainedNetwork) -> impl Iterator<Item = &mut [f32; 3]> {
    network.layers.iter_mut().flat_map(|layer| match layer {
        TrainedLayer::Polynomial(PolynomialActivation {
            degree: 2,
            coefficients,
            ..
        }) => coefficients.as_chunks_mut::<3>().0,
        _ => &mut [],
    })
}

/// The ascending coefficients of one layer's polynomials, from its trained numbers and the moments of (z² - 1) / √2.
pub(crate) fn finish(rows: &mut [f32], linear: f32, moments: &Moments) {
    let statistics = moments.mean.iter().zip(&moments.variance);
    for (row, (mean, variance)) in rows.as_chunks_mut::<3>().0.iter_mut().zip(statistics) {
        let [offset, gain, second] = row.map(f64::from);
        let quadratic = gain * second / (variance + EPSILON).sqrt();
        *row = [
            offset - quadratic * (FRAC_1_SQRT_2 + mean),
            gain * f64::from(linear),
            quadratic * FRAC_1_SQRT_2,
        ]
        .map(|value| value as f32);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::graph::values;
    use crate::ops;
    use burn::tensor::{Device, Tensor, TensorData};
    use nhwc::{Activation, Form};

    fn tensor(values: &[f32], columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        Tensor::from_data(
            TensorData::new(values.to_vec(), [rows, columns]),
            &Device::flex(),
        )
    }

    /// From the definition, in f64.
    fn expected(z: &[f32], numbers: &[[f64; 3]], linear: f64) -> Vec<f64> {
        let channels = numbers.len();
        let mut y = vec![0.0; z.len()];
        for (channel, [offset, gain, second]) in numbers.iter().enumerate() {
            let column = || {
                z.iter()
                    .skip(channel)
                    .step_by(channels)
                    .copied()
                    .map(f64::from)
            };
            let basis: Vec<f64> = column().map(|z| (z * z - 1.0) / SQRT_2).collect();
            let count = basis.len() as f64;
            let mean = basis.iter().sum::<f64>() / count;
            let variance = basis.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / count;
            for (row, (z, b)) in column().zip(&basis).enumerate() {
                let normal = (b - mean) / (variance + EPSILON).sqrt();
                y[row * channels + channel] = gain * (linear * z + second * normal) + offset;
            }
        }
        y
    }

    #[test]
    fn batch_statistics_fixed_ones_and_the_finished_polynomial_agree_with_the_definition() {
        let numbers = [[0.1_f64, 0.9, 0.3], [-0.2, 1.3, -0.25]];
        let flat: Vec<f32> = numbers
            .iter()
            .flatten()
            .map(|value| *value as f32)
            .collect();
        let z: Vec<f32> = (0..400).map(|at| (at as f32 * 0.7).sin() * 2.1).collect();
        let wanted = expected(&z, &numbers, 0.5);
        let trained = |fixed: Option<Moments>| {
            let activation = Activation {
                form: Form::Hermite { linear: 0.5, fixed },
                epsilon: EPSILON,
                ..ops::identity(2)
            };
            ops::activate(activation, tensor(&z, 2), None, tensor(&flat, 3))
        };
        let batch = trained(None);
        let moments = batch.found.get().unwrap().inner.clone();
        let (batch, fixed) = (batch.values, trained(Some(moments.clone())).values);
        let mut rows = flat.clone();
        finish(&mut rows, 0.5, &moments);
        let finished = ops::polynomial(tensor(&z, 2), tensor(&rows, 3));
        for y in [batch, fixed, finished] {
            for (found, wanted) in values(y).unwrap().iter().zip(&wanted) {
                assert!(
                    (f64::from(*found) - wanted).abs() < 1e-5,
                    "{found} {wanted}"
                );
            }
        }
    }

    #[test]
    fn training_starts_at_the_hermite_coefficients_of_the_polynomial() {
        let mut network = cryptodl_reference::network(1);
        let start = TrainedLayer::Polynomial(PolynomialActivation {
            degree: 2,
            rows: 2,
            coefficients: [0.2, 0.5, 0.1995].repeat(2),
        });
        network.layers = vec![start];
        begin(&mut network);
        let TrainedLayer::Polynomial(PolynomialActivation { coefficients, .. }) =
            &network.layers[0]
        else {
            panic!("a polynomial")
        };
        for row in coefficients.chunks(3) {
            assert_eq!(row[..2], [0.0, 1.0]);
            // ReLU's coefficient of the normalised polynomial of degree 2 is 1 / sqrt(4 pi).
            assert!((row[2] - 0.2821).abs() < 1e-4);
        }
    }
}
