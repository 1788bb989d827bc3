//! What holds for every function, method, degree and interval.
#![allow(clippy::unwrap_used)]

use crate::{
    Density, Error, Function, Interval, MAX_DEGREE, Method, approximate, approximate_weighted,
};
use proptest::prelude::*;

fn function() -> impl Strategy<Value = Function> {
    prop::sample::select(Function::ALL.to_vec())
}

/// What a method makes small.
type Yardstick = fn(&crate::Errors) -> f64;

/// Methods that need no data.
fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(
        Method::ALL
            .into_iter()
            .filter(|method| *method != Method::Data)
            .collect::<Vec<_>>(),
    )
}

fn interval() -> impl Strategy<Value = Interval> {
    (-30.0..30.0, 0.1..300.0)
        .prop_map(|(low, length): (f64, f64)| Interval::new(low, low + length).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_errors_are_numbers_and_in_order(f in function(), m in method(), degree in 1..=MAX_DEGREE, i in interval()) {
        match approximate(f, m, degree, i) {
            Ok(found) => {
                let errors = found.errors;
                prop_assert!(found.polynomial.degree() <= degree.max(2));
                prop_assert!(errors.l2_uniform <= errors.max * (1.0 + 1e-12));
                prop_assert!(errors.derivative_l2 <= errors.derivative_max * (1.0 + 1e-12));
                prop_assert!(i.contains(errors.max_at));
                let there = (f.value(errors.max_at) - found.polynomial.value(errors.max_at)).abs();
                prop_assert_eq!(there, errors.max);
            }
            // Only for intervals far from zero.
            Err(error) => prop_assert!(matches!(error, Error::IllConditioned { .. }), "{}", error),
        }
    }

    #[test]
    fn nothing_nearby_is_better(f in function(), degree in 1_usize..8, i in interval(), power in 0_usize..8, size in -1.0..1.0) {
        prop_assume!(power <= degree);
        // Each method is best by its own yardstick.
        let yardsticks: [(Method, Yardstick); 5] = [
            (Method::Numerical, |errors| errors.l2_uniform),
            (Method::Chebyshev, |errors| errors.l2_own),
            (Method::ModifiedChebyshev, |errors| errors.l2_own),
            (Method::Hermite, |errors| errors.l2_own),
            (Method::Minimax, |errors| errors.max),
        ];
        for (m, yardstick) in yardsticks {
            let Ok(found) = approximate(f, m, degree, i) else { continue };
            let mut coefficients = found.polynomial.coefficients().to_vec();
            coefficients.resize(degree.max(2) + 1, 0.0);
            let reach = i.low().abs().max(i.high().abs());
            coefficients[power] += 0.01 * size * f.value(reach) / reach.powi(power as i32);
            let other = crate::Polynomial::new(coefficients).unwrap();
            let measure = match m {
                Method::Chebyshev => crate::measure::Measure::chebyshev(i),
                Method::ModifiedChebyshev => crate::measure::Measure::modified_chebyshev(i),
                Method::Hermite => crate::measure::Measure::gaussian(i),
                _ => crate::measure::Measure::uniform(i),
            };
            let worse = crate::Errors::measure(f, &other, i, Some(&measure));
            let slack = 1e-9 * f.value(reach).abs();
            prop_assert!(yardstick(&found.errors) <= yardstick(&worse) + slack, "{} {}", m, yardstick(&found.errors));
        }
    }

    #[test]
    fn relu_scales_with_the_interval(m in method(), degree in 1..=MAX_DEGREE, scale in 0.01_f64..1000.0) {
        // relu(s x) = s relu(x): the coefficient of x^k is divided by s^(k - 1).
        let unit = approximate(Function::Relu, m, degree, Interval::new(-1.0, 1.0).unwrap()).unwrap();
        let wide = approximate(Function::Relu, m, degree, Interval::new(-scale, scale).unwrap()).unwrap();
        let largest = unit.polynomial.coefficients().iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        for (k, (unit, wide)) in (0..).zip(unit.polynomial.coefficients().iter().zip(wide.polynomial.coefficients())) {
            let back = wide * f64::powi(scale, k - 1);
            prop_assert!((unit - back).abs() < 1e-8 * largest, "x^{}: {} and {}", k, unit, back);
        }
        prop_assert!((wide.errors.max / (scale * unit.errors.max) - 1.0).abs() < 1e-8);
        prop_assert!((wide.errors.derivative_max / unit.errors.derivative_max - 1.0).abs() < 1e-8);
    }

    #[test]
    fn parity_is_exact_on_symmetric_intervals(m in method(), degree in 1..=MAX_DEGREE, half in 0.1_f64..300.0) {
        let i = Interval::new(-half, half).unwrap();
        for f in [Function::Relu, Function::Softplus, Function::Silu, Function::Gelu] {
            let found = approximate(f, m, degree, i).unwrap();
            prop_assert_eq!(found.polynomial.coefficients().get(1), Some(&0.5), "{}", f);
            prop_assert!(found.polynomial.coefficients().iter().skip(3).step_by(2).all(|c| *c == 0.0), "{}", f);
        }
        let tanh = approximate(Function::Tanh, m, degree, i).unwrap();
        prop_assert!(tanh.polynomial.coefficients().iter().step_by(2).all(|c| *c == 0.0));
        let sigmoid = approximate(Function::Sigmoid, m, degree, i).unwrap();
        prop_assert_eq!(sigmoid.polynomial.coefficients()[0], 0.5);
        prop_assert!(sigmoid.polynomial.coefficients().iter().skip(2).step_by(2).all(|c| *c == 0.0));
    }

    #[test]
    fn a_square_is_a_square(m in method(), degree in 2..=MAX_DEGREE, i in interval()) {
        let found = approximate(Function::Square, m, degree, i).unwrap();
        prop_assert_eq!(found.polynomial.coefficients(), [0.0, 0.0, 1.0]);
        prop_assert_eq!(found.errors.max, 0.0);
    }

    #[test]
    fn more_degrees_are_never_worse(f in function(), degree in 1..MAX_DEGREE, half in 0.5_f64..50.0) {
        let i = Interval::new(-half, half).unwrap();
        for m in [Method::Numerical, Method::Chebyshev, Method::ModifiedChebyshev, Method::Hermite] {
            let (lower, higher) = (approximate(f, m, degree, i).unwrap(), approximate(f, m, degree + 1, i).unwrap());
            prop_assert!(higher.errors.l2_own <= lower.errors.l2_own + 1e-10 * f.value(half), "{}", m);
        }
        let (lower, higher) = (approximate(f, Method::Minimax, degree, i).unwrap(), approximate(f, Method::Minimax, degree + 1, i).unwrap());
        prop_assert!(higher.errors.max <= lower.errors.max + 1e-10 * f.value(half));
    }

    #[test]
    fn a_finer_histogram_of_the_same_density_changes_nothing(f in function(), degree in 1_usize..8, counts in prop::collection::vec(0_u64..1000, 4..40)) {
        prop_assume!(counts.iter().any(|&count| count > 0));
        let i = Interval::new(-6.0, 4.0).unwrap();
        let fine: Vec<u64> = counts.iter().flat_map(|&count| [count; 8]).collect();
        let (coarse, fine) = (Density::from_histogram(-8.0, 8.0, &counts).unwrap(), Density::from_histogram(-8.0, 8.0, &fine).unwrap());
        match (approximate_weighted(f, &coarse, degree, i), approximate_weighted(f, &fine, degree, i)) {
            (Ok(coarse), Ok(fine)) => {
                prop_assert!((coarse.errors.l2_own - fine.errors.l2_own).abs() < 1e-10);
                // The data method is the best one by its own measure.
                let uniform = approximate(f, Method::Numerical, degree, i).unwrap();
                let measure = Density::from_histogram(-8.0, 8.0, &counts).unwrap().within(i).unwrap();
                let theirs = crate::Errors::measure(f, &uniform.polynomial, i, Some(&measure));
                prop_assert!(coarse.errors.l2_own <= theirs.l2_own + 1e-9);
            }
            (coarse, fine) => prop_assert_eq!(coarse.is_err(), fine.is_err()),
        }
    }
}

#[test]
fn everything_works_up_to_degree_15_on_the_intervals_people_use() {
    for f in Function::ALL {
        for m in Method::ALL.into_iter().filter(|m| *m != Method::Data) {
            for (low, high) in [
                (-1.0, 1.0),
                (-3.0, 3.0),
                (-8.0, 8.0),
                (-20.0, 20.0),
                (-255.0, 255.0),
                (-1e4, 1e4),
                (-3.0, 5.0),
                (0.0, 6.0),
                (-40.0, 2.0),
            ] {
                let i = Interval::new(low, high).unwrap();
                for degree in 1..=MAX_DEGREE {
                    let found = approximate(f, m, degree, i);
                    assert!(
                        found.is_ok(),
                        "{f} {m} {degree} {i}: {}",
                        found.unwrap_err()
                    );
                }
            }
        }
    }
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let unit = Interval::new(-1.0, 1.0).unwrap();
    for m in Method::ALL.into_iter().filter(|m| *m != Method::Data) {
        assert_eq!(
            approximate(Function::Relu, m, 0, unit),
            Err(Error::Degree { degree: 0 })
        );
        assert_eq!(
            approximate(Function::Relu, m, 16, unit),
            Err(Error::Degree { degree: 16 })
        );
    }
    assert_eq!(
        approximate(Function::Relu, Method::Data, 2, unit),
        Err(Error::DensityRequired)
    );
    let far = Density::from_histogram(5.0, 6.0, &[1]).unwrap();
    assert_eq!(
        approximate_weighted(Function::Relu, &far, 2, unit),
        Err(Error::NoMass {
            low: -1.0,
            high: 1.0
        })
    );
}

#[test]
fn extreme_intervals_give_a_reason_and_no_panic() {
    let ends = [
        -f64::MAX,
        -1e60,
        -1e10,
        -1.0,
        -1e-300,
        0.0,
        1e-60,
        1.0,
        1.0 + f64::EPSILON,
        1e3,
        1e200,
        f64::MAX,
    ];
    for f in Function::ALL {
        for m in Method::ALL {
            for degree in [2, 15] {
                for (k, &low) in ends.iter().enumerate() {
                    for &high in &ends[k + 1..] {
                        let Ok(found) =
                            approximate(f, m, degree, Interval::new(low, high).unwrap())
                        else {
                            continue;
                        };
                        assert!(
                            found
                                .polynomial
                                .coefficients()
                                .iter()
                                .all(|c| c.is_finite())
                                && found.errors.is_finite()
                        );
                    }
                }
            }
        }
    }
    // 1e60^7 is out of range, and so would the coefficient of x^7 be.
    let huge = Interval::new(-1e60, 1e60).unwrap();
    assert!(matches!(
        approximate(Function::Relu, Method::Numerical, 7, huge),
        Err(Error::IllConditioned { degree: 7, .. })
    ));
    let overflowing = approximate(
        Function::Square,
        Method::Numerical,
        1,
        Interval::new(0.0, 1e200).unwrap(),
    );
    assert!(matches!(
        overflowing,
        Err(Error::Overflow {
            function: Function::Square,
            ..
        })
    ));
    let point = Interval::new(1.0, 1.0 + f64::EPSILON).unwrap();
    assert_eq!(
        approximate(Function::Relu, Method::Numerical, 2, point),
        Err(Error::ThinMeasure { degree: 2 })
    );
}

#[test]
fn a_wide_one_sided_interval_still_has_a_best_line() {
    // At the ends and around the middle silu is x to the last bit: the first exchange starts from E = 0.
    let found = approximate(
        Function::Silu,
        Method::Minimax,
        1,
        Interval::new(0.0, 1000.0).unwrap(),
    )
    .unwrap();
    let uniform = approximate(
        Function::Silu,
        Method::Numerical,
        1,
        Interval::new(0.0, 1000.0).unwrap(),
    )
    .unwrap();
    assert!(
        found.errors.max < 0.14 && found.errors.max < uniform.errors.max,
        "{:?}",
        found.errors
    );
}
