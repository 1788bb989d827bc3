//! The real data sets, where `CRYPTODL_DATA_DIR` has them.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::*;

/// A real data set from `CRYPTODL_DATA_DIR`. Says on stderr, past the test harness's capture, whether the test runs.
fn real(name: DatasetName) -> Option<(Dataset, DataDirs)> {
    let say = |text: &str| {
        let _ = writeln!(std::io::stderr(), "test on real {}: {text}", name.as_str());
    };
    let Some(dir) = std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty()) else {
        say("SKIPPED, CRYPTODL_DATA_DIR is not set");
        return None;
    };
    let dirs = DataDirs::resolve(Some(Path::new(&dir)));
    match load(&DatasetSpec::whole(name), 7, &dirs) {
        Ok(dataset) => {
            say("runs");
            Some((dataset, dirs))
        }
        Err(DataError::Missing { .. }) => {
            say("SKIPPED, not in CRYPTODL_DATA_DIR");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Counts, and the published mean and standard deviation, of what was read.
fn check_real(dataset: &Dataset) {
    let (train, test) = dataset.source.counts(None);
    assert_eq!((dataset.train.len(), dataset.test.len()), (train, test));
    let spec = DatasetSpec::of(dataset.source.clone());
    let shape = dataset.train.shape;
    for channel in 0..shape.channels {
        let mut histogram = [0_u64; 256];
        let plane = shape.height * shape.width;
        for image in dataset.train.pixels.chunks_exact(shape.len()) {
            image[channel * plane..(channel + 1) * plane]
                .iter()
                .for_each(|&byte| histogram[usize::from(byte)] += 1);
        }
        let n = (train * plane) as f64;
        let moment = |power: i32| -> f64 {
            histogram
                .iter()
                .enumerate()
                .map(|(byte, &count)| count as f64 * (byte as f64 / 255.0).powi(power))
                .sum::<f64>()
                / n
        };
        let (mean, std) = (moment(1), (moment(2) - moment(1) * moment(1)).sqrt());
        assert!(
            (mean - f64::from(dataset.mean[channel])).abs() < 1e-4,
            "mean of channel {channel}: {mean}"
        );
        assert!(
            (std - f64::from(dataset.std[channel])).abs() < 1e-4,
            "deviation of channel {channel}: {std}"
        );
    }
    assert_eq!(spec.counts(), (train, test));
}

#[test]
fn real_mnist_is_read_packed_and_unpacked() {
    let Some((mnist, dirs)) = real(DatasetName::Mnist) else {
        return;
    };
    check_real(&mnist);
    assert_eq!(mnist.train.labels[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(mnist.test.labels[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let spec = DatasetSpec::whole(DatasetName::Mnist);
    assert_eq!(verify(&spec, 1, &dirs).unwrap(), mnist.digest);
    // The digests of the unpacked files are right too.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mnist")).unwrap();
    for file in &mnist.files {
        let name = file
            .path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".gz");
        let mut raw = fs::File::create(folder.path().join("mnist").join(name)).unwrap();
        let mut packed: Box<dyn std::io::Read> = Box::new(fs::File::open(&file.path).unwrap());
        if file
            .path
            .extension()
            .is_some_and(|extension| extension == "gz")
        {
            packed = Box::new(flate2::read::GzDecoder::new(packed));
        }
        std::io::copy(&mut packed, &mut raw).unwrap();
    }
    let raw = load(&spec, 1, &DataDirs::resolve(Some(folder.path()))).unwrap();
    assert_eq!(
        (raw.train, raw.test, raw.digest),
        (mnist.train, mnist.test, mnist.digest)
    );
}

#[test]
fn real_fashion_mnist_is_read() {
    let Some((fashion, _)) = real(DatasetName::FashionMnist) else {
        return;
    };
    check_real(&fashion);
}

#[test]
fn real_cifar10_is_read() {
    let Some((cifar, _)) = real(DatasetName::Cifar10) else {
        return;
    };
    check_real(&cifar);
    // The first training image is a frog, the first test image a cat.
    assert_eq!((cifar.train.labels[0], cifar.test.labels[0]), (6, 3));
}
