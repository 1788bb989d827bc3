//! Milliseconds of a key switch by level, as in a deep circuit: ring of 2^14, eight primes of 41 bits, one special prime and two. The least of alternating runs over
//! some ciphertexts on one thread: the time that the thread had a core, where the system tells it, so that other programs disturb less.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

mod clock;

use ckks::{
    CiphertextSet, EvaluationKey, Evaluator, HomomorphicOps, Parameters, ParametersLiteral, Ring,
    SecretKey,
};
use clock::Clock;

const FEATURES: usize = 24;
const RUNS: usize = 5;

struct Side {
    evaluator: Evaluator,
    /// Three components, by level from the top.
    squares: Vec<CiphertextSet>,
}

impl Side {
    fn new(special_bits: &[u32]) -> Self {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::ConjugateInvariant,
            log_n: 14,
            prime_bits: vec![41; 8],
            special_bits: special_bits.to_vec(),
        })
        .expect("a secure set");
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let key = Arc::new(EvaluationKey::generate(&secret).expect("a key"));
        let evaluator = Evaluator::new(parameters, Some(key)).expect("an evaluator");
        evaluator.reserve(2 << 30);
        let top = secret
            .encrypt(&[0.5; FEATURES], FEATURES, 1e9)
            .expect("a set")
            .expand();
        let square = evaluator.tensor_square(&top).expect("a square");
        let squares =
            [7, 5, 3, 1].map(|level| evaluator.drop_to(&square, level).expect("a lower level"));
        Self {
            evaluator,
            squares: squares.into(),
        }
    }

    fn time(&self, which: usize) -> f64 {
        let copy = self.squares[which].clone();
        let start = Clock::now();
        black_box(self.evaluator.relinearize_rescale(copy).expect("a value"));
        start.seconds() * 1e3 / FEATURES as f64
    }
}

fn main() {
    let sides = [Side::new(&[50]), Side::new(&[45, 45])];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    let pool = pool.build().expect("a thread");
    for which in 0..sides[0].squares.len() {
        let mut least = vec![f64::MAX; sides.len()];
        for _ in 0..RUNS {
            for (side, least) in sides.iter().zip(&mut least) {
                *least = least.min(pool.install(|| side.time(which)));
            }
        }
        let limbs = sides[0].squares[which].level() + 1;
        println!("{limbs} primes: {least:.3?} ms a ciphertext");
    }
}
