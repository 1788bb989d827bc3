//! The kinds of charts that the studies are shown with.

mod bars;
mod dots;
mod lines;
mod scatter;

pub(super) use bars::{Bars, Segment, Stack};
pub(super) use dots::{Dot, DotRow, Dots};
pub(super) use lines::{Line, LinePanel, Lines, Mark};
pub(super) use scatter::{Place, Scatter};

use crate::axes::{Scale, nines_around};

/// An axis for accuracies: even where they lie close together, by nines where they do not. The function places a share on it.
pub(super) fn accuracy_scale(shares: impl Iterator<Item = f64>) -> (Scale, fn(f64) -> f64) {
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
pub(super) fn decades(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = ends(values.filter(|value| *value > 0.0));
    let (low, high) = if low.is_finite() && low > 0.0 {
        (low, high)
    } else {
        (1.0, 10.0)
    };
    let bottom = low.log10().floor();
    let top = high.log10().ceil().max(bottom + 1.0);
    Scale::Log(10_f64.powf(bottom), 10_f64.powf(top))
}

/// A logarithmic axis that ends close to the values: at 1, 2 or 5 times a power of ten.
pub(super) fn close_log(values: impl Iterator<Item = f64>) -> Scale {
    let (low, high) = ends(values.filter(|value| *value > 0.0));
    if !(low.is_finite() && low > 0.0) {
        return Scale::Log(1.0, 10.0);
    }
    let steps = |value: f64| {
        let power = 10_f64.powf(value.log10().floor());
        [1.0, 2.0, 5.0, 10.0].map(|step| step * power)
    };
    let bottom = steps(low)
        .into_iter()
        .rev()
        .find(|step| *step <= low * 1.000_001)
        .unwrap_or(low);
    let top = steps(high)
        .into_iter()
        .find(|step| *step >= high * 0.999_999)
        .unwrap_or(high);
    if top > bottom {
        Scale::Log(bottom, top)
    } else {
        Scale::Log(bottom / 2.0, top * 2.0)
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(close_log([3.0, 450.0].into_iter()), Scale::Log(2.0, 500.0));
        assert_eq!(close_log([0.0].into_iter()), Scale::Log(1.0, 10.0));
    }
}
