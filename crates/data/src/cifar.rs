//! The binary version of CIFAR-10: records of one label byte and 3 x 32 x 32 pixel bytes. <https://www.cs.toronto.edu/~kriz/cifar.html>

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::{DataError, Images};
use cryptodl_spec::DatasetName;

/// Images of one official batch.
pub const BATCH_IMAGES: usize = 10_000;
/// Classes.
pub const CLASSES: u8 = 10;

/// What is wrong with a CIFAR-10 file.
#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    /// Another number of records than wanted.
    #[error("{found} bytes instead of {expected} ({images} images)")]
    Length {
        /// Images there should be.
        images: usize,
        /// Bytes there should be.
        expected: u64,
        /// Bytes there are; one more than expected stands for any larger number.
        found: u64,
    },
    /// A label of no class.
    #[error("label {label} at index {index}: the classes are 0 to {}", CLASSES - 1)]
    Label {
        /// Where.
        index: usize,
        /// The label.
        label: u8,
    },
    /// The archive lacks a batch.
    #[error("{0} is not in the archive")]
    NotInArchive(String),
    /// A read failed, or the compressed data are broken.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads a batch of exactly `count` images.
///
/// # Errors
/// [`CifarError`] where the length or a label is wrong.
pub fn read_batch(reader: impl Read, count: usize) -> Result<Images, CifarError> {
    let shape = DatasetName::Cifar10.shape();
    let record = 1 + shape.len();
    let expected = (count * record) as u64;
    let mut bytes = Vec::new();
    // One byte more than wanted shows whether the file goes on; memory grows with what is really there.
    reader.take(expected + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != expected {
        return Err(CifarError::Length {
            images: count,
            expected,
            found: bytes.len() as u64,
        });
    }
    let mut labels = Vec::with_capacity(count);
    let mut pixels = Vec::with_capacity(count * shape.len());
    for (index, record) in bytes.chunks_exact(record).enumerate() {
        if record[0] >= CLASSES {
            return Err(CifarError::Label {
                index,
                label: record[0],
            });
        }
        labels.push(u16::from(record[0]));
        pixels.extend_from_slice(&record[1..]);
    }
    Ok(Images {
        shape,
        pixels,
        labels,
    })
}

/// [`read_batch`] of a file.
///
/// # Errors
/// [`DataError::Io`] where it cannot be opened, [`DataError::Cifar`] where it is not what it should be.
pub fn read_batch_file(path: &Path, count: usize) -> Result<Images, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    read_batch(file, count).map_err(|source| DataError::Cifar {
        path: path.to_owned(),
        source,
    })
}

/// Reads the batches called `names` (paths inside the archive) of `count` images each from a `.tar.gz`, in the order of `names`.
///
/// Nothing is written to the disk, so names inside the archive can do no harm.
///
/// # Errors
/// As [`read_batch_file`]; [`CifarError::NotInArchive`] where a name is missing.
pub fn read_archive(path: &Path, names: &[&str], count: usize) -> Result<Vec<Images>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    let reader = GzDecoder::new(BufReader::with_capacity(1 << 16, file));
    read_tar(reader, names, count).map_err(|source| DataError::Cifar {
        path: path.to_owned(),
        source,
    })
}

fn read_tar(reader: impl Read, names: &[&str], count: usize) -> Result<Vec<Images>, CifarError> {
    let mut found: Vec<Option<Images>> = vec![None; names.len()];
    for entry in tar::Archive::new(reader).entries()? {
        let entry = entry?;
        let path = entry.path_bytes();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let Some(index) = names.iter().position(|name| name.as_bytes() == path) else {
            continue;
        };
        found[index] = Some(read_batch(entry, count)?);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    let missing = |index: usize| CifarError::NotInArchive(names[index].to_owned());
    found
        .into_iter()
        .enumerate()
        .map(|(index, images)| images.ok_or_else(|| missing(index)))
        .collect()
}

/// Puts batches together, in order.
pub fn concatenate(batches: impl IntoIterator<Item = Images>) -> Images {
    let mut all = Images {
        shape: DatasetName::Cifar10.shape(),
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for batch in batches {
        all.pixels.extend_from_slice(&batch.pixels);
        all.labels.extend_from_slice(&batch.labels);
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn batch(labels: &[u8]) -> Vec<u8> {
        let record = |&label: &u8| {
            std::iter::once(label).chain((0..3072).map(move |i| (i % 251) as u8 ^ label))
        };
        labels.iter().flat_map(record).collect()
    }

    fn archive(entries: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder
                .append_data(&mut header, name, &content[..])
                .unwrap();
        }
        let packed = builder.into_inner().unwrap().finish().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&packed).unwrap();
        file
    }

    #[test]
    fn records_give_labels_and_planes() {
        let images = read_batch(&batch(&[3, 9])[..], 2).unwrap();
        assert_eq!(images.labels, [3, 9]);
        assert_eq!(images.image(1)[..3], [9, 8, 11]);
        assert_eq!(images.pixels.len(), 2 * 3072);
    }

    #[test]
    fn wrong_lengths_and_labels_are_refused() {
        let bytes = batch(&[1, 2]);
        let cut = read_batch(&bytes[..bytes.len() - 1], 2).unwrap_err();
        assert!(
            matches!(
                cut,
                CifarError::Length {
                    images: 2,
                    found: 6145,
                    ..
                }
            ),
            "{cut}"
        );
        assert!(matches!(
            read_batch(&bytes[..], 1).unwrap_err(),
            CifarError::Length { found: 3074, .. }
        ));
        assert!(matches!(
            read_batch(&batch(&[1, 10])[..], 2).unwrap_err(),
            CifarError::Label {
                index: 1,
                label: 10
            }
        ));
    }

    #[test]
    fn an_archive_is_read_in_the_order_asked_for() {
        let file = archive(&[
            ("d/b.bin", batch(&[5])),
            ("d/readme", b"hello".to_vec()),
            ("./d/a.bin", batch(&[4])),
        ]);
        let batches = read_archive(file.path(), &["d/a.bin", "d/b.bin"], 1).unwrap();
        assert_eq!(concatenate(batches).labels, [4, 5]);
        let error = read_archive(file.path(), &["d/a.bin", "d/c.bin"], 1).unwrap_err();
        assert!(
            error.to_string().contains("d/c.bin is not in the archive"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_archive_is_refused() {
        let whole = std::fs::read(archive(&[("a", batch(&[1, 2, 3]))]).path()).unwrap();
        for length in [0, 1, 11, whole.len() / 2] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&whole[..length]).unwrap();
            assert!(
                read_archive(file.path(), &["a"], 3).is_err(),
                "{length} bytes"
            );
        }
    }
}
