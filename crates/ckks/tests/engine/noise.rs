//! Measured noise against predicted. A secure degree, several keys; the measured deviation has to
//! lie within a fifth of the predicted one (relative spread of these measurements: a few percent).

use ckks::{HomomorphicOps, Parameters, Ring};

use crate::common::{Engine, RINGS, parameters, rms};

const KEYS: usize = 4;

fn check(name: &str, measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!(
        (0.8..1.25).contains(&ratio),
        "{name}: {measured} measured, {predicted} predicted"
    );
}

fn engines(ring: Ring, primes: &[u32], special: &[u32]) -> Vec<(Engine, Parameters)> {
    let set = parameters(ring, 11, primes, special);
    (0..KEYS)
        .map(|_| (Engine::new(set.clone()), set.clone()))
        .collect()
}

/// Decryptions in units of the integers.
fn integers(engine: &Engine, set: &ckks::CiphertextSet) -> Vec<f64> {
    let values = engine.secret.decrypt(set).unwrap();
    values.into_iter().map(|v| v * set.scale()).collect()
}

#[test]
fn a_fresh_encryption() {
    for ring in RINGS {
        for (engine, set) in engines(ring, &[50, 40], &[50]) {
            let zeros = engine.encrypt(&vec![0.0; 8 * set.slots()], 8, 1024.0);
            let predicted = engine.predictor.model.fresh();
            // zero encodes without rounding, which the prediction includes at 1 part in 127
            check("fresh", rms(integers(&engine, &zeros)), predicted);
        }
    }
}

#[test]
fn a_rescaling() {
    for ring in RINGS {
        let engines = engines(ring, &[50, 40], &[50]);
        let noise = engines.iter().flat_map(|(engine, set)| {
            // the fresh noise disappears in the division: what is left are the rounding errors
            let zeros = engine.encrypt(&vec![0.0; 8 * set.slots()], 8, (1u64 << 45) as f64);
            integers(engine, &engine.evaluator.rescale(zeros).unwrap())
        });
        check(
            "rescale",
            rms(noise),
            engines[0].0.predictor.model.rescale(2),
        );
    }
}

#[test]
fn a_linear_map() {
    for ring in RINGS {
        for (engine, set) in engines(ring, &[50], &[50]) {
            let features = 16;
            let weights: Vec<i16> = (0..features as i16).map(|i| 5 * i - 40).collect();
            let map = ckks::LinearMap::dense(features, 1, weights).unwrap();
            let zeros = engine.encrypt(&vec![0.0; features * set.slots()], features, 1024.0);
            let noise = integers(
                &engine,
                &engine.evaluator.linear(&zeros, &map, 8.0).unwrap(),
            );
            let model = &engine.predictor.model;
            let predicted = model.linear(model.fresh(), map.max_row_sum_of_squares());
            check("linear", rms(noise), predicted);
        }
    }
}

/// A special prime smaller than the digits makes their products with the key's errors outweigh
/// everything else.
#[test]
fn the_digits_of_a_relinearisation() {
    for ring in RINGS {
        for (primes, special) in [
            (&[50][..], &[36][..]),
            (&[50, 50, 50], &[36]),
            (&[50, 46], &[36]),
            // digits of two primes: two whole ones, and one of which only a prime is left
            (&[50, 46, 49, 48], &[38, 42]),
            (&[50, 46, 50], &[38, 42]),
            (&[36, 35, 36, 33], &[30, 31, 30]),
        ] {
            let engines = engines(ring, primes, special);
            let noise = engines.iter().flat_map(|(engine, set)| {
                let zeros = engine.encrypt(&vec![0.0; 4 * set.slots()], 4, 1024.0);
                integers(engine, &engine.evaluator.square(&zeros).unwrap())
            });
            let model = &engines[0].0.predictor.model;
            check(
                "relinearise",
                rms(noise),
                model.relinearize(primes.len() - 1),
            );
        }
    }
}

/// In the conjugate-invariant ring a slot is real, so the noise of the input is known exactly and
/// can be subtracted: what relinearisation adds is visible by itself, rounding included.
#[test]
fn a_relinearisation_by_itself() {
    for special in [&[50][..], &[45, 46]] {
        let engines = engines(Ring::ConjugateInvariant, &[50, 40, 40], special);
        let noise = engines.iter().flat_map(|(engine, set)| {
            let zeros = engine.encrypt(&vec![0.0; 4 * set.slots()], 4, 1024.0);
            let before = integers(engine, &zeros);
            let after = integers(engine, &engine.evaluator.square(&zeros).unwrap());
            before
                .into_iter()
                .zip(after)
                .map(|(e, square)| square - e * e)
                .collect::<Vec<_>>()
        });
        check(
            "relinearise",
            rms(noise),
            engines[0].0.predictor.model.relinearize(2),
        );
    }
}

#[test]
fn a_square_and_a_product() {
    for ring in RINGS {
        for (engine, set) in engines(ring, &[50, 40], &[50]) {
            let (value, scale) = (3.0, (1u64 << 30) as f64);
            let constants = engine.encrypt(&vec![value; 4 * set.slots()], 4, scale);
            let others = engine.encrypt(&vec![-2.0; 4 * set.slots()], 4, scale);
            let model = &engine.predictor.model;
            let fresh = model.fresh();
            let square = integers(&engine, &engine.evaluator.square(&constants).unwrap());
            let noise = square.into_iter().map(|v| v - (value * scale).powi(2));
            check("square", rms(noise), model.square(value * scale, fresh));
            let product = integers(
                &engine,
                &engine.evaluator.multiply(&constants, &others).unwrap(),
            );
            let noise = product.into_iter().map(|v| v + 2.0 * value * scale * scale);
            check(
                "product",
                rms(noise),
                model.multiply(value * scale, fresh, -2.0 * scale, fresh),
            );
        }
    }
}

/// The figures of the design: N = 8192, values of 22 bits.
#[test]
fn the_published_figures_of_rescaling() {
    let bits = |ring, components| {
        let model = ckks::NoiseModel::new(&parameters(ring, 13, &[40], &[]));
        model.rescale(components).log2()
    };
    assert!((22.0 - bits(RINGS[0], 2) - 11.6).abs() < 0.05);
    assert!((22.0 - bits(RINGS[1], 2) - 10.1).abs() < 0.05);
    let model = |ring| ckks::NoiseModel::new(&parameters(ring, 13, &[40], &[]));
    let worst = |ring: Ring| (model(ring).rescale(2) * model(ring).worst_slot_factor()).log2();
    assert!((22.0 - worst(RINGS[0]) - 10.0).abs() < 0.1);
    assert!((22.0 - worst(RINGS[1]) - 8.0).abs() < 0.1);
    // three components at N = 4096
    let three = |ring| {
        ckks::NoiseModel::new(&parameters(ring, 12, &[40], &[]))
            .rescale(3)
            .log2()
    };
    assert!((three(RINGS[0]) - 15.6).abs() < 0.1, "{}", three(RINGS[0]));
    assert!((three(RINGS[1]) - 17.9).abs() < 0.1, "{}", three(RINGS[1]));
}
