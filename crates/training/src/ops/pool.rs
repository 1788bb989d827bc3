//! Average pooling.

use super::kernel::{Kernel, Matrix, Owned, apply};
use super::memory::{MapEntry, take};
use super::windows::Windows;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Mean over each window. There must be no padding.
///
/// # Shapes
/// `[images * height * width, channels]` to `[images * rows * columns, channels]`
pub(crate) fn avg_pool(x: Tensor<2>, windows: Windows) -> Tensor<2> {
    let nothing = Tensor::zeros([1, 1], &x.device());
    apply(Average { windows }, x, nothing)
}

#[derive(Debug)]
struct Average {
    windows: Windows,
}

impl Average {
    /// Values of one image before and after.
    fn sizes(&self) -> (usize, usize) {
        let (rows, columns) = self.windows.counts();
        (
            self.windows.input.len(),
            rows * columns * self.windows.input.channels,
        )
    }

    /// One over the pixels of a window.
    fn share(&self) -> f32 {
        1.0 / (self.windows.window.size * self.windows.window.size) as f32
    }
}

impl Kernel for Average {
    fn forward<T: MapEntry>(&self, x: Matrix<'_, T>, _: Matrix<'_>) -> Owned<T> {
        let (before, after) = self.sizes();
        let (channels, share) = (x.columns, self.share());
        let mut y = take(x.values.len() / before * after);
        y.par_chunks_mut(after)
            .zip(x.values.par_chunks(before))
            .for_each_init(
                || vec![0.0; after],
                |sums, (y, x)| {
                    sums.fill(0.0);
                    self.windows.stretches(|window, _, from, length| {
                        let sums = &mut sums[window * channels..(window + 1) * channels];
                        for pixel in x[from..from + length].chunks_exact(channels) {
                            for (sum, x) in sums.iter_mut().zip(pixel) {
                                *sum += x.to_f32();
                            }
                        }
                    });
                    for (y, sum) in y.iter_mut().zip(sums) {
                        *y = T::from_f32(share * *sum);
                    }
                },
            );
        Owned {
            rows: y.len() / channels,
            columns: channels,
            values: y,
        }
    }

    fn backward<T: MapEntry>(
        &self,
        x: Matrix<'_, T>,
        _: Matrix<'_>,
        gradient: Matrix<'_, T>,
        wants_x: bool,
    ) -> (Option<Vec<T>>, Vec<f32>) {
        let (before, after) = self.sizes();
        let (channels, share) = (x.columns, self.share());
        let x_gradient = wants_x.then(|| {
            let mut dx = take(x.values.len());
            dx.par_chunks_mut(before)
                .zip(gradient.values.par_chunks(after))
                .for_each_init(
                    || vec![0.0; before],
                    |sums, (dx, g)| {
                        sums.fill(0.0);
                        self.windows.stretches(|window, _, from, length| {
                            let g = &g[window * channels..(window + 1) * channels];
                            for pixel in sums[from..from + length].chunks_exact_mut(channels) {
                                for (sum, g) in pixel.iter_mut().zip(g) {
                                    *sum += g.to_f32();
                                }
                            }
                        });
                        for (dx, sum) in dx.iter_mut().zip(sums) {
                            *dx = T::from_f32(share * *sum);
                        }
                    },
                );
            dx
        });
        (x_gradient, vec![0.0])
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::check::{random, same};
    use super::*;
    use burn::tensor::module::avg_pool2d;
    use burn::tensor::ops::AvgPoolOptions;
    use cryptodl_spec::{Shape, Window};

    #[test]
    fn averages_agree_with_the_engines_own_operation() {
        for (channels, height, width, kernel, stride) in [
            (3, 8, 6, 2, 2),
            (1, 7, 7, 3, 1),
            (5, 9, 8, 2, 3),
            (4, 4, 4, 4, 4),
        ] {
            let windows = Windows {
                input: Shape {
                    channels,
                    height,
                    width,
                },
                window: Window::unpadded(kernel, stride),
            };
            let rows = 3 * height * width;
            same(
                (random(rows, channels, 1), [rows, channels]),
                (vec![0.0], [1, 1]),
                |x, p| avg_pool(x, windows) + p * 0.0,
                |x, p| {
                    let mut options = AvgPoolOptions::new([kernel; 2]);
                    options.stride = [stride; 2];
                    let x = x
                        .reshape([3, height, width, channels])
                        .permute([0, 3, 1, 2]);
                    let (rows, columns) = windows.counts();
                    avg_pool2d(x, options)
                        .permute([0, 2, 3, 1])
                        .reshape([3 * rows * columns, channels])
                        + p * 0.0
                },
            );
        }
    }
}
