//! Protects: no input from outside makes a reader panic. A bounded number of mutations for every target, and everything that was ever
//! found. `CRYPTODL_FUZZ_INPUTS` says how many mutations in all.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use cryptodl_fuzz::{attempt, campaign, targets};

const INPUTS: u64 = 60_000;

#[test]
fn mutations_of_good_files_are_taken_or_refused() {
    let inputs = std::env::var("CRYPTODL_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().unwrap());
    let findings = tempfile::tempdir().unwrap();
    let mut targets = targets().unwrap();
    let shares: u64 = targets.iter().map(|target| target.share).sum();
    for target in &mut targets {
        // The good inputs themselves are good.
        for seed in target.seeds.clone() {
            assert_eq!(
                attempt(target, &seed),
                Some(true),
                "{}: a good input",
                target.name
            );
        }
        let count = (inputs * target.share).div_ceil(shares);
        let tally = campaign(target, count, 7, findings.path()).unwrap();
        let input = tally.findings.first().map(|path| fs::read(path).unwrap());
        assert!(input.is_none(), "{} panicked at {input:?}", target.name);
        assert!(
            tally.accepted < tally.inputs,
            "{}: everything is accepted",
            target.name
        );
    }
}

#[test]
fn what_was_ever_found_stays_harmless() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in &mut targets().unwrap() {
        let folder = corpus.join(target.name);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(
                attempt(target, &input).is_some(),
                "{} panicked",
                path.display()
            );
        }
    }
}
