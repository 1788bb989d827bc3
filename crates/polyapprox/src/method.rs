//! The ways to a polynomial.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the polynomial is found.
///
/// In what follows t runs over \[-1, 1\] while x = centre + half-width * t runs over the interval. The first five are compared in
/// CryptoDL (Hesamifard, Takabi, Ghasemi, arXiv 1711.05189, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Least squares on uniform samples, in the limit of infinitely many: the orthogonal projection under the measure dt. No result
    /// depends on a number of samples.
    Numerical,
    /// The Taylor polynomial around the interval's centre. ReLU has none and is replaced by a softplus as wide as the interval,
    /// half-width * ln(1 + exp(x / half-width)), so that this method, too, scales with the interval.
    Taylor,
    /// Orthogonal projection under dt / sqrt(1 - t^2): the truncated Chebyshev series.
    Chebyshev,
    /// Orthogonal projection under exp(-1 / (1e-5 + t^2)) dt, which turns away from the middle, where ReLU has its kink.
    ModifiedChebyshev,
    /// The *derivative* projected under the measure of [`Self::ModifiedChebyshev`], one degree lower, then integrated. The constant is
    /// the one with the least L2 error of the function itself under the same measure. Made for ReLU: the derivatives of sigmoid and tanh
    /// live around zero, where this measure does not look, and on wide intervals their polynomials come out far too flat.
    Derivative,
    /// The least largest error on the interval (Remez).
    Minimax,
    /// Orthogonal projection under a normal distribution: mean at the centre, standard deviation a third of the half-width, so that
    /// the interval is mean +- 3 sigma. Nothing is cut off: the tails outside the interval count.
    Hermite,
    /// Orthogonal projection under a measured distribution of inputs; see [`approximate_weighted`](crate::approximate_weighted).
    Data,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Numerical,
        Self::Taylor,
        Self::Chebyshev,
        Self::ModifiedChebyshev,
        Self::Derivative,
        Self::Minimax,
        Self::Hermite,
        Self::Data,
    ];

    /// The name in specs and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numerical => "numerical",
            Self::Taylor => "taylor",
            Self::Chebyshev => "chebyshev",
            Self::ModifiedChebyshev => "modified-chebyshev",
            Self::Derivative => "derivative",
            Self::Minimax => "minimax",
            Self::Hermite => "hermite",
            Self::Data => "data",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str() == name)
            .ok_or_else(|| Error::UnknownName {
                kind: "method",
                name: name.to_owned(),
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
            assert_eq!(
                serde_json::to_string(&method).unwrap(),
                format!("\"{method}\"")
            );
        }
        assert!(matches!(
            "remez".parse::<Method>(),
            Err(Error::UnknownName { kind: "method", .. })
        ));
    }
}
