//! Average and maximum pooling.

use super::conv::Windows;
use crate::spec::Shape;
use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

/// Mean over each window.
///
/// # Shapes
/// `[images * height * width, channels]` to `[images * rows * columns, channels]`
pub(crate) fn avg_pool(x: Tensor<2>, windows: Windows) -> Tensor<2> {
    let mut options = AvgPoolOptions::new([windows.kernel; 2]);
    options.stride = [windows.stride; 2];
    pool(x, windows, |x| avg_pool2d(x, options))
}

/// Largest value of each window.
///
/// # Shapes
/// `[images * height * width, channels]` to `[images * rows * columns, channels]`
pub(crate) fn max_pool(x: Tensor<2>, windows: Windows) -> Tensor<2> {
    let mut options = MaxPoolOptions::new([windows.kernel; 2]);
    options.stride = [windows.stride; 2];
    pool(x, windows, |x| max_pool2d(x, options))
}

fn pool(x: Tensor<2>, windows: Windows, pool: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<2> {
    let Shape { channels, height, width } = windows.input;
    let images = x.dims()[0] / (height * width);
    let (rows, columns) = windows.counts();
    let y = pool(x.reshape([images, height, width, channels]).permute([0, 3, 1, 2]));
    y.permute([0, 2, 3, 1]).reshape([images * rows * columns, channels])
}
