//! Milliseconds of a fused rotation, of one of several hoisted ones, of a relinearised square and of a rescaling, of one ciphertext on one
//! thread: the sets that pack one MNIST image. The least of alternating runs: the time that the thread had a core, where the system tells
//! it, so that other programs disturb less.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

mod clock;

use ckks::{
    Addend, CiphertextSet, EvaluationKey, Evaluator, GaloisKeys, HomomorphicOps, Parameters,
    ParametersLiteral, Plaintext, PlaintextEncoder, Products, Ring, SecretKey,
};
use clock::Clock;

const RUNS: usize = 8;
/// One operation is shorter than a tick of the clock.
const REPEATS: usize = 100;

struct Side {
    evaluator: Evaluator,
    set: CiphertextSet,
    product: CiphertextSet,
    plaintext: Plaintext,
}

impl Side {
    fn new(log_n: u32, prime_bits: &[u32], special: u32) -> Self {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::ConjugateInvariant,
            log_n,
            prime_bits: prime_bits.to_vec(),
            special_bits: vec![special],
        })
        .expect("a secure set");
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let key = Arc::new(EvaluationKey::generate(&secret).expect("a key"));
        let level = parameters.max_level();
        let rotations = [1, 2, 3].map(|places| (places, level)).into();
        let galois = Arc::new(GaloisKeys::generate(&secret, &rotations).expect("keys"));
        let evaluator = Evaluator::new(parameters.clone(), Some(key)).expect("an evaluator");
        let evaluator = evaluator.with_galois_keys(galois).expect("same parameters");
        let set = secret
            .encrypt(&[0.5; 64], 1, 1_073_741_824.0)
            .expect("a set");
        let set = set.expand();
        let mut encoder = PlaintextEncoder::new(&parameters);
        let values = vec![0.25; parameters.slots()];
        let plaintext = encoder
            .encode(&values, 2_097_152.0, level)
            .expect("a plaintext");
        let product = evaluator
            .multiply_plaintexts(&[Products(&set, &[&plaintext])])
            .expect("a product");
        Self {
            evaluator,
            set,
            product,
            plaintext,
        }
    }

    fn time(&self, which: usize) -> f64 {
        let products = [Products(&self.set, &[&self.plaintext])];
        let start = Clock::now();
        for _ in 0..REPEATS {
            match which {
                0 => {
                    let addend = Addend::Products(&products);
                    let sum = self.evaluator.rotate_add(&self.product, 1, addend);
                    black_box(sum.expect("a sum"));
                }
                1 => {
                    let rotations = self.evaluator.rotate_each(&self.set, &[1, 2, 3]);
                    black_box(rotations.expect("rotations"));
                }
                2 => {
                    black_box(self.evaluator.square(&self.set).expect("a square"));
                }
                _ => {
                    let quotient = self.evaluator.rescale(self.product.clone());
                    black_box(quotient.expect("a quotient"));
                }
            }
        }
        start.seconds() * 1e3 / REPEATS as f64
    }
}

fn main() {
    let sets: [(u32, &[u32], u32); 3] = [
        (12, &[25, 25, 25], 31),
        (13, &[50, 50, 38], 50),
        (13, &[50, 50], 50),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    let pool = pool.build().expect("a thread");
    for (log_n, primes, special) in sets {
        let side = Side::new(log_n, primes, special);
        let mut least = [f64::MAX; 4];
        for _ in 0..RUNS {
            for (which, least) in least.iter_mut().enumerate() {
                *least = least.min(pool.install(|| side.time(which)));
            }
        }
        least[1] /= 3.0;
        println!(
            "2^{log_n}, {primes:?}: rotation and sum {:.3} ms, hoisted {:.3}, square {:.3}, rescaling {:.3}",
            least[0], least[1], least[2], least[3]
        );
    }
}
