//! From a checked experiment to a folder of results: stages keyed by content, kept in a store, each whole or absent.

mod approximation;
mod bench;
mod collect;
mod compare;
mod costs;
mod logits;
mod memory;
mod program;
mod publish;
mod random_circuit;
mod report;
mod run;
mod stages;
mod store;
mod sweep;
mod views;
mod weights;

use std::path::PathBuf;

pub use approximation::{ApproximationOutcome, run_approximations};
pub use bench::{Bench, bench};
pub use compare::{Comparison, Figure, Measured, compare};
pub use costs::{CostSource, KnownCosts};
pub use publish::{Published, publish};
pub use report::{ReportOutcome, write_report};
pub(crate) use run::image_range_of;
pub use run::{RunOptions, RunOutcome, run};
pub use stages::{Finished, Stage};
pub use store::{Claim, Entry, Pending, Store, StoreError};
pub use sweep::{
    Local, PointEstimate, PointFailure, PointState, PointStatus, REFERENCE_MACHINE, REFERENCE_RATE,
    Rate, Runner, RuntimeEstimate, SweepOptions, SweepOutcome, Training, estimate_training,
    run_sweep, survey, sweep_folder,
};

use crate::backends::EncryptedError;
use crate::circuit::CircuitError;
use crate::data::DataError;
use crate::model::ModelError;
use crate::report::ReportError;
use crate::results::ResultsError;
use crate::training::TrainError;

/// Why a run failed, and with which exit code.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Data missing, incomplete or wrong.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No polynomial of that kind.
    #[error("cannot approximate the activation: {0}")]
    Polynomial(#[from] polyapprox::Error),
    /// Training stopped or diverged.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The trained network could not be evaluated, saved or read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No circuit or no secure parameters.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The encrypted evaluation failed.
    #[error(transparent)]
    Encrypted(#[from] EncryptedError),
    /// Decrypted logits are not those of the circuit.
    #[error(
        "decrypted logits are not the circuit's: at most {max_error:.3e} off where noise explains {bound:.3e}, root mean square \
         {rms_error:.3e} where it explains {credible:.3e}"
    )]
    Wrong {
        /// The largest difference.
        max_error: f64,
        /// What noise explains.
        bound: f64,
        /// The root mean square of all differences.
        rms_error: f64,
        /// What noise explains.
        credible: f64,
    },
    /// The spec's backend is the simulator.
    #[error("the backend `clear` encrypts nothing\nhint: `--set encryption.backend=ckks`")]
    NothingEncrypted,
    /// The file of `--weights` does not hold the network of the spec.
    #[error("{}: {what}\nhint: the layers of the spec and of the file must be the same", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table could not be written or read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A chart or a page could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of a finished stage or run is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A folder is not that of a finished run.
    #[error("{} is not the folder of a finished run: it needs summary.json, manifest.json and spec.toml", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to report on.
    #[error(
        "there are no results in {}\nhint: `cryptodl sweep experiments/rq1.toml` makes some in seconds; `--from DIR` names another folder",
        folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoResults {
        /// Where was looked.
        folders: Vec<PathBuf>,
    },
    /// The report was written without some results.
    #[error(
        "{troubles} results could not be read; the report says which under \"What is not in this report\""
    )]
    Unreadable {
        /// How many.
        troubles: usize,
    },
    /// A point of a sweep cannot run.
    #[error("the point `{label}` cannot run: {source}")]
    Point {
        /// The point's values.
        label: String,
        /// Why not.
        source: Box<PipelineError>,
    },
    /// Points of a sweep have failed.
    #[error("{failed} of {points} points have no result; the next call runs them again")]
    PointsFailed {
        /// How many, those that were not started any more included.
        failed: usize,
        /// All of them.
        points: usize,
    },
    /// A run was asked to stop between two stages.
    #[error("stopped; the next run goes on with the stages that are missing")]
    Stopped,
    /// A sweep was asked to stop.
    #[error("stopped with {left} points left; the next call goes on from here")]
    SweepStopped {
        /// Points without a result.
        left: usize,
    },
}

impl PipelineError {
    /// See `cli::exit`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Data(error) => error.exit_code(),
            Self::Encrypted(EncryptedError::BackendMissing(_)) => 3,
            Self::Encrypted(EncryptedError::Stranger { .. } | EncryptedError::Count { .. }) => 2,
            Self::Encrypted(EncryptedError::Interrupted) => 75,
            Self::Train(error) => error.exit_code(),
            Self::Point { source, .. } => source.exit_code(),
            Self::SweepStopped { .. } | Self::Stopped => 75,
            // The arguments name the wrong folder.
            Self::NotARun { .. } | Self::Weights { .. } => 2,
            Self::Polynomial(_) | Self::NothingEncrypted => 2,
            // The spec asks for what no secure parameter set can do.
            Self::Circuit(error) | Self::Encrypted(EncryptedError::Circuit(error))
                if error.is_of_the_spec() =>
            {
                2
            }
            _ => 1,
        }
    }

    /// Whether a signal ended it.
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Encrypted(EncryptedError::Interrupted)
            | Self::Train(TrainError::Interrupted { .. })
            | Self::SweepStopped { .. }
            | Self::Stopped => true,
            Self::Point { source, .. } => source.is_interruption(),
            _ => false,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
