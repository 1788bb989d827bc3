//! The content-addressed store: one folder per finished stage, whole or absent.
//!
//! A stage works in a temporary folder beside the store's entries; when it is done its files are listed with their digests in
//! `stage.json` and the folder is renamed into place. A reader checks that list, so that an entry cut short is noticed and named.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::program::this_program;
use cryptodl_runtime::files::{Access, DraftFolder, remove_folder};

/// A folder of finished stages.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A finished, verified stage.
#[derive(Debug, Clone)]
pub struct Entry {
    path: PathBuf,
    /// Seconds that the stage took when it ran.
    pub seconds: f64,
    /// Commit of the program that ran it, where that was recorded.
    pub commit: Option<String>,
    /// Whether that program differed from its commit.
    pub dirty: Option<bool>,
}

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The entry is there but not as it was written.
    #[error("the stored result of stage `{stage}` is damaged: {what}\nhint: run again with `--force {stage}`, or remove {}", path.display())]
    Damaged {
        /// The stage.
        stage: String,
        /// Its folder.
        path: PathBuf,
        /// What does not match.
        what: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

const LIST: &str = "stage.json";
const MAX_LIST_BYTES: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Listing {
    stage: String,
    key: String,
    seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dirty: Option<bool>,
    files: Vec<ListedFile>,
}

#[derive(Serialize, Deserialize)]
struct ListedFile {
    name: String,
    bytes: u64,
    blake3: String,
}

/// A stage being made: a private folder, and the lock that keeps others from making the same one.
#[derive(Debug)]
pub struct Pending {
    stage: String,
    key: String,
    folder: DraftFolder,
    target: PathBuf,
    // Held for its lifetime: dropping the file releases the lock.
    _lock: File,
}

/// The answer to [`Store::claim`].
#[derive(Debug)]
pub enum Claim {
    /// Already made.
    Done(Entry),
    /// To be made by the caller.
    Make(Pending),
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}

impl Store {
    /// Opens the store in `root`, creating the folder.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        for folder in [root.to_path_buf(), root.join("locks"), root.join("partial")] {
            fs::create_dir_all(&folder).map_err(io_error("create the folder", &folder))?;
        }
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Where a stage keeps what must survive a kill (training checkpoints). Not part of any entry.
    pub fn scratch(&self, stage: &str, key: &str) -> PathBuf {
        self.root.join("partial").join(format!("{stage}-{key}"))
    }

    /// The verified entry, if there is one.
    pub fn find(&self, stage: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        let path = self.path(stage, key);
        if !path.exists() {
            return Ok(None);
        }
        verify(stage, key, &path).map(Some)
    }

    /// Waits for whoever is making the entry, then gives it, or the right to make it. `force` discards what is there.
    pub fn claim(&self, stage: &str, key: &str, force: bool) -> Result<Claim, StoreError> {
        if !force && let Some(entry) = self.find(stage, key)? {
            return Ok(Claim::Done(entry));
        }
        let lock_path = self.root.join("locks").join(format!("{stage}-{key}"));
        let lock = File::create(&lock_path).map_err(io_error("create the lock", &lock_path))?;
        if lock.try_lock().is_err() {
            tracing::info!(
                stage,
                "another process is working on this stage; waiting for it"
            );
            lock.lock().map_err(io_error("lock", &lock_path))?;
        }
        let target = self.path(stage, key);
        if force {
            remove_folder(&target).map_err(io_error("remove", &target))?;
        } else if let Some(entry) = self.find(stage, key)? {
            return Ok(Claim::Done(entry));
        }
        let partial = self.root.join("partial");
        let folder = DraftFolder::new(&partial, stage, Access::Umask)
            .map_err(io_error("create a folder in", &partial))?;
        Ok(Claim::Make(Pending {
            stage: stage.into(),
            key: key.into(),
            folder,
            target,
            _lock: lock,
        }))
    }

    fn path(&self, stage: &str, key: &str) -> PathBuf {
        self.root.join(stage).join(key)
    }
}

impl Entry {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of the entry's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Pending {
    /// The folder that the stage writes into.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where to write a file of the stage.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lists the files with their digests and puts the folder in its place.
    pub fn finish(self, seconds: f64) -> Result<Entry, StoreError> {
        let folder = self.folder.path();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(io_error("read the folder", folder))? {
            let path = entry.map_err(io_error("read the folder", folder))?.path();
            let (bytes, blake3) = digest(&path).map_err(io_error("read", &path))?;
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(io_error("save", &path))?;
            files.push(ListedFile {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                bytes,
                blake3,
            });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let program = this_program();
        let listing = Listing {
            stage: self.stage,
            key: self.key,
            seconds,
            commit: program.git_commit,
            dirty: program.git_dirty,
            files,
        };
        let list = folder.join(LIST);
        let text = serde_json::to_string_pretty(&listing).map_err(|error| StoreError::Io {
            action: "write",
            path: list.clone(),
            source: error.into(),
        })?;
        fs::write(&list, text).map_err(io_error("write", &list))?;
        File::open(&list)
            .and_then(|file| file.sync_all())
            .map_err(io_error("save", &list))?;
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent).map_err(io_error("create the folder", parent))?;
        }
        let place = self.folder.publish(&self.target);
        place.map_err(io_error("put in place", &self.target))?;
        Ok(Entry {
            path: self.target,
            seconds,
            commit: listing.commit,
            dirty: listing.dirty,
        })
    }
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}

fn verify(stage: &str, key: &str, path: &Path) -> Result<Entry, StoreError> {
    let damaged = |what: String| StoreError::Damaged {
        stage: stage.into(),
        path: path.to_path_buf(),
        what,
    };
    let mut text = String::new();
    File::open(path.join(LIST))
        .and_then(|file| file.take(MAX_LIST_BYTES).read_to_string(&mut text))
        .map_err(|error| damaged(format!("{LIST}: {error}")))?;
    let listing: Listing =
        serde_json::from_str(&text).map_err(|error| damaged(format!("{LIST}: {error}")))?;
    if listing.stage != stage || listing.key != key {
        return Err(damaged(format!(
            "{LIST} belongs to stage `{}`, key {}",
            listing.stage, listing.key
        )));
    }
    for file in &listing.files {
        if file.name.contains(['/', '\\']) || file.name == ".." {
            return Err(damaged(format!("{LIST} names a file outside the entry")));
        }
        let (bytes, blake3) = digest(&path.join(&file.name))
            .map_err(|error| damaged(format!("{}: {error}", file.name)))?;
        if bytes != file.bytes {
            return Err(damaged(format!(
                "{} has {bytes} bytes instead of {}",
                file.name, file.bytes
            )));
        }
        if blake3 != file.blake3 {
            return Err(damaged(format!(
                "the digest of {} does not match",
                file.name
            )));
        }
    }
    Ok(Entry {
        path: path.to_path_buf(),
        seconds: listing.seconds,
        commit: listing.commit,
        dirty: listing.dirty,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn made(store: &Store, key: &str, content: &str) -> Entry {
        match store.claim("train", key, false).unwrap() {
            Claim::Make(pending) => {
                fs::write(pending.file("a.txt"), content).unwrap();
                pending.finish(1.5).unwrap()
            }
            Claim::Done(_) => panic!("nothing was made yet"),
        }
    }

    #[test]
    fn a_finished_stage_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.find("train", "k").unwrap().is_none());
        made(&store, "k", "numbers");
        let Claim::Done(entry) = store.claim("train", "k", false).unwrap() else {
            panic!("must be reused")
        };
        assert_eq!(fs::read_to_string(entry.file("a.txt")).unwrap(), "numbers");
        assert_eq!(entry.seconds, 1.5);
    }

    #[test]
    fn an_unfinished_stage_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        if let Claim::Make(pending) = store.claim("train", "k", false).unwrap() {
            fs::write(pending.file("a.txt"), "half").unwrap();
        }
        assert!(store.find("train", "k").unwrap().is_none());
        assert_eq!(
            fs::read_dir(folder.path().join("partial")).unwrap().count(),
            0
        );
    }

    #[test]
    fn force_makes_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        made(&store, "k", "old");
        let Claim::Make(pending) = store.claim("train", "k", true).unwrap() else {
            panic!("must be made again")
        };
        fs::write(pending.file("a.txt"), "new").unwrap();
        let entry = pending.finish(1.0).unwrap();
        assert_eq!(fs::read_to_string(entry.file("a.txt")).unwrap(), "new");
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let entry = made(&store, "k", "numbers");
        fs::write(entry.file("a.txt"), "numb").unwrap();
        let error = store.find("train", "k").unwrap_err().to_string();
        assert!(error.contains("a.txt has 4 bytes instead of 7"), "{error}");
        fs::write(entry.file("a.txt"), "numberz").unwrap();
        assert!(
            store
                .find("train", "k")
                .unwrap_err()
                .to_string()
                .contains("digest")
        );
        fs::remove_file(entry.file("a.txt")).unwrap();
        assert!(
            store
                .find("train", "k")
                .unwrap_err()
                .to_string()
                .contains("a.txt")
        );
        fs::write(entry.file(LIST), "{\"stage\":").unwrap();
        assert!(
            store
                .find("train", "k")
                .unwrap_err()
                .to_string()
                .contains(LIST)
        );
    }

    #[test]
    fn two_makers_make_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let count = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    if let Claim::Make(pending) = store.claim("train", "k", false).unwrap() {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        fs::write(pending.file("a.txt"), "once").unwrap();
                        pending.finish(0.0).unwrap();
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }
}
