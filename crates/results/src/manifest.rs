//! `manifest.json`: where a run's numbers come from. Holds no path of the machine and no name of a user.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ResultsError;
use super::machine::Machine;

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
    /// The file that the trained network was read from; absent where the run trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsRecord>,
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
    /// Commit that the program was built from; absent where it was not built in its own repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// Whether tracked files differed from that commit when the program was built.
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
    /// Wall-clock seconds when it was computed.
    pub seconds: f64,
    /// Commit of the program that computed it, in this run or an earlier one; absent where that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether that program differed from its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

/// A file with a network that was trained before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// Its name, without folders.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3 digest, hexadecimal.
    pub blake3: String,
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
    /// What is known when a run of `program` starts: machine, command line and the time.
    pub fn begin(program: Program) -> Self {
        Self {
            program,
            machine: Machine::detect(),
            started: utc(jiff::Timestamp::now()),
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
        self.finished = utc(jiff::Timestamp::now());
    }
}

fn blake3_of(path: &Path) -> Result<String, ResultsError> {
    let bytes = std::fs::read(path).map_err(ResultsError::io("read", path))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
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

/// A time in UTC, to the second, as `2026-01-31T23:59:59Z`.
fn utc(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_lose_their_folders() {
        assert_eq!(without_folders("/home/someone/bin/cryptodl"), "cryptodl");
        assert_eq!(without_folders("--out=/home/someone/x"), "--out=x");
        assert_eq!(without_folders("configs/a.toml"), "configs/a.toml");
        assert_eq!(without_folders("train.epochs=3"), "train.epochs=3");
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
        let mut manifest = Manifest::begin(Program::default());
        manifest.stages.push(StageRecord {
            name: "train".into(),
            key: "00ff".into(),
            reused: false,
            seconds: 1.5,
            commit: Some("0123".into()),
            dirty: Some(false),
        });
        manifest.finish();
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert!(!text.contains("\"/"), "{text}");
    }
}
