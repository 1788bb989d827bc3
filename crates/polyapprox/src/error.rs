//! What can go wrong, with the values that made it so.

use crate::{Function, MAX_DEGREE};

/// Why there is no polynomial.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The degree is 0 or too large.
    #[error("degree {degree} is not between 1 and {MAX_DEGREE}")]
    Degree {
        /// What was asked for.
        degree: usize,
    },
    /// The ends are not finite, or not in order.
    #[error(
        "[{low:?}, {high:?}] is not an interval: both ends must be finite and the first one smaller"
    )]
    Interval {
        /// First end.
        low: f64,
        /// Second end.
        high: f64,
    },
    /// A polynomial needs at least a constant.
    #[error("a polynomial needs at least one coefficient")]
    NoCoefficients,
    /// A coefficient is not finite.
    #[error("the coefficient of x^{power} is {value}, not a finite number")]
    Coefficient {
        /// Which power of x.
        power: usize,
        /// The coefficient.
        value: f64,
    },
    /// No function or method has this name.
    #[error("unknown {kind} `{name}`; the known ones are {known}")]
    UnknownName {
        /// `function` or `method`.
        kind: &'static str,
        /// What was given.
        name: String,
        /// All names, comma-separated.
        known: String,
    },
    /// [`Method::Data`](crate::Method::Data) without data.
    #[error("the method `data` needs a density of measured inputs: call `approximate_weighted`")]
    DensityRequired,
    /// A histogram without bins, or with too many.
    #[error("a histogram has 1 to {max} bins, not {bins}")]
    Bins {
        /// Bins given.
        bins: usize,
        /// Most bins allowed.
        max: usize,
    },
    /// The histogram has no counts inside the interval.
    #[error("the density has no mass in [{low:?}, {high:?}]")]
    NoMass {
        /// First end of the interval.
        low: f64,
        /// Second end of the interval.
        high: f64,
    },
    /// Values of the function or the polynomial overflow.
    #[error("{function} on [{low:?}, {high:?}] leaves the range of 64-bit floats")]
    Overflow {
        /// The function.
        function: Function,
        /// First end of the interval.
        low: f64,
        /// Second end of the interval.
        high: f64,
    },
    /// Powers of x cannot express the polynomial: the interval is far from zero for its width, or degree and size are too extreme.
    #[error(
        "a polynomial of degree {degree} in powers of x loses its digits on [{low:?}, {high:?}]: rounding alone gives errors of {rounding:.1e}"
    )]
    IllConditioned {
        /// The degree.
        degree: usize,
        /// First end of the interval.
        low: f64,
        /// Second end of the interval.
        high: f64,
        /// The largest rounding error seen.
        rounding: f64,
    },
    /// The measure sits on too few points to tell polynomials of this degree apart.
    #[error("the measure does not determine a polynomial of degree {degree}")]
    ThinMeasure {
        /// The first degree without an orthogonal polynomial.
        degree: usize,
    },
    /// The exchange algorithm did not settle.
    #[error(
        "the minimax polynomial did not settle in {iterations} exchanges: its largest error is {largest:e}, the bound below {level:e}"
    )]
    NotConverged {
        /// Exchanges made.
        iterations: usize,
        /// Lower bound on the best error.
        level: f64,
        /// Largest error of the last polynomial.
        largest: f64,
    },
}
