//! Values that others have published or that can be had by hand.
#![allow(clippy::unwrap_used)]

use crate::{Density, Function, Interval, Method, approximate, approximate_weighted};
use std::f64::consts::{LN_2, PI};

fn coefficients(function: Function, method: Method, degree: usize, half_width: f64) -> Vec<f64> {
    let interval = Interval::new(-half_width, half_width).unwrap();
    approximate(function, method, degree, interval)
        .unwrap()
        .polynomial
        .coefficients()
        .to_vec()
}

/// Every coefficient within `tolerance`, relative to itself.
fn assert_close(found: &[f64], known: &[f64], tolerance: f64) {
    assert_eq!(found.len(), known.len(), "{found:?} for {known:?}");
    for (found, known) in found.iter().zip(known) {
        assert!(
            (found - known).abs() <= tolerance * known.abs(),
            "{found:e} for {known:e}"
        );
    }
}

#[test]
fn relu_by_numerical_analysis() {
    // Legendre series by hand: 3/32 + t / 2 + 15/32 t^2.
    assert_close(
        &coefficients(Function::Relu, Method::Numerical, 2, 1.0),
        &[0.09375, 0.5, 0.46875],
        1e-13,
    );
}

#[test]
fn relu_by_taylor_is_softplus() {
    assert_close(
        &coefficients(Function::Relu, Method::Taylor, 2, 1.0),
        &[LN_2, 0.5, 0.125],
        1e-15,
    );
    assert_close(
        &coefficients(Function::Softplus, Method::Taylor, 2, 7.0),
        &[LN_2, 0.5, 0.125],
        1e-15,
    );
    // On [-L, L] the constant is multiplied and the square divided by L.
    assert_close(
        &coefficients(Function::Relu, Method::Taylor, 2, 10.0),
        &[10.0 * LN_2, 0.5, 0.0125],
        1e-15,
    );
}

#[test]
fn relu_by_standard_chebyshev() {
    // The series of |t| is 2 / pi (1 + 2 (T_2 / 3 - T_4 / 15 + ...)); half of it and t / 2.
    let known = [1.0 / (3.0 * PI), 0.5, 4.0 / (3.0 * PI)];
    assert_close(
        &coefficients(Function::Relu, Method::Chebyshev, 2, 1.0),
        &known,
        1e-13,
    );
    assert_close(&known, &[0.10610, 0.5, 0.42441], 5e-5);
}

#[test]
fn relu_by_modified_chebyshev() {
    // CryptoDL's published coefficients.
    assert_close(
        &coefficients(Function::Relu, Method::ModifiedChebyshev, 2, 1.0),
        &[0.19279, 0.5, 0.31547],
        2e-5,
    );
}

#[test]
fn relu_by_its_derivative() {
    // CryptoDL's published coefficients, to the digits that the authors' own integration has.
    let known: [(usize, f64, &[f64]); 5] = [
        (2, 1.0, &[0.5, 0.29350]),
        (2, 255.0, &[0.5, 0.001_150_97]),
        (2, 300.0, &[0.5, 0.000_978_326]),
        (4, 250.0, &[0.5, 0.001_907_73, 0.0, -7.6895e-9]),
        (
            6,
            250.0,
            &[0.5, 0.002_516_86, 0.0, -2.262e-8, 0.0, 1.1355e-13],
        ),
    ];
    for (degree, half_width, known) in known {
        assert_close(
            &coefficients(Function::Relu, Method::Derivative, degree, half_width)[1..],
            known,
            3e-5,
        );
    }
}

#[test]
fn relu_by_hermite() {
    // Under N(0, 1), which is the rule on [-3, 3]: 1 / (2 sqrt(2 pi)) (1 + x^2) + x / 2.
    let known = 1.0 / (2.0 * (2.0 * PI).sqrt());
    assert_close(
        &coefficients(Function::Relu, Method::Hermite, 2, 3.0),
        &[known, 0.5, known],
        1e-13,
    );
    assert_close(&[known], &[0.19947], 2e-5);
}

#[test]
fn relu_by_minimax() {
    // |t| has the best parabola t^2 + 1 / 8.
    assert_close(
        &coefficients(Function::Relu, Method::Minimax, 2, 1.0),
        &[0.0625, 0.5, 0.5],
        1e-12,
    );
    let found = approximate(
        Function::Relu,
        Method::Minimax,
        2,
        Interval::new(-1.0, 1.0).unwrap(),
    )
    .unwrap();
    assert!((found.errors.max - 0.0625).abs() < 1e-13);
}

#[test]
fn relu_by_even_data_is_the_numerical_one() {
    let (flat, interval) = (
        Density::from_histogram(-1.0, 1.0, &[5; 40]).unwrap(),
        Interval::new(-1.0, 1.0).unwrap(),
    );
    let found = approximate_weighted(Function::Relu, &flat, 2, interval).unwrap();
    assert_close(
        found.polynomial.coefficients(),
        &[0.09375, 0.5, 0.46875],
        1e-12,
    );
    assert!((found.errors.l2_own - found.errors.l2_uniform).abs() < 1e-15);
}

#[test]
fn errors_of_the_parabola_on_the_unit_interval() {
    // By hand for 3/32 + t / 2 + 15/32 t^2: the error is (|t| - 3/16 - 15/16 t^2) / 2, its mean square 1/768, its largest size 3/32 at zero.
    let found = approximate(
        Function::Relu,
        Method::Numerical,
        2,
        Interval::new(-1.0, 1.0).unwrap(),
    )
    .unwrap();
    assert!((found.errors.l2_uniform - (1.0_f64 / 768.0).sqrt()).abs() < 1e-14);
    assert_eq!(found.errors.max_at, 0.0);
    assert!((found.errors.max - 3.0 / 32.0).abs() < 1e-14);
    // The slope's error is (sign(t) - 15/8 t) / 2: mean square (1 - 15/8 + 75/64) / 4, largest size 1/2 at the kink.
    assert!((found.errors.derivative_l2 - (19.0_f64 / 256.0).sqrt()).abs() < 1e-14);
    assert!((found.errors.derivative_max - 0.5).abs() < 1e-14);
}
