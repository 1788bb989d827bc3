//! The functions that polynomials stand for.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{
    f64::consts::{FRAC_1_SQRT_2, PI},
    fmt,
    str::FromStr,
};

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// max(0, x).
    Relu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// ln(1 + exp(x)).
    Softplus,
    /// x sigmoid(x), also called swish.
    Silu,
    /// x Phi(x) with the distribution function Phi of the standard normal; the exact form, not the tanh one.
    Gelu,
    /// x^2: a polynomial already.
    Square,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Relu,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softplus,
        Self::Silu,
        Self::Gelu,
        Self::Square,
    ];

    /// The name in specs and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::Square => "square",
        }
    }

    /// The value at `x`.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            // ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), in which nothing overflows.
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Silu => x * sigmoid(x),
            Self::Gelu => x * normal_distribution(x),
            Self::Square => x * x,
        }
    }

    /// The derivative at `x`; for ReLU at its kink 0, as in the deep-learning libraries.
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Self::Relu => f64::from(u8::from(x > 0.0)),
            Self::Sigmoid => sigmoid(x) * sigmoid(-x),
            Self::Tanh => x.cosh().powi(-2),
            Self::Softplus => sigmoid(x),
            Self::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
            Self::Gelu => normal_distribution(x) + x * normal_density(x),
            Self::Square => 2.0 * x,
        }
    }

    /// The derivative at `x`, at a kink the limit from the side of `inside`.
    pub(crate) fn derivative_towards(self, x: f64, inside: f64) -> f64 {
        self.derivative(if self == Self::Relu && x == 0.0 {
            inside
        } else {
            x
        })
    }

    /// What is known about the function on an interval that is symmetric to zero.
    pub(crate) const fn symmetry(self) -> Symmetry {
        match self {
            // relu(x) - relu(-x) = x, and so for softplus, x sigmoid(x) and x Phi(x).
            Self::Relu | Self::Softplus | Self::Silu | Self::Gelu => Symmetry::HalfXPlusEven,
            Self::Sigmoid => Symmetry::HalfPlusOdd,
            Self::Tanh => Symmetry::Odd,
            Self::Square => Symmetry::Even,
        }
    }
}

/// The part of a function that a best polynomial repeats exactly on an interval symmetric to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symmetry {
    /// x / 2 and something even.
    HalfXPlusEven,
    /// 1 / 2 and something odd.
    HalfPlusOdd,
    /// Odd.
    Odd,
    /// Even.
    Even,
}

/// 1 / (1 + exp(-x)). Far to the left exp overflows to infinity and the quotient is the 0 it should be.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Distribution function of the standard normal.
pub(crate) fn normal_distribution(x: f64) -> f64 {
    libm::erfc(-x * FRAC_1_SQRT_2) / 2.0
}

/// Density of the standard normal.
pub(crate) fn normal_density(x: f64) -> f64 {
    (-x * x / 2.0).exp() / (2.0 * PI).sqrt()
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Function {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|function| function.as_str() == name)
            .ok_or_else(|| Error::UnknownName {
                kind: "function",
                name: name.to_owned(),
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const POINTS: [f64; 13] = [
        -800.0, -40.0, -9.0, -3.3, -1.0, -0.2, 0.0, 0.2, 1.0, 3.3, 9.0, 40.0, 800.0,
    ];

    #[test]
    fn names_go_both_ways() {
        for function in Function::ALL {
            assert_eq!(function.as_str().parse(), Ok(function));
            assert_eq!(
                serde_json::to_string(&function).unwrap(),
                format!("\"{function}\"")
            );
        }
        let error = "swish".parse::<Function>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown function `swish`; the known ones are relu, sigmoid, tanh, softplus, silu, gelu, square"
        );
    }

    #[test]
    fn values_are_the_tabulated_ones() {
        // To 16 digits, from the definitions evaluated with 50 digits.
        let known = [
            (Function::Sigmoid, 0.731_058_578_630_004_9),
            (Function::Tanh, 0.761_594_155_955_764_9),
            (Function::Softplus, 1.313_261_687_518_222_8),
            (Function::Silu, 0.731_058_578_630_004_9),
            (Function::Gelu, 0.841_344_746_068_542_9),
        ];
        for (function, value) in known {
            assert!((function.value(1.0) - value).abs() < 3e-16, "{function}");
        }
    }

    #[test]
    fn no_value_overflows_and_far_out_all_are_lines() {
        for function in Function::ALL {
            assert!(
                POINTS
                    .iter()
                    .all(|&x| function.value(x).is_finite() && function.derivative(x).is_finite())
            );
        }
        for function in [
            Function::Relu,
            Function::Softplus,
            Function::Silu,
            Function::Gelu,
        ] {
            assert_eq!(
                (function.value(800.0), function.derivative(800.0)),
                (800.0, 1.0),
                "{function}"
            );
            assert_eq!(
                (
                    function.value(-800.0).abs(),
                    function.derivative(-800.0).abs()
                ),
                (0.0, 0.0),
                "{function}"
            );
        }
    }

    #[test]
    fn derivatives_are_slopes() {
        for function in Function::ALL {
            for x in POINTS.into_iter().filter(|&x| x != 0.0 && x.abs() < 100.0) {
                let step = 1e-5;
                let slope = (function.value(x + step) - function.value(x - step)) / (2.0 * step);
                assert!(
                    (slope - function.derivative(x)).abs() < 1e-9 * x.abs().max(1.0),
                    "{function} at {x}: {slope}"
                );
            }
        }
    }

    #[test]
    fn symmetries_hold() {
        for function in Function::ALL {
            for x in POINTS.into_iter().filter(|x| *x > 0.0) {
                let (even, odd) = (
                    (function.value(x) + function.value(-x)) / 2.0,
                    (function.value(x) - function.value(-x)) / 2.0,
                );
                let (found, known) = match function.symmetry() {
                    Symmetry::HalfXPlusEven => (odd, x / 2.0),
                    Symmetry::HalfPlusOdd => (even, 0.5),
                    Symmetry::Odd => (even, 0.0),
                    Symmetry::Even => (odd, 0.0),
                };
                assert!(
                    (found - known).abs() <= 1e-15 * x,
                    "{function} at {x}: {found}"
                );
            }
        }
    }

    #[test]
    fn the_kink_has_two_slopes() {
        assert_eq!(Function::Relu.derivative_towards(0.0, -1.0), 0.0);
        assert_eq!(Function::Relu.derivative_towards(0.0, 1.0), 1.0);
        assert_eq!(Function::Relu.derivative(0.0), 0.0);
    }
}
