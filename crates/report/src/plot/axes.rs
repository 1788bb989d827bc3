//! Scales, ticks and panels: what a chart with two axes stands on.

use plotters::backend::DrawingBackend;
use plotters::style::Color;

use super::canvas::{Canvas, DrawError, Type};
use super::style::{AXIS, GRID, INK, LABEL, MUTED, SMALL};
use crate::format::{decimals, multiple_of_ten, power_of_ten};

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Evenly, from low to high.
    Linear(f64, f64),
    /// By their logarithm, from low to high, both above 0.
    Log(f64, f64),
    /// Shares below 1 by the logarithm of what is missing to 1, so that 90 %, 99 % and 99.9 % are evenly spaced.
    Nines(f64, f64),
}

/// Accuracies at which a [`Scale::Nines`] may have a tick.
const NINES: [f64; 17] = [
    0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
    0.99995, 0.99999,
];

impl Scale {
    /// An even scale from nice value to nice value around the data; of a single value, one around it.
    pub fn around(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        let step = nice_step(high - low, 5);
        Self::Linear((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// Position of a value, 0 at the low end and 1 at the high end.
    pub fn at(&self, value: f64) -> f64 {
        let nines = |share: f64| -(1.0 - share).max(1e-6).log10();
        match *self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value / low).ln() / (high / low).ln(),
            Self::Nines(low, high) => (nines(value) - nines(low)) / (nines(high) - nines(low)),
        }
    }

    /// Ticks and their labels, at most about `count`.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        match *self {
            Self::Linear(low, high) => {
                let step = nice_step(high - low, count);
                let (first, last) = (
                    (low / step - 1e-9).ceil() as i64,
                    (high / step + 1e-9).floor() as i64,
                );
                (first..=last)
                    .map(|tick| {
                        (
                            tick as f64 * step,
                            decimals(tick as f64 * step, places(step)),
                        )
                    })
                    .collect()
            }
            Self::Log(low, high) => {
                let (first, last) = (
                    (low.log10() - 1e-9).ceil() as i32,
                    (high.log10() + 1e-9).floor() as i32,
                );
                // One or two decades: their halves and fifths, too.
                if last - first <= 2 && count >= 4 {
                    return (first - 1..=last)
                        .flat_map(|power| [1, 2, 5].map(|factor| (power, factor)))
                        .map(|(power, factor)| {
                            let value = f64::from(factor) * 10_f64.powi(power);
                            (value, multiple_of_ten(factor, power))
                        })
                        .filter(|(value, _)| {
                            (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value)
                        })
                        .collect();
                }
                let every = ((last - first) as usize / count.max(1) + 1) as i32;
                (first..=last)
                    .filter(|power| (power - first) % every == 0)
                    .map(|power| (10_f64.powi(power), power_of_ten(power)))
                    .collect()
            }
            Self::Nines(low, high) => {
                let spacing = 1.0 / count.max(1) as f64;
                let mut ticks: Vec<(f64, String)> = Vec::new();
                let mut last = f64::NEG_INFINITY;
                for share in NINES
                    .into_iter()
                    .filter(|share| *share >= low - 1e-12 && *share <= high + 1e-12)
                {
                    if self.at(share) - last >= spacing {
                        last = self.at(share);
                        let percent = decimals(share * 100.0, 3);
                        let short = percent.trim_end_matches('0').trim_end_matches('.');
                        ticks.push((
                            share,
                            if share == 0.0 {
                                "0".to_owned()
                            } else {
                                short.to_owned()
                            },
                        ));
                    }
                }
                ticks
            }
        }
    }
}

/// Ends of a [`Scale::Nines`] around accuracies: ticks of their own, one beyond the data on each side.
pub(crate) fn nines_around(low: f64, high: f64) -> Scale {
    let below = NINES
        .into_iter()
        .rev()
        .find(|share| *share <= low)
        .unwrap_or(0.0);
    let above = NINES
        .into_iter()
        .find(|share| *share > high)
        .unwrap_or(0.999_99);
    Scale::Nines(below, above)
}

/// An axis for accuracies: even where they lie close together, by nines where they do not. The function places a share on it.
pub(crate) fn accuracy_scale(shares: impl Iterator<Item = f64>) -> (Scale, fn(f64) -> f64) {
    let (low, high) = ends(shares);
    if high - low < 0.06 || low < 0.3 && high < 0.8 {
        let Scale::Linear(bottom, top) = Scale::around(low * 100.0, high * 100.0) else {
            return (Scale::Linear(0.0, 100.0), |share| share * 100.0);
        };
        return (Scale::Linear(bottom.max(0.0), top.min(100.0)), |share| {
            share * 100.0
        });
    }
    (nines_around(low, high), |share| share)
}

/// A logarithmic axis from power of ten to power of ten around values above 0.
pub(crate) fn decades(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = ends(values.filter(|value| *value > 0.0));
    if !(low.is_finite() && low > 0.0) {
        return Scale::Log(1.0, 10.0);
    }
    let bottom = low.log10().floor();
    Scale::Log(
        10_f64.powf(bottom),
        10_f64.powf(high.log10().ceil().max(bottom + 1.0)),
    )
}

/// The smallest and the largest finite value.
pub(crate) fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

/// 1, 2 or 5 times a power of ten, so that about `count` of them make `span`.
fn nice_step(span: f64, count: usize) -> f64 {
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = rough / power;
    let nice = if factor <= 1.0 {
        1.0
    } else if factor <= 2.0 {
        2.0
    } else if factor <= 5.0 {
        5.0
    } else {
        10.0
    };
    nice * power
}

/// Decimal places that a multiple of `step` needs.
fn places(step: f64) -> usize {
    (-(step.log10() + 1e-9).floor()).max(0.0) as usize
}

/// The area between two axes, px.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
    pub fn px(&self, value: f64) -> f64 {
        self.left + self.width * self.x.at(value)
    }
    pub fn py(&self, value: f64) -> f64 {
        self.bottom() - self.height * self.y.at(value)
    }

    /// Horizontal grid lines with their labels; `name` (quantity and unit) stands above, level, where it is easiest to read.
    pub fn y_axis<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        name: &str,
    ) -> Result<(), DrawError> {
        for (value, label) in self.y.ticks(
            (self.height
                / if matches!(self.y, Scale::Nines(..)) {
                    24.0
                } else {
                    42.0
                }) as usize,
        ) {
            let y = self.py(value);
            canvas.line(&[(self.left, y), (self.right(), y)], &GRID, 1.0)?;
            canvas.text(
                self.left - 8.0,
                y + 4.0,
                &label,
                Type::new(SMALL, MUTED).right(),
            )?;
        }
        canvas.text(
            self.left - 34.0,
            self.top - 16.0,
            name,
            Type::new(LABEL, INK).bold(),
        )
    }

    /// The line at the bottom with ticks and labels; `name` (quantity and unit) stands below.
    pub fn x_axis<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        name: &str,
        ticks: &[(f64, String)],
    ) -> Result<(), DrawError> {
        let y = self.bottom();
        canvas.line(&[(self.left, y), (self.right(), y)], &AXIS, 1.0)?;
        for (value, label) in ticks {
            let x = self.px(*value);
            canvas.line(&[(x, y), (x, y + 4.0)], &AXIS, 1.0)?;
            canvas.text(x, y + 17.0, label, Type::new(SMALL, MUTED).centre())?;
        }
        canvas.text(
            self.left + self.width / 2.0,
            y + 36.0,
            name,
            Type::new(SMALL, MUTED).centre(),
        )
    }

    /// A curve through points in ascending x, cut at the top and bottom of the area; what is not finite is left out.
    pub fn curve<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        points: &[(f64, f64)],
        color: &impl Color,
        stroke: f64,
    ) -> Result<(), DrawError> {
        for piece in self.pieces(points) {
            canvas.line(&piece, color, stroke)?;
        }
        Ok(())
    }

    /// The parts of a curve that lie in the area, px.
    fn pieces(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let (top, bottom) = (self.top, self.bottom());
        let inside = |y: f64| (top - 0.01..=bottom + 0.01).contains(&y);
        let mut pieces = Vec::new();
        let mut piece: Vec<(f64, f64)> = Vec::new();
        let mut before: Option<(f64, f64)> = None;
        for &(x, y) in points {
            let point = (self.px(x), self.py(y));
            if !point.0.is_finite() || !point.1.is_finite() {
                pieces.push(std::mem::take(&mut piece));
                before = None;
                continue;
            }
            if let Some(from) = before
                && inside(from.1) != inside(point.1)
            {
                let (outer, inner) = if inside(from.1) {
                    (point, from)
                } else {
                    (from, point)
                };
                let edge = if outer.1 < top { top } else { bottom };
                let cut = (
                    inner.0 + (outer.0 - inner.0) * (edge - inner.1) / (outer.1 - inner.1),
                    edge,
                );
                piece.push(cut);
                if inside(from.1) {
                    pieces.push(std::mem::take(&mut piece));
                }
            }
            if inside(point.1) {
                piece.push(point);
            }
            before = Some(point);
        }
        pieces.push(piece);
        pieces.retain(|piece| piece.len() > 1);
        pieces
    }
}

/// Moves label positions apart, to at least `gap` between neighbours within `top..bottom`, as little as needed. Keeps their order.
pub(crate) fn spread(positions: &mut [f64], gap: f64, top: f64, bottom: f64) {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|a, b| positions[*a].total_cmp(&positions[*b]));
    for pair in 1..order.len() {
        let (above, below) = (order[pair - 1], order[pair]);
        let overlap = gap - (positions[below] - positions[above]);
        if overlap > 0.0 {
            positions[below] += overlap;
        }
    }
    // What ran out at the bottom goes back up; what does not fit at all runs out at the top.
    let mut limit = bottom;
    for index in order.iter().rev() {
        positions[*index] = positions[*index].min(limit);
        limit = positions[*index] - gap;
    }
    let mut limit = top;
    for index in order {
        if positions[index] < limit {
            positions[index] = limit;
            limit += gap;
        } else {
            break;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn labels(scale: Scale, count: usize) -> Vec<String> {
        scale
            .ticks(count)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            labels(Scale::Linear(0.0, 1.0), 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(Scale::Linear(-4.0, 4.0), 4),
            ["−4", "−2", "0", "2", "4"]
        );
        assert_eq!(
            labels(Scale::Log(1e-4, 10.0), 10),
            ["10⁻⁴", "0.001", "0.01", "0.1", "1", "10"]
        );
        assert_eq!(
            labels(Scale::Log(1e6, 1e7), 6),
            ["10⁶", "2 × 10⁶", "5 × 10⁶", "10⁷"]
        );
        assert_eq!(
            labels(Scale::Log(0.2, 5.0), 6),
            ["0.2", "0.5", "1", "2", "5"]
        );
        assert_eq!(
            labels(Scale::Nines(0.9, 0.999), 8),
            ["90", "95", "98", "99", "99.5", "99.8", "99.9"]
        );
    }

    #[test]
    fn positions_run_from_zero_to_one() {
        for scale in [
            Scale::Linear(-2.0, 6.0),
            Scale::Log(0.01, 100.0),
            Scale::Nines(0.5, 0.999),
        ] {
            let (low, high) = match scale {
                Scale::Linear(low, high) | Scale::Log(low, high) | Scale::Nines(low, high) => {
                    (low, high)
                }
            };
            assert!(scale.at(low).abs() < 1e-12 && (scale.at(high) - 1.0).abs() < 1e-12);
        }
        assert!((Scale::Nines(0.0, 0.99).at(0.9) - 0.5).abs() < 1e-12);
        assert!(Scale::Nines(0.0, 0.99).at(1.0).is_finite());
        assert_eq!(
            Scale::around(3.0, 3.0),
            Scale::Linear(2.4000000000000004, 3.6)
        );
    }

    #[test]
    fn scales_hold_their_values() {
        let (scale, place) = accuracy_scale([0.991, 0.995].into_iter());
        for share in [0.991, 0.995] {
            assert!((0.0..=1.0).contains(&scale.at(place(share))));
        }
        let (scale, place) = accuracy_scale([0.4, 0.995].into_iter());
        assert!(matches!(scale, Scale::Nines(..)) && scale.at(place(0.4)) >= 0.0);
        assert_eq!(decades([3.0, 500.0].into_iter()), Scale::Log(1.0, 1_000.0));
        assert_eq!(decades(std::iter::empty()), Scale::Log(1.0, 10.0));
    }

    #[test]
    fn curves_are_cut_at_the_panel() {
        let panel = Area {
            left: 0.0,
            top: 0.0,
            width: 10.0,
            height: 10.0,
            x: Scale::Linear(0.0, 10.0),
            y: Scale::Linear(0.0, 10.0),
        };
        let pieces = panel.pieces(&[
            (0.0, 5.0),
            (4.0, 15.0),
            (8.0, 5.0),
            (9.0, f64::NAN),
            (10.0, 5.0),
        ]);
        assert_eq!(
            pieces,
            [vec![(0.0, 5.0), (2.0, 0.0)], vec![(6.0, 0.0), (8.0, 5.0)]]
        );
    }

    #[test]
    fn labels_move_apart_and_stay_inside() {
        let mut positions = [5.0, 4.0, 98.0, 99.0];
        spread(&mut positions, 10.0, 0.0, 100.0);
        assert_eq!(positions, [14.0, 4.0, 90.0, 100.0]);
        let mut crowded = [100.0, 100.0, 100.0];
        spread(&mut crowded, 10.0, 0.0, 100.0);
        assert_eq!(crowded, [80.0, 90.0, 100.0]);
    }
}
