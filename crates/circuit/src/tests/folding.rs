use crate::reference::{Builder, folded_forward, images, ranges, small};
use crate::{Circuit, CircuitError, CircuitLayer, fold};
use cryptodl_model::{Conv, PolynomialActivation, TrainedLayer, TrainedNetwork};
use cryptodl_reference as reference;

/// The folded network in floating point against the network itself, and every value within what the fold says of it.
fn agrees(network: &TrainedNetwork) {
    let images = images(network, 6);
    let ranges = ranges(network, &images);
    for index in 0..images.len() {
        let wanted = reference::forward(network, images.image(index));
        let (found, shares) = folded_forward(network, &ranges, images.image(index));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(
                (found - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
                "{found} is not {wanted}"
            );
        }
        assert!(shares.iter().all(|share| *share <= 1.0), "{shares:?}");
    }
}

fn names(circuit: &Circuit) -> Vec<&str> {
    circuit.layers.iter().map(CircuitLayer::name).collect()
}

#[test]
fn every_degree_sign_and_sharing_keeps_the_networks_function() {
    for degree in 2..=9 {
        for per_channel in [false, true] {
            for sign in [1.0, -1.0] {
                agrees(&small(degree, per_channel, sign));
            }
        }
    }
}

#[test]
fn strides_padding_pools_and_batch_norms_anywhere_keep_the_networks_function() {
    // Batch norm before the first layer and after pooling; pooling between a convolution and its activation; padding of the next layer,
    // where the constant left by the activation is missing at the border.
    let mixed = Builder::new(2, 12)
        .norm()
        .conv(4, 5, 1, 2)
        .pool(2)
        .norm()
        .polynomial(2, true, -1.0)
        .norm();
    let mixed = mixed
        .conv(5, 3, 2, 1)
        .norm()
        .polynomial(3, true, 1.0)
        .pool(3)
        .norm()
        .dense(4);
    agrees(&mixed.polynomial(2, false, 1.0).norm().dense(3).build());
    // Linear layers in a row, activations in a row, an activation on the pixels themselves, two pools in a row.
    agrees(
        &Builder::new(1, 8)
            .dense(9)
            .dense(7)
            .norm()
            .polynomial(2, false, 1.0)
            .dense(4)
            .dense(3)
            .build(),
    );
    agrees(
        &Builder::new(1, 8)
            .polynomial(2, false, 1.0)
            .polynomial(3, false, -1.0)
            .dense(3)
            .build(),
    );
    let pools = Builder::new(2, 12)
        .conv(3, 3, 1, 1)
        .polynomial(2, true, 1.0)
        .pool(2)
        .pool(2);
    agrees(&pools.norm().polynomial(2, true, -1.0).dense(3).build());
}

#[test]
fn channels_without_a_square_are_still_folded() {
    let network = Builder::new(1, 8)
        .conv(3, 3, 1, 1)
        .norm()
        .push(TrainedLayer::Polynomial(PolynomialActivation {
            degree: 2,
            rows: 3,
            // A steep shift that is left unfolded, a constant, and an ordinary one.
            coefficients: vec![0.1, 0.5, 0.01, 0.7, 0.0, 0.0, 0.1, 0.5, 0.2],
        }));
    agrees(&network.dense(3).build());
}

#[test]
fn a_degree_that_is_not_there_costs_no_depth() {
    let layer = TrainedLayer::Polynomial(PolynomialActivation {
        degree: 3,
        rows: 1,
        coefficients: vec![0.1, 0.5, 0.2, 0.0],
    });
    let network = Builder::new(1, 8).dense(5).push(layer).dense(3).build();
    let circuit = fold(&network, &ranges(&network, &images(&network, 3)), 9).unwrap();
    assert_eq!(circuit.multiplicative_depth(), 1);
    assert_eq!(names(&circuit), ["dense1", "square1", "dense2"]);
}

#[test]
fn layers_are_named_and_counted() {
    let network = small(3, true, 1.0);
    let circuit = fold(&network, &ranges(&network, &images(&network, 3)), 8).unwrap();
    assert_eq!(
        names(&circuit),
        ["conv1", "poly1", "pool1", "dense2", "poly2", "dense3"]
    );
    // 3 channels x (8 x 8 windows of 9, less the border), sums of 4, and two dense layers.
    assert_eq!(circuit.macs(), 3 * 22 * 22 + 48 * 4 + 48 * 6 + 6 * 3);
    assert_eq!(circuit.activations(), 3 * 64 + 6);
    let CircuitLayer::Linear(pool) = &circuit.layers[2] else {
        panic!("pool1")
    };
    assert_eq!((pool.weight_scale, pool.bias.len()), (1.0, 0));
    for layer in &circuit.layers {
        if let CircuitLayer::Linear(layer) = layer {
            let weights = layer.map.groups().iter().flat_map(|group| group.weights());
            let largest = weights.map(|weight| weight.abs()).max().unwrap();
            assert_eq!(largest, if layer.name == "pool1" { 1 } else { 127 });
        }
    }
}

#[test]
fn what_cannot_be_folded_is_said() {
    let network = small(2, false, 1.0);
    let images = images(&network, 3);
    let sound = ranges(&network, &images);
    let refused =
        |network: &TrainedNetwork, ranges: &[_], bits| fold(network, ranges, bits).unwrap_err();
    assert!(matches!(
        refused(&network, &sound, 3),
        CircuitError::WeightBits { bits: 3, .. }
    ));
    assert!(matches!(
        refused(&network, &sound[..1], 9),
        CircuitError::NoRange { layer: 6 }
    ));
    let mut short = sound.clone();
    short[0].channel_abs_max.pop();
    assert!(matches!(
        refused(&network, &short, 9),
        CircuitError::Range {
            found: 2,
            wanted: 3,
            ..
        }
    ));
    let mut wild = sound.clone();
    wild[1].max = f64::NAN;
    assert!(matches!(
        refused(&network, &wild, 9),
        CircuitError::Range { .. }
    ));
    let mut original = network.clone();
    original.layers[2] = TrainedLayer::Function {
        function: polyapprox::Function::Relu,
    };
    assert!(matches!(
        refused(&original, &sound, 9),
        CircuitError::NotPolynomial {
            layer: 2,
            kind: "relu"
        }
    ));
    original.layers[2] = TrainedLayer::Function {
        function: polyapprox::Function::Square,
    };
    assert!(fold(&original, &sound, 9).is_ok());
    let mut zero = network.clone();
    if let TrainedLayer::Conv(Conv { weight, .. }) = &mut zero.layers[0] {
        weight.fill(0.0);
    }
    assert!(matches!(
        refused(&zero, &sound, 9),
        CircuitError::ZeroWeights { .. }
    ));
    let mut broken = network;
    broken.classes = 9;
    assert!(matches!(
        refused(&broken, &sound, 9),
        CircuitError::Model(_)
    ));
}
