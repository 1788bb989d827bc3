//! Automorphisms and key switching by their definitions.

use super::*;
use crate::automorphism::{Automorphism, RotationOrder};
use crate::evaluator::Addend;
use crate::keys::{GaloisKeys, SwitchingKey};
use crate::modulus::CENTRE;

/// The image of a polynomial under X -> X^element.
fn image(ring: Ring, element: usize, polynomial: &[i128]) -> Vec<i128> {
    let n = polynomial.len();
    let mut out = vec![0; n];
    for (k, &m) in polynomial.iter().enumerate() {
        match ring {
            // X^N = -1
            Ring::Standard => {
                let power = k * element % (2 * n);
                out[power % n] += if power < n { m } else { -m };
            }
            // b_k = X^k + X^-k, X^2N = -1: b_(4N-k) = b_k, b_(2N-k) = -b_k
            Ring::ConjugateInvariant => {
                let power = k * element % (4 * n);
                let power = power.min(4 * n - power);
                match power.cmp(&n) {
                    std::cmp::Ordering::Less => out[power] += m,
                    std::cmp::Ordering::Equal => {}
                    std::cmp::Ordering::Greater => out[2 * n - power] -= m,
                }
            }
        }
    }
    out
}

/// The automorphism that rotates by so many places.
fn element(ring: Ring, degree: usize, places: usize) -> usize {
    let order = if ring == Ring::Standard { 2 } else { 4 } * degree;
    (0..places).fold(1, |power, _| power * 5 % order)
}

#[test]
fn permutations_of_values_are_automorphisms_of_polynomials() {
    for ring in RINGS {
        let parameters = parameters(ring, 6);
        let degree = parameters.ring_degree();
        let polynomial: Vec<i128> = (0..degree as i128)
            .map(|k| (k * 7919) % 1009 - 500)
            .collect();
        for places in [1, 2, 3, 5, parameters.slots() / 2, parameters.slots() - 1] {
            let automorphism = Automorphism::rotation(&parameters, places);
            let wanted = image(ring, element(ring, degree, places), &polynomial);
            let special = parameters.special_indices().unwrap();
            for prime in 0..special.end {
                let transform = parameters.transform(prime);
                let words: Vec<u64> = polynomial
                    .iter()
                    .map(|&m| CENTRE.wrapping_add_signed(m as i64))
                    .collect();
                let [mut values, mut permuted, mut back] = [0, 0, 0].map(|word| vec![word; degree]);
                transform.forward(&words, &[], &mut values);
                automorphism.apply(prime, &values, &mut permuted);
                transform.inverse(&permuted, &mut back);
                let found = back.iter().map(|word| word.wrapping_sub(CENTRE) as i64);
                assert!(
                    found.map(i128::from).eq(wanted.iter().copied()),
                    "{ring}, {places}"
                );
            }
        }
    }
}

#[test]
fn slots_in_the_order_of_rotations_are_at_the_powers_of_five() {
    for ring in RINGS {
        let parameters = parameters(ring, 6);
        let (degree, slots) = (parameters.ring_degree(), parameters.slots());
        let polynomial: Vec<f64> = (0..degree).map(|k| ((k * 37) % 19) as f64 - 9.0).collect();
        let order = if ring == Ring::Standard { 2 } else { 4 } * degree;
        let value = |slot: usize| -> f64 {
            let angle = 2.0 * PI * element(ring, degree, slot) as f64 / order as f64;
            let terms = polynomial.iter().enumerate().map(|(k, m)| {
                let both = ring == Ring::ConjugateInvariant && k > 0;
                let weight = if both { 2.0 } else { 1.0 };
                weight * m * (angle * k as f64).cos()
            });
            terms.sum()
        };
        let embedding = slots_of(ring, degree, slots, &polynomial);
        let rotations = RotationOrder::new(&parameters);
        let restored = rotations.restore(&embedding);
        for (slot, found) in restored.iter().enumerate() {
            assert!((found - value(slot)).abs() < 1e-9, "{ring}, slot {slot}");
        }
        assert_eq!(rotations.arrange(&restored), embedding);
    }
}

/// Chains whose product with the special primes fits the reference's integers.
fn small_chains(ring: Ring) -> [Parameters; 2] {
    [
        (vec![30, 26, 25], vec![31]),
        (vec![22, 21, 23], vec![23, 22]),
    ]
    .map(|(prime_bits, special_bits)| {
        Parameters::insecure_for_tests(ParametersLiteral {
            ring,
            log_n: 6,
            prime_bits,
            special_bits,
        })
        .unwrap()
    })
}

/// The two polynomials that a polynomial becomes: whole digits times whole polynomials of the key, divided by P and rounded.
fn switch_by_definition(
    parameters: &Parameters,
    key: &SwitchingKey,
    level: usize,
    polynomial: &[u128],
) -> [Vec<u128>; 2] {
    let ring = parameters.ring();
    let special = parameters.special_indices().unwrap();
    let indices: Vec<usize> = (0..=level).chain(special).collect();
    let all: Vec<u64> = indices
        .iter()
        .map(|&prime| parameters.modulus(prime).value())
        .collect();
    let big = Big(all.iter().map(|&prime| u128::from(prime)).product());
    let of_key = |digit: usize, half: usize| -> Vec<u128> {
        let limbs: Vec<Vec<u64>> = indices
            .iter()
            .map(|&prime| {
                let row = &key.rows(prime)[digit];
                let values = if half == 0 { &row.b } else { &row.a };
                let mut words = vec![0; parameters.ring_degree()];
                parameters.transform(prime).inverse(values, &mut words);
                let p = parameters.modulus(prime);
                words.into_iter().map(|word| p.of_word(word)).collect()
            })
            .collect();
        (0..parameters.ring_degree())
            .map(|at| {
                let residues: Vec<u64> = limbs.iter().map(|limb| limb[at]).collect();
                big.compose(&residues, &all)
            })
            .collect()
    };
    let divisor: i128 = parameters
        .special_primes()
        .iter()
        .map(|&prime| i128::from(prime))
        .product();
    let below = Big::of(parameters, level);
    [0, 1].map(|half| {
        let mut sum = vec![0; parameters.ring_degree()];
        for (digit, primes) in parameters.digits(level).enumerate() {
            let modulus = Big(parameters.primes()[primes]
                .iter()
                .map(|&prime| u128::from(prime))
                .product());
            let small: Vec<u128> = polynomial
                .iter()
                .map(|&c| big.reduce(modulus.centred(c % modulus.0)))
                .collect();
            let product = big.product(ring, &small, &of_key(digit, half));
            for (sum, term) in sum.iter_mut().zip(product) {
                *sum = big.add(*sum, term);
            }
        }
        let quotients = sum.into_iter().map(|sum| {
            // P is odd, so no quotient lies half way
            let exact = big.centred(sum);
            below.reduce((2 * exact + divisor).div_euclid(2 * divisor))
        });
        quotients.collect()
    })
}

#[test]
fn key_switches_are_sums_of_whole_digits_times_the_key() {
    for ring in RINGS {
        for parameters in small_chains(ring) {
            let secret = SecretKey::generate(&parameters).unwrap();
            let degree = parameters.ring_degree();
            let values: Vec<f64> = (0..parameters.slots()).map(|slot| slot as f64).collect();
            let fresh = secret.encrypt(&values, 1, 4096.0).unwrap().expand();
            let relinearization = Arc::new(EvaluationKey::generate(&secret).unwrap());
            for level in 1..=parameters.max_level() {
                // keys cut to the level
                let rotations = [(1, level), (5, level), (parameters.slots() - 1, level)];
                let galois = GaloisKeys::generate(&secret, &rotations.into()).unwrap();
                let galois = Arc::new(galois);
                let evaluator =
                    Evaluator::new(parameters.clone(), Some(relinearization.clone())).unwrap();
                let evaluator = evaluator.with_galois_keys(galois.clone()).unwrap();
                let set = evaluator.drop_to(&fresh, level).unwrap();
                let big = Big::of(&parameters, level);
                let sum = |a: &[u128], b: &[u128]| -> Vec<u128> {
                    a.iter().zip(b).map(|(&a, &b)| big.add(a, b)).collect()
                };

                let squared = evaluator.tensor_square(&set).unwrap();
                let three = whole(&squared, 0);
                let key = relinearization.switching();
                let [b, a] = switch_by_definition(&parameters, key, level, &three[2]);
                let found = evaluator.relinearize(squared).unwrap();
                let wanted = [sum(&three[0], &b), sum(&three[1], &a)];
                assert_eq!(whole(&found, 0), wanted, "{ring}, level {level}");

                let two = whole(&set, 0);
                let places = rotations.map(|(places, _)| places);
                let together = evaluator.rotate_each(&set, &places).unwrap();
                for (at, places) in places.into_iter().enumerate() {
                    let key = &galois.key(places, level).unwrap().key;
                    let [b, a] = switch_by_definition(&parameters, key, level, &two[1]);
                    let element = element(ring, degree, places);
                    let image = |polynomial: Vec<u128>| -> Vec<u128> {
                        let centred: Vec<i128> =
                            polynomial.into_iter().map(|m| big.centred(m)).collect();
                        let image = image(ring, element, &centred);
                        image.into_iter().map(|m| big.reduce(m)).collect()
                    };
                    let wanted = [image(sum(&two[0], &b)), image(a)];
                    let found = evaluator.rotate_add(&set, places, Addend::Nothing).unwrap();
                    assert_eq!(whole(&found, 0), wanted, "{ring}, by {places}");
                    assert_eq!(whole(&together, at), wanted, "{ring}, by {places}, hoisted");
                    let doubled = evaluator.rotate_add(&set, places, Addend::Itself).unwrap();
                    let wanted = [sum(&wanted[0], &two[0]), sum(&wanted[1], &two[1])];
                    assert_eq!(whole(&doubled, 0), wanted, "{ring}, by {places}, added");
                }
            }
        }
    }
}
