//! Downloads official files: resumable, verified, and never half a file under the final name.
//!
//! A file grows under `<name>.part`, which a later attempt, or a later run of the program, goes on with. When it is whole and its
//! SHA-256 is right it is flushed to the disk and renamed.

#[cfg(test)]
mod tests;
mod transfer;

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{locate_part, path_of};
use super::official::{OfficialFile, OfficialSet, official_set};
use super::{DataDirs, DataError};
use crate::progress::Progress;
use crate::spec::DatasetName;
use transfer::{Problem, Source};

/// How a file came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It lay there already and is right.
    AlreadyThere,
    /// It was downloaded.
    Downloaded {
        /// Bytes of it that an earlier run had left.
        resumed_from: u64,
    },
}

/// A file that is there now, and right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Length.
    pub bytes: u64,
    /// How it got there.
    pub how: How,
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Something wrong lies there already.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The disk is full, the folder read-only, and the like.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process downloads the same file.
    #[error("{} is being downloaded by another process", .0.display())]
    Busy(PathBuf),
    /// No mirror gave the file.
    #[error("{}", describe(file, tried, part, *kept))]
    Mirrors {
        /// The file's official name.
        file: String,
        /// Every address tried and what went wrong there.
        tried: Vec<String>,
        /// What was received so far lies here,
        part: PathBuf,
        /// and is this long, in bytes.
        kept: u64,
    },
}

impl FetchError {
    /// The exit code of the program: 1 where this machine failed, 3 where the data are still missing or wrong.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Data(error) => error.exit_code(),
            Self::Mirrors { .. } => 3,
            Self::Io { .. } | Self::Busy(_) => 1,
        }
    }
}

fn describe(file: &str, tried: &[String], part: &Path, kept: u64) -> String {
    let mut text = format!("no mirror gave {file}:");
    for attempt in tried {
        let _ = write!(text, "\n  {attempt}");
    }
    if kept > 0 {
        let _ = write!(
            text,
            "\nhint: {kept} bytes are kept in {}; run the command again to go on from there",
            part.display()
        );
    }
    text
}

/// The base addresses of the known public mirrors of a data set; none for digits.
pub fn public_mirrors(name: DatasetName) -> Vec<String> {
    official_set(name)
        .map_or(&[][..], |set| set.mirrors)
        .iter()
        .map(|&base| base.to_owned())
        .collect()
}

/// Downloads what is missing of a data set to [`DataDirs::download_dir`], from the first of `mirrors` (base addresses, see
/// [`public_mirrors`]) that gives each file. What is there already is verified. Digits need no file and give an empty list.
///
/// # Errors
/// [`FetchError`]; what was received stays in `<name>.part`.
pub fn fetch(
    name: DatasetName,
    dirs: &DataDirs,
    mirrors: &[String],
) -> Result<Vec<Fetched>, FetchError> {
    let Some(set) = official_set(name) else {
        return Ok(Vec::new());
    };
    let config = ureq::Agent::config_builder()
        .user_agent(concat!("cryptodl/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .build();
    fetch_set(set, dirs, mirrors, &config.new_agent())
}

fn fetch_set(
    set: &OfficialSet,
    dirs: &DataDirs,
    mirrors: &[String],
    agent: &ureq::Agent,
) -> Result<Vec<Fetched>, FetchError> {
    let places: Vec<PathBuf> = dirs
        .places()
        .map(|place| place.join(set.dataset.as_str()))
        .collect();
    let folder = dirs.download_dir().join(set.dataset.as_str());
    let mut fetched = Vec::new();
    for part in set.parts {
        if let Some(found) = locate_part(set, part, &places, &dirs.fetch_command(set.dataset))? {
            let there = |file: super::FileDigest| Fetched {
                path: file.path,
                bytes: file.bytes,
                how: How::AlreadyThere,
            };
            fetched.extend(found.files.into_iter().map(there));
            continue;
        }
        for file in part.packed {
            fetched.push(download(file, &path_of(&folder, file), mirrors, agent)?);
        }
    }
    Ok(fetched)
}

fn download(
    official: &OfficialFile,
    target: &Path,
    mirrors: &[String],
    agent: &ureq::Agent,
) -> Result<Fetched, FetchError> {
    let part = part_of(target);
    let local = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::Io { path, source }
    };
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(local(folder))?;
    }
    let mut file = open_part(&part)?;
    let resumed_from = file.metadata().map_err(local(&part))?.len();
    let progress = Progress::start(official.name, official.bytes.div_ceil(1024), "KiB");
    let mut tried = Vec::new();
    for base in mirrors {
        let url = format!("{}/{}", base.trim_end_matches('/'), official.name);
        match (Source {
            agent,
            url: &url,
            official,
        })
        .receive(&mut file, &progress)
        {
            Ok(()) => {
                publish(&file, &part, target).map_err(local(target))?;
                return Ok(Fetched {
                    path: target.to_owned(),
                    bytes: official.bytes,
                    how: How::Downloaded { resumed_from },
                });
            }
            Err(Problem::Local(source)) => return Err(FetchError::Io { path: part, source }),
            Err(problem) => {
                tracing::warn!(url, %problem, "download failed");
                tried.push(format!("{url}: {problem}"));
            }
        }
    }
    let kept = file.metadata().map_err(local(&part))?.len();
    if kept == 0 {
        // Nothing worth keeping; if this fails the empty file does no harm.
        let _ = fs::remove_file(&part);
    }
    Err(FetchError::Mirrors {
        file: official.name.to_owned(),
        tried,
        part,
        kept,
    })
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Opens the growing file for this process alone, as far as the file system can tell processes apart.
fn open_part(part: &Path) -> Result<File, FetchError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(part);
    let file = file.map_err(|source| FetchError::Io {
        path: part.to_owned(),
        source,
    })?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy(part.to_owned())),
        // Some network file systems know no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Gives a whole, verified file its final name, so that a crash leaves either the one or the other.
fn publish(file: &File, part: &Path, target: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(part, target)?;
    if let Some(folder) = target.parent() {
        // The rename itself; not every system can flush a folder, and the file is safe either way.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}
