use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::linear::LinearMap;
use crate::ops::scales_agree;

/// Plain numbers with the bookkeeping of ciphertexts; counts products of two values.
#[derive(Default)]
struct Floats {
    products: Cell<usize>,
}

/// Primes of different sizes, so that scales have to be followed exactly. The last is dropped
/// first.
const PRIMES: [f64; 6] = [1e15, 1.1e12, 0.9e12, 1.3e12, 1.2e12, 0.8e12];
const SCALE: f64 = 1.05e12;

#[derive(Clone)]
struct Value {
    level: usize,
    scale: f64,
    values: Vec<f64>,
}

#[derive(Debug, PartialEq)]
enum Fault {
    NoLevelLeft,
    Level,
    Scale(f64, f64),
    Length,
}

fn per_feature(constants: &[f64], features: usize) -> Result<Vec<f64>, Fault> {
    match constants {
        [all] => Ok(vec![*all; features]),
        list if list.len() == features => Ok(list.to_vec()),
        _ => Err(Fault::Length),
    }
}

impl HomomorphicOps for Floats {
    type Value = Value;
    type Error = Fault;

    fn level(&self, v: &Value) -> usize {
        v.level
    }
    fn scale(&self, v: &Value) -> f64 {
        v.scale
    }
    fn features(&self, v: &Value) -> usize {
        v.values.len()
    }
    fn components(&self, _: &Value) -> usize {
        2
    }
    fn tensor_square(&self, v: &Value) -> Result<Value, Fault> {
        self.multiply(v, v)
    }
    fn relinearize(&self, v: Value) -> Result<Value, Fault> {
        Ok(v)
    }
    fn relinearize_rescale(&self, v: Value) -> Result<Value, Fault> {
        self.rescale(v)
    }
    fn linear(&self, v: &Value, _: &LinearMap, _: f64) -> Result<Value, Fault> {
        Ok(v.clone())
    }
    fn add_constants(&self, mut v: Value, constants: &[f64]) -> Result<Value, Fault> {
        let constants = per_feature(constants, v.values.len())?;
        v.values
            .iter_mut()
            .zip(constants)
            .for_each(|(v, c)| *v += c);
        Ok(v)
    }
    fn multiply_constants(&self, v: &Value, constants: &[f64], scale: f64) -> Result<Value, Fault> {
        let constants = per_feature(constants, v.values.len())?;
        let values = v.values.iter().zip(constants).map(|(v, c)| v * c).collect();
        Ok(Value {
            level: v.level,
            scale,
            values,
        })
    }
    fn add(&self, mut a: Value, b: &Value) -> Result<Value, Fault> {
        if a.level != b.level {
            return Err(Fault::Level);
        }
        if !scales_agree(a.scale, b.scale) {
            return Err(Fault::Scale(a.scale, b.scale));
        }
        a.values
            .iter_mut()
            .zip(&b.values)
            .for_each(|(a, b)| *a += b);
        Ok(a)
    }
    fn square(&self, v: &Value) -> Result<Value, Fault> {
        self.multiply(v, v)
    }
    fn multiply(&self, a: &Value, b: &Value) -> Result<Value, Fault> {
        self.products.set(self.products.get() + 1);
        let values = a.values.iter().zip(&b.values).map(|(a, b)| a * b).collect();
        Ok(Value {
            level: a.level.min(b.level),
            scale: a.scale * b.scale,
            values,
        })
    }
    fn rescale(&self, mut v: Value) -> Result<Value, Fault> {
        v.scale /= PRIMES[v.level];
        v.level = v.level.checked_sub(1).ok_or(Fault::NoLevelLeft)?;
        Ok(v)
    }
    fn drop_to(&self, v: &Value, level: usize) -> Result<Value, Fault> {
        if level > v.level {
            return Err(Fault::Level);
        }
        Ok(Value { level, ..v.clone() })
    }
}

fn evaluate(p: &MonicPolynomial, values: Vec<f64>, level: usize) -> (Result<Value, Fault>, usize) {
    let ops = Floats::default();
    let x = Value {
        level,
        scale: SCALE,
        values,
    };
    let result = evaluate_polynomial(&ops, &x, p);
    (result, ops.products.get())
}

/// One value for all, one per feature, or nothing.
fn coefficient_list() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        2 => prop::collection::vec(-2.0..2.0f64, 1),
        2 => prop::collection::vec(-2.0..2.0f64, 3),
        1 => Just(vec![]),
        1 => Just(vec![0.0]),
    ]
}

fn polynomial() -> impl Strategy<Value = MonicPolynomial> {
    (1..=MAX_DEGREE)
        .prop_flat_map(|degree| prop::collection::vec(coefficient_list(), degree))
        .prop_map(|mut lower| {
            lower[0].clear();
            MonicPolynomial::new(lower.len(), lower).unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_degree_and_every_pattern_of_zeros_agrees_with_horner(
        p in polynomial(),
        values in prop::collection::vec(-1.5..1.5f64, 3),
        spare in 0..2usize,
    ) {
        let level = p.depth() + spare;
        let (result, _) = evaluate(&p, values.clone(), level);
        let result = result.unwrap();
        prop_assert_eq!(result.level, spare);
        for (feature, &x) in values.iter().enumerate() {
            let expected = p.value(feature, x);
            let tolerance = 1e-9 * (1.0 + x.abs().powi(p.degree() as i32));
            prop_assert!((result.values[feature] - expected).abs() < 100.0 * tolerance);
        }
        if p.depth() > 0 {
            let (short, _) = evaluate(&p, values, p.depth() - 1);
            prop_assert!(short.is_err());
        }
    }
}

#[test]
fn depth_is_the_ceiling_of_the_logarithm() {
    let depths: Vec<usize> = (1..=16).map(polynomial_depth).collect();
    assert_eq!(depths, [0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
}

/// Products of two ciphertexts are what an encrypted activation costs.
#[test]
fn the_number_of_products_stays_small() {
    let dense = |degree: usize| {
        let lower = (0..degree).map(|k| if k == 0 { vec![] } else { vec![0.5] });
        evaluate(
            &MonicPolynomial::new(degree, lower.collect()).unwrap(),
            vec![0.3],
            5,
        )
        .1
    };
    let counts: Vec<usize> = (1..=10).map(dense).collect();
    assert_eq!(counts, [0, 1, 2, 2, 4, 4, 5, 5, 6, 6]);
    let pure = |degree: usize| {
        let p = MonicPolynomial::new(degree, vec![vec![]; degree]).unwrap();
        evaluate(&p, vec![0.3], 5).1
    };
    let counts: Vec<usize> = (1..=9).map(pure).collect();
    assert_eq!(counts, [0, 1, 2, 2, 3, 3, 4, 3, 4]);
}

#[test]
fn polynomials_that_make_no_sense_are_refused() {
    let new = MonicPolynomial::new;
    assert_eq!(new(0, vec![]), Err(PolynomialError::Degree { degree: 0 }));
    assert!(matches!(
        new(17, vec![vec![]; 17]),
        Err(PolynomialError::Degree { .. })
    ));
    assert!(matches!(
        new(2, vec![vec![]]),
        Err(PolynomialError::Length { .. })
    ));
    let constant = new(2, vec![vec![0.0, 1.0], vec![]]);
    assert!(matches!(
        constant,
        Err(PolynomialError::ConstantTerm { .. })
    ));
    let nan = new(2, vec![vec![], vec![f64::NAN]]);
    assert!(matches!(
        nan,
        Err(PolynomialError::NotFinite { power: 1, .. })
    ));
    let ragged = new(3, vec![vec![], vec![1.0, 2.0], vec![1.0, 2.0, 3.0]]);
    assert!(matches!(ragged, Err(PolynomialError::Features { .. })));
}
