//! `cryptodl plan`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::costs::CostArguments;
use super::exit::Failure;
use super::out;
use super::plan_text;
use crate::circuit::{self, Plan};
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
    /// Output folder: where runs keep the measured costs of this machine
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Measure the costs of this machine now (a few seconds) and keep them for the runs to come
    #[arg(long, conflicts_with = "fixed_costs")]
    calibrate: bool,
    #[command(flatten)]
    costs: CostArguments,
}

/// Facts, then a table.
fn print(
    out: &mut dyn Write,
    plan: &Plan,
    experiment: &Experiment,
    measured: bool,
) -> io::Result<()> {
    let encryption = &experiment.encryption;
    for (name, value) in plan_text::facts(plan, encryption.images, encryption.threads) {
        writeln!(out, "{name:<22} {value}")?;
    }
    writeln!(out)?;
    let mut table = vec![plan_text::COLUMNS.map(String::from)];
    table.extend(plan_text::rows(plan));
    print_table(out, &table)?;
    writeln!(
        out,
        "\nscale, bound and precision in bits; weights are not trained yet, so bounds and precision are estimates"
    )?;
    let whose = if measured {
        "times by the measured costs of this machine"
    } else {
        "times by the costs of a reference machine (two cores with AVX-512); --calibrate measures this one"
    };
    writeln!(out, "{whose}")
}

/// Columns as wide as their widest cell; the first two to the left, the rest to the right.
pub(super) fn print_table<const N: usize>(
    out: &mut dyn Write,
    table: &[[String; N]],
) -> io::Result<()> {
    let widths: Vec<usize> = (0..N)
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
    let experiment = Experiment::from_path(&arguments.spec, &arguments.set)?;
    match experiment.encryption.backend {
        BackendName::Ckks => {}
        BackendName::Tfhe => return super::plan_lookups::plan(&experiment),
        BackendName::Clear => {
            return Err(Failure::Usage(
                "there is no plan for the backend `clear`\nhint: `--set encryption.backend=ckks`"
                    .into(),
            ));
        }
    }
    let source = arguments.costs.source();
    if arguments.calibrate {
        source.table(&arguments.out);
    }
    let costs = source.known(&arguments.out);
    let plan = circuit::plan_shape_with(&experiment, &costs.table).map_err(PipelineError::from)?;
    out::print(|out| print(out, &plan, &experiment, costs.measured));
    Ok(())
}
