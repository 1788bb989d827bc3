//! Statistics of maps.

use super::steps::Centred;
use crate::arithmetic::Processor;
use crate::entry::Entry;
use crate::passes::sum;

/// Mean and biased variance, per channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Means.
    pub mean: Vec<f64>,
    /// Mean squared distances from the means.
    pub variance: Vec<f64>,
}

impl Moments {
    /// Of every channel of a map.
    ///
    /// # Panics
    /// When `x` is not a whole number of rows of `channels` entries.
    pub fn of<T: Entry>(x: &[T], channels: usize) -> Self {
        Self::on(Processor::here(), x, channels)
    }

    pub(super) fn on<T: Entry>(processor: Processor, x: &[T], channels: usize) -> Self {
        let rows = rows(x, channels);
        // Sums of squares lose digits when the mean is large. That of a few rows is close enough to it.
        let sample = x.chunks_exact(channels).step_by((rows / 16).max(1));
        let mut centre = vec![0.0; channels];
        for row in sample.clone() {
            for (centre, x) in centre.iter_mut().zip(row) {
                *centre += x.to_f32() / sample.len() as f32;
            }
        }
        let [first, second] = sum(processor, channels, x, None, &Centred(centre.clone()));
        let count = rows.max(1) as f64;
        let offset: Vec<f64> = first.iter().map(|sum| sum / count).collect();
        Self {
            mean: centre
                .iter()
                .zip(&offset)
                .map(|(c, offset)| f64::from(*c) + offset)
                .collect(),
            variance: second
                .iter()
                .zip(&offset)
                .map(|(sum, offset)| (sum / count - offset * offset).max(0.0))
                .collect(),
        }
    }
}

/// How many rows of `channels` entries a map has.
pub(super) fn rows<T>(x: &[T], channels: usize) -> usize {
    assert!(channels > 0 && x.len().is_multiple_of(channels));
    x.len() / channels
}
