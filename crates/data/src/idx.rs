//! The IDX format of MNIST and Fashion-MNIST: a big-endian header, then bytes. <http://yann.lecun.com/exdb/mnist/>
//!
//! Nothing is allocated on the word of a header: sizes are checked against [`MAX_BYTES`] first, and memory grows only with bytes
//! that were really read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::DataError;
use cryptodl_spec::Shape;

/// Magic number of a file of images: unsigned bytes (8), three dimensions.
pub const IMAGES_MAGIC: u32 = 0x0000_0803;
/// Magic number of a file of labels: unsigned bytes (8), one dimension.
pub const LABELS_MAGIC: u32 = 0x0000_0801;
/// No IDX file of this project's data sets comes near this many bytes (MNIST: 47 MB).
pub const MAX_BYTES: u64 = 1 << 30;

/// The first two bytes of every gzip file (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// Not an IDX file of the wanted kind.
    #[error("not an IDX file of {kind}: magic number {found:#010x} instead of {expected:#010x}")]
    Magic {
        /// `images` or `labels`.
        kind: &'static str,
        /// The magic number of that kind.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// Images of another size.
    #[error("images of {rows}x{columns} pixels instead of {}x{}", expected.height, expected.width)]
    ImageSize {
        /// Rows in the header.
        rows: u32,
        /// Columns in the header.
        columns: u32,
        /// The wanted shape.
        expected: Shape,
    },
    /// The header promises more than any such file holds.
    #[error(
        "the header announces {count} items of {item} bytes; at most {MAX_BYTES} bytes are accepted"
    )]
    TooLarge {
        /// Items in the header.
        count: u32,
        /// Bytes of one item.
        item: u64,
    },
    /// The file ends early.
    #[error("cut short: {found} bytes of {expected} {what}")]
    Truncated {
        /// `header` or `content`.
        what: &'static str,
        /// Bytes there should be.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The file goes on after its last item.
    #[error("goes on after the {expected} bytes that the header announces")]
    Trailing {
        /// Bytes there should be.
        expected: u64,
    },
    /// A label of no class.
    #[error("label {label} at index {index}: there are {classes} classes, from 0")]
    Label {
        /// Where.
        index: usize,
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// A read failed, or the compressed data are broken.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads a file of grey images of `shape` (one channel) and gives their pixels, `[n, height, width]`.
///
/// # Errors
/// [`IdxError`] where any header field, the length or, in a gzip stream, the check sum is wrong.
pub fn read_images(reader: impl Read, shape: Shape) -> Result<Vec<u8>, IdxError> {
    let fits = |rows, columns| match (1, rows as usize, columns as usize) {
        found if found == (shape.channels, shape.height, shape.width) => Ok(()),
        _ => Err(IdxError::ImageSize {
            rows,
            columns,
            expected: shape,
        }),
    };
    Ok(read_sized(reader, fits)?.1)
}

/// Reads a file of grey images of any size, and gives that and their pixels, `[n, height, width]`.
///
/// # Errors
/// As [`read_images`].
pub fn read_images_of_any_size(reader: impl Read) -> Result<(Shape, Vec<u8>), IdxError> {
    read_sized(reader, |_, _| Ok(()))
}

fn read_sized(
    mut reader: impl Read,
    check: impl FnOnce(u32, u32) -> Result<(), IdxError>,
) -> Result<(Shape, Vec<u8>), IdxError> {
    let [magic, count, rows, columns] = read_header(&mut reader)?;
    check_magic("images", IMAGES_MAGIC, magic)?;
    check(rows, columns)?;
    let shape = Shape {
        channels: 1,
        height: rows as usize,
        width: columns as usize,
    };
    let content = read_content(reader, count, u64::from(rows) * u64::from(columns))?;
    Ok((shape, content))
}

/// Reads a file of labels, each below `classes`.
///
/// # Errors
/// As [`read_images`], and [`IdxError::Label`].
pub fn read_labels(mut reader: impl Read, classes: usize) -> Result<Vec<u16>, IdxError> {
    let [magic, count] = read_header(&mut reader)?;
    check_magic("labels", LABELS_MAGIC, magic)?;
    let labels = read_content(reader, count, 1)?;
    match labels
        .iter()
        .position(|&label| usize::from(label) >= classes)
    {
        Some(index) => Err(IdxError::Label {
            index,
            label: labels[index],
            classes,
        }),
        None => Ok(labels.into_iter().map(u16::from).collect()),
    }
}

/// [`read_images`] of a file, gzip or raw by its first bytes.
///
/// # Errors
/// [`DataError::Io`] where it cannot be opened, [`DataError::Idx`] where it is not what it should be.
pub fn read_images_file(path: &Path, shape: Shape) -> Result<Vec<u8>, DataError> {
    let reader = open(path)?;
    read_images(reader, shape).map_err(|source| DataError::Idx {
        path: path.to_owned(),
        source,
    })
}

/// [`read_labels`] of a file, gzip or raw by its first bytes.
///
/// # Errors
/// As [`read_images_file`].
pub fn read_labels_file(path: &Path, classes: usize) -> Result<Vec<u16>, DataError> {
    let reader = open(path)?;
    read_labels(reader, classes).map_err(|source| DataError::Idx {
        path: path.to_owned(),
        source,
    })
}

/// A file whose bytes may be packed by gzip.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let io_error = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io_error)?);
    let packed = io::BufRead::fill_buf(&mut file)
        .map_err(io_error)?
        .starts_with(&GZIP_MAGIC);
    Ok(if packed {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

fn read_header<const N: usize>(reader: &mut impl Read) -> Result<[u32; N], IdxError> {
    let mut bytes = Vec::with_capacity(4 * N);
    let expected = 4 * N as u64;
    read_up_to(reader, expected, &mut bytes)?;
    if bytes.len() as u64 != expected {
        return Err(IdxError::Truncated {
            what: "header",
            expected,
            found: bytes.len() as u64,
        });
    }
    let mut fields = [0; N];
    for (field, chunk) in fields.iter_mut().zip(bytes.chunks_exact(4)) {
        *field = u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    Ok(fields)
}

fn check_magic(kind: &'static str, expected: u32, found: u32) -> Result<(), IdxError> {
    if found == expected {
        Ok(())
    } else {
        Err(IdxError::Magic {
            kind,
            expected,
            found,
        })
    }
}

fn read_content(mut reader: impl Read, count: u32, item: u64) -> Result<Vec<u8>, IdxError> {
    let expected = u64::from(count)
        .checked_mul(item)
        .filter(|&bytes| bytes <= MAX_BYTES)
        .ok_or(IdxError::TooLarge { count, item })?;
    let mut content = Vec::new();
    // One byte more than announced: it shows what follows, and makes a gzip reader reach its check sum.
    read_up_to(&mut reader, expected + 1, &mut content)?;
    let found = content.len() as u64;
    if found < expected {
        return Err(IdxError::Truncated {
            what: "content",
            expected,
            found,
        });
    }
    if found > expected {
        return Err(IdxError::Trailing { expected });
    }
    content.shrink_to_fit();
    Ok(content)
}

/// Appends at most `limit` bytes. A gzip stream that ends early counts as the end, so that the caller can say how much was there.
fn read_up_to(reader: &mut impl Read, limit: u64, bytes: &mut Vec<u8>) -> Result<(), IdxError> {
    match reader.take(limit).read_to_end(bytes) {
        Ok(_) => Ok(()),
        Err(error)
            if error.kind() == io::ErrorKind::UnexpectedEof && (bytes.len() as u64) + 1 < limit =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape {
        channels: 1,
        height: 2,
        width: 3,
    };

    fn file(header: &[u32], content: &[u8]) -> Vec<u8> {
        header
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .chain(content.iter().copied())
            .collect()
    }

    fn images() -> Vec<u8> {
        file(
            &[IMAGES_MAGIC, 2, 2, 3],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        )
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn images_and_labels_are_read_raw_and_gzipped() {
        let pixels: Vec<u8> = (1..=12).collect();
        assert_eq!(read_images(&images()[..], SHAPE).unwrap(), pixels);
        assert_eq!(
            read_images_file(on_disk(&images()).path(), SHAPE).unwrap(),
            pixels
        );
        assert_eq!(
            read_images_file(on_disk(&gzip(&images())).path(), SHAPE).unwrap(),
            pixels
        );
        let labels = file(&[LABELS_MAGIC, 3], &[0, 9, 5]);
        assert_eq!(
            read_labels_file(on_disk(&gzip(&labels)).path(), 10).unwrap(),
            [0, 9, 5]
        );
    }

    #[test]
    fn every_header_field_is_checked() {
        let read = |header: [u32; 4]| read_images(&file(&header, &[0; 6])[..], SHAPE).unwrap_err();
        assert!(matches!(
            read([LABELS_MAGIC, 1, 2, 3]),
            IdxError::Magic {
                found: LABELS_MAGIC,
                ..
            }
        ));
        assert!(matches!(
            read([IMAGES_MAGIC, 1, 3, 2]),
            IdxError::ImageSize {
                rows: 3,
                columns: 2,
                ..
            }
        ));
        assert!(matches!(
            read([IMAGES_MAGIC, 2, 2, 3]),
            IdxError::Truncated {
                expected: 12,
                found: 6,
                ..
            }
        ));
        assert!(matches!(
            read([IMAGES_MAGIC, 0, 2, 3]),
            IdxError::Trailing { expected: 0 }
        ));
        let labels = file(&[LABELS_MAGIC, 2], &[3, 10]);
        assert!(matches!(
            read_labels(&labels[..], 10).unwrap_err(),
            IdxError::Label {
                index: 1,
                label: 10,
                ..
            }
        ));
    }

    #[test]
    fn hostile_sizes_are_refused_before_anything_is_allocated() {
        let huge = Shape {
            channels: 1,
            height: u32::MAX as usize,
            width: u32::MAX as usize,
        };
        let header = file(&[IMAGES_MAGIC, u32::MAX, u32::MAX, u32::MAX], &[]);
        assert!(matches!(
            read_images(&header[..], huge).unwrap_err(),
            IdxError::TooLarge {
                count: u32::MAX,
                ..
            }
        ));
        // Below the limit, but not there: memory grows with what was read only.
        let header = file(&[LABELS_MAGIC, MAX_BYTES as u32], &[1]);
        assert!(matches!(
            read_labels(&header[..], 10).unwrap_err(),
            IdxError::Truncated { found: 1, .. }
        ));
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for whole in [images(), gzip(&images())] {
            for length in 0..whole.len() {
                let error = read_images_file(on_disk(&whole[..length]).path(), SHAPE);
                assert!(
                    matches!(error, Err(DataError::Idx { .. })),
                    "{length} of {} bytes: {error:?}",
                    whole.len()
                );
            }
        }
    }

    #[test]
    fn a_flipped_bit_of_a_gzip_stream_is_noticed() {
        let mut packed = gzip(&images());
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        assert!(read_images_file(on_disk(&packed).path(), SHAPE).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), head in 0_usize..4) {
            let mut bytes = bytes;
            for (byte, good) in bytes.iter_mut().zip(images().iter().take(4 * head)) {
                *byte = *good;
            }
            let _ = read_images(&bytes[..], SHAPE);
            let _ = read_labels(&bytes[..], 10);
        }
    }
}
