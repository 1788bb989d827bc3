//! One channel's polynomial made monic, so that its leading coefficient costs neither a level nor a multiplication.
//!
//! Degree 2 completes the square: `a x² + b x + c = ±(√|a| (x + b/2a))² + (c - b²/4a)`; scale and shift go into the linear layer
//! before, sign and constant into the one after. A higher degree n takes `u = |aₙ|^(1/n) x` (an odd root takes the sign) and keeps the
//! lower coefficients, divided by the powers of that root.

/// The largest ratio of the shifted to the unshifted bound for which a square is completed; past it `b/2a` has exploded.
const LARGEST_SHIFT: f64 = 4.0;

/// How many bits of precision a small leading coefficient may cost: the lower coefficients of the monic form grow as it shrinks, and
/// multiply the noise of the powers below them by as much.
const NOISE_BITS: f64 = 5.0;

/// What a channel of degree n becomes: `p(x) = sign · m(scale · x + shift) + constant`, with m monic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Monic {
    /// Into the linear layer before.
    pub scale: f64,
    /// Into the linear layer before.
    pub shift: f64,
    /// Coefficients of u¹ to uⁿ⁻¹ (index 0 belongs to u¹).
    pub lower: Vec<f64>,
    /// 1 or -1 (0 for a constant polynomial), into the linear layer after.
    pub sign: f64,
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
        (1..row.len()).rev().find(|&k| terms[k] > NEGLIGIBLE * largest).unwrap_or(0)
    };
    rows.iter().zip(ranges).map(|(row, range)| degree_of(row, *range)).max().unwrap_or(0).max(2)
}

/// `|a_k| range^k` for every k.
fn terms(row: &[f64], range: f64) -> Vec<f64> {
    row.iter().enumerate().map(|(k, a)| a.abs() * range.powi(k as i32)).collect()
}

/// Brings the ascending coefficients `row` to monic form of `degree` (coefficients past it are dropped), for inputs in [`low`, `high`].
///
/// A leading coefficient too small for the others is raised to a floor, 2^-10 of the row's largest term at the ends of the range for
/// degree 2 and 2^(-5n/(n-1)) for degree n: without it the noise below would be multiplied by more than 2^5. That moves the polynomial by
/// at most that share of its range there, and by far less in the middle. A row without any power of x becomes a constant.
pub(super) fn monic(row: &[f64], degree: usize, low: f64, high: f64) -> Monic {
    let mut row: Vec<f64> = row.iter().copied().chain(std::iter::repeat(0.0)).take(degree + 1).collect();
    let range = low.abs().max(high.abs()).max(1e-9);
    let constant = row[0];
    let largest = terms(&row, range)[1..].iter().fold(0.0, |a: f64, b| a.max(*b));
    if largest == 0.0 {
        return Monic { scale: 0.0, shift: 0.0, lower: vec![0.0; degree - 1], sign: 0.0, constant };
    }
    let n = degree as f64;
    let floor = (-NOISE_BITS * n / (n - 1.0)).exp2() * largest / range.powi(degree as i32);
    let leading = if row[degree].abs() < floor { floor.copysign(row[degree]) } else { row[degree] };
    row[degree] = leading;

    let magnitude = leading.abs().powf(1.0 / n);
    if degree == 2 {
        let centre = row[1] / (2.0 * leading);
        let shifted = (low + centre).abs().max((high + centre).abs());
        if shifted <= LARGEST_SHIFT * range {
            return Monic {
                scale: magnitude,
                shift: magnitude * centre,
                lower: vec![0.0],
                sign: leading.signum(),
                constant: constant - row[1] * centre / 2.0,
            };
        }
    }
    // An odd root takes the sign of the leading coefficient; with an even degree the sign goes to the layer after.
    let (scale, sign) =
        if degree % 2 == 1 { (magnitude * leading.signum(), 1.0) } else { (magnitude, leading.signum()) };
    let lower = (1..degree).map(|k| sign * row[k] / scale.powi(k as i32)).collect();
    Monic { scale, shift: 0.0, lower, sign, constant }
}

impl Monic {
    /// m(u), without sign and constant.
    pub fn value(&self, u: f64) -> f64 {
        (self.lower.iter().rev().fold(1.0, |sum, a| sum * u + a)) * u
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
            let value = folded.sign * folded.value(folded.scale * x + folded.shift) + folded.constant;
            assert!((value - horner(row, x)).abs() <= tolerance, "{row:?} at {x}: {value}");
        }
        folded
    }

    #[test]
    fn squares_are_completed() {
        let folded = same(&[0.1, 0.5, 0.2], -8.0, 8.0, 1e-12);
        assert_eq!(folded.lower, [0.0]);
        let folded = same(&[0.1, 0.5, -0.2], -8.0, 8.0, 1e-12);
        assert_eq!((folded.lower[0], folded.sign), (0.0, -1.0));
    }

    #[test]
    fn an_exploding_shift_leaves_the_square_unfolded() {
        // b/2a = 25, three times the range: still folded; at 50 times it is not.
        assert_eq!(same(&[0.0, 0.5, 0.01], -8.0, 8.0, 1e-10).shift, 2.5);
        let folded = same(&[0.3, 0.5, 0.005], -8.0, 8.0, 1e-10);
        assert_eq!(folded.shift, 0.0);
        assert!(folded.lower[0] > 1.0);
    }

    #[test]
    fn every_degree_and_sign_keeps_its_values() {
        for degree in 3..=9_i32 {
            for sign in [1.0, -1.0] {
                let row: Vec<f64> =
                    (0..=degree).map(|k| sign * 0.4 / (1.0 + f64::from(k)) * (-0.8_f64).powi(k)).collect();
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
        assert_eq!((folded.scale, folded.sign, folded.constant), (0.0, 0.0, 0.7));
    }

    #[test]
    fn zero_leading_coefficients_do_not_count() {
        assert_eq!(effective_degree(&[vec![0.1, 0.5, 0.2, 1e-12]], &[4.0]), 2);
        assert_eq!(effective_degree(&[vec![0.1, 0.5, 0.2, 0.0], vec![0.1, 0.5, 0.2, 0.01]], &[4.0, 4.0]), 3);
        assert_eq!(effective_degree(&[vec![0.1, 0.5]], &[4.0]), 2);
    }
}
