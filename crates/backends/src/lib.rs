//! Evaluation of encrypted images: the [`Backend`] trait and its sides.
//!
//! `ckks` is the batched engine (one feature a ciphertext, one image a slot). `tfhe` bootstraps every neuron by a look-up, one image at a
//! time. `clear` has no ciphertexts at all: the integer simulator of [`cryptodl_circuit`] is its whole answer.

pub mod ckks;
mod exported;
#[cfg(feature = "tfhe")]
pub mod tfhe;

pub use exported::Side;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use cryptodl_circuit::pbs::{LookupCircuit, LookupPlan};
use cryptodl_circuit::{Circuit, CircuitError, Plan};
use cryptodl_data::Images;
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_spec::BackendName;

/// A network in the form that a backend takes, and its plan.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// Integer linear layers and polynomials: `ckks`.
    Polynomials {
        /// The folded network.
        circuit: &'a Circuit,
        /// Parameters, levels and scales for it.
        plan: &'a Plan,
    },
    /// Integer sums and look-ups: `tfhe`.
    Lookups {
        /// The quantised network.
        circuit: &'a LookupCircuit,
        /// Parameters and failure probabilities.
        plan: &'a LookupPlan,
    },
}

/// What a backend is asked to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The network.
    pub work: Work<'a>,
    /// The experiment's name: keys that are kept are kept under it.
    pub name: &'a str,
    /// Where keys are kept, by the backends that keep them; `None`: the user's own place.
    pub key_dir: Option<&'a Path>,
    /// Test images; the first `count` are encrypted.
    pub images: &'a Images,
    /// How many images.
    pub count: usize,
    /// Threads; 0 means all cores.
    pub threads: usize,
    /// Set from outside to stop at the next layer.
    pub stop: &'a AtomicBool,
}

/// What came back from real ciphertexts.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Decrypted logits of the first `count` images.
    pub evaluation: Evaluation,
    /// One row a circuit layer.
    pub layers: Vec<LayerRow>,
    /// Parameters and sizes.
    pub encryption: EncryptionSummary,
    /// Everything but `train_s`.
    pub timing: Timing,
}

/// An engine that evaluates a circuit on encrypted images.
pub trait Backend {
    /// The name in specs.
    fn name(&self) -> BackendName;

    /// Makes keys (or reads those it keeps), encrypts, evaluates and decrypts.
    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError>;
}

/// The engine of that name; none for `clear`, which encrypts nothing.
pub fn backend(name: BackendName) -> Result<Option<Box<dyn Backend>>, EncryptedError> {
    match name {
        BackendName::Ckks => Ok(Some(Box::new(ckks::Batched))),
        BackendName::Clear => Ok(None),
        #[cfg(feature = "tfhe")]
        BackendName::Tfhe => Ok(Some(Box::new(tfhe::Bootstrapped))),
        #[cfg(not(feature = "tfhe"))]
        BackendName::Tfhe => Err(EncryptedError::BackendMissing("tfhe")),
    }
}

/// What went wrong around ciphertexts.
#[derive(Debug, thiserror::Error)]
pub enum EncryptedError {
    /// The engine is not part of this build.
    #[error(
        "the backend `{0}` is not part of this build\nhint: use `encryption.backend = \"ckks\"`, or \"clear\" for the simulator alone"
    )]
    BackendMissing(&'static str),
    /// The engine refused.
    #[error(transparent)]
    Ckks(#[from] ::ckks::Error),
    /// The circuit or the plan refused.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// Client and server disagree, or the images are not what the network was trained on.
    #[error("{what} is {found}, but {wanted} is needed")]
    Mismatch {
        /// Of what.
        what: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        wanted: String,
    },
    /// A file of an exported folder is not there, not readable, or not what it should be.
    #[error("{}: {what}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// Stopped by a signal.
    #[error("stopped during the encrypted evaluation; the next run starts this stage again")]
    Interrupted,
}
