//! Hostile input for every format that comes from outside: random mutations of good files, half of them with their digests made right
//! again, so that what lies behind the digest is reached.
//!
//! A target must take or refuse every input. What panics is a finding: it is written to a file, and belongs into `corpus/`, which the tests
//! run from then on. (What hangs shows as the slowest input.)

mod mutation;
pub mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use mutation::mutated;
pub use targets::{Target, targets};

/// What became of a target's inputs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Inputs that were tried.
    pub inputs: u64,
    /// Inputs that were taken for good ones.
    pub accepted: u64,
    /// Inputs that panicked, as written to files.
    pub findings: Vec<PathBuf>,
    /// All of it.
    pub time: Duration,
    /// The slowest input.
    pub slowest: Duration,
}

/// Runs `inputs` mutations of a target's good inputs, the same for the same seed. Inputs that panic are written to `findings`.
///
/// # Errors
/// If a finding cannot be written.
pub fn campaign(
    target: &mut Target,
    inputs: u64,
    seed: u64,
    findings: &Path,
) -> std::io::Result<Tally> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tally = Tally::default();
    let start = Instant::now();
    for _ in 0..inputs {
        let good = &target.seeds[random.next_u64() as usize % target.seeds.len()];
        let mut input = mutated(good, &mut random);
        if random.next_u64().is_multiple_of(2) {
            (target.repair)(&mut input);
        }
        let begun = Instant::now();
        match attempt(target, &input) {
            Some(accepted) => tally.accepted += u64::from(accepted),
            None => {
                let name = blake3::hash(&input).to_hex();
                let path = findings.join(format!("{}-{}", target.name, &name[..16]));
                std::fs::create_dir_all(findings)?;
                std::fs::write(&path, &input)?;
                tally.findings.push(path);
            }
        }
        tally.slowest = tally.slowest.max(begun.elapsed());
        tally.inputs += 1;
    }
    tally.time = start.elapsed();
    Ok(tally)
}

/// Whether the target took the input; none if it panicked.
pub fn attempt(target: &mut Target, input: &[u8]) -> Option<bool> {
    panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).ok()
}
