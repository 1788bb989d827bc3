//! Images: readers for the official files and for files of one's own, digits that the program draws itself, downloads, and augmentation.
//!
//! Nothing here uses the network except [`fetch`]. Every official file is compared with its SHA-256 before a byte of it is believed.

pub mod augment;
pub mod cifar;
pub mod digest;
pub mod digits;
mod dirs;
mod eigen;
mod error;
pub mod fetch;
mod files;
pub mod idx;
mod image_range;
mod images;
pub mod official;
mod own;
mod preprocess;
#[cfg(test)]
mod tests;

pub use digest::FileDigest;
pub use dirs::{DATA_DIR_VARIABLE, DataDirs};
pub use eigen::eigenvectors;
pub use error::DataError;
pub use image_range::ImageRange;
pub use images::Images;
pub use own::unlabelled::{NamedImages, read_unlabelled};
pub use own::{OwnData, OwnError};
pub use preprocess::{PatchFilter, Preprocessing};

use cryptodl_spec::{DatasetName, DatasetSource, DatasetSpec, ImageFiles};
use digits::Split;
use files::Found;
use official::OfficialSet;

/// A data set, read and verified.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Which one.
    pub source: DatasetSource,
    /// Training images; [`Images::hold_out`] splits the validation images off.
    pub train: Images,
    /// Test images.
    pub test: Images,
    /// Number of classes.
    pub classes: usize,
    /// A name for every class.
    pub class_names: Vec<String>,
    /// BLAKE3 over what these images are: the same as [`verify`] gives, and the same whether files lie packed or unpacked.
    pub digest: [u8; 32],
    /// Mean of `byte / 255`, per channel.
    pub mean: Vec<f32>,
    /// Standard deviation of `byte / 255`, per channel.
    pub std: Vec<f32>,
    /// The files they came from; none for digits and for files of one's own.
    pub files: Vec<FileDigest>,
    /// What each test image is called, where they are files of one's own: the path of a picture in its folder, else the place in the file
    /// from 0.
    pub test_names: Vec<String>,
}

/// Finds out whether all data of a spec are there and right, and gives the digest of the images without reading them in: for the
/// key of a stage. `seed` matters for [`DatasetName::Digits`] and for files of one's own, which it splits.
///
/// Every file is hashed, but only once a process: a [`load`] that follows does not do it again.
///
/// # Errors
/// [`DataError`], whose [`exit_code`](DataError::exit_code) is 3 where files are missing, incomplete or wrong.
pub fn verify(spec: &DatasetSpec, seed: u64, dirs: &DataDirs) -> Result<[u8; 32], DataError> {
    let name = match &spec.source {
        DatasetSource::Files { files, .. } => return own::verify(spec, files, seed),
        DatasetSource::Name(name) => *name,
    };
    let counts = counts(spec, name)?;
    let Some(set) = official::official_set(name) else {
        return Ok(digits::digest(seed, counts));
    };
    files::locate(set, dirs)?;
    Ok(content_digest(set, counts))
}

/// Reads the images of a spec: the first `train` and the first `test` ones where the spec sets these.
///
/// # Errors
/// As [`verify`].
pub fn load(spec: &DatasetSpec, seed: u64, dirs: &DataDirs) -> Result<Dataset, DataError> {
    let name = match &spec.source {
        DatasetSource::Files { files, .. } => return own::load(spec, files, seed),
        DatasetSource::Name(name) => *name,
    };
    let counts = counts(spec, name)?;
    match official::official_set(name) {
        Some(set) => load_official(set, counts, dirs),
        None => {
            let train = digits::draw(seed, Split::Train, counts.0);
            let test = digits::draw(seed, Split::Test, counts.1);
            Ok(assemble(
                name,
                train,
                test,
                digits::digest(seed, counts),
                Vec::new(),
            ))
        }
    }
}

fn load_official(
    set: &OfficialSet,
    counts: (usize, usize),
    dirs: &DataDirs,
) -> Result<Dataset, DataError> {
    let found = files::locate(set, dirs)?;
    let (mut train, mut test) = match set.dataset {
        DatasetName::Cifar10 => read_cifar(set, &found)?,
        _ => read_idx(set.dataset, &found)?,
    };
    train.truncate(counts.0);
    test.truncate(counts.1);
    let files = found.into_iter().flat_map(|part| part.files).collect();
    Ok(assemble(
        set.dataset,
        train,
        test,
        content_digest(set, counts),
        files,
    ))
}

fn assemble(
    name: DatasetName,
    train: Images,
    test: Images,
    digest: [u8; 32],
    files: Vec<FileDigest>,
) -> Dataset {
    let class_names: Vec<String> = official::class_names(name)
        .iter()
        .map(|&class| class.to_owned())
        .collect();
    let (mean, std) = official::normalisation(name);
    Dataset {
        source: DatasetSource::Name(name),
        train,
        test,
        classes: class_names.len(),
        class_names,
        digest,
        mean: mean.to_vec(),
        std: std.to_vec(),
        files,
        test_names: Vec::new(),
    }
}

/// How many training and test images a spec uses.
fn counts(spec: &DatasetSpec, name: DatasetName) -> Result<(usize, usize), DataError> {
    let whole = name.counts();
    let available = if name == DatasetName::Digits {
        (digits::MAX_IMAGES, digits::MAX_IMAGES)
    } else {
        whole
    };
    let check = |split, asked: Option<usize>, whole, available| match asked.unwrap_or(whole) {
        wanted if wanted > available => Err(DataError::TooFew {
            dataset: name.as_str().to_owned(),
            split,
            wanted,
            available,
        }),
        wanted => Ok(wanted),
    };
    Ok((
        check("training", spec.train, whole.0, available.0)?,
        check("test", spec.test, whole.1, available.1)?,
    ))
}

/// Digest of verified content: of the official digests of its unpacked files, which the verified files imply.
fn content_digest(set: &OfficialSet, counts: (usize, usize)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cryptodl data set, official files, 1");
    hasher.update(set.dataset.as_str().as_bytes());
    for file in set.parts.iter().flat_map(|part| part.unpacked) {
        hasher.update(&file.sha256);
    }
    hasher
        .update(&(counts.0 as u64).to_le_bytes())
        .update(&(counts.1 as u64).to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// What files of one's own hold, for people.
#[derive(Clone, Debug)]
pub struct OwnSummary {
    /// The format, in words.
    pub format: &'static str,
    /// Whether the files have a split.
    pub is_split: bool,
    /// BLAKE3 of shape, class names, labels and pixels.
    pub digest: [u8; 32],
}

/// Reads files of one's own and says what they are.
///
/// # Errors
/// [`DataError`] with the file that is wrong.
pub fn describe(files: &ImageFiles) -> Result<OwnSummary, DataError> {
    let content = own::read(files)?;
    Ok(OwnSummary {
        format: content.format,
        is_split: content.test.is_some(),
        digest: content.digest,
    })
}

fn read_idx(dataset: DatasetName, found: &[Found]) -> Result<(Images, Images), DataError> {
    let paths: Vec<_> = found
        .iter()
        .flat_map(|part| &part.files)
        .map(|file| file.path.as_path())
        .collect();
    let classes = official::class_names(dataset).len();
    let read = |images_path, labels_path| read_idx_pair(dataset, classes, images_path, labels_path);
    match paths[..] {
        [train_images, train_labels, test_images, test_labels] => Ok((
            read(train_images, train_labels)?,
            read(test_images, test_labels)?,
        )),
        _ => unreachable!("an IDX data set has four parts of one file"),
    }
}

fn read_idx_pair(
    dataset: DatasetName,
    classes: usize,
    images_path: &std::path::Path,
    labels_path: &std::path::Path,
) -> Result<Images, DataError> {
    let shape = dataset.shape();
    let pixels = idx::read_images_file(images_path, shape)?;
    let labels = idx::read_labels_file(labels_path, classes)?;
    let images = pixels.len() / shape.len();
    if images != labels.len() {
        return Err(DataError::Counts {
            images_path: images_path.to_owned(),
            images,
            labels_path: labels_path.to_owned(),
            labels: labels.len(),
        });
    }
    Images::new(shape, pixels, labels)
}

fn read_cifar(set: &OfficialSet, found: &[Found]) -> Result<(Images, Images), DataError> {
    let mut batches = Vec::new();
    for (part, found) in set.parts.iter().zip(found) {
        if found.unpacked {
            for file in &found.files {
                batches.push(cifar::read_batch_file(&file.path, cifar::BATCH_IMAGES)?);
            }
        } else {
            let names: Vec<&str> = part.unpacked.iter().map(|file| file.name).collect();
            for file in &found.files {
                batches.extend(cifar::read_archive(
                    &file.path,
                    &names,
                    cifar::BATCH_IMAGES,
                )?);
            }
        }
    }
    // The last batch is the test batch, in the table of official files as in the publisher's own list.
    let test = cifar::concatenate(batches.pop());
    Ok((cifar::concatenate(batches), test))
}
