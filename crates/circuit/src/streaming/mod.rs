//! Depth-first execution: a circuit runs in stages, a stage in chunks of positions, and a chunk runs as soon as what its windows read is
//! there and is dropped as soon as nothing reads it any more. What lies between two layers is then a few rows of an image, not all of it.
//!
//! ```text
//! Circuit + Schedule -> operations -> stages (cut where windows overlap) -> tasks (which chunk, what it reads, what it frees) -> run
//!                                                                                                                               |
//!                                                                        Executor: on ciphertexts; peak_bytes: on sizes alone --+
//! ```
//! [`Execution::Whole`] is one stage of one chunk: layer after layer, those between two relinearisations together, block by block of
//! coefficients. Sums modulo a prime are exact, so every execution gives the same bits.

mod chunks;
mod ciphertexts;
mod run;
mod sizes;
mod stages;
mod tasks;

use serde::{Deserialize, Serialize};

pub use run::Executor;
pub(super) use sizes::peak_bytes;
pub(super) use tasks::Order;

/// How much of a layer is computed before the next one goes on with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Execution {
    /// All of it: the fastest, where the memory suffices.
    #[default]
    Whole,
    /// Chunks of about so many ciphertexts.
    Streamed(usize),
}

impl Execution {
    /// From the fastest to the smallest.
    pub(super) const ALL: [Self; 7] = [
        Self::Whole,
        Self::Streamed(4096),
        Self::Streamed(2048),
        Self::Streamed(1024),
        Self::Streamed(512),
        Self::Streamed(256),
        Self::Streamed(128),
    ];
}
