//! Archives of NumPy arrays: `x_train`, `y_train` and, where there is a split, `x_test`, `y_test`; or `x` and `y` without one. An array
//! `class_names` names the classes.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;

use super::npy::Array;
use super::values::{Scale, shape_of_row};
use super::{Labels, OwnError, Read, Split};
use crate::DataError;
use cryptodl_spec::{ImageFiles, Shape};

/// An open archive.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
}

/// Reads the labelled images of an archive.
pub(super) fn read(path: &Path, files: &ImageFiles) -> Result<Read, DataError> {
    let mut archive = Archive::open(path)?;
    let [images, labels] = match archive.has("x_train") {
        true => ["x_train", "y_train"],
        false => ["x", "y"],
    };
    let (shape, scale, train) = archive.split([images, labels], files, None)?;
    let test = match archive.has("x_test") {
        true => Some(
            archive
                .split(["x_test", "y_test"], files, Some((shape, scale)))?
                .2,
        ),
        false => None,
    };
    let names = match archive.has("class_names") {
        true => {
            let texts = archive.array("class_names")?.texts();
            let wrong = || archive.wrong("the array `class_names` holds no text".to_owned());
            Some(texts.ok_or_else(wrong)?)
        }
        false => None,
    };
    Ok(Read {
        format: match test {
            Some(_) => "NumPy archive, split by its arrays",
            None => "NumPy archive",
        },
        shape,
        train,
        test,
        names,
    })
}

/// The pixels of the images of an archive, without labels: of `x_test`, or of whatever array of images there is.
pub(super) fn read_images(path: &Path, files: &ImageFiles) -> Result<(Shape, Vec<u8>), DataError> {
    let mut archive = Archive::open(path)?;
    let names = archive.names();
    let known = ["x_test", "x", "images", "x_train"].map(str::to_owned);
    let only = names.first().filter(|_| names.len() == 1);
    let Some(name) = known.iter().find(|name| names.contains(name)).or(only) else {
        return Err(archive.missing("x"));
    };
    let (shape, _, pixels) = archive.images(name, files, None)?;
    Ok((shape, pixels))
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        let zip = ZipArchive::new(BufReader::new(file));
        let zip = zip
            .map_err(|error| OwnError::Archive(format!("is no NumPy archive: {error}")).at(path))?;
        Ok(Self { path, zip })
    }

    /// The arrays that are there.
    fn names(&self) -> Vec<String> {
        let names = self.zip.file_names();
        let arrays = names.filter_map(|name| name.strip_suffix(".npy"));
        let mut names: Vec<String> = arrays.map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    fn has(&self, name: &str) -> bool {
        self.names().iter().any(|there| there == name)
    }

    fn wrong(&self, what: String) -> DataError {
        OwnError::Archive(what).at(self.path)
    }

    fn missing(&self, name: &str) -> DataError {
        let there = self.names().join(", ");
        self.wrong(format!(
            "there is no array `{name}` (there is: {there})\nhint: numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...), or x and y to have them split here"
        ))
    }

    fn array(&mut self, name: &str) -> Result<Array, DataError> {
        if !self.has(name) {
            return Err(self.missing(name));
        }
        let entry = self.zip.by_name(&format!("{name}.npy"));
        let read = entry
            .map_err(|error| error.to_string())
            .and_then(Array::read);
        read.map_err(|what| self.wrong(format!("the array `{name}` {what}")))
    }

    fn split(
        &mut self,
        [images, labels]: [&str; 2],
        files: &ImageFiles,
        like: Option<(Shape, Scale)>,
    ) -> Result<(Shape, Scale, Split), DataError> {
        let (shape, scale, pixels) = self.images(images, files, like)?;
        let array = self.array(labels)?;
        let (count, wanted) = (array.len(), pixels.len() / shape.len());
        if count != wanted {
            return Err(self.wrong(format!(
                "the array `{images}` holds {wanted} images, but `{labels}` holds {count} labels{}",
                match count == wanted.saturating_mul(*array.dims.last().unwrap_or(&1)) {
                    true =>
                        "\nhint: one number an image is wanted: save numpy.argmax(labels, axis=1)",
                    false => "",
                }
            )));
        }
        let labels = match (array.texts(), array.numbers()) {
            (Some(texts), _) => Labels::Names(texts),
            (None, Some(numbers)) => Labels::Numbers(
                numbers
                    .enumerate()
                    .map(|(index, number)| match number.fract() == 0.0 && number.abs() < 1e9 {
                        true => Ok(number as i64),
                        false => Err(self.wrong(format!(
                            "label {index} of `{labels}` is {number}: labels are whole numbers, from 0"
                        ))),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            (None, None) => Labels::Numbers(Vec::new()),
        };
        let path = self.path.to_owned();
        Ok((
            shape,
            scale,
            Split {
                path,
                pixels,
                labels,
                names: None,
            },
        ))
    }

    fn images(
        &mut self,
        name: &str,
        files: &ImageFiles,
        like: Option<(Shape, Scale)>,
    ) -> Result<(Shape, Scale, Vec<u8>), DataError> {
        let array = self.array(name)?;
        let (shape, channels_last) =
            layout(&array.dims, files).map_err(|error| error.at(self.path))?;
        if let Some((wanted, _)) = like
            && wanted != shape
        {
            let first = self.path.to_owned();
            let found = shape;
            return Err(OwnError::Mixed {
                found,
                wanted,
                first,
            }
            .at(self.path));
        }
        let scale = match (like, array.is_float()) {
            (Some((_, scale)), _) => scale,
            (None, true) => Scale::of(array.numbers().into_iter().flatten()),
            (None, false) => Scale::Bytes,
        };
        let mut pixels = match array.bytes() {
            Some(bytes) if scale == Scale::Bytes => bytes.to_vec(),
            _ => {
                let Some(numbers) = array.numbers() else {
                    return Err(self.wrong(format!("the array `{name}` holds text")));
                };
                let byte = |(index, value): (usize, f64)| {
                    let image = index / shape.len().max(1);
                    let place = format!("a value of image {image} (from 0) of `{name}`");
                    let wrong = || OwnError::Value { place, value };
                    scale.byte(value).ok_or_else(wrong)
                };
                let bytes: Result<Vec<u8>, OwnError> = numbers.enumerate().map(byte).collect();
                bytes.map_err(|error| error.at(self.path))?
            }
        };
        if channels_last && shape.channels > 1 {
            planes(&mut pixels, shape);
        }
        Ok((shape, scale, pixels))
    }
}

/// From `[n, height, width, channels]` to `[n, channels, height, width]`.
fn planes(pixels: &mut [u8], shape: Shape) {
    let mut image = vec![0; shape.len()];
    let plane = shape.height * shape.width;
    for pixels in pixels.chunks_exact_mut(shape.len()) {
        for (place, values) in pixels.chunks_exact(shape.channels).enumerate() {
            for (channel, value) in values.iter().enumerate() {
                image[channel * plane + place] = *value;
            }
        }
        pixels.copy_from_slice(&image);
    }
}

/// The shape of an image, and whether channels come last.
fn layout(dims: &[usize], files: &ImageFiles) -> Result<(Shape, bool), OwnError> {
    let shape = |channels, height, width| Shape {
        channels,
        height,
        width,
    };
    let found = match dims {
        [_, values] => return Ok((shape_of_row(*values, files)?, false)),
        [_, height, width] => (shape(1, *height, *width), false),
        [_, a, b, c] => {
            let (first, last) = (shape(*a, *b, *c), shape(*c, *a, *b));
            match files.shape {
                Some(wanted) if wanted == first => (first, false),
                Some(_) => (last, true),
                None => match ([1, 3].contains(a), [1, 3].contains(c)) {
                    (true, false) => (first, false),
                    (false, true) => (last, true),
                    _ => {
                        return Err(OwnError::Archive(format!(
                            "images of {a} x {b} x {c} values: it is not clear which are the channels\nhint: write shape = [channels, height, width] in [dataset]"
                        )));
                    }
                },
            }
        }
        _ => {
            return Err(OwnError::Archive(format!(
                "an array of shape {dims:?} is no array of images\nhint: [n, height, width], [n, height, width, channels] or [n, channels, height, width]"
            )));
        }
    };
    match files.shape {
        Some(shape) if shape != found.0 => Err(OwnError::Misshaped {
            values: found.0.len(),
            shape,
        }),
        _ if found.0.is_empty() => Err(OwnError::Shape { shape: found.0 }),
        _ => Ok(found),
    }
}
