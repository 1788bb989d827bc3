//! Linear maps of the usual layers.

use super::map::{Group, LinearMap, LinearMapError, PADDING, check_length, check_size};

/// The geometry of a two-dimensional convolution with zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Channels in.
    pub in_channels: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
}

/// The geometry of a pooling layer without padding. The map sums; dividing is the next layer's
/// business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumPool {
    /// Channels, in and out.
    pub channels: usize,
    /// Height and width of the window.
    pub window: usize,
    /// Step between windows.
    pub stride: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
}

/// Number of windows along one axis.
fn windows(
    extent: usize,
    padding: usize,
    window: usize,
    stride: usize,
) -> Result<usize, LinearMapError> {
    check_size("kernel", window)?;
    check_size("stride", stride)?;
    check_size("height or width", extent)?;
    let extent = extent + 2 * padding.min(window);
    if window > extent || padding >= window {
        return Err(LinearMapError::Window {
            window,
            stride,
            extent,
        });
    }
    Ok((extent - window) / stride + 1)
}

impl Convolution {
    /// Height and width of the output.
    ///
    /// # Errors
    /// If the kernel does not fit the padded input, or the padding is not smaller than the kernel.
    pub fn output(&self) -> Result<(usize, usize), LinearMapError> {
        let axis = |extent| windows(extent, self.padding, self.kernel, self.stride);
        Ok((axis(self.height)?, axis(self.width)?))
    }

    /// The input indices of every window, `[positions, in_channels, kernel, kernel]`.
    fn gather(&self) -> Result<Vec<u32>, LinearMapError> {
        let (rows, columns) = self.output()?;
        let mut gather = Vec::new();
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            for channel in 0..self.in_channels {
                for (ky, kx) in
                    (0..self.kernel).flat_map(|ky| (0..self.kernel).map(move |kx| (ky, kx)))
                {
                    // a row or column in the padding wraps to a huge number and fails the
                    // comparison
                    let row = (y * self.stride + ky).wrapping_sub(self.padding);
                    let column = (x * self.stride + kx).wrapping_sub(self.padding);
                    let inside = row < self.height && column < self.width;
                    let index = || ((channel * self.height + row) * self.width + column) as u32;
                    gather.push(if inside { index() } else { PADDING });
                }
            }
        }
        Ok(gather)
    }
}

impl LinearMap {
    /// A dense layer; `weights` is `[outputs, inputs]`.
    ///
    /// # Errors
    /// As [`LinearMap::new`].
    pub fn dense(inputs: usize, outputs: usize, weights: Vec<i16>) -> Result<Self, LinearMapError> {
        check_size("inputs", inputs)?;
        let gather = (0..inputs as u32).collect();
        Self::new(inputs, outputs, inputs, outputs, weights, gather)
    }

    /// A convolution; inputs are `[channel, y, x]`, `weights` is `[out_channels, in_channels,
    /// kernel, kernel]`.
    ///
    /// # Errors
    /// If the kernel does not fit, and as [`LinearMap::new`].
    pub fn convolution(shape: &Convolution, weights: Vec<i16>) -> Result<Self, LinearMapError> {
        check_size("input channels", shape.in_channels)?;
        check_size("output channels", shape.out_channels)?;
        let (rows, columns) = shape.output()?;
        let inputs = shape
            .in_channels
            .saturating_mul(shape.height.saturating_mul(shape.width));
        check_size("inputs", inputs)?;
        let taps = shape.in_channels * shape.kernel * shape.kernel;
        check_length(
            "weights",
            shape.out_channels.saturating_mul(taps),
            weights.len(),
        )?;
        let outputs = shape.out_channels * rows * columns;
        Self::new(
            inputs,
            outputs,
            taps,
            shape.out_channels,
            weights,
            shape.gather()?,
        )
    }

    /// Window sums, each channel for itself; inputs are `[channel, y, x]`.
    ///
    /// # Errors
    /// If the window does not fit, and as [`LinearMap::new`].
    pub fn sum_pool(shape: &SumPool) -> Result<Self, LinearMapError> {
        check_size("channels", shape.channels)?;
        // the windows of one channel are those of a convolution with one channel in and out
        let one = Convolution {
            in_channels: 1,
            out_channels: 1,
            kernel: shape.window,
            stride: shape.stride,
            padding: 0,
            height: shape.height,
            width: shape.width,
        };
        let (rows, columns) = one.output()?;
        let area = shape.height.saturating_mul(shape.width);
        let inputs = shape.channels.saturating_mul(area);
        check_size("inputs", inputs)?;
        let taps = shape.window * shape.window;
        let gather = one.gather()?;
        let groups: Result<Vec<Group>, LinearMapError> = (0..shape.channels)
            .map(|channel| {
                let shifted = gather.iter().map(|&index| index + (channel * area) as u32);
                Group::new(
                    channel * rows * columns,
                    1,
                    taps,
                    vec![1; taps],
                    shifted.collect(),
                )
            })
            .collect();
        Self::from_groups(inputs, shape.channels * rows * columns, groups?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Straight from the definition, with signed coordinates.
    fn slow_convolution(shape: &Convolution, weights: &[i16], input: &[i64]) -> Vec<i64> {
        let (rows, columns) = shape.output().unwrap();
        let mut out = Vec::new();
        for o in 0..shape.out_channels {
            for y in 0..rows {
                for x in 0..columns {
                    let mut sum = 0;
                    for i in 0..shape.in_channels {
                        for ky in 0..shape.kernel {
                            for kx in 0..shape.kernel {
                                let r = (y * shape.stride + ky) as i64 - shape.padding as i64;
                                let c = (x * shape.stride + kx) as i64 - shape.padding as i64;
                                if r < 0
                                    || c < 0
                                    || r >= shape.height as i64
                                    || c >= shape.width as i64
                                {
                                    continue;
                                }
                                let w = ((o * shape.in_channels + i) * shape.kernel + ky)
                                    * shape.kernel
                                    + kx;
                                let v = (i * shape.height + r as usize) * shape.width + c as usize;
                                sum += i64::from(weights[w]) * input[v];
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn a_convolution_is_what_its_definition_says() {
        for (stride, padding) in [(1, 0), (1, 1), (2, 1), (2, 2)] {
            let shape = Convolution {
                in_channels: 2,
                out_channels: 3,
                kernel: 3,
                stride,
                padding,
                height: 6,
                width: 5,
            };
            let weights: Vec<i16> = (0..54).map(|i| (i * 7 % 23) - 11).collect();
            let input: Vec<i64> = (0..60).map(|i| (i * 31 % 101) - 50).collect();
            let map = LinearMap::convolution(&shape, weights.clone()).unwrap();
            assert_eq!(
                map.apply(&input).unwrap(),
                slow_convolution(&shape, &weights, &input)
            );
        }
    }

    #[test]
    fn padding_is_not_counted_as_work() {
        let shape = Convolution {
            in_channels: 1,
            out_channels: 2,
            kernel: 3,
            stride: 1,
            padding: 1,
            height: 2,
            width: 2,
        };
        let map = LinearMap::convolution(&shape, vec![1; 18]).unwrap();
        assert_eq!(map.macs(), 4 * 4 * 2);
        assert_eq!(map.max_abs_row_sum(), 9);
        assert_eq!(map.max_row_sum_of_squares(), 9.0);
    }

    #[test]
    fn a_pool_sums_each_channel_for_itself() {
        let shape = SumPool {
            channels: 2,
            window: 2,
            stride: 2,
            height: 4,
            width: 4,
        };
        let map = LinearMap::sum_pool(&shape).unwrap();
        let input: Vec<i64> = (0..32).collect();
        assert_eq!(
            map.apply(&input).unwrap(),
            [10, 18, 42, 50, 74, 82, 106, 114]
        );
        assert_eq!(map.groups().len(), 2);
    }

    #[test]
    fn maps_that_do_not_add_up_are_refused() {
        let dense = |weights| LinearMap::dense(3, 2, weights);
        assert!(matches!(
            dense(vec![1; 5]),
            Err(LinearMapError::Length { .. })
        ));
        let gather = LinearMap::new(3, 1, 2, 1, vec![1, 1], vec![0, 3]);
        assert!(matches!(
            gather,
            Err(LinearMapError::Gather { index: 3, .. })
        ));
        let missing = LinearMap::new(3, 2, 2, 1, vec![1, 1], vec![0, 1]);
        assert!(matches!(
            missing,
            Err(LinearMapError::Coverage {
                output: 1,
                times: 0,
                ..
            })
        ));
        let group = |start| Group::new(start, 1, 1, vec![1], vec![0]).unwrap();
        let twice = LinearMap::from_groups(1, 2, vec![group(0), group(0)]);
        assert!(matches!(
            twice,
            Err(LinearMapError::Coverage { times: 2, .. })
        ));
        let wide = LinearMap::new(1, 1, 4096, 1, vec![i16::MIN; 4096], vec![0; 4096]);
        assert!(matches!(wide, Err(LinearMapError::RowSum { .. })));
        let kernel = Convolution {
            in_channels: 1,
            out_channels: 1,
            kernel: 5,
            stride: 1,
            padding: 0,
            height: 4,
            width: 4,
        };
        let window = LinearMap::convolution(&kernel, vec![1; 25]);
        assert!(matches!(window, Err(LinearMapError::Window { .. })));
        assert!(matches!(
            LinearMap::dense(0, 2, vec![]),
            Err(LinearMapError::Size { .. })
        ));
    }
}
