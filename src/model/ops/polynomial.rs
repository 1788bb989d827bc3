//! Activations: polynomials by Horner's rule, and the original functions for the baseline.

use burn::tensor::{Tensor, activation};
use polyapprox::Function;

/// `p_c(x)` for every column `c`, by Horner's rule.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - `coefficients`: `[1 or channels, degree + 1]`, ascending powers
pub(crate) fn polynomial(x: Tensor<2>, coefficients: Tensor<2>) -> Tensor<2> {
    let [_, count] = coefficients.dims();
    let by_power = coefficients.transpose();
    let power = |k: usize| by_power.clone().slice([k..k + 1]);
    let leading = power(count - 1);
    (0..count - 1).rev().fold(None, |sum: Option<Tensor<2>>, k| {
        let sum = match sum {
            Some(sum) => sum * x.clone(),
            None => x.clone() * leading.clone(),
        };
        Some(sum + power(k))
    })
    .unwrap_or_else(|| x.zeros_like() + leading)
}

/// The original function, entry by entry.
pub(crate) fn function(x: Tensor<2>, function: Function) -> Tensor<2> {
    match function {
        Function::Relu => activation::relu(x),
        Function::Sigmoid => activation::sigmoid(x),
        Function::Tanh => activation::tanh(x),
        Function::Softplus => activation::softplus(x, 1.0),
        Function::Silu => activation::silu(x),
        Function::Gelu => activation::gelu(x),
        Function::Square => x.square(),
    }
}
