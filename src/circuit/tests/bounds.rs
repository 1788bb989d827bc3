//! What the planner says of errors, against what ciphertexts do.

use super::ciphertexts::{encrypted, in_ring};
use super::planning::open;
use crate::circuit::reference::{Builder, Numbers, images, ranges};
use crate::circuit::{Circuit, Plan, Relinearization, fold, plan, simulate};
use crate::data::Images;
use crate::model::TrainedNetwork;
use crate::spec::EncryptionSpec;
use ckks::Ring;

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

/// The plan's figures for the small ring that tests run in, and the largest error there.
fn measure(circuit: &Circuit, plan: &Plan, images: &Images) -> (Plan, f64, f64) {
    let small = in_ring(circuit, plan, 10);
    let wanted = simulate(circuit, plan, images, None).unwrap().logits;
    let found = encrypted(circuit, plan, images, 10);
    let errors = found
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (a - f64::from(*b)).abs());
    let largest = errors.clone().fold(0.0, f64::max);
    let rms = (errors.map(|error| error * error).sum::<f64>() / wanted.len() as f64).sqrt();
    (small, largest, rms)
}

#[test]
fn no_error_passes_the_bound_and_the_bound_is_near() {
    let mut seen = Vec::new();
    for seed in 0..210 {
        let network = random_network(seed);
        let images = images(&network, 512);
        let circuit = fold(&network, &ranges(&network, &images), 8).unwrap();
        let ring = [Ring::Standard, Ring::ConjugateInvariant][seed as usize % 2];
        let relinearization = Relinearization::ALL[seed as usize / 2 % 3];
        let asked = EncryptionSpec {
            ring: Some(ring),
            relinearization: Some(relinearization),
            ..open()
        };
        let planned = plan(&circuit, &asked).or_else(|_| {
            plan(
                &circuit,
                &EncryptionSpec {
                    relinearization: None,
                    ..asked
                },
            )
        });
        let planned = planned.unwrap_or_else(|error| panic!("{seed}: {error}"));
        let (small, largest, rms) = measure(&circuit, &planned, &images);
        let bound = small.logit_error_bound();
        let spare = (bound / largest).log2();
        let off = -small.logit_precision_bits() - rms.log2();
        println!(
            "{seed} {ring} {} depth {} spare {spare:.2} rms off {off:.2} precision {:.2}",
            planned.schedule.relinearization.as_str(),
            planned.multiplicative_depth,
            planned.logit_precision_bits()
        );
        assert!(largest <= bound, "{seed}: {largest} passes {bound}");
        seen.push((spare, off));
    }
    assert!(
        seen.iter().all(|(_, off)| off.abs() < 2.0),
        "the noise is not within two bits of what was predicted"
    );
    let tightest = seen
        .iter()
        .map(|(spare, _)| *spare)
        .fold(f64::INFINITY, f64::min);
    let loosest = seen.iter().map(|(spare, _)| *spare).fold(0.0, f64::max);
    let mean = seen.iter().map(|(spare, _)| *spare).sum::<f64>() / seen.len() as f64;
    println!("bits to spare: {tightest:.2} to {loosest:.2}, mean {mean:.2}");
    assert!(tightest < 3.0, "{tightest} bits");
}
