//! Nanoseconds a residue of what a client and a server do with an upload, on one thread: encrypt, write, read, expand, decrypt.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

mod clock;

use ckks::{Parameters, ParametersLiteral, Ring, SecretKey, SeededSet};
use clock::Clock;

const FEATURES: usize = 196;
const RUNS: usize = 5;
/// Repetitions of a run: the system counts a thread's time in steps of some milliseconds.
const TIMES: usize = 32;

fn least(mut run: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Clock::now();
        for _ in 0..TIMES {
            run();
        }
        start.seconds() / TIMES as f64
    };
    (0..RUNS).map(once).fold(f64::MAX, f64::min)
}

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    let pool = pool.build().expect("a thread");
    for (log_n, bits) in [(11, 46), (13, 30), (13, 41)] {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::ConjugateInvariant,
            log_n,
            prime_bits: vec![bits],
            special_bits: vec![],
        })
        .expect("a secure set");
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let values = vec![0.5; FEATURES * parameters.slots()];
        let encrypt = || secret.encrypt(&values, FEATURES, 4096.0).expect("a set");
        let seeded = encrypt();
        let expanded = seeded.expand();
        let mut bytes = Vec::new();
        seeded.write(&mut bytes).expect("memory");
        let nanoseconds = 1e9 / (FEATURES * parameters.ring_degree()) as f64;
        let times = pool.install(|| {
            [
                ("encrypt", least(|| drop(black_box(encrypt())))),
                ("write", {
                    let mut bytes = Vec::with_capacity(bytes.len());
                    least(|| {
                        bytes.clear();
                        seeded.write(&mut bytes).expect("memory");
                    })
                }),
                ("read", {
                    least(|| {
                        let read = SeededSet::read(&parameters, &mut &bytes[..]);
                        drop(black_box(read.expect("an upload")));
                    })
                }),
                ("expand", least(|| drop(black_box(seeded.expand())))),
                (
                    "decrypt",
                    least(|| drop(black_box(secret.decrypt(&expanded).expect("values")))),
                ),
            ]
        });
        let times = times.map(|(name, seconds)| format!("{name} {:.2}", seconds * nanoseconds));
        println!("2^{log_n}, {bits} bits: {} ns a residue", times.join(", "));
    }
}
