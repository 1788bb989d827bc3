//! What a client does to the pixels of an image before it encrypts them, beyond the data set's normalisation. It costs the server nothing,
//! and keeps images alike: polynomials of polynomials blow up whatever is unusual about one.
//!
//! ```text
//! x = (byte / 255 - mean) / std -> standardise -> filter -> local contrast -> standardise -> soft clamp
//! ```
//! Every step is left out unless the spec asks for it.

use super::Images;
use super::eigen::eigenvectors;
use cryptodl_spec::{DatasetSpec, Shape, Standardize};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Smallest deviation that an image is divided by, in units of the data set's: an image of one colour stays what it is.
const LEAST_DEVIATION: f64 = 0.2;
/// Widest filter, pixels.
const LARGEST_FILTER: usize = 31;
/// Training images whose patches a filter is fitted to.
const FITTED_IMAGES: usize = 2_000;
/// One patch in so many is looked at.
const FITTED_STEP: usize = 7;
/// Added to the variance of patches in every direction, so that those without variance are not blown up.
const FITTED_EPSILON: f64 = 1e-2;

/// The steps after the data set's normalisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Whether an image is standardised by its own mean and deviation, before and after the filter.
    #[serde(default, skip_serializing_if = "Standardize::is_none")]
    pub standardize: Standardize,
    /// A fixed filter over patches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<PatchFilter>,
    /// Whether values are divided by the image's local deviation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_contrast: bool,
    /// The bound c of `c tanh(x / c)`, by which every value is limited at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_clamp: Option<f32>,
}

/// A convolution that keeps the image's shape; beyond its border the image is mirrored at its outermost pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchFilter {
    /// Rows and columns, odd.
    pub size: usize,
    /// `[channels, channels, size, size]`, of the outputs first.
    pub weights: Vec<f32>,
}

impl Preprocessing {
    /// What `spec` asks for; its filter is fitted to the first of `images`, which must be training images. `mean` and `std` are the data
    /// set's, per channel.
    pub fn fit(spec: &DatasetSpec, images: &Images, mean: &[f32], std: &[f32]) -> Self {
        let before = Self {
            standardize: spec.standardize,
            ..Self::default()
        };
        let filter = spec
            .zca
            .map(|size| PatchFilter::whitening(size, &before, images, (mean, std)));
        Self {
            filter,
            ..Self::unfitted(spec)
        }
    }

    /// The same without the filter: all that can be known without images.
    pub fn unfitted(spec: &DatasetSpec) -> Self {
        Self {
            standardize: spec.standardize,
            filter: None,
            local_contrast: spec.local_contrast,
            soft_clamp: spec.soft_clamp.map(|bound| bound as f32),
        }
    }

    /// Whether nothing is done.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// One image's values `[channels, height, width]`, from its bytes in the same order.
    pub fn apply(&self, shape: Shape, (mean, std): (&[f32], &[f32]), bytes: &[u8]) -> Vec<f32> {
        let plane = (shape.height * shape.width).max(1);
        let mut values = Vec::with_capacity(bytes.len());
        for (bytes, (mean, std)) in bytes.chunks(plane).zip(mean.iter().zip(std)) {
            let (mean, std) = (f64::from(*mean), f64::from(*std));
            values.extend(
                bytes
                    .iter()
                    .map(|byte| ((f64::from(*byte) / 255.0 - mean) / std) as f32),
            );
        }
        self.standardise(&mut values);
        if let Some(filter) = &self.filter {
            values = filter.apply(shape, &values);
        }
        if self.local_contrast {
            divide_by_local_deviation(shape, &mut values);
        }
        if self.filter.is_some() || self.local_contrast {
            self.standardise(&mut values);
        }
        if let Some(bound) = self.soft_clamp {
            values
                .iter_mut()
                .for_each(|value| *value = bound * (*value / bound).tanh());
        }
        values
    }

    /// `(x - mean) / max(deviation, 0.2)` over all values of an image, the deviation by one less than their number.
    fn standardise(&self, values: &mut [f32]) {
        if self.standardize.is_none() {
            return;
        }
        let count = values.len() as f64;
        let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
        let mean = sum / count.max(1.0);
        let squares = values
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0).max(1.0);
        let scale = variance.sqrt().max(LEAST_DEVIATION).recip();
        for value in values {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }

    /// The smallest and largest value that a pixel of each channel can have in the end, for images of that shape.
    ///
    /// Standardised values are bounded by `sqrt(n - 1)`, n being their number: whatever is d above the mean makes the deviation at least
    /// `d / sqrt(n - 1)`.
    pub fn bounds(&self, shape: Shape, mean: &[f32], std: &[f32]) -> Vec<(f64, f64)> {
        let plain = mean.iter().zip(std).map(|(mean, std)| {
            let (mean, std) = (f64::from(*mean), f64::from(*std));
            (-mean / std, (1.0 - mean) / std)
        });
        let mut bounds: Vec<(f64, f64)> = plain.collect();
        if !self.standardize.is_none() {
            let most = (shape.len().max(2) as f64 - 1.0).sqrt();
            bounds.fill((-most, most));
        }
        if let Some(bound) = self.soft_clamp.map(f64::from) {
            // Rounding of f32 included.
            let limit = |end: f64| bound * (end / bound).tanh() * (1.0 + 1e-6);
            bounds = bounds
                .into_iter()
                .map(|(low, high)| (limit(low), limit(high)))
                .collect();
        }
        bounds
    }

    /// What speaks against these steps for images of `channels` channels.
    pub fn fault(&self, channels: usize) -> Option<String> {
        if let Some(bound) = self.soft_clamp
            && !(bound.is_finite() && bound > 0.0)
        {
            return Some(format!("a soft clamp at {bound}"));
        }
        if self.local_contrast && self.standardize.is_none() {
            return Some("local contrast for images that are not standardised".into());
        }
        let filter = self.filter.as_ref()?;
        let PatchFilter { size, weights } = filter;
        if size.is_multiple_of(2) || *size > LARGEST_FILTER {
            return Some(format!("a filter of {size}x{size}"));
        }
        if self.standardize.is_none() {
            return Some("a filter for images that are not standardised".into());
        }
        let expected = channels
            .saturating_mul(channels)
            .saturating_mul(size * size);
        if weights.len() != expected {
            return Some(format!(
                "a filter of {} weights where {expected} belong",
                weights.len()
            ));
        }
        let wrong = weights.iter().find(|weight| !weight.is_finite())?;
        Some(format!("a filter with the weight {wrong}"))
    }
}

impl PatchFilter {
    /// Patches become uncorrelated and of equal variance, and stay as like themselves as that allows (ZCA; Bell and Sejnowski 1997):
    /// with the covariance `C = V diag(l) V^T` of patches of `size x size` pixels, the rows of `V diag(1 / sqrt(l + 0.01)) V^T` that
    /// belong to the patch's middle.
    fn whitening(
        size: usize,
        before: &Preprocessing,
        images: &Images,
        normalisation: (&[f32], &[f32]),
    ) -> Self {
        let shape = images.shape;
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let area = size * size;
        let length = channels * area;
        let corners: Vec<(usize, usize)> = (0..(height + 1).saturating_sub(size))
            .flat_map(|top| (0..(width + 1).saturating_sub(size)).map(move |left| (top, left)))
            .collect();
        // Sums of entries and of products of two entries, image by image, so that they do not depend on the number of threads.
        let of_image = |index: usize| {
            let values = before.apply(shape, normalisation, images.image(index));
            let (mut count, mut sums) = (0_usize, vec![0.0_f64; length * (length + 1)]);
            let (firsts, seconds) = sums.split_at_mut(length);
            let mut patch = vec![0.0_f64; length];
            for (at, (top, left)) in corners.iter().enumerate() {
                if !(index * corners.len() + at).is_multiple_of(FITTED_STEP) {
                    continue;
                }
                for (entry, value) in patch.iter_mut().enumerate() {
                    let (channel, place) = (entry / area, entry % area);
                    let (row, column) = (top + place / size, left + place % size);
                    *value = f64::from(values[(channel * height + row) * width + column]);
                }
                for ((first, row), a) in firsts
                    .iter_mut()
                    .zip(seconds.chunks_exact_mut(length))
                    .zip(&patch)
                {
                    *first += a;
                    row.iter_mut()
                        .zip(&patch)
                        .for_each(|(sum, b)| *sum += a * b);
                }
                count += 1;
            }
            (count, sums)
        };
        let (mut count, mut sums) = (0, vec![0.0_f64; length * (length + 1)]);
        let used: Vec<usize> = (0..images.len().min(FITTED_IMAGES)).collect();
        for some in used.chunks(100) {
            let parts: Vec<_> = some.par_iter().map(|index| of_image(*index)).collect();
            for (part_count, part) in parts {
                count += part_count;
                sums.iter_mut()
                    .zip(part)
                    .for_each(|(sum, part)| *sum += part);
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
        let (means, products) = sums.split_at(length);
        let covariance = (0..length * length)
            .map(|at| products[at] - means[at / length] * means[at % length])
            .collect();
        let directions = eigenvectors(covariance, length);
        let middle = area / 2;
        let mut weights = Vec::with_capacity(channels * length);
        for channel in 0..channels {
            let row = channel * area + middle;
            for column in 0..length {
                let sum: f64 = directions
                    .iter()
                    .map(|(value, vector)| {
                        vector[row] * vector[column] / (value.max(0.0) + FITTED_EPSILON).sqrt()
                    })
                    .sum();
                weights.push(sum as f32);
            }
        }
        Self { size, weights }
    }

    /// The filter over an image `[channels, height, width]`.
    fn apply(&self, shape: Shape, image: &[f32]) -> Vec<f32> {
        let Shape {
            channels,
            height,
            width,
        } = shape;
        let (size, margin) = (self.size, self.size / 2);
        // Mirrored margins on all sides.
        let (tall, wide) = (height + 2 * margin, width + 2 * margin);
        let mut padded = Vec::with_capacity(channels * tall * wide);
        for channel in 0..channels {
            for row in 0..tall {
                let from = (channel * height + mirrored(row, margin, height)) * width;
                padded
                    .extend((0..wide).map(|column| image[from + mirrored(column, margin, width)]));
            }
        }
        let mut out = vec![0.0; image.len()];
        for (o, plane) in out.chunks_exact_mut((height * width).max(1)).enumerate() {
            for (channel, weights) in self.weights[o * channels * size * size..]
                .chunks_exact(size * size)
                .take(channels)
                .enumerate()
            {
                for (row, sums) in plane.chunks_exact_mut(width).enumerate() {
                    for (i, weights) in weights.chunks_exact(size).enumerate() {
                        let line = &padded[(channel * tall + row + i) * wide..][..wide];
                        for (j, weight) in weights.iter().enumerate() {
                            for (sum, value) in sums.iter_mut().zip(&line[j..]) {
                                *sum += weight * value;
                            }
                        }
                    }
                }
            }
        }
        out
    }
}

/// Divides the values of an image `[channels, height, width]` by `sqrt(v + 0.2 m + 0.0001)`: v is the mean square over the channels, averaged
/// over the neighbourhood by a Gaussian of 2 pixels, and m the mean of v over the image (local contrast normalisation; Jarrett et al.
/// 2009).
fn divide_by_local_deviation(shape: Shape, values: &mut [f32]) {
    const REACH: usize = 4;
    const DEVIATION: f32 = 2.0;
    const SHARE_OF_MEAN: f32 = 0.2;
    const LEAST: f32 = 1e-4;
    let Shape {
        channels,
        height,
        width,
    } = shape;
    let plane = (height * width).max(1);
    let mut energy = vec![0.0_f32; plane];
    for values in values.chunks_exact(plane) {
        for (energy, value) in energy.iter_mut().zip(values) {
            *energy += value * value / channels as f32;
        }
    }
    let taps: Vec<f32> = (0..=2 * REACH)
        .map(|at| at as f32 - REACH as f32)
        .map(|at| (-at * at / (2.0 * DEVIATION * DEVIATION)).exp())
        .collect();
    let total: f32 = taps.iter().sum();
    let along = |source: &[f32], step: usize, start: usize, at: usize, side: usize| -> f32 {
        let near = taps.iter().enumerate();
        near.map(|(tap, weight)| weight * source[start + step * mirrored(at + tap, REACH, side)])
            .sum::<f32>()
            / total
    };
    let rows: Vec<f32> = (0..plane)
        .map(|at| along(&energy, 1, at / width * width, at % width, width))
        .collect();
    let local: Vec<f32> = (0..plane)
        .map(|at| along(&rows, width, at % width, at / width, height))
        .collect();
    let mean = local.iter().sum::<f32>() / plane as f32;
    for values in values.chunks_exact_mut(plane) {
        for (value, local) in values.iter_mut().zip(&local) {
            *value /= (local + SHARE_OF_MEAN * mean + LEAST).sqrt();
        }
    }
}

/// The place in a row of `size` that stands at `at` of the row with a margin on both sides.
fn mirrored(at: usize, margin: usize, size: usize) -> usize {
    let period = (2 * (size - 1)).max(1) as i64;
    let at = (at as i64 - margin as i64).rem_euclid(period) as usize;
    at.min(period as usize - at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use cryptodl_spec::DatasetName;

    const MEAN: [f32; 2] = [0.5, 0.4];
    const STD: [f32; 2] = [0.25, 0.2];

    fn shape(height: usize, width: usize) -> Shape {
        Shape {
            channels: 2,
            height,
            width,
        }
    }

    /// Images in which neighbours are alike.
    fn images(count: usize) -> Images {
        let shape = shape(8, 8);
        let mut state = 12_345_u64;
        let mut last = 0.0;
        let pixels = (0..count * shape.len()).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            last = 0.7 * last + 0.3 * (state >> 56) as f64;
            last as u8
        });
        let pixels = pixels.collect();
        Images::new(shape, pixels, vec![0; count]).unwrap()
    }

    fn spec() -> DatasetSpec {
        DatasetSpec {
            source: cryptodl_spec::DatasetSource::Name(DatasetName::Cifar10),
            train: None,
            test: None,
            standardize: Standardize::PerImage,
            zca: Some(3),
            local_contrast: true,
            soft_clamp: Some(3.0),
        }
    }

    #[test]
    fn plain_images_are_normalised_by_the_data_set_alone() {
        let images = images(1);
        let plain = Preprocessing::default();
        assert!(plain.is_plain());
        let values = plain.apply(images.shape, (&MEAN, &STD), images.image(0));
        for (at, (value, byte)) in values.iter().zip(images.image(0)).enumerate() {
            let channel = at / 64;
            let expected = (f32::from(*byte) / 255.0 - MEAN[channel]) / STD[channel];
            assert!((value - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_standardised_image_has_mean_zero_and_deviation_one() {
        let images = images(1);
        let alone = Preprocessing {
            standardize: Standardize::PerImage,
            ..Preprocessing::default()
        };
        let values = alone.apply(images.shape, (&MEAN, &STD), images.image(0));
        let count = values.len() as f64;
        let mean: f64 = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!(mean.abs() < 1e-6 && (squares / (count - 1.0) - 1.0).abs() < 1e-5);
        // One colour in every channel, at the data set's mean: nothing to divide by.
        let flat = [128_u8; 32];
        let values = alone.apply(shape(4, 4), (&[0.5, 0.5], &STD), &flat);
        assert!(values.iter().all(|value| value.abs() < 0.2), "{values:?}");
    }

    #[test]
    fn filtered_patches_are_nearly_uncorrelated() {
        let images = images(400);
        let fitted = Preprocessing::fit(&spec(), &images, &MEAN, &STD);
        assert_eq!(fitted.fault(2), None);
        let filter = fitted.filter.clone().unwrap();
        assert_eq!(filter.weights.len(), 2 * 2 * 9);
        let correlation = |preprocessing: &Preprocessing| {
            let (mut products, mut squares) = (0.0, 0.0);
            for index in 0..images.len() {
                let values = preprocessing.apply(images.shape, (&MEAN, &STD), images.image(index));
                for row in values.chunks(8) {
                    for pair in row.windows(2) {
                        products += f64::from(pair[0] * pair[1]);
                        squares += f64::from(pair[0] * pair[0]);
                    }
                }
            }
            products / squares
        };
        let before = correlation(&Preprocessing {
            filter: None,
            local_contrast: false,
            soft_clamp: None,
            ..fitted.clone()
        });
        let after = correlation(&fitted);
        assert!(
            before > 0.5 && after.abs() < 0.3 * before,
            "{before} {after}"
        );
    }

    #[test]
    fn local_contrast_follows_the_definition() {
        let shape = shape(7, 9);
        let image: Vec<f32> = (0..shape.len())
            .map(|at| (at as f32 * 1.3).sin() * at as f32)
            .collect();
        let mut found = image.clone();
        divide_by_local_deviation(shape, &mut found);
        let reflect = |at: i64, size: i64| {
            let at = if at < 0 { -at } else { at };
            (if at >= size { 2 * (size - 1) - at } else { at }) as usize
        };
        let energy = |row: usize, column: usize| {
            [0, 1]
                .map(|c: usize| f64::from(image[c * 63 + row * 9 + column]).powi(2))
                .iter()
                .sum::<f64>()
                / 2.0
        };
        let gauss = |at: i64| (-(at * at) as f64 / 8.0).exp();
        let total: f64 = (-4..=4).map(gauss).sum();
        let blurred = |row: usize, column: usize| -> f64 {
            let mut sum = 0.0;
            for i in -4..=4 {
                for j in -4..=4 {
                    let place = (reflect(row as i64 + i, 7), reflect(column as i64 + j, 9));
                    sum += gauss(i) * gauss(j) * energy(place.0, place.1) / (total * total);
                }
            }
            sum
        };
        let mean: f64 = (0..63).map(|at| blurred(at / 9, at % 9)).sum::<f64>() / 63.0;
        for (at, found) in found.iter().enumerate() {
            let place = at % 63;
            let local = blurred(place / 9, place % 9) + 0.2 * mean + 1e-4;
            let expected = f64::from(image[at]) / local.sqrt();
            assert!((f64::from(*found) - expected).abs() < 1e-4 * (1.0 + expected.abs()));
        }
    }

    #[test]
    fn a_filter_reads_what_the_definition_says() {
        let shape = shape(4, 5);
        let image: Vec<f32> = (0..shape.len()).map(|at| (at as f32 * 0.9).sin()).collect();
        let filter = PatchFilter {
            size: 3,
            weights: (0..36).map(|at| (at as f32 * 0.7).cos()).collect(),
        };
        let found = filter.apply(shape, &image);
        for (at, found) in found.iter().enumerate() {
            let (o, row, column) = (at / 20, at % 20 / 5, at % 5);
            let mut expected = 0.0;
            for channel in 0..2 {
                for i in 0..3 {
                    for j in 0..3 {
                        let reflect = |at: i64, size: i64| {
                            if at < 0 {
                                -at
                            } else if at >= size {
                                2 * (size - 1) - at
                            } else {
                                at
                            }
                        };
                        let y = reflect((row + i) as i64 - 1, 4) as usize;
                        let x = reflect((column + j) as i64 - 1, 5) as usize;
                        expected += filter.weights[((o * 2 + channel) * 3 + i) * 3 + j]
                            * image[(channel * 4 + y) * 5 + x];
                    }
                }
            }
            assert!((found - expected).abs() < 1e-4, "{at}: {found} {expected}");
        }
    }

    #[test]
    fn no_image_leaves_the_bounds() {
        let images = images(30);
        let fitted = Preprocessing::fit(&spec(), &images, &MEAN, &STD);
        for preprocessing in [
            Preprocessing::default(),
            Preprocessing {
                filter: None,
                soft_clamp: None,
                ..fitted.clone()
            },
            Preprocessing {
                soft_clamp: None,
                ..fitted.clone()
            },
            fitted,
        ] {
            let bounds = preprocessing.bounds(images.shape, &MEAN, &STD);
            let mut lonely = [0; 128];
            lonely[77] = 255;
            for image in [&lonely[..], &[255; 128], images.image(3)] {
                let values = preprocessing.apply(images.shape, (&MEAN, &STD), image);
                for (at, value) in values.iter().enumerate() {
                    let (low, high) = bounds[at / 64];
                    let value = f64::from(*value);
                    assert!(
                        low - 1e-6 <= value && value <= high + 1e-6,
                        "{value} {low} {high}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_applied_is_said() {
        let fitted = Preprocessing::fit(&spec(), &images(30), &MEAN, &STD);
        assert!(fitted.fault(3).unwrap().contains("36 weights where 81"));
        let mut broken = fitted.clone();
        broken.soft_clamp = Some(f32::NAN);
        assert!(broken.fault(2).unwrap().contains("NaN"));
        let mut broken = fitted.clone();
        broken.standardize = Standardize::None;
        assert!(broken.fault(2).is_some());
        let mut broken = fitted;
        if let Some(filter) = &mut broken.filter {
            filter.weights[5] = f32::INFINITY;
        }
        assert!(broken.fault(2).unwrap().contains("inf"));
    }
}
