//! A measured distribution of inputs.

use crate::measure::Measure;
use crate::{Error, Interval};

/// A distribution of inputs, constant within each of the equal bins it was counted in.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    range: Interval,
    counts: Vec<u64>,
}

impl Density {
    /// Most bins a histogram may have.
    pub const MAX_BINS: usize = 1 << 16;

    /// The distribution that `counts` in equal bins from `low` to `high` describe.
    ///
    /// # Errors
    /// [`Error::Interval`] unless `low < high`, both finite; [`Error::Bins`] without bins or with more than [`Self::MAX_BINS`];
    /// [`Error::NoMass`] if all counts are zero.
    pub fn from_histogram(low: f64, high: f64, counts: &[u64]) -> Result<Self, Error> {
        let range = Interval::new(low, high)?;
        if counts.is_empty() || counts.len() > Self::MAX_BINS {
            return Err(Error::Bins {
                bins: counts.len(),
                max: Self::MAX_BINS,
            });
        }
        if counts.iter().all(|&count| count == 0) {
            return Err(Error::NoMass { low, high });
        }
        Ok(Self {
            range,
            counts: counts.to_vec(),
        })
    }

    /// From the lowest bin to the highest.
    pub const fn range(&self) -> Interval {
        self.range
    }

    /// The share of the inputs that lies within `interval`, 0 to 1.
    pub fn share_within(&self, interval: Interval) -> f64 {
        let width = 2.0 * self.range.half_width() / self.counts.len() as f64;
        let mut inside = 0.0;
        let mut all = 0.0;
        for (bin, &count) in self.counts.iter().enumerate() {
            let low = self.range.low() + width * bin as f64;
            let overlap = (low + width).min(interval.high()) - low.max(interval.low());
            inside += count as f64 * (overlap / width).clamp(0.0, 1.0);
            all += count as f64;
        }
        inside / all
    }

    /// Root mean square of `error` over the inputs within `interval`.
    ///
    /// # Errors
    /// [`Error::NoMass`] if none of them lies there.
    pub fn root_mean_square(
        &self,
        interval: Interval,
        error: impl Fn(f64) -> f64,
    ) -> Result<f64, Error> {
        let measure = self.within(interval)?;
        Ok(measure.mean(|point| error(point.x).powi(2)).sqrt())
    }

    /// The part within `interval`, as a measure.
    pub(crate) fn within(&self, interval: Interval) -> Result<Measure, Error> {
        Measure::histogram(self.range, &self.counts, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used)]
    fn means_and_shares_by_hand() {
        // Three quarters of the inputs are uniform on [0, 1], one quarter on [1, 2].
        let density = Density::from_histogram(0.0, 2.0, &[3, 1]).unwrap();
        let whole = density.range();
        assert!((density.share_within(Interval::new(0.5, 1.5).unwrap()) - 0.5).abs() < 1e-15);
        assert_eq!(density.share_within(whole), 1.0);
        assert_eq!(density.share_within(Interval::new(3.0, 4.0).unwrap()), 0.0);
        // Mean of x^2: 3/4 x 1/3 + 1/4 x 7/3 = 5/6.
        let found = density.root_mean_square(whole, |x| x).unwrap();
        assert!((found * found - 5.0 / 6.0).abs() < 1e-14);
        assert!(matches!(
            density.root_mean_square(Interval::new(3.0, 4.0).unwrap(), |x| x),
            Err(Error::NoMass { .. })
        ));
    }

    #[test]
    fn refuses_what_is_no_histogram() {
        assert_eq!(
            Density::from_histogram(-1.0, 1.0, &[]),
            Err(Error::Bins {
                bins: 0,
                max: Density::MAX_BINS
            })
        );
        assert_eq!(
            Density::from_histogram(-1.0, 1.0, &[0, 0]),
            Err(Error::NoMass {
                low: -1.0,
                high: 1.0
            })
        );
        assert_eq!(
            Density::from_histogram(1.0, 1.0, &[3]),
            Err(Error::Interval {
                low: 1.0,
                high: 1.0
            })
        );
        let many = vec![1; Density::MAX_BINS + 1];
        assert!(matches!(
            Density::from_histogram(0.0, 1.0, &many),
            Err(Error::Bins { .. })
        ));
    }
}
