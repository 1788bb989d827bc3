//! Evaluation of encrypted images: the [`Backend`] trait and its sides.
//!
//! `ckks` is the batched engine (one feature a ciphertext, one image a slot). `tfhe` bootstraps every neuron by a look-up, one image at a
//! time. `clear` has no ciphertexts at all: the integer simulator of [`cryptodl_circuit`] is its whole answer.
//!
//! ```text
//! Trained -> Backend::compile -> CompiledNetwork -> evaluate -> Outcome                   (in one process)
//!                                               \-> export -> client/ -> Engine::open_client -> ClientSide
//!                                                          \-> server/ -> Engine::open_server -> ServerSide
//! ```
//! ```
//! use cryptodl_backends::backend;
//! use cryptodl_spec::Experiment;
//!
//! let spec = "name = \"small\"\ndataset.name = \"digits\"\nencryption.backend = \"clear\"\n";
//! let experiment = Experiment::from_str_named(spec, "small.toml", &[])?;
//! let simulator = backend(experiment.encryption.backend)?;
//! simulator.check(&experiment)?;
//! // Nothing is encrypted: the simulator is its whole answer.
//! assert!(simulator.engine().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! A new backend is a folder with types that implement these traits, and its line in `registry.rs`.

mod backend;
pub mod ckks;
mod clear;
mod error;
mod exported;
mod plausible;
mod registry;
mod sealed;
#[cfg(feature = "tfhe")]
pub mod tfhe;

pub use backend::{
    Backend, ClientSide, CompiledNetwork, Decrypted, Engine, Job, KeyFiles, Measured, Outcome,
    PlanText, PlannedLayer, ServerSide, Trained,
};
pub use error::EncryptedError;
pub use exported::Side;
pub use plausible::{Promise, Verdict};
pub use registry::{backend, compiled_of_run, engine_of};
pub use sealed::{Digest, KeyId, UploadId};

/// In a run's folder: the plan of its circuit.
const PLAN_FILE: &str = "plan.json";
/// In a run's folder: a circuit of polynomials.
const CIRCUIT_FILE: &str = "circuit.bin";
/// In a run's folder: a circuit of programmable bootstraps.
const PBS_FILE: &str = "lookups.json";
