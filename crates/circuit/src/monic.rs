//! One channel's polynomial made monic, so that its leading coefficient costs neither a level nor a multiplication.
//!
//! Degree 2 completes the square: `a x² + b x + c = ±(√|a| (x + b/2a))² + (c - b²/4a)`; scale and shift go into the linear layer
//! before, sign and constant into the one after. A higher degree n takes `u = |aₙ|^(1/n) x` (an odd root takes the sign) and keeps the
//! lower coefficients, divided by the powers of that root.

/// The largest ratio of the shifted to the unshifted bound for which a square is completed; past it `b/2a` has exploded.
const LARGEST_SHIFT: f64 = 4.0;

/// The most that the noise of a lower power may be multiplied by, relative to the polynomial's own size: the lower coefficients of the
/// monic form, `a_k / r^k` with `r = |a_n|^(1/n)`, grow without bound as the leading one shrinks.
const LARGEST_GAIN: f64 = 32.0;

/// What a channel of degree n becomes: `p(x) = factor · m(scale · x + shift) + constant`, with m monic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Monic {
    /// Into the linear layer before.
    pub scale: f64,
    /// Into the linear layer before.
    pub shift: f64,
    /// Coefficients of u¹ to uⁿ⁻¹ (index 0 belongs to u¹).
    pub lower: Vec<f64>,
    /// 1 or -1 until stretched (0 for a constant polynomial), into the linear layer after.
    pub factor: f64,
    /// Into the linear layer after.
    pub constant: f64,
}

/// The degree that `rows` of ascending coefficients really have on |x| <= `range` (one per row): leading coefficients that are zero to
/// rounding in *every* row (a ReLU fitted with degree 3 on a symmetric interval, say) do not count. At least 2, the smallest circuit.
pub(super) fn effective_degree(rows: &[Vec<f64>], ranges: &[f64]) -> usize {
    /// Relative to the row's largest term; far above the rounding of f32, far below anything that a classifier notices.
    const NEGLIGIBLE: f64 = 1e-6;
    let degree_of = |row: &Vec<f64>, range: f64| {
        let terms = terms(row, range);
        let largest = terms.iter().skip(1).fold(0.0, |a: f64, b| a.max(*b));
        (1..row.len())
            .rev()
            .find(|&k| terms[k] > NEGLIGIBLE * largest)
            .unwrap_or(0)
    };
    rows.iter()
        .zip(ranges)
        .map(|(row, range)| degree_of(row, *range))
        .max()
        .unwrap_or(0)
        .max(2)
}

/// `|a_k| range^k` for every k.
fn terms(row: &[f64], range: f64) -> Vec<f64> {
    row.iter()
        .enumerate()
        .map(|(k, a)| a.abs() * range.powi(k as i32))
        .collect()
}

/// Brings the ascending coefficients `row` to monic form of `degree` (coefficients past it are dropped), for inputs in [`low`, `high`].
///
/// A leading coefficient too small for the others is raised to the floor at which the largest lower coefficient of the monic form is
/// [`LARGEST_GAIN`] times the polynomial's largest term. That moves the polynomial by at most `LARGEST_GAIN^(-n/(n-1))` of its range at the
/// ends of the interval (0.1 % for degree 2), by far less in the middle, and usually not at all. A row without any power of x is a constant.
pub(super) fn monic(row: &[f64], degree: usize, low: f64, high: f64) -> Monic {
    let mut row: Vec<f64> = row
        .iter()
        .copied()
        .chain(std::iter::repeat(0.0))
        .take(degree + 1)
        .collect();
    let range = low.abs().max(high.abs()).max(1e-9);
    let constant = row[0];
    let largest = terms(&row, range)[1..]
        .iter()
        .fold(0.0, |a: f64, b| a.max(*b));
    if largest == 0.0 {
        return Monic {
            scale: 0.0,
            shift: 0.0,
            lower: vec![0.0; degree - 1],
            factor: 0.0,
            constant,
        };
    }
    let n = degree as f64;
    let gains = (1..degree).map(|k| (row[k].abs() / (LARGEST_GAIN * largest)).powf(1.0 / k as f64));
    let floor = gains.fold(0.0, f64::max);
    let magnitude = row[degree].abs().powf(1.0 / n).max(floor);
    let leading = magnitude.powi(degree as i32).copysign(row[degree]);
    row[degree] = leading;
    if degree == 2 {
        let centre = row[1] / (2.0 * leading);
        let shifted = (low + centre).abs().max((high + centre).abs());
        if shifted <= LARGEST_SHIFT * range {
            return Monic {
                scale: magnitude,
                shift: magnitude * centre,
                lower: vec![0.0],
                factor: leading.signum(),
                constant: constant - row[1] * centre / 2.0,
            };
        }
    }
    // An odd root takes the sign of the leading coefficient; with an even degree the sign goes to the layer after.
    let (scale, sign) = if degree % 2 == 1 {
        (magnitude * leading.signum(), 1.0)
    } else {
        (magnitude, leading.signum())
    };
    let lower = (1..degree)
        .map(|k| sign * row[k] / scale.powi(k as i32))
        .collect();
    Monic {
        scale,
        shift: 0.0,
        lower,
        factor: sign,
        constant,
    }
}

impl Monic {
    /// m(u), without factor and constant.
    pub fn value(&self, u: f64) -> f64 {
        (self.lower.iter().rev().fold(1.0, |sum, a| sum * u + a)) * u
    }

    /// The same polynomial of `k u` in place of u: its values grow by k^n.
    pub fn stretch(&mut self, k: f64) {
        let degree = self.lower.len() as i32 + 1;
        self.scale *= k;
        self.shift *= k;
        for (power, value) in (1..).zip(&mut self.lower) {
            *value *= k.powi(degree - power);
        }
        self.factor /= k.powi(degree);
    }

    /// Root mean square of u for inputs x of that mean and deviation, at most `bound`; a polynomial that ignores x has some all the same.
    pub fn typical(&self, mean: f64, std: f64, bound: f64) -> f64 {
        let typical = (self.scale * mean + self.shift).hypot(self.scale * std);
        if typical.is_finite() {
            typical.clamp(1e-6 * bound, bound)
        } else {
            bound
        }
    }

    /// Variance of m for normally distributed inputs x.
    pub fn variance(&self, mean: f64, std: f64) -> f64 {
        const STEPS: i32 = 16;
        let (mut weights, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for step in -STEPS..=STEPS {
            let z = 4.0 * f64::from(step) / f64::from(STEPS);
            let weight = (-z * z / 2.0).exp();
            let value = self.value(self.scale * (mean + std * z) + self.shift);
            (weights, sum, squares) = (
                weights + weight,
                sum + weight * value,
                squares + weight * value * value,
            );
        }
        (squares / weights - (sum / weights).powi(2)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horner(row: &[f64], x: f64) -> f64 {
        row.iter().rev().fold(0.0, |sum, a| sum * x + a)
    }

    fn same(row: &[f64], low: f64, high: f64, tolerance: f64) -> Monic {
        let folded = monic(row, row.len() - 1, low, high);
        for step in 0..=40 {
            let x = low + (high - low) * f64::from(step) / 40.0;
            let value =
                folded.factor * folded.value(folded.scale * x + folded.shift) + folded.constant;
            assert!(
                (value - horner(row, x)).abs() <= tolerance,
                "{row:?} at {x}: {value}"
            );
        }
        folded
    }

    #[test]
    fn squares_are_completed() {
        let folded = same(&[0.1, 0.5, 0.2], -8.0, 8.0, 1e-12);
        assert_eq!(folded.lower, [0.0]);
        let folded = same(&[0.1, 0.5, -0.2], -8.0, 8.0, 1e-12);
        assert_eq!((folded.lower[0], folded.factor), (0.0, -1.0));
    }

    #[test]
    fn an_exploding_shift_leaves_the_square_unfolded() {
        // b/2a = 20, two and a half times the range: still folded; at 50 it is not.
        assert!(
            (same(&[0.0, 0.5, 0.0125], -8.0, 8.0, 1e-10).shift - 0.0125_f64.sqrt() * 20.0).abs()
                < 1e-12
        );
        let folded = same(&[0.3, 0.5, 0.005], -8.0, 8.0, 1e-10);
        assert_eq!(folded.shift, 0.0);
        assert!(folded.lower[0] > 1.0);
    }

    #[test]
    fn every_degree_and_sign_keeps_its_values() {
        for degree in 3..=9_i32 {
            for sign in [1.0, -1.0] {
                let row: Vec<f64> = (0..=degree)
                    .map(|k| sign * 0.4 / (1.0 + f64::from(k)) * (-0.8_f64).powi(k))
                    .collect();
                let folded = same(&row, -3.0, 4.0, 1e-9);
                assert_eq!(folded.lower.len() as i32, degree - 1);
            }
        }
    }

    #[test]
    fn a_vanishing_leading_coefficient_is_raised_to_the_floor() {
        // 0.5 x on [-4, 4]: off by at most 2^-10 of 2 at the ends.
        let folded = same(&[0.0, 0.5, 0.0], -4.0, 4.0, 2.0 / 1024.0 + 1e-12);
        assert!(folded.scale > 0.0 && folded.lower[0].is_finite());
        let folded = monic(&[0.7, 0.0, 0.0], 2, -4.0, 4.0);
        assert_eq!(
            (folded.scale, folded.factor, folded.constant),
            (0.0, 0.0, 0.7)
        );
    }

    #[test]
    fn stretching_keeps_the_function_and_scales_the_variance() {
        let row = [0.1, 0.5, -0.2, 0.05, 0.03];
        let mut folded = monic(&row, 4, -4.0, 4.0);
        let before = folded.variance(0.3, 1.2);
        folded.stretch(3.0);
        assert!((folded.variance(0.3, 1.2) / before / 3.0_f64.powi(8) - 1.0).abs() < 1e-9);
        for x in [-3.0, 0.0, 1.5] {
            let value =
                folded.factor * folded.value(folded.scale * x + folded.shift) + folded.constant;
            assert!((value - horner(&row, x)).abs() < 1e-12);
        }
        // x² of a standard normal x has variance 2.
        assert!((monic(&[0.0, 0.0, 1.0], 2, -4.0, 4.0).variance(0.0, 1.0) - 2.0).abs() < 0.02);
    }

    #[test]
    fn zero_leading_coefficients_do_not_count() {
        assert_eq!(effective_degree(&[vec![0.1, 0.5, 0.2, 1e-12]], &[4.0]), 2);
        assert_eq!(
            effective_degree(
                &[vec![0.1, 0.5, 0.2, 0.0], vec![0.1, 0.5, 0.2, 0.01]],
                &[4.0, 4.0]
            ),
            3
        );
        assert_eq!(effective_degree(&[vec![0.1, 0.5]], &[4.0]), 2);
    }
}
