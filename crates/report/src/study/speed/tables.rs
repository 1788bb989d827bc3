//! Rates, times, sizes, and what others published.

use cryptodl_results::Accuracy;

use super::super::encrypted::{activation, backend, network};
use super::super::published::Published;
use super::super::short_machine;
use super::super::sweep::rate_words;
use super::Measured;
use crate::format::{self, count, percent, seconds, significant};
use crate::names::counted;
use crate::page::{Block, Table, or_none};
use crate::{ReportError, words};

/// `$0.0123`.
pub(super) fn dollars(value: f64) -> String {
    format!("${}", significant(value))
}

/// Networks with the same layers that more than one backend evaluated, and in what else their specs differ.
pub(super) fn backends(systems: &[Measured<'_>], name: &str) -> Result<Vec<Block>, ReportError> {
    let mut groups: Vec<(&str, Vec<&Measured<'_>>)> = Vec::new();
    for system in systems {
        let Some(layers) = system.run.spec.get("network.layers") else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| *known == layers) {
            Some((_, group)) => group.push(system),
            None => groups.push((layers, vec![system])),
        }
    }
    let mut blocks = Vec::new();
    for (_, group) in groups.into_iter().filter(|(_, group)| {
        group
            .iter()
            .any(|system| backend(system.run) != backend(group[0].run))
    }) {
        let keys = group.iter().flat_map(|system| system.run.spec.keys());
        let mut differing: Vec<&str> = Vec::new();
        for key in keys {
            let values = || group.iter().map(|system| system.run.spec.get(key));
            let own = !["name", "seed", "encryption.images", "encryption.backend"]
                .contains(&key.as_str())
                && !key.starts_with("output.");
            if own
                && !differing.contains(&key.as_str())
                && values().any(|value| Some(value) != values().next())
            {
                differing.push(key);
            }
        }
        let mut table = Table::new(
            format!(
                "The same layers on {name}, each way of encryption. It is not the same network: pixels, messages and training differ ({}), so accuracies compare systems, not schemes. Batched ciphertexts need polynomials and answer many images at once; bootstrapped inference takes any function and one image at a time.",
                differing.join(", ")
            ),
            &[
                "Spec",
                "Activation",
                "Backend",
                "#Pixel bits",
                "#Message bits",
                "#Encrypted images",
                "#In f32",
                "#As integers",
                "#Encrypted",
                "#Same as f32",
                "#Evaluation of one batch",
                "#Images a batch",
                "#Bootstraps an image",
                "#Evaluation keys",
                "#Upload an image",
            ],
        );
        for system in group {
            let (summary, accuracy) = (&system.run.summary, &system.run.summary.accuracy);
            let encryption = summary.encryption.as_ref();
            let share = |value: Option<Accuracy>| or_none(value, |value| percent(value.value));
            table.push([
                system.name.clone(),
                activation(system.run),
                format!(
                    "{}, {}",
                    backend(system.run),
                    counted(system.threads(), "thread")
                ),
                or_none(encryption.and_then(|one| one.pixel_bits), |bits| {
                    bits.to_string()
                }),
                or_none(encryption.and_then(|one| one.message_bits), |bits| {
                    bits.to_string()
                }),
                count(system.images()),
                share(accuracy.polynomial.or(accuracy.original)),
                share(accuracy.circuit),
                share(accuracy.encrypted),
                or_none(summary.agreement.encrypted_vs_polynomial, |agreement| {
                    format::agreement(&agreement)
                }),
                or_none(system.batch_s, |batch| seconds(batch.median)),
                count(summary.timing.batch),
                or_none(encryption.and_then(|one| one.bootstraps_per_image), count),
                or_none(encryption, |one| {
                    format::bytes(one.evaluation_key_bytes as f64)
                }),
                or_none(encryption, |one| format::bytes(one.input_bytes_per_image)),
            ]);
        }
        blocks.extend(table.block());
    }
    Ok(blocks)
}

pub(super) fn rates(systems: &[Measured<'_>], name: &str, price: f64) -> Table {
    let mut table = Table::new(
        format!(
            "Rates on {name}, wall-clock. Evaluation is the server’s, from the upload’s bytes to the reply’s, of full batches; end to end adds encryption and decryption. Medians with the smallest and largest of all stored evaluations of the same circuit on the same threads (seeds are circuits of one shape). Where batches were less than half full, images an hour as run stand instead. Cost: evaluation alone, every thread a core at {} an hour.",
            dollars(price)
        ),
        &[
            "Spec",
            "Network",
            "Backend",
            "#Threads",
            "#Images",
            "#f32",
            "#Encrypted",
            "#95 % interval",
            "#Evaluation, predictions an hour",
            "#End to end, predictions an hour",
            "#Images an hour as run",
            "#Evaluation of one batch",
            "#Memory",
            "#One million predictions",
            "Machine",
        ],
    );
    for system in systems {
        let summary = &system.run.summary;
        table.push([
            system.name.clone(),
            network(system.run),
            backend(system.run).to_owned(),
            system.threads().to_string(),
            count(system.images()),
            or_none(system.plain, |accuracy| percent(accuracy.value)),
            or_none(system.accuracy, |accuracy| percent(accuracy.value)),
            or_none(system.accuracy, |accuracy| {
                format!("{}, {}", words::interval(&accuracy), words::over(&accuracy))
            }),
            rate_words(system.rate),
            rate_words(system.end_to_end),
            or_none(system.as_run, |rate| {
                format!(
                    "{} ({} images)",
                    format::short(rate.round()),
                    count(system.images())
                )
            }),
            or_none(system.batch_s, |batch| words::spread(&batch, seconds)),
            or_none(summary.memory.peak_rss_bytes, |bytes| {
                format::bytes(bytes as f64)
            }),
            or_none(system.cost_per_million(price), dollars),
            short_machine(&system.run.manifest.machine.describe()),
        ]);
    }
    table.without_empty_columns()
}

pub(super) fn times(systems: &[Measured<'_>], name: &str) -> Table {
    let mut table = Table::new(
        format!(
            "Times of one run of each system on {name}, all its batches. Setup is the server’s memory, once before the first upload."
        ),
        &[
            "Spec",
            "#Images",
            "#Batches",
            "#Key generation",
            "#Setup",
            "#Encryption",
            "#Evaluation",
            "#Decryption",
            "#End to end",
            "#Training",
        ],
    );
    for system in systems {
        let timing = &system.run.summary.timing;
        let whole = timing
            .encrypt_s
            .zip(timing.evaluate_s)
            .zip(timing.decrypt_s)
            .map(|((a, b), c)| a + b + c);
        let steps = [
            timing.keygen_s,
            timing.setup_s,
            timing.encrypt_s,
            timing.evaluate_s,
            timing.decrypt_s,
            whole,
            timing.train_s,
        ];
        let words = [
            system.name.clone(),
            count(timing.images),
            count(timing.images.div_ceil(timing.batch.max(1))),
        ];
        table.push(
            words
                .into_iter()
                .chain(steps.map(|step| or_none(step, seconds))),
        );
    }
    table
}

pub(super) fn sizes(systems: &[Measured<'_>], name: &str) -> Table {
    let mut table = Table::new(
        format!(
            "Sizes, keys and memory on {name}. Upload and download: of one image in a full batch."
        ),
        &[
            "Spec",
            "Scheme",
            "#Ring degree",
            "#log2 QP",
            "#Security, bits",
            "#Evaluation keys",
            "#Fresh ciphertext",
            "#Upload an image",
            "#Download an image",
            "#Largest memory",
        ],
    );
    for system in systems {
        let Some(encryption) = &system.run.summary.encryption else {
            continue;
        };
        let last = system
            .run
            .layers
            .last()
            .map(|layer| layer.bytes)
            .filter(|bytes| *bytes > 0);
        let download =
            last.map(|bytes| bytes as f64 / system.run.summary.timing.batch.max(1) as f64);
        table.push([
            system.name.clone(),
            encryption.scheme.clone(),
            or_none(encryption.ring_degree, |degree| count(degree as u64)),
            or_none(encryption.log_qp, |bits| format::decimals(bits, 0)),
            encryption.security_bits.to_string(),
            format::bytes(encryption.evaluation_key_bytes as f64),
            format::bytes(encryption.ciphertext_bytes as f64),
            format::bytes(encryption.input_bytes_per_image),
            or_none(download, format::bytes),
            or_none(system.run.summary.memory.peak_rss_bytes, |bytes| {
                format::bytes(bytes as f64)
            }),
        ]);
    }
    table
}

pub(super) fn others(published: &Published, dataset: &str, name: &str) -> Option<Block> {
    let mut table = Table::new(
        format!(
            "Published systems on {name}; none was measured here. Time: as published, of evaluation unless it says more; what a source does not state is said so."
        ),
        &[
            "System",
            "Scheme",
            "#Accuracy, %",
            "Time",
            "#Images a batch",
            "#Predictions an hour",
            "Hardware",
            "Citation",
        ],
    );
    for system in published.systems(dataset) {
        table.push([
            system.name.clone(),
            system.scheme.clone(),
            system
                .accuracy_text
                .clone()
                .unwrap_or_else(|| system.accuracy.to_string()),
            system.time.clone(),
            system.batch.clone(),
            or_none(system.per_hour, |rate| count(rate as u64)),
            system.hardware.clone(),
            system.citation.clone(),
        ]);
    }
    table.block()
}
