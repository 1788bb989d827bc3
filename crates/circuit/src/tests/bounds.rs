//! What the planner says of errors, against what ciphertexts do.

use std::collections::BTreeMap;

use super::ciphertexts::{encrypted, in_ring, insecure};
use super::planning::open;
use crate::per_image_noise::estimate_noise_on;
use crate::reference::{Builder, Numbers, ranges};
use crate::schedule::Stretch;
use crate::search::search_schedule;
use crate::{Circuit, Plan, Schedule, fold, plan, simulate};
use ckks::Ring;
use cryptodl_data::Images;
use cryptodl_model::TrainedNetwork;
use cryptodl_reference::images;
use cryptodl_spec::EncryptionSpec;

/// A random network: convolutions, pools, dense layers, one to three squares or one steeper polynomial.
pub fn random_network(seed: u64) -> TrainedNetwork {
    let mut numbers = Numbers::new(seed);
    let mut pick =
        |from: &[usize]| from[(numbers.next().abs() * from.len() as f64) as usize % from.len()];
    let mut network = Builder::new(1, 6);
    network.numbers = Numbers::new(seed + 1_000_000);
    let convolutions = pick(&[0, 1, 1, 2]);
    let mut squares = 0;
    for _ in 0..convolutions {
        network = network.conv(pick(&[2, 3]), 3, 1, pick(&[0, 1]));
        if pick(&[0, 1]) == 0 {
            network = network.norm();
        }
        network = network.polynomial(
            2,
            pick(&[0, 1]) == 0,
            if pick(&[0, 1]) == 0 { 1.0 } else { -1.0 },
        );
        squares += 1;
    }
    if convolutions > 0 && pick(&[0, 1]) == 0 {
        network = network.pool(2);
    }
    if squares < 2 || pick(&[0, 1]) == 0 {
        let degree = pick(&[2, 2, 2, 3, 4]);
        network = network
            .dense(pick(&[4, 8, 12]))
            .norm()
            .polynomial(degree, false, 1.0);
    }
    network.dense(pick(&[2, 5, 10])).build()
}

/// A placement at random for every square.
pub fn random_schedule(circuit: &Circuit, seed: u64) -> Schedule {
    let mut numbers = Numbers::new(seed + 2_000_000);
    let mut pick = |stretch: Stretch| {
        let all = stretch.placements();
        all[(numbers.next().abs() * all.len() as f64) as usize % all.len()]
    };
    let stretches = Stretch::all(circuit).into_iter();
    Schedule::per_square(stretches.map(&mut pick).collect())
}

/// Training images, of which the ranges and the forecast are, and test images.
struct Split {
    train: Images,
    test: Images,
}

/// What the planner says of the small ring that tests run in, by the training images, and the errors of the test images there.
struct Measured {
    bound: f64,
    expected: f64,
    largest: f64,
    rms: f64,
}

fn measure(circuit: &Circuit, plan: &Plan, split: &Split) -> Measured {
    let mut small = in_ring(circuit, plan, 10);
    let few = split.train.first(128);
    small.noise_estimate = estimate_noise_on(&insecure(plan, 10), circuit, &small, &few).unwrap();
    let wanted = simulate(circuit, plan, &split.test, None).unwrap().logits;
    let found = encrypted(circuit, plan, &split.test, 10);
    let errors = found
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (a - f64::from(*b)).abs());
    let squares: f64 = errors.clone().map(|error| error * error).sum();
    Measured {
        bound: small.logit_error_bound(),
        expected: (-small.expected_precision_bits()).exp2(),
        largest: errors.fold(0.0, f64::max),
        rms: (squares / wanted.len() as f64).sqrt(),
    }
}

/// Circuits, of every ring, schedule and depth.
const CIRCUITS: u64 = 1000;

#[test]
fn no_error_passes_the_bound_and_the_bound_is_near() {
    let mut families: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut worst_off = 0.0_f64;
    for seed in 0..CIRCUITS {
        let network = random_network(seed);
        let split = Split {
            train: images(network.input, 256, 6),
            test: images(network.input, 512, 5),
        };
        let circuit = fold(&network, &ranges(&network, &split.train), 8).unwrap();
        let ring = [Ring::Standard, Ring::ConjugateInvariant][seed as usize % 2];
        let schedule = match seed / 2 % 4 {
            0 => Schedule::EAGER,
            1 => Schedule::LAZY,
            2 => Schedule::KEYLESS,
            _ => random_schedule(&circuit, seed),
        };
        let planned = match schedule.obstacle(&circuit) {
            None => search_schedule(&circuit, &open(), ring, &schedule),
            Some(_) => plan(
                &circuit,
                &EncryptionSpec {
                    ring: Some(ring),
                    ..open()
                },
            ),
        };
        let planned = planned.unwrap_or_else(|error| panic!("{seed}: {error}"));
        let family = format!("{ring}, {}", planned.schedule.relinearization.as_str());
        let Measured {
            bound,
            expected,
            largest,
            rms,
        } = measure(&circuit, &planned, &split);
        assert!(
            largest <= bound,
            "{seed}, {family}: {largest} passes {bound}"
        );
        worst_off = worst_off.max((expected / rms).log2().abs());
        families
            .entry(family)
            .or_default()
            .push((bound / largest).log2());
    }
    println!(
        "{CIRCUITS} circuits; root mean squares within {worst_off:.2} bits of what was expected"
    );
    assert!(worst_off < 2.0, "{worst_off} bits");
    for (family, mut spare) in families {
        spare.sort_by(f64::total_cmp);
        let (least, most, count) = (spare[0], spare[spare.len() - 1], spare.len());
        let mean = spare.iter().sum::<f64>() / count as f64;
        println!(
            "{family}: {count} circuits, {least:.2} to {most:.2} bits to spare, mean {mean:.2}"
        );
        assert!(least <= 3.0, "{family}: {least} bits");
        assert!(mean <= 3.0, "{family}: {mean} bits");
    }
}
