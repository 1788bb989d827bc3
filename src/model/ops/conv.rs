//! Convolution of feature maps.

use crate::model::check::windows;
use crate::spec::Shape;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

/// Where a square window is laid on a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Shape of the map.
    pub input: Shape,
    /// Rows and columns of a window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl Windows {
    /// Windows along rows and along columns; zero where none fits.
    pub fn counts(&self) -> (usize, usize) {
        let count = |length| windows(length, self.kernel, self.stride, self.padding).unwrap_or(0);
        (count(self.input.height), count(self.input.width))
    }
}

/// Convolution.
///
/// # Shapes
/// - `x`: `[images * height * width, in]`
/// - `weight`: `[out, in, kernel, kernel]`
/// - output: `[images * rows * columns, out]`
pub(crate) fn conv(x: Tensor<2>, weight: Tensor<4>, windows: Windows) -> Tensor<2> {
    let Shape { channels, height, width } = windows.input;
    let [outputs, ..] = weight.dims();
    let images = x.dims()[0] / (height * width);
    let (rows, columns) = windows.counts();
    let x = x.reshape([images, height, width, channels]).permute([0, 3, 1, 2]);
    let (stride, padding) = (windows.stride, windows.padding);
    let y = conv2d(x, weight, None, ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1));
    y.permute([0, 2, 3, 1]).reshape([images * rows * columns, outputs])
}
