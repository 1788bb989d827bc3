//! Polynomials in powers of x.

use crate::Error;
use serde::{Deserialize, Serialize};

/// A polynomial with real coefficients, in ascending powers; serialised as the list of them.
///
/// It has exactly `degree() + 1` coefficients and the last one is not zero, unless it is the only one: an approximation of an even
/// function asked for with degree 3 has degree 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Polynomial {
    coefficients: Vec<f64>,
}

impl Polynomial {
    /// The polynomial `coefficients[0] + coefficients[1] x + ...`. Zeros at the end are dropped.
    ///
    /// # Errors
    /// [`Error::NoCoefficients`] for an empty list, [`Error::Coefficient`] if one is not finite.
    pub fn new(coefficients: Vec<f64>) -> Result<Self, Error> {
        if coefficients.is_empty() {
            return Err(Error::NoCoefficients);
        }
        if let Some((power, &value)) = coefficients
            .iter()
            .enumerate()
            .find(|(_, c)| !c.is_finite())
        {
            return Err(Error::Coefficient { power, value });
        }
        Ok(Self::trimmed(coefficients))
    }

    /// Drops zeros at the end.
    pub(crate) fn trimmed(mut coefficients: Vec<f64>) -> Self {
        let len = coefficients
            .iter()
            .rposition(|&c| c != 0.0)
            .map_or(1, |last| last + 1);
        coefficients.resize(len, 0.0);
        Self { coefficients }
    }

    /// The coefficients, constant first; `degree() + 1` of them.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The degree; 0 for the zero polynomial.
    pub fn degree(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// The value at `x`, by Horner's rule.
    pub fn value(&self, x: f64) -> f64 {
        self.coefficients
            .iter()
            .rev()
            .fold(0.0, |value, c| value.mul_add(x, *c))
    }

    /// The derivative.
    pub fn derivative(&self) -> Self {
        Self::trimmed(
            self.coefficients
                .iter()
                .zip(0_u32..)
                .skip(1)
                .map(|(c, power)| c * f64::from(power))
                .collect(),
        )
    }

    /// The antiderivative that is zero at zero.
    pub fn integral(&self) -> Self {
        let higher = self
            .coefficients
            .iter()
            .zip(1_u32..)
            .map(|(c, power)| c / f64::from(power));
        Self::trimmed(std::iter::once(0.0).chain(higher).collect())
    }

    /// The polynomial `q(x) = p(a x + b)`.
    pub fn compose_affine(&self, a: f64, b: f64) -> Self {
        // Horner's rule with polynomials: multiply what is there by (a x + b), add the next coefficient.
        let mut composed: Vec<f64> = Vec::with_capacity(self.coefficients.len());
        for &coefficient in self.coefficients.iter().rev() {
            composed.push(0.0);
            for power in (0..composed.len()).rev() {
                let below = if power == 0 { 0.0 } else { composed[power - 1] };
                composed[power] = composed[power] * b + below * a;
            }
            composed[0] += coefficient;
        }
        Self::trimmed(composed)
    }
}

impl TryFrom<Vec<f64>> for Polynomial {
    type Error = Error;

    fn try_from(coefficients: Vec<f64>) -> Result<Self, Error> {
        Self::new(coefficients)
    }
}

impl From<Polynomial> for Vec<f64> {
    fn from(polynomial: Polynomial) -> Self {
        polynomial.coefficients
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn polynomial(coefficients: &[f64]) -> Polynomial {
        Polynomial::new(coefficients.to_vec()).unwrap()
    }

    #[test]
    fn the_degree_is_the_last_power_with_a_coefficient() {
        assert_eq!(polynomial(&[1.0, 2.0, 0.0]).degree(), 1);
        assert_eq!(polynomial(&[0.0, 0.0]).coefficients(), [0.0]);
    }

    #[test]
    fn refuses_nothing_and_what_is_not_finite() {
        assert_eq!(Polynomial::new(vec![]), Err(Error::NoCoefficients));
        assert_eq!(
            Polynomial::new(vec![0.0, f64::INFINITY]),
            Err(Error::Coefficient {
                power: 1,
                value: f64::INFINITY
            })
        );
        assert!(matches!(
            Polynomial::new(vec![f64::NAN]),
            Err(Error::Coefficient { power: 0, .. })
        ));
    }

    #[test]
    fn values_derivatives_and_integrals_of_a_cubic() {
        let p = polynomial(&[1.0, -2.0, 3.0, 4.0]);
        assert_eq!(p.value(2.0), 1.0 - 4.0 + 12.0 + 32.0);
        assert_eq!(p.derivative(), polynomial(&[-2.0, 6.0, 12.0]));
        assert_eq!(p.integral(), polynomial(&[0.0, 1.0, -1.0, 1.0, 1.0]));
        assert_eq!(p.integral().derivative(), p);
        assert_eq!(polynomial(&[7.0]).derivative(), polynomial(&[0.0]));
    }

    #[test]
    fn composition_with_a_line_moves_the_argument() {
        let p = polynomial(&[1.0, -2.0, 3.0, 4.0]);
        let q = p.compose_affine(0.5, -3.0);
        for x in [-2.0, 0.0, 1.0, 4.0] {
            assert_eq!(q.value(x), p.value(0.5 * x - 3.0));
        }
    }

    #[test]
    fn is_a_list_in_json_and_is_checked_when_read() {
        let p = polynomial(&[0.25, 0.5]);
        assert_eq!(serde_json::to_string(&p).unwrap(), "[0.25,0.5]");
        assert_eq!(
            serde_json::from_str::<Polynomial>("[0.25, 0.5]").unwrap(),
            p
        );
        assert!(serde_json::from_str::<Polynomial>("[]").is_err());
    }
}
