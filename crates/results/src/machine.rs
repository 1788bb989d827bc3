//! Facts about the machine that a run ran on. No host or user name.

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
            cpu: cryptodl_runtime::processor(),
            logical_cpus: thread::available_parallelism().map_or(1, usize::from),
            features: cpu_features(),
            memory_bytes: cryptodl_runtime::memory_bytes(),
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
    fn this_machine_has_a_processor() {
        let machine = Machine::detect();
        assert!(machine.logical_cpus >= 1);
        if cfg!(target_os = "linux") {
            assert!(machine.memory_bytes.unwrap() > 100_000_000);
        }
    }
}
