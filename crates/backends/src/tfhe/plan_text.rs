//! A plan as text for the terminal.

use cryptodl_circuit::pbs::{ParameterSet, PbsPlan};
use cryptodl_spec::EncryptionSpec;

use crate::PlanText;

/// The plan of a spec under `set`, where one bootstrap takes `bootstrap` seconds on one core.
pub(super) fn text(
    plan: &PbsPlan,
    set: &ParameterSet,
    bootstrap: f64,
    encryption: &EncryptionSpec,
) -> PlanText {
    let threads = match encryption.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let image = plan.bootstraps as f64 * bootstrap / threads as f64;
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let open =
        |bits: Option<u32>| bits.map_or("chosen by the search".to_owned(), |bits| bits.to_string());
    let facts = vec![
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
    let mut table = vec![
        ["layer", "kind", "MAC", "ciphertexts", "bootstraps", "bits"]
            .map(String::from)
            .to_vec(),
    ];
    table.extend(plan.layers.iter().map(|row| {
        vec![
            row.name.clone(),
            row.kind.clone(),
            row.macs.to_string(),
            row.ciphertexts.to_string(),
            row.bootstraps.to_string(),
            row.bits.to_string(),
        ]
    }));
    PlanText {
        facts,
        table,
        legend: None,
    }
}
