//! A campaign over all targets, or over some: how many inputs of each, how long it took, and what was found.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cryptodl_fuzz::{campaign, targets};

/// Runs mutations of good files through every reader of the program.
#[derive(Debug, Parser)]
struct Arguments {
    /// Inputs in all; each target has its share
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    /// Targets whose names contain this
    #[arg(long, default_value = "")]
    target: String,
    /// Another seed, other mutations
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where inputs that panic are written
    #[arg(long, default_value = "findings")]
    findings: PathBuf,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    // A panic is counted; its message would hide the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut targets = targets()?;
    targets.retain(|target| target.name.contains(&arguments.target));
    let shares: u64 = targets.iter().map(|target| target.share).sum();
    let mut out = io::stdout();
    writeln!(
        out,
        "{:<24} {:>10} {:>10} {:>9} {:>9} {:>11}",
        "target", "inputs", "accepted", "findings", "seconds", "slowest, ms"
    )?;
    let (mut inputs, mut found, mut seconds) = (0, 0, 0.0);
    for target in &mut targets {
        let count = (arguments.inputs * target.share).div_ceil(shares.max(1));
        let tally = campaign(target, count, arguments.seed, &arguments.findings)?;
        writeln!(
            out,
            "{:<24} {:>10} {:>10} {:>9} {:>9.1} {:>11.2}",
            target.name,
            tally.inputs,
            tally.accepted,
            tally.findings.len(),
            tally.time.as_secs_f64(),
            1e3 * tally.slowest.as_secs_f64()
        )?;
        inputs += tally.inputs;
        found += tally.findings.len();
        seconds += tally.time.as_secs_f64();
    }
    writeln!(
        out,
        "{:<24} {inputs:>10} {:>10} {found:>9} {seconds:>9.1}",
        "all", ""
    )?;
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
