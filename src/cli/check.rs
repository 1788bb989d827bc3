//! `cryptodl check`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use super::out;
use crate::backends;
use crate::data::OwnData;
use crate::pipeline::PipelineError;
use crate::spec::Experiment;

/// Arguments of `cryptodl check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Experiments (TOML)
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Change one key of every spec; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Checks every spec, says which are right and what is wrong with each of the others, and fails if one is.
pub fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for path in &arguments.specs {
        match Experiment::from_path(path, &arguments.set, &OwnData) {
            Err(error) => failures.push(error.into()),
            Ok(experiment) => match plan(&experiment) {
                Ok(text) => out::line(format_args!("{}: ok, {text}", path.display())),
                Err(error) => failures.push(Failure::Of {
                    path: path.clone(),
                    error: Box::new(error),
                }),
            },
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Several(failures))
    }
}

fn plan(experiment: &Experiment) -> Result<String, PipelineError> {
    experiment.activation.starting_polynomial()?;
    let backend = backends::backend(experiment.encryption.backend)?;
    Ok(backend.check(experiment)?)
}
