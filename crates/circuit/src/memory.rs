//! How much memory the machine has.

/// Share of it that a batch may take, unless the spec says otherwise: the rest is for other programs. Depth-first execution takes what it is
/// given and is about as fast with little.
const SHARE: f64 = 0.5;
const GIB: f64 = 1_073_741_824.0;

/// Bytes that a batch may take; `gib` is what the spec says. No limit where neither the spec nor the system tells one.
pub(super) fn limit(gib: Option<f64>) -> u64 {
    match (gib, cryptodl_runtime::available_memory_bytes()) {
        (Some(gib), _) => (gib * GIB) as u64,
        (None, Some(bytes)) => (bytes as f64 * SHARE) as u64,
        (None, None) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_limits_memory_or_the_machine_does() {
        assert_eq!(limit(Some(0.5)), 1 << 29);
        assert!(limit(None) > 1 << 20);
    }
}
