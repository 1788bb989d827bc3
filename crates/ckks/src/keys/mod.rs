//! The secret key, which encrypts and decrypts, and the evaluation key, which does neither.

mod decrypt;
mod encrypt;
mod evaluation;
mod secret;

pub use evaluation::EvaluationKey;
pub use secret::SecretKey;
