//! One dense layer with integer weights, and a square, on encrypted values: what every network here is made of.
//!
//! Each ciphertext holds one feature of all images, an image a slot. `cargo run --release --example encrypted_layer`

use std::sync::Arc;

use ckks::{
    EvaluationKey, Evaluator, HomomorphicOps, LinearMap, Parameters, ParametersLiteral, Ring,
    SecretKey,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 8,192 real slots; three primes and a special one: log2 QP = 150, of 214 that 128-bit security allows. More would be refused.
    let parameters = Parameters::new(ParametersLiteral {
        ring: Ring::ConjugateInvariant,
        log_n: 13,
        prime_bits: vec![40, 30, 30],
        special_bits: vec![50],
    })?;
    println!(
        "{} slots, log2 QP = {:.1}, {} bits of security",
        parameters.slots(),
        parameters.log_qp(),
        parameters.security_bits()
    );

    // The client owns the secret key; the evaluation key decrypts nothing.
    let secret = SecretKey::generate(&parameters)?;
    let evaluator = Evaluator::new(
        parameters.clone(),
        Some(Arc::new(EvaluationKey::generate(&secret)?)),
    )?;

    // Two features of three images, [features, images].
    let images = [0.5, -1.0, 0.25, 1.0, 0.75, -0.5];
    let upload = secret.encrypt(&images, 2, 2f64.powi(25))?;

    // The server: weights in units of 1/16, then squares, relinearised and rescaled by the last prime.
    let weights = LinearMap::dense(2, 2, vec![16, 8, -4, 12])?;
    let sums = evaluator.linear(&upload.expand(), &weights, 16.0)?;
    let squares = evaluator.square(&sums)?;
    let reply = evaluator.rescale(squares)?;

    let decrypted = secret.decrypt(&reply)?;
    for (image, (&a, &b)) in images[..3].iter().zip(&images[3..]).enumerate() {
        for (neuron, expected) in [a + 0.5 * b, -0.25 * a + 0.75 * b]
            .map(|sum| sum * sum)
            .into_iter()
            .enumerate()
        {
            let found = decrypted[neuron * parameters.slots() + image];
            println!("image {image}, neuron {neuron}: {found:+.5}, in the clear {expected:+.5}");
        }
    }
    Ok(())
}
