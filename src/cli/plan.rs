//! `cryptodl plan`.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::costs::CostArguments;
use super::exit::Failure;
use super::out;
use crate::backends::{self, PlanText};
use crate::data::OwnData;
use crate::pipeline::PipelineError;
use crate::spec::Experiment;

/// Arguments of `cryptodl plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The experiment (TOML)
    spec: PathBuf,
    /// Change one key of the spec; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Output folder: where runs keep the measured costs of this machine
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Measure the costs of this machine now (a few seconds) and keep them for the runs to come
    #[arg(long, conflicts_with = "fixed_costs")]
    calibrate: bool,
    #[command(flatten)]
    costs: CostArguments,
}

/// Facts, then a table. `measured`: whether times go by the costs of this machine.
fn print(out: &mut dyn Write, plan: &PlanText, measured: bool) -> io::Result<()> {
    for (name, value) in &plan.facts {
        writeln!(out, "{name:<22} {value}")?;
    }
    writeln!(out)?;
    print_table(out, &plan.table)?;
    let Some(legend) = plan.legend else {
        return Ok(());
    };
    writeln!(out, "\n{legend}")?;
    let whose = if measured {
        "times by the measured costs of this machine"
    } else {
        "times by the costs of a reference machine (two cores with AVX-512); --calibrate measures this one"
    };
    writeln!(out, "{whose}")
}

/// Columns as wide as their widest cell; the first two to the left, the rest to the right.
fn print_table(out: &mut dyn Write, table: &[Vec<String>]) -> io::Result<()> {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            table
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in table {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints what an encrypted evaluation of the spec would take.
pub fn plan(arguments: &PlanArguments) -> Result<(), Failure> {
    let experiment = Experiment::from_path(&arguments.spec, &arguments.set, &OwnData)?;
    let backend = backends::backend(experiment.encryption.backend).map_err(PipelineError::from)?;
    let source = arguments.costs.source();
    let measured = Cell::new(false);
    let costs = || {
        if arguments.calibrate {
            source.table(&arguments.out);
        }
        let known = source.known(&arguments.out);
        measured.set(known.measured);
        known.table
    };
    let plan = backend
        .plan(&experiment, &costs)
        .map_err(PipelineError::from)?;
    let Some(plan) = plan else {
        let name = experiment.encryption.backend.as_str();
        return Err(Failure::Usage(format!(
            "there is no plan for the backend `{name}`\nhint: `--set encryption.backend=ckks`"
        )));
    };
    out::print(|out| print(out, &plan, measured.get()));
    Ok(())
}
