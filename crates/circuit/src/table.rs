//! A plan as rows of text, ready for a terminal, a report or Markdown.

use super::plan::Plan;
use super::streaming::Execution;
use ckks::Ring;

impl Plan {
    /// Headings of [`Self::rows`].
    pub const COLUMNS: [&'static str; 11] = [
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

    /// One row a layer: scale, bound and precision in bits, memory of what leaves the layer, time of one batch on one core.
    pub fn rows(&self) -> Vec<[String; 11]> {
        let rows = self.layers.iter().map(|layer| {
            [
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
        rows.collect()
    }

    /// Name and value of what holds for the whole circuit, for `images` images on `threads` cores (0: all).
    pub fn facts(&self, images: usize, threads: usize) -> Vec<(&'static str, String)> {
        let primes: Vec<String> = self
            .parameters
            .prime_bits
            .iter()
            .map(u32::to_string)
            .collect();
        let special = self
            .parameters
            .special_bits
            .map_or("none".to_owned(), |bits| bits.to_string());
        let ring = match self.parameters.ring {
            Ring::Standard => "standard",
            Ring::ConjugateInvariant => "conjugate-invariant",
        };
        let seconds = self.evaluate_seconds(images, threads);
        let batches = self.batches(images);
        let hourly = (batches * self.slots) as f64 * 3600.0 / seconds;
        let mut facts = vec![
            (
                "ring",
                format!(
                    "{ring}, degree {} (2^{})",
                    self.ring_degree, self.parameters.log_n
                ),
            ),
            (
                "primes",
                format!("{} bits, special {special}", primes.join(" + ")),
            ),
            ("relinearisation", self.schedule.to_string()),
            (
                "scales",
                format!(
                    "{:.1} bits of the inputs, {:.1} after rescaling, weights of {} bits",
                    self.input_scale.log2(),
                    self.scale_bits,
                    self.weight_bits
                ),
            ),
            (
                "modulus",
                format!(
                    "log q {:.1}, log qp {:.1} of at most {} bits",
                    self.log_q, self.log_qp, self.max_log_qp
                ),
            ),
            (
                "security",
                format!("{} bits ({})", self.security_bits, ckks::SECURITY_SOURCE),
            ),
            (
                "multiplicative depth",
                self.multiplicative_depth.to_string(),
            ),
            (
                "smallest precision",
                format!("{:.1} bits", self.min_precision_bits()),
            ),
            (
                "logits",
                format!(
                    "noise of {:.1} bits, at most {:.2e}; rounded weights of {:.1} bits",
                    self.logit_precision_bits(),
                    self.logit_error_bound(),
                    self.rounding_bits
                ),
            ),
            (
                "batch",
                format!("{} images; {batches} batches for {images}", self.slots),
            ),
            (
                "upload",
                format!(
                    "{} an image",
                    bytes(self.input_bytes_per_image().ceil() as u64)
                ),
            ),
            ("evaluation key", bytes(self.evaluation_key_bytes)),
            ("key switches", format!("{} a batch", self.key_switches())),
            (
                "memory",
                format!("about {} at once", bytes(self.peak_memory_bytes)),
            ),
            (
                "execution",
                match self.execution {
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
        let others = self.alternatives.iter();
        facts.extend(others.map(|other| ("instead", other.to_string())));
        facts
    }
}

/// Seconds, three digits.
fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// Bytes in binary units, three digits.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(17), "17 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1_200_000_000), "1.1 GiB");
    }
}
