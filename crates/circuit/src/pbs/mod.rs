//! Circuits for bootstrapped engines: exact integers between look-up tables, no cryptography.
//!
//! ```text
//! TrainedNetwork + training images -> quantise -> PbsCircuit -> plan -> PbsPlan (parameter set, noise, cost)
//!                                                      |
//!                                                      +-> simulate: the same integers as the encrypted run
//! ```
//! A neuron's sum of small integers is exact on ciphertexts and fills the message space of a parameter set; one look-up then holds all
//! that stands between two sums: scale, batch norm, bias, the activation and the rounding to the next integers. So a ciphertext never
//! rounds, and the clear simulator gives its integers bit for bit, but for the stated probability that noise moves a look-up.
//!
//! One bootstrap could give several functions of one sum, or one function of each of two sums that share a ciphertext. Neither pays here: a
//! neuron's sum is read by one function, and two sums of b bits fill a table of 2b bits, whose bootstrap takes far longer than two of b
//! (`bootstrap_s` of published runs: more than twice as long for one bit more).

mod error;
mod noise;
mod parameters;
mod plan;
mod quantise;
mod search;
mod simulate;
mod table;
mod types;

#[cfg(test)]
mod tests;

pub use error::PbsError;
pub use noise::Noise;
pub use parameters::{PARAMETER_SETS, ParameterSet};
pub use plan::{PbsPlan, PbsRow, plan_shape};
pub use quantise::{Bits, quantise};
pub use search::{Choice, compile};
pub use simulate::{look_up, pixel_integers, simulate};
pub use types::{IntegerSum, PbsCircuit, PbsLayer};
