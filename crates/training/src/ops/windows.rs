//! Where windows lie on a feature map, in memory.

use cryptodl_model::windows;
use cryptodl_spec::Shape;

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

    /// Values in a window: `kernel * kernel * channels`, in the order of the map's memory.
    pub const fn area(&self) -> usize {
        self.kernel * self.kernel * self.input.channels
    }

    /// Calls `run(window, at, from, length)` for every stretch of values that window number `window` shares with the map: `length`
    /// values that begin at `at` in the window and at `from` in the map.
    pub fn stretches(&self, mut run: impl FnMut(usize, usize, usize, usize)) {
        let Shape {
            channels,
            height,
            width,
        } = self.input;
        let (rows, columns) = self.counts();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            let left = column * self.stride;
            // Columns of the window that are inside the map.
            let first = self.padding.saturating_sub(left);
            let last = self.kernel.min((width + self.padding).saturating_sub(left));
            if first >= last {
                continue;
            }
            for i in 0..self.kernel {
                let Some(y) = (row * self.stride + i)
                    .checked_sub(self.padding)
                    .filter(|y| *y < height)
                else {
                    continue;
                };
                let at = (i * self.kernel + first) * channels;
                let from = (y * width + left + first - self.padding) * channels;
                run(row * columns + column, at, from, (last - first) * channels);
            }
        }
    }
}
