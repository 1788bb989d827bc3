//! What was encrypted, with what, how long it took and how large it is.

use cryptodl_results::{Compared, ComparedBits, EncryptionSummary, Timing};

use super::super::RunReport;
use crate::format::{self, count, decimals};
use crate::names::counted;
use crate::page::{Block, NONE, Section, Table, fact, or_none};
use crate::run::charts;
use crate::words;

/// Security, times, sizes, layers and the error of the logits; nothing where nothing was encrypted or simulated.
pub(super) fn encryption(report: &RunReport) -> Option<Section> {
    let mut blocks = Vec::new();
    if let Some(encryption) = &report.summary.encryption {
        blocks.push(Block::Facts(parameters(encryption)));
        blocks.push(Block::Table(times(&report.summary.timing)));
        blocks.push(Block::Table(sizes(report, encryption)));
    }
    blocks.push(Block::Chart("layers".to_owned(), String::new()));
    blocks.extend(layers(report).block());
    blocks.extend(planned(report));
    blocks.push(Block::Chart(
        "logit_error".to_owned(),
        "Left: every logit against its plain value; the dashed line is equality. Right: sizes of the differences. A prediction can change only where an \
         error exceeds half the margin between the two largest logits: the further left of the margins the errors lie, the safer."
            .to_owned(),
    ));
    let shown = matches!(
        RunReport::judged(&report.predictions),
        Some("encrypted" | "simulated")
    );
    shown.then(|| Section {
        title: "Encrypted evaluation".to_owned(),
        blocks,
    })
}

pub(super) fn parameters(encryption: &EncryptionSummary) -> Vec<(String, String)> {
    let bits = |bits: f64| format!("{} bit", decimals(bits, 1));
    let dimensions = encryption.lwe_dimension.zip(encryption.polynomial_size);
    let integers = encryption
        .message_bits
        .zip(encryption.pixel_bits.zip(encryption.logit_bits));
    let failure = encryption.failure_probability_log2.map(|bootstrap| {
        let logit = encryption.logit_failure_probability_log2;
        let logit = logit.map_or_else(String::new, |logit| {
            format!(", 2^{} of one logit", decimals(logit, 0))
        });
        format!("2^{} of one bootstrap{logit}", decimals(bootstrap, 0))
    });
    let facts = [
        (
            "Scheme",
            Some(format!(
                "{} (backend {})",
                encryption.scheme, encryption.backend
            )),
        ),
        (
            "Security",
            Some(format!(
                "{} bit, {}",
                encryption.security_bits, encryption.security_source
            )),
        ),
        (
            "Ring",
            encryption
                .ring
                .as_ref()
                .zip(encryption.ring_degree)
                .map(|(ring, degree)| format!("{ring}, degree {}", count(degree as u64))),
        ),
        (
            "Slots",
            encryption
                .slots
                .map(|slots| format!("{} images in a ciphertext", count(slots as u64))),
        ),
        (
            "Modulus",
            encryption.log_q.zip(encryption.log_qp).map(|(q, qp)| {
                format!(
                    "{} for ciphertexts, {} with the special primes",
                    bits(q),
                    bits(qp)
                )
            }),
        ),
        (
            "Multiplicative depth",
            encryption
                .multiplicative_depth
                .map(|depth| depth.to_string()),
        ),
        (
            "Views of an image",
            encryption
                .views
                .map(|views| format!("{views}, their logits averaged")),
        ),
        (
            "Smallest predicted precision",
            encryption.min_precision_bits.map(bits),
        ),
        ("Parameter set", encryption.parameter_set.clone()),
        (
            "Dimensions",
            dimensions.map(|(short, size)| {
                format!(
                    "{short} for bootstraps, {} polynomials of {size} coefficients for the rest",
                    encryption.glwe_dimension.unwrap_or(1)
                )
            }),
        ),
        (
            "Integers",
            integers.map(|(message, (pixel, logit))| {
                format!(
                    "pixels of {pixel} bit, tables of 2^{message} entries, logits of {logit} bit"
                )
            }),
        ),
        ("Predicted failure", failure),
        (
            "Bootstraps",
            encryption
                .bootstraps_per_image
                .zip(encryption.bootstrap_s)
                .map(|(each, seconds)| {
                    format!(
                        "{} an image; one takes {} on one core",
                        count(each),
                        format::seconds(seconds)
                    )
                }),
        ),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some(fact(name, value?)))
        .collect()
}

/// Times and rates, each as it is defined everywhere.
fn times(timing: &Timing) -> Table {
    let caption = format!(
        "Wall-clock times for {} encrypted images on {}; {}. Evaluation runs from the upload’s bytes to the reply’s, end to end adds encryption and decryption; key generation and setup happen once, before the first upload.",
        count(timing.images),
        counted(timing.threads, "thread"),
        words::evaluations(timing)
    );
    let mut table = Table::new(caption, &["Step or rate", "#Value", "#An image"]);
    let each = |seconds: f64| format::seconds(seconds / timing.images.max(1) as f64);
    let whole = timing
        .encrypt_s
        .zip(timing.evaluate_s)
        .zip(timing.decrypt_s)
        .map(|((a, b), c)| a + b + c);
    let steps = [
        ("Training of the network", timing.train_s, false),
        ("Key generation", timing.keygen_s, false),
        ("Setup: the server’s memory", timing.setup_s, false),
        ("Encryption", timing.encrypt_s, true),
        ("Evaluation", timing.evaluate_s, true),
        ("Decryption", timing.decrypt_s, true),
        ("End to end", whole, true),
        ("Evaluation of one batch", timing.latency_s, false),
    ];
    for (name, seconds, by_image) in steps {
        if let Some(seconds) = seconds {
            table.push([
                name.to_owned(),
                format::seconds(seconds),
                if by_image {
                    each(seconds)
                } else {
                    NONE.to_owned()
                },
            ]);
        }
    }
    for (name, rate) in words::rates(timing) {
        table.push([name, format::per_hour(rate), NONE.to_owned()]);
    }
    table
}

fn sizes(report: &RunReport, encryption: &EncryptionSummary) -> Table {
    let mut table = Table::new("What has to be kept and sent.", &["What", "#Size"]);
    let rows = [
        (
            "Evaluation keys",
            Some(encryption.evaluation_key_bytes as f64),
        ),
        (
            "One fresh ciphertext, not seeded",
            Some(encryption.ciphertext_bytes as f64),
        ),
        (
            "Upload of one image of a full batch",
            Some(encryption.input_bytes_per_image),
        ),
        (
            "Peak memory of the process",
            report
                .summary
                .memory
                .peak_rss_bytes
                .map(|bytes| bytes as f64),
        ),
    ];
    for (name, bytes) in rows {
        if let Some(bytes) = bytes {
            table.push([name.to_owned(), format::bytes(bytes)]);
        }
    }
    table
}

pub(super) fn layers(report: &RunReport) -> Table {
    let mut table = Table::new(
        "Layers of the circuit. Primes, scale, precision and bytes are those of what leaves the layer.",
        &[
            "Layer",
            "Kind",
            "#MAC an image",
            "#Ciphertexts",
            "#Primes left",
            "#Scale",
            "#Precision",
            "#Bytes a batch",
            "#Bound",
        ],
    );
    let bits = |bits: f64| format!("{} bit", decimals(bits, 1));
    for (index, layer) in report.layers.iter().enumerate() {
        let plan = report
            .plan
            .get(index)
            .filter(|_| report.plan.len() == report.layers.len());
        table.push([
            layer.name.clone(),
            layer.kind.clone(),
            count(layer.macs),
            count(layer.ciphertexts as u64),
            layer.limbs.to_string(),
            bits(layer.scale_bits),
            bits(layer.precision_bits),
            format::bytes(layer.bytes as f64),
            or_none(plan, |plan| bits(plan.bound_bits)),
        ]);
    }
    table.without_empty_columns()
}

/// What was planned, beside what was measured: every layer, what is outside all layers, and the whole.
fn planned(report: &RunReport) -> Option<Block> {
    let mut table = Table::new(
        "Plan against measurement. Precision: −log2 of the root mean square of what noise changes of the logits, decrypted against the integer circuit. \
         Bound: −log2 of the largest error to expect of any logit, and of the largest that there was.",
        &["What", "#Planned", "#Measured", "#Off by"],
    );
    let mut row = |name: &str, planned: Option<f64>, measured: f64, text: fn(f64) -> String| {
        let off = planned
            .map(|planned| measured / planned)
            .filter(|ratio| ratio.is_finite());
        table.push([
            name.to_owned(),
            or_none(planned, text),
            text(measured),
            or_none(off, |ratio| format!("{}x", decimals(ratio, 2))),
        ]);
    };
    for layer in &report.layers {
        row(
            &layer.name,
            layer.predicted_seconds,
            layer.seconds,
            format::seconds,
        );
    }
    let prediction = report.summary.prediction.as_ref();
    let whole: Option<&Compared> = prediction.map(|prediction| &prediction.evaluate_s);
    let planned: Option<f64> = report
        .layers
        .iter()
        .map(|layer| layer.predicted_seconds)
        .sum();
    if let Some(rest) = charts::outside_layers(report) {
        let planned = whole
            .zip(planned)
            .map(|(whole, layers)| whole.predicted - layers);
        row(
            "Outside the layers: upload, masks, reply",
            planned.filter(|rest| *rest > 0.0),
            rest,
            format::seconds,
        );
    }
    if let Some(measured) = report.summary.timing.evaluate_s {
        row(
            "Evaluation",
            whole.map(|whole| whole.predicted),
            measured,
            format::seconds,
        );
    }
    if let Some(peak) = prediction.and_then(|prediction| prediction.peak_bytes) {
        row(
            "Peak memory",
            Some(peak.predicted),
            peak.measured,
            format::bytes,
        );
    }
    let mut bits = |name: &str, bits: Option<ComparedBits>| {
        let text = |value: f64| format!("{} bit", decimals(value, 1));
        if let Some(bits) = bits {
            let sign = if bits.difference >= 0.0 { "+" } else { "" };
            table.push([
                name.to_owned(),
                text(bits.predicted),
                text(bits.measured),
                format!("{sign}{}", text(bits.difference)),
            ]);
        }
    };
    bits(
        "Precision of the logits",
        prediction.and_then(|prediction| prediction.precision_bits),
    );
    bits(
        "Bound of the logits’ errors",
        prediction.and_then(|prediction| prediction.error_bound_bits),
    );
    table.block()
}
