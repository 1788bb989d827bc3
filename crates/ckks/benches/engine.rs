//! Time of the operations that inference consists of. One thread, so that figures are per core.
//!
//! Elements of the linear map are multiply-accumulates on one residue (one coefficient, prime and
//! component). Beside criterion's figures every map prints its ratio to the port limit: how many
//! fused multiply-adds the machine starts in the same time, measured here, over those that the map
//! needs ([`lanes`]).

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

mod limit;

use ckks::{
    Convolution, EvaluationKey, Evaluator, FusedStep, HomomorphicOps, LinearMap, Parameters,
    ParametersLiteral, Ring, SecretKey,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use limit::{lanes, port_limit, shortest};

fn parameters(prime_bits: &[u32], special_bits: &[u32]) -> Parameters {
    let literal = ParametersLiteral {
        ring: Ring::Standard,
        log_n: 13,
        prime_bits: prime_bits.to_vec(),
        special_bits: special_bits.to_vec(),
    };
    Parameters::new(literal).expect("a secure set")
}

/// Weights of eight bits.
fn bytes(count: usize) -> Vec<i16> {
    (0..count).map(|i| (i * 193 % 255) as i16 - 127).collect()
}

fn weights(count: usize) -> Vec<i16> {
    (0..count).map(|i| (i * 193 % 511) as i16 - 255).collect()
}

fn linear(c: &mut Criterion) {
    let limit = port_limit();
    let mut group = c.benchmark_group("linear");
    group.sample_size(10);
    let convolution = Convolution {
        in_channels: 1,
        out_channels: 5,
        kernel: 5,
        stride: 2,
        padding: 1,
        height: 28,
        width: 28,
    };
    let deep = Convolution {
        in_channels: 16,
        out_channels: 16,
        kernel: 3,
        stride: 1,
        padding: 1,
        height: 14,
        width: 14,
    };
    let maps = [
        (
            "dense 845 -> 100",
            LinearMap::dense(845, 100, weights(84_500)).expect("a map"),
        ),
        (
            "convolution 5 x 5, 1 -> 5",
            LinearMap::convolution(&convolution, weights(125)).expect("a map"),
        ),
        (
            "convolution 3 x 3, 16 -> 16",
            LinearMap::convolution(&deep, weights(2304)).expect("a map"),
        ),
        (
            "dense 845 -> 100 of 8-bit weights",
            LinearMap::dense(845, 100, bytes(84_500)).expect("a map"),
        ),
        (
            "convolution 3 x 3, 16 -> 16 of 8-bit weights",
            LinearMap::convolution(&deep, bytes(2304)).expect("a map"),
        ),
    ];
    for bits in [30, 40, 50] {
        let parameters = parameters(&[bits], &[]);
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let evaluator = Evaluator::new(parameters.clone(), None).expect("an evaluator");
        for (name, map) in &maps {
            let zeros = vec![0.5; map.inputs()];
            let set = secret
                .encrypt(&zeros, map.inputs(), 1024.0)
                .expect("a set")
                .expand();
            let residues = 2 * parameters.ring_degree() as u64;
            let run = || {
                black_box(evaluator.linear(&set, map, 256.0).expect("a result"));
            };
            let per_second = (map.macs() * residues) as f64 / shortest(run).as_secs_f64();
            let ratio = per_second * lanes(bits, map) / limit;
            println!(
                "{name}, {bits}-bit prime: {:.1} G multiply-accumulates a second, {:.0} % of the port limit",
                per_second / 1e9,
                100.0 * ratio,
            );
            group.throughput(Throughput::Elements(map.macs() * residues));
            group.bench_function(format!("{name}, {bits}-bit prime"), |b| {
                b.iter(|| black_box(evaluator.linear(&set, map, 256.0).expect("a result")));
            });
        }
    }
}

fn square(c: &mut Criterion) {
    let mut group = c.benchmark_group("square");
    group.sample_size(10);
    let parameters = parameters(&[50, 40, 40], &[50]);
    let secret = SecretKey::generate(&parameters).expect("entropy");
    let key = Arc::new(EvaluationKey::generate(&secret).expect("a key"));
    let evaluator = Evaluator::new(parameters, Some(key)).expect("an evaluator");
    let features = 32;
    let set = secret
        .encrypt(&vec![0.5; features], features, 1e9)
        .expect("a set")
        .expand();
    group.throughput(Throughput::Elements(features as u64));
    group.bench_function("square and relinearise, N = 8192, 3 primes", |b| {
        b.iter(|| black_box(evaluator.square(&set).expect("a square")));
    });
    group.bench_function("tensor square, N = 8192, 3 primes", |b| {
        b.iter(|| black_box(evaluator.tensor_square(&set).expect("a square")));
    });
    let tensor = evaluator.tensor_square(&set).expect("a square");
    group.bench_function("copy, relinearise and rescale, N = 8192, 3 primes", |b| {
        b.iter(|| {
            black_box(
                evaluator
                    .relinearize_rescale(tensor.clone())
                    .expect("a value"),
            )
        });
    });
    let squared = evaluator.square(&set).expect("a square");
    group.bench_function("copy and rescale, N = 8192, 3 primes", |b| {
        b.iter(|| black_box(evaluator.rescale(squared.clone()).expect("a value")));
    });
    let upload = secret
        .encrypt(&vec![0.5; features], features, 1e9)
        .expect("a set");
    group.bench_function("encrypt, N = 8192, 3 primes", |b| {
        b.iter(|| {
            black_box(
                secret
                    .encrypt(&vec![0.5; features], features, 1e9)
                    .expect("a set"),
            )
        });
    });
    group.bench_function("expand, N = 8192, 3 primes", |b| {
        b.iter(|| black_box(upload.expand()));
    });
}

/// A dense network of one square, without keys: step by step, fused, and fused from the seed.
fn keyless(c: &mut Criterion) {
    let mut group = c.benchmark_group("784-100-10, one square, N = 2048");
    group.sample_size(10);
    let parameters = Parameters::new(ParametersLiteral {
        ring: Ring::ConjugateInvariant,
        log_n: 11,
        prime_bits: vec![49],
        special_bits: vec![],
    })
    .expect("a secure set");
    let secret = SecretKey::generate(&parameters).expect("entropy");
    let evaluator = Evaluator::new(parameters.clone(), None).expect("an evaluator");
    let small = |count: usize| (0..count).map(|i| (i * 7 % 31) as i16 - 15).collect();
    let first = LinearMap::dense(784, 100, small(78_400)).expect("a map");
    let second = LinearMap::dense(100, 10, small(1000)).expect("a map");
    let biases: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
    let steps = [
        FusedStep::Linear {
            map: &first,
            weight_scale: 16.0,
        },
        FusedStep::AddConstants(&biases),
        FusedStep::TensorSquare,
        FusedStep::Linear {
            map: &second,
            weight_scale: 16.0,
        },
    ];
    let seeded = secret
        .encrypt(&vec![0.5; 784 * parameters.slots()], 784, 4096.0)
        .expect("a set");
    let set = seeded.expand();
    group.throughput(Throughput::Elements(parameters.slots() as u64));
    group.bench_function("expand", |b| b.iter(|| black_box(seeded.expand())));
    group.bench_function("step by step", |b| {
        b.iter(|| {
            let v = evaluator.linear(&set, &first, 16.0).expect("a value");
            let v = evaluator.add_constants(v, &biases).expect("a value");
            let v = evaluator.tensor_square(&v).expect("a value");
            black_box(evaluator.linear(&v, &second, 16.0).expect("a value"))
        });
    });
    group.bench_function("fused", |b| {
        b.iter(|| black_box(evaluator.fused(&set, &steps).expect("a value")));
    });
    group.bench_function("fused from the seed", |b| {
        b.iter(|| black_box(evaluator.fused(&seeded, &steps).expect("a value")));
    });
}

fn one_thread(c: &mut Criterion) {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first use of the pool");
    linear(c);
    square(c);
    keyless(c);
}

criterion_group!(benches, one_thread);
criterion_main!(benches);
