//! `cryptodl publish`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use crate::pipeline;

/// Arguments of `cryptodl publish`.
#[derive(Debug, Args)]
pub struct PublishArguments {
    /// Finished runs, sweeps or studies (folders under results/runs/, results/sweeps/ or results/studies/)
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Where to, as in results/published/2026-01-31-my-machine
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Copies results in a form that is small enough to commit.
pub fn publish(arguments: &PublishArguments) -> Result<(), Failure> {
    for run in &arguments.runs {
        let published = pipeline::publish(run, &arguments.to)?;
        println!("wrote {}", published.folder.display());
        if !published.left_out.is_empty() {
            println!("  left out, too large: {}", published.left_out.join(", "));
        }
    }
    Ok(())
}
