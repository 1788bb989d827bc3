//! Downloads official files: resumable, verified, and never half a file under the final name.
//!
//! A file grows under `<name>.part`, which a later attempt, or a later run of the program, goes on with. When it is whole and its
//! SHA-256 is right it is flushed to the disk and renamed.

#[cfg(test)]
mod tests;
mod transfer;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::files::{locate_part, path_of};
use super::official::{OfficialFile, OfficialSet, official_set};
use super::{DataDirs, DataError, FileDigest};
use cryptodl_runtime::Progress;
use cryptodl_spec::DatasetName;
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

/// The base addresses of the known public mirrors of a data set; none for digits.
pub fn public_mirrors(name: DatasetName) -> Vec<String> {
    official_set(name)
        .map_or(&[][..], |set| set.mirrors)
        .iter()
        .map(|&base| base.to_owned())
        .collect()
}

/// Downloads what is missing of a data set to [`DataDirs::download_dir`] from its known public mirrors, and verifies what is there
/// already. Gives the folder where the files lie.
///
/// # Errors
/// As [`fetch_from`].
pub fn fetch(name: DatasetName, dirs: &DataDirs, stop: &AtomicBool) -> Result<PathBuf, DataError> {
    let fetched = fetch_from(name, dirs, &public_mirrors(name), stop)?;
    for Fetched { path, bytes, how } in &fetched {
        tracing::info!(file = %path.display(), bytes, ?how, "verified");
    }
    let folder = fetched.first().and_then(|file| file.path.parent());
    Ok(folder.unwrap_or(dirs.download_dir()).to_owned())
}

/// [`fetch`] from `mirrors`: base addresses, of which the first that gives a file is used for it. Gives every file.
///
/// Once `stop` is set the download ends; what was received stays in `<name>.part`, as it does after any failure.
///
/// # Errors
/// [`DataError::Mirrors`] where none of the mirrors gave a file, [`DataError::Stopped`], [`DataError::Busy`], [`DataError::Write`],
/// [`DataError::NothingToFetch`] for digits; [`DataError::WrongDigest`] and the like where what is there already is wrong.
pub fn fetch_from(
    name: DatasetName,
    dirs: &DataDirs,
    mirrors: &[String],
    stop: &AtomicBool,
) -> Result<Vec<Fetched>, DataError> {
    let set = official_set(name).ok_or(DataError::NothingToFetch(name))?;
    let config = ureq::Agent::config_builder()
        .user_agent(concat!("cryptodl/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .build();
    Job {
        mirrors,
        agent: &config.new_agent(),
        stop,
    }
    .fetch_set(set, dirs)
}

/// What all downloads of one call share.
struct Job<'a> {
    mirrors: &'a [String],
    agent: &'a ureq::Agent,
    stop: &'a AtomicBool,
}

impl Job<'_> {
    fn fetch_set(&self, set: &OfficialSet, dirs: &DataDirs) -> Result<Vec<Fetched>, DataError> {
        let places: Vec<PathBuf> = dirs
            .places()
            .map(|place| place.join(set.dataset.as_str()))
            .collect();
        let folder = dirs.download_dir().join(set.dataset.as_str());
        let mut fetched = Vec::new();
        for part in set.parts {
            if let Some(found) = locate_part(set, part, &places, &dirs.fetch_command(set.dataset))?
            {
                let there = |file: FileDigest| Fetched {
                    path: file.path,
                    bytes: file.bytes,
                    how: How::AlreadyThere,
                };
                fetched.extend(found.files.into_iter().map(there));
                continue;
            }
            for file in part.packed {
                fetched.push(self.download(file, &path_of(&folder, file))?);
            }
        }
        Ok(fetched)
    }

    fn download(&self, official: &OfficialFile, target: &Path) -> Result<Fetched, DataError> {
        let part = part_of(target);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(cannot_write(folder))?;
        }
        let mut file = open_part(&part)?;
        let resumed_from = file.metadata().map_err(cannot_write(&part))?.len();
        let progress = Progress::start(official.name, official.bytes.div_ceil(1024), "KiB");
        let mut tried = Vec::new();
        for base in self.mirrors {
            let url = format!("{}/{}", base.trim_end_matches('/'), official.name);
            let source = Source {
                agent: self.agent,
                url: &url,
                official,
                stop: self.stop,
            };
            match source.receive(&mut file, &progress) {
                Ok(()) => {
                    publish(&file, &part, target).map_err(cannot_write(target))?;
                    let how = How::Downloaded { resumed_from };
                    return Ok(Fetched {
                        path: target.to_owned(),
                        bytes: official.bytes,
                        how,
                    });
                }
                Err(Problem::Local(source)) => return Err(DataError::Write { path: part, source }),
                Err(Problem::Stopped) => {
                    let kept = discard_if_empty(&file, &part)?;
                    return Err(DataError::Stopped { part, kept });
                }
                Err(problem) => {
                    tracing::warn!(url, %problem, "download failed");
                    tried.push(format!("{url}: {problem}"));
                }
            }
        }
        let kept = discard_if_empty(&file, &part)?;
        Err(DataError::Mirrors {
            file: official.name.to_owned(),
            tried,
            part,
            kept,
        })
    }
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Write { path, source }
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Opens the growing file for this process alone, as far as the file system can tell processes apart.
fn open_part(part: &Path) -> Result<File, DataError> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(part);
    let file = file.map_err(cannot_write(part))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(DataError::Busy(part.to_owned())),
        // Some network file systems know no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// How much was received; a file that holds nothing is removed.
fn discard_if_empty(file: &File, part: &Path) -> Result<u64, DataError> {
    let kept = file.metadata().map_err(cannot_write(part))?.len();
    if kept == 0 {
        // If this fails, the empty file does no harm.
        let _ = fs::remove_file(part);
    }
    Ok(kept)
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
