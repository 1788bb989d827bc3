//! `cryptodl report`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::exit::Failure;
use super::out;
use crate::pipeline::{self, PipelineError};

/// Where results are looked for when nothing else is said.
const RESULTS: &str = "results";

/// Arguments of `cryptodl report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "reports")]
    out: PathBuf,
    /// Folders of results, searched with all that lies below them [default: results]
    #[arg(long, value_name = "DIR", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Price of one core for one hour in US dollars, for the cost of a million predictions
    #[arg(long, value_name = "USD", default_value_t = 0.05)]
    price_per_core_hour: f64,
}

/// Builds the report from stored results.
pub fn report(arguments: &ReportArguments) -> Result<(), Failure> {
    let price = arguments.price_per_core_hour;
    if !(price.is_finite() && price > 0.0) {
        return Err(Failure::Usage(format!(
            "`--price-per-core-hour {price}` is no price: a number of US dollars above 0 is needed"
        )));
    }
    let from = if arguments.from.is_empty() {
        vec![PathBuf::from(RESULTS)]
    } else {
        arguments.from.clone()
    };
    if let Some(missing) = from.iter().find(|folder| !folder.is_dir()) {
        let what = missing.display();
        return Err(if arguments.from.is_empty() {
            PipelineError::NoResults { folders: from }.into()
        } else {
            Failure::Usage(format!("`--from {what}` is not a folder"))
        });
    }
    let outcome = pipeline::write_report(&from, &arguments.out, price)?;
    out::print(|out| print(out, &outcome));
    match outcome.troubles {
        0 => Ok(()),
        troubles => Err(PipelineError::Unreadable { troubles }.into()),
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn print(out: &mut dyn Write, outcome: &pipeline::ReportOutcome) -> io::Result<()> {
    for (name, sentence) in &outcome.written.answers {
        writeln!(out, "{name}: {sentence}")?;
    }
    writeln!(
        out,
        "made from {} and {}; {} files",
        counted(outcome.runs, "run", "runs"),
        counted(outcome.studies, "study", "studies"),
        outcome.written.files.len()
    )?;
    for page in outcome.written.files.iter().take(2) {
        writeln!(out, "wrote {}", page.display())?;
    }
    Ok(())
}
