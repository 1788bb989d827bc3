//! Images of one's own: PNG files, or one IDX file of images, without labels.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::{DataError, Images, idx};
use cryptodl_spec::Shape;

/// Why a PNG file is no image of the wanted shape.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Not a PNG file, or a broken one.
    #[error("{0}")]
    Png(#[from] png::DecodingError),
    /// Another size.
    #[error(
        "the picture has {found_width}x{found_height} pixels, the network takes {width}x{height}"
    )]
    Size {
        /// Columns found.
        found_width: u32,
        /// Rows found.
        found_height: u32,
        /// Columns wanted.
        width: usize,
        /// Rows wanted.
        height: usize,
    },
    /// Colours that do not fit.
    #[error(
        "the picture's colours ({found}) do not fit a network of {channels} input channels\nhint: save it as 8-bit {wanted}"
    )]
    Colours {
        /// What was found.
        found: String,
        /// Channels of the network.
        channels: usize,
        /// What would fit.
        wanted: &'static str,
    },
    /// Several files of which one is no PNG.
    #[error("only PNG files can be given several at once")]
    Mixed,
}

/// Reads `paths` as images of `shape`: any number of PNG files, or a single IDX file (raw or gzip). All labels are 0.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Idx`] or [`DataError::Picture`], with the file.
pub fn read_pictures(paths: &[PathBuf], shape: Shape) -> Result<Images, DataError> {
    let pixels = match paths {
        [path] if !is_png(path) => idx::read_images_file(path, shape)?,
        _ => {
            let mut pixels = Vec::new();
            for path in paths {
                read_png(path, shape, &mut pixels)?;
            }
            pixels
        }
    };
    let count = pixels.len() / shape.len().max(1);
    Images::new(shape, pixels, vec![0; count])
}

fn is_png(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn read_png(path: &Path, shape: Shape, pixels: &mut Vec<u8>) -> Result<(), DataError> {
    let wrong = |source: PictureError| DataError::Picture {
        path: path.to_path_buf(),
        source,
    };
    if !is_png(path) {
        return Err(wrong(PictureError::Mixed));
    }
    let file = File::open(path).map_err(|source| DataError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|error| wrong(error.into()))?;
    // The size is compared before anything of that size is allocated.
    let (found_width, found_height) = (reader.info().width, reader.info().height);
    if (found_width as usize, found_height as usize) != (shape.width, shape.height) {
        return Err(wrong(PictureError::Size {
            found_width,
            found_height,
            width: shape.width,
            height: shape.height,
        }));
    }
    let plane = shape.width * shape.height;
    let mut content = vec![0; 4 * plane];
    let frame = reader
        .next_frame(&mut content)
        .map_err(|error| wrong(error.into()))?;
    let samples = frame.color_type.samples();
    let colours = samples
        - usize::from(matches!(
            frame.color_type,
            png::ColorType::GrayscaleAlpha | png::ColorType::Rgba
        ));
    if colours != shape.channels {
        return Err(wrong(PictureError::Colours {
            found: format!("{:?}", frame.color_type),
            channels: shape.channels,
            wanted: if shape.channels == 1 {
                "greyscale"
            } else {
                "RGB"
            },
        }));
    }
    for channel in 0..colours {
        pixels.extend(
            content
                .chunks_exact(samples)
                .take(plane)
                .map(|pixel| pixel[channel]),
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(path: &Path, colour: png::ColorType, width: u32, height: u32, content: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(content)
            .unwrap();
    }

    const GREY: Shape = Shape {
        channels: 1,
        height: 2,
        width: 3,
    };
    const COLOUR: Shape = Shape {
        channels: 3,
        height: 1,
        width: 2,
    };

    #[test]
    fn grey_and_colour_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.png"), folder.path().join("b.PNG"));
        write(&a, png::ColorType::Grayscale, 3, 2, &[1, 2, 3, 4, 5, 6]);
        write(
            &b,
            png::ColorType::GrayscaleAlpha,
            3,
            2,
            &[7, 0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0],
        );
        let images = read_pictures(&[a.clone(), b], GREY).unwrap();
        assert_eq!(
            (images.len(), images.image(0), images.image(1)),
            (2, &[1, 2, 3, 4, 5, 6][..], &[7, 8, 9, 10, 11, 12][..])
        );
        write(&a, png::ColorType::Rgb, 2, 1, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(
            read_pictures(&[a], COLOUR).unwrap().pixels,
            [1, 4, 2, 5, 3, 6]
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write(&path, png::ColorType::Grayscale, 3, 3, &[0; 9]);
        assert!(
            read_pictures(std::slice::from_ref(&path), GREY)
                .unwrap_err()
                .to_string()
                .contains("3x3")
        );
        write(&path, png::ColorType::Rgb, 3, 2, &[0; 18]);
        assert!(
            read_pictures(std::slice::from_ref(&path), GREY)
                .unwrap_err()
                .to_string()
                .contains("greyscale")
        );
        let bytes = std::fs::read(&path).unwrap();
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(
                read_pictures(
                    std::slice::from_ref(&path),
                    Shape {
                        channels: 3,
                        ..GREY
                    }
                )
                .is_err()
                    || end > bytes.len() - 13,
                "cut at {end}"
            );
        }
    }
}
