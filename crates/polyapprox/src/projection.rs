//! Orthogonal projection onto polynomials.
//!
//! The orthonormal polynomials p_0, p_1, ... of a measure solve its least-squares problem without any linear system: the best polynomial for
//! f is the sum of `<f, p_k> p_k`. They are built on the measure's points by the Arnoldi process: multiply p_k by t, make the result
//! orthogonal to all before, normalise. Doing that twice keeps them orthogonal to rounding error, where the three-term recurrence
//! alone drifts. Source: Brubeck, Nakatsukasa and Trefethen, Vandermonde with Arnoldi, SIAM Review 63 (2021).

use crate::Error;
use crate::measure::{Measure, Point};

/// Below this share of the norm before it was made orthogonal, a polynomial is a combination of the lower ones.
const INDEPENDENT: f64 = 1e-9;

/// Coefficients below this many units of rounding are rounding: of all functions that are equal to the last bits, take the simplest polynomial.
const NOISE: f64 = 64.0 * f64::EPSILON;

/// The orthonormal polynomials of a measure.
#[derive(Clone, Debug)]
pub struct Basis<'a> {
    measure: &'a Measure,
    /// `values[k][i]` is p_k at point i.
    values: Vec<Vec<f64>>,
    /// `powers[k][j]` is the coefficient of t^j in p_k.
    powers: Vec<Vec<f64>>,
}

impl<'a> Basis<'a> {
    /// The orthonormal polynomials of `measure`, up to `degree`.
    ///
    /// # Errors
    /// [`Error::ThinMeasure`] if the measure has too few points.
    pub fn new(measure: &'a Measure, degree: usize) -> Result<Self, Error> {
        let one = vec![1.0; measure.points().len()];
        let mut basis = Self {
            measure,
            values: vec![one],
            powers: vec![vec![1.0]],
        };
        for k in 0..degree {
            let mut values: Vec<f64> = basis.values[k]
                .iter()
                .zip(measure.points())
                .map(|(value, point)| value * point.t)
                .collect();
            let mut powers = vec![0.0];
            powers.extend_from_slice(&basis.powers[k]);
            let before = basis.inner(&values, &values).sqrt();
            for _ in 0..2 {
                for (lower, lower_powers) in basis.values.iter().zip(&basis.powers) {
                    let share = basis.inner(&values, lower);
                    subtract(&mut values, share, lower);
                    subtract(&mut powers, share, lower_powers);
                }
            }
            let norm = basis.inner(&values, &values).sqrt();
            if norm.is_nan() || norm <= INDEPENDENT * before {
                return Err(Error::ThinMeasure { degree: k + 1 });
            }
            basis
                .values
                .push(values.into_iter().map(|value| value / norm).collect());
            basis
                .powers
                .push(powers.into_iter().map(|power| power / norm).collect());
        }
        Ok(basis)
    }

    /// Ascending coefficients in t of the polynomial nearest to `f`.
    pub fn project(&self, f: impl Fn(&Point) -> f64) -> Vec<f64> {
        let target: Vec<f64> = self.measure.points().iter().map(f).collect();
        let noise = NOISE * self.inner(&target, &target).sqrt();
        let mut sum = vec![0.0; self.powers.len()];
        for (values, powers) in self.values.iter().zip(&self.powers) {
            let share = self.inner(&target, values);
            if share.abs() > noise {
                subtract(&mut sum, -share, powers);
            }
        }
        sum
    }

    /// The inner product of two functions given by their values.
    fn inner(&self, a: &[f64], b: &[f64]) -> f64 {
        self.measure
            .points()
            .iter()
            .zip(a)
            .zip(b)
            .map(|((point, a), b)| point.weight * a * b)
            .sum()
    }
}

/// `from -= factor * what`, as far as `what` reaches.
fn subtract(from: &mut [f64], factor: f64, what: &[f64]) {
    for (from, what) in from.iter_mut().zip(what) {
        *from -= factor * what;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Function, Interval, Polynomial};

    fn measures(interval: Interval) -> [Measure; 4] {
        [
            Measure::uniform(interval),
            Measure::chebyshev(interval),
            Measure::modified_chebyshev(interval),
            Measure::gaussian(interval),
        ]
    }

    #[test]
    fn bases_are_orthonormal_to_degree_15() {
        for measure in measures(Interval::new(-3.0, 5.0).unwrap()) {
            let basis = Basis::new(&measure, 15).unwrap();
            for j in 0..=15 {
                for k in 0..=15 {
                    let expected = f64::from(u8::from(j == k));
                    let product = basis.inner(&basis.values[j], &basis.values[k]);
                    assert!(
                        (product - expected).abs() < 1e-13,
                        "<p_{j}, p_{k}> = {product}"
                    );
                }
            }
        }
    }

    #[test]
    fn powers_and_values_are_the_same_polynomials() {
        for measure in measures(Interval::new(-3.0, 5.0).unwrap()) {
            let basis = Basis::new(&measure, 15).unwrap();
            for (values, powers) in basis.values.iter().zip(&basis.powers) {
                let polynomial = Polynomial::new(powers.clone()).unwrap();
                let difference = measure.points().iter().zip(values).map(|(point, value)| {
                    // Horner's rule at t errs by the sum of the terms' sizes.
                    let size: f64 = powers
                        .iter()
                        .zip(0..)
                        .map(|(c, k)| (c * point.t.powi(k)).abs())
                        .sum();
                    (polynomial.value(point.t) - value).abs() / size
                });
                assert!(difference.fold(0.0, f64::max) < 1e-13);
            }
        }
    }

    #[test]
    fn what_is_left_is_orthogonal_to_every_power() {
        for measure in measures(Interval::new(-4.0, 4.0).unwrap()) {
            for function in Function::ALL {
                let powers = Basis::new(&measure, 15)
                    .unwrap()
                    .project(|point| function.value(point.x));
                let polynomial = Polynomial::new(powers).unwrap();
                let size = measure.mean(|point| function.value(point.x).powi(2)).sqrt();
                for power in 0..=15 {
                    let rest = |point: &Point| function.value(point.x) - polynomial.value(point.t);
                    let product = measure.mean(|point| rest(point) * point.t.powi(power));
                    let length = measure.mean(|point| point.t.powi(2 * power)).sqrt();
                    assert!(
                        product.abs() < 1e-11 * size * length,
                        "{function}, t^{power}: {product}"
                    );
                }
            }
        }
    }

    #[test]
    fn polynomials_are_their_own_projection() {
        let wanted = [0.5, -1.0, 0.0, 2.0, 0.25, 3.0];
        let polynomial = Polynomial::new(wanted.to_vec()).unwrap();
        for measure in measures(Interval::new(-3.0, 5.0).unwrap()) {
            let found = Basis::new(&measure, 5)
                .unwrap()
                .project(|point| polynomial.value(point.t));
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-12, "{found} for {wanted}");
            }
        }
    }

    #[test]
    fn two_points_carry_no_parabola() {
        let measure = Measure::new(0.0, 1.0, [(-1.0, 1.0), (1.0, 1.0)].into_iter());
        assert!(Basis::new(&measure, 1).is_ok());
        assert_eq!(
            Basis::new(&measure, 2).unwrap_err(),
            Error::ThinMeasure { degree: 2 }
        );
    }
}
