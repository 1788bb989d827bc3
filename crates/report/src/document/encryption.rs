//! What was encrypted, with what, how long it took and how large it is.

use super::{Block, NONE, Section, Table, prediction};
use crate::{RunReport, format};
use cryptodl_results::{EncryptionSummary, LayerRow, Summary};

/// `1 thread`, `2 threads`.
pub(super) fn threads(threads: usize) -> String {
    if threads == 1 {
        "1 thread".to_owned()
    } else {
        format!("{threads} threads")
    }
}

/// Security, times, sizes, layers and the error of the logits; nothing where nothing was encrypted or simulated.
pub(super) fn section(report: &RunReport) -> Option<Section> {
    let mut blocks = Vec::new();
    if let Some(encryption) = &report.summary.encryption {
        blocks.push(Block::Facts(parameters(encryption)));
        blocks.push(Block::Table(times(&report.summary)));
        blocks.push(Block::Table(sizes(&report.summary, encryption)));
    }
    blocks.push(Block::Chart(
        "layers".into(),
        "Length: time. Squares: primes of the ciphertext modulus that are left.".to_owned(),
    ));
    if !report.layers.is_empty() {
        blocks.push(Block::Table(layers(report)));
    }
    blocks.extend(prediction::table(report).map(Block::Table));
    blocks.push(Block::Chart("logit_error".into(),
        "Left: every logit against its plain value; the dashed line is equality. Right: sizes of the differences. A prediction can \
         change only where an error exceeds half the margin between the two largest logits: the further left of the margins the errors \
         lie, the safer."
            .to_owned(),
    ));
    let judged = RunReport::judged(&report.predictions);
    matches!(judged, Some("encrypted" | "simulated")).then(|| Section {
        title: "Encrypted evaluation".to_owned(),
        blocks,
    })
}

fn parameters(encryption: &EncryptionSummary) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact(
            "Scheme",
            format!("{} (backend {})", encryption.scheme, encryption.backend),
        ),
        fact(
            "Security",
            format!(
                "{} bit, {}",
                encryption.security_bits, encryption.security_source
            ),
        ),
    ];
    if let (Some(ring), Some(degree)) = (&encryption.ring, encryption.ring_degree) {
        let degree = format::count(degree as u64);
        facts.push(fact("Ring", format!("{ring}, degree {degree}")));
    }
    if let Some(slots) = encryption.slots {
        let slots = format::count(slots as u64);
        facts.push(fact("Slots", format!("{slots} images in a ciphertext")));
    }
    if let (Some(log_q), Some(log_qp)) = (encryption.log_q, encryption.log_qp) {
        facts.push(fact(
            "Modulus",
            format!(
                "{} bit for ciphertexts, {} bit with the special primes",
                format::decimals(log_q, 1),
                format::decimals(log_qp, 1)
            ),
        ));
    }
    if let Some(depth) = encryption.multiplicative_depth {
        facts.push(fact("Multiplicative depth", depth.to_string()));
    }
    if let Some(bits) = encryption.min_precision_bits {
        facts.push(fact(
            "Smallest predicted precision",
            format!("{} bit", format::decimals(bits, 1)),
        ));
    }
    facts.extend(look_ups(encryption));
    facts
}

/// What only a bootstrapped scheme has.
fn look_ups(encryption: &EncryptionSummary) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    fact("Parameter set", encryption.parameter_set.clone());
    let dimensions = encryption.lwe_dimension.zip(encryption.polynomial_size);
    fact(
        "Dimensions",
        dimensions.map(|(short, size)| {
            format!(
                "{short} for look-ups, {} polynomials of {size} coefficients for the rest",
                encryption.glwe_dimension.unwrap_or(1)
            )
        }),
    );
    let bits = encryption
        .message_bits
        .zip(encryption.pixel_bits.zip(encryption.logit_bits));
    fact(
        "Integers",
        bits.map(|(message, (pixel, logit))| {
            format!("pixels of {pixel} bit, tables of 2^{message} entries, logits of {logit} bit")
        }),
    );
    fact(
        "Predicted failure",
        encryption.failure_probability_log2.map(|look_up| {
            let logit = encryption.logit_failure_probability_log2;
            let logit = logit.map_or_else(String::new, |logit| {
                format!(", 2^{} of one logit", format::decimals(logit, 0))
            });
            format!("2^{} of one look-up{logit}", format::decimals(look_up, 0))
        }),
    );
    fact(
        "Look-ups",
        encryption
            .bootstraps_per_image
            .zip(encryption.bootstrap_s)
            .map(|(count, seconds)| {
                format!(
                    "{} an image; one takes {} on one core",
                    format::count(count),
                    format::seconds(seconds)
                )
            }),
    );
    facts
}

fn times(summary: &Summary) -> Table {
    let timing = &summary.timing;
    let mut table = Table::new(
        format!(
            "Wall-clock times for {} encrypted images on {}.",
            format::count(timing.images),
            threads(timing.threads)
        ),
        &["Step or rate", "#Value", "#Per image"],
    );
    let images = timing.images.max(1) as f64;
    let steps = [
        ("Training of the polynomial network", timing.train_s, false),
        ("Key generation", timing.keygen_s, false),
        ("Memory for the server", timing.setup_s, false),
        ("Encryption", timing.encrypt_s, true),
        ("Evaluation on ciphertexts", timing.evaluate_s, true),
        ("Decryption", timing.decrypt_s, true),
        (
            "Evaluation of a batch with one image",
            timing.latency_s,
            false,
        ),
    ];
    for (name, seconds, by_image) in steps {
        if let Some(seconds) = seconds {
            let share = if by_image {
                format::seconds(seconds / images)
            } else {
                NONE.to_owned()
            };
            table
                .rows
                .push(vec![name.to_owned(), format::seconds(seconds), share]);
        }
    }
    let rates = [
        (
            "Predictions an hour, full batches",
            timing.predictions_per_hour,
        ),
        ("Images an hour, as run", timing.images_per_hour),
        (
            "Predictions an hour with encryption and decryption",
            timing.predictions_per_hour_end_to_end,
        ),
    ];
    for (name, rate) in rates {
        if let Some(rate) = rate {
            table.rows.push(vec![
                name.to_owned(),
                format::per_hour(rate),
                NONE.to_owned(),
            ]);
        }
    }
    table
}

fn sizes(summary: &Summary, encryption: &EncryptionSummary) -> Table {
    let mut table = Table::new("What has to be kept and sent.", &["What", "#Size"]);
    let mut row =
        |name: &str, bytes: f64| table.rows.push(vec![name.to_owned(), format::bytes(bytes)]);
    row("Evaluation keys", encryption.evaluation_key_bytes as f64);
    row(
        "One fresh ciphertext, not seeded",
        encryption.ciphertext_bytes as f64,
    );
    row(
        "Upload of one image of a full batch",
        encryption.input_bytes_per_image,
    );
    if let Some(peak) = summary.memory.peak_rss_bytes {
        row("Peak memory of the process", peak as f64);
    }
    table
}

fn layers(report: &RunReport) -> Table {
    let planned = report.plan.len() == report.layers.len();
    let mut columns = vec![
        "Layer",
        "Kind",
        "#MAC an image",
        "#Ciphertexts",
        "#Primes left",
        "#Scale",
        "#Precision",
        "#Bytes a batch",
        "#Time",
    ];
    if planned {
        columns.extend(["#Planned time", "#Bound"]);
    }
    let mut table = Table::new(
        "Layers of the circuit. Primes, scale, precision and bytes are those of what leaves the layer.",
        &columns,
    );
    let bits = |bits: f64| format!("{} bit", format::decimals(bits, 1));
    for (index, layer) in report.layers.iter().enumerate() {
        let LayerRow {
            name,
            kind,
            macs,
            ciphertexts,
            limbs,
            scale_bits,
            precision_bits,
            seconds,
            bytes,
            ..
        } = layer;
        let mut cells = vec![
            name.clone(),
            kind.clone(),
            format::count(*macs),
            format::count(*ciphertexts as u64),
            limbs.to_string(),
            bits(*scale_bits),
            bits(*precision_bits),
            format::bytes(*bytes as f64),
            format::seconds(*seconds),
        ];
        if let (true, Some(plan)) = (planned, report.plan.get(index)) {
            cells.push(format::seconds(plan.predicted_seconds));
            cells.push(bits(plan.bound_bits));
        }
        table.rows.push(cells);
    }
    table
}
