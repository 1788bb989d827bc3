//! Squares that stay at three and five components: without a key, with a late relinearisation, and
//! merged with a rescaling.

use ckks::{CiphertextSet, Error, Evaluator, HomomorphicOps, LinearMap, Parameters, Ring};

use crate::common::{Engine, Prediction, RINGS, parameters, rms};

fn values(count: usize, bound: f64) -> Vec<f64> {
    (0..count)
        .map(|i| bound * ((i * 37 % 101) as f64 / 50.0 - 1.0))
        .collect()
}

fn rows(values: &[f64], slots: usize) -> Vec<Vec<f64>> {
    values.chunks(slots).map(<[f64]>::to_vec).collect()
}

/// The whole object on the wire: equal bytes are equal residues, level and scale.
fn bytes(set: &CiphertextSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.write(&mut bytes).unwrap();
    bytes
}

/// Linear, bias, square, linear, bias, square, linear, and the prediction beside it.
fn keyless<M: HomomorphicOps>(
    m: &M,
    x: &M::Value,
    maps: &[LinearMap; 3],
    squares: usize,
) -> Result<M::Value, M::Error> {
    let mut v = m.add_constants(m.linear(x, &maps[0], 4.0)?, &[0.5, -0.25])?;
    for map in &maps[1..=squares] {
        v = m.tensor_square(&v)?;
        v = m.add_constants(m.linear(&v, map, 4.0)?, &[0.25])?;
    }
    Ok(v)
}

fn maps() -> [LinearMap; 3] {
    [
        LinearMap::dense(3, 2, vec![3, -1, 2, 1, 4, -2]).unwrap(),
        LinearMap::dense(2, 2, vec![3, -2, -1, 4]).unwrap(),
        LinearMap::dense(2, 1, vec![3, -4]).unwrap(),
    ]
}

fn clear(x: [f64; 3], squares: usize) -> Vec<f64> {
    let [a, b, c] = x;
    let mut v = vec![
        (3.0 * a - b + 2.0 * c) / 4.0 + 0.5,
        (a + 4.0 * b - 2.0 * c) / 4.0 - 0.25,
    ];
    for weights in [vec![[3.0, -2.0], [-1.0, 4.0]], vec![[3.0, -4.0]]]
        .iter()
        .take(squares)
    {
        let squares = [v[0] * v[0], v[1] * v[1]];
        let row = |w: &[f64; 2]| (w[0] * squares[0] + w[1] * squares[1]) / 4.0 + 0.25;
        v = weights.iter().map(row).collect();
    }
    v
}

/// The secure set of a keyless circuit: N = 2048 and one prime, or N = 4096 and two.
#[test]
fn circuits_without_keys() {
    for ring in RINGS {
        for (log_n, prime_bits, squares, scale) in [
            (11, vec![49], 1, 4096.0),
            (12, vec![50, 50], 2, 8192.0),
            (11, vec![27, 26], 1, 4096.0),
        ] {
            let literal = ckks::ParametersLiteral {
                ring,
                log_n,
                prime_bits,
                special_bits: vec![],
            };
            let engine = Engine::new(Parameters::new(literal).unwrap());
            let slots = engine.parameters.slots();
            let input = values(3 * slots, 1.0);
            let set = engine.encrypt(&input, 3, scale);
            let evaluator = Evaluator::new(engine.parameters.clone(), None).unwrap();
            let result = keyless(&evaluator, &set, &maps(), squares).unwrap();
            assert_eq!(result.components(), [3, 5][squares - 1]);
            let fresh = engine.fresh(3, scale, 1.0);
            let predicted = keyless(&engine.predictor, &fresh, &maps(), squares).unwrap();
            let outputs = result.features();
            let expected: Vec<Vec<f64>> = (0..outputs)
                .map(|output| {
                    let x = |slot: usize| [0, 1, 2].map(|f| input[f * slots + slot]);
                    (0..slots)
                        .map(|slot| clear(x(slot), squares)[output])
                        .collect()
                })
                .collect();
            engine.compare(&result, &predicted, &expected);
        }
    }
}

/// Any number of components goes through every operation that is linear in them.
#[test]
fn three_components_are_rescaled_dropped_added_and_multiplied() {
    for ring in RINGS {
        let engine = Engine::new(parameters(ring, 8, &[50, 46, 40], &[]));
        let slots = engine.parameters.slots();
        let input = values(2 * slots, 2.0);
        let set = engine.encrypt(&input, 2, (1u64 << 36) as f64);
        let fresh = engine.fresh(2, set.scale(), 2.0);
        fn steps<M: HomomorphicOps>(m: &M, x: &M::Value) -> Result<M::Value, M::Error> {
            let square = m.rescale(m.tensor_square(x)?)?;
            let lower = m.drop_to(&square, m.level(&square) - 1)?;
            let target = m.scale(&lower) * 1024.0;
            let scaled = m.multiply_constants(&lower, &[1.5, -2.0], target)?;
            m.add(scaled.clone_of(m)?, &scaled)
        }
        let result = steps(&engine.evaluator, &set).unwrap();
        let predicted = steps(&engine.predictor, &fresh).unwrap();
        let expected: Vec<Vec<f64>> = rows(&input, slots)
            .iter()
            .zip([3.0, -4.0])
            .map(|(row, factor)| row.iter().map(|x| factor * x * x).collect())
            .collect();
        assert_eq!(result.components(), 3);
        engine.compare(&result, &predicted, &expected);
    }
}

/// A copy through the machine alone.
trait CloneOf<M: HomomorphicOps<Value = Self>> {
    fn clone_of(&self, m: &M) -> Result<Self, M::Error>
    where
        Self: Sized;
}

impl<M: HomomorphicOps> CloneOf<M> for M::Value {
    fn clone_of(&self, m: &M) -> Result<Self, M::Error> {
        m.drop_to(self, m.level(self))
    }
}

/// One division or two, before the linear layer or after it: late is eager, bit by bit where
/// arithmetic says so.
#[test]
fn late_relinearisation_is_relinearisation() {
    let special = [&[50][..], &[50, 50], &[48, 46, 47]];
    for (ring, special) in RINGS
        .into_iter()
        .flat_map(|ring| special.map(|s| (ring, s)))
    {
        let engine = Engine::new(parameters(ring, 8, &[50, 46, 40, 40], special));
        let slots = engine.parameters.slots();
        let m = &engine.evaluator;
        let input = values(3 * slots, 2.0);
        let top = engine.encrypt(&input, 3, (1u64 << 36) as f64);
        for level in 1..=3 {
            let set = m.drop_to(&top, level).unwrap();
            let square = m.tensor_square(&set).unwrap();
            let relinearized = m.relinearize(square.clone()).unwrap();
            assert_eq!(bytes(&relinearized), bytes(&m.square(&set).unwrap()));
            let merged = m.relinearize_rescale(square).unwrap();
            assert_eq!(bytes(&merged), bytes(&m.rescale(relinearized).unwrap()));
        }
    }
}

#[test]
fn a_lazy_layer() {
    for ring in RINGS {
        let engine = Engine::new(parameters(ring, 8, &[50, 46, 40], &[50]));
        let slots = engine.parameters.slots();
        let input = values(3 * slots, 2.0);
        let scale = (1u64 << 30) as f64;
        let map = LinearMap::dense(3, 2, vec![3, -1, 2, 1, 4, -2]).unwrap();
        let steps = |set: &CiphertextSet| {
            let m = &engine.evaluator;
            let v = m.linear(&m.tensor_square(set)?, &map, 4.0)?;
            let v = m.relinearize_rescale(m.add_constants(v, &[0.5])?)?;
            m.tensor_square(&v)
        };
        let predict = |x: &Prediction| {
            let m = &engine.predictor;
            let v = m.linear(&m.tensor_square(x)?, &map, 4.0)?;
            let v = m.relinearize_rescale(m.add_constants(v, &[0.5])?)?;
            m.tensor_square(&v)
        };
        let result = steps(&engine.encrypt(&input, 3, scale)).unwrap();
        let predicted: Result<Prediction, String> = predict(&engine.fresh(3, scale, 2.0));
        let expected: Vec<Vec<f64>> = [[3.0, -1.0, 2.0], [1.0, 4.0, -2.0]]
            .iter()
            .map(|row| {
                let sum = |slot: usize| -> f64 {
                    (0..3)
                        .map(|f| row[f] / 4.0 * input[f * slots + slot].powi(2))
                        .sum()
                };
                (0..slots).map(|slot| (sum(slot) + 0.5).powi(2)).collect()
            })
            .collect();
        engine.compare(&result, &predicted.unwrap(), &expected);
    }
}

#[test]
fn what_cannot_be_relinearised() {
    let engine = Engine::new(parameters(Ring::Standard, 6, &[40, 40], &[40]));
    let m = &engine.evaluator;
    let x = engine.encrypt(&[1.0], 1, 1024.0);
    let components = |result: Result<CiphertextSet, Error>, wanted| match result {
        Err(Error::Components { expected, .. }) => expected == wanted,
        _ => false,
    };
    assert!(components(m.relinearize(x.clone()), 3));
    assert!(components(m.relinearize_rescale(x.clone()), 3));
    let square = m.tensor_square(&x).unwrap();
    assert!(components(m.square(&square), 2));
    assert!(components(m.add(square.clone(), &x), 3));
    let fourth = m.tensor_square(&square).unwrap();
    assert!(components(m.tensor_square(&fourth), 4));
    assert!(components(m.relinearize(fourth), 3));

    let lowest = m.drop_to(&square, 0).unwrap();
    let merged = m.relinearize_rescale(lowest);
    assert!(matches!(merged, Err(Error::NoLevelLeft { .. })));
    let keyless = Evaluator::new(engine.parameters.clone(), None).unwrap();
    let result = keyless.relinearize(square);
    assert!(matches!(result, Err(Error::NoEvaluationKey { .. })));
}

/// Rescaling three components: the mean over slots and keys, and the worst slot of each key.
#[test]
fn the_noise_of_rescaling_three_components() {
    for ring in RINGS {
        let keys = 12;
        let set = parameters(ring, 11, &[50, 40], &[]);
        let model = ckks::NoiseModel::new(&set);
        let mut all = Vec::new();
        let mut worst = Vec::new();
        for _ in 0..keys {
            let engine = Engine::new(set.clone());
            // what is squared is an encryption of zero whose noise the division removes
            let features = 4;
            let zeros = vec![0.0; features * set.slots()];
            let square = engine
                .evaluator
                .tensor_square(&engine.encrypt(&zeros, features, (1u64 << 24) as f64))
                .unwrap();
            let rescaled = engine.evaluator.rescale(square).unwrap();
            let noise: Vec<f64> = engine.secret.decrypt(&rescaled).unwrap();
            let noise: Vec<f64> = noise.iter().map(|v| v * rescaled.scale()).collect();
            let slot_rms = |slot| rms(noise.iter().skip(slot).step_by(set.slots()).copied());
            worst.push((0..set.slots()).map(slot_rms).fold(0.0, f64::max));
            all.extend(noise);
        }
        let ratio = rms(all) / model.rescale(3);
        assert!((0.75..1.3).contains(&ratio), "{ring}: {ratio}");
        let ratio = worst.iter().sum::<f64>() / keys as f64 / model.rescale_worst_slot(3);
        assert!((0.5..1.6).contains(&ratio), "{ring}, worst slot: {ratio}");
    }
}

/// With a small special prime the key's errors dominate, with a small last prime they survive the
/// second division: both terms of the prediction are seen.
#[test]
fn the_noise_of_a_merged_relinearisation() {
    for ring in RINGS {
        for (last, special) in [(40, &[50][..]), (24, &[36]), (24, &[36, 38])] {
            let set = parameters(ring, 11, &[50, last], special);
            let model = ckks::NoiseModel::new(&set);
            let noise = (0..6).flat_map(|_| {
                let engine = Engine::new(set.clone());
                let zeros = engine.encrypt(&vec![0.0; 4 * set.slots()], 4, (1u64 << 22) as f64);
                let square = engine.evaluator.tensor_square(&zeros).unwrap();
                let result = engine.evaluator.relinearize_rescale(square).unwrap();
                let values = engine.secret.decrypt(&result).unwrap();
                let scale = result.scale();
                values.into_iter().map(move |v| v * scale)
            });
            let squared = model.square(0.0, model.fresh());
            let prime = set.primes()[1] as f64;
            let predicted = model.after_relinearize_rescale(squared, 1, prime);
            let ratio = rms(noise) / predicted;
            assert!(
                (0.75..1.3).contains(&ratio),
                "{ring}, {special:?} bits: {ratio}"
            );
        }
    }
}

/// The figures of the design: three components at N = 4096.
#[test]
fn the_published_worst_slots() {
    for (ring, bits) in RINGS.into_iter().zip([18.0, 20.7]) {
        let model = ckks::NoiseModel::new(&parameters(ring, 12, &[40], &[]));
        let worst = model.rescale_worst_slot(3).log2();
        assert!((worst - bits).abs() < 0.6, "{ring}: {worst}");
        let two = model.rescale_worst_slot(2) / model.rescale(2) / model.worst_slot_factor();
        assert!((two - 1.0).abs() < 0.01);
    }
}
