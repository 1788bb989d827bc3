//! The engine against a slow and obvious reference: polynomials with whole coefficients modulo Q, multiplied term by term, and slots by the
//! sums that define them. Nothing of it knows residues, transforms or Garner's digits.

#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;
use std::sync::Arc;

use crate::Evaluator;
use crate::keys::{EvaluationKey, SecretKey};
use crate::linear::LinearMap;
use crate::noise::NoiseModel;
use crate::ops::HomomorphicOps;
use crate::params::{Parameters, ParametersLiteral, Ring};
use crate::set::CiphertextSet;

mod rotations;

const RINGS: [Ring; 2] = [Ring::Standard, Ring::ConjugateInvariant];
const FEATURES: usize = 3;
const SCALE: f64 = (1u64 << 30) as f64;

fn parameters(ring: Ring, log_n: u32) -> Parameters {
    Parameters::insecure_for_tests(ParametersLiteral {
        ring,
        log_n,
        prime_bits: vec![45, 36, 35],
        special_bits: vec![50],
    })
    .unwrap()
}

/// Integers modulo Q < 2^120.
#[derive(Clone, Copy)]
struct Big(u128);

impl Big {
    fn of(parameters: &Parameters, level: usize) -> Self {
        let primes = parameters.primes()[..=level].iter();
        Self(primes.map(|&prime| u128::from(prime)).product())
    }

    fn add(self, a: u128, b: u128) -> u128 {
        (a + b) % self.0
    }

    fn negate(self, a: u128) -> u128 {
        (self.0 - a) % self.0
    }

    /// Doubling and adding: no product ever leaves 128 bits.
    fn multiply(self, a: u128, mut b: u128) -> u128 {
        let (mut power, mut sum) = (a, 0);
        while b > 0 {
            if b & 1 == 1 {
                sum = self.add(sum, power);
            }
            power = self.add(power, power);
            b >>= 1;
        }
        sum
    }

    fn reduce(self, value: i128) -> u128 {
        value.rem_euclid(self.0 as i128) as u128
    }

    /// The representative of least magnitude.
    fn centred(self, value: u128) -> i128 {
        if value > self.0 / 2 {
            value as i128 - self.0 as i128
        } else {
            value as i128
        }
    }

    /// The number with these residues modulo the primes: what is known is raised by the modulus so far until the next residue is right.
    /// The steps are counted by trying powers of two, not one by one.
    fn compose(self, residues: &[u64], primes: &[u64]) -> u128 {
        let (mut value, mut modulus) = (0u128, 1u128);
        for (&residue, &prime) in residues.iter().zip(primes) {
            let p = u128::from(prime);
            // modulus * inverse = 1 modulo p, by Fermat
            let mut inverse = 1;
            let (mut base, mut exponent) = (modulus % p, p - 2);
            while exponent > 0 {
                if exponent & 1 == 1 {
                    inverse = inverse * base % p;
                }
                base = base * base % p;
                exponent >>= 1;
            }
            let missing = (u128::from(residue) + p - value % p) % p;
            value += modulus * (missing * inverse % p);
            modulus *= p;
        }
        assert_eq!(modulus, self.0);
        value
    }

    /// A product in the ring, term by term.
    fn product(self, ring: Ring, a: &[u128], b: &[u128]) -> Vec<u128> {
        let n = a.len();
        let mut sums = vec![0; n];
        let mut add = |power: usize, value: u128| match ring {
            // X^N = -1
            Ring::Standard if power >= n => {
                sums[power - n] = self.add(sums[power - n], self.negate(value));
            }
            // With b_k = X^k + X^-k and X^2N = -1: b_N = 0 and b_(2N-k) = -b_k.
            Ring::ConjugateInvariant if power > n => {
                let place = 2 * n - power;
                sums[place] = self.add(sums[place], self.negate(value));
            }
            Ring::ConjugateInvariant if power == n => {}
            _ => sums[power] = self.add(sums[power], value),
        };
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let term = self.multiply(x, y);
                add(i + j, term);
                // b_i b_j = b_(i+j) + b_|i-j|, where the first basis element is 1 and not b_0 = 2
                if ring == Ring::ConjugateInvariant && i > 0 && j > 0 {
                    add(i.abs_diff(j), term);
                    if i == j {
                        add(0, term);
                    }
                }
            }
        }
        sums
    }
}

/// `[component][coefficient]` of one ciphertext, as whole numbers.
fn whole(set: &CiphertextSet, feature: usize) -> Vec<Vec<u128>> {
    let (parameters, level) = (set.parameters(), set.level());
    let (degree, big) = (parameters.ring_degree(), Big::of(parameters, level));
    let polynomial = |component: usize| -> Vec<u128> {
        let limbs: Vec<Vec<u64>> = (0..=level)
            .map(|limb| {
                let (mut values, mut words) = (vec![0; degree], vec![0; degree]);
                set.residues.gather(limb, component, feature, &mut values);
                parameters.transform(limb).inverse(&values, &mut words);
                let p = parameters.modulus(limb);
                words.into_iter().map(|word| p.of_word(word)).collect()
            })
            .collect();
        let residues = |at: usize| -> Vec<u64> { limbs.iter().map(|limb| limb[at]).collect() };
        (0..degree)
            .map(|at| big.compose(&residues(at), parameters.primes()))
            .collect()
    };
    (0..set.components()).map(polynomial).collect()
}

/// `c_0 + c_1 s + c_2 s s + ...`, centred.
fn phase(key: &SecretKey, set: &CiphertextSet, feature: usize) -> Vec<i128> {
    let parameters = set.parameters();
    let (ring, big) = (parameters.ring(), Big::of(parameters, set.level()));
    let secret = key.coefficients().iter();
    let secret: Vec<u128> = secret.map(|&s| big.reduce(s.into())).collect();
    let mut power: Option<Vec<u128>> = None;
    let mut sum = vec![0; parameters.ring_degree()];
    for component in whole(set, feature) {
        let (term, next) = match power {
            None => (component, secret.clone()),
            Some(power) => {
                let next = big.product(ring, &power, &secret);
                (big.product(ring, &component, &power), next)
            }
        };
        for (sum, term) in sum.iter_mut().zip(term) {
            *sum = big.add(*sum, term);
        }
        power = Some(next);
    }
    sum.into_iter().map(|value| big.centred(value)).collect()
}

/// Where slot j is: the angle of the point at which polynomials are evaluated there.
fn angle(ring: Ring, degree: usize, slot: usize) -> f64 {
    match ring {
        Ring::Standard => PI * (4 * slot + 1) as f64 / degree as f64,
        Ring::ConjugateInvariant => PI * (2 * slot + 1) as f64 / (2 * degree) as f64,
    }
}

/// The real value of a polynomial in every slot.
fn slots_of(ring: Ring, degree: usize, slots: usize, coefficients: &[f64]) -> Vec<f64> {
    let value = |slot: usize| -> f64 {
        let terms = coefficients.iter().enumerate().map(|(k, m)| {
            let twice = if ring == Ring::ConjugateInvariant && k > 0 {
                2.0
            } else {
                1.0
            };
            twice * m * (angle(ring, degree, slot) * k as f64).cos()
        });
        terms.sum()
    };
    (0..slots).map(value).collect()
}

/// The coefficients of the polynomial with these real values: the sums that invert [`slots_of`], for the points of every conjugate pair are
/// orthogonal.
fn coefficients_of(ring: Ring, degree: usize, values: &[f64]) -> Vec<f64> {
    let points = match ring {
        Ring::Standard => degree / 2,
        Ring::ConjugateInvariant => degree,
    };
    let coefficient = |k: usize| -> f64 {
        let terms = values.iter().enumerate();
        terms
            .map(|(slot, z)| z * (angle(ring, degree, slot) * k as f64).cos())
            .sum::<f64>()
            / points as f64
    };
    (0..degree).map(coefficient).collect()
}

struct Setting {
    parameters: Parameters,
    key: SecretKey,
    evaluator: Evaluator,
    values: Vec<f64>,
    set: CiphertextSet,
}

impl Setting {
    fn new(ring: Ring) -> Self {
        let parameters = parameters(ring, 6);
        let key = SecretKey::generate(&parameters).unwrap();
        let relinearization = Arc::new(EvaluationKey::generate(&key).unwrap());
        let evaluator = Evaluator::new(parameters.clone(), Some(relinearization)).unwrap();
        let count = FEATURES * parameters.slots();
        let values: Vec<f64> = (0..count)
            .map(|at| ((at * 37 + 11) % 101) as f64 / 25.0 - 2.0)
            .collect();
        let set = key.encrypt(&values, FEATURES, SCALE).unwrap().expand();
        Self {
            parameters,
            key,
            evaluator,
            values,
            set,
        }
    }

    /// Decrypts by the definitions alone and compares with what the engine decrypts.
    fn same_decryption(&self, set: &CiphertextSet) -> Vec<f64> {
        let (ring, degree) = (self.parameters.ring(), self.parameters.ring_degree());
        let slots = self.parameters.slots();
        let fast = self.key.decrypt(set).unwrap();
        for (feature, row) in fast.chunks_exact(slots).enumerate() {
            let phase = phase(&self.key, set, feature);
            let phase: Vec<f64> = phase.into_iter().map(|m| m as f64).collect();
            let slow = slots_of(ring, degree, slots, &phase);
            let size = phase.iter().fold(1.0, |most: f64, m| most.max(m.abs()));
            for (slot, (fast, slow)) in row.iter().zip(slow).enumerate() {
                let off = (fast * set.scale() - slow).abs();
                assert!(off < 1e-11 * size, "{ring}, slot {slot}: off by {off}");
            }
        }
        fast
    }
}

#[test]
fn encryption_is_of_the_encoded_integers_and_decrypts_by_the_definition() {
    for ring in RINGS {
        let setting = Setting::new(ring);
        let slots = setting.parameters.slots();
        let degree = setting.parameters.ring_degree();
        for (feature, values) in setting.values.chunks_exact(slots).enumerate() {
            let encoded = coefficients_of(ring, degree, values);
            for (k, (m, exact)) in phase(&setting.key, &setting.set, feature)
                .into_iter()
                .zip(encoded)
                .enumerate()
            {
                // an error of deviation 3.19 (4.5 in the first place of the conjugate-invariant ring), cut off by nothing but chance
                let error = m as f64 - exact * SCALE;
                assert!(error.abs() < 40.0, "{ring}, coefficient {k}: {error}");
            }
        }
        for (found, value) in setting
            .same_decryption(&setting.set)
            .iter()
            .zip(&setting.values)
        {
            assert!((found - value).abs() < 1e-5);
        }
    }
}

#[test]
fn squares_of_ciphertexts_are_products_of_whole_polynomials() {
    for ring in RINGS {
        let setting = Setting::new(ring);
        let squared = setting.evaluator.tensor_square(&setting.set).unwrap();
        let big = Big::of(&setting.parameters, setting.set.level());
        for feature in 0..FEATURES {
            let factors = whole(&setting.set, feature);
            let product = |i: usize, j: usize| big.product(ring, &factors[i], &factors[j]);
            let middle = product(0, 1);
            let twice = middle.iter().map(|&m| big.add(m, m)).collect();
            let wanted = [product(0, 0), twice, product(1, 1)];
            assert_eq!(whole(&squared, feature), wanted, "{ring}");
        }
        let values = setting.same_decryption(&squared);
        for (found, value) in values.iter().zip(&setting.values) {
            assert!((found - value * value).abs() < 1e-4, "{ring}");
        }
        // Five components, a fourth power of the secret.
        let small = setting
            .key
            .encrypt(&setting.values, FEATURES, 2048.0)
            .unwrap();
        let square = setting.evaluator.tensor_square(&small.expand()).unwrap();
        let fourth = setting.evaluator.tensor_square(&square).unwrap();
        assert_eq!(fourth.components(), 5);
        setting.same_decryption(&fourth);
    }
}

#[test]
fn linear_maps_and_constants_are_integer_sums() {
    for ring in RINGS {
        let setting = Setting::new(ring);
        let weights: Vec<i16> = vec![-127, 90, 3, 300, -299, 1];
        let map = LinearMap::dense(FEATURES, 2, weights.clone()).unwrap();
        let output = setting.evaluator.linear(&setting.set, &map, 64.0).unwrap();
        let big = Big::of(&setting.parameters, setting.set.level());
        let inputs: Vec<_> = (0..FEATURES).map(|f| whole(&setting.set, f)).collect();
        for (row, weights) in weights.chunks_exact(FEATURES).enumerate() {
            for (component, found) in whole(&output, row).into_iter().enumerate() {
                for (at, found) in found.into_iter().enumerate() {
                    let terms = inputs.iter().zip(weights);
                    let sum = terms.fold(0, |sum, (input, &weight)| {
                        let weight = big.reduce(weight.into());
                        big.add(sum, big.multiply(input[component][at], weight))
                    });
                    assert_eq!(found, sum, "{ring}, row {row}, component {component}");
                }
            }
        }
        let moved = setting
            .evaluator
            .add_constants(output.clone(), &[0.75])
            .unwrap();
        let constant = (0.75 * output.scale()).round() as i128;
        let (before, after) = (whole(&output, 0), whole(&moved, 0));
        assert_eq!(after[0][0], big.add(before[0][0], big.reduce(constant)));
        assert_eq!(after[0][1..], before[0][1..]);
        assert_eq!(after[1], before[1]);
        setting.same_decryption(&moved);
    }
}

#[test]
fn rescaling_is_division_with_rounding() {
    for ring in RINGS {
        let setting = Setting::new(ring);
        let level = setting.set.level();
        let prime = i128::from(setting.parameters.primes()[level]);
        let (above, below) = (
            Big::of(&setting.parameters, level),
            Big::of(&setting.parameters, level - 1),
        );
        let squared = setting.evaluator.tensor_square(&setting.set).unwrap();
        let before = whole(&squared, 0);
        let divided = setting.evaluator.rescale(squared).unwrap();
        for (before, after) in before.iter().zip(whole(&divided, 0)) {
            for (&before, after) in before.iter().zip(after) {
                // primes are odd, so no quotient lies half way
                let exact = above.centred(before);
                let rounded = (2 * exact + prime).div_euclid(2 * prime);
                assert_eq!(after, below.reduce(rounded), "{ring}");
            }
        }
        assert_eq!(divided.scale(), SCALE * SCALE / prime as f64);
        setting.same_decryption(&divided);
    }
}

#[test]
fn relinearisation_changes_the_phase_by_noise_alone() {
    for ring in RINGS {
        let setting = Setting::new(ring);
        let squared = setting.evaluator.tensor_square(&setting.set).unwrap();
        let switched = setting.evaluator.relinearize(squared.clone()).unwrap();
        assert_eq!(switched.components(), 2);
        let level = switched.level();
        // in one slot, so a coefficient has less
        let deviation = NoiseModel::new(&setting.parameters).relinearize(level);
        for feature in 0..FEATURES {
            let before = phase(&setting.key, &squared, feature);
            let after = phase(&setting.key, &switched, feature);
            for (before, after) in before.iter().zip(after) {
                let off = (before - after).abs() as f64;
                assert!(off < 10.0 * deviation, "{ring}: {off} for {deviation}");
            }
        }
        setting.same_decryption(&switched);
    }
}
