//! What images are like, each by itself: what a network may be asked about without leaving the range that it was planned for.

use serde::{Deserialize, Serialize};

use super::Images;

/// How far past the ends that were seen an image may be, as a share of the range between them.
const MARGIN: f64 = 0.25;

/// The brightness and the contrast of single images: mean and standard deviation of all values of one, black 0 and white 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRange {
    /// Lowest and highest mean.
    pub brightness: [f64; 2],
    /// Lowest and highest standard deviation.
    pub contrast: [f64; 2],
}

impl ImageRange {
    /// Any image at all.
    pub const ANY: Self = Self {
        brightness: [0.0, 1.0],
        contrast: [0.0, 1.0],
    };

    /// Of these images, with a margin; of none, any.
    pub fn of(images: &Images) -> Self {
        let (mut brightness, mut contrast) = (Range::EMPTY, Range::EMPTY);
        for index in 0..images.len() {
            let (mean, deviation) = statistics(images.image(index));
            brightness.include(mean);
            contrast.include(deviation);
        }
        Self {
            brightness: brightness.widened(),
            contrast: contrast.widened(),
        }
    }

    /// What speaks against a range from a file.
    ///
    /// # Errors
    /// Where an end is outside 0 to 1, or the low one above the high one.
    pub fn check(&self) -> Result<(), String> {
        let good =
            |[low, high]: [f64; 2]| (0.0..=1.0).contains(&low) && (low..=1.0).contains(&high);
        if good(self.brightness) && good(self.contrast) {
            Ok(())
        } else {
            Err("brightness and contrast of images must be ranges within 0 to 1".into())
        }
    }

    /// What speaks against an image, if anything.
    pub fn objection(&self, image: &[u8]) -> Option<String> {
        let (mean, deviation) = statistics(image);
        let outside = |what: &str, value: f64, [low, high]: [f64; 2]| {
            // Rounding of a statistic is no reason.
            let near = low - 1e-9..=high + 1e-9;
            (!near.contains(&value))
                .then(|| format!("{what} {value:.3}, outside {low:.3} to {high:.3}"))
        };
        outside("brightness", mean, self.brightness)
            .or_else(|| outside("contrast", deviation, self.contrast))
    }
}

struct Range([f64; 2]);

impl Range {
    const EMPTY: Self = Self([f64::INFINITY, f64::NEG_INFINITY]);

    fn include(&mut self, value: f64) {
        let [low, high] = self.0;
        self.0 = [low.min(value), high.max(value)];
    }

    fn widened(&self) -> [f64; 2] {
        let [low, high] = self.0;
        if low > high {
            return [0.0, 1.0];
        }
        let margin = MARGIN * (high - low);
        [(low - margin).max(0.0), (high + margin).min(1.0)]
    }
}

/// Mean and standard deviation of an image's values, in 0 to 1.
fn statistics(image: &[u8]) -> (f64, f64) {
    let count = image.len().max(1) as f64;
    let (sum, squares) = image.iter().fold((0_u64, 0_u64), |(sum, squares), byte| {
        let byte = u64::from(*byte);
        (sum + byte, squares + byte * byte)
    });
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    (mean / 255.0, variance.sqrt() / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptodl_spec::Shape;

    fn images(pixels: &[[u8; 4]]) -> Images {
        Images {
            shape: Shape {
                channels: 1,
                height: 2,
                width: 2,
            },
            pixels: pixels.as_flattened().to_vec(),
            labels: vec![0; pixels.len()],
        }
    }

    #[test]
    fn images_like_those_seen_pass_and_white_ones_do_not() {
        let seen = images(&[[0, 0, 0, 255], [0, 60, 120, 0], [10, 10, 200, 10]]);
        let range = ImageRange::of(&seen);
        range.check().unwrap_or_else(|what| panic!("{what}"));
        for index in 0..seen.len() {
            assert_eq!(range.objection(seen.image(index)), None);
        }
        let white = range.objection(&[255; 4]).unwrap_or_default();
        assert!(white.contains("brightness 1.000"), "{white}");
        let flat = range.objection(&[45; 4]).unwrap_or_default();
        assert!(flat.contains("contrast 0.000"), "{flat}");
        assert_eq!(ImageRange::ANY.objection(&[255; 4]), None);
        assert_eq!(ImageRange::of(&images(&[])), ImageRange::ANY);
    }

    #[test]
    fn ranges_from_files_are_checked() {
        let range = |brightness| ImageRange {
            brightness,
            contrast: [0.0, 1.0],
        };
        assert!(range([0.2, 0.1]).check().is_err());
        assert!(range([f64::NAN, 0.5]).check().is_err());
        assert!(range([0.0, 1.5]).check().is_err());
        assert!(range([0.1, 0.1]).check().is_ok());
    }
}
