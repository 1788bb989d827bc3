//! `cryptodl plan`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use crate::circuit;
use crate::pipeline::PipelineError;
use crate::spec::{BackendName, Experiment};

/// Arguments of `cryptodl plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The experiment (TOML)
    spec: PathBuf,
    /// Change one key of the spec; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Prints what an encrypted evaluation of the spec would take.
pub fn plan(arguments: &PlanArguments) -> Result<(), Failure> {
    let experiment = Experiment::from_path(&arguments.spec, &arguments.set)?;
    if experiment.encryption.backend != BackendName::Ckks {
        return Err(Failure::Usage(format!(
            "there is no plan for the backend `{}`\nhint: `--set encryption.backend=ckks`",
            experiment.encryption.backend.as_str()
        )));
    }
    let plan = circuit::plan_shape(&experiment).map_err(PipelineError::from)?;
    print!("{plan}");
    Ok(())
}
