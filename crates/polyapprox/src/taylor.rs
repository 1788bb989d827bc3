//! Taylor polynomials, by arithmetic with truncated power series.
//!
//! Every function here solves a simple differential equation, which gives one coefficient from those before (Griewank and Walther,
//! Evaluating Derivatives, chapter 13). Coefficients are those of t in x = centre + scale * t, so that no factor scale^k can overflow
//! on its own.

use crate::Function;
use crate::function::{normal_density, normal_distribution};

/// Coefficients of t^0 to t^degree of the function at `centre + scale * t`. ReLU, which has a kink, is replaced by
/// scale * softplus(x / scale).
pub fn series(function: Function, centre: f64, scale: f64, degree: usize) -> Vec<f64> {
    match function {
        Function::Relu => {
            let softplus = integral(
                Function::Softplus.value(centre / scale),
                1.0,
                &sigmoid(centre / scale, 1.0, degree),
            );
            softplus
                .into_iter()
                .map(|coefficient| scale * coefficient)
                .collect()
        }
        Function::Sigmoid => sigmoid(centre, scale, degree),
        Function::Tanh => {
            // tanh x = 2 sigmoid(2 x) - 1.
            let mut coefficients: Vec<f64> = sigmoid(2.0 * centre, 2.0 * scale, degree)
                .into_iter()
                .map(|coefficient| 2.0 * coefficient)
                .collect();
            coefficients[0] = centre.tanh();
            coefficients
        }
        Function::Softplus => integral(
            function.value(centre),
            scale,
            &sigmoid(centre, scale, degree),
        ),
        Function::Silu => times_x(centre, scale, &sigmoid(centre, scale, degree)),
        Function::Gelu => {
            let distribution = integral(
                normal_distribution(centre),
                scale,
                &density(centre, scale, degree),
            );
            times_x(centre, scale, &distribution)
        }
        Function::Square => {
            let mut coefficients = vec![centre * centre, 2.0 * centre * scale, scale * scale];
            coefficients.resize(degree + 1, 0.0);
            coefficients
        }
    }
}

/// s' = s (1 - s).
fn sigmoid(centre: f64, scale: f64, degree: usize) -> Vec<f64> {
    let mut s = vec![crate::function::sigmoid(centre)];
    // 1 - s, not by subtraction: near s = 1 nothing would be left.
    let mut rest = vec![crate::function::sigmoid(-centre)];
    for k in 0..degree {
        let product: f64 = (0..=k).map(|j| s[j] * rest[k - j]).sum();
        let next = scale * product / (k + 1) as f64;
        s.push(next);
        rest.push(-next);
    }
    s
}

/// The normal density: d' = -x d.
fn density(centre: f64, scale: f64, degree: usize) -> Vec<f64> {
    let mut d = vec![normal_density(centre)];
    for k in 0..degree {
        let before = if k == 0 { 0.0 } else { d[k - 1] };
        d.push(-scale * (centre * d[k] + scale * before) / (k + 1) as f64);
    }
    d
}

/// The series with derivative (by x) `derivative` and the given constant, to the same degree.
fn integral(constant: f64, scale: f64, derivative: &[f64]) -> Vec<f64> {
    let higher = derivative
        .iter()
        .enumerate()
        .map(|(k, coefficient)| scale * coefficient / (k + 1) as f64);
    std::iter::once(constant)
        .chain(higher)
        .take(derivative.len())
        .collect()
}

/// The product with x = centre + scale * t, to the same degree.
fn times_x(centre: f64, scale: f64, series: &[f64]) -> Vec<f64> {
    let below = std::iter::once(0.0).chain(series.iter().copied());
    series
        .iter()
        .zip(below)
        .map(|(coefficient, below)| centre * coefficient + scale * below)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(coefficients: &[f64], t: f64) -> f64 {
        coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c)
    }

    #[test]
    fn series_converge_to_their_functions() {
        for function in Function::ALL.into_iter().filter(|f| *f != Function::Relu) {
            for centre in [-3.0, -0.7, 0.0, 0.4, 2.5, 9.0] {
                // A tenth of the distance to the nearest pole of tanh: 15 terms are exact to rounding.
                let coefficients = series(function, centre, 0.15, 15);
                for t in [-1.0, -0.5, 0.25, 1.0] {
                    let x = centre + 0.15 * t;
                    let difference = (sum(&coefficients, t) - function.value(x)).abs();
                    assert!(
                        difference < 2e-15 * function.value(x).abs().max(1.0),
                        "{function} at {x}: {difference}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_coefficients_are_the_textbook_ones() {
        let close = |found: &[f64], known: &[f64]| {
            assert_eq!(found.len(), known.len());
            assert!(
                found.iter().zip(known).all(|(a, b)| (a - b).abs() < 1e-16),
                "{found:?} for {known:?}"
            );
        };
        close(
            &series(Function::Tanh, 0.0, 1.0, 5),
            &[0.0, 1.0, 0.0, -1.0 / 3.0, 0.0, 2.0 / 15.0],
        );
        close(
            &series(Function::Sigmoid, 0.0, 1.0, 5),
            &[0.5, 0.25, 0.0, -1.0 / 48.0, 0.0, 1.0 / 480.0],
        );
    }

    #[test]
    fn far_to_the_right_the_slope_of_a_sigmoid_keeps_its_digits() {
        let slope = series(Function::Sigmoid, 40.0, 1.0, 1)[1];
        assert!((slope / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
    }
}
