//! Evaluation of encrypted images: the [`Backend`] trait and its sides.
//!
//! `ckks` is the batched engine (one feature a ciphertext, one image a slot). `tfhe` bootstraps every neuron by a look-up, one image at a
//! time. `clear` has no ciphertexts at all: the integer simulator of [`cryptodl_circuit`] is its whole answer.

pub mod ckks;
mod exported;
mod plausible;
mod sealed;
#[cfg(feature = "tfhe")]
pub mod tfhe;

pub use exported::Side;
pub use plausible::{Promise, Verdict};
pub use sealed::{Digest, KeyId};

use std::path::Path;
use std::sync::atomic::AtomicBool;

use cryptodl_circuit::pbs::{PbsCircuit, PbsPlan};
use cryptodl_circuit::{Circuit, CircuitError, Plan};
use cryptodl_data::{ImageRange, Images};
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_spec::{BackendName, Shape};
use zeroize::Zeroizing;

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
        circuit: &'a PbsCircuit,
        /// Parameters and failure probabilities.
        plan: &'a PbsPlan,
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
    /// Decrypted logits of the first `count` images, averaged over their views.
    pub evaluation: Evaluation,
    /// Those of the first view of each image alone, where there are more.
    pub one_view: Option<Evaluation>,
    /// One row a circuit layer.
    pub layers: Vec<LayerRow>,
    /// Parameters and sizes.
    pub encryption: EncryptionSummary,
    /// Everything but `train_s`.
    pub timing: Timing,
}

/// Logits of a reply, and what speaks against them.
#[derive(Clone, Debug)]
pub struct Decrypted {
    /// `[images, classes]`.
    pub logits: Vec<f32>,
    /// What speaks against them.
    pub verdict: Verdict,
}

/// A fresh key pair as the bytes of two files.
#[derive(Debug)]
pub struct KeyFiles {
    /// Whoever has it can decrypt.
    pub secret: Zeroizing<Vec<u8>>,
    /// What a server needs; none for a circuit that only needs additions.
    pub evaluation: Option<Vec<u8>>,
}

/// An engine that evaluates a circuit on encrypted images.
pub trait Backend {
    /// The name in specs.
    fn name(&self) -> BackendName;

    /// Makes keys (or reads those it keeps), encrypts, evaluates and decrypts.
    ///
    /// # Errors
    /// What the engine refuses, and [`EncryptedError::Interrupted`].
    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError>;

    /// Writes `folder/client/` and `folder/server/` for the finished run in `run`, whose network was trained on images like `images`.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a file of the run that is not there or damaged, or a folder that cannot be written.
    fn export(&self, run: &Path, images: ImageRange, folder: &Path) -> Result<(), EncryptedError>;

    /// Makes keys for an exported client folder.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a damaged folder.
    fn generate_keys(&self, client: &Path) -> Result<KeyFiles, EncryptedError>;

    /// The owner of a secret key and of an exported client folder.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for damaged files, [`EncryptedError::Stranger`] for a key of other parameters.
    fn open_client(&self, folder: &Path, key: &Path)
    -> Result<Box<dyn ClientSide>, EncryptedError>;

    /// The owner of an exported server folder, with a client's evaluation key, which is read where the circuit needs one.
    ///
    /// # Errors
    /// As [`Self::open_client`].
    fn open_server(&self, folder: &Path, key: &Path)
    -> Result<Box<dyn ServerSide>, EncryptedError>;
}

/// Encrypts images and decrypts replies.
pub trait ClientSide {
    /// Shape of the images.
    fn input(&self) -> Shape;

    /// Images like those of the training.
    fn image_range(&self) -> ImageRange;

    /// Logits of one image.
    fn classes(&self) -> usize;

    /// Images in one upload at most.
    fn capacity(&self) -> usize;

    /// The images `from..to` as the bytes of an upload.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] for images of another shape, or more than there are or fit.
    fn encrypt(&self, images: &Images, from: usize, to: usize) -> Result<Vec<u8>, EncryptedError>;

    /// The first `count` images of a reply, the file `path`; all of them where nothing is said. A batch does not know how many of its slots
    /// hold images: all are then its capacity.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole reply, [`EncryptedError::Stranger`] for one of another key, parameter set or
    /// circuit, [`EncryptedError::Count`] for more images than there are.
    fn decrypt(
        &self,
        path: &Path,
        reply: &[u8],
        count: Option<usize>,
    ) -> Result<Decrypted, EncryptedError>;
}

/// Evaluates uploads.
pub trait ServerSide {
    /// From the bytes of an upload, the file `path`, to those of the reply. `go_on` is asked now and then.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole upload, [`EncryptedError::Stranger`] for one of another key, parameter set or
    /// circuit, [`EncryptedError::Interrupted`] where `go_on` says no.
    fn answer(
        &self,
        path: &Path,
        upload: Vec<u8>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>, EncryptedError>;
}

/// The engine of that name; none for `clear`, which encrypts nothing.
///
/// # Errors
/// [`EncryptedError::BackendMissing`] for one that is not part of this build.
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

/// The engine for the circuit of a finished run: that of look-ups, or of polynomials, which a run in the clear has, too.
///
/// # Errors
/// [`EncryptedError::BackendMissing`].
pub fn backend_of_run(run: &Path) -> Result<Box<dyn Backend>, EncryptedError> {
    let name = match run.join(LOOKUP_FILE).is_file() {
        true => BackendName::Tfhe,
        false => BackendName::Ckks,
    };
    Ok(backend(name)?.unwrap_or(Box::new(ckks::Batched)))
}

/// In a run's folder: the plan of its circuit.
pub const PLAN_FILE: &str = "plan.json";
/// In a run's folder: a circuit of polynomials.
pub const CIRCUIT_FILE: &str = "circuit.bin";
/// In a run's folder: a circuit of look-ups.
pub const LOOKUP_FILE: &str = "lookups.json";

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
    /// More images were asked for than there are.
    #[error("{count} images: a reply of 1 to {most} images is there")]
    Count {
        /// How many were asked for.
        count: usize,
        /// How many there are at most.
        most: usize,
    },
    /// Two files that do not belong together, or a file of another kind than the one needed.
    #[error("{}: {what}", path.display())]
    Stranger {
        /// The file that was refused.
        path: std::path::PathBuf,
        /// What it is, and what is needed.
        what: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// Stopped by a signal.
    #[error("stopped during the encrypted evaluation, which begins again the next time")]
    Interrupted,
}
