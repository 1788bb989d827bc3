//! What cannot be done is an error that says so.

use std::sync::Arc;

use ckks::{Error, EvaluationKey, Evaluator, HomomorphicOps, LinearMap, Ring, SecretKey};

use crate::common::{Engine, RINGS, parameters};

fn engine(special: &[u32]) -> Engine {
    Engine::new(parameters(Ring::Standard, 6, &[40, 40], special))
}

#[test]
fn values_that_cannot_be_encrypted() {
    let engine = engine(&[]);
    let encrypt = |values: &[f64], features, scale| {
        engine.secret.encrypt(values, features, scale).map(|_| ())
    };
    assert!(matches!(encrypt(&[], 1, 2.0), Err(Error::Shape { .. })));
    assert!(matches!(encrypt(&[1.0], 0, 2.0), Err(Error::Shape { .. })));
    assert!(matches!(
        encrypt(&[1.0; 3], 2, 2.0),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        encrypt(&[1.0; 33], 1, 2.0),
        Err(Error::Shape { slots: 32, .. })
    ));
    for value in [f64::NAN, f64::INFINITY] {
        assert!(matches!(
            encrypt(&[0.0, value], 1, 2.0),
            Err(Error::NotFinite { index: 1, .. })
        ));
    }
    for scale in [f64::NAN, 0.0, -4.0, 0.5, f64::INFINITY] {
        assert!(matches!(
            encrypt(&[1.0], 1, scale),
            Err(Error::Scale { .. })
        ));
    }
    assert!(matches!(
        encrypt(&[0.0, -1e20], 1, 2.0),
        Err(Error::DoesNotFit { index: 1, .. })
    ));
    assert!(encrypt(&[1.0; 32], 1, 2.0).is_ok());
}

#[test]
fn operations_without_what_they_need() {
    let engine = engine(&[40]);
    let x = engine.encrypt(&[1.0, 2.0], 2, 1024.0);
    let keyless = Evaluator::new(engine.parameters.clone(), None).unwrap();
    assert!(matches!(
        keyless.square(&x),
        Err(Error::NoEvaluationKey {
            operation: "square"
        })
    ));
    assert!(matches!(
        keyless.multiply(&x, &x),
        Err(Error::NoEvaluationKey { .. })
    ));

    let plain = Engine::new(parameters(Ring::Standard, 6, &[40], &[]));
    let y = plain.encrypt(&[1.0], 1, 1024.0);
    assert!(matches!(
        plain.evaluator.square(&y),
        Err(Error::NoSpecialPrime)
    ));
    assert!(matches!(
        EvaluationKey::generate(&plain.secret),
        Err(Error::NoSpecialPrime)
    ));
    assert!(matches!(
        plain.evaluator.rescale(y),
        Err(Error::NoLevelLeft { .. })
    ));

    let m = &engine.evaluator;
    assert!(matches!(
        m.drop_to(&x, 2),
        Err(Error::Level {
            wanted: 2,
            level: 1,
            ..
        })
    ));
    // the scale would fall below one
    assert!(matches!(m.rescale(x), Err(Error::Scale { .. })));
}

#[test]
fn operands_that_do_not_match() {
    let engine = engine(&[40]);
    let m = &engine.evaluator;
    let x = engine.encrypt(&[1.0, 2.0], 2, 1024.0);
    let lower = m.drop_to(&x, 0).unwrap();
    assert!(matches!(m.add(x.clone(), &lower), Err(Error::Level { .. })));
    let single = engine.encrypt(&[1.0], 1, 1024.0);
    assert!(matches!(
        m.add(x.clone(), &single),
        Err(Error::Features { .. })
    ));
    assert!(matches!(
        m.multiply(&x, &single),
        Err(Error::Features { .. })
    ));
    let scaled = engine.encrypt(&[1.0, 2.0], 2, 1024.1);
    assert!(matches!(
        m.add(x.clone(), &scaled),
        Err(Error::ScaleMismatch { .. })
    ));
    let map = LinearMap::dense(3, 1, vec![1; 3]).unwrap();
    assert!(matches!(
        m.linear(&x, &map, 1.0),
        Err(Error::Features {
            expected: 3,
            found: 2,
            ..
        })
    ));
    let map = LinearMap::dense(2, 1, vec![1; 2]).unwrap();
    assert!(matches!(
        m.linear(&x, &map, f64::NAN),
        Err(Error::Scale { .. })
    ));

    assert!(matches!(
        m.add_constants(x.clone(), &[1.0; 3]),
        Err(Error::Features { .. })
    ));
    assert!(matches!(
        m.add_constants(x.clone(), &[]),
        Err(Error::Features { .. })
    ));
    let nan = m.add_constants(x.clone(), &[1.0, f64::NAN]);
    assert!(matches!(nan, Err(Error::NotFinite { index: 1, .. })));
    assert!(matches!(
        m.add_constants(x.clone(), &[1e30]),
        Err(Error::DoesNotFit { .. })
    ));
    assert!(matches!(
        m.multiply_constants(&x, &[1.0], 0.0),
        Err(Error::Scale { .. })
    ));
    assert!(matches!(
        m.multiply_constants(&x, &[1e30], 1e5),
        Err(Error::DoesNotFit { .. })
    ));
}

#[test]
fn parameter_sets_do_not_mix() {
    let [standard, other] = RINGS.map(|ring| Engine::new(parameters(ring, 6, &[40, 40], &[40])));
    let x = other.encrypt(&[1.0], 1, 1024.0);
    let m = &standard.evaluator;
    let mismatch =
        |result: Result<(), Error>| matches!(result, Err(Error::ParameterMismatch { .. }));
    assert!(mismatch(m.square(&x).map(|_| ())));
    assert!(mismatch(m.rescale(x.clone()).map(|_| ())));
    assert!(mismatch(m.add_constants(x.clone(), &[1.0]).map(|_| ())));
    assert!(mismatch(standard.secret.decrypt(&x).map(|_| ())));
    let key = Arc::new(EvaluationKey::generate(&other.secret).unwrap());
    assert!(mismatch(
        Evaluator::new(standard.parameters.clone(), Some(key)).map(|_| ())
    ));
}

/// A key of the same parameters but another secret gives noise, not values.
#[test]
fn another_secret_decrypts_nothing() {
    let engine = engine(&[]);
    let x = engine.encrypt(&[1.0; 32], 1, (1u64 << 30) as f64);
    let other = SecretKey::generate(&engine.parameters).unwrap();
    let values = other.decrypt(&x).unwrap();
    assert!(values.iter().any(|v| (v - 1.0).abs() > 1e3));
}

#[test]
fn secrets_do_not_print() {
    let engine = engine(&[]);
    assert_eq!(format!("{:?}", engine.secret), "SecretKey(redacted)");
}

/// Two encryptions of one message share nothing.
#[test]
fn encryption_is_randomised() {
    let engine = engine(&[]);
    let bytes = || {
        let mut bytes = Vec::new();
        engine
            .secret
            .encrypt(&[1.0; 32], 1, 1024.0)
            .unwrap()
            .write(&mut bytes)
            .unwrap();
        bytes
    };
    let (a, b) = (bytes(), bytes());
    let same = a[60..].iter().zip(&b[60..]).filter(|(a, b)| a == b).count();
    assert!(same < a.len() / 20, "{same} of {} bytes", a.len());
}
