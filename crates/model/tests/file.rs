//! A network's file: it comes back bit for bit, and whatever is wrong with it is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cryptodl_model::{
    Conv, Dense, ModelError, Precision, TrainedLayer, from_bytes, load, save, shapes, to_bytes,
};
use cryptodl_reference as reference;
use std::path::Path;

#[test]
fn a_network_comes_back_bit_for_bit_and_equal_networks_give_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let network = reference::network(3);
    save(&network, &path).unwrap();
    assert_eq!(load(&path).unwrap(), network);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        to_bytes(&network, Precision::Single).unwrap()
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn half_precision_rounds_weights_alone() {
    let network = reference::network(1);
    let bytes = to_bytes(&network, Precision::Half).unwrap();
    assert!(bytes.len() < to_bytes(&network, Precision::Single).unwrap().len());
    let back = from_bytes(&bytes).unwrap();
    for (left, right) in network.layers.iter().zip(&back.layers) {
        match (left, right) {
            (
                TrainedLayer::Conv(Conv { weight: left, .. }),
                TrainedLayer::Conv(Conv { weight: right, .. }),
            )
            | (
                TrainedLayer::Dense(Dense { weight: left, .. }),
                TrainedLayer::Dense(Dense { weight: right, .. }),
            ) => {
                assert!(
                    left.iter()
                        .zip(right)
                        .all(|(left, right)| (left - right).abs() <= left.abs() / 1024.0 + 1e-7)
                );
            }
            _ => assert_eq!(left, right),
        }
    }
}

#[test]
fn every_single_byte_flip_is_refused_or_gives_a_sound_network() {
    let bytes = to_bytes(&reference::network(1), Precision::Single).unwrap();
    for at in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut broken = bytes.clone();
            broken[at] ^= flip;
            if let Ok(network) = from_bytes(&broken) {
                shapes(&network).unwrap();
            }
        }
    }
}

#[test]
fn every_cut_file_is_refused() {
    let bytes = to_bytes(&reference::network(1), Precision::Single).unwrap();
    for length in 0..bytes.len() {
        assert!(from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn numbers_that_are_not_finite_and_missing_files_are_refused() {
    let mut network = reference::network(1);
    if let TrainedLayer::Conv(Conv { weight, .. }) = &mut network.layers[0] {
        weight[0] = f32::INFINITY;
    }
    assert!(matches!(
        to_bytes(&network, Precision::Single),
        Err(ModelError::Value { .. })
    ));
    assert!(matches!(
        load(Path::new("/nowhere/model.safetensors")),
        Err(ModelError::Io { .. })
    ));
    // 70,000 is finite in f32, but not in f16.
    if let TrainedLayer::Conv(Conv { weight, .. }) = &mut network.layers[0] {
        weight[0] = 70_000.0;
    }
    assert!(matches!(
        to_bytes(&network, Precision::Half),
        Err(ModelError::Value { .. })
    ));
    assert!(to_bytes(&network, Precision::Single).is_ok());
}
