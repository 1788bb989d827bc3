//! Images to classify: files without labels, or whose labels do not matter, with a name for each image.

use std::path::{Path, PathBuf};

use super::{OwnError, extension, folder, npz, picture, table};
use crate::{DataError, Images, idx};
use cryptodl_spec::{ImageFiles, Shape};

/// Images and what they are called. All labels are 0.
#[derive(Clone, Debug)]
pub struct NamedImages {
    /// The images.
    pub images: Images,
    /// A name for each: the path of a picture; of a file with many images that file's, and the place in it from 0 (`digits.npz:12`).
    pub names: Vec<String>,
}

/// Reads images of `shape`: pictures (PNG, JPEG), folders of them, NumPy archives, tables and IDX files (raw or gzip), in the order given.
/// `label` is the column of a table that is not read.
///
/// # Errors
/// [`DataError`] with the file that is no image of that shape.
pub fn read_unlabelled(
    paths: &[PathBuf],
    shape: Shape,
    label: &str,
) -> Result<NamedImages, DataError> {
    let (mut pixels, mut names) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            let before = names.len();
            walk(path, shape, &mut pixels, &mut names)?;
            if names.len() == before {
                return Err(OwnError::Empty.at(path));
            }
            continue;
        }
        if picture::is_picture(path) {
            one(path, shape, &mut pixels, &mut names)?;
            continue;
        }
        let files = ImageFiles {
            path: path.clone(),
            label: label.to_owned(),
            // A row of values has whatever shape the network takes.
            shape: Some(shape),
            classes: None,
        };
        let (found, values) = match extension(path).as_str() {
            "npz" => npz::read_images(path, &files)?,
            "csv" | "parquet" => table::read_images(path, &files)?,
            _ => (shape, idx::read_images_file(path, shape)?),
        };
        fits(path, found, shape)?;
        let count = values.len() / shape.len().max(1);
        names.extend((0..count).map(|index| format!("{}:{index}", path.display())));
        pixels.extend(values);
    }
    let images = Images::new(shape, pixels, vec![0; names.len()])?;
    Ok(NamedImages { images, names })
}

/// Every picture below a folder.
fn walk(
    path: &Path,
    shape: Shape,
    pixels: &mut Vec<u8>,
    names: &mut Vec<String>,
) -> Result<(), DataError> {
    for entry in folder::entries(path)? {
        if entry.is_dir() {
            walk(&entry, shape, pixels, names)?;
        } else if picture::is_picture(&entry) {
            one(&entry, shape, pixels, names)?;
        } else {
            return Err(OwnError::NoPicture.at(&entry));
        }
    }
    Ok(())
}

fn one(
    path: &Path,
    shape: Shape,
    pixels: &mut Vec<u8>,
    names: &mut Vec<String>,
) -> Result<(), DataError> {
    let picture = picture::read(path)?;
    fits(path, picture.shape, shape)?;
    pixels.extend(picture.pixels);
    names.push(path.display().to_string());
    Ok(())
}

fn fits(path: &Path, found: Shape, wanted: Shape) -> Result<(), DataError> {
    match found == wanted {
        true => Ok(()),
        false => Err(OwnError::Unfit { found, wanted }.at(path)),
    }
}
