//! The process's largest resident set.

/// Lets the largest resident set start again from what is resident now, where the system can (`/proc/self/clear_refs`): the next
/// [`peak_rss_bytes`] is then of what comes, not of what was before.
pub fn forget_peak() {
    // Without it the figure is larger than it need be, and still true of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Bytes since the start or since [`forget_peak`], where the system tells (`VmHWM` of `/proc/self/status`).
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_freed_before_does_not_count() {
        const SIZE: usize = 256 << 20;
        drop(std::hint::black_box(vec![1_u8; SIZE]));
        let with = peak_rss_bytes().unwrap();
        assert!(with > SIZE as u64);
        if std::fs::OpenOptions::new()
            .write(true)
            .open("/proc/self/clear_refs")
            .is_err()
        {
            eprintln!("SKIPPED: the system does not let a process forget its peak");
            return;
        }
        // Other tests of the process take memory, too, but not all the time.
        let forgotten = (0..200).any(|_| {
            forget_peak();
            let now = peak_rss_bytes().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            now < with
        });
        assert!(forgotten, "{with}");
    }
}
