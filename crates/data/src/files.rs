//! Finds the official files of a data set and makes sure that they are the official ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::digest::{self, FileDigest, hex};
use super::official::{OfficialFile, OfficialSet, Part};
use super::{DataDirs, DataError};

/// One part of a data set as it lies on disk, verified: the files of one of its forms, in their order.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub files: Vec<FileDigest>,
    /// Whether it is the unpacked form.
    pub unpacked: bool,
}

/// Finds and verifies every part of `set`.
///
/// The first place that holds a form of a part decides. Whatever lies there must be right, even a form that would not be read: a
/// wrong file is never passed over for a right one elsewhere.
///
/// # Errors
/// [`DataError::Missing`] naming all missing parts, [`DataError::Incomplete`], [`DataError::WrongDigest`], [`DataError::Io`].
pub(super) fn locate(set: &OfficialSet, dirs: &DataDirs) -> Result<Vec<Found>, DataError> {
    let places: Vec<PathBuf> = dirs
        .places()
        .map(|place| place.join(set.dataset.as_str()))
        .collect();
    let fetch = dirs.fetch_command(set.dataset);
    let mut found = Vec::with_capacity(set.parts.len());
    let mut wanted = Vec::new();
    for part in set.parts {
        match locate_part(set, part, &places, &fetch)? {
            Some(files) => found.push(files),
            None => wanted.push(describe(part)),
        }
    }
    if wanted.is_empty() {
        Ok(found)
    } else {
        Err(DataError::Missing {
            dataset: set.dataset,
            wanted,
            places,
            fetch,
        })
    }
}

pub(super) fn locate_part(
    set: &OfficialSet,
    part: &Part,
    places: &[PathBuf],
    fetch: &str,
) -> Result<Option<Found>, DataError> {
    for place in places {
        let mut first = None;
        for form in part.forms() {
            let (present, missing) = split_by_presence(place, form)?;
            if present.is_empty() {
                continue;
            }
            if !missing.is_empty() {
                return Err(DataError::Incomplete {
                    dataset: set.dataset,
                    folder: place.clone(),
                    present: present.len(),
                    missing: missing.iter().map(|file| file.name.to_owned()).collect(),
                    fetch: fetch.to_owned(),
                });
            }
            let files = present
                .into_iter()
                .map(|file| verify_file(place, file, fetch))
                .collect::<Result<Vec<_>, _>>()?;
            first.get_or_insert(Found {
                files,
                unpacked: std::ptr::eq(form, part.unpacked),
            });
        }
        if first.is_some() {
            return Ok(first);
        }
    }
    Ok(None)
}

type Files<'a> = Vec<&'a OfficialFile>;

fn split_by_presence<'a>(
    place: &Path,
    form: &'a [OfficialFile],
) -> Result<(Files<'a>, Files<'a>), DataError> {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for file in form {
        let path = path_of(place, file);
        // Not followed: a link that leads nowhere is a wrong file, not a missing one.
        match fs::symlink_metadata(&path) {
            Ok(_) => present.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(file),
            Err(source) => return Err(DataError::Io { path, source }),
        }
    }
    Ok((present, missing))
}

/// Makes sure that `place/<name>` is the official file.
///
/// # Errors
/// [`DataError::WrongDigest`], or [`DataError::Io`] where it cannot be read.
pub(super) fn verify_file(
    place: &Path,
    file: &OfficialFile,
    fetch: &str,
) -> Result<FileDigest, DataError> {
    let path = path_of(place, file);
    match digest::sha256_of_file(&path) {
        Ok((bytes, found)) if found == file.sha256 => Ok(FileDigest {
            name: file.name.to_owned(),
            path,
            bytes,
            sha256: hex(&found),
        }),
        Ok((found_bytes, found)) => Err(DataError::WrongDigest {
            path,
            expected: hex(&file.sha256),
            found: hex(&found),
            expected_bytes: file.bytes,
            found_bytes,
            fetch: fetch.to_owned(),
        }),
        Err(source) => Err(DataError::Io { path, source }),
    }
}

/// Where a file lies below the data set's folder; names have `/` between their parts.
pub(super) fn path_of(place: &Path, file: &OfficialFile) -> PathBuf {
    file.name
        .split('/')
        .fold(place.to_owned(), |path, part| path.join(part))
}

fn describe(part: &Part) -> String {
    let names = |form: &[OfficialFile]| {
        form.iter()
            .map(|file| file.name)
            .collect::<Vec<_>>()
            .join(" + ")
    };
    format!(
        "{}, or unpacked {}",
        names(part.packed),
        names(part.unpacked)
    )
}
