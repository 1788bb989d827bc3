//! What can be wrong with a circuit.

use cryptodl_model::ModelError;

/// Why a network cannot be folded, planned, simulated or read.
#[derive(Debug, thiserror::Error)]
pub enum CircuitError {
    /// A layer that no additions and multiplications compute.
    #[error("layer {layer} ({kind}) is not a polynomial and cannot run encrypted")]
    NotPolynomial {
        /// Index among the network's layers.
        layer: usize,
        /// What it is.
        kind: &'static str,
    },
    /// A polynomial that is too steep for any circuit, or no polynomial at all.
    #[error("layer {layer}: an activation of degree {degree} cannot run here (1 to {largest})")]
    Degree {
        /// Index among the network's layers.
        layer: usize,
        /// Its degree.
        degree: usize,
        /// The largest that can.
        largest: usize,
    },
    /// What was measured does not belong to this network, or is not finite.
    #[error(
        "layer {layer}: the measured range of its inputs is not finite or has {found} channels instead of {wanted}"
    )]
    Range {
        /// Index among the network's layers.
        layer: usize,
        /// Channels measured.
        found: usize,
        /// Channels of the layer.
        wanted: usize,
    },
    /// A linear layer all of whose weights are zero has no scale.
    #[error("layer `{layer}` has no weight that is not zero")]
    ZeroWeights {
        /// Its name in the circuit.
        layer: String,
    },
    /// Nobody measured the inputs of this activation.
    #[error("layer {layer}: the range of this activation's inputs was not measured")]
    NoRange {
        /// Index among the network's layers.
        layer: usize,
    },
    /// Weights of this many bits are not held.
    #[error("weights of {bits} bits were asked for; a circuit holds {low} to {high}")]
    WeightBits {
        /// What was asked for.
        bits: u32,
        /// The fewest.
        low: u32,
        /// The most.
        high: u32,
    },
    /// A circuit (from a file, say) that contradicts itself.
    #[error("not a valid circuit: {what} is {found}, but it must be {wanted}")]
    Invalid {
        /// Which part.
        what: String,
        /// What is there.
        found: String,
        /// What may be there.
        wanted: String,
    },
    /// A circuit file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes of a circuit file are not what they should be.
    #[error("not a readable circuit file: {what}")]
    File {
        /// What is wrong.
        what: String,
    },
    /// The table has no column for it.
    #[error(
        "{asked}-bit security was asked for; parameters are known for {} bits",
        ckks::SECURITY_LEVELS.map(|level| level.to_string()).join(", ")
    )]
    Security {
        /// What was asked for.
        asked: u32,
    },
    /// No ring in the table admits a modulus this large.
    #[error(
        "a circuit of multiplicative depth {depth} needs a modulus of {needed_log_qp:.0} bits, but the largest secure one has \
         {largest_log_qp:.0} bits (ring degree 2^{largest_log_n})\nhint: fewer activations, a lower degree, fewer `weight_bits` or a \
         smaller `scale_bits`"
    )]
    TooDeep {
        /// Multiplications in a row.
        depth: usize,
        /// log2 of the modulus with special primes.
        needed_log_qp: f64,
        /// The most that the table admits.
        largest_log_qp: f64,
        /// At this log2 of the ring degree.
        largest_log_n: u32,
    },
    /// A value that could reach half the modulus, where it wraps.
    #[error(
        "layer `{layer}`: a value of up to {value_bits:.1} bits meets a modulus of {modulus_bits:.1} bits at level {level}; it could wrap"
    )]
    Wraps {
        /// Name of the layer.
        layer: String,
        /// Level at which it happens.
        level: usize,
        /// log2 of twice the largest integer, margin included.
        value_bits: f64,
        /// log2 of the modulus.
        modulus_bits: f64,
    },
    /// Two values that should have one scale do not.
    #[error("{op}: scales 2^{left:.6} and 2^{right:.6} do not agree")]
    Scales {
        /// The operation.
        op: &'static str,
        /// log2 of the one.
        left: f64,
        /// log2 of the other.
        right: f64,
    },
    /// A level that is not there.
    #[error("{op}: level {level}, but it takes {wanted}")]
    Level {
        /// The operation.
        op: &'static str,
        /// The level met.
        level: usize,
        /// What is needed.
        wanted: String,
    },
    /// Ciphertexts of another number of polynomials.
    #[error("{op}: ciphertexts of {found} components, but it takes {wanted}")]
    Components {
        /// The operation.
        op: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        wanted: usize,
    },
    /// No way to run the circuit meets what the spec asks for.
    #[error("no plan meets the spec's demands{}", listed(.reasons))]
    NoPlan {
        /// What was tried, and why it will not do.
        reasons: Vec<String>,
    },
    /// One ciphertext does not hold the circuit.
    #[error("one image has no packed ciphertext here: {why}\nhint: the batched plan takes it")]
    Unpackable {
        /// What is in the way.
        why: String,
    },
    /// Two sets of values of different sizes.
    #[error("{op}: {found} features, but {wanted} are needed")]
    Features {
        /// The operation.
        op: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// An integer that the simulator's 128 bits do not hold.
    #[error(
        "{op}: a value passes 2^{limit_bits} and leaves the simulator's integers; the circuit's scales are far too large"
    )]
    Overflow {
        /// The operation.
        op: &'static str,
        /// log2 of the limit.
        limit_bits: u32,
    },
    /// Images of another shape.
    #[error("images of {found} values, but the circuit takes {wanted}")]
    Images {
        /// Values an image.
        found: usize,
        /// What the circuit takes.
        wanted: usize,
    },
    /// The thread that measures costs could not be started.
    #[error("cannot start a thread: {source}")]
    Threads {
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// The network cannot be a circuit of look-ups.
    #[error(transparent)]
    Pbs(#[from] super::pbs::PbsError),
    /// The network contradicts itself.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The encrypted engine refused.
    #[error(transparent)]
    Ckks(#[from] ckks::Error),
    /// The activation's polynomial could not be found.
    #[error(transparent)]
    Approximation(#[from] polyapprox::Error),
}

/// One line each.
fn listed(reasons: &[String]) -> String {
    reasons
        .iter()
        .map(|reason| format!("\n  - {reason}"))
        .collect()
}

impl CircuitError {
    /// Whether the spec asks for what no circuit or no secure parameter set can do.
    pub const fn is_of_the_spec(&self) -> bool {
        matches!(
            self,
            Self::NotPolynomial { .. }
                | Self::Degree { .. }
                | Self::WeightBits { .. }
                | Self::Security { .. }
                | Self::TooDeep { .. }
                | Self::NoPlan { .. }
        )
    }
}
