//! `cryptodl check`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
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

/// Checks every spec, says which are right, and fails if one is not.
pub fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let mut errors = Vec::new();
    let mut circuit_failure = None;
    for path in &arguments.specs {
        match Experiment::from_path(path, &arguments.set) {
            Err(error) => errors.push(error),
            Ok(experiment) => match plan(&experiment) {
                Ok(text) => println!("{}: ok, {text}", path.display()),
                Err(error) => {
                    eprintln!("{}:", path.display());
                    circuit_failure = Some(error);
                }
            },
        }
    }
    match (errors.is_empty(), circuit_failure) {
        (false, _) => Err(Failure::Spec(errors)),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Ok(()),
    }
}

fn plan(experiment: &Experiment) -> Result<String, PipelineError> {
    experiment.activation.starting_polynomial()?;
    match experiment.encryption.backend {
        BackendName::Ckks => {}
        BackendName::Clear => return Ok("backend clear".into()),
        BackendName::Tfhe => {
            let plan = circuit::pbs::plan_lookup_shape(experiment)?;
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
