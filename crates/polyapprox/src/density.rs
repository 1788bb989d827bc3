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

    /// The part within `interval`, as a measure.
    pub(crate) fn within(&self, interval: Interval) -> Result<Measure, Error> {
        Measure::histogram(self.range, &self.counts, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
