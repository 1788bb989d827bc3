//! Where a function is farthest from zero.

/// A place where a function is locally farthest from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremum {
    /// Where.
    pub x: f64,
    /// The function there, with its sign.
    pub value: f64,
}

/// Samples of one panel. The errors of polynomials of degree 15 turn less than twice in one of 16 panels.
const SAMPLES: u32 = 32;

/// Steps of the golden-section search: each shrinks the bracket to 0.618, and 40 to 4e-9 of it. A maximum is flat, so that its value is
/// then exact to rounding.
const STEPS: usize = 40;

/// The local extrema of |g|, in ascending order, ends of panels included. `g(x, inside)` is called with a point of a panel and the panel's
/// middle: at an end, a function with a kink there can give the one-sided value.
pub fn extrema(panels: &[f64], g: impl Fn(f64, f64) -> f64) -> Vec<Extremum> {
    let mut found = Vec::new();
    for panel in panels.windows(2) {
        let (low, high) = (panel[0], panel[1]);
        let middle = low / 2.0 + high / 2.0;
        let g = |x: f64| g(x, middle);
        let samples: Vec<Extremum> = (0..=SAMPLES)
            .map(|i| {
                let share = f64::from(i) / f64::from(SAMPLES);
                low * (1.0 - share) + high * share
            })
            .map(|x| Extremum { x, value: g(x) })
            .collect();
        for (i, &sample) in samples.iter().enumerate() {
            let left = samples[i.saturating_sub(1)];
            let right = samples[(i + 1).min(samples.len() - 1)];
            if sample.value.abs() >= left.value.abs() && sample.value.abs() >= right.value.abs() {
                let refined = climb(left.x, right.x, sample.value.signum(), g);
                found.push(if refined.value.abs() > sample.value.abs() {
                    refined
                } else {
                    sample
                });
            }
        }
    }
    found
}

/// The largest of [`extrema`]; `None` without panels.
pub fn largest(panels: &[f64], g: impl Fn(f64, f64) -> f64) -> Option<Extremum> {
    extrema(panels, g)
        .into_iter()
        .max_by(|a, b| a.value.abs().total_cmp(&b.value.abs()))
}

/// Golden-section search for a maximum of `sign * g` (Kiefer 1953).
fn climb(mut low: f64, mut high: f64, sign: f64, g: impl Fn(f64) -> f64) -> Extremum {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let at = |x: f64| Extremum { x, value: g(x) };
    let mut left = at(high - ratio * (high - low));
    let mut right = at(low + ratio * (high - low));
    for _ in 0..STEPS {
        if sign * left.value > sign * right.value {
            (high, right) = (right.x, left);
            left = at(high - ratio * (high - low));
        } else {
            (low, left) = (left.x, right);
            right = at(low + ratio * (high - low));
        }
    }
    if sign * left.value > sign * right.value {
        left
    } else {
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_extrema_of_a_chebyshev_polynomial() {
        // T_5 is 1 or -1 at cos(k pi / 5), k = 0..5, and nowhere larger.
        let found = extrema(&[-1.0, 0.0, 1.0], |x, _| (5.0 * x.acos()).cos());
        let known: Vec<f64> = (0..=5)
            .rev()
            .map(|k| (f64::from(k) * std::f64::consts::PI / 5.0).cos())
            .collect();
        assert_eq!(found.len(), known.len(), "{found:?}");
        for (found, known) in found.iter().zip(known) {
            assert!((found.x - known).abs() < 1e-7 && (found.value.abs() - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn a_jump_at_a_panel_end_is_seen_from_both_sides() {
        let step = |x: f64, inside: f64| {
            if x > 0.0 || (x == 0.0 && inside > 0.0) {
                2.0 - x
            } else {
                -1.0 + x
            }
        };
        assert_eq!(
            largest(&[-1.0, 0.0, 1.0], step),
            Some(Extremum { x: 0.0, value: 2.0 })
        );
    }
}
