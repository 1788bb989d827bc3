//! From a function, a method and an interval to a polynomial.

use crate::function::Symmetry;
use crate::measure::Measure;
use crate::projection::Basis;
use crate::{
    Density, Error, Errors, Function, Interval, Method, Polynomial, derivative, remez, taylor,
};
use serde::{Deserialize, Serialize};

/// Largest degree that can be asked for.
pub const MAX_DEGREE: usize = 15;

/// A polynomial has kept its digits if the rounding error of a value is at most this share of the largest value...
const DIGITS: f64 = 1e-6;

/// ... or this share of the distance from the function, which it then does not change.
const SHARE: f64 = 1e-2;

/// Points at which rounding errors are looked for.
const ROUNDING_SAMPLES: u32 = 256;

/// A polynomial, what it stands for, and how good it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approximation {
    /// The function it stands for.
    pub function: Function,
    /// How it was found.
    pub method: Method,
    /// Where it shall be good.
    pub interval: Interval,
    /// The degree asked for. The polynomial's own is lower where the best coefficient is zero.
    pub degree: usize,
    /// The polynomial, in powers of x.
    pub polynomial: Polynomial,
    /// Its distances from the function.
    pub errors: Errors,
}

/// The polynomial of at most `degree` that `method` finds for `function` on `interval`.
///
/// # Errors
/// [`Error::Degree`] unless `degree` is 1 to [`MAX_DEGREE`]; [`Error::DensityRequired`] for [`Method::Data`];
/// [`Error::Overflow`] and [`Error::IllConditioned`] on extreme intervals.
pub fn approximate(
    function: Function,
    method: Method,
    degree: usize,
    interval: Interval,
) -> Result<Approximation, Error> {
    let measure = match method {
        Method::Numerical => Some(Measure::uniform(interval)),
        Method::Chebyshev => Some(Measure::chebyshev(interval)),
        Method::ModifiedChebyshev | Method::Derivative => {
            Some(Measure::modified_chebyshev(interval))
        }
        Method::Hermite => Some(Measure::gaussian(interval)),
        Method::Taylor | Method::Minimax => None,
        Method::Data => return Err(Error::DensityRequired),
    };
    fit(
        Task {
            function,
            method,
            degree,
            interval,
        },
        measure.as_ref(),
    )
}

/// The polynomial of at most `degree` with the least mean squared error where `density` has its mass. What lies outside `interval` is left
/// out. Where the density has no mass the polynomial may be far from the function: see [`Errors::max`].
///
/// # Errors
/// As [`approximate`]; [`Error::NoMass`] if nothing of the density lies in the interval.
pub fn approximate_weighted(
    function: Function,
    density: &Density,
    degree: usize,
    interval: Interval,
) -> Result<Approximation, Error> {
    fit(
        Task {
            function,
            method: Method::Data,
            degree,
            interval,
        },
        Some(&density.within(interval)?),
    )
}

/// What was asked for.
#[derive(Clone, Copy)]
struct Task {
    function: Function,
    method: Method,
    degree: usize,
    interval: Interval,
}

fn fit(task: Task, measure: Option<&Measure>) -> Result<Approximation, Error> {
    let Task {
        function,
        method,
        degree,
        interval,
    } = task;
    if !(1..=MAX_DEGREE).contains(&degree) {
        return Err(Error::Degree { degree });
    }
    let overflow = Error::Overflow {
        function,
        low: interval.low(),
        high: interval.high(),
    };
    let (origin, scale) = measure.map_or((interval.centre(), interval.half_width()), |m| {
        (m.origin, m.scale)
    });
    // Mean squares need squares of lengths; a subnormal one has lost its digits.
    if !(scale * scale).is_normal()
        || !function.value(interval.low()).is_finite()
        || !function.value(interval.high()).is_finite()
    {
        return Err(overflow);
    }

    let (polynomial, errors) = if function == Function::Square && degree >= 2 {
        // Every method reproduces a polynomial. Exactly so, without a tail of rounding errors that would pass for coefficients.
        let polynomial = Polynomial::new(vec![0.0, 0.0, 1.0])?;
        let errors = Errors::measure(function, &polynomial, interval, measure);
        (polynomial, errors)
    } else {
        let mut powers = match (method, measure) {
            (Method::Taylor, _) => taylor::series(function, origin, scale, degree),
            (Method::Minimax, _) => remez::fit(function, interval, degree)?,
            (Method::Derivative, Some(measure)) => derivative::fit(function, measure, degree)?,
            (_, Some(measure)) => {
                Basis::new(measure, degree)?.project(|point| function.value(point.x))
            }
            (_, None) => return Err(Error::DensityRequired),
        };
        if interval.low() == -interval.high() && method != Method::Data {
            symmetrize(function, scale, &mut powers);
        }
        drop_unfelt(interval.half_width() / scale, &mut powers);
        let polynomial = in_powers_of_x(&powers, origin, scale).ok_or_else(|| overflow.clone())?;
        let errors = Errors::measure(function, &polynomial, interval, measure);
        let region = if method == Method::Data {
            (origin - scale, origin + scale)
        } else {
            (interval.low(), interval.high())
        };
        let (rounding, size) = rounding_and_size(
            function,
            &polynomial,
            &Polynomial::trimmed(powers),
            (origin, scale),
            region,
        );
        // A comparison with NaN is false: what overflows is refused below.
        if rounding > DIGITS * size && rounding > SHARE * errors.l2_own {
            return Err(Error::IllConditioned {
                degree,
                low: interval.low(),
                high: interval.high(),
                rounding,
            });
        }
        (polynomial, errors)
    };
    if errors.is_finite() {
        Ok(Approximation {
            function,
            method,
            interval,
            degree,
            polynomial,
            errors,
        })
    } else {
        Err(overflow)
    }
}

/// On an interval symmetric to zero every method here repeats the function's symmetry. Rounding does not: restore it, so that an encrypted
/// evaluation can rely on zeros being zeros.
fn symmetrize(function: Function, scale: f64, powers: &mut [f64]) {
    let (parity, fixed) = match function.symmetry() {
        Symmetry::HalfXPlusEven => (1, Some((1, scale / 2.0))),
        Symmetry::HalfPlusOdd => (0, Some((0, 0.5))),
        Symmetry::Odd => (0, None),
        Symmetry::Even => (1, None),
    };
    powers
        .iter_mut()
        .skip(parity)
        .step_by(2)
        .for_each(|power| *power = 0.0);
    if let Some((power, value)) = fixed {
        powers[power] = value;
    }
}

/// Drops leading terms that no value on \[-reach, reach\] feels, being below the rounding of the largest term: they would cost
/// multiplications, and a division by them digits. Lower terms stay, as close to zero all others may vanish beside them.
fn drop_unfelt(reach: f64, powers: &mut Vec<f64>) {
    let terms: Vec<f64> = (0..)
        .zip(&*powers)
        .map(|(k, power)| power.abs() * reach.powi(k))
        .collect();
    let largest = terms.iter().copied().fold(0.0, f64::max);
    let felt = terms
        .iter()
        .rposition(|&term| term >= f64::EPSILON * largest)
        .unwrap_or(0);
    powers.truncate(felt + 1);
}

/// The polynomial with coefficients `powers` of t, where x = origin + scale * t, in powers of x; `None` if that overflows.
fn in_powers_of_x(powers: &[f64], origin: f64, scale: f64) -> Option<Polynomial> {
    // Division by a power rather than composition with t = (x - origin) / scale: x / 2 keeps its coefficient to the last bit.
    let scaled: Vec<f64> = (0..)
        .zip(powers)
        .map(|(k, power)| {
            if *power == 0.0 {
                0.0
            } else {
                power / scale.powi(k)
            }
        })
        .collect();
    Polynomial::new(
        Polynomial::trimmed(scaled)
            .compose_affine(1.0, -origin)
            .into(),
    )
    .ok()
}

/// How far `polynomial` strays from `powers` of t, which it was made from, and the largest value of it or the function; both on `region`.
fn rounding_and_size(
    function: Function,
    polynomial: &Polynomial,
    powers: &Polynomial,
    (origin, scale): (f64, f64),
    region: (f64, f64),
) -> (f64, f64) {
    (0..=ROUNDING_SAMPLES)
        .map(|i| f64::from(i) / f64::from(ROUNDING_SAMPLES))
        .map(|share| region.0 * (1.0 - share) + region.1 * share)
        .map(|x| {
            let value = polynomial.value(x);
            (
                (value - powers.value((x - origin) / scale)).abs(),
                function.value(x).abs().max(value.abs()),
            )
        })
        .fold((0.0, 0.0), |(rounding, size), (r, s)| {
            (r.max(rounding), s.max(size))
        })
}
