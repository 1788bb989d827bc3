//! The command line: one file a command.

mod bench;
mod check;
mod client_server;
mod compare;
mod costs;
mod data;
mod exit;
mod logging;
mod out;
mod plan;
mod publish;
mod report;
mod run;
mod signals;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};

use exit::Failure;

use crate::spec;

/// Declarative experiments on polynomial neural networks over encrypted data.
///
/// One TOML file says what to try; `cryptodl run FILE` trains the network, classifies really encrypted images, and leaves tables,
/// charts and a report under results/runs/.
#[derive(Debug, Parser)]
#[command(
    name = "cryptodl",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// More about what happens (-vv: everything)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Folder of the data sets (the only place looked in when given) [env: CRYPTODL_DATA_DIR] [default: data/, then the user's cache]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an experiment: train, evaluate in the clear and encrypted, write results
    Run(run::RunArguments),
    /// Run every missing point of a study: a sweep over experiments, or a table of approximations
    Sweep(sweep::SweepArguments),
    /// Check specs and do nothing else
    Check(check::CheckArguments),
    /// Print parameters, levels, security, memory and estimated time, without training
    Plan(plan::PlanArguments),
    /// Run the encrypted part of a spec on random weights and images: seconds, memory and precision, without data or training
    Bench(bench::BenchArguments),
    /// Fetch or verify a data set
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Build the report over all studies from stored results; runs nothing
    Report(report::ReportArguments),
    /// Print what differs between finished runs, in their specs and in their results
    Compare(compare::CompareArguments),
    /// Copy finished runs, sweeps and studies in a form that is small enough to commit
    Publish(publish::PublishArguments),
    /// Write what a client and a server need, as two folders, from a finished run
    Export(client_server::ExportArguments),
    /// Client: make keys (the secret one, and what the server needs)
    Keygen(client_server::KeygenArguments),
    /// Client: encrypt images
    Encrypt(client_server::EncryptArguments),
    /// Server: evaluate encrypted images; needs no secret key
    Evaluate(client_server::EvaluateArguments),
    /// Client: decrypt a reply to labels and logits
    Decrypt(client_server::DecryptArguments),
}

/// The whole program; `main` is this and nothing else.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are a success; a wrong argument is exit code 2.
            if !error.use_stderr() {
                out::print(|out| write!(out, "{}", error.render().ansi()));
                return ended(Ok(()));
            }
            // Clap's colours, unless the arguments that it repeats hold control characters.
            let plain = error.render().to_string();
            if spec::printable(&plain) == plain {
                let _ = error.print();
            } else {
                out::error_text(plain.trim_end());
            }
            return ExitCode::from(2);
        }
    };
    let log = logging::start(arguments.global.verbose, arguments.global.quiet);
    let signals = match signals::listen() {
        Ok(signals) => signals,
        Err(error) => return exit::report(Failure::io("listen for signals", error)),
    };
    let data_dir = arguments.global.data_dir.as_deref();
    let result = match arguments.command {
        Command::Run(command) => run::run(&command, data_dir, &signals, &log),
        Command::Sweep(command) => sweep::sweep(&command, data_dir, &signals, &log),
        Command::Check(command) => check::check(&command),
        Command::Plan(command) => plan::plan(&command),
        Command::Bench(command) => bench::bench(&command, &signals),
        Command::Data(command) => data::data(&command, data_dir, &signals),
        Command::Report(command) => report::report(&command),
        Command::Compare(command) => compare::compare(&command),
        Command::Publish(command) => publish::publish(&command),
        Command::Export(command) => client_server::export(&command),
        Command::Keygen(command) => client_server::keygen(&command),
        Command::Encrypt(command) => client_server::encrypt(&command, data_dir),
        Command::Evaluate(command) => client_server::evaluate(&command, &signals),
        Command::Decrypt(command) => client_server::decrypt(&command),
    };
    ended(result)
}

fn ended(result: Result<(), Failure>) -> ExitCode {
    match result.and_then(|()| out::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit::report(failure),
    }
}
