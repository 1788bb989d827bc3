//! How far a polynomial is from its function.

use crate::extrema::{Extremum, largest};
use crate::measure::{Measure, PIECES};
use crate::quadrature::breaks;
use crate::{Function, Interval, Polynomial};
use serde::{Deserialize, Serialize};

/// Distances between a function and its polynomial.
///
/// Every L2 error is a root mean square: the measure is scaled to total mass 1, so that errors on different intervals compare, and
/// no L2 error on the interval exceeds the largest one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Root mean square under the method's own measure; Taylor and minimax have none and give the uniform one.
    pub l2_own: f64,
    /// Root mean square over the interval, all points alike.
    pub l2_uniform: f64,
    /// Largest error on the interval.
    pub max: f64,
    /// Where the largest error is.
    pub max_at: f64,
    /// Root mean square of the derivative's error over the interval.
    pub derivative_l2: f64,
    /// Largest error of the derivative on the interval; at a kink, the larger one of both sides.
    pub derivative_max: f64,
}

impl Errors {
    /// The distances on `interval`, and under `own`. Not finite where values overflow.
    pub(crate) fn measure(
        function: Function,
        polynomial: &Polynomial,
        interval: Interval,
        own: Option<&Measure>,
    ) -> Self {
        let slope = polynomial.derivative();
        let uniform = Measure::uniform(interval);
        let root_mean_square = |measure: &Measure, error: &dyn Fn(f64) -> f64| {
            measure.mean(|point| error(point.x).powi(2)).sqrt()
        };
        let value_error = |x: f64| function.value(x) - polynomial.value(x);
        let l2_uniform = root_mean_square(&uniform, &value_error);

        let panels = breaks(interval.low(), interval.high(), PIECES);
        let nowhere = Extremum {
            x: interval.centre(),
            value: f64::NAN,
        };
        let value = largest(&panels, |x, _| value_error(x)).unwrap_or(nowhere);
        let derivative = largest(&panels, |x, inside| {
            function.derivative_towards(x, inside) - slope.value(x)
        })
        .unwrap_or(nowhere);
        Self {
            l2_own: own.map_or(l2_uniform, |own| root_mean_square(own, &value_error)),
            l2_uniform,
            max: value.value.abs(),
            max_at: value.x,
            derivative_l2: root_mean_square(&uniform, &|x| function.derivative(x) - slope.value(x)),
            derivative_max: derivative.value.abs(),
        }
    }

    /// Whether all of them are numbers.
    pub(crate) fn is_finite(&self) -> bool {
        [
            self.l2_own,
            self.l2_uniform,
            self.max,
            self.max_at,
            self.derivative_l2,
            self.derivative_max,
        ]
        .iter()
        .all(|error| error.is_finite())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_line_for_relu_by_hand() {
        // On [-1, 3], relu(x) - x / 2 = |x| / 2: mean square (1 + 27) / 48, largest 1.5 at the right end; slopes differ by 1 / 2 everywhere.
        let line = Polynomial::new(vec![0.0, 0.5]).unwrap();
        let errors = Errors::measure(
            Function::Relu,
            &line,
            Interval::new(-1.0, 3.0).unwrap(),
            None,
        );
        assert!((errors.l2_uniform - (28.0_f64 / 48.0).sqrt()).abs() < 1e-14);
        assert_eq!(errors.l2_own, errors.l2_uniform);
        assert_eq!((errors.max, errors.max_at), (1.5, 3.0));
        assert!((errors.derivative_l2 - 0.5).abs() < 1e-14);
        assert_eq!(errors.derivative_max, 0.5);
    }

    #[test]
    fn the_slope_at_the_kink_counts_from_both_sides() {
        // Slope 2 x + 1 / 4: at zero it misses the slope on the left by 1 / 4, the one on the right by 3 / 4.
        let parabola = Polynomial::new(vec![0.0, 0.25, 1.0]).unwrap();
        let errors = Errors::measure(
            Function::Relu,
            &parabola,
            Interval::new(-0.125, 0.125).unwrap(),
            None,
        );
        assert_eq!(errors.derivative_max, 0.75);
    }

    #[test]
    fn an_error_between_the_samples_is_found() {
        // x^2 - (2 x / 3) is largest at the right end, 1 / 3, and the inner extremum -1 / 9 lies at 1 / 3, no sample.
        let line = Polynomial::new(vec![0.0, 2.0 / 3.0]).unwrap();
        let errors = Errors::measure(
            Function::Square,
            &line,
            Interval::new(0.0, 0.6).unwrap(),
            None,
        );
        assert!((errors.max - 1.0 / 9.0).abs() < 1e-15 && (errors.max_at - 1.0 / 3.0).abs() < 1e-7);
    }
}
