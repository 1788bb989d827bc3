//! Polynomials on real ciphertexts, in both rings, within the noise that the same algorithm
//! predicts.

use ckks::{MonicPolynomial, Ring, evaluate_polynomial};

use crate::common::{Engine, RINGS, parameters};

const SCALE: f64 = (1u64 << 40) as f64;

fn polynomial(degree: usize, features: usize) -> MonicPolynomial {
    let coefficient = |power: usize, feature: usize| {
        ((power * 7 + feature * 3 + degree) % 11) as f64 / 11.0 - 0.45
    };
    let lower = (0..degree).map(|power| match power {
        0 => vec![],
        // one for all, one per feature, and a gap
        _ if power % 3 == 1 => vec![coefficient(power, 0)],
        _ if degree == 9 && power == 5 => vec![],
        _ => (0..features)
            .map(|feature| coefficient(power, feature))
            .collect(),
    });
    MonicPolynomial::new(degree, lower.collect()).unwrap()
}

fn check(ring: Ring) {
    let engine = Engine::new(parameters(ring, 9, &[50, 40, 40, 40, 40], &[50]));
    let (features, slots) = (2, engine.parameters.slots());
    let value = |i: usize| ((i * 37) % 401) as f64 / 200.0 - 1.0;
    let values: Vec<f64> = (0..features * slots).map(value).collect();
    let input = engine.encrypt(&values, features, SCALE);
    let fresh = engine.fresh(features, SCALE, 1.0);
    for degree in 1..=9 {
        let p = polynomial(degree, features);
        let result = evaluate_polynomial(&engine.evaluator, &input, &p).unwrap();
        assert_eq!(result.level(), 4 - p.depth(), "degree {degree}");
        assert_eq!(result.components(), 2);
        let predicted = evaluate_polynomial(&engine.predictor, &fresh, &p).unwrap();
        let expected: Vec<Vec<f64>> = values
            .chunks(slots)
            .enumerate()
            .map(|(feature, row)| row.iter().map(|&x| p.value(feature, x)).collect())
            .collect();
        engine.compare(&result, &predicted, &expected);
        // and the noise is small in units of the values, not only as predicted
        assert!(
            predicted.sigma / predicted.scale < 1e-6,
            "degree {degree}: {predicted:?}"
        );
    }
}

#[test]
fn degrees_1_to_9_in_the_standard_ring() {
    check(RINGS[0]);
}

#[test]
fn degrees_1_to_9_in_the_conjugate_invariant_ring() {
    check(RINGS[1]);
}
