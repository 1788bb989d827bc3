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
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

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
    /// Write a spec to start from, every key with its default and its meaning
    #[command(
        after_help = "Examples:\n  cryptodl init mine.toml --dataset cifar10\n  cryptodl init faces.toml --path data/faces"
    )]
    Init(write::InitArguments),
    /// Run an experiment: train, evaluate in the clear and encrypted, write results
    #[command(
        after_help = "Examples:\n  cryptodl run configs/quickstart.toml\n  cryptodl run mine.toml --set train.epochs=20 --set activation.function=silu\n  cryptodl run mine.toml --weights results/runs/mine-1a2b3c4d/model.safetensors"
    )]
    Run(run::RunArguments),
    /// Run every missing point of a study: a sweep over experiments, or a table of approximations
    #[command(
        after_help = "Examples:\n  cryptodl sweep experiments/rq2.toml --dry-run\n  cryptodl sweep experiments/rq2.toml --jobs 2"
    )]
    Sweep(sweep::SweepArguments),
    /// Check specs and say everything that is wrong with them
    #[command(
        after_help = "Examples:\n  cryptodl check configs/*.toml\n  cryptodl check mine.toml --set activation.degree=5"
    )]
    Check(check::CheckArguments),
    /// Print parameters, levels, security, memory and estimated time, without training
    #[command(
        after_help = "Example:\n  cryptodl plan configs/mnist_relu_deg2.toml --set activation.degree=3"
    )]
    Plan(plan::PlanArguments),
    /// Run the encrypted part of a spec on random weights and images: seconds, memory and precision, without data or training
    #[command(after_help = "Example:\n  cryptodl bench configs/mnist_cryptonets.toml")]
    Bench(bench::BenchArguments),
    /// Fetch, verify or show a data set
    #[command(
        subcommand,
        after_help = "Examples:\n  cryptodl data fetch mnist\n  cryptodl data show faces/"
    )]
    Data(data::DataCommand),
    /// Build the report over all studies from stored results; runs nothing
    #[command(after_help = "Example:\n  cryptodl report --from results --out my_report")]
    Report(report::ReportArguments),
    /// Print what differs between finished runs, in their specs and in their results
    #[command(
        after_help = "Example:\n  cryptodl compare results/runs/a-* results/runs/b-* --format md"
    )]
    Compare(compare::CompareArguments),
    /// Copy finished runs, sweeps and studies in a form that is small enough to commit
    #[command(
        after_help = "Example:\n  cryptodl publish results/runs/mine-* --to results/published/mine"
    )]
    Publish(publish::PublishArguments),
    /// Write what a client and a server need, as two folders, from a finished run
    #[command(after_help = "Example:\n  cryptodl export results/runs/mine-1a2b3c4d deploy")]
    Export(client_server::ExportArguments),
    /// Client: make keys (the secret one, and what the server needs)
    #[command(after_help = "Example:\n  cryptodl keygen --client deploy/client --out keys")]
    Keygen(client_server::KeygenArguments),
    /// Client: encrypt images
    #[command(
        after_help = "Example:\n  cryptodl encrypt --client deploy/client --key keys/secret.key --images photos/ --out upload.ct"
    )]
    Encrypt(client_server::EncryptArguments),
    /// Server: evaluate encrypted images; needs no secret key
    #[command(
        after_help = "Example:\n  cryptodl evaluate --server deploy/server --keys keys/server --in upload.ct --out reply.ct"
    )]
    Evaluate(client_server::EvaluateArguments),
    /// Client: decrypt a reply to labels and logits
    #[command(
        after_help = "Example:\n  cryptodl decrypt --client deploy/client --key keys/secret.key --in reply.ct --out labels.csv"
    )]
    Decrypt(client_server::DecryptArguments),
    /// Print a JSON Schema of specs and studies for editors
    #[command(
        after_help = "Example (the first line of a spec then is `#:schema ./cryptodl.schema.json`):\n  cryptodl schema > cryptodl.schema.json"
    )]
    Schema,
    /// Print a script that completes command lines in a shell
    #[command(
        after_help = "Example:\n  cryptodl completions bash > ~/.local/share/bash-completion/completions/cryptodl"
    )]
    Completions(write::CompletionsArguments),
    /// Write manual pages
    #[command(after_help = "Example:\n  cryptodl man ~/.local/share/man/man1")]
    Man(write::ManArguments),
}

/// The whole program; `main` is this and nothing else.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are a success; a wrong argument is exit code 2.
            if !error.use_stderr() {
                out::print_raw(|out| write!(out, "{}", error.render().ansi()));
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
        Command::Init(command) => write::init(&command),
        Command::Schema => {
            write::schema();
            Ok(())
        }
        Command::Completions(command) => {
            write::completions(&command, Arguments::command());
            Ok(())
        }
        Command::Man(command) => write::man(&command, Arguments::command()),
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
