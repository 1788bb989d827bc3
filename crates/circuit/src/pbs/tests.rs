//! Tables, noise bounds, quantisation and the simulator, against their definitions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::noise::failure_log2;
use super::table::{Levels, half_turn};
use super::*;
use cryptodl_data::Images;
use cryptodl_model::{Dense, TrainedLayer};
use cryptodl_reference::dense::{images, network, square};
use cryptodl_reference::forward;
use polyapprox::Function;

fn bits(message: u32) -> Bits {
    Bits {
        pixel: 1,
        message,
        activation: 5,
        hidden: 2,
        weight: 6,
    }
}

#[test]
fn a_half_turn_is_a_relu_on_the_whole_torus_and_saturates_beyond() {
    for message_bits in 2..=6 {
        let half = 1_i64 << message_bits;
        for kink in [0, 1, -2] {
            let table = half_turn(1 << message_bits, kink as f64);
            let value = |z: i64| z + look_up(&table, z, message_bits) + half / 2 - kink;
            for z in kink - half..=kink + half {
                assert_eq!(value(z), 2 * (z - kink).max(0), "{message_bits} bits, {z}");
            }
            for further in 1..=half {
                assert_eq!(value(kink + half + further), 2 * half, "saturates");
            }
        }
    }
}

#[test]
fn a_table_holds_the_function_at_every_message() {
    let f = |index: usize| (index as f64 - 11.3).powi(2);
    let levels = Levels::over(31, (0..32).map(f));
    let table = levels.table(32, f);
    for (index, entry) in table.iter().enumerate() {
        let held = levels.step * *entry as f64 + levels.middle;
        assert!((held - f(index)).abs() <= 0.51 * levels.step, "{index}");
    }
    assert!(table.iter().all(|entry| entry.abs() <= 16));
}

#[test]
fn indices_go_round_and_the_upper_half_is_negated() {
    let table = [1, 2, 3, 4];
    let read: Vec<i64> = (-4..12).map(|sum| look_up(&table, sum, 2)).collect();
    assert_eq!(
        read,
        [-1, -2, -3, -4, 1, 2, 3, 4, -1, -2, -3, -4, 1, 2, 3, 4]
    );
}

#[test]
fn pixels_keep_black_and_white_and_round_to_the_nearest() {
    assert_eq!(pixel_integers(&[0, 127, 128, 255], 1), [0, 0, 1, 1]);
    assert_eq!(pixel_integers(&[0, 42, 43, 85, 255], 2), [0, 0, 1, 1, 3]);
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(pixel_integers(&all, 8), (0..256).collect::<Vec<i64>>());
    let coarse = Images::new(images(1).shape, all[..16].to_vec(), vec![0])
        .unwrap()
        .coarse(4);
    assert_eq!(
        &coarse.pixels[..16],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 17, 17, 17, 17, 17, 17]
    );
}

#[test]
fn integers_are_near_the_float_network_and_finer_bits_are_nearer() {
    let images = images(300);
    for activation in [
        square(),
        TrainedLayer::Function {
            function: Function::Relu,
        },
    ] {
        let network = network(activation, 12);
        let pixels = network.input.len();
        let float: Vec<f64> = images
            .pixels
            .chunks_exact(pixels)
            .flat_map(|image| forward(&network, image))
            .collect();
        let error = |message: u32| {
            let circuit = quantise(&network, &images, bits(message)).unwrap();
            let integer = simulate(&circuit, &images).unwrap();
            let squares = integer
                .logits
                .iter()
                .zip(&float)
                .map(|(a, b)| (f64::from(*a) - b).powi(2));
            (squares.sum::<f64>() / float.len() as f64).sqrt()
        };
        let scale = float.iter().map(|value| value.powi(2)).sum::<f64>();
        let scale = (scale / float.len() as f64).sqrt();
        let (coarse, fine) = (error(4) / scale, error(7) / scale);
        assert!(
            fine < 0.06 && coarse < 0.35 && fine < coarse,
            "{coarse} {fine}"
        );
    }
}

#[test]
fn sums_stay_within_the_tables_on_the_calibration_images() {
    let images = images(300);
    let circuit = quantise(&network(square(), 12), &images, bits(5)).unwrap();
    let layer = &circuit.layers[0];
    assert_eq!((layer.through, circuit.bootstraps()), (0, 12));
    let mut widest = 0;
    for index in 0..images.len() {
        for sum in layer
            .sum
            .evaluate(&circuit.pixels(images.image(index)))
            .unwrap()
        {
            assert!((0..32).contains(&sum), "{sum}");
            widest = widest.max(sum);
        }
    }
    assert!(widest >= 24, "the table is used: {widest}");
}

#[test]
fn weights_on_a_grid_stay_on_it() {
    let mut network = network(
        TrainedLayer::Function {
            function: Function::Relu,
        },
        6,
    );
    if let TrainedLayer::Dense(Dense { weight, .. }) = &mut network.layers[0] {
        for (index, value) in weight.iter_mut().enumerate() {
            *value = ((index * 7 % 5) as f32 - 2.0) * 0.037;
        }
    }
    let circuit = quantise(&network, &images(100), bits(6)).unwrap();
    let group = &circuit.layers[0].sum.maps[0].groups()[0];
    for (row, weights) in group.weights().chunks_exact(16).enumerate() {
        let sign = if row % 2 == 0 { 1 } else { -1 };
        let expected: Vec<i16> = (0..16)
            .map(|tap| sign * (((row * 16 + tap) * 7 % 5) as i16 - 2))
            .collect();
        assert_eq!(weights, expected);
    }
}

#[test]
fn networks_without_a_place_for_look_ups_are_refused() {
    let images = images(20);
    let mut pooled = network(square(), 4);
    pooled.layers.remove(2);
    let error = quantise(&pooled, &images, bits(5)).unwrap_err().to_string();
    assert!(error.contains("two layers with weights"), "{error}");
    let none = images.first(0);
    let error = quantise(&network(square(), 4), &none, bits(5)).unwrap_err();
    assert!(error.to_string().contains("no training images"), "{error}");
}

#[test]
fn a_circuit_survives_its_file_and_contradictions_are_refused() {
    let circuit = quantise(&network(square(), 4), &images(50), bits(4)).unwrap();
    let text = serde_json::to_string(&circuit).unwrap();
    assert_eq!(serde_json::from_str::<PbsCircuit>(&text).unwrap(), circuit);
    let changes: [fn(&mut PbsCircuit); 5] = [
        |changed| changed.message_bits = 5,
        |changed| changed.layers[0].table_of[1] = 99,
        |changed| changed.logits.constants.truncate(1),
        |changed| changed.pixel_bits = 0,
        |changed| changed.layers[0].through = 1 << 50,
    ];
    for change in changes {
        let mut changed = circuit.clone();
        change(&mut changed);
        assert!(changed.check().is_err());
    }
}

#[test]
fn the_predicted_failure_of_a_set_is_the_crates_own() {
    // At the largest sums that the crate allows for a set its own bound is 2^-128; ours is for the same noise.
    for set in &PARAMETER_SETS {
        let noise = Noise::of(set);
        let norm = f64::from((1_u32 << set.message_bits) - 1);
        let step = (-f64::from(set.message_bits + 1)).exp2();
        let ours = failure_log2(noise.at_lookup(norm * norm * noise.bootstrap), step);
        assert!(
            (ours - set.failure_log2).abs() < 4.0,
            "{}: {ours} for {}",
            set.name,
            set.failure_log2
        );
    }
    assert!(
        (failure_log2(1.0, 2.0) - (2.0f64 * 0.158_655).log2()).abs() < 0.7,
        "a bound near 2 Q(1)"
    );
}

#[test]
fn the_search_prefers_the_cheaper_of_equals() {
    let images = images(400);
    let experiment = cryptodl_reference::experiment(1);
    let network = network(square(), 8);
    let (circuit, set, choice) = compile(&network, &images, 100, &experiment.encryption).unwrap();
    assert!(choice.tried > 10 && choice.images == 100);
    assert!(set.message_bits >= circuit.message_bits);
    let asked = cryptodl_spec::EncryptionSpec {
        message_bits: Some(6),
        pixel_bits: Some(2),
        ..experiment.encryption
    };
    let (circuit, ..) = compile(&network, &images, 100, &asked).unwrap();
    assert_eq!((circuit.message_bits, circuit.pixel_bits), (6, 2));
}
