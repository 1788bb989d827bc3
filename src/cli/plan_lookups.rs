//! `cryptodl plan` for the backend `tfhe`.

use std::io::{self, Write};

use super::exit::Failure;
use super::out;
use super::plan::print_table;
use crate::circuit::pbs::{ParameterSet, PbsPlan, plan_shape};
use crate::pipeline::PipelineError;
use crate::spec::{EncryptionSpec, Experiment};

/// Prints what an encrypted evaluation of the spec would take.
pub(super) fn plan(experiment: &Experiment) -> Result<(), Failure> {
    let plan = plan_shape(experiment).map_err(PipelineError::from)?;
    let set = plan
        .set()
        .map_err(crate::circuit::CircuitError::from)
        .map_err(PipelineError::from)?;
    let bootstrap = bootstrap_seconds(set)?;
    out::print(|out| print(out, &plan, set, bootstrap, &experiment.encryption));
    Ok(())
}

#[cfg(feature = "tfhe")]
fn bootstrap_seconds(set: &'static ParameterSet) -> Result<f64, Failure> {
    Ok(crate::backends::tfhe::measure_bootstrap(set).map_err(PipelineError::from)?)
}

#[cfg(not(feature = "tfhe"))]
fn bootstrap_seconds(_: &'static ParameterSet) -> Result<f64, Failure> {
    Err(PipelineError::from(crate::backends::EncryptedError::BackendMissing("tfhe")).into())
}

fn print(
    out: &mut dyn Write,
    plan: &PbsPlan,
    set: &ParameterSet,
    bootstrap: f64,
    encryption: &EncryptionSpec,
) -> io::Result<()> {
    let threads = match encryption.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let image = plan.bootstraps as f64 * bootstrap / threads as f64;
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let open =
        |bits: Option<u32>| bits.map_or("chosen by the search".to_owned(), |bits| bits.to_string());
    let facts = [
        ("parameter set", set.name.to_owned()),
        (
            "security",
            format!(
                "{} bit ({})",
                ParameterSet::SECURITY_BITS,
                ParameterSet::SECURITY_SOURCE
            ),
        ),
        (
            "dimensions",
            format!(
                "{} for look-ups, {} x {} for the rest",
                set.lwe_dimension, set.glwe_dimension, set.polynomial_size
            ),
        ),
        (
            "message bits",
            match encryption.message_bits {
                Some(bits) => bits.to_string(),
                None => format!("{} (assumed; the search chooses)", plan.message_bits),
            },
        ),
        ("pixel bits", open(plan.pixel_bits)),
        (
            "failure of a look-up",
            format!("below 2^{:.0}", plan.lookup_failure_log2),
        ),
        ("bootstraps", format!("{} an image", plan.bootstraps)),
        (
            "one bootstrap",
            format!("{:.1} ms on one core (measured now)", 1e3 * bootstrap),
        ),
        (
            "time",
            format!(
                "{image:.1} s an image on {threads} threads, {:.0} s for {} images",
                image * encryption.images as f64,
                encryption.images
            ),
        ),
        (
            "evaluation keys",
            format!(
                "{} on disk and to send, {} in memory",
                megabytes(set.seeded_key_bytes()),
                megabytes(set.evaluation_key_bytes())
            ),
        ),
        (
            "one ciphertext",
            format!("{:.0} kB", set.ciphertext_bytes() as f64 / 1e3),
        ),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<22} {value}")?;
    }
    writeln!(out)?;
    let mut table =
        vec![["layer", "kind", "MAC", "ciphertexts", "bootstraps", "bits"].map(String::from)];
    table.extend(plan.layers.iter().map(|row| {
        [
            row.name.clone(),
            row.kind.clone(),
            row.macs.to_string(),
            row.ciphertexts.to_string(),
            row.bootstraps.to_string(),
            row.bits.to_string(),
        ]
    }));
    print_table(out, &table)
}
