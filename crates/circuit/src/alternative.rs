//! The ways that were not chosen, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use ckks::Ring;
use cryptodl_runtime::format_bytes;
use cryptodl_spec::Relinearization;

/// A kind of plan that was not chosen: the best of one ring and one schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The ring.
    pub ring: Ring,
    /// When products are relinearised.
    pub relinearization: Relinearization,
    /// Its figures, where parameters were found for it.
    pub sketch: Option<Sketch>,
    /// Why it was not chosen.
    pub reason: Reason,
}

/// The figures of a plan that was not chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Sizes of the primes, bits.
    pub prime_bits: Vec<u32>,
    /// log2 of the scale of fresh encryptions.
    pub input_bits: f64,
    /// Predicted precision of the logits.
    pub precision_bits: f64,
    /// Seconds of one core for one image of a full batch.
    pub seconds_per_image: f64,
    /// Most memory of one batch.
    pub memory_bytes: u64,
}

/// Why a kind of plan was not chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// It takes longer, or as long and more of something else.
    Slower {
        /// Predicted time of an image, in those of the chosen plan.
        factor: f64,
    },
    /// The noise is too large at every scale that fits.
    Imprecise {
        /// Bits of the logits.
        bits: f64,
        /// Bits that are asked for.
        wanted: f64,
    },
    /// A batch takes more memory than there is.
    Memory {
        /// Bytes that it takes.
        bytes: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// No secure ring holds its modulus.
    Insecure {
        /// log2 of the modulus that it takes.
        needed_log_qp: f64,
        /// The most that the table admits at its largest ring degree.
        largest_log_qp: f64,
        /// log2 of that ring degree.
        largest_log_n: u32,
    },
    /// The circuit cannot run so.
    Impossible {
        /// What is in the way.
        why: String,
    },
}

impl Sketch {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            log_n: plan.parameters.log_n,
            prime_bits: plan.parameters.prime_bits.clone(),
            input_bits: plan.input_scale.log2(),
            precision_bits: plan.logit_precision_bits(),
            seconds_per_image: plan.seconds_per_image(),
            memory_bytes: plan.peak_memory_bytes,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slower { factor } if *factor < 1.02 => {
                f.write_str("as fast, but larger or less precise")
            }
            Self::Slower { factor } => write!(f, "slower by {factor:.2}x"),
            Self::Imprecise { bits, wanted } => write!(
                f,
                "logits of {bits:.1} bits of precision where {wanted:.1} are asked for"
            ),
            Self::Memory {
                bytes: taken,
                limit,
            } => write!(
                f,
                "a batch takes {} of memory where {} are allowed",
                format_bytes(*taken),
                format_bytes(*limit)
            ),
            Self::Insecure {
                needed_log_qp,
                largest_log_qp,
                largest_log_n,
            } => write!(
                f,
                "a modulus of {needed_log_qp:.0} bits; {largest_log_qp:.0} are secure at ring degree 2^{largest_log_n}"
            ),
            Self::Impossible { why } => f.write_str(why),
        }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.ring, self.relinearization.as_str())?;
        if let Some(sketch) = &self.sketch {
            let primes: Vec<String> = sketch.prime_bits.iter().map(u32::to_string).collect();
            write!(f, ", 2^{}, {} bits", sketch.log_n, primes.join(" + "))?;
        }
        write!(f, ": {}", self.reason)
    }
}
