//! Activation functions that are not polynomials, with their derivatives.

use crate::vector::Vector;
use std::f32::consts::{FRAC_1_SQRT_2, PI};

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// max(0, x).
    Relu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// ln(1 + exp(x)).
    Softplus,
    /// x sigmoid(x).
    Silu,
    /// x Phi(x) with the distribution function Phi of the standard normal.
    Gelu,
    /// x^2: a polynomial, which has its place here where it is mixed with another one.
    Square,
}

#[inline(always)]
fn sigmoid<V: Vector>(x: V) -> V {
    let one = V::splat(1.0);
    one.divide(one.add(V::splat(0.0).subtract(x).exp()))
}

/// Phi and its derivative, the normal density. Phi to 1e-7 by 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions.
#[inline(always)]
fn normal<V: Vector>(x: V) -> (V, V) {
    const P: [f32; 5] = [
        0.254_829_6,
        -0.284_496_7,
        1.421_413_7,
        -1.453_152,
        1.061_405_4,
    ];
    let one = V::splat(1.0);
    let size = x.largest_magnitude(x).multiply(V::splat(FRAC_1_SQRT_2));
    let density = V::splat(0.0).subtract(size.multiply(size)).exp();
    let t = one.divide(size.multiply_add(V::splat(0.327_591_1), one));
    let mut sum = V::splat(P[4]);
    for coefficient in P.iter().rev().skip(1) {
        sum = sum.multiply_add(t, V::splat(*coefficient));
    }
    // The upper tail, half of erfc.
    let tail = sum.multiply(t).multiply(density).multiply(V::splat(0.5));
    let negative = x.clamp(V::splat(f32::NEG_INFINITY), V::splat(0.0));
    let below = one.where_equal(negative, x);
    let above = one.subtract(below);
    let upper = one.subtract(tail);
    let phi = tail.multiply_add(below, upper.multiply(above));
    (phi, density.multiply(V::splat((0.5 / PI).sqrt())))
}

impl Function {
    /// Value and derivative.
    #[inline(always)]
    pub(super) fn at<V: Vector>(self, x: V) -> (V, V) {
        let one = V::splat(1.0);
        match self {
            Self::Relu => {
                let value = x.clamp(V::splat(0.0), V::splat(f32::INFINITY));
                let positive = one.subtract(one.where_equal(value, V::splat(0.0)));
                (value, positive)
            }
            Self::Sigmoid => {
                let value = sigmoid(x);
                (value, value.multiply(one.subtract(value)))
            }
            Self::Tanh => {
                let two = V::splat(2.0);
                let value = sigmoid(x.multiply(two)).multiply_add(two, V::splat(-1.0));
                (value, one.subtract(value.multiply(value)))
            }
            Self::Softplus => (x.each(softplus), sigmoid(x)),
            Self::Silu => {
                let share = sigmoid(x);
                let value = x.multiply(share);
                (value, value.multiply_add(one.subtract(share), share))
            }
            Self::Square => (x.multiply(x), x.add(x)),
            Self::Gelu => {
                let (phi, density) = normal(x);
                (x.multiply(phi), x.multiply_add(density, phi))
            }
        }
    }
}

/// Without overflow, and without loss of digits far below zero.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
