//! One algorithm for ciphertexts, plans and clear integers.

use crate::linear::LinearMap;

/// The operations that an encrypted circuit is made of.
///
/// A circuit is written once against this trait and run on real ciphertexts
/// ([`Evaluator`](crate::Evaluator)), on levels, scales and noise alone (a planner) or on clear
/// integers (a simulator).
///
/// A value is a *set* of features that share one level and one scale; a value `v` of a feature is
/// held as the integer `round(v * scale)`. Levels count the primes left minus one.
pub trait HomomorphicOps {
    /// A set of features.
    type Value;
    /// What an operation fails with.
    type Error;

    /// Primes left, minus one.
    fn level(&self, v: &Self::Value) -> usize;

    /// The factor between real values and the integers that stand for them.
    fn scale(&self, v: &Self::Value) -> f64;

    /// Number of features in the set.
    fn features(&self, v: &Self::Value) -> usize;

    /// Polynomials of each ciphertext; 2 where values are no ciphertexts.
    fn components(&self, v: &Self::Value) -> usize;

    /// Applies an integer linear map; the integer weights stand for real weights times
    /// `weight_scale`.
    ///
    /// The result has scale `scale(v) * weight_scale` and the level of `v`.
    fn linear(
        &self,
        v: &Self::Value,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<Self::Value, Self::Error>;

    /// Adds real constants, one per feature or one for all, rounded at the scale of `v`.
    fn add_constants(&self, v: Self::Value, constants: &[f64]) -> Result<Self::Value, Self::Error>;

    /// Multiplies by real constants, one per feature or one for all.
    ///
    /// The integers are multiplied by `round(constant * target_scale / scale(v))`, so the result
    /// has scale `target_scale` exactly, at the level of `v`: no level is spent, but the scale has
    /// to grow for precision.
    fn multiply_constants(
        &self,
        v: &Self::Value,
        constants: &[f64],
        target_scale: f64,
    ) -> Result<Self::Value, Self::Error>;

    /// Adds two values of the same level, the same number of features and the same scale
    /// (equal to [`SCALE_TOLERANCE`], relative).
    fn add(&self, a: Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Squares every feature: relinearised, not rescaled, so the scale is `scale(v)^2`.
    fn square(&self, v: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Squares every feature without relinearising or rescaling: `c` components become `2c - 1`,
    /// the scale is `scale(v)^2`. It needs no evaluation key.
    fn tensor_square(&self, v: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Brings three components back to two.
    fn relinearize(&self, v: Self::Value) -> Result<Self::Value, Self::Error>;

    /// [`relinearize`](Self::relinearize) and [`rescale`](Self::rescale) in one, with fewer
    /// transforms than the two of them.
    fn relinearize_rescale(&self, v: Self::Value) -> Result<Self::Value, Self::Error>;

    /// Multiplies feature by feature at the lower of the two levels: relinearised, not rescaled.
    fn multiply(&self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;

    /// Divides by the last prime and drops it: the scale becomes `scale(v) / prime`, the level
    /// falls by one.
    fn rescale(&self, v: Self::Value) -> Result<Self::Value, Self::Error>;

    /// A copy at a level that is not above that of `v`, with the same scale.
    fn drop_to(&self, v: &Self::Value, level: usize) -> Result<Self::Value, Self::Error>;
}

/// Relative difference up to which two scales count as the same.
pub const SCALE_TOLERANCE: f64 = 1e-9;

/// Whether two scales count as the same in an addition.
pub fn scales_agree(a: f64, b: f64) -> bool {
    (a - b).abs() <= SCALE_TOLERANCE * a.abs().max(b.abs())
}
