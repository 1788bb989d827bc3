//! The machine: its processor and its memory. No host or user name.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Model of the first processor; absent where the system does not tell.
pub fn processor() -> Option<String> {
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first()?.brand();
    let words: Vec<&str> = brand.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Bytes of main memory; absent where the system does not tell.
pub fn memory_bytes() -> Option<u64> {
    Some(system_memory().total_memory()).filter(|bytes| *bytes > 0)
}

/// Bytes of memory that this process may use at most: the machine's, or its control group's where that is less.
pub fn available_memory_bytes() -> Option<u64> {
    let system = system_memory();
    let group = system.cgroup_limits().map(|limits| limits.total_memory);
    let total = system.total_memory();
    Some(group.map_or(total, |group| group.min(total))).filter(|bytes| *bytes > 0)
}

fn system_memory() -> System {
    System::new_with_specifics(
        RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_a_process_gets_no_more() {
        let all = memory_bytes().unwrap();
        assert!(all > 100_000_000);
        assert!(available_memory_bytes().unwrap() <= all);
    }
}
