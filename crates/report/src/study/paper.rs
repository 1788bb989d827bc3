//! Degree-2 polynomials for ReLU on [-1, 1] from the coefficients that the paper's authors published.

use polyapprox::Method;

use super::input::{ApproximationReport, ApproximationRow};

/// One way to the polynomial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaperCase {
    pub method: Method,
    /// The polynomial as published.
    pub words: &'static str,
    /// Constant, linear and quadratic coefficient; what the authors leave open is none.
    pub coefficients: [Option<f64>; 3],
}

const fn case(method: Method, words: &'static str, coefficients: [Option<f64>; 3]) -> PaperCase {
    PaperCase {
        method,
        words,
        coefficients,
    }
}

/// All of them.
pub(crate) const CASES: [PaperCase; 5] = [
    case(
        Method::Numerical,
        "0.09375 + 0.5 x + 0.46875 x²",
        [Some(0.09375), Some(0.5), Some(0.46875)],
    ),
    case(
        Method::Taylor,
        "ln 2 + 0.5 x + 0.125 x²",
        [Some(std::f64::consts::LN_2), Some(0.5), Some(0.125)],
    ),
    case(
        Method::Chebyshev,
        "0.10610 + 0.5 x + 0.42441 x²",
        [Some(0.10610), Some(0.5), Some(0.42441)],
    ),
    case(
        Method::ModifiedChebyshev,
        "0.19279 + 0.5 x + 0.31547 x²",
        [Some(0.19279), Some(0.5), Some(0.31547)],
    ),
    case(
        Method::Derivative,
        "c + 0.5 x + 0.29350 x²",
        [None, Some(0.5), Some(0.29350)],
    ),
];

impl PaperCase {
    /// The same case in a study.
    pub fn row<'a>(&self, report: &'a ApproximationReport) -> Option<&'a ApproximationRow> {
        report.rows.iter().find(|row| {
            (row.function, row.method, row.degree) == (polyapprox::Function::Relu, self.method, 2)
                && (row.interval.low(), row.interval.high()) == (-1.0, 1.0)
        })
    }

    /// The largest difference of a coefficient.
    pub fn difference(&self, report: &ApproximationReport) -> Option<f64> {
        let found = self.row(report)?.found.as_ref().ok()?;
        let own = found.polynomial.coefficients();
        self.coefficients
            .iter()
            .enumerate()
            .filter_map(|(power, published)| {
                Some((own.get(power).copied().unwrap_or(0.0) - (*published)?).abs())
            })
            .reduce(f64::max)
    }
}
