//! Integrals by Gauss-Legendre rules on panels.
//!
//! A Gauss rule with m nodes is exact for polynomials of degree 2m - 1 and converges geometrically for what is analytic around the panel.
//! So panels end where a function has its kink, and shrink towards zero, where all activation functions bend: the poles of sigmoid
//! and tanh at distance pi and pi / 2 from zero are then well outside every panel's ellipse of convergence. Source: Trefethen,
//! Approximation Theory and Approximation Practice, chapter 19.

use std::f64::consts::PI;

/// Nodes of one panel. 20 make products of two polynomials of degree [`MAX_DEGREE`](crate::MAX_DEGREE) exact, with a reserve for the
/// function's own curvature.
pub const NODES: usize = 20;

/// |x| at which panels end, besides zero. Beyond 64 all functions here are straight lines to the last bit.
const LADDER: [f64; 8] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Nodes and weights of the Gauss-Legendre rule on \[-1, 1\].
#[derive(Clone, Debug)]
pub struct Gauss {
    /// Pairs of node and weight, nodes ascending.
    rule: Vec<(f64, f64)>,
}

impl Gauss {
    /// The rule with `count` nodes, the zeros of the Legendre polynomial of that degree, by Newton's method.
    pub fn new(count: usize) -> Self {
        let degree = count as f64;
        let rule = (0..count)
            .map(|index| {
                // First guess: Abramowitz and Stegun 22.16.6 to leading order.
                let mut node = -((index as f64 + 0.75) / (degree + 0.5) * PI).cos();
                let mut slope = 0.0;
                for _ in 0..10 {
                    let (mut below, mut value) = (1.0, node);
                    for k in 2..=count {
                        let k = k as f64;
                        (below, value) = (
                            value,
                            ((2.0 * k - 1.0) * node * value - (k - 1.0) * below) / k,
                        );
                    }
                    slope = degree * (node * value - below) / ((node - 1.0) * (node + 1.0));
                    node -= value / slope;
                }
                (node, 2.0 / ((1.0 - node) * (1.0 + node) * slope * slope))
            })
            .collect();
        Self { rule }
    }

    /// Nodes and weights on the panel from `low` to `high`.
    pub fn panel(&self, low: f64, high: f64) -> impl Iterator<Item = (f64, f64)> {
        let (middle, half) = (low / 2.0 + high / 2.0, high / 2.0 - low / 2.0);
        self.rule
            .iter()
            .map(move |&(node, weight)| (middle + half * node, half * weight))
    }
}

/// Ends of the panels from `low` to `high`, ascending: `pieces` equal parts, further split at zero and on the ladder towards it.
pub fn breaks(low: f64, high: f64, pieces: u32) -> Vec<f64> {
    let equal = (1..pieces).map(|piece| {
        let share = f64::from(piece) / f64::from(pieces);
        low * (1.0 - share) + high * share
    });
    let mut ends: Vec<f64> = equal
        .chain([0.0])
        .chain(LADDER.into_iter().flat_map(|x| [-x, x]))
        .filter(|x| low < *x && *x < high)
        .chain([low, high])
        .collect();
    ends.sort_by(f64::total_cmp);
    // -0 and 0 are one place.
    ends.dedup_by(|a, b| a == b);
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Function;

    /// Tanh-sinh quadrature (Takahasi and Mori 1974), which shares nothing with Gauss rules: the second opinion.
    fn tanh_sinh(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
        let (middle, half, step) = ((low + high) / 2.0, (high - low) / 2.0, 1.0 / 64.0);
        (-256_i32..=256)
            .map(|k| {
                let s = f64::from(k) * step;
                let inner = PI / 2.0 * s.sinh();
                let weight = PI / 2.0 * s.cosh() / inner.cosh().powi(2);
                step * weight * half * f(middle + half * inner.tanh())
            })
            .sum()
    }

    fn gauss(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
        let rule = Gauss::new(NODES);
        let ends = breaks(low, high, 16);
        ends.windows(2)
            .flat_map(|ends| rule.panel(ends[0], ends[1]))
            .map(|(x, weight)| weight * f(x))
            .sum()
    }

    #[test]
    fn twenty_nodes_are_exact_to_degree_39() {
        let rule = Gauss::new(NODES);
        for power in 0..40 {
            let sum: f64 = rule
                .panel(-1.0, 1.0)
                .map(|(x, weight)| weight * x.powi(power))
                .sum();
            let exact = if power % 2 == 0 {
                2.0 / f64::from(power + 1)
            } else {
                0.0
            };
            assert!((sum - exact).abs() < 1e-15, "x^{power}: {sum} for {exact}");
        }
        let next: f64 = rule
            .panel(-1.0, 1.0)
            .map(|(x, weight)| weight * x.powi(40))
            .sum();
        assert!(
            (next - 2.0 / 41.0).abs() > 1e-13,
            "degree 40 must show an error"
        );
    }

    #[test]
    fn panels_cover_the_interval_and_end_at_zero() {
        for (low, high) in [
            (-255.0, 255.0),
            (-1.0, 1.0),
            (-0.01, 3.0),
            (2.0, 3.0),
            (-1e6, 0.5),
        ] {
            let ends = breaks(low, high, 16);
            assert_eq!((ends[0], ends[ends.len() - 1]), (low, high));
            assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(ends.contains(&0.0), low < 0.0);
        }
    }

    #[test]
    fn two_independent_rules_agree_on_every_function() {
        for function in Function::ALL {
            for (low, high) in [(-1.0, 1.0), (-8.0, 8.0), (-3.0, 40.0)] {
                for power in [0, 1, 7] {
                    let f = |x: f64| function.value(x) * (x / high).powi(power);
                    // The second rule knows no panels: give it the kink at zero.
                    let other = tanh_sinh(low, 0.0, f) + tanh_sinh(0.0, high, f);
                    let size = gauss(low, high, |x| f(x).abs());
                    let difference = (gauss(low, high, f) - other).abs();
                    assert!(
                        difference < 1e-13 * size,
                        "{function} x^{power} on [{low}, {high}]: {difference}"
                    );
                }
            }
        }
    }

    #[test]
    fn two_independent_rules_agree_on_the_modified_measure() {
        for power in 0..=30 {
            let f = |t: f64| (-1.0 / (1e-5 + t * t)).exp() * t.powi(power);
            let (sum, other) = (gauss(0.0, 1.0, f), tanh_sinh(0.0, 1.0, f));
            assert!(
                (sum / other - 1.0).abs() < 1e-13,
                "t^{power}: {sum} and {other}"
            );
        }
    }
}
