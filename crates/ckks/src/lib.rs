//! Leveled RNS-CKKS for batched inference with small integer weights.
//!
//! One feature (a pixel, a neuron) is one ciphertext and one image is one slot, so a convolution or
//! a dense layer is a small matrix product on residues, modulo every prime, without transforms,
//! encodings or rotations. There is no bootstrapping; there is no machine learning either: a layer
//! is a [`LinearMap`] or a [`MonicPolynomial`], and a circuit is a sequence of them on any
//! [`HomomorphicOps`].
//!
//! One ciphertext can hold a whole image, too: slots in [`RotationOrder`] are rotated with
//! [`GaloisKeys`] and multiplied with [`Plaintext`]s.
//!
//! - [`Parameters`]: a checked set, 128 bits enforced by the table of [`max_log_qp`].
//! - [`SecretKey`] encrypts to a [`SeededSet`] and decrypts a [`CiphertextSet`].
//! - [`EvaluationKey`] is what relinearisation needs; it decrypts nothing.
//! - [`Evaluator`] runs the operations on ciphertexts and holds no secret.
//! - [`NoiseModel`] predicts the noise of every operation.
//!
//! Every key and set has `write` and `read`: fingerprint of the parameters, bounded sizes, closing
//! BLAKE3 digest.
//!
//! The scheme is secure against passive adversaries who see no decryptions; see
//! [`SecretKey::decrypt`].

mod aligned;
mod automorphism;
mod chacha;
mod encoding;
mod error;
mod evaluator;
mod inner_product;
mod isa;
mod keys;
mod linear;
mod memory;
mod modulus;
mod noise;
mod ops;
#[cfg(test)]
mod oracle;
mod params;
mod plaintext;
mod pointwise;
mod polynomial;
mod primes;
mod residues;
mod sampling;
mod security;
mod set;
#[cfg(feature = "timing")]
pub mod timing;
mod transform;
mod twist;
mod wire;

pub use automorphism::RotationOrder;
pub use error::{Error, Result};
pub use evaluator::{Addend, Evaluator, FeatureView, FusedInput, FusedStep, Products};
pub use isa::instruction_set;
pub use keys::{EvaluationKey, GaloisKeys, SecretKey};
pub use linear::{
    Convolution, Group, LinearMap, LinearMapError, MAX_ABS_ROW_SUM, MapSlice, PADDING, PreparedMap,
    SumPool,
};
pub use noise::NoiseModel;
pub use ops::{HomomorphicOps, SCALE_TOLERANCE, scales_agree};
pub use params::{Parameters, ParametersLiteral, Ring};
pub use plaintext::{Plaintext, PlaintextEncoder};
pub use polynomial::{
    MAX_DEGREE, MonicPolynomial, PolynomialError, evaluate_polynomial, polynomial_depth,
};
pub use security::{SECURITY_BITS, SECURITY_LEVELS, SECURITY_SOURCE, max_log_qp};
pub use set::{CiphertextSet, SeededPart, SeededSet};
pub use wire::WireError;
