//! Minimax polynomials, by Remez's exchange algorithm.
//!
//! The polynomial of degree n with the least largest error is the one whose error takes its largest size at n + 2 points with alternating
//! signs (Chebyshev). The algorithm keeps n + 2 points, solves for the polynomial whose errors there are E, -E, E, ..., moves the points
//! to the extrema of that error, and repeats. |E| never exceeds the best possible error (de la Vallee-Poussin), so the distance
//! between |E| and the largest error says how much is left to gain. Source: Trefethen, Approximation Theory and Approximation Practice,
//! chapter 10.

use crate::extrema::{Extremum, extrema};
use crate::measure::{Measure, PIECES};
use crate::projection::Basis;
use crate::quadrature::breaks;
use crate::{Error, Function, Interval, MAX_DEGREE, Polynomial};
use std::f64::consts::PI;

/// Exchanges before giving up; a dozen suffice, as convergence is quadratic.
const EXCHANGES: usize = 100;

/// Relative distance to the best possible error at which to stop.
const TOLERANCE: f64 = 1e-10;

/// Distances this small, relative to the function, are rounding.
const NOISE: f64 = 64.0 * f64::EPSILON;

/// Degree of the trial that recognises a function that is a polynomial already.
const TRIAL: usize = MAX_DEGREE + 5;

/// Ascending coefficients in t, where x = centre + half-width * t; `degree + 1` of them.
pub fn fit(function: Function, interval: Interval, degree: usize) -> Result<Vec<f64>, Error> {
    // Where a polynomial of lower degree already reproduces the function to rounding, as x does a ReLU right of its kink, the error has
    // no extrema to exchange. The Chebyshev series shows it: its tail vanishes.
    let mut trial =
        Basis::new(&Measure::chebyshev(interval), TRIAL)?.project(|point| function.value(point.x));
    if trial
        .iter()
        .skip(degree + 1)
        .all(|coefficient| *coefficient == 0.0)
    {
        trial.truncate(degree + 1);
        return Ok(trial);
    }

    let panels = breaks(interval.low(), interval.high(), PIECES);
    let size = panels
        .iter()
        .map(|&x| function.value(x).abs())
        .fold(0.0, f64::max);
    let mut reference = start(interval, degree);
    let (mut level, mut largest) = (0.0, f64::INFINITY);
    let mut exchanges = 0;
    while exchanges < EXCHANGES {
        let (chebyshev, equal) = level_errors(function, interval, &reference)?;
        level = equal.abs();
        let error = |x: f64, _: f64| function.value(x) - clenshaw(&chebyshev, to_t(interval, x));
        let mut found = extrema(&panels, error);
        // The search samples; never lose what is known.
        found.extend(reference.iter().map(|&x| Extremum {
            x,
            value: error(x, x),
        }));
        found.sort_by(|a, b| a.x.total_cmp(&b.x));
        largest = found
            .iter()
            .map(|extremum| extremum.value.abs())
            .fold(0.0, f64::max);
        if largest - level <= TOLERANCE * largest + NOISE * size {
            return Ok(to_powers(&chebyshev));
        }
        let mut next = choose(&found, degree + 2);
        if next.len() < degree + 2 || next == reference {
            // With E = 0, as for three points of x sigmoid(x) far to the right, the error need not alternate at all.
            next = exchange_one(&reference, equal, &found);
        }
        if next == reference {
            break;
        }
        reference = next;
        exchanges += 1;
    }
    Err(Error::NotConverged {
        iterations: exchanges,
        level,
        largest,
    })
}

fn to_t(interval: Interval, x: f64) -> f64 {
    ((x - interval.centre()) / interval.half_width()).clamp(-1.0, 1.0)
}

/// The extrema of the Chebyshev polynomial of degree + 1, bent out of symmetry: at points symmetric to zero an even function of even degree
/// gives E = 0, which says nothing.
fn start(interval: Interval, degree: usize) -> Vec<f64> {
    (0..=degree + 1)
        .map(|k| -(k as f64 / (degree + 1) as f64 * PI).cos())
        .map(|t| interval.centre() + interval.half_width() * (t + 0.03 * (1.0 - t * t)))
        .collect()
}

/// The Chebyshev coefficients of the polynomial whose errors at `reference` are E, -E, E, ..., and E.
fn level_errors(
    function: Function,
    interval: Interval,
    reference: &[f64],
) -> Result<(Vec<f64>, f64), Error> {
    let rows: Vec<Vec<f64>> = reference
        .iter()
        .enumerate()
        .map(|(i, &x)| {
            let t = to_t(interval, x);
            let (mut value, mut next) = (1.0, t);
            let mut row: Vec<f64> = Vec::with_capacity(reference.len() + 1);
            for _ in 0..reference.len() - 1 {
                row.push(value);
                (value, next) = (next, 2.0 * t * next - value);
            }
            row.push(if i % 2 == 0 { 1.0 } else { -1.0 });
            row.push(function.value(x));
            row
        })
        .collect();
    let mut solution = solve(rows).ok_or(Error::ThinMeasure {
        degree: reference.len() - 2,
    })?;
    let equal = solution.pop().unwrap_or_default();
    Ok((solution, equal))
}

/// Gaussian elimination with partial pivoting; the last column is the right-hand side. `None` if singular.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = rows.len();
    for column in 0..count {
        let pivot = (column..count)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let (done, rest) = rows.split_at_mut(column + 1);
        let pivot = &done[column];
        if pivot[column] == 0.0 || !pivot[column].is_finite() {
            return None;
        }
        for row in rest {
            let factor = row[column] / pivot[column];
            for (value, above) in row.iter_mut().zip(pivot).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = vec![0.0; count];
    for column in (0..count).rev() {
        let known: f64 = (column + 1..count)
            .map(|k| rows[column][k] * solution[k])
            .sum();
        solution[column] = (rows[column][count] - known) / rows[column][column];
    }
    Some(solution)
}

/// `count` of the extrema, signs alternating, the largest among them; fewer if there are not so many.
fn choose(found: &[Extremum], count: usize) -> Vec<f64> {
    // Of neighbours with one sign the largest.
    let mut chosen: Vec<Extremum> = Vec::new();
    for extremum in found
        .iter()
        .copied()
        .filter(|extremum| extremum.value != 0.0)
    {
        match chosen.last_mut() {
            Some(last) if last.value.signum() == extremum.value.signum() => {
                if extremum.value.abs() > last.value.abs() {
                    *last = extremum;
                }
            }
            _ => chosen.push(extremum),
        }
    }
    // Drop the smallest: at the ends alone, elsewhere with its smaller neighbour, which keeps the signs alternating.
    let size = |extremum: &Extremum| extremum.value.abs();
    while chosen.len() > count {
        let end = chosen.len() - 1;
        let smallest = (0..=end)
            .min_by(|&a, &b| size(&chosen[a]).total_cmp(&size(&chosen[b])))
            .unwrap_or(0);
        if chosen.len() == count + 1 || smallest == 0 || smallest == end {
            chosen.remove(if size(&chosen[0]) < size(&chosen[end]) {
                0
            } else {
                end
            });
        } else {
            let left = if size(&chosen[smallest - 1]) < size(&chosen[smallest + 1]) {
                smallest - 1
            } else {
                smallest
            };
            chosen.drain(left..=left + 1);
        }
    }
    chosen.into_iter().map(|extremum| extremum.x).collect()
}

/// The reference with the place of the largest error in it, instead of the neighbour that has its sign: |E| grows (Remez's first algorithm).
fn exchange_one(reference: &[f64], equal: f64, found: &[Extremum]) -> Vec<f64> {
    let Some(largest) = found
        .iter()
        .max_by(|a, b| a.value.abs().total_cmp(&b.value.abs()))
    else {
        return reference.to_vec();
    };
    // Signs at the reference, of E = 0 taken as plus.
    let same_sign = |i: usize| i.is_multiple_of(2) == ((equal >= 0.0) == (largest.value >= 0.0));
    let mut next = reference.to_vec();
    let last = next.len() - 1;
    match next.iter().position(|&x| x > largest.x) {
        Some(0) if !same_sign(0) => {
            next.rotate_right(1);
            next[0] = largest.x;
        }
        None if !same_sign(last) => {
            next.rotate_left(1);
            next[last] = largest.x;
        }
        Some(0) => next[0] = largest.x,
        None => next[last] = largest.x,
        Some(right) => next[if same_sign(right) { right } else { right - 1 }] = largest.x,
    }
    next
}

/// The sum of c_k T_k(t), by Clenshaw's recurrence.
fn clenshaw(coefficients: &[f64], t: f64) -> f64 {
    let (mut next, mut after) = (0.0, 0.0);
    for &c in coefficients.iter().skip(1).rev() {
        (next, after) = (c + 2.0 * t * next - after, next);
    }
    coefficients.first().map_or(0.0, |c| c + t * next - after)
}

/// The same polynomial in powers of t, by T_{k+1} = 2 t T_k - T_{k-1}.
fn to_powers(chebyshev: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; chebyshev.len()];
    let (mut current, mut next) = (
        Polynomial::trimmed(vec![1.0]),
        Polynomial::trimmed(vec![0.0, 1.0]),
    );
    for c in chebyshev {
        for (sum, power) in sum.iter_mut().zip(current.coefficients()) {
            *sum += c * power;
        }
        let mut after = vec![0.0];
        after.extend(next.coefficients().iter().map(|power| 2.0 * power));
        for (after, power) in after.iter_mut().zip(current.coefficients()) {
            *after -= power;
        }
        (current, next) = (next, Polynomial::trimmed(after));
    }
    sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The alternating extrema of the error that reach the largest one, to one part in `tolerance`.
    fn alternations(function: Function, interval: Interval, degree: usize) -> (usize, f64) {
        let polynomial = Polynomial::new(fit(function, interval, degree).unwrap()).unwrap();
        let panels = breaks(interval.low(), interval.high(), 4 * PIECES);
        let found = extrema(&panels, |x, _| {
            function.value(x) - polynomial.value(to_t(interval, x))
        });
        let largest = found
            .iter()
            .map(|extremum| extremum.value.abs())
            .fold(0.0, f64::max);
        let mut signs: Vec<f64> = found
            .iter()
            .filter(|e| e.value.abs() >= largest * (1.0 - 1e-6))
            .map(|e| e.value.signum())
            .collect();
        signs.dedup();
        (signs.len(), largest)
    }

    #[test]
    fn errors_equioscillate() {
        for function in Function::ALL {
            for (low, high) in [
                (-1.0, 1.0),
                (-8.0, 8.0),
                (-255.0, 255.0),
                (-3.0, 5.0),
                (-0.5, 20.0),
            ] {
                let interval = Interval::new(low, high).unwrap();
                for degree in 1..=MAX_DEGREE {
                    let (count, largest) = alternations(function, interval, degree);
                    // Below, rounding in the powers of t blurs the error.
                    if largest > 1e-8 * function.value(high) {
                        assert!(
                            count >= degree + 2,
                            "{function}, degree {degree} on {interval}: {count} points at {largest:e}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_best_parabola_for_relu_is_the_known_one() {
        // |t| has the best parabola t^2 + 1 / 8 with error 1 / 8; relu is half of it and t / 2.
        let found = fit(Function::Relu, Interval::new(-1.0, 1.0).unwrap(), 2).unwrap();
        for (found, known) in found.iter().zip([0.0625, 0.5, 0.5]) {
            assert!((found - known).abs() < 1e-12, "{found} for {known}");
        }
    }

    #[test]
    fn degree_tells_bernstein_how_well_the_modulus_can_be_approximated() {
        // n times the error of the best polynomial of degree n for |t| tends to 0.2801694990 (Bernstein; Varga and Carpenter 1985).
        let (_, largest) = alternations(Function::Relu, Interval::new(-1.0, 1.0).unwrap(), 14);
        assert!(
            (2.0 * largest * 14.0 - 0.280_17).abs() < 2e-3,
            "{}",
            2.0 * largest * 14.0
        );
    }

    #[test]
    fn a_line_is_its_own_best_polynomial() {
        let interval = Interval::new(2.0, 4.0).unwrap();
        let found = fit(Function::Relu, interval, 5).unwrap();
        for (found, known) in found.iter().zip([3.0, 1.0, 0.0, 0.0, 0.0, 0.0]) {
            assert!((found - known).abs() < 1e-14, "{found} for {known}");
        }
    }
}
