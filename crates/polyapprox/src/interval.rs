//! A finite closed interval.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a polynomial shall be good. Both ends are finite, the first is smaller. Serialised as `[low, high]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 2]", into = "[f64; 2]")]
pub struct Interval {
    low: f64,
    high: f64,
}

impl Interval {
    /// The interval from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Interval`] unless both ends are finite and `low < high`.
    pub fn new(low: f64, high: f64) -> Result<Self, Error> {
        if low.is_finite() && high.is_finite() && low < high {
            Ok(Self { low, high })
        } else {
            Err(Error::Interval { low, high })
        }
    }

    /// The smaller end.
    pub const fn low(self) -> f64 {
        self.low
    }

    /// The larger end.
    pub const fn high(self) -> f64 {
        self.high
    }

    /// Whether `x` lies in it, ends included.
    pub fn contains(self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Half of its length.
    pub fn half_width(self) -> f64 {
        // Halved first: the length of a finite interval may overflow.
        self.high / 2.0 - self.low / 2.0
    }

    /// Its middle.
    pub fn centre(self) -> f64 {
        self.low / 2.0 + self.high / 2.0
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.low, self.high)
    }
}

impl TryFrom<[f64; 2]> for Interval {
    type Error = Error;

    fn try_from([low, high]: [f64; 2]) -> Result<Self, Error> {
        Self::new(low, high)
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_interval() {
        for (low, high) in [
            (1.0, 1.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, f64::NAN),
            (0.0, f64::INFINITY),
            (f64::NEG_INFINITY, 0.0),
        ] {
            assert!(
                matches!(Interval::new(low, high), Err(Error::Interval { .. })),
                "[{low}, {high}]"
            );
        }
    }

    #[test]
    fn the_largest_interval_has_finite_measures() {
        let all = Interval::new(f64::MIN, f64::MAX).unwrap();
        assert_eq!(all.half_width(), f64::MAX);
        assert_eq!(all.centre(), 0.0);
    }

    #[test]
    fn is_a_pair_in_json_and_is_checked_when_read() {
        let interval = Interval::new(-3.0, 5.0).unwrap();
        assert_eq!(serde_json::to_string(&interval).unwrap(), "[-3.0,5.0]");
        assert_eq!(
            serde_json::from_str::<Interval>("[-3, 5]").unwrap(),
            interval
        );
        assert!(serde_json::from_str::<Interval>("[5, -3]").is_err());
    }
}
