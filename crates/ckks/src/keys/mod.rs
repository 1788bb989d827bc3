//! The secret key, which encrypts and decrypts, and the keys of the evaluator, which do neither.

mod decrypt;
mod encrypt;
mod evaluation;
mod galois;
mod secret;
mod switching;

pub use evaluation::EvaluationKey;
pub(crate) use galois::GaloisKey;
pub use galois::GaloisKeys;
pub use secret::SecretKey;
pub(crate) use switching::SwitchingKey;
