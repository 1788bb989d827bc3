//! Tiny data sets of every format, made here; and everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use image::{ExtendedColorType, ImageEncoder};
use polars::prelude::{Column, CsvWriter, DataFrame, ParquetWriter, SerWriter};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use cryptodl_data::{
    DataDirs, DataError, Dataset, OwnData, describe, load, read_unlabelled, verify,
};
use cryptodl_spec::{DatasetSource, DatasetSpec, ImageCatalog, ImageFacts, ImageFiles, Shape};

const GREY: Shape = Shape {
    channels: 1,
    height: 4,
    width: 4,
};

/// The values of image `index`: all different, `shape.len()` of them.
fn image(index: usize, shape: Shape) -> Vec<u8> {
    (0..shape.len())
        .map(|at| (index * 7 + at * 5) as u8)
        .collect()
}

fn png(path: &Path, shape: Shape, planes: &[u8]) {
    let plane = shape.height * shape.width;
    let interleaved: Vec<u8> = (0..plane)
        .flat_map(|at| (0..shape.channels).map(move |channel| planes[channel * plane + at]))
        .collect();
    let kind = match shape.channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::codecs::png::PngEncoder::new(File::create(path).unwrap())
        .write_image(&interleaved, shape.width as u32, shape.height as u32, kind)
        .unwrap();
}

/// `classes` folders of ten pictures each below `folder`.
fn pictures(folder: &Path, classes: &[&str], shape: Shape) {
    for (class, name) in classes.iter().enumerate() {
        for index in 0..10 {
            let path = folder.join(name).join(format!("{index}.png"));
            png(&path, shape, &image(class * 10 + index, shape));
        }
    }
}

/// An array in a file of version 1, as `numpy.save` writes it.
fn npy(descr: &str, dims: &[usize], bytes: &[u8]) -> Vec<u8> {
    let sizes: String = dims.iter().map(|size| format!("{size}, ")).collect();
    let sizes = sizes.trim_end();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

fn archive(path: &Path, method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn files(path: &Path) -> ImageFiles {
    ImageFiles {
        path: path.to_owned(),
        label: ImageFiles::LABEL.to_owned(),
        shape: None,
        classes: None,
    }
}

fn facts(files: &ImageFiles) -> Result<ImageFacts, String> {
    OwnData.facts(files).map_err(|error| error.to_string())
}

fn spec(files: &ImageFiles) -> DatasetSpec {
    let facts = facts(files).unwrap();
    DatasetSpec::of(DatasetSource::Files {
        files: files.clone(),
        facts,
    })
}

fn read(files: &ImageFiles, seed: u64) -> Dataset {
    load(&spec(files), seed, &DataDirs::resolve(None)).unwrap()
}

/// Everything in the order of labels and pixels: the same images whatever their order.
fn sorted(dataset: &Dataset) -> Vec<(u16, Vec<u8>)> {
    let mut all: Vec<(u16, Vec<u8>)> = [&dataset.train, &dataset.test]
        .into_iter()
        .flat_map(|images| {
            (0..images.len()).map(|at| (images.labels[at], images.image(at).to_vec()))
        })
        .collect();
    all.sort_unstable();
    all
}

fn refused(files: &ImageFiles, wanted: &[&str]) {
    let error = facts(files).unwrap_err();
    for part in wanted {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

/// The same thirty images in three classes, in every format without a split.
fn everywhere(folder: &Path) -> Vec<ImageFiles> {
    let pictures_at = folder.join("pictures");
    pictures(&pictures_at, &["0", "1", "2"], GREY);
    let pixels: Vec<u8> = (0..30).flat_map(|index| image(index, GREY)).collect();
    let labels: Vec<u8> = (0..30).map(|index| index / 10).collect();

    let pair = folder.join("pair");
    fs::create_dir(&pair).unwrap();
    let idx = |magic: u32, sizes: &[u32], content: &[u8]| -> Vec<u8> {
        let header = [magic].into_iter().chain(sizes.iter().copied());
        let header = header.flat_map(u32::to_be_bytes);
        header.chain(content.iter().copied()).collect()
    };
    fs::write(
        pair.join("my-images-idx3-ubyte"),
        idx(0x803, &[30, 4, 4], &pixels),
    )
    .unwrap();
    fs::write(
        pair.join("my-labels-idx1-ubyte"),
        idx(0x801, &[30], &labels),
    )
    .unwrap();

    let npz = folder.join("a.npz");
    let wide: Vec<u8> = labels
        .iter()
        .flat_map(|label| i64::from(*label).to_le_bytes())
        .collect();
    let arrays = [
        ("x", npy("|u1", &[30, 4, 4], &pixels)),
        ("y", npy("<i8", &[30, 1], &wide)),
    ];
    archive(&npz, CompressionMethod::Deflated, &arrays);

    let mut columns = vec![Column::new(
        "digit".into(),
        labels.iter().map(|l| i64::from(*l)).collect::<Vec<_>>(),
    )];
    for at in 0..16 {
        let values: Vec<i64> = (0..30)
            .map(|index| i64::from(image(index, GREY)[at]))
            .collect();
        columns.push(Column::new(format!("pixel{at}").as_str().into(), values));
    }
    let mut frame = DataFrame::new_infer_height(columns).unwrap();
    let (csv, parquet) = (folder.join("a.csv"), folder.join("a.parquet"));
    CsvWriter::new(File::create(&csv).unwrap())
        .finish(&mut frame)
        .unwrap();
    ParquetWriter::new(File::create(&parquet).unwrap())
        .finish(&mut frame)
        .unwrap();

    let mut paths = String::from("file,digit\n");
    for (index, label) in labels.iter().enumerate() {
        paths.push_str(&format!("pictures/{label}/{}.png,{label}\n", index % 10));
    }
    fs::write(folder.join("paths.csv"), paths).unwrap();

    let table = |path: PathBuf| ImageFiles {
        label: "digit".to_owned(),
        ..files(&path)
    };
    vec![
        files(&pictures_at),
        files(&pair),
        files(&npz),
        table(csv),
        table(parquet),
        table(folder.join("paths.csv")),
    ]
}

#[test]
fn every_format_gives_the_same_images_and_the_same_digest() {
    let folder = tempfile::tempdir().unwrap();
    let all = everywhere(folder.path());
    let first = read(&all[0], 7);
    assert_eq!(
        (first.train.len(), first.test.len(), first.classes),
        (24, 6, 3)
    );
    assert_eq!(first.class_names, ["0", "1", "2"]);
    assert_eq!((first.mean.len(), first.train.shape), (1, GREY));
    let values = || {
        first
            .train
            .pixels
            .iter()
            .map(|byte| f64::from(*byte) / 255.0)
    };
    let n = first.train.pixels.len() as f64;
    let mean = values().sum::<f64>() / n;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    assert!((mean - f64::from(first.mean[0])).abs() < 1e-6);
    assert!((variance.sqrt() - f64::from(first.std[0])).abs() < 1e-6);
    for files in &all[1..] {
        let other = read(files, 7);
        assert_eq!(sorted(&other), sorted(&first), "{}", files.path.display());
        assert_eq!(other.digest, first.digest, "{}", files.path.display());
        assert_eq!(
            (other.train, other.test),
            (first.train.clone(), first.test.clone())
        );
    }
}

#[test]
fn the_split_is_even_and_made_by_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), &["cat", "dog", "owl"], GREY);
    let files = files(folder.path());
    let (a, b) = (read(&files, 1), read(&files, 2));
    for dataset in [&a, &b] {
        for class in 0..3 {
            let count = dataset
                .test
                .labels
                .iter()
                .filter(|label| **label == class)
                .count();
            assert_eq!(count, 2, "class {class}");
        }
    }
    assert_ne!(a.test, b.test);
    assert_eq!(sorted(&a), sorted(&b));
    assert_ne!(a.digest, b.digest);
    let dirs = DataDirs::resolve(None);
    let spec = spec(&files);
    assert_eq!(verify(&spec, 1, &dirs).unwrap(), a.digest);
    let fewer = DatasetSpec {
        train: Some(20),
        ..spec
    };
    assert_ne!(verify(&fewer, 1, &dirs).unwrap(), a.digest);
    assert!(!describe(&files).unwrap().is_split);
}

#[test]
fn a_changed_picture_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), &["cat", "dog"], GREY);
    let files = files(folder.path());
    let before = read(&files, 1);
    assert_eq!(before.class_names, ["cat", "dog"]);
    png(&folder.path().join("cat/new.png"), GREY, &image(99, GREY));
    let after = read(&files, 1);
    assert_eq!(after.train.len() + after.test.len(), 21);
    assert_ne!(before.digest, after.digest);
}

#[test]
fn folders_of_train_and_test_are_the_split() {
    let folder = tempfile::tempdir().unwrap();
    let colour = Shape {
        channels: 3,
        height: 2,
        width: 5,
    };
    pictures(&folder.path().join("train"), &["10", "9"], colour);
    pictures(&folder.path().join("val"), &["10", "9"], colour);
    let dataset = read(&files(folder.path()), 3);
    assert_eq!((dataset.train.len(), dataset.test.len()), (20, 20));
    assert_eq!((dataset.train.shape, dataset.mean.len()), (colour, 3));
    // Numbers are in the order of their values, and of the class 10 are the first ten pictures.
    assert_eq!(dataset.class_names, ["9", "10"]);
    let of_ten: Vec<Vec<u8>> = (0..20)
        .filter(|at| dataset.test.labels[*at] == 1)
        .map(|at| dataset.test.image(at).to_vec())
        .collect();
    assert!(of_ten.contains(&image(3, colour)));
    fs::write(folder.path().join("val/9/0.png"), "text").unwrap();
    refused(&files(folder.path()), &["0.png", "cannot be decoded"]);
}

#[test]
fn a_jpeg_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    for (class, shade) in [("dark", 20_u8), ("light", 230)] {
        fs::create_dir_all(folder.path().join(class)).unwrap();
        for index in 0..12 {
            let path = folder.path().join(class).join(format!("{index}.JPG"));
            image::codecs::jpeg::JpegEncoder::new(File::create(path).unwrap())
                .write_image(&[shade + index; 64], 8, 8, ExtendedColorType::L8)
                .unwrap();
        }
    }
    let dataset = read(&files(folder.path()), 0);
    assert_eq!(
        (dataset.train.shape.channels, dataset.train.shape.height),
        (1, 8)
    );
    let light = dataset
        .train
        .labels
        .iter()
        .position(|label| *label == 1)
        .unwrap();
    assert!(
        dataset
            .train
            .image(light)
            .iter()
            .all(|byte| (228..244).contains(byte))
    );
}

#[test]
fn arrays_of_channels_last_and_of_fractions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let shape = Shape {
        channels: 3,
        height: 2,
        width: 2,
    };
    // Image i has the value i + 10 c + p at place p of channel c, as a fraction of 255.
    let last: Vec<u8> = (0..24_u8)
        .flat_map(|i| (0..4_u8).flat_map(move |p| (0..3_u8).map(move |c| i + 10 * c + p)))
        .flat_map(|byte| (f32::from(byte) / 255.0).to_le_bytes())
        .collect();
    let names: Vec<u8> = "redsky"
        .chars()
        .flat_map(|letter| u32::from(letter).to_le_bytes())
        .collect();
    let labels: Vec<u8> = (0..24).map(|index| index % 2).collect();
    let arrays = [
        ("x_train", npy("<f4", &[24, 2, 2, 3], &last)),
        ("y_train", npy("|u1", &[24], &labels)),
        ("x_test", npy("<f4", &[24, 2, 2, 3], &last)),
        ("y_test", npy("|u1", &[24], &labels)),
        ("class_names", npy("<U3", &[2], &names)),
    ];
    archive(&path, CompressionMethod::Stored, &arrays);
    let dataset = read(&files(&path), 0);
    assert_eq!((dataset.train.shape, dataset.test.len()), (shape, 24));
    assert_eq!(dataset.class_names, ["red", "sky"]);
    let images = sorted(&dataset);
    assert!(images.contains(&(1, vec![5, 6, 7, 8, 15, 16, 17, 18, 25, 26, 27, 28])));

    // The same values without a shape of their own.
    archive(
        &path,
        CompressionMethod::Stored,
        &[
            ("x", npy("<f4", &[24, 12], &last)),
            ("y", npy("|u1", &[24], &labels)),
        ],
    );
    assert_eq!(facts(&files(&path)).unwrap().shape, shape);
    let flat = ImageFiles {
        shape: Some(Shape {
            channels: 1,
            height: 3,
            width: 4,
        }),
        ..files(&path)
    };
    assert_eq!(facts(&flat).unwrap().shape.width, 4);
    let wrong = ImageFiles {
        shape: Some(GREY),
        ..files(&path)
    };
    refused(&wrong, &["a.npz", "12 values", "4x4 grey"]);
}

#[test]
fn archives_that_do_not_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let images = || {
        npy(
            "|u1",
            &[24, 4, 4],
            &(0..24).flat_map(|at| image(at, GREY)).collect::<Vec<_>>(),
        )
    };
    let labels = |count: usize, most: u8| {
        let labels: Vec<u8> = (0..count)
            .map(|at| (at % usize::from(most)) as u8)
            .collect();
        npy("|u1", &[count], &labels)
    };
    let with = |arrays: &[(&str, Vec<u8>)], wanted: &[&str]| {
        archive(&path, CompressionMethod::Stored, arrays);
        refused(&files(&path), wanted);
    };
    with(
        &[("images", images())],
        &["no array `x`", "there is: images", "x_train="],
    );
    with(&[("x", images())], &["no array `y`"]);
    with(
        &[("x", images()), ("y", labels(23, 2))],
        &["24 images", "23 labels"],
    );
    with(&[("x", images()), ("y", labels(24, 1))], &["1 classes"]);
    with(
        &[("x", images()), ("y", npy("|u1", &[24, 2], &[0; 48]))],
        &["48 labels", "argmax"],
    );
    with(
        &[("x", images()), ("y", npy("<i4", &[24], &[255; 96]))],
        &["label -1"],
    );
    with(
        &[
            ("x", images()),
            ("y", labels(24, 2)),
            ("x_test", images()),
            ("y_test", labels(24, 5)),
            ("x_train", images()),
            ("y_train", labels(24, 2)),
        ],
        &["a.npz", "label 2", "image 2", "2 classes"],
    );
    // Labels 0 and 2: nobody is 1.
    let gap: Vec<u8> = (0..24).map(|at| at % 2 * 2).collect();
    with(
        &[("x", images()), ("y", npy("|u1", &[24], &gap))],
        &["class \"1\"", "no training image", "without a gap"],
    );
    let bright: Vec<u8> = [300_i16; 24 * 16]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    with(
        &[
            ("x", npy("<i2", &[24, 4, 4], &bright)),
            ("y", labels(24, 2)),
        ],
        &["image 0", "300", "0 to 255"],
    );
    with(
        &[
            ("x", npy("|u1", &[2, 5, 5, 5], &[0; 250])),
            ("y", labels(2, 2)),
        ],
        &["not clear which are the channels", "shape = "],
    );
    fs::write(&path, "no archive").unwrap();
    refused(&files(&path), &["a.npz", "no NumPy archive"]);
}

#[test]
fn folders_that_are_no_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    refused(&files(root), &["no images are found"]);
    refused(&files(&root.join("none")), &["none", "cannot read"]);
    pictures(root, &["cat", "dog"], GREY);
    png(
        &root.join("dog/9.png"),
        Shape { width: 5, ..GREY },
        &[7; 20],
    );
    refused(
        &files(root),
        &["9.png", "5x4 grey", "0.png is 4x4 grey", "one size"],
    );
    png(
        &root.join("dog/9.png"),
        Shape {
            channels: 3,
            ..GREY
        },
        &[7; 48],
    );
    refused(&files(root), &["9.png", "4x4 in colour", "all grey"]);
    fs::remove_file(root.join("dog/9.png")).unwrap();
    fs::create_dir(root.join("owl")).unwrap();
    refused(&files(root), &["owl", "holds no images"]);
    fs::write(root.join("owl/notes.txt"), "").unwrap();
    refused(&files(root), &["notes.txt", "no PNG or JPEG"]);
    fs::remove_file(root.join("owl/notes.txt")).unwrap();
    fs::create_dir(root.join("owl/more")).unwrap();
    refused(&files(root), &["more", "folder inside a class's folder"]);
    fs::remove_dir_all(root.join("owl")).unwrap();
    fs::write(root.join("dog/.hidden"), "").unwrap();
    assert_eq!(facts(&files(root)).unwrap().train, 19);
    // What is cut short is named.
    let whole = fs::read(root.join("dog/3.png")).unwrap();
    fs::write(root.join("dog/3.png"), &whole[..whole.len() / 2]).unwrap();
    refused(&files(root), &["3.png", "cannot be decoded"]);
    let one_class = tempfile::tempdir().unwrap();
    pictures(one_class.path(), &["cat"], GREY);
    refused(&files(one_class.path()), &["1 classes"]);
}

#[test]
fn one_shade_is_nothing_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for index in 0..15 {
            png(
                &folder.path().join(class).join(format!("{index}.png")),
                GREY,
                &[9; 16],
            );
        }
    }
    let error = load(&spec(&files(folder.path())), 0, &DataDirs::resolve(None)).unwrap_err();
    assert!(error.to_string().contains("nothing to learn"), "{error}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn tables_that_are_no_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let with = |text: &str, wanted: &[&str]| {
        fs::write(&path, text).unwrap();
        refused(&files(&path), wanted);
    };
    with("label,a,b,c,d\n", &["a.csv", "holds no images"]);
    with(
        "digit,a,b,c,d\n0,1,2,3,4\n",
        &["no column `label`", "digit, a, b", "label = "],
    );
    with(
        "label,a,b\n0,1,2\n1,2,3\n",
        &["2 values", "shape = [channels"],
    );
    with(
        "label,a,b,c,d\n0,1,2,3,4\n1,2,3,4,256\n",
        &["row 1", "column `d`", "256"],
    );
    with(
        "label,a,b,c,d\n0,1,2,3,4\n1,2,3,,5\n",
        &["row 1", "column `c`", "is empty"],
    );
    with(
        "label,a,b,c,d\n0,1,2,3,x\n1,2,3,4,5\n",
        &["column `d`", "not numbers"],
    );
    with(
        "label,a,b,c,d\n0.5,1,2,3,4\n1,2,3,4,5\n",
        &["row 0", "label 0.5"],
    );
    with(
        "label,a,b,c,d\n,1,2,3,4\n1,2,3,4,5\n",
        &["row 0", "no label"],
    );
    with("label,file\ncat,none.png\n", &["none.png"]);
    // Names as labels, fractions as values.
    fs::write(&path, "label,a,b,c,d\nowl,0,0.5,1,0.25\ncat,1,1,0,0\n").unwrap();
    let images = facts(&files(&path)).unwrap();
    assert_eq!((images.classes, images.shape.height), (2, 2));
    let named = ImageFiles {
        classes: Some(vec!["cat".into(), "dog".into()]),
        ..files(&path)
    };
    refused(&named, &["label owl", "2 classes"]);
    fs::rename(&path, folder.path().join("train.csv")).unwrap();
    fs::write(
        folder.path().join("test.csv"),
        "label,a,b,c,d\nbat,0,0,1,1\n",
    )
    .unwrap();
    refused(&files(folder.path()), &["test.csv", "label bat"]);
    fs::write(folder.path().join("a.parquet"), "no table").unwrap();
    refused(
        &files(&folder.path().join("a.parquet")),
        &["a.parquet", "cannot be read"],
    );
}

#[test]
fn images_to_classify_have_names() {
    let folder = tempfile::tempdir().unwrap();
    let all = everywhere(folder.path());
    let paths: Vec<PathBuf> = vec![
        folder.path().join("pictures/2/1.png"),
        folder.path().join("a.npz"),
        folder.path().join("pictures"),
        folder.path().join("pair/my-images-idx3-ubyte"),
        folder.path().join("a.csv"),
    ];
    let named = read_unlabelled(&paths, GREY, "digit").unwrap();
    assert_eq!((named.images.len(), named.names.len()), (121, 121));
    assert!(
        named.names[0].ends_with("pictures/2/1.png"),
        "{}",
        named.names[0]
    );
    assert!(named.names[30].ends_with("a.npz:29"), "{}", named.names[30]);
    assert!(
        named.names[31].ends_with("pictures/0/0.png"),
        "{}",
        named.names[31]
    );
    for at in [0, 22, 31 + 21, 61 + 21, 91 + 21] {
        assert_eq!(
            named.images.image(at),
            image(21, GREY),
            "{}",
            named.names[at]
        );
    }
    let error = read_unlabelled(&paths[..1], Shape { width: 5, ..GREY }, "digit").unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("1.png is 4x4 grey, but the network takes 5x4 grey"),
        "{text}"
    );
    assert!(matches!(error, DataError::Own { .. }));
    assert!(all.len() > 3);
}
