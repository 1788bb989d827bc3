//! Images in files of one's own: folders of pictures, IDX pairs, NumPy archives, tables.
//!
//! Every reader gives a [`Read`]; what all formats have in common (classes, shapes, digests) is checked here, once.

mod error;
mod folder;
mod npy;
mod npz;
mod order;
mod pairs;
pub(super) mod picture;
mod table;
pub(super) mod unlabelled;
mod values;

pub use error::OwnError;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::{DataError, Dataset, Images};
use cryptodl_spec::{DatasetSource, DatasetSpec, ImageCatalog, ImageFacts, ImageFiles, Shape};

/// Fewest and most classes.
const CLASSES: [usize; 2] = [2, 1000];
/// The most values of one image, so that a wrong header is not taken for an image.
const MAX_VALUES: usize = 1 << 22;
/// The most bytes of pixels that are read.
const MAX_BYTES: u64 = 1 << 33;

/// Reads images in files when a spec that names some is checked.
#[derive(Clone, Copy, Debug)]
pub struct OwnData;

impl ImageCatalog for OwnData {
    fn facts(&self, files: &ImageFiles) -> Result<ImageFacts, Box<dyn Error>> {
        let content = read(files)?;
        Ok(ImageFacts {
            shape: content.shape,
            classes: content.classes.len(),
            train: content.train.len(),
            test: content.test.as_ref().map(Images::len),
        })
    }
}

/// Labelled images as a reader found them.
struct Read {
    /// In words.
    format: &'static str,
    shape: Shape,
    train: Split,
    /// None where the files have no split.
    test: Option<Split>,
    /// Names of the classes, where the files have some besides the labels.
    names: Option<Vec<String>>,
}

/// The images of one split.
struct Split {
    /// Where they are from.
    path: PathBuf,
    /// `[n, channels, height, width]`.
    pixels: Vec<u8>,
    labels: Labels,
    /// What the images are called, where they are files of their own.
    names: Option<Vec<String>>,
}

/// Labels as files have them.
enum Labels {
    /// The number of a class, from 0.
    Numbers(Vec<i64>),
    /// The name of a class.
    Names(Vec<String>),
}

impl Labels {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Names(names) => names.len(),
        }
    }
}

/// Images in files, read and checked.
pub(super) struct Content {
    pub format: &'static str,
    pub shape: Shape,
    pub classes: Vec<String>,
    /// All images where the files have no split.
    pub train: Images,
    pub test: Option<Images>,
    /// What the images are called among which the test images are, where they are files of their own.
    names: Option<Vec<String>>,
    /// BLAKE3 of shape, class names, labels and pixels, the same in whatever format they are kept.
    pub digest: [u8; 32],
}

/// The images of a spec that names files, split where the files have no split, in an order that mixes the classes evenly: the first images
/// of a split are like all of them. Seed, counts and content say which images these are.
pub(super) fn load(
    spec: &DatasetSpec,
    files: &ImageFiles,
    seed: u64,
) -> Result<Dataset, DataError> {
    let content = read(files)?;
    let (train, test) = spec.counts();
    let mixed = |images: &Images, salt| order::mixed(&images.labels, seed, salt);
    let (train, test, order) = match &content.test {
        Some(images) => {
            let (first, second) = (mixed(&content.train, 0), mixed(images, 1));
            let take = |order: &[usize], n: usize| order.get(..n).map(<[usize]>::to_vec);
            match (take(&first, train), take(&second, test)) {
                (Some(first), Some(second)) => {
                    (content.train.select(&first), images.select(&second), second)
                }
                _ => return Err(fewer(spec, train, test)),
            }
        }
        None => {
            let order = mixed(&content.train, 0);
            match (order.get(test..test + train), order.get(..test)) {
                (Some(first), Some(second)) => (
                    content.train.select(first),
                    content.train.select(second),
                    second.to_vec(),
                ),
                _ => return Err(fewer(spec, train, test)),
            }
        }
    };
    let (mean, std) = statistics(&train);
    if let Some(channel) = std.iter().position(|std| *std <= 0.0) {
        return Err(OwnError::Constant { channel }.at(&files.path));
    }
    Ok(Dataset {
        source: spec.source.clone(),
        classes: content.classes.len(),
        class_names: content.classes.clone(),
        digest: digest(&content, seed, spec.counts()),
        mean,
        std,
        files: Vec::new(),
        test_names: order
            .into_iter()
            .map(|index| match &content.names {
                Some(names) => names[index].clone(),
                None => index.to_string(),
            })
            .collect(),
        train,
        test,
    })
}

/// The digest of the images of a spec, for the key of a stage.
pub(super) fn verify(
    spec: &DatasetSpec,
    files: &ImageFiles,
    seed: u64,
) -> Result<[u8; 32], DataError> {
    Ok(digest(&*read(files)?, seed, spec.counts()))
}

fn digest(content: &Content, seed: u64, (train, test): (usize, usize)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cryptodl data set, files of one's own, 1");
    hasher.update(&content.digest);
    for number in [seed, train as u64, test as u64] {
        hasher.update(&number.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// The files have changed since the spec was checked.
fn fewer(spec: &DatasetSpec, train: usize, test: usize) -> DataError {
    DataError::TooFew {
        dataset: spec.source.name().into_owned(),
        split: "training and test",
        wanted: train + test,
        available: match spec.source {
            DatasetSource::Files { facts, .. } => facts.train + facts.test.unwrap_or(0),
            DatasetSource::Name(_) => 0,
        },
    }
}

/// Mean and standard deviation of `byte / 255`, per channel.
fn statistics(images: &Images) -> (Vec<f32>, Vec<f32>) {
    let Shape {
        channels,
        height,
        width,
    } = images.shape;
    let mut counts = vec![[0_u64; 256]; channels];
    for (index, plane) in images.pixels.chunks_exact(height * width).enumerate() {
        let counts = &mut counts[index % channels];
        for byte in plane {
            counts[usize::from(*byte)] += 1;
        }
    }
    counts
        .iter()
        .map(|counts| {
            // Exact: sums of integers.
            let (mut n, mut sum, mut squares) = (0_u128, 0_u128, 0_u128);
            for (byte, count) in (0_u128..).zip(counts) {
                let count = u128::from(*count);
                n += count;
                sum += count * byte;
                squares += count * byte * byte;
            }
            let n = n.max(1);
            let spread = (squares * n - sum * sum) as f64;
            let scale = 255.0 * n as f64;
            ((sum as f64 / scale) as f32, (spread.sqrt() / scale) as f32)
        })
        .unzip()
}

/// What tells whether files have changed since they were read.
#[derive(PartialEq)]
struct Stamp {
    files: ImageFiles,
    entries: Vec<(PathBuf, u64, Option<SystemTime>)>,
}

/// The files that were read last: a run checks its spec, makes its keys and trains on the same ones.
static LAST: Mutex<Option<(Stamp, Arc<Content>)>> = Mutex::new(None);

/// Reads and checks files, unless they are those that were read last.
pub(super) fn read(files: &ImageFiles) -> Result<Arc<Content>, DataError> {
    let mut entries = Vec::new();
    list(&files.path, &mut entries)?;
    let stamp = Stamp {
        files: files.clone(),
        entries,
    };
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, content)) = &*last
        && *known == stamp
    {
        return Ok(Arc::clone(content));
    }
    // Two data sets in memory at once are one too many.
    *last = None;
    let content = Arc::new(checked(files, by_format(files)?)?);
    *last = Some((stamp, Arc::clone(&content)));
    Ok(content)
}

/// Every file below `path`, in a fixed order.
fn list(
    path: &Path,
    entries: &mut Vec<(PathBuf, u64, Option<SystemTime>)>,
) -> Result<(), DataError> {
    let metadata = fs::metadata(path).map_err(DataError::io(path))?;
    if metadata.is_dir() {
        for inner in folder::entries(path)? {
            list(&inner, entries)?;
        }
    } else {
        entries.push((path.to_owned(), metadata.len(), metadata.modified().ok()));
    }
    Ok(())
}

fn by_format(files: &ImageFiles) -> Result<Read, DataError> {
    let path = &files.path;
    if path.is_dir() {
        if let Some(read) = pairs::read(path)? {
            return Ok(read);
        }
        if let Some(read) = table::read_folder(path, files)? {
            return Ok(read);
        }
        return folder::read(path);
    }
    match extension(path).as_str() {
        "npz" => npz::read(path, files),
        "csv" | "parquet" => table::read(path, files),
        _ => Err(OwnError::Format.at(path)),
    }
}

/// The extension in small letters.
fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}

/// Numbers the classes and checks everything that does not depend on the format.
fn checked(files: &ImageFiles, read: Read) -> Result<Content, DataError> {
    let Read {
        format,
        shape,
        train,
        test,
        names,
    } = read;
    let values = shape.len();
    if values == 0 || values > MAX_VALUES {
        return Err(OwnError::Shape { shape }.at(&train.path));
    }
    let classes = classes(&train, files.classes.as_ref().or(names.as_ref()))?;
    let [fewest, most] = CLASSES;
    if !(fewest..=most).contains(&classes.len()) {
        let found = classes.len();
        return Err(OwnError::Classes { found }.at(&train.path));
    }
    let train_path = train.path.clone();
    let split_names = test
        .as_ref()
        .map_or(&train.names, |test| &test.names)
        .clone();
    let train = numbered(train, shape, &classes)?;
    let mut seen = vec![false; classes.len()];
    for label in &train.labels {
        seen[usize::from(*label)] = true;
    }
    if let Some(index) = seen.iter().position(|seen| !seen) {
        let class = classes[index].clone();
        return Err(OwnError::NoImage { class, index }.at(&train_path));
    }
    let test = match test {
        Some(test) if test.labels.len() == 0 => return Err(OwnError::Empty.at(&test.path)),
        Some(test) => Some(numbered(test, shape, &classes)?),
        None => None,
    };
    let digest = content_digest(shape, &classes, &train, test.as_ref());
    Ok(Content {
        format,
        shape,
        classes,
        train,
        test,
        names: split_names,
        digest,
    })
}

/// The names of the classes: those that were given, or those that the labels are.
fn classes(train: &Split, given: Option<&Vec<String>>) -> Result<Vec<String>, DataError> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    match &train.labels {
        Labels::Names(names) => {
            let mut classes = names.clone();
            classes.sort_unstable();
            classes.dedup();
            // Folders called 0 to 10 are in the order of their numbers.
            if classes.iter().all(|name| name.parse::<u64>().is_ok()) {
                classes.sort_by_key(|name| name.parse::<u64>().unwrap_or(u64::MAX));
            }
            Ok(classes)
        }
        Labels::Numbers(numbers) => {
            let most = CLASSES[1];
            let largest = numbers.iter().copied().max().unwrap_or(-1);
            match usize::try_from(largest) {
                Ok(largest) if largest < most => {
                    Ok((0..=largest).map(|class| class.to_string()).collect())
                }
                _ => {
                    let index = numbers.iter().position(|label| *label == largest);
                    Err(OwnError::Label {
                        index: index.unwrap_or(0),
                        label: largest.to_string(),
                        classes: most,
                    }
                    .at(&train.path))
                }
            }
        }
    }
}

/// Labels as numbers of `classes`.
fn numbered(split: Split, shape: Shape, classes: &[String]) -> Result<Images, DataError> {
    let Split {
        path,
        pixels,
        labels,
        ..
    } = split;
    let unknown = |index, label: String| {
        OwnError::Label {
            index,
            label,
            classes: classes.len(),
        }
        .at(&path)
    };
    let images = pixels.len() / shape.len();
    if images != labels.len() {
        let labels = labels.len();
        return Err(OwnError::Counts { images, labels }.at(&path));
    }
    let numbers: Result<Vec<u16>, DataError> = match labels {
        Labels::Numbers(numbers) => numbers
            .into_iter()
            .enumerate()
            .map(|(index, label)| match u16::try_from(label) {
                Ok(number) if usize::from(number) < classes.len() => Ok(number),
                _ => Err(unknown(index, label.to_string())),
            })
            .collect(),
        Labels::Names(names) => {
            let known: std::collections::HashMap<&str, u16> =
                classes.iter().map(String::as_str).zip(0..).collect();
            let number = |(index, name): (usize, String)| match known.get(name.as_str()) {
                Some(number) => Ok(*number),
                None => Err(unknown(index, name)),
            };
            names.into_iter().enumerate().map(number).collect()
        }
    };
    Images::new(shape, pixels, numbers?)
}

fn content_digest(
    shape: Shape,
    classes: &[String],
    train: &Images,
    test: Option<&Images>,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cryptodl images in files, content, 1");
    let number = |hasher: &mut blake3::Hasher, number: usize| {
        hasher.update(&(number as u64).to_le_bytes());
    };
    for size in [shape.channels, shape.height, shape.width, classes.len()] {
        number(&mut hasher, size);
    }
    for name in classes {
        number(&mut hasher, name.len());
        hasher.update(name.as_bytes());
    }
    for images in [Some(train), test].into_iter().flatten() {
        number(&mut hasher, images.len());
        for label in &images.labels {
            hasher.update(&label.to_le_bytes());
        }
        hasher.update_rayon(&images.pixels);
    }
    *hasher.finalize().as_bytes()
}
