//! Images, networks, circuits, plans, and the store.

use std::fs;
use std::io;
use std::path::PathBuf;

use cryptodl::circuit::Circuit;
use cryptodl::data::{cifar, idx, read_unlabelled};
use cryptodl::model::{self, Precision};
use cryptodl::pipeline::Store;
use cryptodl::spec::{DatasetName, Shape};
use cryptodl_reference as reference;

use super::encrypted::compiled;
use super::{Target, close};

const SHAPE: Shape = Shape {
    channels: 1,
    height: 8,
    width: 8,
};

pub(super) fn targets() -> io::Result<Vec<Target>> {
    let (circuit, plan) = compiled()?;
    let plan = serde_json::to_vec_pretty(&plan)?;
    let networks = [1, 3].map(reference::network);
    let networks = networks.iter().flat_map(|network| {
        [Precision::Half, Precision::Single].map(|precision| model::to_bytes(network, precision))
    });
    let networks = networks.collect::<Result<Vec<_>, _>>();
    let labels = vec![0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 0];
    Ok(vec![
        Target::new("idx", 300, vec![idx_images(3)], |input| {
            idx::read_images(input, SHAPE).is_ok()
        }),
        Target::new("idx-labels", 100, vec![labels], |input| {
            idx::read_labels(input, 3).is_ok()
        }),
        Target::new("cifar", 100, vec![cifar_batch()], |input| {
            cifar::read_batch(input, 2).is_ok()
        }),
        picture()?,
        Target::new(
            "safetensors",
            100,
            networks.map_err(io::Error::other)?,
            |input| model::from_bytes(input).is_ok(),
        ),
        Target::new("circuit", 200, vec![circuit.to_bytes()], |input| {
            Circuit::from_bytes(input).is_ok()
        })
        .repaired(close),
        Target::new("plan", 100, vec![plan], |input| {
            serde_json::from_slice::<cryptodl::circuit::Plan>(input).is_ok()
        }),
        store()?,
    ])
}

fn idx_images(count: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 8, 0, 0, 0, 8];
    bytes.extend((0..64 * usize::from(count)).map(|pixel| pixel as u8));
    bytes
}

fn cifar_batch() -> Vec<u8> {
    let record = 1 + DatasetName::Cifar10.shape().len();
    let byte = |at: usize| match at % record {
        0 => 3,
        pixel => pixel as u8,
    };
    (0..2 * record).map(byte).collect()
}

fn picture() -> io::Result<Target> {
    let kinds = [
        (png::ColorType::Grayscale, png::BitDepth::Eight, 1),
        (png::ColorType::Rgb, png::BitDepth::Eight, 3),
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Sixteen, 4),
    ];
    let seeds = kinds.map(|(colour, depth, pixel_bytes)| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        let pixels: Vec<u8> = (0..64 * pixel_bytes).map(|byte: u32| byte as u8).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(bytes)
    });
    let seeds = seeds
        .into_iter()
        .collect::<Result<Vec<Vec<u8>>, png::EncodingError>>();
    let mut seeds = seeds.map_err(io::Error::other)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("image.png");
    // Only what the program reads is a good input.
    seeds.retain(|bytes| {
        fs::write(&path, bytes).is_ok()
            && read_unlabelled(std::slice::from_ref(&path), SHAPE, "label").is_ok()
    });
    let run = move |input: &[u8]| {
        let path: PathBuf = folder.path().join("image.png");
        fs::write(&path, input).is_ok() && read_unlabelled(&[path], SHAPE, "label").is_ok()
    };
    Ok(Target::new("png", 50, seeds, run).repaired(checksums))
}

/// The checksum of every chunk of a PNG.
fn checksums(input: &mut [u8]) {
    const SIGNATURE: usize = 8;
    let mut at = SIGNATURE;
    while let Some(length) = input.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = u32::from_be_bytes(*length) as usize;
        let end = at + 8 + length;
        let Some(chunk) = input.get(at + 4..end) else {
            return;
        };
        let mut sum = flate2::Crc::new();
        sum.update(chunk);
        let Some(place) = input.get_mut(end..end + 4) else {
            return;
        };
        place.copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
}

/// The list of an entry of the store, beside a file that is as it should be.
fn store() -> io::Result<Target> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path()).map_err(io::Error::other)?;
    let entry = folder.path().join("train").join("key");
    fs::create_dir_all(&entry)?;
    fs::write(entry.join("a.txt"), "numbers")?;
    let digest = blake3::hash(b"numbers").to_hex().to_string();
    let list = serde_json::json!({
        "stage": "train",
        "key": "key",
        "seconds": 1.5,
        "files": [{ "name": "a.txt", "bytes": 7, "blake3": digest }],
    });
    let list = serde_json::to_vec_pretty(&list)?;
    let run = move |input: &[u8]| {
        fs::write(folder.path().join("train/key/stage.json"), input).is_ok()
            && matches!(store.find("train", "key"), Ok(Some(_)))
    };
    Ok(Target::new("store", 50, vec![list], run))
}
