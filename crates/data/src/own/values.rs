//! Numbers as bytes of brightness, and rows of them as images.

use super::OwnError;
use cryptodl_spec::{ImageFiles, Shape};

/// What numbers mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// 0 to 255, whole.
    Bytes,
    /// 0 to 1; 256 shades of that are kept.
    Unit,
}

impl Scale {
    /// Of numbers with a point: fractions where all lie within 0 to 1.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        match values.into_iter().all(|value| (0.0..=1.0).contains(&value)) {
            true => Self::Unit,
            false => Self::Bytes,
        }
    }

    /// The byte of a number; none where it is no brightness.
    pub fn byte(self, value: f64) -> Option<u8> {
        match self {
            Self::Bytes if (0.0..=255.0).contains(&value) && value.fract() == 0.0 => {
                Some(value as u8)
            }
            Self::Unit if (0.0..=1.0).contains(&value) => Some((value * 255.0).round() as u8),
            _ => None,
        }
    }
}

/// The shape of an image of so many values in a row: the spec's, or a square one.
pub(super) fn shape_of_row(values: usize, files: &ImageFiles) -> Result<Shape, OwnError> {
    if let Some(shape) = files.shape {
        return match shape.len() == values {
            true => Ok(shape),
            false => Err(OwnError::Misshaped { values, shape }),
        };
    }
    for channels in [1, 3] {
        let side = (values / channels).isqrt();
        if side > 0 && side * side * channels == values {
            return Ok(Shape {
                channels,
                height: side,
                width: side,
            });
        }
    }
    Err(OwnError::Unshaped { values })
}
