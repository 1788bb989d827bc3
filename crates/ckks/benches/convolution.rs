//! Linear maps of deep networks: multiply-accumulates a second on one thread, and the share of the port limit ([`lanes`]).
//! `CKKS_ISA` compares instruction sets; arguments are parts of names of maps to time alone.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

mod clock;
mod limit;

use ckks::{
    Convolution, Evaluator, FusedStep, LinearMap, Parameters, ParametersLiteral, Ring, SecretKey,
    SumPool,
};
use clock::Clock;
use limit::{lanes, port_limit};

const RUNS: usize = 7;

fn weights(count: usize, largest: i16) -> Vec<i16> {
    let sizes = 2 * largest as usize + 1;
    let weight = |at: usize| (at * 193 % sizes) as i16 - largest;
    (0..count).map(weight).collect()
}

/// 3 x 3 on some rows of a map, as a chunk of a deep circuit is.
fn convolution(channels: [usize; 2], [height, width]: [usize; 2], largest: i16) -> LinearMap {
    let shape = Convolution {
        in_channels: channels[0],
        out_channels: channels[1],
        kernel: 3,
        stride: 1,
        padding: 1,
        height,
        width,
    };
    let weights = weights(9 * channels[0] * channels[1], largest);
    LinearMap::convolution(&shape, weights).expect("a map")
}

fn main() {
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let limit = port_limit();
    let pool = SumPool {
        channels: 32,
        window: 2,
        stride: 2,
        height: 4,
        width: 32,
    };
    let mut maps = vec![(
        "sum pool 2 x 2".to_owned(),
        LinearMap::sum_pool(&pool).expect("a map"),
    )];
    for largest in [127, 511] {
        for (channels, size) in [
            ([1, 5], [28, 28]),
            ([3, 32], [4, 32]),
            ([32, 64], [4, 16]),
            ([64, 64], [4, 16]),
            ([128, 128], [4, 8]),
            ([256, 256], [4, 4]),
        ] {
            let [from, to] = channels;
            let name = format!("3 x 3, {from} -> {to}, weights to {largest}");
            maps.push((name, convolution(channels, size, largest)));
        }
    }
    for bits in [30, 40, 41, 50] {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::ConjugateInvariant,
            log_n: 11,
            prime_bits: vec![bits],
            special_bits: vec![],
        })
        .expect("a secure set");
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let evaluator = Evaluator::new(parameters.clone(), None).expect("an evaluator");
        evaluator.reserve(1 << 30);
        for (name, map) in &maps {
            let name = format!("{name}, {bits}-bit prime");
            if !filters.iter().all(|filter| name.contains(filter)) {
                continue;
            }
            let set = secret.encrypt(&vec![0.5; map.inputs()], map.inputs(), 1024.0);
            let set = set.expect("a set").expand();
            let prepared = evaluator.prepare(map);
            let step = [FusedStep::Prepared {
                map: &prepared,
                weight_scale: 2.0,
            }];
            let run = || {
                let start = Clock::now();
                black_box(evaluator.fused(&set, &step).expect("a value"));
                start.seconds()
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
            let pool = pool.build().expect("a thread");
            let least = pool.install(|| (0..RUNS).map(|_| run()).fold(f64::MAX, f64::min));
            let rate = (map.macs() * 2 * parameters.ring_degree() as u64) as f64 / least;
            println!(
                "{name}: {:.1} G a second, {:.0} % of the port limit",
                rate / 1e9,
                100.0 * rate * lanes(bits, map) / limit,
            );
        }
    }
}
