//! Does the time of sampling, encryption and decryption depend on the secret? Welch's t-test of a fixed secret against random ones, as in
//! dudect (Reparaz, Balasch and Verbauwhede, DATE 2017): classes in random order, outliers cut at several percentiles, the largest |t| told.
//! Beyond 4.5 a dependence is likely, beyond 10 it is certain. The control does depend on the secret, and shows what the test can see here.
//!
//! ```text
//! cargo bench -p ckks --features timing --bench timing [-- MEASUREMENTS]
//! ```

// A bench that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use ckks::{CiphertextSet, Parameters, ParametersLiteral, Ring, SecretKey, timing};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Random secrets that are drawn from.
const SECRETS: usize = 64;
/// Shares of the measurements that are kept, slowest cut first.
const KEPT: [f64; 6] = [1.0, 0.99, 0.9, 0.75, 0.5, 0.25];

/// One measured time, in nanoseconds, and whether it was of the fixed secret.
type Sample = (bool, f64);

fn main() {
    let measurements = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(20_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    println!(
        "{:<48} {:>12} {:>9} {:>9}",
        "what", "measurements", "|t| all", "|t| worst"
    );
    pool.unwrap().install(|| all(measurements));
}

fn all(measurements: usize) {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut seeds: Vec<[u8; 32]> = vec![[0; 32]; SECRETS];
    seeds.iter_mut().for_each(|seed| random.fill_bytes(seed));
    let degree = 4096;
    let mut secret = vec![0_i8; degree];
    report(
        "sampling of a secret, by its seed",
        &measure(measurements, &mut random, |class| {
            let seed = seeds[class];
            timed(|| timing::ternary(&seed, black_box(&mut secret)))
        }),
    );
    let secrets: Vec<Vec<i8>> = seeds
        .iter()
        .map(|seed| {
            let mut secret = vec![0; degree];
            timing::ternary(seed, &mut secret);
            secret
        })
        .collect();
    report(
        "control: as many steps as the secret has ones",
        &measure(measurements, &mut random, |class| {
            let secret = black_box(&secrets[class]);
            timed(|| {
                let ones = secret.iter().filter(|coefficient| **coefficient == 1);
                for step in 0..ones.count() {
                    black_box(step);
                }
            })
        }),
    );
    let mut error = vec![0_u64; degree];
    report(
        "sampling of errors, by their seed",
        &measure(measurements, &mut random, |class| {
            let seed = seeds[class];
            error.fill(0);
            timed(|| timing::add_errors(&seed, black_box(&mut error)))
        }),
    );
    for ring in [Ring::Standard, Ring::ConjugateInvariant] {
        let parameters = Parameters::new(ParametersLiteral {
            ring,
            log_n: 11,
            prime_bits: vec![26, 26],
            special_bits: vec![],
        })
        .unwrap();
        let values: Vec<f64> = (0..parameters.slots())
            .map(|slot| (slot as f64).sin())
            .collect();
        let keys: Vec<Vec<u8>> = (0..SECRETS)
            .map(|_| {
                let mut bytes = Vec::new();
                SecretKey::generate(&parameters)
                    .unwrap()
                    .write(&mut bytes)
                    .unwrap();
                bytes
            })
            .collect();
        // Every measurement reads its key anew, the fixed one, too: both classes have theirs in fresh memory.
        let key = |class: usize| SecretKey::read(&parameters, &mut &keys[class][..]).unwrap();
        report(
            &format!("encryption, {} ring, by the key", ring.as_str()),
            &measure(measurements, &mut random, |class| {
                let key = key(class);
                timed(|| drop(black_box(key.encrypt(&values, 1, 65_536.0).unwrap())))
            }),
        );
        let sets: Vec<CiphertextSet> = (0..SECRETS)
            .map(|class| key(class).encrypt(&values, 1, 65_536.0).unwrap().expand())
            .collect();
        report(
            &format!("decryption, {} ring, by the key", ring.as_str()),
            &measure(measurements, &mut random, |class| {
                let key = key(class);
                let set = sets[class].clone();
                timed(|| drop(black_box(key.decrypt(&set).unwrap())))
            }),
        );
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// Times secret 0, or one of the others, in random order; the first tenth warms up.
fn measure(
    count: usize,
    random: &mut ChaCha20Rng,
    mut time_of: impl FnMut(usize) -> f64,
) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(count);
    for round in 0..count + count / 10 {
        let fixed = random.next_u64().is_multiple_of(2);
        let class = match fixed {
            true => 0,
            false => 1 + random.next_u64() as usize % (SECRETS - 1),
        };
        let time = time_of(class);
        if round >= count / 10 {
            samples.push((fixed, time));
        }
    }
    samples
}

fn report(what: &str, samples: &[Sample]) {
    let mut times: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
    times.sort_by(f64::total_cmp);
    let t_of = |share: f64| {
        let limit = times[((times.len() - 1) as f64 * share) as usize];
        let kept = |class: bool| {
            let of_class = samples.iter().filter(move |(fixed, _)| *fixed == class);
            of_class
                .map(|(_, time)| *time)
                .filter(move |time| *time <= limit)
                .collect::<Vec<f64>>()
        };
        welch(&kept(true), &kept(false)).abs()
    };
    let worst = KEPT.into_iter().map(t_of).fold(0.0, f64::max);
    println!(
        "{what:<48} {:>12} {:>9.2} {worst:>9.2}",
        samples.len(),
        t_of(1.0)
    );
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    };
    let ((mean, variance), (other_mean, other_variance)) = (moments(one), moments(other));
    (mean - other_mean) / (variance + other_variance).sqrt()
}
