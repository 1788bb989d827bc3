//! The penalty that keeps pre-activations inside the polynomial's interval.

use burn::tensor::Tensor;
use polyapprox::Interval;

/// Mean over all entries of `max(|x - centre| - half_width, 0)^2`: zero inside the interval, and with a continuous derivative at
/// its ends. Returned with the share of entries outside, 0 to 1. Both are `[1]`; the share is detached.
pub(crate) fn range_penalty(x: Tensor<2>, interval: Interval) -> (Tensor<1>, Tensor<1>) {
    let excess = x.sub_scalar(interval.centre()).abs().sub_scalar(interval.half_width()).clamp_min(0.0);
    let outside = excess.clone().detach().greater_scalar(0.0).float().mean();
    (excess.square().mean(), outside)
}
