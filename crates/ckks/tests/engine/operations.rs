//! decrypt(op(encrypt(x))) = op(x) within the predicted noise, for random messages at every level
//! in both rings.

use std::sync::LazyLock;

use ckks::{HomomorphicOps, LinearMap};
use proptest::prelude::*;

use crate::common::{Engine, Prediction, RINGS, parameters};

const SCALE: f64 = (1u64 << 40) as f64;
const FEATURES: usize = 3;
const BOUND: f64 = 4.0;

/// Both rings, three levels. Made once: keys cost more than the tests.
static ENGINES: LazyLock<[Engine; 2]> =
    LazyLock::new(|| RINGS.map(|ring| Engine::new(parameters(ring, 8, &[50, 46, 40, 40], &[50]))));

#[derive(Clone, Debug)]
struct Case {
    ring: usize,
    level: usize,
    /// `[feature][slot]`
    values: Vec<Vec<f64>>,
    others: Vec<Vec<f64>>,
    constants: Vec<f64>,
}

fn case(lowest: usize) -> impl Strategy<Value = Case> {
    let rows = || prop::collection::vec(prop::collection::vec(-BOUND..BOUND, 128), FEATURES);
    let constants = prop_oneof![
        prop::collection::vec(-BOUND..BOUND, FEATURES),
        prop::collection::vec(-BOUND..BOUND, 1),
    ];
    (0..2usize, lowest..4usize, rows(), rows(), constants).prop_map(
        |(ring, level, values, others, constants)| Case {
            ring,
            level,
            values,
            others,
            constants,
        },
    )
}

impl Case {
    fn engine(&self) -> &'static Engine {
        &ENGINES[self.ring]
    }

    fn constant(&self, feature: usize) -> f64 {
        self.constants[feature % self.constants.len()]
    }

    /// Runs the same steps on ciphertexts and on predictions and compares with the clear result.
    fn check(&self, expected: impl Fn(usize, f64, f64) -> f64, steps: impl Steps) {
        let engine = self.engine();
        let input = |values: &[Vec<f64>]| {
            let set = engine.encrypt(&values.concat(), FEATURES, SCALE);
            engine.evaluator.drop_to(&set, self.level).unwrap()
        };
        let fresh = Prediction {
            level: self.level,
            ..engine.fresh(FEATURES, SCALE, BOUND)
        };
        let result = steps.run(
            &engine.evaluator,
            &input(&self.values),
            &input(&self.others),
        );
        let predicted = steps.run(&engine.predictor, &fresh, &fresh);
        let rows = self.values.iter().zip(&self.others).enumerate();
        let expected: Vec<Vec<f64>> = rows
            .map(|(feature, (x, y))| {
                x.iter()
                    .zip(y)
                    .map(|(&x, &y)| expected(feature, x, y))
                    .collect()
            })
            .collect();
        engine.compare(&result.unwrap(), &predicted.unwrap(), &expected);
    }
}

/// A few operations on two values, for any machine.
trait Steps {
    fn run<M: HomomorphicOps>(
        &self,
        m: &M,
        a: &M::Value,
        b: &M::Value,
    ) -> Result<M::Value, M::Error>;
}

macro_rules! steps {
    ($case:ident, |$m:ident, $a:ident, $b:ident| $body:expr) => {{
        struct Local<'a>(#[allow(dead_code)] &'a Case);
        impl Steps for Local<'_> {
            fn run<M: HomomorphicOps>(
                &self,
                $m: &M,
                $a: &M::Value,
                $b: &M::Value,
            ) -> Result<M::Value, M::Error> {
                #[allow(unused_variables)]
                let $case = self.0;
                $body
            }
        }
        Local(&$case)
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn encryption_and_drop_to(case in case(0)) {
        case.check(|_, x, _| x, steps!(case, |m, a, _b| m.drop_to(a, m.level(a))));
    }

    #[test]
    fn add(case in case(0)) {
        case.check(|_, x, y| x + y, steps!(case, |m, a, b| m.add(m.drop_to(a, m.level(a))?, b)));
    }

    #[test]
    fn add_constants(case in case(0)) {
        case.check(
            |feature, x, _| x + case.constant(feature),
            steps!(case, |m, a, _b| m.add_constants(m.drop_to(a, m.level(a))?, &case.constants)),
        );
    }

    #[test]
    fn multiply_constants(case in case(1)) {
        case.check(
            |feature, x, _| x * case.constant(feature),
            steps!(case, |m, a, _b| m.multiply_constants(a, &case.constants, SCALE * 1e9)),
        );
    }

    #[test]
    fn square(case in case(1)) {
        case.check(|_, x, _| x * x, steps!(case, |m, a, _b| m.square(a)));
    }

    #[test]
    fn multiply(case in case(1)) {
        case.check(|_, x, y| x * y, steps!(case, |m, a, b| m.multiply(a, b)));
    }

    #[test]
    fn multiply_brings_both_to_the_lower_level(case in case(2)) {
        case.check(
            |_, x, y| x * y,
            steps!(case, |m, a, b| m.multiply(a, &m.drop_to(b, m.level(b) - 1)?)),
        );
    }

    #[test]
    fn rescale(case in case(1)) {
        case.check(|_, x, y| x * y, steps!(case, |m, a, b| m.rescale(m.multiply(a, b)?)));
    }

    #[test]
    fn linear(case in case(0), weights in prop::collection::vec(-300i16..300, 5 * FEATURES)) {
        let engine = case.engine();
        let map = LinearMap::dense(FEATURES, 5, weights.clone()).unwrap();
        let set = engine.encrypt(&case.values.concat(), FEATURES, SCALE / 1024.0);
        let set = engine.evaluator.drop_to(&set, case.level).unwrap();
        let fresh = Prediction { level: case.level, ..engine.fresh(FEATURES, SCALE / 1024.0, BOUND) };
        let result = engine.evaluator.linear(&set, &map, 64.0).unwrap();
        let predicted = engine.predictor.linear(&fresh, &map, 64.0).unwrap();
        let slots = 0..case.values[0].len();
        let row = |weights: &[i16]| slots.clone().map(|slot| {
            let terms = weights.iter().zip(&case.values);
            terms.map(|(&w, values)| f64::from(w) / 64.0 * values[slot]).sum()
        }).collect();
        let expected: Vec<Vec<f64>> = weights.chunks(FEATURES).map(row).collect();
        engine.compare(&result, &predicted, &expected);
    }

    /// A layer as circuits use it: linear, bias, square, rescale.
    #[test]
    fn a_layer(case in case(1)) {
        let map = LinearMap::dense(FEATURES, FEATURES, vec![3, -1, 0, 2, 2, -2, 0, 1, 1]).unwrap();
        let engine = case.engine();
        struct Layer<'a>(&'a LinearMap, &'a Case);
        impl Steps for Layer<'_> {
            fn run<M: HomomorphicOps>(&self, m: &M, a: &M::Value, _: &M::Value) -> Result<M::Value, M::Error> {
                let sums = m.add_constants(m.linear(a, self.0, 4.0)?, &self.1.constants)?;
                m.rescale(m.square(&sums)?)
            }
        }
        let weights = [[3.0, -1.0, 0.0], [2.0, 2.0, -2.0], [0.0, 1.0, 1.0]];
        let set = engine.encrypt(&case.values.concat(), FEATURES, SCALE);
        let set = engine.evaluator.drop_to(&set, case.level).unwrap();
        let fresh = Prediction { level: case.level, ..engine.fresh(FEATURES, SCALE, BOUND) };
        let layer = Layer(&map, &case);
        let result = layer.run(&engine.evaluator, &set, &set).unwrap();
        let predicted = layer.run(&engine.predictor, &fresh, &fresh).unwrap();
        let expected: Vec<Vec<f64>> = weights.iter().enumerate().map(|(feature, row)| {
            (0..128).map(|slot| {
                let sum: f64 = row.iter().zip(&case.values).map(|(w, v)| w / 4.0 * v[slot]).sum();
                (sum + case.constant(feature)).powi(2)
            }).collect()
        }).collect();
        engine.compare(&result, &predicted, &expected);
    }
}

/// Integers of more bits than any three of the primes have, of both signs: decryption puts all limbs
/// together.
#[test]
fn values_as_large_as_the_modulus_come_back() {
    for ring in RINGS {
        let engine = Engine::new(parameters(ring, 7, &[31, 27, 29, 30], &[]));
        let slots = engine.parameters.slots();
        let values: Vec<f64> = (0..slots).map(|i| (i as f64 - 20.0) / 64.0).collect();
        let set = engine.encrypt(&values, 1, (1u64 << 40) as f64);
        let wide = 2f64.powi(114);
        let set = engine
            .evaluator
            .multiply_constants(&set, &[1.0], wide)
            .unwrap();
        assert!(set.scale() == wide && engine.parameters.log_q() < 117.0);
        for (decrypted, value) in engine.secret.decrypt(&set).unwrap().iter().zip(&values) {
            // the noise of an encryption at 40 bits
            assert!((decrypted - value).abs() < 1e-8, "{decrypted} for {value}");
        }
    }
}
