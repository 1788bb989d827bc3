//! Loading whole data sets: tiny ones of the official formats, and the real ones where `CRYPTODL_DATA_DIR` has them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod real;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::digest::sha256_of;
use super::official::{OfficialFile, Part};
use super::*;
use cryptodl_spec::Shape;

const TRAIN: usize = 5;
const TEST: usize = 3;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(header: &[u32], content: impl Iterator<Item = u8>) -> Vec<u8> {
    header
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .chain(content)
        .collect()
}

/// Fashion-MNIST in small: official names and format, a few images, the digests of these files in place of the official ones.
struct Tiny {
    set: OfficialSet,
    /// Raw content by name.
    raw: Vec<(&'static str, Vec<u8>)>,
    folder: tempfile::TempDir,
}

impl Tiny {
    fn new(test_labels: usize) -> Self {
        let images = |n: usize| {
            idx(
                &[idx::IMAGES_MAGIC, n as u32, 28, 28],
                (0..n * 784).map(|i| (i % 253) as u8),
            )
        };
        let labels = |n: usize| {
            idx(
                &[idx::LABELS_MAGIC, n as u32],
                (0..n).map(|i| (i % 10) as u8),
            )
        };
        let raw = vec![
            ("train-images-idx3-ubyte", images(TRAIN)),
            ("train-labels-idx1-ubyte", labels(TRAIN)),
            ("t10k-images-idx3-ubyte", images(TEST)),
            ("t10k-labels-idx1-ubyte", labels(test_labels)),
        ];
        let official = |name: String, content: &[u8]| -> &'static [OfficialFile] {
            let (bytes, sha256) = sha256_of(content).unwrap();
            Box::leak(Box::new([OfficialFile {
                name: String::leak(name),
                bytes,
                sha256,
            }]))
        };
        let part = |(name, content): &(&'static str, Vec<u8>)| Part {
            packed: official(format!("{name}.gz"), &gzip(content)),
            unpacked: official((*name).to_owned(), content),
        };
        let parts: Vec<Part> = raw.iter().map(part).collect();
        let set = OfficialSet {
            dataset: DatasetName::FashionMnist,
            parts: Vec::leak(parts),
            mirrors: &[],
        };
        Self {
            set,
            raw,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes all files to a place, file `i` packed where `packed(i)`.
    fn write(&self, place: &str, packed: impl Fn(usize) -> bool) {
        for (i, (name, content)) in self.raw.iter().enumerate() {
            if packed(i) {
                self.write_one(place, &format!("{name}.gz"), &gzip(content));
            } else {
                self.write_one(place, name, content);
            }
        }
    }

    fn write_one(&self, place: &str, name: &str, content: &[u8]) {
        let folder = self.place(place).join("fashion-mnist");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    }

    fn load(&self, place: &str) -> Result<Dataset, DataError> {
        load_official(
            &self.set,
            (TRAIN, TEST),
            &DataDirs::resolve(Some(&self.place(place))),
        )
    }
}

#[test]
fn packed_raw_and_mixed_files_give_the_same_data_set() {
    let tiny = Tiny::new(TEST);
    tiny.write("packed", |_| true);
    tiny.write("raw", |_| false);
    tiny.write("mixed", |i| i % 2 == 0);
    let packed = tiny.load("packed").unwrap();
    assert_eq!(
        (packed.train.len(), packed.test.len(), packed.classes),
        (TRAIN, TEST, 10)
    );
    assert_eq!(
        packed.train.shape,
        Shape {
            channels: 1,
            height: 28,
            width: 28
        }
    );
    assert_eq!(packed.class_names[9], "Ankle boot");
    assert_eq!(packed.train.labels, [0, 1, 2, 3, 4]);
    assert_eq!(packed.train.image(1)[0], (784 % 253) as u8);
    assert_eq!(packed.files.len(), 4);
    for place in ["raw", "mixed"] {
        let other = tiny.load(place).unwrap();
        assert_eq!(
            (&other.train, &other.test, other.digest),
            (&packed.train, &packed.test, packed.digest)
        );
    }
}

#[test]
fn counts_are_part_of_the_digest_and_cut_the_images() {
    let tiny = Tiny::new(TEST);
    tiny.write("p", |_| true);
    let dirs = DataDirs::resolve(Some(&tiny.place("p")));
    let part = load_official(&tiny.set, (2, 1), &dirs).unwrap();
    assert_eq!(
        (part.train.labels.as_slice(), part.test.len()),
        (&[0, 1][..], 1)
    );
    assert_ne!(part.digest, tiny.load("p").unwrap().digest);
    let spec = DatasetSpec {
        train: Some(60_001),
        ..DatasetSpec::whole(DatasetName::FashionMnist)
    };
    let error = verify(&spec, 7, &dirs).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error
            .to_string()
            .contains("60001 training images, but fashion-mnist has 60000"),
        "{error}"
    );
}

#[test]
fn missing_files_are_named_with_their_places_and_the_fetch_command() {
    let tiny = Tiny::new(TEST);
    tiny.write("p", |_| true);
    fs::remove_file(
        tiny.place("p")
            .join("fashion-mnist/t10k-labels-idx1-ubyte.gz"),
    )
    .unwrap();
    let error = tiny.load("p").unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    let folder = tiny.place("p").join("fashion-mnist");
    for wanted in [
        "t10k-labels-idx1-ubyte.gz",
        "cryptodl data fetch fashion-mnist",
        folder.to_str().unwrap(),
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(!text.contains("train-images"), "{text}");
    let text = tiny.load("nowhere").unwrap_err().to_string();
    assert!(
        tiny.raw.iter().all(|(name, _)| text.contains(name)),
        "{text}"
    );
}

#[test]
fn a_wrong_file_is_an_error_even_if_another_copy_is_right() {
    let tiny = Tiny::new(TEST);
    tiny.write("second", |_| true);
    let dirs = DataDirs::two(&tiny.place("first"), &tiny.place("second"));
    let load = || load_official(&tiny.set, (TRAIN, TEST), &dirs);
    assert!(
        load().is_ok(),
        "the second place is used where the first has nothing"
    );
    let mut wrong = gzip(&tiny.raw[2].1);
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    tiny.write_one("first", "t10k-images-idx3-ubyte.gz", &wrong);
    assert!(matches!(load().unwrap_err(), DataError::WrongDigest { .. }));

    // A wrong raw file beside a right packed one, in one folder.
    tiny.write_one("second", "t10k-images-idx3-ubyte", b"wrong");
    assert!(matches!(
        tiny.load("second").unwrap_err(),
        DataError::WrongDigest { .. }
    ));
}

#[test]
fn wrong_digests_are_told_with_file_expected_and_found() {
    let tiny = Tiny::new(TEST);
    tiny.write("p", |_| true);
    let name = "train-labels-idx1-ubyte.gz";
    let whole = gzip(&tiny.raw[1].1);
    tiny.write_one("p", name, &whole[..whole.len() - 3]);
    let error = tiny.load("p").unwrap_err();
    let text = error.to_string();
    let digest_of = |bytes: &[u8]| digest::hex(&sha256_of(bytes).unwrap().1);
    for part in [
        name,
        &digest_of(&whole),
        &digest_of(&whole[..whole.len() - 3]),
        "cut short",
        "data fetch",
    ] {
        assert!(text.contains(part), "{part} not in: {text}");
    }
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn different_numbers_of_images_and_labels_are_refused() {
    let tiny = Tiny::new(TEST + 1);
    tiny.write("p", |_| true);
    let error = tiny.load("p").unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Counts {
                images: TEST,
                labels: 4,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_folder_or_a_dead_link_in_place_of_a_file_is_wrong_and_not_missing() {
    let tiny = Tiny::new(TEST);
    tiny.write("p", |_| true);
    let path = tiny
        .place("p")
        .join("fashion-mnist/train-images-idx3-ubyte.gz");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(tiny.load("p").unwrap_err(), DataError::Io { .. }));
    #[cfg(unix)]
    {
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(matches!(tiny.load("p").unwrap_err(), DataError::Io { .. }));
    }
}

#[test]
fn half_a_cifar_folder_is_incomplete_and_names_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let batches = folder.path().join("cifar10/cifar-10-batches-bin");
    fs::create_dir_all(&batches).unwrap();
    fs::write(batches.join("data_batch_1.bin"), b"").unwrap();
    let spec = DatasetSpec::whole(DatasetName::Cifar10);
    let error = verify(&spec, 7, &DataDirs::resolve(Some(folder.path()))).unwrap_err();
    assert!(
        matches!(&error, DataError::Incomplete { present: 1, missing, .. } if missing.len() == 5),
        "{error}"
    );
    assert!(error.to_string().contains("test_batch.bin"), "{error}");
    let error = verify(&spec, 7, &DataDirs::resolve(Some(Path::new("nowhere")))).unwrap_err();
    assert!(
        error.to_string().contains("cifar-10-binary.tar.gz"),
        "{error}"
    );
}

#[test]
fn digits_need_no_file() {
    let dirs = DataDirs::resolve(Some(Path::new("nowhere")));
    let spec = DatasetSpec {
        train: Some(50),
        test: Some(20),
        ..DatasetSpec::whole(DatasetName::Digits)
    };
    let digits = load(&spec, 7, &dirs).unwrap();
    assert_eq!((digits.train.len(), digits.test.len()), (50, 20));
    assert_eq!(digits.digest, verify(&spec, 7, &dirs).unwrap());
    assert_ne!(digits.digest, verify(&spec, 8, &dirs).unwrap());
    let fewer = load(
        &DatasetSpec {
            train: Some(10),
            ..spec
        },
        7,
        &dirs,
    )
    .unwrap();
    assert_eq!(fewer.train, digits.train.range(0..10));
    assert_ne!(fewer.digest, digits.digest);
}
