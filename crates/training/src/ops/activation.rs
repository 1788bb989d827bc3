//! Batch norm, polynomials and the original functions, alone or as one operation.

use super::kernel::{Kernel, Matrix, Owned, apply};
use super::memory::{MapEntry, take};
use burn::tensor::Tensor;
use cryptodl_model::BatchNorm;
use nhwc::{Activation, Form, Forward, Norm};
use polyapprox::Function;
use std::sync::{Arc, OnceLock};

/// What [`activate`] gives.
pub(crate) struct Activated {
    /// `[rows, channels]`
    pub values: Tensor<2>,
    /// What the forward pass found.
    pub found: Arc<OnceLock<Forward>>,
}

/// A norm and an activation in one operation. The penalties of `activation` enter the gradient by themselves; their sum is in what
/// the forward pass found, for the loss that is shown.
///
/// # Shapes
/// - `x` and values: `[rows, channels]`
/// - `norm`, where there is one: gamma and beta, `[channels]` each
/// - `numbers`: as the activation's form says
pub(crate) fn activate(
    activation: Activation,
    x: Tensor<2>,
    norm: Option<(Tensor<1>, Tensor<1>)>,
    numbers: Tensor<2>,
) -> Activated {
    let [rows, columns] = numbers.dims();
    let numbers = numbers.reshape([rows * columns]);
    let parameters = match norm {
        Some((gamma, beta)) => Tensor::cat(vec![gamma, beta, numbers], 0),
        None => numbers,
    };
    let found = Arc::new(OnceLock::new());
    let kernel = Fused {
        activation,
        found: Arc::clone(&found),
    };
    Activated {
        values: apply(kernel, x, parameters.unsqueeze()),
        found,
    }
}

/// `y = x`: no norm, no bounds, no penalties, and the polynomial x where its numbers are [`IDENTITY`].
pub(crate) fn identity(channels: usize) -> Activation {
    Activation {
        channels,
        norm: Norm::None,
        epsilon: 0.0,
        form: Form::Polynomial { degree: 1 },
        function: None,
        bounds: [f64::NEG_INFINITY, f64::INFINITY],
        limits: [f64::NEG_INFINITY, f64::INFINITY],
        range_weight: 0.0,
        image_rows: 1,
        peaks: None,
        energies: None,
    }
}

/// The polynomial x.
pub(crate) const IDENTITY: [f32; 2] = [0.0, 1.0];

/// A constant row of numbers beside a map.
pub(crate) fn row<const N: usize>(numbers: [f32; N], x: &Tensor<2>) -> Tensor<2> {
    Tensor::from_floats([numbers], &x.device())
}

/// Normalises by statistics measured before: one factor and one offset a channel, computed in f64 and rounded once.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - all lists: `[channels]`
pub(crate) fn fixed_norm(x: Tensor<2>, norm: &BatchNorm) -> Tensor<2> {
    let lines = norm.affine().flat_map(|(factor, offset)| [offset, factor]);
    let lines: Vec<f32> = lines.map(|value| value as f32).collect();
    let channels = norm.gamma.len();
    let numbers = Tensor::<1>::from_floats(lines.as_slice(), &x.device()).reshape([channels, 2]);
    polynomial(x, numbers)
}

/// `p_c(x)` for every column `c`.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - `coefficients`: `[1 or channels, degree + 1]`, ascending powers
pub(crate) fn polynomial(x: Tensor<2>, coefficients: Tensor<2>) -> Tensor<2> {
    let degree = coefficients.dims()[1] - 1;
    let activation = Activation {
        form: Form::Polynomial { degree },
        ..identity(x.dims()[1])
    };
    activate(activation, x, None, coefficients).values
}

/// The original function, entry by entry.
pub(crate) fn function(x: Tensor<2>, function: Function) -> Tensor<2> {
    let activation = Activation {
        function: Some((original(function), 1.0)),
        ..identity(x.dims()[1])
    };
    let numbers = row(IDENTITY, &x);
    activate(activation, x, None, numbers).values
}

/// The kernels' name of a function.
pub(crate) const fn original(function: Function) -> nhwc::Function {
    match function {
        Function::Relu => nhwc::Function::Relu,
        Function::Sigmoid => nhwc::Function::Sigmoid,
        Function::Tanh => nhwc::Function::Tanh,
        Function::Softplus => nhwc::Function::Softplus,
        Function::Silu => nhwc::Function::Silu,
        Function::Gelu => nhwc::Function::Gelu,
        Function::Square => nhwc::Function::Square,
    }
}

/// Parameters: gamma and beta, where there is a norm, and the numbers of the form, in one row.
#[derive(Debug)]
struct Fused {
    activation: Activation,
    /// Set by the forward pass.
    found: Arc<OnceLock<Forward>>,
}

impl Fused {
    /// Gamma, beta and numbers.
    fn split<'a>(&self, parameters: Matrix<'a>) -> ((&'a [f32], &'a [f32]), &'a [f32]) {
        let channels = match self.activation.norm {
            Norm::None => 0,
            Norm::Batch | Norm::Fixed(_) => self.activation.channels,
        };
        let (gamma, rest) = parameters.values.split_at(channels);
        let (beta, numbers) = rest.split_at(channels);
        ((gamma, beta), numbers)
    }

    fn run<T: MapEntry>(&self, x: Matrix<'_, T>, parameters: Matrix<'_>, y: &mut [T]) -> Forward {
        let (norm, numbers) = self.split(parameters);
        self.activation.forward(x.values, norm, numbers, y)
    }
}

impl Kernel for Fused {
    fn forward<T: MapEntry>(&self, x: Matrix<'_, T>, parameters: Matrix<'_>) -> Owned<T> {
        let mut values = take(x.values.len());
        let found = self.run(x, parameters, &mut values);
        self.found.get_or_init(|| found);
        Owned {
            rows: x.rows,
            columns: x.columns,
            values,
        }
    }

    fn backward<T: MapEntry>(
        &self,
        x: Matrix<'_, T>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_, T>,
        _: bool,
    ) -> (Option<Vec<T>>, Vec<f32>) {
        let mut x_gradient = take(x.values.len());
        let (_, numbers) = self.split(parameters);
        let found = self
            .found
            .get_or_init(|| self.run(x, parameters, &mut x_gradient));
        let gradients =
            self.activation
                .backward(x.values, numbers, found, gradient.values, &mut x_gradient);
        let mut all = Vec::with_capacity(parameters.values.len());
        if self.activation.norm != Norm::None {
            all.extend(gradients.gamma);
            all.extend(gradients.beta);
        }
        all.extend(gradients.numbers);
        (Some(x_gradient), all)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same, same_bits_on_any_threads};
    use super::*;

    fn normalised(x: Tensor<2>, p: Tensor<2>) -> Tensor<2> {
        let row = |k: usize| p.clone().slice(k..k + 1).squeeze_dim::<1>(0);
        let activation = Activation {
            norm: Norm::Batch,
            epsilon: 1e-3,
            ..identity(x.dims()[1])
        };
        let numbers = super::row(IDENTITY, &x);
        activate(activation, x, Some((row(0), row(1))), numbers).values
    }

    #[test]
    fn batch_norm_agrees_with_the_engines_own_operation() {
        for (rows, channels) in [(1300, 5), (40, 1), (700, 16)] {
            // Far from zero mean: where the difference of squares would fail.
            let x = random(rows, channels, 1)
                .iter()
                .map(|value| 30.0 + value)
                .collect();
            same(
                (x, [rows, channels]),
                (random(2, channels, 2), [2, channels]),
                normalised,
                |x, p| {
                    let row = |k: usize| p.clone().slice(k..k + 1).squeeze_dim::<1>(0);
                    burn::tensor::module::batch_norm_train(x, row(0), row(1), 1e-3).output
                },
            );
        }
    }

    /// Horner's rule with the engine's own operations.
    fn horner(x: Tensor<2>, coefficients: Tensor<2>) -> Tensor<2> {
        let [_, count] = coefficients.dims();
        let by_power = coefficients.transpose();
        let power = |k: usize| by_power.clone().slice(k..k + 1);
        (0..count - 1)
            .rev()
            .fold(x.zeros_like() + power(count - 1), |y, k| {
                y * x.clone() + power(k)
            })
    }

    #[test]
    fn polynomials_agree_with_the_engines_own_operations() {
        for (channels, rows, degree) in [(5, 5, 2), (16, 16, 3), (7, 1, 4), (1, 1, 1), (32, 32, 9)]
        {
            let x = (
                random(1100, channels, 1)
                    .iter()
                    .map(|value| 0.7 * value)
                    .collect(),
                [1100, channels],
            );
            let coefficients = (random(rows, degree + 1, 2), [rows, degree + 1]);
            same(x, coefficients, polynomial, horner);
        }
    }

    #[test]
    fn functions_agree_with_the_engines_own_operations() {
        use burn::tensor::activation;
        type Theirs = fn(Tensor<2>) -> Tensor<2>;
        let theirs: [Theirs; 7] = [
            activation::relu,
            activation::sigmoid,
            activation::tanh,
            |x| activation::softplus(x, 1.0),
            activation::silu,
            activation::gelu,
            |x| x.square(),
        ];
        for (ours, theirs) in Function::ALL.into_iter().zip(theirs) {
            same(
                (random(60, 7, 1), [60, 7]),
                (vec![0.0], [1, 1]),
                |x, p| function(x, ours) + p * 0.0,
                |x, p| theirs(x) + p * 0.0,
            );
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let x = || (random(3000, 4, 1), [3000, 4]);
        same_bits_on_any_threads(x(), (random(2, 4, 2), [2, 4]), normalised);
        same_bits_on_any_threads(x(), (random(4, 3, 2), [4, 3]), polynomial);
    }
}
