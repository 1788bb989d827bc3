//! Why training ended without a network.

use cryptodl_model::ModelError;
use std::path::PathBuf;

/// Why training ended without a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Asked to stop. Where a checkpoint was saved, the same call goes on from it.
    #[error("training was interrupted in epoch {epoch}{}", if *.saved { "; the epochs before it are saved" } else { ", before the first one was saved" })]
    Interrupted {
        /// The epoch that was not finished, from 1.
        epoch: usize,
        /// Whether a checkpoint holds the epochs before it.
        saved: bool,
    },
    /// The loss or its gradient is no longer a number.
    #[error(
        "training diverged in epoch {epoch} at step {step}: loss {loss}, {:.1} % of the pre-activations outside the interval \
         (hint: lower train.learning_rate, raise train.range_penalty or train.warmup, or lower the degree)",
        .outside * 100.0
    )]
    Diverged {
        /// From 1.
        epoch: usize,
        /// Step within the epoch, from 1.
        step: usize,
        /// The loss there.
        loss: f64,
        /// Share of pre-activations outside the interval in that step, 0 to 1; NaN where nothing could be counted.
        outside: f64,
    },
    /// No images to train on are left, or a label that is no class.
    #[error("the training images cannot be used: {0}")]
    Images(String),
    /// A checkpoint could not be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The network could not be built or evaluated.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The threads could not be started.
    #[error("starting the training threads failed: {0}")]
    Threads(String),
}

impl TrainError {
    /// The program's exit code: 75 where a checkpoint was saved before an interruption, 130 where nothing was, 1 otherwise.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted { saved: true, .. } => 75,
            Self::Interrupted { saved: false, .. } => 130,
            _ => 1,
        }
    }
}
