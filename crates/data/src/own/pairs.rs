//! IDX pairs of any size in a folder: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and the same with `t10k` or `test`; or one
//! pair of any name. Files may be packed by gzip.

use std::path::{Path, PathBuf};

use super::{Labels, OwnError, Read, Split, folder};
use crate::{DataError, idx};
use cryptodl_spec::Shape;

/// The pairs of a folder; none where it has no IDX file of images.
pub(super) fn read(folder: &Path) -> Result<Option<Read>, DataError> {
    let entries = folder::entries(folder)?;
    let images: Vec<&PathBuf> = entries
        .iter()
        .filter(|path| {
            !path.is_dir() && name(path).contains("images") && name(path).contains("idx3")
        })
        .collect();
    let is_test = |path: &Path| name(path).contains("t10k") || name(path).contains("test");
    let (train, test) = match images[..] {
        [] => return Ok(None),
        [only] => (only, None),
        [first, second] if is_test(first) != is_test(second) => match is_test(first) {
            true => (second, Some(first)),
            false => (first, Some(second)),
        },
        _ => {
            return Err(OwnError::Archive(format!(
                "{} IDX files of images are here: a training and a test pair are wanted, whose names say which is which (`train`, `t10k` or `test`)",
                images.len()
            ))
            .at(folder));
        }
    };
    let (shape, train) = pair(train)?;
    let test = match test {
        None => None,
        Some(path) => {
            let (found, test) = pair(path)?;
            if found != shape {
                let (wanted, first) = (shape, train.path.clone());
                return Err(OwnError::Mixed {
                    found,
                    wanted,
                    first,
                }
                .at(path));
            }
            Some(test)
        }
    };
    Ok(Some(Read {
        format: "IDX",
        shape,
        train,
        test,
        names: None,
    }))
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A file of images and the file of labels beside it.
fn pair(path: &Path) -> Result<(Shape, Split), DataError> {
    let reader = idx::open(path)?;
    let (shape, pixels) =
        idx::read_images_of_any_size(reader).map_err(|source| DataError::Idx {
            path: path.to_owned(),
            source,
        })?;
    let wanted = name(path)
        .replace("images", "labels")
        .replace("idx3", "idx1");
    // One of the two may be packed and the other not.
    let plain = wanted.strip_suffix(".gz").unwrap_or(&wanted);
    let candidates =
        [plain.to_owned(), format!("{plain}.gz")].map(|name| path.with_file_name(name));
    let Some(labels_path) = candidates.iter().find(|path| path.exists()) else {
        let what = format!("there is no file of labels, {plain}, beside it");
        return Err(OwnError::Archive(what).at(path));
    };
    let labels = idx::read_labels_file(labels_path, usize::from(u8::MAX) + 1)?;
    let images = pixels.len() / shape.len().max(1);
    if images != labels.len() {
        return Err(DataError::Counts {
            images_path: path.to_owned(),
            images,
            labels_path: labels_path.clone(),
            labels: labels.len(),
        });
    }
    let labels = labels.into_iter().map(i64::from).collect();
    Ok((
        shape,
        Split {
            path: path.to_owned(),
            pixels,
            labels: Labels::Numbers(labels),
            names: None,
        },
    ))
}
