//! Runs an experiment from Rust, as `cryptodl run` does: trains, encrypts, evaluates, and writes a folder of results.
//!
//! `cargo run --release --example run_experiment [SPEC] [OUT]`

use std::path::Path;
use std::sync::atomic::AtomicBool;

use cryptodl::data::{DataDirs, OwnData};
use cryptodl::pipeline::{CostSource, RunOptions, run};
use cryptodl::spec::Experiment;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let spec = arguments
        .next()
        .unwrap_or_else(|| "configs/quickstart.toml".into());
    let out = arguments.next().unwrap_or_else(|| "results".into());

    let experiment = Experiment::from_path(&spec, &[], &OwnData)?;
    let options = RunOptions {
        weights: None,
        out: Path::new(&out),
        data: &DataDirs::resolve(None),
        force: &[],
        costs: CostSource::Fixed,
        stop: &AtomicBool::new(false),
    };
    let outcome = run(&experiment, &options, &|_log| Ok(()))?;
    if let Some(encrypted) = outcome.summary.accuracy.encrypted {
        println!(
            "{} of {} encrypted images classified correctly; results in {}",
            encrypted.correct,
            encrypted.n,
            outcome.folder.display()
        );
    }
    Ok(())
}
