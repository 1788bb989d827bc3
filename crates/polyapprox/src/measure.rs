//! Measures as weighted points.
//!
//! Each method projects under a measure of its own. Here a measure is what a quadrature rule makes of it: points, dense enough that sums
//! over them are integrals to rounding error, with positive weights. Functions of x never meet anything else.

use crate::quadrature::{Gauss, NODES, breaks};
use crate::{Error, Interval};
use std::f64::consts::PI;

/// Equal pieces of an interval, before it is split further towards zero.
pub const PIECES: u32 = 16;

/// The regulariser of the modified Chebyshev measure (CryptoDL, section 3.2): without it the exponent has a pole at zero.
const MODIFIED_EPSILON: f64 = 1e-5;

/// Half the width of the Gaussian that is kept, in standard deviations: at 20 the weight is 1e-87 and t^30 times it still 1e-48.
const GAUSSIAN_REACH: f64 = 20.0;

/// A measure of total mass 1 on points x = origin + scale * t.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The x of t = 0.
    pub origin: f64,
    /// The length in x of one t.
    pub scale: f64,
    points: Vec<Point>,
}

/// One point of a measure.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// In the function's own units.
    pub x: f64,
    /// In the measure's units.
    pub t: f64,
    /// Positive; all weights of a measure sum to 1.
    pub weight: f64,
}

impl Measure {
    /// Points given by x and any positive weight.
    pub fn new(origin: f64, scale: f64, weighted: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut points: Vec<Point> = weighted
            // The modified measure underflows around zero: nothing is there.
            .filter(|&(_, weight)| weight > 0.0)
            .map(|(x, weight)| Point {
                x,
                t: (x - origin) / scale,
                weight,
            })
            .collect();
        let mass: f64 = points.iter().map(|point| point.weight).sum();
        for point in &mut points {
            point.weight /= mass;
        }
        Self {
            origin,
            scale,
            points,
        }
    }

    /// All points of the interval alike: dt.
    pub fn uniform(interval: Interval) -> Self {
        Self::on(interval, |_| 1.0)
    }

    /// exp(-1 / (1e-5 + t^2)) dt, with t = -1 and 1 at the interval's ends.
    pub fn modified_chebyshev(interval: Interval) -> Self {
        Self::on(interval, |t| (-1.0 / (MODIFIED_EPSILON + t * t)).exp())
    }

    /// `density(t)` dt.
    fn on(interval: Interval, density: impl Fn(f64) -> f64) -> Self {
        let (origin, scale) = (interval.centre(), interval.half_width());
        let rule = Gauss::new(NODES);
        let ends = breaks(interval.low(), interval.high(), PIECES);
        let points = ends
            .windows(2)
            .flat_map(|ends| rule.panel(ends[0], ends[1]))
            .map(|(x, weight)| (x, weight * density((x - origin) / scale)));
        Self::new(origin, scale, points)
    }

    /// dt / sqrt(1 - t^2), with t = -1 and 1 at the interval's ends. With t = cos(theta) it is d theta, and no end is singular.
    pub fn chebyshev(interval: Interval) -> Self {
        let (origin, scale) = (interval.centre(), interval.half_width());
        let rule = Gauss::new(NODES);
        let angles: Vec<f64> = breaks(interval.low(), interval.high(), PIECES)
            .into_iter()
            .rev()
            .map(|x| {
                if x == interval.low() {
                    PI
                } else if x == interval.high() {
                    0.0
                } else {
                    ((x - origin) / scale).clamp(-1.0, 1.0).acos()
                }
            })
            .collect();
        let points = angles
            .windows(2)
            .flat_map(|ends| rule.panel(ends[0], ends[1]))
            .map(|(angle, weight)| (origin + scale * angle.cos(), weight));
        Self::new(origin, scale, points)
    }

    /// The normal distribution with its mean at the interval's centre and a third of the half-width as standard deviation; t is in
    /// standard deviations.
    pub fn gaussian(interval: Interval) -> Self {
        let (origin, scale) = (interval.centre(), interval.half_width() / 3.0);
        let rule = Gauss::new(NODES);
        let reach = GAUSSIAN_REACH * scale;
        let ends = breaks(origin - reach, origin + reach, 3 * PIECES);
        let points = ends
            .windows(2)
            .flat_map(|ends| rule.panel(ends[0], ends[1]))
            .map(|(x, weight)| (x, weight * (-((x - origin) / scale).powi(2) / 2.0).exp()));
        Self::new(origin, scale, points)
    }

    /// The part of a histogram within `interval`, constant within each bin; t = -1 and 1 at the ends of that part. `counts` are those of
    /// equal bins of `range`.
    ///
    /// # Errors
    /// [`Error::NoMass`] if no count lies in the interval.
    pub fn histogram(range: Interval, counts: &[u64], interval: Interval) -> Result<Self, Error> {
        let bins = counts.len() as f64;
        let edge = |bin: usize| {
            let share = bin as f64 / bins;
            range.low() * (1.0 - share) + range.high() * share
        };
        let panels: Vec<(f64, f64, f64)> = counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0)
            .flat_map(|(bin, &count)| {
                let (left, right) = (edge(bin), edge(bin + 1));
                let (low, high) = (left.max(interval.low()), right.min(interval.high()));
                let density = count as f64 / (right / 2.0 - left / 2.0);
                let ends = if low < high {
                    breaks(low, high, 1)
                } else {
                    Vec::new()
                };
                ends.windows(2)
                    .map(|ends| (ends[0], ends[1], density))
                    .collect::<Vec<_>>()
            })
            .collect();
        let (Some(&(low, _, _)), Some(&(_, high, _))) = (panels.first(), panels.last()) else {
            return Err(Error::NoMass {
                low: interval.low(),
                high: interval.high(),
            });
        };
        // Many panels are narrow panels, which need fewer nodes.
        let rule = Gauss::new(if panels.len() > 8 * NODES {
            NODES / 2
        } else {
            NODES
        });
        let points = panels.iter().flat_map(|&(low, high, density)| {
            rule.panel(low, high)
                .map(move |(x, weight)| (x, weight * density))
        });
        Ok(Self::new(
            low / 2.0 + high / 2.0,
            high / 2.0 - low / 2.0,
            points,
        ))
    }

    /// The points.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The mean of `f` under the measure.
    pub fn mean(&self, f: impl Fn(&Point) -> f64) -> f64 {
        self.points
            .iter()
            .map(|point| point.weight * f(point))
            .sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment(measure: &Measure, power: i32) -> f64 {
        measure.mean(|point| point.t.powi(power))
    }

    #[test]
    fn moments_are_the_known_ones() {
        for (low, high) in [(-1.0, 1.0), (-255.0, 255.0), (-2.0, 7.0), (3.0, 4.0)] {
            let interval = Interval::new(low, high).unwrap();
            for power in 0..=15 {
                // Moments of order 2k: 1 / (2k + 1), (2k - 1)!! / (2k)!!, (2k - 1)!!; the odd ones vanish.
                let factors = || (1..=power / 2).map(|k| f64::from(2 * k - 1));
                let even = f64::from(u8::from(power % 2 == 0));
                let known = [
                    (Measure::uniform(interval), 1.0 / f64::from(power + 1)),
                    (
                        Measure::chebyshev(interval),
                        factors().map(|odd| odd / (odd + 1.0)).product::<f64>(),
                    ),
                    (Measure::gaussian(interval), factors().product::<f64>()),
                ];
                for (measure, value) in known {
                    let found = moment(&measure, power);
                    assert!(
                        (found - even * value).abs() < 1e-13 * value.max(1.0) * 10.0,
                        "{power} on {interval}: {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_histogram_is_cut_at_the_interval() {
        // Density 1 on [0, 1], 3 on [1, 2], cut to [0.5, 1.5]: masses 0.5 and 1.5, mean (0.5 * 0.75 + 1.5 * 1.25) / 2.
        let (range, interval) = (
            Interval::new(-1.0, 3.0).unwrap(),
            Interval::new(0.5, 1.5).unwrap(),
        );
        let measure = Measure::histogram(range, &[0, 1, 3, 0], interval).unwrap();
        assert_eq!((measure.origin, measure.scale), (1.0, 0.5));
        assert!((measure.mean(|point| point.x) - 1.125).abs() < 1e-15);
        let outside = Interval::new(2.0, 3.0).unwrap();
        assert_eq!(
            Measure::histogram(range, &[0, 1, 3, 0], outside).unwrap_err(),
            Error::NoMass {
                low: 2.0,
                high: 3.0
            }
        );
    }
}
