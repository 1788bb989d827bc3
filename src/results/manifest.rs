//! `manifest.json`: where a run's numbers come from. Holds no path of the machine and no name of a user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::ResultsError;
use super::machine::Machine;

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

/// The provenance of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The program.
    pub program: Program,
    /// The machine.
    pub machine: Machine,
    /// Threads by use (`train`, `encrypted`).
    pub threads: BTreeMap<String, usize>,
    /// Seeds by use. None of them reaches a key, a mask or a noise sample.
    pub seeds: BTreeMap<String, u64>,
    /// The stages in the order they ran.
    pub stages: Vec<StageRecord>,
    /// Digests of the data set's files, or of the generator.
    pub data: Vec<DataDigest>,
    /// Digests of the run's own tables; see [`Manifest::check_output`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<DataDigest>,
    /// Start, UTC, RFC 3339.
    pub started: String,
    /// End, UTC, RFC 3339.
    pub finished: String,
    /// The command line; of absolute paths only the last part.
    pub command: Vec<String>,
}

/// The program that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// Commit of the source tree that the program lies in; absent outside one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// Whether tracked files differed from that commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// The compiler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rustc: Option<String>,
    /// Versions of the crates that figures depend on.
    pub crates: BTreeMap<String, String>,
}

/// One stage of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its name.
    pub name: String,
    /// Its content key, hexadecimal.
    pub key: String,
    /// Whether it came out of the store.
    pub reused: bool,
    /// Wall-clock seconds in this run.
    pub seconds: f64,
}

/// The digest of a piece of input data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDigest {
    /// Official name of the file, or the data set's name for data that the program makes itself.
    pub name: String,
    /// `blake3`, `sha256`, `md5`.
    pub algorithm: String,
    /// Hexadecimal.
    pub digest: String,
}

impl Manifest {
    /// What can be known when a run starts: program, machine, command line and the time.
    pub fn begin() -> Self {
        Self {
            program: Program::detect(),
            machine: Machine::detect(),
            started: utc(SystemTime::now()),
            command: std::env::args()
                .map(|argument| without_folders(&argument))
                .collect(),
            ..Self::default()
        }
    }

    /// Notes the digest of a file that the run has written to `folder`.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be read.
    pub fn record_output(&mut self, folder: &Path, name: &str) -> Result<(), ResultsError> {
        let digest = blake3_of(&folder.join(name))?;
        self.outputs.push(DataDigest {
            name: name.to_owned(),
            algorithm: "blake3".to_owned(),
            digest,
        });
        Ok(())
    }

    /// Makes sure that a file is the one that was recorded. To be called before a Parquet file is read: its reader trusts the sizes
    /// inside, and a flipped bit can make it ask for more memory than there is. A file that was not recorded passes.
    ///
    /// # Errors
    /// [`ResultsError::Changed`] when it is another one, [`ResultsError::Io`] when it cannot be read.
    pub fn check_output(&self, folder: &Path, name: &str) -> Result<(), ResultsError> {
        let Some(recorded) = self.outputs.iter().find(|output| output.name == name) else {
            return Ok(());
        };
        let path = folder.join(name);
        let found = blake3_of(&path)?;
        if found == recorded.digest {
            return Ok(());
        }
        Err(ResultsError::Changed {
            path,
            expected: recorded.digest.clone(),
            found,
        })
    }

    /// Notes the time of the end.
    pub fn finish(&mut self) {
        self.finished = utc(SystemTime::now());
    }
}

impl Program {
    /// Looks at this program, and at git and the compiler where they are there.
    pub fn detect() -> Self {
        let tree = source_tree();
        let git = |arguments: &[&str]| {
            tree.as_deref()
                .and_then(|tree| output_of("git", arguments, Some(tree)))
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: git(&["rev-parse", "HEAD"]).filter(|commit| !commit.is_empty()),
            git_dirty: git(&["status", "--porcelain", "--untracked-files=no"])
                .map(|changes| !changes.is_empty()),
            // A build script can say what compiled this program; else the compiler that is there now.
            rustc: option_env!("CRYPTODL_RUSTC")
                .map(str::to_owned)
                .or_else(|| output_of("rustc", &["--version"], None)),
            crates: locked_versions(include_str!("../../Cargo.lock"), &CRATES_OF_NOTE),
        }
    }
}

fn blake3_of(path: &Path) -> Result<String, ResultsError> {
    let bytes = std::fs::read(path).map_err(ResultsError::io("read", path))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// The checkout of this program that holds the executable, else the current folder.
fn source_tree() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok();
    let folders = [
        executable
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_path_buf),
        std::env::current_dir().ok(),
    ];
    folders.into_iter().flatten().find_map(|folder| {
        let tree = PathBuf::from(output_of(
            "git",
            &["rev-parse", "--show-toplevel"],
            Some(&folder),
        )?);
        let cargo = std::fs::read_to_string(tree.join("Cargo.toml")).ok()?;
        cargo
            .lines()
            .any(|line| line.trim() == concat!("name = \"", env!("CARGO_PKG_NAME"), "\""))
            .then_some(tree)
    })
}

/// Trimmed standard output of a command that succeeds.
fn output_of(program: &str, arguments: &[&str], folder: Option<&Path>) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Versions of `names` in the text of a lock file; of several versions, the last.
fn locked_versions(lock: &str, names: &[&str]) -> BTreeMap<String, String> {
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?
            .strip_prefix(" = \"")?
            .strip_suffix('"')
            .map(str::to_owned)
    };
    let mut versions = BTreeMap::new();
    let mut current = None;
    for line in lock.lines() {
        if let Some(name) = value(line, "name") {
            current = names.contains(&name.as_str()).then_some(name);
        } else if let Some(version) = value(line, "version")
            && let Some(name) = current.take()
        {
            versions.insert(name, version);
        }
    }
    versions
}

/// Of an absolute path (also behind `=`) only the last part: folders can name a user.
fn without_folders(argument: &str) -> String {
    let (key, value) = match argument.split_once('=') {
        Some((key, value)) if key.starts_with('-') => (Some(key), value),
        _ => (None, argument),
    };
    let path = Path::new(value);
    let shown = match path.file_name() {
        Some(name) if path.is_absolute() => name.to_string_lossy().into_owned(),
        _ => value.to_owned(),
    };
    key.map_or_else(|| shown.clone(), |key| format!("{key}={shown}"))
}

/// A time as `2026-01-31T23:59:59Z`.
pub fn utc(time: SystemTime) -> String {
    civil(
        time.duration_since(UNIX_EPOCH)
            .map_or(0, |passed| passed.as_secs()),
    )
}

/// Seconds since 1970 as a date and time (days to civil date after H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
        ] {
            assert_eq!(civil(seconds), text);
        }
    }

    #[test]
    fn command_lines_lose_their_folders() {
        assert_eq!(without_folders("/home/someone/bin/cryptodl"), "cryptodl");
        assert_eq!(without_folders("--out=/home/someone/x"), "--out=x");
        assert_eq!(without_folders("configs/a.toml"), "configs/a.toml");
        assert_eq!(without_folders("train.epochs=3"), "train.epochs=3");
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0\"\n";
        assert_eq!(
            locked_versions(lock, &["b"]),
            BTreeMap::from([("b".to_owned(), "2.0".to_owned())])
        );
        assert!(Program::detect().crates.contains_key("plotters"));
    }

    #[test]
    fn a_changed_output_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "1").unwrap();
        let mut manifest = Manifest::default();
        manifest.record_output(folder.path(), "a.csv").unwrap();
        manifest.check_output(folder.path(), "a.csv").unwrap();
        manifest
            .check_output(folder.path(), "not-recorded.csv")
            .unwrap();
        std::fs::write(&path, "2").unwrap();
        assert!(matches!(
            manifest.check_output(folder.path(), "a.csv"),
            Err(ResultsError::Changed { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            manifest.check_output(folder.path(), "a.csv"),
            Err(ResultsError::Io { .. })
        ));
    }

    #[test]
    fn round_trip_and_no_home_folder() {
        let mut manifest = Manifest::begin();
        manifest.stages.push(StageRecord {
            name: "train".into(),
            key: "00ff".into(),
            reused: false,
            seconds: 1.5,
        });
        manifest.finish();
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert!(!text.contains("\"/"), "{text}");
    }
}
