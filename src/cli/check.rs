//! `cryptodl check`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use super::out;
use crate::circuit;
use crate::pipeline::PipelineError;
use crate::spec::{BackendName, Experiment};

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
        match Experiment::from_path(path, &arguments.set) {
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
    match experiment.encryption.backend {
        BackendName::Ckks => {}
        BackendName::Clear => return Ok("backend clear".into()),
        BackendName::Tfhe => {
            let plan = circuit::pbs::plan_shape(experiment)?;
            return Ok(format!(
                "backend tfhe, {} bootstraps an image, tables of 2^{} entries",
                plan.bootstraps, plan.message_bits
            ));
        }
    }
    let plan = circuit::plan_shape(experiment)?;
    Ok(format!(
        "ring degree {}, log2 QP {:.0}, depth {}",
        plan.ring_degree, plan.log_qp, plan.multiplicative_depth
    ))
}
