//! Where windows lie on a feature map, in memory.

use cryptodl_spec::{Shape, Window};

/// Where a square window is laid on a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Shape of the map.
    pub input: Shape,
    /// The window.
    pub window: Window,
}

impl Windows {
    /// Windows along rows and along columns; zero where none fits.
    pub fn counts(&self) -> (usize, usize) {
        let count = |length| self.window.count(length).unwrap_or(0);
        (count(self.input.height), count(self.input.width))
    }

    /// Values in a window: `size * size * channels`, in the order of the map's memory.
    pub const fn area(&self) -> usize {
        self.window.size * self.window.size * self.input.channels
    }

    /// Calls `run(window, at, from, length)` for every stretch of values that window number `window` shares with the map: `length`
    /// values that begin at `at` in the window and at `from` in the map.
    pub fn stretches(&self, mut run: impl FnMut(usize, usize, usize, usize)) {
        let Shape {
            channels,
            height,
            width,
        } = self.input;
        let Window {
            size,
            stride,
            padding,
        } = self.window;
        let (rows, columns) = self.counts();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            let left = column * stride;
            // Columns of the window that are inside the map.
            let first = padding.saturating_sub(left);
            let last = size.min((width + padding).saturating_sub(left));
            if first >= last {
                continue;
            }
            for i in 0..size {
                let Some(y) = (row * stride + i)
                    .checked_sub(padding)
                    .filter(|y| *y < height)
                else {
                    continue;
                };
                let at = (i * size + first) * channels;
                let from = (y * width + left + first - padding) * channels;
                run(row * columns + column, at, from, (last - first) * channels);
            }
        }
    }
}
