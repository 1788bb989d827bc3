//! Facts about the machine a run ran on, from the standard library and `/proc` (absent where there is no `/proc`). No host or user name.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Hardware threads that the process may use.
    pub logical_cpus: usize,
    /// Instruction sets that the kernels can choose between.
    pub features: Vec<String>,
    /// Main memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
}

impl Machine {
    /// Looks at this machine.
    pub fn detect() -> Self {
        Self {
            cpu: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| cpu_model(&text)),
            logical_cpus: thread::available_parallelism().map_or(1, usize::from),
            features: cpu_features(),
            memory_bytes: fs::read_to_string("/proc/meminfo")
                .ok()
                .and_then(|text| kilobytes(&text, "MemTotal")),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
        }
    }
}

impl Machine {
    /// The machine in one line.
    pub fn describe(&self) -> String {
        let mut text = self.cpu.clone().unwrap_or_else(|| self.arch.clone());
        text.push_str(&format!(", {} hardware threads", self.logical_cpus));
        if let Some(bytes) = self.memory_bytes {
            text.push_str(&format!(", {:.0} GiB", bytes as f64 / f64::from(1 << 30)));
        }
        text.push_str(&format!(", {} {}", self.os, self.arch));
        if !self.features.is_empty() {
            text.push_str(&format!(" ({})", self.features.join(", ")));
        }
        text
    }
}

/// The value of the first `model name` line.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

/// A `Key:   123 kB` line of `/proc`, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        let number = value.trim().strip_suffix("kB")?.trim();
        (found == key).then(|| number.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024))?
    })
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<String> {
    let mut found = Vec::new();
    macro_rules! look_for {
        ($($name:tt)*) => {
            $(if std::arch::is_x86_feature_detected!($name) {
                found.push($name.to_owned());
            })*
        };
    }
    look_for!("sse4.2" "avx" "avx2" "fma" "bmi2" "avx512f" "avx512dq" "avx512bw" "avx512vl" "avx512ifma" "avx512vnni" "avx512bf16" "gfni" "vaes");
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: A  B\nmodel name\t: C\n"),
            Some("A B".into())
        );
        assert_eq!(cpu_model(""), None);
        assert_eq!(
            kilobytes("MemFree:\t 9 kB\nMemTotal:\t   12 kB\n", "MemTotal"),
            Some(12 * 1024)
        );
        assert_eq!(kilobytes("MemTotal: x kB", "MemTotal"), None);
    }

    #[test]
    fn this_machine_has_a_processor() {
        let machine = Machine::detect();
        assert!(machine.logical_cpus >= 1);
        if cfg!(target_os = "linux") {
            assert!(machine.memory_bytes.unwrap() > 100_000_000);
        }
    }
}
