//! The network of an experiment, and the check of its numbers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cryptodl_model::{
    Activations, BatchNorm, Conv, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork,
    initial, shapes,
};
use cryptodl_reference as reference;
use cryptodl_spec::Shape;
use polyapprox::Polynomial;

#[test]
fn the_network_has_the_specs_shapes_and_no_bias_before_batch_norm() {
    let experiment = reference::experiment(11);
    let polynomial = Polynomial::new(vec![0.3, 0.5, 0.2]).unwrap();
    let network = initial(
        &experiment,
        Activations::Polynomial(&polynomial),
        &[0.1],
        &[0.3],
    );
    assert_eq!(shapes(&network).unwrap(), experiment.network.shapes);
    for (layer, next) in network.layers.iter().zip(&network.layers[1..]) {
        if let (
            TrainedLayer::Conv(Conv { bias, .. }) | TrainedLayer::Dense(Dense { bias, .. }),
            TrainedLayer::BatchNorm(_),
        ) = (layer, next)
        {
            assert!(bias.is_empty());
        }
    }
    let Some(TrainedLayer::Dense(Dense { bias, .. })) = network.layers.last() else {
        panic!("closing layer")
    };
    assert_eq!(bias.len(), experiment.network.classes);
}

#[test]
fn weights_depend_on_the_seed_alone() {
    let polynomial = Polynomial::new(vec![0.0, 0.5, 0.2]).unwrap();
    let build = |seed| {
        initial(
            &reference::experiment(seed),
            Activations::Polynomial(&polynomial),
            &[0.1],
            &[0.3],
        )
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn a_right_network_gives_its_shapes() {
    let network = reference::network(3);
    let shapes = shapes(&network).unwrap();
    assert_eq!(shapes.len(), network.layers.len());
    assert_eq!(
        shapes[0],
        Shape {
            channels: 4,
            height: 6,
            width: 6
        }
    );
    assert_eq!(shapes.last().unwrap().channels, 3);
}

#[test]
fn every_kind_of_wrong_number_is_named() {
    let sound = reference::network(3);
    let broken = |change: &dyn Fn(&mut TrainedNetwork)| {
        let mut network = sound.clone();
        change(&mut network);
        shapes(&network).unwrap_err().to_string()
    };
    let message = broken(&|network| {
        if let TrainedLayer::Conv(Conv { weight, .. }) = &mut network.layers[0] {
            weight.pop();
        }
    });
    assert!(
        message.contains("layer 0 (conv): weight holds"),
        "{message}"
    );
    let message = broken(&|network| {
        if let TrainedLayer::BatchNorm(BatchNorm { variance, .. }) = &mut network.layers[1] {
            variance[0] = -1.0;
        }
    });
    assert!(message.contains("variance holds -1"), "{message}");
    let message = broken(&|network| {
        if let TrainedLayer::Polynomial(PolynomialActivation { coefficients, .. }) =
            &mut network.layers[2]
        {
            coefficients[0] = f32::NAN;
        }
    });
    assert!(message.contains("NaN"), "{message}");
    assert!(broken(&|network| network.classes = 7).contains("7 classes"));
    assert!(broken(&|network| network.std[0] = 0.0).contains("normalisation"));
    assert!(broken(&|network| network.layers.clear()).contains("classes"));
    let message = broken(&|network| network.preprocessing.soft_clamp = Some(-1.0));
    assert!(message.contains("soft clamp at -1"), "{message}");
    let message = broken(&|network| {
        if let TrainedLayer::Conv(Conv { stride, .. }) = &mut network.layers[0] {
            *stride = 0;
        }
    });
    assert!(message.contains("no window"), "{message}");
    let message = broken(&|network| {
        network.input = Shape {
            channels: usize::MAX,
            height: 2,
            width: 2,
        }
    });
    assert!(message.contains("input shape"), "{message}");
}
