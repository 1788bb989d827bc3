//! Rotations and plaintexts on random messages, at every level of both rings, within the predicted noise; and the noise by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use ckks::{
    Addend, CiphertextSet, Error, Evaluator, GaloisKeys, HomomorphicOps, Parameters, Plaintext,
    PlaintextEncoder, Products, Ring, RotationOrder, SecretKey,
};
use proptest::prelude::*;

use crate::common::{Engine, RINGS, parameters, rms};

const SCALE: f64 = (1u64 << 26) as f64;
const WEIGHT_SCALE: f64 = (1u64 << 14) as f64;
const IMAGES: usize = 2;
const PLACES: [usize; 5] = [1, 4, 7, 64, 127];

/// An engine with Galois keys of several levels.
struct Packed {
    engine: Engine,
    evaluator: Evaluator,
    order: RotationOrder,
}

impl Packed {
    fn new(set: Parameters, rotations: &BTreeMap<usize, usize>) -> Self {
        let engine = Engine::new(set.clone());
        let keys = GaloisKeys::generate(&engine.secret, rotations).unwrap();
        Self {
            evaluator: engine
                .evaluator
                .clone()
                .with_galois_keys(Arc::new(keys))
                .unwrap(),
            order: RotationOrder::new(&set),
            engine,
        }
    }

    fn encrypt(&self, rows: &[Vec<f64>], level: usize) -> CiphertextSet {
        let rows: Vec<f64> = rows
            .iter()
            .flat_map(|row| self.order.arrange(row))
            .collect();
        let count = rows.len() / self.engine.parameters.slots();
        let set = self.engine.encrypt(&rows, count, SCALE);
        self.evaluator.drop_to(&set, level).unwrap()
    }

    fn decrypt(&self, set: &CiphertextSet) -> Vec<Vec<f64>> {
        let values = self.engine.secret.decrypt(set).unwrap();
        let rows = values.chunks_exact(self.engine.parameters.slots());
        rows.map(|row| self.order.restore(row)).collect()
    }

    fn plaintext(&self, values: &[f64], scale: f64, level: usize) -> Plaintext {
        let mut encoder = PlaintextEncoder::new(&self.engine.parameters);
        encoder.encode(values, scale, level).unwrap()
    }
}

static ENGINES: LazyLock<[Packed; 2]> = LazyLock::new(|| {
    RINGS.map(|ring| {
        let set = parameters(ring, 8, &[50, 40, 40], &[50]);
        let rotations = PLACES.map(|places| (places, 2));
        Packed::new(set, &rotations.into())
    })
});

fn rotated(row: &[f64], places: usize) -> Vec<f64> {
    let mut row = row.to_vec();
    row.rotate_left(places);
    row
}

fn check(found: &[Vec<f64>], wanted: &[Vec<f64>], sigma: f64, scale: f64, factor: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        for (slot, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            let off = (found - wanted).abs() * scale / sigma;
            assert!(
                off < 6.0 * factor,
                "slot {slot}: {off} predicted deviations"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rotations_and_products_are_those_of_slots(
        ring in 0..2usize,
        level in 0..3usize,
        places in prop::sample::select(&PLACES[..]),
        seed in prop::collection::vec(-4.0..4.0f64, 256),
    ) {
        let packed = &ENGINES[ring];
        let slots = packed.engine.parameters.slots();
        let row = |from: usize| -> Vec<f64> {
            (0..slots).map(|slot| seed[(slot * from + from) % seed.len()]).collect()
        };
        let rows = [row(1), row(3)];
        let weights = [row(5), row(7)];
        let set = packed.encrypt(&rows, level);
        let model = &packed.engine.predictor.model;
        let (fresh, switch) = (model.fresh(), model.rotate(level));
        let worst = model.worst_slot_factor();

        let each = packed.evaluator.rotate_each(&set, &[places, 1]).unwrap();
        let wanted: Vec<Vec<f64>> = rows
            .iter()
            .flat_map(|row| [rotated(row, places), rotated(row, 1)])
            .collect();
        let sigma = model.add(fresh, switch);
        check(&packed.decrypt(&each), &wanted, sigma, SCALE, worst);

        // acc = rotate(acc) + x p, and a sum over both rotations
        let encoded = weights.each_ref().map(|row| packed.plaintext(row, WEIGHT_SCALE, level));
        let products = packed.evaluator.multiply_plaintexts(&[Products(&set, &[&encoded[0]])]).unwrap();
        let terms = [Products(&set, &[&encoded[1]])];
        let addend = Addend::Products(&terms);
        let horner = packed.evaluator.rotate_add(&products, places, addend).unwrap();
        let value = 4.0 * SCALE;
        let product = model.multiply_plaintext(value, fresh, 4.0 * WEIGHT_SCALE);
        let wanted: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                let product: Vec<f64> = row.iter().zip(&weights[0]).map(|(x, w)| x * w).collect();
                let product = rotated(&product, places);
                let terms = product.iter().zip(row).zip(&weights[1]);
                terms.map(|((product, x), w)| product + x * w).collect()
            })
            .collect();
        let sigma = model.add(model.add(product, product), switch);
        check(&packed.decrypt(&horner), &wanted, sigma, horner.scale(), worst);

        let sum = packed.evaluator.multiply_plaintexts(&[Products(&each, &encoded.each_ref())]).unwrap();
        let wanted: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                let (a, b) = (rotated(row, places), rotated(row, 1));
                let terms = a.iter().zip(&weights[0]).zip(b.iter().zip(&weights[1]));
                terms.map(|((a, v), (b, w))| a * v + b * w).collect()
            })
            .collect();
        let product = model.multiply_plaintext(value, model.add(fresh, switch), 4.0 * WEIGHT_SCALE);
        check(&packed.decrypt(&sum), &wanted, model.add(product, product), sum.scale(), worst);

        let moved = packed
            .evaluator
            .add_plaintext(set.clone(), &packed.plaintext(&weights[0], SCALE, level))
            .unwrap();
        let doubled = packed.evaluator.rotate_add(&moved, places, Addend::Itself).unwrap();
        let wanted: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                let moved: Vec<f64> = row.iter().zip(&weights[0]).map(|(x, w)| x + w).collect();
                rotated(&moved, places).iter().zip(&moved).map(|(a, b)| a + b).collect()
            })
            .collect();
        let moved = model.add(fresh, model.plaintext());
        let sigma = model.add(model.add(moved, moved), switch);
        check(&packed.decrypt(&doubled), &wanted, sigma, SCALE, worst);
    }
}

/// Several ciphertexts at once have to give what each gives alone.
#[test]
fn sets_are_rotated_as_their_ciphertexts_one_by_one() {
    for packed in &*ENGINES {
        let slots = packed.engine.parameters.slots();
        let rows: Vec<Vec<f64>> = (0..9 * IMAGES)
            .map(|row| {
                (0..slots)
                    .map(|slot| (slot * row % 11) as f64 / 3.0)
                    .collect()
            })
            .collect();
        let set = packed.encrypt(&rows, 2);
        let together = packed.evaluator.rotate_each(&set, &[4, 7]).unwrap();
        let wanted: Vec<Vec<f64>> = rows
            .iter()
            .flat_map(|row| [rotated(row, 4), rotated(row, 7)])
            .collect();
        let model = &packed.engine.predictor.model;
        let sigma = model.add(model.fresh(), model.rotate(2));
        let worst = model.worst_slot_factor();
        check(&packed.decrypt(&together), &wanted, sigma, SCALE, worst);
    }
}

fn measured(name: &str, measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!(
        (0.8..1.25).contains(&ratio),
        "{name}: {measured} measured, {predicted} predicted"
    );
}

/// In the conjugate-invariant ring slots are real, so that what a rotation adds is visible by itself: the noise before it is known.
#[test]
fn noise_of_a_rotation() {
    for (primes, special) in [
        (&[50, 40, 40][..], &[50][..]),
        // the digits' products with the errors outweigh the rounding
        (&[50, 46], &[36]),
        (&[50, 46, 49, 48], &[38, 42]),
    ] {
        let set = parameters(Ring::ConjugateInvariant, 11, primes, special);
        let level = primes.len() - 1;
        let rotations = [(1, level), (100, level)].into();
        let mut noise = Vec::new();
        let mut predicted = 0.0;
        for _ in 0..4 {
            let packed = Packed::new(set.clone(), &rotations);
            let zeros = packed.encrypt(&vec![vec![0.0; set.slots()]; 4], level);
            let before = packed.decrypt(&zeros);
            for places in [1, 100] {
                let after = packed.evaluator.rotate_each(&zeros, &[places]).unwrap();
                for (before, after) in before.iter().zip(packed.decrypt(&after)) {
                    let before = rotated(before, places);
                    let both = before.iter().zip(after);
                    noise.extend(both.map(|(before, after)| (after - before) * SCALE));
                }
            }
            predicted = packed.engine.predictor.model.rotate(level);
        }
        measured("rotation", rms(noise), predicted);
    }
}

/// A product with plaintexts of random values, with the weights on and off: what is left is noise times weight and value times rounding.
#[test]
fn noise_of_a_product_with_a_plaintext() {
    for ring in RINGS {
        for (weight, weight_scale) in [(3.0, 4096.0), (0.0, 4096.0), (1.0, (1u64 << 30) as f64)] {
            let set = parameters(ring, 11, &[50, 50], &[50]);
            let value = 2.0;
            let mut noise = Vec::new();
            let mut predicted = 0.0;
            for seed in 1..5 {
                let packed = Packed::new(set.clone(), &BTreeMap::new());
                let model = &packed.engine.predictor.model;
                let rows = vec![vec![value; set.slots()]; 2];
                let ciphertexts = packed.encrypt(&rows, 1);
                // signs that make every coefficient a sum of many, as random vectors have
                let weights: Vec<f64> = (0..set.slots())
                    .map(|slot| {
                        let sign = if (slot * seed * 7919) % 13 < 6 {
                            -1.0
                        } else {
                            1.0
                        };
                        // where the weight is off, one slot in eight is on
                        let weight = if weight == 0.0 && slot % 8 == 0 {
                            2.0
                        } else {
                            weight
                        };
                        sign * weight
                    })
                    .collect();
                let plaintext = packed.plaintext(&weights, weight_scale, 1);
                let product = packed
                    .evaluator
                    .multiply_plaintexts(&[Products(&ciphertexts, &[&plaintext])])
                    .unwrap();
                for row in packed.decrypt(&product) {
                    let off = row.iter().zip(&weights).enumerate();
                    let off = off.filter(|(slot, _)| weight != 0.0 || slot % 8 != 0);
                    noise.extend(off.map(|(_, (found, w))| (found - w * value) * product.scale()));
                }
                predicted =
                    model.multiply_plaintext(value * SCALE, model.fresh(), weight * weight_scale);
            }
            measured("product", rms(noise), predicted);
        }
    }
}

#[test]
fn keys_travel_whole_and_are_cut_to_their_levels() {
    for ring in RINGS {
        for special in [&[50][..], &[45, 46]] {
            let set = parameters(ring, 7, &[50, 40, 40, 38], special);
            let secret = SecretKey::generate(&set).unwrap();
            let rotations = BTreeMap::from([(1, 0), (3, 2), (5, 3), (set.slots() - 1, 1)]);
            let keys = GaloisKeys::generate(&secret, &rotations).unwrap();
            assert_eq!(keys.rotations(), rotations);
            let mut bytes = Vec::new();
            keys.write(&mut bytes).unwrap();
            assert_eq!(bytes.len(), GaloisKeys::wire_bytes(&set, &rotations));
            let read = GaloisKeys::read(&set, &mut &bytes[..]).unwrap();
            let mut again = Vec::new();
            read.write(&mut again).unwrap();
            assert!(again == bytes);
            let lower = BTreeMap::from([(1, 0)]);
            let higher = BTreeMap::from([(1, 3)]);
            assert!(GaloisKeys::wire_bytes(&set, &lower) < GaloisKeys::wire_bytes(&set, &higher));

            // what was read rotates, masks and all
            let order = RotationOrder::new(&set);
            let values: Vec<f64> = (0..set.slots()).map(|slot| slot as f64).collect();
            let fresh = secret.encrypt(&order.arrange(&values), 1, SCALE).unwrap();
            let evaluator = Evaluator::new(set.clone(), None).unwrap();
            let evaluator = evaluator.with_galois_keys(Arc::new(read)).unwrap();
            for (&places, &level) in &rotations {
                let at = evaluator.drop_to(&fresh.expand(), level).unwrap();
                let found = evaluator.rotate_each(&at, &[places]).unwrap();
                let found = order.restore(&secret.decrypt(&found).unwrap());
                for (found, wanted) in found.iter().zip(rotated(&values, places)) {
                    assert!((found - wanted).abs() < 1e-2);
                }
                // a level above the key's
                if level < set.max_level() {
                    let above = evaluator.drop_to(&fresh.expand(), level + 1).unwrap();
                    let refused = evaluator.rotate_each(&above, &[places]);
                    assert!(matches!(refused, Err(Error::NoGaloisKey { .. })));
                }
            }

            for at in [0, 9, 20, 60, 76, 82, 90, bytes.len() / 2, bytes.len() - 1] {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                assert!(GaloisKeys::read(&set, &mut &altered[..]).is_err(), "{at}");
                assert!(GaloisKeys::read(&set, &mut &bytes[..at]).is_err(), "{at}");
            }
            let mut key = Vec::new();
            secret.write(&mut key).unwrap();
            let refused = GaloisKeys::read(&set, &mut &key[..]).unwrap_err();
            let wanted = "this is secret key, where set of Galois keys is wanted";
            assert_eq!(refused.to_string(), wanted);
        }
    }
}

/// Biases meet products whose scales are past what two words hold.
#[test]
fn plaintexts_of_any_size_that_the_modulus_holds() {
    for ring in RINGS {
        let set = parameters(ring, 8, &[50, 50, 50], &[50]);
        let packed = Packed::new(set.clone(), &BTreeMap::new());
        let values: Vec<f64> = (0..set.slots())
            .map(|slot| slot as f64 / 9.0 - 3.0)
            .collect();
        for bits in [30, 60, 84, 110, 140] {
            let scale = f64::from(bits).exp2();
            // zero at the scale of the plaintext
            let fresh = packed.encrypt(&[vec![1.0; set.slots()]], 2);
            let zero = packed.plaintext(&[], scale / SCALE, 2);
            let zero = packed
                .evaluator
                .multiply_plaintexts(&[Products(&fresh, &[&zero])]);
            let plaintext = packed.plaintext(&values, scale, 2);
            let sum = packed
                .evaluator
                .add_plaintext(zero.unwrap(), &plaintext)
                .unwrap();
            let found = &packed.decrypt(&sum)[0];
            let wanted = values.iter().zip(found);
            let off = wanted.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
            assert!(off < 1e-6, "{ring}, 2^{bits}: {off}");
        }
    }
}

#[test]
fn refusals() {
    let packed = &ENGINES[1];
    let set = &packed.engine.parameters;
    let secret = &packed.engine.secret;
    for rotations in [
        BTreeMap::from([(0, 0)]),
        BTreeMap::from([(set.slots(), 0)]),
        BTreeMap::from([(1, 3)]),
    ] {
        assert!(GaloisKeys::generate(secret, &rotations).is_err());
    }
    let ciphertext = packed.encrypt(&[vec![1.0; set.slots()]], 1);
    let refused = packed.evaluator.rotate_each(&ciphertext, &[2]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a rotation by 2 places at level 1 needs a Galois key that the evaluator does not have"
    );
    assert!(packed.evaluator.rotate_each(&ciphertext, &[]).is_err());
    assert!(packed.evaluator.multiply_plaintexts(&[]).is_err());
    let low = packed.plaintext(&[1.0], 64.0, 0);
    let refused = packed
        .evaluator
        .multiply_plaintexts(&[Products(&ciphertext, &[&low])]);
    assert!(matches!(refused, Err(Error::Level { .. })));
    let one = packed.plaintext(&[1.0], 64.0, 1);
    let other = packed.plaintext(&[1.0], 128.0, 1);
    let refused = packed
        .evaluator
        .multiply_plaintexts(&[Products(&ciphertext, &[&one, &other])]);
    assert!(matches!(refused, Err(Error::Features { .. })));
    let refused = packed.evaluator.add_plaintext(ciphertext.clone(), &one);
    assert!(matches!(refused, Err(Error::ScaleMismatch { .. })));
    let terms = [Products(&ciphertext, &[&one])];
    let addend = Addend::Products(&terms);
    let refused = packed.evaluator.rotate_add(&ciphertext, 1, addend);
    assert!(matches!(refused, Err(Error::ScaleMismatch { .. })));
    let mut encoder = PlaintextEncoder::new(set);
    for values in [vec![f64::NAN], vec![1e40], vec![0.0; set.slots() + 1]] {
        assert!(encoder.encode(&values, 64.0, 2).is_err());
    }
    assert!(encoder.encode(&[1.0], 0.5, 2).is_err());
    assert!(encoder.encode(&[1.0], 64.0, 3).is_err());
    // a key of its own set alone
    let stranger = parameters(Ring::Standard, 8, &[50, 40, 40], &[50]);
    let keys = GaloisKeys::generate(secret, &BTreeMap::from([(1, 0)])).unwrap();
    let evaluator = Evaluator::new(stranger, None).unwrap();
    assert!(evaluator.with_galois_keys(Arc::new(keys)).is_err());
}
