//! The floor under trained leading coefficients.
//!
//! The encrypted circuit makes every polynomial monic: it divides by the leading coefficient, so that one must never come near
//! zero. It starts at zero, too, where the method finds an even or odd polynomial (ReLU at degree 3, tanh at degree 2).

use crate::parameters::{Coefficients, Parameters};
use cryptodl_model::{Role, TrainedLayer, TrainedNetwork};
use polyapprox::Interval;

/// Smallest share of its starting magnitude that a leading coefficient may fall to.
const OWN_SHARE: f64 = 0.1;
/// Smallest share of the polynomial's largest term, at the interval's end, that the leading term may fall to.
const TERM_SHARE: f64 = 0.05;

/// The floors of a network's leading coefficients.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Floors {
    /// Position in the flat vector, and the signed value that the coefficient stays beyond.
    floors: Vec<(usize, f32)>,
}

impl Floors {
    /// From the coefficients that training starts from. Each keeps its sign; one that starts at zero becomes positive.
    pub fn of(network: &TrainedNetwork, parameters: &Parameters, interval: Interval) -> Self {
        let reach = interval.low().abs().max(interval.high().abs());
        let mut floors = Vec::new();
        for segment in parameters.segments() {
            let trained = segment.trainable && segment.role == Role::Coefficients;
            let TrainedLayer::Polynomial(polynomial) = &network.layers[segment.layer] else {
                continue;
            };
            if !trained {
                continue;
            }
            let (degree, coefficients) = (polynomial.degree, &polynomial.coefficients);
            if let Coefficients::HermiteNormalized { linear } = parameters.coefficients() {
                // Offset, gain and the quadratic part, which is that of a normalised variable: so is the linear one.
                let linear = TERM_SHARE * f64::from(linear).abs();
                for (row, values) in coefficients.as_chunks::<3>().0.iter().enumerate() {
                    let second = f64::from(values[2]);
                    let floor = (OWN_SHARE * second.abs()).max(linear);
                    let signed = if second < 0.0 { -floor } else { floor };
                    floors.push((segment.range.start + 3 * row + 2, signed as f32));
                }
                continue;
            }
            for (row, values) in coefficients.chunks_exact(degree + 1).enumerate() {
                let term = |power: usize| f64::from(values[power]).abs() * reach.powi(power as i32);
                let largest = (0..degree).map(term).fold(0.0, f64::max);
                let leading = f64::from(values[degree]);
                let floor = (OWN_SHARE * leading.abs())
                    .max(TERM_SHARE * largest / reach.powi(degree as i32));
                let signed = if leading < 0.0 { -floor } else { floor };
                // As it stands in the flat vector.
                let flat = signed / f64::from(segment.units[degree]);
                floors.push((
                    segment.range.start + row * (degree + 1) + degree,
                    flat as f32,
                ));
            }
        }
        Self { floors }
    }

    /// Puts every leading coefficient that fell below its floor, or changed its sign, back on it.
    pub fn enforce(&self, weights: &mut [f32]) {
        for (at, floor) in &self.floors {
            let value = &mut weights[*at];
            *value = if *floor < 0.0 {
                value.min(*floor)
            } else {
                value.max(*floor)
            };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parameters::Coefficients;
    use cryptodl_model::PolynomialActivation;
    use cryptodl_reference as reference;

    fn floors(row: &[f32], coefficients: Coefficients) -> (Vec<f32>, Parameters, Floors) {
        let mut network = reference::network(1);
        network.layers[2] = TrainedLayer::Polynomial(PolynomialActivation {
            degree: row.len() - 1,
            rows: 4,
            coefficients: row.repeat(4),
        });
        let parameters = Parameters::of(&network, coefficients);
        let floors = Floors::of(&network, &parameters, Interval::new(-4.0, 2.0).unwrap());
        (parameters.gather(&network), parameters, floors)
    }

    /// The leading coefficients of the first polynomial after they were set to `value` and the floors enforced.
    fn enforced(row: &[f32], value: f32) -> f32 {
        let (mut weights, parameters, floors) = floors(row, Coefficients::Trained { exponent: 2 });
        let segment = parameters
            .segments()
            .iter()
            .find(|segment| segment.role == Role::Coefficients)
            .unwrap();
        let unit = segment.units[row.len() - 1];
        for at in 0..4 {
            weights[segment.range.start + (at + 1) * row.len() - 1] = value / unit;
        }
        floors.enforce(&mut weights);
        weights[segment.range.start + row.len() - 1] * unit
    }

    #[test]
    fn magnitude_and_sign_are_kept() {
        assert!(
            (enforced(&[0.0, 0.5, 0.02], -1.0) - 0.00625).abs() < 1e-6,
            "5 % of 0.5 * 4 / 16 outweighs 10 % of 0.02"
        );
        assert!((enforced(&[0.0, 0.1, 0.2], 0.0) - 0.02).abs() < 1e-6);
        assert!((enforced(&[0.0, 0.1, -0.2], 0.0) + 0.02).abs() < 1e-6);
        assert_eq!(enforced(&[0.0, 0.1, 0.2], 0.7), 0.7);
        assert!(
            enforced(&[0.3, 0.5, 0.2, 0.0], 0.0) > 0.001,
            "a zero start is lifted"
        );
    }

    #[test]
    fn fixed_polynomials_have_no_floor() {
        let (start, _, floors) = floors(&[0.3, 0.5, 0.2, 0.0], Coefficients::Frozen);
        let mut weights = start.clone();
        floors.enforce(&mut weights);
        assert_eq!(weights, start);
    }
}
