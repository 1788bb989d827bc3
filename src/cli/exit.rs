//! Failures and their exit codes: 1 a run failed, 2 the spec or the arguments are wrong, 3 data or a backend is missing, 75 stopped
//! after a checkpoint was saved, 130 stopped with nothing saved.

use std::io;
use std::process::ExitCode;

use crate::pipeline::PipelineError;
use crate::spec::SpecError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// One or more specs are wrong; printed one by one.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Spec(Vec<SpecError>),
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A run failed.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
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
            Self::Spec(_) | Self::Usage(_) => 2,
            Self::Pipeline(error) => error.exit_code(),
            Self::Io { .. } => 1,
        }
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        Self::Spec(vec![error])
    }
}

/// Prints the failure on standard error and gives its exit code.
pub fn report(failure: Failure) -> ExitCode {
    let code = failure.code();
    match failure {
        Failure::Spec(errors) => {
            for error in errors {
                eprintln!("{:?}", miette::Report::new(error));
            }
        }
        // A reader that went away (`cryptodl ... | head`) is not an error.
        Failure::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        other => eprintln!("error: {other}"),
    }
    ExitCode::from(code)
}
