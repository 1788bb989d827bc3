//! What the black-box tests share: a way to run the program in an empty folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A network so small that a whole run takes seconds; one thread, so that two runs give the same numbers.
pub const TINY: &str = r#"
name = "tiny"
seed = 3

[dataset]
name = "digits"
train = 1200
test = 300

[activation]
function = "relu"
method = "hermite"
degree = 2
interval = [-4.0, 4.0]

[network]
layers = [
    { type = "conv", channels = 4, kernel = 5, stride = 3 },
    { type = "activation" },
    { type = "dense", units = 10 },
]

[train]
epochs = 4
batch = 32
validation = 100
recalibrate = 400
threads = 1
"#;

/// The program under test: this build's, or another one (`tests/defects/run.sh` shows what an older one does).
pub fn program() -> String {
    let this = env!("CARGO_BIN_EXE_cryptodl");
    std::env::var("CRYPTODL_PROGRAM").unwrap_or_else(|_| this.to_owned())
}

/// An empty folder that the program runs in.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("CRYPTODL_DATA_DIR")
            .env_remove("RUST_LOG")
            // No cache of this user: what is not in the folder is not there.
            .env("HOME", self.folder.path())
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(
            self.command(arguments)
                .output()
                .expect("the program starts"),
        )
    }

    /// A run of [`TINY`] that was cut short to seconds, exported to `exported/`; with a degree that takes an evaluation key.
    pub fn exported() -> Self {
        let place = Self::new();
        place.write("tiny.toml", TINY.replace("degree = 2", "degree = 4"));
        place.export("tiny.toml", "tiny-", "exported");
        place
    }

    /// Runs a spec for one epoch and exports the run to `folder`.
    pub fn export(&self, spec: &str, run: &str, folder: &str) {
        let quick = [
            "--fixed-costs",
            "--set",
            "train.epochs=1",
            "--set",
            "encryption.images=10",
        ];
        self.run(&[&["run", spec][..], &quick].concat()).ok();
        let run = self.run_folder(run);
        let run = run.to_str().expect("a path of text");
        self.run(&["export", run, folder]).ok();
    }

    /// Runs a command line, split at spaces.
    pub fn say(&self, line: &str) -> Ended {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Names below `folder`, relative to it and sorted, that are hidden.
    pub fn hidden_below(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if file_name(&path).starts_with('.') {
                    found.push(path.clone());
                }
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// The only run folder whose name starts with `name`.
    pub fn run_folder(&self, name: &str) -> PathBuf {
        let runs = self.path("results/runs");
        let found: Vec<PathBuf> = std::fs::read_dir(&runs)
            .expect("results/runs")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| file_name(path).starts_with(name))
            .collect();
        assert_eq!(found.len(), 1, "run folders: {found:?}");
        found[0].clone()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// Ended with `code`, said all of `words` on standard error, and did not panic.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        for word in words {
            assert!(
                self.err.contains(word),
                "`{word}` is not said in:\n{}",
                self.err
            );
        }
        self
    }
}

pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
