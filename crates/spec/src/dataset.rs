//! Which images an experiment uses: a data set that the program knows, or files of one's own.

use super::{Shape, Standardize};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;

/// The data sets that the program can download or make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// 60,000 + 10,000 grey 28x28 handwritten digits.
    Mnist,
    /// 60,000 + 10,000 grey 28x28 pieces of clothing.
    FashionMnist,
    /// 50,000 + 10,000 colour 32x32 photographs.
    Cifar10,
    /// Synthetic 28x28 digits, drawn by the program itself.
    Digits,
}

/// Where the images of an experiment come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetSource {
    /// A data set that the program knows.
    Name(DatasetName),
    /// Files of one's own.
    Files {
        /// Where they are, and how they are read.
        #[serde(flatten)]
        files: ImageFiles,
        /// What they hold. They are read when the spec is checked.
        #[serde(skip)]
        facts: ImageFacts,
    },
}

/// Images in files of one's own, and what has to be known to read them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageFiles {
    /// A folder, a `.npz`, a CSV or a Parquet file; relative to the current folder.
    pub path: PathBuf,
    /// The column of a table that holds the label.
    pub label: String,
    /// Shape of an image whose values stand in a row; `None`: square, grey or of three channels.
    pub shape: Option<Shape>,
    /// Names of the classes; `None`: those of the files.
    pub classes: Option<Vec<String>>,
}

impl ImageFiles {
    /// The column of labels unless the spec names another.
    pub const LABEL: &str = "label";
}

/// What the check of a spec must know of images in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Shape of every image.
    pub shape: Shape,
    /// Number of classes.
    pub classes: usize,
    /// Number of training images, or of all images where the files have no split.
    pub train: usize,
    /// Number of test images; `None` where the files have no split.
    pub test: Option<usize>,
}

/// Reads images in files for the check of a spec. The crate that reads images implements it, which lies above this one.
pub trait ImageCatalog {
    /// What `files` hold.
    ///
    /// # Errors
    /// What is wrong with which file.
    fn facts(&self, files: &ImageFiles) -> Result<ImageFacts, Box<dyn Error>>;
}

/// The catalogue of a program that reads no files of one's own.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl ImageCatalog for NoFiles {
    fn facts(&self, _: &ImageFiles) -> Result<ImageFacts, Box<dyn Error>> {
        Err("images in files are not read here".into())
    }
}

/// Which images an experiment uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatasetSpec {
    /// Where they come from.
    #[serde(flatten)]
    pub source: DatasetSource,
    /// Use only the first `train` training images (validation included). `None`: all; a spec that was checked has a number.
    pub train: Option<usize>,
    /// Use only the first `test` test images. `None`: all; a spec that was checked has a number.
    pub test: Option<usize>,
    /// What the client does to the pixels of each image besides the data set's own normalisation.
    #[serde(skip_serializing_if = "Standardize::is_none")]
    pub standardize: Standardize,
    /// Rows and columns of the filter by which the client whitens the patches of an image; it is fitted to training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zca: Option<usize>,
    /// Whether the client divides the values of an image by its local deviation.
    #[serde(skip_serializing_if = "super::is_false")]
    pub local_contrast: bool,
    /// The bound c of `c tanh(x / c)`, by which the client limits every value at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_clamp: Option<f64>,
}

/// Share of the images that are for testing where files have no split: one in this many.
const TEST_SHARE: usize = 5;

impl DatasetSpec {
    /// All images of a data set as they come.
    pub const fn whole(name: DatasetName) -> Self {
        Self::of(DatasetSource::Name(name))
    }

    /// All images of a source as they come.
    pub const fn of(source: DatasetSource) -> Self {
        Self {
            source,
            train: None,
            test: None,
            standardize: Standardize::None,
            zca: None,
            local_contrast: false,
            soft_clamp: None,
        }
    }

    /// Whether the client does more to an image than the data set's normalisation.
    pub const fn is_preprocessed(&self) -> bool {
        !self.standardize.is_none() || self.soft_clamp.is_some()
    }

    /// Number of training and of test images.
    pub fn counts(&self) -> (usize, usize) {
        let (train, test) = self.source.counts(self.test);
        (self.train.unwrap_or(train), self.test.unwrap_or(test))
    }
}

impl DatasetSource {
    /// What the data set is called: its name, or that of the folder or file.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Name(name) => name.as_str().into(),
            Self::Files { files, .. } => {
                let name = match files.path.is_dir() {
                    true => files.path.file_name(),
                    false => files.path.file_stem(),
                };
                name.unwrap_or(files.path.as_os_str()).to_string_lossy()
            }
        }
    }

    /// Shape of one image.
    pub const fn shape(&self) -> Shape {
        match self {
            Self::Name(name) => name.shape(),
            Self::Files { facts, .. } => facts.shape,
        }
    }

    /// Number of classes.
    pub const fn classes(&self) -> usize {
        match self {
            Self::Name(_) => DatasetName::CLASSES,
            Self::Files { facts, .. } => facts.classes,
        }
    }

    /// Number of training and test images where the spec says nothing else; `test` is what it says of the test images. Files without a
    /// split are split here: a fifth is for testing.
    pub fn counts(&self, test: Option<usize>) -> (usize, usize) {
        match self {
            Self::Name(name) => name.counts(),
            Self::Files { facts, .. } => match facts.test {
                Some(test) => (facts.train, test),
                None => {
                    let test = test.unwrap_or((facts.train / TEST_SHARE).max(1));
                    (facts.train.saturating_sub(test), test)
                }
            },
        }
    }
}

impl DatasetName {
    /// Number of classes, the same in all of them.
    pub const CLASSES: usize = 10;

    /// The name in specs and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Digits => "digits",
        }
    }
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Digits];

    /// Shape of one image.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Cifar10 => Shape {
                channels: 3,
                height: 32,
                width: 32,
            },
            _ => Shape {
                channels: 1,
                height: 28,
                width: 28,
            },
        }
    }
    /// Number of training and test images; for [`Self::Digits`], what is drawn unless the spec says otherwise.
    pub const fn counts(self) -> (usize, usize) {
        match self {
            Self::Cifar10 => (50_000, 10_000),
            Self::Digits => (20_000, 4_000),
            _ => (60_000, 10_000),
        }
    }
}
