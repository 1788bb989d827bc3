//! How much memory the machine has.

use std::fs;

/// Share of it that a batch may take, unless the spec says otherwise: the rest is for other programs. Depth-first execution takes what it is
/// given and is about as fast with little.
const SHARE: f64 = 0.5;
const GIB: f64 = 1_073_741_824.0;

/// Bytes that a batch may take; `gib` is what the spec says. No limit where neither the spec nor the system tells one.
pub(super) fn limit(gib: Option<f64>) -> u64 {
    match (gib, machine_bytes()) {
        (Some(gib), _) => (gib * GIB) as u64,
        (None, Some(bytes)) => (bytes as f64 * SHARE) as u64,
        (None, None) => u64::MAX,
    }
}

/// Bytes of memory: the machine's, or the control group's where that is less.
fn machine_bytes() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total_of(&text))?;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    // "max" where there is no limit.
    let group = group.and_then(|text| text.trim().parse().ok());
    Some(group.map_or(total, |group: u64| group.min(total)))
}

/// `MemTotal` of `/proc/meminfo`, bytes.
fn total_of(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_table_is_read() {
        let text = "MemTotal:       16384 kB\nMemFree:  1 kB\n";
        assert_eq!(total_of(text), Some(16 << 20));
        assert_eq!(total_of("MemTotal: much kB"), None);
        assert_eq!(limit(Some(0.5)), 1 << 29);
        assert!(limit(None) > 1 << 20);
    }
}
