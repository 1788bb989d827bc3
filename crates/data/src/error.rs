//! What can be wrong with the data, with the values a person needs to put it right.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::cifar::CifarError;
use super::idx::IdxError;
use cryptodl_spec::DatasetName;

/// Why images cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Files are nowhere to be found.
    #[error("{}", describe_missing(*dataset, wanted, places, fetch))]
    Missing {
        /// Which data set.
        dataset: DatasetName,
        /// One entry a missing part: the file names that would do, below `PLACE/<dataset>/`.
        wanted: Vec<String>,
        /// The folders `PLACE/<dataset>` that were looked in.
        places: Vec<PathBuf>,
        /// The command that downloads them.
        fetch: String,
    },
    /// Some files of a folder are there, others of the same folder are not.
    #[error(
        "{folder} holds only part of the data set {}: {present} there, but {} missing\nhint: complete the folder, or remove it and run `{fetch}`",
        dataset.as_str(), missing.join(", "), folder = folder.display()
    )]
    Incomplete {
        /// Which data set.
        dataset: DatasetName,
        /// Where.
        folder: PathBuf,
        /// How many files are there.
        present: usize,
        /// The ones that are not.
        missing: Vec<String>,
        /// The command that downloads them.
        fetch: String,
    },
    /// A file is there, but it is not the official one.
    #[error(
        "{} is not the official file\n  expected SHA-256 {expected} ({expected_bytes} bytes)\n  found    SHA-256 {found} ({found_bytes} bytes{})\nhint: remove the file and run `{fetch}`; a wrong file is never skipped, even if another copy is right",
        path.display(), if found_bytes < expected_bytes { ": cut short?" } else { "" }
    )]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the official file, in hexadecimal.
        expected: String,
        /// SHA-256 of what is there, in hexadecimal.
        found: String,
        /// Length of the official file.
        expected_bytes: u64,
        /// Length of what is there.
        found_bytes: u64,
        /// The command that downloads it.
        fetch: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An IDX file breaks its format.
    #[error("{}: {source}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IdxError,
    },
    /// A CIFAR-10 file breaks its format.
    #[error("{}: {source}", path.display())]
    Cifar {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CifarError,
    },
    /// A file of one's own is no image, or not one for a network.
    #[error("{} {source}", path.display())]
    Own {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: super::OwnError,
    },
    /// Images and labels of one split do not belong together.
    #[error("{} holds {images} images, but {} holds {labels} labels", images_path.display(), labels_path.display())]
    Counts {
        /// The file of images.
        images_path: PathBuf,
        /// How many it holds.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// How many it holds.
        labels: usize,
    },
    /// Pixels and labels of one set of images do not fit.
    #[error("{pixels} pixels are not {labels} images of {image} pixels")]
    Lengths {
        /// Number of pixels.
        pixels: usize,
        /// Pixels of one image.
        image: usize,
        /// Number of labels.
        labels: usize,
    },
    /// The spec asks for more images than there are.
    #[error("the spec asks for {wanted} {split} images, but {dataset} has {available}")]
    TooFew {
        /// Which data set.
        dataset: String,
        /// `training`, `test` or both.
        split: &'static str,
        /// How many the spec asks for.
        wanted: usize,
        /// How many there are.
        available: usize,
    },
    /// A download that makes no sense.
    #[error("{} is drawn by the program itself: there is nothing to download", .0.as_str())]
    NothingToFetch(DatasetName),
    /// No mirror gave a file.
    #[error("{}", describe_mirrors(file, tried, part, *kept))]
    Mirrors {
        /// The file's official name.
        file: String,
        /// Every address tried and what went wrong there.
        tried: Vec<String>,
        /// Where the bytes lie that were received so far.
        part: PathBuf,
        /// How many these are.
        kept: u64,
    },
    /// The person asked for a stop in the middle of a download.
    #[error("stopped: {kept} bytes are kept in {}, the same command goes on from there", part.display())]
    Stopped {
        /// Where the bytes lie that were received so far.
        part: PathBuf,
        /// How many these are.
        kept: u64,
    },
    /// Another process downloads the same file.
    #[error("{} is being downloaded by another process", .0.display())]
    Busy(PathBuf),
    /// The disk is full, the folder read-only, and the like.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DataError {
    /// What a file or folder that cannot be read becomes.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// The exit code of the program: 1 where this machine failed, 2 where the spec or the arguments are wrong, 3 where the data are
    /// missing or wrong, 75 and 130 where a person stopped a download with and without a part kept.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Busy(_) | Self::Write { .. } => 1,
            Self::TooFew { .. } | Self::NothingToFetch(_) => 2,
            Self::Stopped { kept: 0, .. } => 130,
            Self::Stopped { .. } => 75,
            Self::Missing { .. }
            | Self::Incomplete { .. }
            | Self::WrongDigest { .. }
            | Self::Io { .. }
            | Self::Idx { .. }
            | Self::Cifar { .. }
            | Self::Own { .. }
            | Self::Counts { .. }
            | Self::Lengths { .. }
            | Self::Mirrors { .. } => 3,
        }
    }
}

fn describe_missing(
    dataset: DatasetName,
    wanted: &[String],
    places: &[PathBuf],
    fetch: &str,
) -> String {
    let mut text = format!("files of the data set {} are missing:", dataset.as_str());
    for part in wanted {
        let _ = write!(text, "\n  {part}");
    }
    let any = if places.len() == 1 {
        "the folder"
    } else {
        "any of the folders"
    };
    let _ = write!(text, "\nthey may be put in {any}");
    for place in places {
        let _ = write!(text, "\n  {}", place.display());
    }
    let _ = write!(
        text,
        "\nhint: `{fetch}` downloads them; `--data-dir` or CRYPTODL_DATA_DIR names another place"
    );
    text
}

fn describe_mirrors(file: &str, tried: &[String], part: &Path, kept: u64) -> String {
    let mut text = format!("no mirror gave {file}:");
    for attempt in tried {
        let _ = write!(text, "\n  {attempt}");
    }
    if kept > 0 {
        let part = part.display();
        let _ = write!(
            text,
            "\nhint: {kept} bytes are kept in {part}; the same command goes on from there"
        );
    }
    text
}
