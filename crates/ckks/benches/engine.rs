//! Time of the two operations that inference consists of. One thread, so that figures are per core.
//!
//! Elements of the linear map are multiply-accumulates on one residue (one coefficient, prime and
//! component).

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use ckks::{
    Convolution, EvaluationKey, Evaluator, LinearMap, Machine, Parameters, ParametersLiteral, Ring,
    SecretKey,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn parameters(prime_bits: &[u32], special_bits: Option<u32>) -> Parameters {
    let literal = ParametersLiteral {
        ring: Ring::Standard,
        log_n: 13,
        prime_bits: prime_bits.to_vec(),
        special_bits,
    };
    Parameters::new(literal).expect("a secure set")
}

fn weights(count: usize) -> Vec<i16> {
    (0..count).map(|i| (i * 193 % 511) as i16 - 255).collect()
}

fn linear(c: &mut Criterion) {
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
    let maps = [
        (
            "dense 845 -> 100",
            LinearMap::dense(845, 100, weights(84_500)).expect("a map"),
        ),
        (
            "convolution 5 x 5",
            LinearMap::convolution(&convolution, weights(125)).expect("a map"),
        ),
    ];
    for bits in [30, 40, 50] {
        let parameters = parameters(&[bits], None);
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let evaluator = Evaluator::new(parameters.clone(), None).expect("an evaluator");
        for (name, map) in &maps {
            let zeros = vec![0.5; map.inputs()];
            let set = secret
                .encrypt(&zeros, map.inputs(), 1024.0)
                .expect("a set")
                .expand();
            let residues = 2 * parameters.ring_degree() as u64;
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
    let parameters = parameters(&[50, 40, 40], Some(50));
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

fn one_thread(c: &mut Criterion) {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first use of the pool");
    linear(c);
    square(c);
}

criterion_group!(benches, one_thread);
criterion_main!(benches);
