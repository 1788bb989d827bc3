//! `cryptodl bench`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::costs::CostArguments;
use super::exit::Failure;
use super::out;
use super::signals::Stop;
use crate::backends::ckks;
use crate::circuit::Plan;
use crate::data::OwnData;
use crate::pipeline::{self, Bench};
use crate::spec::Experiment;

/// Arguments of `cryptodl bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// The experiment (TOML); its data set gives the shape of the images alone
    spec: PathBuf,
    /// Change one key of the spec; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Random images to encrypt [default: one full batch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Output folder: where runs keep the measured costs of this machine
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    #[command(flatten)]
    costs: CostArguments,
}

/// Runs the encrypted part of a spec on random weights and images, and prints what it took.
pub fn bench(arguments: &BenchArguments, stop: &Stop) -> Result<(), Failure> {
    let experiment = Experiment::from_path(&arguments.spec, &arguments.set, &OwnData)?;
    let count = arguments.images.map(|count| count as usize);
    let planned = |plan: &Plan| {
        let (images, threads) = (count.unwrap_or(plan.slots), experiment.encryption.threads);
        let facts = ckks::facts(plan, images, threads);
        out::print(|out| {
            for (name, value) in facts {
                writeln!(out, "{name:<22} {value}")?;
            }
            writeln!(out)
        });
    };
    let costs = arguments.costs.source().known(&arguments.out).table;
    let bench = pipeline::bench(&experiment, count, &costs, stop, &planned)?;
    out::print(|out| print(out, &bench));
    Ok(())
}

fn print(out: &mut dyn Write, bench: &Bench) -> io::Result<()> {
    let timing = &bench.outcome.timing;
    let stages = [
        ("prepare", Some(bench.prepare_s)),
        ("keys", timing.keygen_s),
        ("encrypt", timing.encrypt_s),
        ("evaluate", timing.evaluate_s),
        ("decrypt", timing.decrypt_s),
    ];
    for (name, seconds) in stages {
        if let Some(seconds) = seconds {
            let predicted = match name {
                "evaluate" => format!(
                    " ({:.3} predicted)",
                    bench
                        .plan
                        .evaluate_seconds(timing.images as usize, timing.threads)
                ),
                _ => String::new(),
            };
            writeln!(out, "{name:<22} {seconds:.3} s{predicted}")?;
        }
    }
    for layer in &bench.outcome.layers {
        let name = format!("  {}", layer.name);
        let predicted = layer.predicted_seconds.unwrap_or(f64::NAN);
        writeln!(
            out,
            "{name:<22} {:.3} s ({predicted:.3} predicted)",
            layer.seconds
        )?;
    }
    if let Some(hourly) = timing.predictions_per_hour {
        writeln!(
            out,
            "{:<22} {hourly:.0} predictions an hour on {} threads",
            "throughput", timing.threads
        )?;
    }
    const GIB: f64 = 1_073_741_824.0;
    if let Some(bytes) = bench.peak_rss_bytes {
        let (peak, predicted) = (
            bytes as f64 / GIB,
            bench.plan.peak_memory_bytes as f64 / GIB,
        );
        writeln!(
            out,
            "{:<22} {peak:.2} GiB at most, {predicted:.2} GiB predicted ({:+.0} %)",
            "memory",
            100.0 * (predicted / peak - 1.0)
        )?;
    }
    writeln!(
        out,
        "{:<22} {:.1} bits of the logits ({:.1} predicted), at most {:.2e} off (bound {:.2e}), on {} images",
        "precision",
        -bench.rms_error.log2(),
        bench.expected.precision_bits,
        bench.max_error,
        bench.expected.error_bound,
        bench.compared
    )
}
