//! Kinds of polynomials: coefficients from the numbers that are trained, and the gradients of those.

use super::Moments;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// What kind of polynomial stands after the norm.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// `p(z)`. Numbers: ascending coefficients, `[1 or channels][degree + 1]`.
    Polynomial {
        /// Up to 15.
        degree: usize,
    },
    /// `gain (linear z + second norm((z^2 - 1) / sqrt 2)) + offset` with a norm without factor and offset (HerPN; Park et al. 2022, arXiv
    /// 2201.06699). Numbers: `[channels][offset, gain, second]`.
    Hermite {
        /// Coefficient of the first Hermite polynomial.
        linear: f64,
        /// Statistics of `(z^2 - 1) / sqrt 2`; `None`: the batch's own.
        fixed: Option<Moments>,
    },
}

impl Form {
    /// Ascending coefficients, `[power][channel]`.
    pub fn coefficients(
        &self,
        (channels, epsilon): (usize, f64),
        numbers: &[f32],
        inner: &Moments,
    ) -> Vec<Vec<f64>> {
        match self {
            Self::Polynomial { degree } => {
                let count = degree + 1;
                let rows = numbers.len() / count;
                assert!(count <= 16 && numbers.len() == rows * count);
                assert!(rows == 1 || rows == channels);
                let at = |power, channel| f64::from(numbers[channel % rows * count + power]);
                (0..count)
                    .map(|power| (0..channels).map(|c| at(power, c)).collect())
                    .collect()
            }
            Self::Hermite { linear, .. } => {
                assert_eq!(numbers.len(), 3 * channels);
                let mut coefficients = vec![Vec::new(); 3];
                for (channel, row) in numbers.as_chunks::<3>().0.iter().enumerate() {
                    let [offset, gain, second] = row.map(f64::from);
                    let quadratic = gain * second * scale(inner, channel, epsilon);
                    coefficients[0]
                        .push(offset - quadratic * (FRAC_1_SQRT_2 + inner.mean[channel]));
                    coefficients[1].push(gain * linear);
                    coefficients[2].push(quadratic * FRAC_1_SQRT_2);
                }
                coefficients
            }
        }
    }

    /// Gradients of the form's numbers from the sums of the gradient times powers of z, and the part of the gradient of z that does not
    /// depend on the entry's own gradient: coefficients of z and z^3.
    pub fn number_gradients(
        &self,
        (channels, epsilon): (usize, f64),
        numbers: &[f32],
        inner: &Moments,
        count: f64,
        sums: &[Vec<f64>],
    ) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut rest = vec![vec![0.0; channels]; 2];
        let gradients: Vec<f64> = match self {
            Self::Polynomial { degree } => {
                let mut gradients = vec![0.0; numbers.len()];
                let rows = numbers.len() / (degree + 1);
                for (power, sums) in sums.iter().enumerate().take(degree + 1) {
                    for (channel, sum) in sums.iter().enumerate() {
                        gradients[channel % rows * (degree + 1) + power] += sum;
                    }
                }
                gradients
            }
            Self::Hermite { linear, fixed } => {
                let mut gradients = Vec::with_capacity(3 * channels);
                for (channel, row) in numbers.as_chunks::<3>().0.iter().enumerate() {
                    let [_, gain, second] = row.map(f64::from);
                    let mean = inner.mean[channel];
                    let scale = scale(inner, channel, epsilon);
                    let [zeroth, first, squares] = [0, 1, 2].map(|power| sums[power][channel]);
                    // The sum of the gradient times the normalised quadratic part.
                    let normal = scale * ((squares - zeroth) * FRAC_1_SQRT_2 - mean * zeroth);
                    gradients.extend([zeroth, linear * first + second * normal, gain * normal]);
                    if fixed.is_none() {
                        // The second norm's gradient, times the derivative sqrt 2 z of what it normalises.
                        let factor = gain * second * scale;
                        let cubic = -factor * scale * normal / count;
                        rest[0][channel] = -SQRT_2 * factor * zeroth / count
                            - SQRT_2 * cubic * (FRAC_1_SQRT_2 + mean);
                        rest[1][channel] = cubic;
                    }
                }
                gradients
            }
        };
        (gradients, rest)
    }
}

fn scale(moments: &Moments, channel: usize, epsilon: f64) -> f64 {
    (moments.variance[channel] + epsilon).sqrt().recip()
}

/// Of `(z^2 - 1) / sqrt 2`, from the sums of the second and fourth powers of `count` values of z.
pub(super) fn inner_moments(count: usize, second: &[f64], fourth: &[f64]) -> Moments {
    let count = count.max(1) as f64;
    Moments {
        mean: second
            .iter()
            .map(|sum| (sum / count - 1.0) * FRAC_1_SQRT_2)
            .collect(),
        variance: second
            .iter()
            .zip(fourth)
            .map(|(second, fourth)| ((fourth / count - (second / count).powi(2)) / 2.0).max(0.0))
            .collect(),
    }
}

/// Of polynomials with ascending coefficients `[power][channel]`.
pub(super) fn derivative(coefficients: &[Vec<f64>]) -> Vec<Vec<f64>> {
    coefficients
        .iter()
        .enumerate()
        .skip(1)
        .map(|(power, row)| row.iter().map(|value| power as f64 * value).collect())
        .collect()
}
