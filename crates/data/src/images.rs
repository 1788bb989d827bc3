//! Labelled images as bytes.

use std::ops::Range;

use super::DataError;
use cryptodl_spec::Shape;

/// Labelled images, as the files hold them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Shape of every image.
    pub shape: Shape,
    /// `[n, channels, height, width]`, row major, 0 (black) to 255.
    pub pixels: Vec<u8>,
    /// The class of every image, `[n]`.
    pub labels: Vec<u16>,
}

impl Images {
    /// Puts pixels and labels together.
    ///
    /// # Errors
    /// [`DataError::Lengths`] unless there are `labels.len() * shape.len()` pixels.
    pub fn new(shape: Shape, pixels: Vec<u8>, labels: Vec<u16>) -> Result<Self, DataError> {
        if labels.len().checked_mul(shape.len()) != Some(pixels.len()) {
            return Err(DataError::Lengths {
                pixels: pixels.len(),
                image: shape.len(),
                labels: labels.len(),
            });
        }
        Ok(Self {
            shape,
            pixels,
            labels,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one image, `[channels, height, width]`.
    ///
    /// # Panics
    /// Where `index` is not below [`Images::len`], as indexing a slice does.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.pixels[index * size..(index + 1) * size]
    }

    /// A copy of the images `range`, cut off at the end of the images.
    pub fn range(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let size = self.shape.len();
        Self {
            shape: self.shape,
            pixels: self.pixels[start * size..end * size].to_vec(),
            labels: self.labels[start..end].to_vec(),
        }
    }

    /// A copy of the images with these indices, in that order.
    ///
    /// # Panics
    /// As [`Images::image`].
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.len());
        for index in indices {
            pixels.extend_from_slice(self.image(*index));
        }
        Self {
            shape: self.shape,
            pixels,
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
        }
    }

    /// The mirror images, left to right.
    pub fn mirrored(&self) -> Self {
        let mut pixels = self.pixels.clone();
        for row in pixels.chunks_exact_mut(self.shape.width.max(1)) {
            row.reverse();
        }
        Self {
            pixels,
            ..self.clone()
        }
    }

    /// A copy of the first `n` images, or of all where there are fewer.
    pub fn first(&self, n: usize) -> Self {
        self.range(0..n)
    }

    /// The images with `2^bits` shades of every pixel, rounded to the nearest, black and white kept: what is left of them where a client
    /// encrypts pixels of so many bits. Exact where `bits` divides 8.
    pub fn coarse(&self, bits: u32) -> Self {
        let largest = (1_u32 << bits.clamp(1, 8)) - 1;
        let shade = |byte: &u8| {
            let step = (u32::from(*byte) * largest * 2 + 255) / 510;
            (step * 255 / largest) as u8
        };
        Self {
            pixels: self.pixels.iter().map(shade).collect(),
            ..self.clone()
        }
    }

    /// Keeps the first `n` images.
    pub(super) fn truncate(&mut self, n: usize) {
        self.labels.truncate(n);
        self.pixels.truncate(self.labels.len() * self.shape.len());
    }

    /// Splits into the images to train on and the last `n`, held out for validation. Always the same ones: nothing is shuffled.
    pub fn hold_out(&self, n: usize) -> (Self, Self) {
        let kept = self.len().saturating_sub(n);
        (self.range(0..kept), self.range(kept..self.len()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn three() -> Images {
        let shape = Shape {
            channels: 1,
            height: 1,
            width: 2,
        };
        Images::new(shape, vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]).unwrap()
    }

    #[test]
    fn lengths_must_agree() {
        let images = three();
        let error = Images::new(images.shape, images.pixels, vec![1, 2]).unwrap_err();
        assert!(
            matches!(
                error,
                DataError::Lengths {
                    pixels: 6,
                    image: 2,
                    labels: 2
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn held_out_images_are_the_last_ones_and_none_is_lost() {
        let (train, validation) = three().hold_out(1);
        assert_eq!((train.labels, train.pixels), (vec![7, 8], vec![1, 2, 3, 4]));
        assert_eq!(
            (validation.labels.as_slice(), validation.image(0)),
            (&[9][..], &[5, 6][..])
        );
        let (none, all) = three().hold_out(99);
        assert!(none.is_empty());
        assert_eq!(all, three());
    }

    #[test]
    fn truncation_keeps_pixels_and_labels_together() {
        let mut images = three();
        images.truncate(2);
        assert_eq!(images, three().first(2));
        images.truncate(5);
        assert_eq!(images.len(), 2);
    }
}
