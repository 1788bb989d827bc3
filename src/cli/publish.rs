//! `cryptodl publish`.

use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use super::out;
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
        out::line(format_args!("wrote {}", published.folder.display()));
        if !published.left_out.is_empty() {
            let left_out = published.left_out.join(", ");
            out::line(format_args!("  left out, too large: {left_out}"));
        }
    }
    Ok(())
}
