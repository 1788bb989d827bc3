//! Embeds where this program comes from, for the manifest of its runs: commit, compiler, and versions of the crates that figures depend on.

use std::env;
use std::path::Path;
use std::process::Command;

/// Crates whose version can change a figure.
const CRATES_OF_NOTE: [&str; 8] = [
    "burn",
    "burn-flex",
    "plotters",
    "polars",
    "rayon",
    "rand_chacha",
    "safetensors",
    "tfhe-ntt",
];

fn main() {
    for path in ["build.rs", "Cargo.toml", "Cargo.lock", "src", "crates"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    tell("RUSTC", output_of(&rustc, &["--version"]));
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    tell("CRATES", Some(locked_versions(&lock)));

    // A package unpacked inside another repository must not pass that one's commit off as its own.
    let own_repository = output_of("git", &["rev-parse", "--show-toplevel"])
        .zip(env::var("CARGO_MANIFEST_DIR").ok())
        .is_some_and(|(top, package)| same_folder(Path::new(&top), Path::new(&package)));
    if !own_repository {
        return;
    }
    // Every commit and checkout appends to this file.
    if let Some(log) = output_of("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    tell("COMMIT", output_of("git", &["rev-parse", "HEAD"]));
    let changes = output_of("git", &["status", "--porcelain", "--untracked-files=no"]);
    tell(
        "DIRTY",
        changes.map(|changes| (!changes.is_empty()).to_string()),
    );
}

/// Sets `CRYPTODL_<name>` for the compilation, where there is a value.
fn tell(name: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo::rustc-env=CRYPTODL_{name}={value}");
    }
}

/// Trimmed standard output of a command that succeeds.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// `name version` of the crates of note, separated by `;`; of several versions, the last.
fn locked_versions(lock: &str) -> String {
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        Some(rest.strip_suffix('"')?.to_owned())
    };
    let mut versions = std::collections::BTreeMap::new();
    let mut current = None;
    for line in lock.lines() {
        if let Some(name) = value(line, "name") {
            current = CRATES_OF_NOTE.contains(&name.as_str()).then_some(name);
        } else if let Some(version) = value(line, "version")
            && let Some(name) = current.take()
        {
            versions.insert(name, version);
        }
    }
    let pairs: Vec<String> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    pairs.join(";")
}
