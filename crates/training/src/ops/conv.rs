//! Convolution of feature maps as matrix products.
//!
//! The windows of a few images are written out as the rows of a matrix (im2col), small enough to stay in a core's cache, and
//! multiplied with the weight. The backward pass writes them out again instead of keeping them: that costs less than the memory.

use super::kernel::{Kernel, Matrix, Owned, apply};
use super::windows::Windows;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

/// Convolution.
///
/// # Shapes
/// - `x`: `[images * height * width, in]`
/// - `weight`: `[out, in, kernel, kernel]`
/// - output: `[images * rows * columns, out]`
pub(crate) fn conv(x: Tensor<2>, weight: Tensor<4>, windows: Windows) -> Tensor<2> {
    let [outputs, ..] = weight.dims();
    // To the order of a window's memory: [kernel, kernel, in] by out.
    let weight = weight
        .permute([2, 3, 1, 0])
        .reshape([windows.area(), outputs]);
    apply(Conv { windows }, x, weight)
}

/// Parameters: `[kernel * kernel * in, out]`.
#[derive(Debug)]
struct Conv {
    windows: Windows,
}

/// Values of written-out windows that one task works on, about: a quarter of a core's second cache.
const TASK: usize = 1 << 16;

impl Conv {
    /// Values of one image before and after, and its windows.
    fn sizes(&self, outputs: usize) -> (usize, usize, usize) {
        let (rows, columns) = self.windows.counts();
        (
            self.windows.input.len(),
            rows * columns * outputs,
            rows * columns,
        )
    }

    /// Images that one task works on; fixed by the shapes, so that results do not depend on the number of threads.
    fn images(&self) -> usize {
        let (_, _, count) = self.sizes(1);
        (TASK / (count * self.windows.area()).max(1)).clamp(1, 64)
    }

    /// The windows of some images, one a row.
    fn write_out(&self, images: &[f32]) -> FlexTensor {
        let (size, _, count) = self.sizes(1);
        let area = self.windows.area();
        let mut rows = vec![0.0; images.len() / size * count * area];
        for (image, rows) in images
            .chunks_exact(size)
            .zip(rows.chunks_exact_mut(count * area))
        {
            self.windows.stretches(|window, at, from, length| {
                let at = window * area + at;
                rows[at..at + length].copy_from_slice(&image[from..from + length]);
            });
        }
        let rows_count = rows.len() / area;
        tensor(rows, rows_count, area)
    }

    /// The reverse of [`Self::write_out`]: adds every value to where it came from.
    fn add_back(&self, rows: &[f32], images: &mut [f32]) {
        let (size, _, count) = self.sizes(1);
        let area = self.windows.area();
        for (image, rows) in images
            .chunks_exact_mut(size)
            .zip(rows.chunks_exact(count * area))
        {
            self.windows.stretches(|window, at, from, length| {
                let at = window * area + at;
                for (to, value) in image[from..from + length]
                    .iter_mut()
                    .zip(&rows[at..at + length])
                {
                    *to += value;
                }
            });
        }
    }
}

fn tensor(values: Vec<f32>, rows: usize, columns: usize) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, [rows, columns]))
}

/// The product of two matrices.
fn product(left: FlexTensor, right: FlexTensor) -> FlexTensor {
    <Flex as FloatTensorOps<Flex>>::float_matmul(left, right).to_contiguous()
}

/// The transposed matrix, without a copy.
fn transposed(matrix: FlexTensor) -> FlexTensor {
    <Flex as FloatTensorOps<Flex>>::float_transpose(matrix)
}

fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

impl Kernel for Conv {
    fn forward(&self, x: Matrix<'_>, parameters: Matrix<'_>) -> Owned {
        let (before, after, count) = self.sizes(parameters.columns);
        let weight = tensor(
            parameters.values.to_vec(),
            parameters.rows,
            parameters.columns,
        );
        let images = x.values.len() / before;
        let task = self.images();
        let mut y = vec![0.0; images * after];
        y.par_chunks_mut(task * after)
            .zip(x.values.par_chunks(task * before))
            .for_each(|(y, x)| {
                y.copy_from_slice(values(&product(self.write_out(x), weight.clone())));
            });
        Owned {
            rows: images * count,
            columns: parameters.columns,
            values: y,
        }
    }

    fn backward(
        &self,
        x: Matrix<'_>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>) {
        let outputs = parameters.columns;
        let (before, after, _) = self.sizes(outputs);
        let task = self.images();
        let weight = transposed(tensor(parameters.values.to_vec(), parameters.rows, outputs));
        let mut x_gradient = vec![0.0; if wants_x { x.values.len() } else { 0 }];
        let gradient_of = |g: &[f32]| tensor(g.to_vec(), g.len() / outputs, outputs);
        if wants_x {
            let tasks = x_gradient
                .par_chunks_mut(task * before)
                .zip(gradient.values.par_chunks(task * after));
            tasks.for_each(|(dx, g)| {
                self.add_back(values(&product(gradient_of(g), weight.clone())), dx)
            });
        }
        let tasks = x
            .values
            .par_chunks(task * before)
            .zip(gradient.values.par_chunks(task * after));
        let partial: Vec<FlexTensor> = tasks
            .map(|(x, g)| product(transposed(self.write_out(x)), gradient_of(g)))
            .collect();
        let mut weight_gradient = vec![0.0; parameters.values.len()];
        for partial in &partial {
            for (sum, value) in weight_gradient.iter_mut().zip(values(partial)) {
                *sum += value;
            }
        }
        (wants_x.then_some(x_gradient), weight_gradient)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::kernel::check::{random, same, same_bits_on_any_threads};
    use super::*;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use cryptodl_spec::Shape;

    /// Parameters as a matrix `[out, in * kernel * kernel]`, for the checks.
    fn ours(x: Tensor<2>, weight: Tensor<2>, windows: Windows) -> Tensor<2> {
        let [outputs, _] = weight.dims();
        let (channels, kernel) = (windows.input.channels, windows.kernel);
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
        let weight = weight.reshape([outputs, channels, windows.kernel, windows.kernel]);
        let options = ConvOptions::new([windows.stride; 2], [windows.padding; 2], [1, 1], 1);
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
                kernel,
                stride,
                padding,
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
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let x = (random(150 * 64, 2, 1), [150 * 64, 2]);
        same_bits_on_any_threads(x, (random(3, 18, 2), [3, 18]), |x, w| ours(x, w, windows));
    }
}
