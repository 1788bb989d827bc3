//! What can be wrong with images in files of one's own.

use std::path::{Path, PathBuf};

use crate::DataError;
use cryptodl_spec::Shape;

/// Why files of one's own are no images for a network.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// A file or folder of no known format.
    #[error(
        "no images are found here\nhint: there may be a folder with one sub-folder a class (PNG, JPEG), or with train/ and test/ of such; IDX pairs; a .npz; train.csv or train.parquet; or one CSV or Parquet file"
    )]
    Format,
    /// A file in a class's folder that is no picture.
    #[error("is no PNG or JPEG file\nhint: a class's folder holds pictures alone; remove the file")]
    NoPicture,
    /// A folder in a class's folder.
    #[error("is a folder inside a class's folder\nhint: a class's folder holds pictures alone")]
    Nested,
    /// A picture that cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Picture(#[from] image::ImageError),
    /// A picture of another size or other colours.
    #[error(
        "is {}, but {} is {}\nhint: all images must have one size, and be all grey or all in colour",
        words(*found), first.display(), words(*wanted)
    )]
    Mixed {
        /// What it is.
        found: Shape,
        /// What the others are.
        wanted: Shape,
        /// One of the others.
        first: PathBuf,
    },
    /// A picture that a network does not take.
    #[error("is {}, but the network takes {}", words(*found), words(*wanted))]
    Unfit {
        /// What it is.
        found: Shape,
        /// What the network takes.
        wanted: Shape,
    },
    /// Pictures or rows without values, or with too many.
    #[error("images of {} are not possible", words(*shape))]
    Shape {
        /// What was found.
        shape: Shape,
    },
    /// A class without an image.
    #[error(
        "the class {class:?} (number {index}) has no training image\nhint: labels count from 0 without a gap; every class needs images"
    )]
    NoImage {
        /// Its name.
        class: String,
        /// Its number.
        index: usize,
    },
    /// No images at all.
    #[error("holds no images")]
    Empty,
    /// Too few or too many classes.
    #[error("{found} classes: there must be 2 to 1,000")]
    Classes {
        /// How many.
        found: usize,
    },
    /// A label that is no class.
    #[error("the label {label} of image {index} (from 0) is none of the {classes} classes")]
    Label {
        /// Which image.
        index: usize,
        /// Its label.
        label: String,
        /// How many classes there are.
        classes: usize,
    },
    /// Images and labels do not go together.
    #[error("holds {images} images, but {labels} labels")]
    Counts {
        /// How many images.
        images: usize,
        /// How many labels.
        labels: usize,
    },
    /// Images of one shade.
    #[error(
        "all training images have the same value everywhere in channel {channel}: there is nothing to learn"
    )]
    Constant {
        /// Which channel.
        channel: usize,
    },
    /// More than fits.
    #[error("holds more than {} GiB of pixels, which is the most that is read", super::MAX_BYTES >> 30)]
    TooLarge,
    /// An archive that is broken, or without the arrays that are needed.
    #[error("{0}")]
    Archive(String),
    /// A table that is broken, or without the columns that are needed.
    #[error("{0}")]
    Table(String),
    /// Rows of values whose image shape is not known.
    #[error(
        "an image has {values} values, which is neither a grey nor a three-channel square\nhint: write shape = [channels, height, width] in [dataset]"
    )]
    Unshaped {
        /// How many values a row has.
        values: usize,
    },
    /// Rows of values that are not the spec's shape.
    #[error("an image has {values} values, but the spec says {}", words(*shape))]
    Misshaped {
        /// How many values there are.
        values: usize,
        /// What the spec says.
        shape: Shape,
    },
    /// A value that is no brightness.
    #[error("{place} is {value}: values are whole numbers from 0 to 255, or fractions from 0 to 1")]
    Value {
        /// Row and column, or index.
        place: String,
        /// The value.
        value: f64,
    },
}

impl OwnError {
    /// The error with its file.
    pub(super) fn at(self, path: &Path) -> DataError {
        DataError::Own {
            path: path.to_owned(),
            source: self,
        }
    }
}

/// `16x16 grey`, `3 x 32x32`.
pub(crate) fn words(shape: Shape) -> String {
    let Shape {
        channels,
        height,
        width,
    } = shape;
    match channels {
        1 => format!("{width}x{height} grey"),
        3 => format!("{width}x{height} in colour"),
        _ => format!("{width}x{height} with {channels} channels"),
    }
}
