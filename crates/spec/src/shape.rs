//! Shapes of feature maps, and the square windows that slide over them.

use serde::{Deserialize, Serialize};

/// Channels, height and width of one image or feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A square window that slides over a feature map: the geometry of convolutions and poolings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub size: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side of the map.
    pub padding: usize,
}

impl Shape {
    /// Number of values.
    pub const fn len(&self) -> usize {
        self.channels * self.height * self.width
    }
    /// Whether there are no values.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Values of one channel.
    pub const fn plane(&self) -> usize {
        self.height * self.width
    }
}

impl Window {
    /// A window without padding.
    pub const fn unpadded(size: usize, stride: usize) -> Self {
        Self {
            size,
            stride,
            padding: 0,
        }
    }

    /// Windows along a side of `length` values: `floor((length + 2 padding - size) / stride) + 1`; `None` where none fits, or a
    /// number overflows.
    pub fn count(&self, length: usize) -> Option<usize> {
        let padded = length.checked_add(self.padding.checked_mul(2)?)?;
        if self.size == 0 || self.stride == 0 {
            return None;
        }
        Some(padded.checked_sub(self.size)? / self.stride + 1)
    }

    /// Shape of one value per window and channel of `input`; `None` where no window fits.
    pub fn over(&self, input: Shape) -> Option<Shape> {
        Some(Shape {
            height: self.count(input.height)?,
            width: self.count(input.width)?,
            ..input
        })
    }
}
