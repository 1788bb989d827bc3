//! `cryptodl run`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::costs::CostArguments;
use super::exit::Failure;
use super::logging::Log;
use super::out;
use super::signals::Stop;
use crate::data::{DataDirs, OwnData};
use crate::pipeline::{self, RunOptions, RunOutcome, Stage};
use crate::report::rate_words;
use crate::results::{Accuracy, Agreement};
use crate::spec::Experiment;

/// Arguments of `cryptodl run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The experiment (TOML)
    spec: PathBuf,
    /// Change one key of the spec, as in `--set activation.degree=3`; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Output folder: runs/ and store/ are made in it
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Run this stage again even if its result is in the store; may be given again
    #[arg(long, value_name = "STAGE", value_enum)]
    force: Vec<Stage>,
    /// Take the trained network from this file (model.safetensors of another run) and do everything after training
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    costs: CostArguments,
}

/// Runs one experiment and prints its table.
pub fn run(
    arguments: &RunArguments,
    data_dir: Option<&Path>,
    stop: &Stop,
    log: &Log,
) -> Result<(), Failure> {
    let experiment = Experiment::from_path(&arguments.spec, &arguments.set, &OwnData)?;
    let data = DataDirs::resolve(data_dir);
    let options = RunOptions {
        weights: arguments.weights.as_deref(),
        out: &arguments.out,
        data: &data,
        force: &arguments.force,
        costs: arguments.costs.source(),
        stop,
    };
    let outcome = pipeline::run(&experiment, &options, &|path| log.attach(path));
    log.detach();
    let outcome = outcome?;
    out::print(|out| print(out, &outcome));
    Ok(())
}

fn print(out: &mut dyn Write, outcome: &RunOutcome) -> io::Result<()> {
    let (accuracy, agreement) = (&outcome.summary.accuracy, &outcome.summary.agreement);
    writeln!(
        out,
        "{:<12} {:>9} {:>18} {:>7}  agreement with the row above",
        "accuracy", "", "95 % interval", "images"
    )?;
    row(out, "original", accuracy.original, None)?;
    row(
        out,
        "polynomial",
        accuracy.polynomial,
        agreement.polynomial_vs_original,
    )?;
    row(
        out,
        "circuit",
        accuracy.circuit,
        agreement.circuit_vs_polynomial,
    )?;
    row(
        out,
        "simulated",
        accuracy.simulated,
        agreement.simulated_vs_circuit,
    )?;
    row(
        out,
        "encrypted",
        accuracy.encrypted,
        agreement.encrypted_vs_circuit,
    )?;
    if accuracy.encrypted_one_view.is_some() {
        writeln!(out, "of one view alone, where the rows above average two:")?;
        row(out, "polynomial", accuracy.polynomial_one_view, None)?;
        row(out, "encrypted", accuracy.encrypted_one_view, None)?;
    }
    let timing = &outcome.summary.timing;
    if let (Some(rate), Some(evaluate)) = (rate_words(timing), timing.evaluate_s) {
        writeln!(
            out,
            "\n{rate}: {} images encrypted, evaluated in {evaluate:.2} s on {} threads",
            timing.images, timing.threads
        )?;
    }
    let reused: Vec<&str> = outcome
        .stages
        .iter()
        .filter(|stage| stage.reused)
        .map(|stage| stage.stage.as_str())
        .collect();
    if !reused.is_empty() {
        writeln!(out, "reused from the store: {}", reused.join(", "))?;
    }
    writeln!(out, "results: {}", outcome.folder.display())
}

fn row(
    out: &mut dyn Write,
    name: &str,
    accuracy: Option<Accuracy>,
    agreement: Option<Agreement>,
) -> io::Result<()> {
    let Some(accuracy) = accuracy else {
        return Ok(());
    };
    let interval = format!(
        "{:.2} - {:.2} %",
        100.0 * accuracy.low,
        100.0 * accuracy.high
    );
    let agreement = agreement
        .map(|agreement| format!("{:.2} % of {}", 100.0 * agreement.value, agreement.n))
        .unwrap_or_default();
    writeln!(
        out,
        "{name:<12} {:>7.2} % {interval:>18} {:>7}  {agreement}",
        100.0 * accuracy.value,
        accuracy.n
    )
}
