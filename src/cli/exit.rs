//! Failures and their exit codes: 1 a run failed, 2 the spec or the arguments are wrong, 3 data or a backend is missing, 4 what was
//! decrypted is implausible, 75 stopped with something saved to go on from, 130 stopped with nothing saved.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::out;
use crate::pipeline::PipelineError;
use crate::spec::SpecError;
use cryptodl_runtime::interrupt;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The spec is wrong.
    #[error(transparent)]
    Spec(SpecError),
    /// Several things failed; the exit code is that of the first.
    #[error("{} failures", .0.len())]
    Several(Vec<Failure>),
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A run failed.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// One of several files cannot run.
    #[error("{}: {error}", path.display())]
    Of {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: Box<PipelineError>,
    },
    /// What was decrypted cannot be right.
    #[error("{0}")]
    Implausible(String),
    /// The file system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why not.
        source: io::Error,
    },
}

impl Failure {
    /// A failure of the file system.
    pub fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Spec(error) => error.exit_code(),
            Self::Usage(_) => 2,
            Self::Implausible(_) => 4,
            Self::Several(failures) => failures.first().map_or(1, Self::code),
            Self::Pipeline(error) if error.is_interruption() => interrupt::exit_code(),
            Self::Pipeline(error) => error.exit_code(),
            Self::Of { error, .. } => error.exit_code(),
            Self::Io { .. } => 1,
        }
    }

    fn print(self) {
        match self {
            Self::Spec(error) => error
                .into_each()
                .into_iter()
                .for_each(|error| out::error_line(&format!("{:?}", miette::Report::new(error)))),
            Self::Several(failures) => failures.into_iter().for_each(Self::print),
            other => out::error_text(&format!("error: {other}")),
        }
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

/// Prints the failure on standard error and gives its exit code.
pub fn report(failure: Failure) -> ExitCode {
    let code = failure.code();
    failure.print();
    ExitCode::from(code)
}
