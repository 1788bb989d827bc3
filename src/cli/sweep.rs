//! `cryptodl sweep`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::costs::CostArguments;
use super::exit::Failure;
use super::logging::Log;
use super::out;
use super::signals::Stop;
use crate::data::{DataDirs, OwnData};
use crate::pipeline::{
    Local, PointState, PointStatus, REFERENCE_MACHINE, Rate, RuntimeEstimate, Stage, SweepOptions,
    SweepOutcome, estimate_training, run_approximations, run_sweep, survey, sweep_folder,
};
use crate::spec::{Study, StudyKind, Sweep};

/// Arguments of `cryptodl sweep`.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// The study (TOML)
    study: PathBuf,
    /// Change one key of every point's spec; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Output folder: runs/, store/, sweeps/ and studies/ are made in it
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Points that run at the same time; times are then not comparable
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Check every point, say what is there and what is missing, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Start no further point once one has failed
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten)]
    costs: CostArguments,
}

/// Runs what is missing of a study.
pub fn sweep(
    arguments: &SweepArguments,
    data_dir: Option<&Path>,
    stop: &Stop,
    log: &Log,
) -> Result<(), Failure> {
    let study = Study::from_path(&arguments.study, &arguments.set, &OwnData)?;
    let sweep = match &study.kind {
        StudyKind::Approximation(spec) if arguments.dry_run => {
            out::line(format_args!(
                "{}: {} polynomials to be found",
                study.name,
                spec.functions.len()
                    * spec.methods.len()
                    * spec.degrees.len()
                    * spec.intervals.len()
            ));
            return Ok(());
        }
        StudyKind::Approximation(spec) => {
            let outcome = run_approximations(&study.name, &study.title, spec, &arguments.out)?;
            out::line(format_args!(
                "{} polynomials found, {} impossible\nresults: {}",
                outcome.found,
                outcome.impossible,
                outcome.folder.display()
            ));
            return Ok(());
        }
        StudyKind::Runs(sweep) => sweep,
    };
    let data = DataDirs::resolve(data_dir);
    // The log of a run holds what this process says; of several at once it would hold all of them.
    let attach = |path: &Path| match arguments.jobs {
        1 => log.attach(path),
        _ => Ok(()),
    };
    let costs = arguments.costs.source();
    let runner = Local::new(&arguments.out, &data, stop, costs, &attach);
    if arguments.dry_run {
        let folder = sweep_folder(&arguments.out, &study.name, sweep)?;
        let points = survey(sweep, &folder, &arguments.out, &runner)?;
        out::print(|out| print_survey(out, &study, sweep, &points));
        return Ok(());
    }
    let options = SweepOptions {
        out: &arguments.out,
        jobs: usize::from(arguments.jobs),
        fail_fast: arguments.fail_fast,
        stop,
    };
    let outcome = run_sweep(&study.name, &study.title, sweep, &options, &runner);
    log.detach();
    let outcome = outcome?;
    out::print(|out| print_outcome(out, &outcome));
    Ok(outcome.verdict()?)
}

fn print_survey(
    out: &mut dyn Write,
    study: &Study,
    sweep: &Sweep,
    points: &[PointStatus<'_>],
) -> io::Result<()> {
    let width = sweep
        .points
        .iter()
        .map(|point| point.label.chars().count())
        .max()
        .unwrap_or(0);
    for status in points {
        let state = match status.state {
            PointState::Done => "done",
            PointState::Failed(_) => "failed",
            PointState::Missing => "missing",
        };
        write!(
            out,
            "{:<8} {state:<8} {:<width$}",
            status.point.id, status.point.label
        )?;
        if status.state != PointState::Done {
            let names = |cached: bool| {
                let names = status
                    .estimate
                    .stages
                    .iter()
                    .filter(|(_, has)| *has == cached);
                let names: Vec<&str> = names.map(|(stage, _)| stage.as_str()).collect();
                if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(" ")
                }
            };
            write!(out, "  to do: {}; stored: {}", names(false), names(true))?;
            if let Some(seconds) = status.estimate.evaluate_seconds {
                write!(out, "; encrypted evaluation about {seconds:.0} s")?;
            }
        }
        writeln!(out)?;
    }
    let open = || {
        points
            .iter()
            .filter(|status| status.state != PointState::Done)
    };
    // What the store has is not evaluated again.
    let seconds: f64 = open()
        .filter(|status| !status.estimate.stages.contains(&(Stage::Encrypted, true)))
        .filter_map(|status| status.estimate.evaluate_seconds)
        .sum();
    write!(
        out,
        "\n{}: {} points, {} to run",
        study.title,
        points.len(),
        open().count()
    )?;
    if seconds > 0.0 {
        write!(out, "; about {seconds:.0} s of encrypted evaluation")?;
    }
    writeln!(out)?;
    match estimate_training(points) {
        None => writeln!(out, "nothing to train"),
        Some(estimate) => writeln!(out, "{}", training_words(&estimate)),
    }
}

fn training_words(estimate: &RuntimeEstimate) -> String {
    let seconds = estimate.seconds;
    let time = match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3_600.0),
    };
    let others = estimate.trainings - estimate.from_epochs;
    let mut basis = Vec::new();
    if estimate.from_epochs > 0 {
        basis.push(format!(
            "{} from the seconds of stored epochs of the same network and data",
            estimate.from_epochs
        ));
    }
    if others > 0 {
        let giga = estimate.rate.value() / 1e9;
        basis.push(match estimate.rate {
            Rate::Stored(_) => format!(
                "{others} from multiply-accumulates x images x epochs at {giga:.1} G a second, the median of the stored trainings"
            ),
            Rate::Reference => format!(
                "{others} from multiply-accumulates x images x epochs at {giga:.1} G a second, measured on {REFERENCE_MACHINE}"
            ),
        });
    }
    format!(
        "roughly {time} of training for {} {}, one after the other ({})",
        estimate.trainings,
        if estimate.trainings == 1 {
            "network"
        } else {
            "networks"
        },
        basis.join("; ")
    )
}

fn print_outcome(out: &mut dyn Write, outcome: &SweepOutcome<'_>) -> io::Result<()> {
    let done = outcome.count(|state| *state == PointState::Done);
    let failed = outcome.count(|state| matches!(state, PointState::Failed(_)));
    writeln!(
        out,
        "{} points: {done} done ({} ran now), {failed} failed, {} left",
        outcome.points.len(),
        outcome.ran,
        outcome.points.len() - done - failed
    )?;
    for status in &outcome.points {
        if let PointState::Failed(failure) = &status.state {
            writeln!(
                out,
                "failed: {} ({}): {}",
                status.point.label, status.point.id, failure.error
            )?;
        }
    }
    writeln!(out, "results: {}", outcome.folder.display())
}
