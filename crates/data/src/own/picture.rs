//! One picture in a file, PNG or JPEG.

use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use super::{MAX_VALUES, OwnError, extension};
use crate::DataError;
use cryptodl_spec::Shape;

/// A decoded picture.
pub(crate) struct Picture {
    pub shape: Shape,
    /// `[channels, height, width]`.
    pub pixels: Vec<u8>,
}

/// Whether a file is called like a picture.
pub(crate) fn is_picture(path: &Path) -> bool {
    matches!(extension(path).as_str(), "png" | "jpg" | "jpeg")
}

/// Decodes a file, whatever it is called: grey pictures have one channel, all others three. Transparency is left out, and of 16 bits the
/// upper eight are kept.
pub(crate) fn read(path: &Path) -> Result<Picture, DataError> {
    let reader = ImageReader::open(path).map_err(DataError::io(path))?;
    decode(reader).map_err(|error| error.at(path))
}

/// Decodes the bytes of a file.
pub(crate) fn decode<R: std::io::BufRead + std::io::Seek>(
    reader: ImageReader<R>,
) -> Result<Picture, OwnError> {
    let reader = reader
        .with_guessed_format()
        .map_err(image::ImageError::from)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(OwnError::NoPicture);
    }
    let mut reader = reader;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_VALUES as u32);
    limits.max_image_height = Some(MAX_VALUES as u32);
    limits.max_alloc = Some(16 * MAX_VALUES as u64);
    reader.limits(limits);
    Ok(planes(&reader.decode()?))
}

fn planes(image: &DynamicImage) -> Picture {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, values) = match image.color().has_color() {
        true => (3, image.to_rgb8().into_raw()),
        false => (1, image.to_luma8().into_raw()),
    };
    let mut pixels = Vec::with_capacity(values.len());
    for channel in 0..channels {
        pixels.extend(values.iter().skip(channel).step_by(channels));
    }
    Picture {
        shape: Shape {
            channels,
            height,
            width,
        },
        pixels,
    }
}
