//! A folder with one sub-folder a class, or with such folders as `train/` and `test/`.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::picture::{self, Picture};
use super::{Labels, MAX_BYTES, OwnError, Read, Split};
use crate::DataError;
use cryptodl_spec::Shape;

/// Names of the folder with the test images, the first that is there.
const TEST: [&str; 3] = ["test", "val", "validation"];

/// Reads the images of a folder.
pub(super) fn read(path: &Path) -> Result<Read, DataError> {
    let train = path.join("train");
    let (first, second) = if train.is_dir() {
        let test = TEST.map(|name| path.join(name));
        let test = test.into_iter().find(|folder| folder.is_dir());
        (train, test)
    } else {
        (path.to_owned(), None)
    };
    let train = files(&first)?;
    let test = second.as_deref().map(files).transpose()?;
    let all = train.iter().chain(test.iter().flatten());
    let Some(shape) = all.map(|(path, _)| path).next() else {
        return Err(OwnError::Format.at(path));
    };
    let shape = picture::read(shape)?.shape;
    Ok(Read {
        format: match test {
            Some(_) => "folder of pictures, split by folders",
            None => "folder of pictures",
        },
        shape,
        train: decode(&first, &train, shape)?,
        test: match (&second, &test) {
            (Some(folder), Some(files)) => Some(decode(folder, files, shape)?),
            _ => None,
        },
        names: None,
    })
}

/// The pictures of a folder of classes, each with its class.
fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let mut found = Vec::new();
    for class in entries(folder)? {
        if !class.is_dir() {
            return Err(OwnError::Format.at(folder));
        }
        let name = class.file_name().unwrap_or_default().to_string_lossy();
        let before = found.len();
        for file in entries(&class)? {
            if file.is_dir() {
                return Err(OwnError::Nested.at(&file));
            }
            if !picture::is_picture(&file) {
                return Err(OwnError::NoPicture.at(&file));
            }
            found.push((file, name.clone().into_owned()));
        }
        if found.len() == before {
            return Err(OwnError::Empty.at(&class));
        }
    }
    Ok(found)
}

/// What is in a folder, in order, without what systems hide there.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !matches!(&*name, "Thumbs.db" | "desktop.ini") {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn decode(folder: &Path, files: &[(PathBuf, String)], shape: Shape) -> Result<Split, DataError> {
    if files.len() as u64 * shape.len() as u64 > MAX_BYTES {
        return Err(OwnError::TooLarge.at(folder));
    }
    let paths: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    Ok(Split {
        path: folder.to_owned(),
        pixels: pixels(&paths, shape)?,
        labels: Labels::Names(files.iter().map(|(_, class)| class.clone()).collect()),
        names: Some(files.iter().map(|(path, _)| name(folder, path)).collect()),
    })
}

/// `class/picture.png`
fn name(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The pixels of pictures, all of one shape.
pub(super) fn pixels(paths: &[&Path], shape: Shape) -> Result<Vec<u8>, DataError> {
    let decoded: Vec<Result<Vec<u8>, DataError>> = paths
        .par_iter()
        .map(|path| {
            let Picture {
                shape: found,
                pixels,
            } = picture::read(path)?;
            if found == shape {
                return Ok(pixels);
            }
            let first = paths.first().map(|path| path.to_path_buf());
            Err(OwnError::Mixed {
                found,
                wanted: shape,
                first: first.unwrap_or_default(),
            }
            .at(path))
        })
        .collect();
    let mut all = Vec::with_capacity(paths.len() * shape.len());
    // The first wrong file is the one that is named, on any number of threads.
    for pixels in decoded {
        all.extend(pixels?);
    }
    Ok(all)
}
