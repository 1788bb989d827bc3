//! What the program asks of a backend.

use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cryptodl_circuit::CostTable;
use cryptodl_data::{ImageRange, Images};
use cryptodl_model::{PreActivation, TrainedNetwork};
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Prediction, Timing};
use cryptodl_spec::{Experiment, Shape};
use zeroize::Zeroizing;

use crate::error::EncryptedError;
use crate::plausible::Verdict;

/// A way to evaluate networks: how it plans and compiles them, and the engine that evaluates them on ciphertexts.
pub trait Backend: Sync {
    /// Refuses an experiment that cannot be encrypted, before anything is trained; else the parameters in a few words.
    ///
    /// # Errors
    /// Where no circuit or no secure parameter set can do what the spec asks for.
    fn check(&self, experiment: &Experiment) -> Result<String, EncryptedError>;

    /// What an encrypted evaluation would take, before training; `None` where nothing is encrypted.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn plan(
        &self,
        experiment: &Experiment,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Option<PlanText>, EncryptedError>;

    /// Seconds that the encrypted evaluation will take, before training; `None` where nothing predicts them.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn evaluate_seconds(
        &self,
        experiment: &Experiment,
        costs: &CostTable,
    ) -> Result<Option<f64>, EncryptedError>;

    /// Makes the circuit of a trained network, and its plan.
    ///
    /// # Errors
    /// Where the network has no circuit, or none fits the spec.
    fn compile(
        &self,
        trained: &Trained<'_>,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Box<dyn CompiledNetwork>, EncryptedError>;

    /// Reads what [`CompiledNetwork::write`] wrote.
    ///
    /// # Errors
    /// For files that are missing or damaged.
    fn read(&self, folder: &Path) -> Result<Box<dyn CompiledNetwork>, EncryptedError>;

    /// The engine that evaluates its circuits on ciphertexts; `None` where the simulator is the whole answer.
    fn engine(&self) -> Option<&dyn Engine>;
}

/// A trained network, and what a circuit of it is made by.
#[derive(Clone, Copy, Debug)]
pub struct Trained<'a> {
    /// Its experiment.
    pub experiment: &'a Experiment,
    /// The network.
    pub network: &'a TrainedNetwork,
    /// What goes into its activations on training images, and the logits.
    pub ranges: &'a [PreActivation],
    /// All training images.
    pub images: &'a Images,
}

/// A circuit and its plan, in the form that a backend takes.
pub trait CompiledNetwork: Debug {
    /// Writes both into a folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn write(&self, folder: &Path) -> Result<(), EncryptedError>;

    /// Multiply-accumulates for one image.
    fn macs(&self) -> u64;

    /// Activations of one image.
    fn activations(&self) -> u64;

    /// Logits of the exact circuit, and of the circuit with the noise of ciphertexts, sampled from `seed`.
    ///
    /// # Errors
    /// For images of another shape.
    fn simulate(
        &self,
        images: &Images,
        seed: u64,
    ) -> Result<(Evaluation, Evaluation), EncryptedError>;

    /// Makes keys (or reads those it keeps), encrypts, evaluates and decrypts.
    ///
    /// # Errors
    /// What the engine refuses, and [`EncryptedError::Interrupted`].
    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError>;

    /// Compares decrypted logits with the circuit's where they should be the same to the bit, and logs what it finds.
    fn confirm(&self, _encrypted: &Evaluation, _circuit: &Evaluation) {}

    /// The layers as they are planned, for that many images on that many threads; none where levels are not planned.
    fn planned_layers(&self, _images: usize, _threads: usize) -> Vec<PlannedLayer> {
        Vec::new()
    }

    /// The plan's predictions beside what was measured; `None` where there are none.
    fn plan_vs_measured(&self, _measured: &Measured<'_>) -> Option<Prediction> {
        None
    }

    /// Writes `folder/client/` and `folder/server/`, for images like `images`.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a folder that cannot be written.
    fn export(&self, images: ImageRange, folder: &Path) -> Result<(), EncryptedError>;
}

/// What the plan says of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedLayer {
    /// Name of the layer, as in `layers.csv`.
    pub name: String,
    /// Level after the layer: primes left minus one.
    pub level: usize,
    /// log2 of the largest magnitude that is planned for, in units of the integer message.
    pub bound_bits: f64,
    /// Predicted wall-clock seconds over all batches.
    pub predicted_seconds: f64,
}

/// What an encrypted evaluation gave, for [`CompiledNetwork::plan_vs_measured`].
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Decrypted logits.
    pub encrypted: &'a Evaluation,
    /// Logits of the circuit in the clear.
    pub circuit: &'a Evaluation,
    /// Times.
    pub timing: &'a Timing,
    /// Largest resident set of the process, where the system tells.
    pub peak_rss_bytes: Option<u64>,
}

/// A plan as text for the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanText {
    /// Name and value of what holds for the whole circuit.
    pub facts: Vec<(&'static str, String)>,
    /// Headings, then one row a layer.
    pub table: Vec<Vec<String>>,
    /// What the columns mean, where times are by a table of costs.
    pub legend: Option<&'static str>,
}

/// What a backend is asked to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
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

impl Job<'_> {
    /// Runs `work` on the job's threads, which it is told.
    pub(crate) fn on_threads<T: Send>(
        &self,
        work: impl FnOnce(usize) -> Result<T, EncryptedError> + Send,
    ) -> Result<T, EncryptedError> {
        let threads = self.threads;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|source| EncryptedError::Threads { threads, source })?;
        pool.install(|| work(rayon::current_num_threads()))
    }
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

/// An engine of ciphertexts, as separate processes of a client and a server use it.
pub trait Engine {
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
