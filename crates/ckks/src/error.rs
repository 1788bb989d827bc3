//! Everything that can go wrong, with the values that made it so.

use crate::linear::LinearMapError;
use crate::polynomial::PolynomialError;
use crate::wire::WireError;

/// An error of the encrypted engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ring degree lies outside what the engine (or the security table) covers.
    #[error("ring degree 2^{log_n} is outside 2^{minimum} to 2^{maximum}")]
    RingDegree {
        /// The degree asked for, as a logarithm.
        log_n: u32,
        /// The smallest allowed.
        minimum: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// A prime size outside what the transforms compute correctly.
    #[error("prime {index} has {bits} bits; {minimum} to {maximum} are possible")]
    PrimeBits {
        /// Position in the chain; special primes follow it.
        index: usize,
        /// The size asked for.
        bits: u32,
        /// The smallest allowed.
        minimum: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// A chain of primes that is empty or too long.
    #[error("the modulus chain has {count} primes; 1 to {maximum} are possible")]
    ChainLength {
        /// Number of primes asked for.
        count: usize,
        /// The most that are allowed.
        maximum: usize,
    },
    /// Too many special primes.
    #[error("there are {count} special primes; up to {maximum} are possible")]
    SpecialPrimes {
        /// Number of primes asked for.
        count: usize,
        /// The most that are allowed.
        maximum: usize,
    },
    /// There are not enough primes of the wanted form.
    #[error("no further prime of {bits} bits is 1 modulo {modulo}")]
    PrimeNotFound {
        /// The size asked for.
        bits: u32,
        /// Twice the ring degree (four times in the conjugate-invariant ring).
        modulo: u64,
    },
    /// The modulus is too large for its ring degree.
    #[error(
        "log2(QP) = {log_qp:.2} is over {maximum} bits, the most that gives {security_bits}-bit security at ring degree 2^{log_n}"
    )]
    Insecure {
        /// log2 of the product of the actual primes, special primes included.
        log_qp: f64,
        /// The table's bound.
        maximum: f64,
        /// log2 of the ring degree.
        log_n: u32,
        /// The security that is enforced.
        security_bits: u32,
    },
    /// The number-theoretic transform failed its self-check.
    #[error("the transform modulo {prime} at ring degree {ring_degree} is not usable: {reason}")]
    Transform {
        /// The prime.
        prime: u64,
        /// The ring degree.
        ring_degree: usize,
        /// Which check failed.
        reason: &'static str,
    },
    /// A linear map that is not well formed.
    #[error(transparent)]
    LinearMap(#[from] LinearMapError),
    /// A polynomial that is not well formed.
    #[error(transparent)]
    Polynomial(#[from] PolynomialError),
    /// An operation needs the relinearisation key.
    #[error("{operation} needs an evaluation key and the evaluator has none")]
    NoEvaluationKey {
        /// What was tried.
        operation: &'static str,
    },
    /// Relinearisation needs a special prime.
    #[error("these parameters have no special prime, so there is no relinearisation")]
    NoSpecialPrime,
    /// A rotation that a parameter set does not have.
    #[error("a rotation by {rotation} places; 1 to {} are possible", slots - 1)]
    Rotation {
        /// The number of places.
        rotation: usize,
        /// The number of slots.
        slots: usize,
    },
    /// A rotation needs a Galois key that is not there, or not for so high a level.
    #[error(
        "a rotation by {rotation} places at level {level} needs a Galois key that the evaluator does not have"
    )]
    NoGaloisKey {
        /// The number of places.
        rotation: usize,
        /// The level of the ciphertext.
        level: usize,
    },
    /// There is no prime left to drop.
    #[error("{operation} needs a prime to drop and the value is at level 0")]
    NoLevelLeft {
        /// What was tried.
        operation: &'static str,
    },
    /// A level that the value cannot be brought to.
    #[error("{operation} wants level {wanted}; the value is at level {level}")]
    Level {
        /// What was tried.
        operation: &'static str,
        /// The level asked for.
        wanted: usize,
        /// The level of the value.
        level: usize,
    },
    /// Two values whose scales differ.
    #[error("{operation} of values with scales 2^{:.6} and 2^{:.6}", left.log2(), right.log2())]
    ScaleMismatch {
        /// What was tried.
        operation: &'static str,
        /// Scale of the left value.
        left: f64,
        /// Scale of the right value.
        right: f64,
    },
    /// A scale that is not a finite number of at least one.
    #[error("{operation}: {scale} is not a usable scale")]
    Scale {
        /// What was tried.
        operation: &'static str,
        /// The scale.
        scale: f64,
    },
    /// Numbers of features that do not fit together.
    #[error("{operation} wants {expected} features and got {found}")]
    Features {
        /// What was tried.
        operation: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// Ciphertexts with a number of components that the operation does not take.
    #[error("{operation} wants ciphertexts of {expected} components and got {found}")]
    Components {
        /// What was tried.
        operation: &'static str,
        /// The number expected.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// Objects of different parameter sets met.
    #[error("{operation}: made with another parameter set")]
    ParameterMismatch {
        /// What was tried.
        operation: &'static str,
    },
    /// A number of values that is not a whole number of features, or too many for the slots.
    #[error("{values} values are not {features} features of 1 to {slots} slots each")]
    Shape {
        /// The number of values.
        values: usize,
        /// The number of features.
        features: usize,
        /// The most values that a feature can hold.
        slots: usize,
    },
    /// NaN or infinity where a number is wanted.
    #[error("{operation}: value {index} is {value}")]
    NotFinite {
        /// What was tried.
        operation: &'static str,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A scaled value that does not fit the modulus.
    #[error(
        "{operation}: value {index} takes {bits:.1} bits once scaled and there are {available:.1}"
    )]
    DoesNotFit {
        /// What was tried.
        operation: &'static str,
        /// Position of the value.
        index: usize,
        /// log2 of the scaled value's magnitude.
        bits: f64,
        /// log2 of the largest magnitude that fits.
        available: f64,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Entropy(#[from] getrandom::Error),
    /// A file or message that is not what it should be.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Results of the encrypted engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;
