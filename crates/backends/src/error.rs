//! What went wrong around ciphertexts.

use std::path::Path;

use cryptodl_circuit::CircuitError;

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

/// [`EncryptedError::File`].
pub(crate) fn file_error(path: &Path, error: impl std::fmt::Display) -> EncryptedError {
    EncryptedError::File {
        path: path.to_path_buf(),
        what: error.to_string(),
    }
}

/// [`EncryptedError::Stranger`].
pub(crate) fn stranger(path: &Path, what: String) -> EncryptedError {
    EncryptedError::Stranger {
        path: path.to_path_buf(),
        what,
    }
}

/// Refuses bytes behind an object: nothing vouches for them.
pub(crate) fn nothing_left(path: &Path, rest: &[u8]) -> Result<(), EncryptedError> {
    match rest.len() {
        0 => Ok(()),
        count => Err(file_error(
            path,
            format!("{count} bytes follow the closing digest: the file was changed"),
        )),
    }
}
