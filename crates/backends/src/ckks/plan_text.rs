//! A plan as lines and rows of text for the terminal.

use cryptodl_circuit::{Execution, Plan};
use cryptodl_runtime::format_bytes as bytes;

const COLUMNS: [&str; 11] = [
    "layer",
    "kind",
    "macs",
    "ciphertexts",
    "polynomials",
    "level",
    "scale",
    "bound",
    "precision",
    "memory",
    "time",
];

/// Headings, then one row a layer: scale, bound and precision in bits, memory of what leaves the layer, time of one batch on one core.
pub(super) fn table(plan: &Plan) -> Vec<Vec<String>> {
    let rows = plan.layers.iter().map(|layer| {
        vec![
            layer.name.clone(),
            layer.kind.clone(),
            layer.macs.to_string(),
            layer.ciphertexts.to_string(),
            layer.components.to_string(),
            layer.level.to_string(),
            format!("{:.1}", layer.scale_bits),
            format!("{:.1}", layer.bound_bits),
            format!("{:.1}", layer.precision_bits),
            bytes(layer.bytes),
            time(layer.seconds),
        ]
    });
    let headings = COLUMNS.map(String::from).to_vec();
    std::iter::once(headings).chain(rows).collect()
}

/// Name and value of what holds for the whole circuit, for `images` images on `threads` cores (0: all).
pub fn facts(plan: &Plan, images: usize, threads: usize) -> Vec<(&'static str, String)> {
    let primes: Vec<String> = plan
        .parameters
        .prime_bits
        .iter()
        .map(u32::to_string)
        .collect();
    let special = &plan.parameters.special_bits;
    let special: Vec<String> = special.iter().map(u32::to_string).collect();
    let special = if special.is_empty() {
        "none".to_owned()
    } else {
        special.join(" + ")
    };
    let ring = plan.parameters.ring.as_str();
    let seconds = plan.evaluate_seconds(images, threads);
    let batches = plan.batches(images);
    let hourly = (batches * plan.slots) as f64 * 3600.0 / seconds;
    let mut facts = vec![
        (
            "ring",
            format!(
                "{ring}, degree {} (2^{})",
                plan.ring_degree, plan.parameters.log_n
            ),
        ),
        (
            "primes",
            format!("{} bits, special {special}", primes.join(" + ")),
        ),
        ("relinearisation", plan.schedule.to_string()),
        (
            "scales",
            format!(
                "{:.1} bits of the inputs, {:.1} after rescaling, weights of {} bits",
                plan.input_scale.log2(),
                plan.scale_bits,
                plan.weight_bits
            ),
        ),
        (
            "modulus",
            format!(
                "log q {:.1}, log qp {:.1} of at most {} bits",
                plan.log_q, plan.log_qp, plan.max_log_qp
            ),
        ),
        (
            "security",
            format!("{} bits ({})", plan.security_bits, ckks::SECURITY_SOURCE),
        ),
        (
            "multiplicative depth",
            plan.multiplicative_depth.to_string(),
        ),
        (
            "smallest precision",
            format!("{:.1} bits", plan.min_precision_bits()),
        ),
        (
            "logits",
            format!(
                "noise of {:.1} bits, at most {:.2e}; rounded weights of {:.1} bits",
                plan.logit_precision_bits(),
                plan.logit_error_bound(),
                plan.rounding_bits
            ),
        ),
        (
            "batch",
            format!("{} images; {batches} batches for {images}", plan.slots),
        ),
        (
            "upload",
            format!(
                "{} an image",
                bytes(plan.input_bytes_per_image().ceil() as u64)
            ),
        ),
        ("evaluation key", bytes(plan.evaluation_key_bytes)),
        ("key switches", format!("{} a batch", plan.key_switches())),
        (
            "memory",
            format!("about {} at once", bytes(plan.peak_memory_bytes)),
        ),
        (
            "execution",
            match plan.execution {
                Execution::Whole => "layer by layer".to_owned(),
                Execution::Streamed(features) => {
                    format!("depth first, about {features} ciphertexts at a time")
                }
            },
        ),
        (
            "time",
            format!(
                "about {} to evaluate ({hourly:.0} predictions an hour)",
                time(seconds)
            ),
        ),
    ];
    let others = plan.alternatives.iter();
    facts.extend(others.map(|other| ("instead", other.to_string())));
    facts
}

/// Seconds, three digits.
fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use cryptodl_circuit::plan_shape;
    use cryptodl_spec::{Experiment, NoFiles};

    #[test]
    fn every_layer_has_a_row_and_every_alternative_a_line() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/quickstart.toml");
        let plan = plan_shape(&Experiment::from_path(path, &[], &NoFiles).unwrap()).unwrap();
        assert_eq!(table(&plan).len(), 1 + plan.layers.len());
        let facts = facts(&plan, 100, 2);
        let lines = |name: &str| facts.iter().filter(|(other, _)| *other == name).count();
        assert_eq!(
            (lines("security"), lines("instead")),
            (1, plan.alternatives.len())
        );
    }
}
