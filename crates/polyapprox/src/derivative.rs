//! The derivative method of CryptoDL (arXiv 1711.05189, section 3.2): approximate the derivative, then integrate.
//!
//! Training moves weights along derivatives, so that a polynomial with the right slope may serve a network better than one with the
//! right value. The derivative f' is projected, one degree lower, under the modified Chebyshev measure; for ReLU f' is the step
//! function. Integration leaves a constant open, which the paper does not fix: here it is the mean of what the integral lacks under
//! the same measure, which is the constant with the least L2 error.

use crate::measure::Measure;
use crate::projection::Basis;
use crate::{Error, Function, Polynomial};

/// Ascending coefficients in the measure's t, `degree + 1` of them.
pub fn fit(function: Function, measure: &Measure, degree: usize) -> Result<Vec<f64>, Error> {
    // By the chain rule df / dt = scale * f'(x).
    let slope = Basis::new(measure, degree - 1)?
        .project(|point| measure.scale * function.derivative(point.x));
    let mut coefficients: Vec<f64> = Polynomial::trimmed(slope).integral().into();
    coefficients.resize(degree + 1, 0.0);
    let integral = Polynomial::trimmed(coefficients.clone());
    coefficients[0] = measure.mean(|point| function.value(point.x) - integral.value(point.t));
    Ok(coefficients)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Interval;

    #[test]
    fn any_other_constant_is_worse() {
        let interval = Interval::new(-2.0, 3.0).unwrap();
        let measure = Measure::modified_chebyshev(interval);
        for function in Function::ALL {
            let coefficients = fit(function, &measure, 3).unwrap();
            let error = |shift: f64| {
                let polynomial = Polynomial::trimmed(coefficients.clone());
                measure.mean(|point| {
                    (function.value(point.x) - polynomial.value(point.t) - shift).powi(2)
                })
            };
            assert!(
                error(0.0) < error(1e-4) && error(0.0) < error(-1e-4),
                "{function}"
            );
        }
    }
}
