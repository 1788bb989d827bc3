//! Convolution of feature maps.

use super::kernel::{Kernel, Matrix, Owned, apply};
use super::memory::{MapEntry, take};
use super::windows::Windows;
use burn::tensor::Tensor;
use nhwc::Conv;

/// Convolution.
///
/// # Shapes
/// - `x`: `[images * height * width, in]`
/// - `weight`: `[out, in, kernel, kernel]`
/// - output: `[images * rows * columns, out]`
#[expect(
    clippy::expect_used,
    reason = "the network's shapes are checked before a graph is made of it"
)]
pub(crate) fn conv(x: Tensor<2>, weight: Tensor<4>, windows: Windows) -> Tensor<2> {
    let [outputs, ..] = weight.dims();
    let conv = Conv::new(
        [windows.input.height, windows.input.width],
        [windows.input.channels, outputs],
        windows.window.size,
        windows.window.stride,
        windows.window.padding,
    );
    let weight = weight.reshape([outputs, windows.area()]);
    apply(Convolution(conv.expect("a window that fits")), x, weight)
}

/// Parameters: the weight as `[out, in * kernel * kernel]`.
#[derive(Debug)]
struct Convolution(Conv);

impl Kernel for Convolution {
    fn forward<T: MapEntry>(&self, x: Matrix<'_, T>, parameters: Matrix<'_>) -> Owned<T> {
        let images = x.values.len() / self.0.input_len();
        let mut values = take(images * self.0.output_len());
        self.0.forward(x.values, parameters.values, &mut values);
        Owned {
            rows: values.len() / parameters.rows,
            columns: parameters.rows,
            values,
        }
    }

    fn backward<T: MapEntry>(
        &self,
        x: Matrix<'_, T>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_, T>,
        wants_x: bool,
    ) -> (Option<Vec<T>>, Vec<f32>) {
        let x_gradient = wants_x.then(|| {
            let mut x_gradient = take(x.values.len());
            self.0
                .input_gradient(parameters.values, gradient.values, &mut x_gradient);
            x_gradient
        });
        (
            x_gradient,
            self.0.weight_gradient(x.values, gradient.values),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same, same_bits_on_any_threads};
    use super::*;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use cryptodl_spec::{Shape, Window};

    /// Parameters as a matrix `[out, in * kernel * kernel]`, for the checks.
    fn ours(x: Tensor<2>, weight: Tensor<2>, windows: Windows) -> Tensor<2> {
        let [outputs, _] = weight.dims();
        let (channels, kernel) = (windows.input.channels, windows.window.size);
        conv(
            x,
            weight.reshape([outputs, channels, kernel, kernel]),
            windows,
        )
    }

    /// The engine's own convolution.
    fn plain(x: Tensor<2>, weight: Tensor<2>, windows: Windows) -> Tensor<2> {
        let Shape {
            channels,
            height,
            width,
        } = windows.input;
        let ([rows, _], [outputs, _]) = (x.dims(), weight.dims());
        let images = rows / (height * width);
        let x = x
            .reshape([images, height, width, channels])
            .permute([0, 3, 1, 2]);
        let weight = weight.reshape([outputs, channels, windows.window.size, windows.window.size]);
        let options = ConvOptions::new(
            [windows.window.stride; 2],
            [windows.window.padding; 2],
            [1, 1],
            1,
        );
        let (rows, columns) = windows.counts();
        conv2d(x, weight, None, options)
            .permute([0, 2, 3, 1])
            .reshape([images * rows * columns, outputs])
    }

    #[test]
    fn agrees_with_the_engines_own_operation() {
        for (channels, height, width, kernel, stride, padding, outputs, images) in [
            (1, 28, 28, 5, 2, 1, 16, 3),
            (3, 9, 7, 3, 1, 1, 5, 70),
            (2, 5, 5, 5, 1, 4, 3, 2),
            (4, 6, 6, 1, 1, 0, 8, 2),
            (2, 7, 8, 3, 3, 2, 1, 1),
            (1, 4, 4, 2, 5, 0, 2, 2),
        ] {
            let windows = Windows {
                input: Shape {
                    channels,
                    height,
                    width,
                },
                window: Window {
                    size: kernel,
                    stride,
                    padding,
                },
            };
            let x = (
                random(images * height * width, channels, 1),
                [images * height * width, channels],
            );
            let weight = (
                random(outputs, channels * kernel * kernel, 2),
                [outputs, channels * kernel * kernel],
            );
            same(
                x,
                weight,
                |x, w| ours(x, w, windows),
                |x, w| plain(x, w, windows),
            );
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let windows = Windows {
            input: Shape {
                channels: 2,
                height: 8,
                width: 8,
            },
            window: Window {
                size: 3,
                stride: 1,
                padding: 1,
            },
        };
        let x = (random(150 * 64, 2, 1), [150 * 64, 2]);
        same_bits_on_any_threads(x, (random(3, 18, 2), [3, 18]), |x, w| ours(x, w, windows));
    }
}
