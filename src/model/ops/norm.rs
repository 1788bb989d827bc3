//! Batch normalisation over the rows of a matrix (Ioffe and Szegedy 2015).

use burn::tensor::Tensor;
use burn::tensor::module::batch_norm_train;

/// Normalises by the batch's own statistics, which are also returned: mean and biased variance, `[channels]` each, detached.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - `gamma`, `beta`: `[channels]`
pub(crate) fn batch_norm(x: Tensor<2>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> (Tensor<2>, Tensor<1>, Tensor<1>) {
    let result = batch_norm_train(x, gamma, beta, epsilon);
    (result.output, result.mean, result.variance)
}

/// Normalises by statistics measured before: one factor and one offset a channel, computed in f64 and rounded once.
///
/// # Shapes
/// - `x` and output: `[rows, channels]`
/// - all lists: `[channels]`
pub(crate) fn fixed_norm(x: Tensor<2>, gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f64) -> Tensor<2> {
    let device = x.device();
    let factors: Vec<f64> =
        gamma.iter().zip(variance).map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt()).collect();
    let offsets = beta.iter().zip(mean).zip(&factors).map(|((beta, mean), factor)| f64::from(*beta) - f64::from(*mean) * factor);
    let row = |values: Vec<f32>| Tensor::<1>::from_floats(values.as_slice(), &device).unsqueeze::<2>();
    let offsets = row(offsets.map(|value| value as f32).collect());
    x * row(factors.iter().map(|value| *value as f32).collect()) + offsets
}
