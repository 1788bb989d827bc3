//! Two-dimensional convolution with square kernels.

mod correlation;
mod weight_gradient;

#[cfg(test)]
mod tests;

use crate::arithmetic::{LANES, Processor, WIDEST};
use crate::entry::Entry;
use correlation::Correlation;

/// A convolution of feature maps: cross-correlation with zero padding, as in every deep-learning library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    height: usize,
    width: usize,
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

/// A convolution that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {kernel}x{kernel} kernel with stride {stride} and padding {padding} from {in_channels} to {out_channels} channels does not fit a map of {height}x{width}"
)]
pub struct ShapeError {
    height: usize,
    width: usize,
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Conv {
    /// A convolution of maps of `height` rows, `width` columns and `in_channels` channels, with windows of `kernel` rows and columns
    /// that are `stride` apart on maps with `padding` zeros on each side.
    ///
    /// # Errors
    /// When a length or the stride is zero, or no window fits.
    pub const fn new(
        [height, width]: [usize; 2],
        [in_channels, out_channels]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<Self, ShapeError> {
        if height == 0
            || width == 0
            || in_channels == 0
            || out_channels == 0
            || kernel == 0
            || stride == 0
            || kernel > height + 2 * padding
            || kernel > width + 2 * padding
        {
            return Err(ShapeError {
                height,
                width,
                in_channels,
                out_channels,
                kernel,
                stride,
                padding,
            });
        }
        Ok(Self {
            height,
            width,
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
        })
    }

    /// Rows and columns of the output.
    pub fn output_size(&self) -> [usize; 2] {
        let count = |length: usize| (length + 2 * self.padding - self.kernel) / self.stride + 1;
        [count(self.height), count(self.width)]
    }

    /// Entries of one image of the input.
    pub const fn input_len(&self) -> usize {
        self.height * self.width * self.in_channels
    }

    /// Entries of one image of the output.
    pub fn output_len(&self) -> usize {
        let [rows, columns] = self.output_size();
        rows * columns * self.out_channels
    }

    /// Numbers in the weight.
    pub const fn weight_len(&self) -> usize {
        self.out_channels * self.in_channels * self.kernel * self.kernel
    }

    /// Multiply-accumulates of one image's forward pass, those with padding included.
    pub fn multiply_accumulates(&self) -> usize {
        self.output_len() * self.in_channels * self.kernel * self.kernel
    }

    /// Where the weight from input channel `input` to output channel `output` at a place of the kernel lies.
    const fn weight_at(&self, output: usize, input: usize, row: usize, column: usize) -> usize {
        ((output * self.in_channels + input) * self.kernel + row) * self.kernel + column
    }

    /// The convolution.
    ///
    /// # Shapes
    /// - `x`: `[images, height, width, in_channels]`
    /// - `weight`: `[out_channels, in_channels, kernel, kernel]`
    /// - `y`, overwritten: `[images, rows, columns, out_channels]`
    ///
    /// # Panics
    /// When a slice does not have its shape.
    pub fn forward<T: Entry>(&self, x: &[T], weight: &[f32], y: &mut [T]) {
        self.forward_on(Processor::here(), x, weight, y);
    }

    fn forward_on<T: Entry>(&self, processor: Processor, x: &[T], weight: &[f32], y: &mut [T]) {
        assert_eq!(weight.len(), self.weight_len());
        Correlation::forward(self, T::PER_WORD).run(
            processor,
            x,
            y,
            |output, input, row, column| weight[self.weight_at(output, input, row, column)],
        );
    }

    /// The gradient of the input, from the gradient of the output.
    ///
    /// # Shapes
    /// - `weight`: `[out_channels, in_channels, kernel, kernel]`
    /// - `y_gradient`: `[images, rows, columns, out_channels]`
    /// - `x_gradient`, overwritten: `[images, height, width, in_channels]`
    ///
    /// # Panics
    /// When a slice does not have its shape.
    pub fn input_gradient<T: Entry>(&self, weight: &[f32], y_gradient: &[T], x_gradient: &mut [T]) {
        self.input_gradient_on(Processor::here(), weight, y_gradient, x_gradient);
    }

    fn input_gradient_on<T: Entry>(
        &self,
        processor: Processor,
        weight: &[f32],
        y_gradient: &[T],
        x_gradient: &mut [T],
    ) {
        assert_eq!(weight.len(), self.weight_len());
        Correlation::input_gradient(self, T::PER_WORD).run(
            processor,
            y_gradient,
            x_gradient,
            |input, output, row, column| weight[self.weight_at(output, input, row, column)],
        );
    }

    /// The gradient of the weight, from the input and the gradient of the output.
    ///
    /// # Shapes
    /// - `x`: `[images, height, width, in_channels]`
    /// - `y_gradient`: `[images, rows, columns, out_channels]`
    /// - returned: `[out_channels, in_channels, kernel, kernel]`
    ///
    /// # Panics
    /// When a slice does not have its shape.
    pub fn weight_gradient<T: Entry>(&self, x: &[T], y_gradient: &[T]) -> Vec<f32> {
        weight_gradient::weight_gradient(self, Processor::here(), x, y_gradient)
    }
}

/// How many vectors wide the tiles are that `channels` columns are divided into.
fn tile_widths(channels: usize) -> Vec<usize> {
    let mut left = channels.div_ceil(LANES);
    let mut widths = Vec::new();
    while left > 0 {
        let width = if left.is_multiple_of(WIDEST) {
            WIDEST
        } else {
            left.min(2)
        };
        widths.push(width);
        left -= width;
    }
    widths
}
