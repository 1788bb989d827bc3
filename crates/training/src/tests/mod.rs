//! The whole loop on small images made here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod vocabulary;

use super::*;
use crate::logits;
use cryptodl_data::{Dataset, Images};
use cryptodl_model::{Activations, PolynomialActivation, TrainedLayer, unit};
use cryptodl_model::{Purpose, generator};
use cryptodl_reference as reference;
use cryptodl_spec::{Experiment, Shape, Trainable};
use polyapprox::{Function, Method, Polynomial};
use std::sync::atomic::{AtomicBool, Ordering};

/// The start that ReLU has under the normal distribution.
fn square() -> Polynomial {
    Polynomial::new(vec![0.1995, 0.5, 0.1995]).unwrap()
}

/// Noisy 8x8 pictures of a horizontal bar, a vertical bar or a ring at a random place.
fn pictures(count: usize, seed: u64) -> Images {
    let mut random = generator(seed, Purpose::Weights, 99, 0);
    let mut below = |n: usize| (unit(&mut random) * n as f64) as usize;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let label = below(3);
        let (top, left) = (1 + below(4), 1 + below(4));
        for row in 0..8_usize {
            for column in 0..8_usize {
                let (r, c) = (row.wrapping_sub(top), column.wrapping_sub(left));
                let ink = match label {
                    0 => r == 1 && c < 3,
                    1 => c == 1 && r < 3,
                    _ => r < 3 && c < 3 && (r, c) != (1, 1),
                };
                pixels.push(if ink { 150 + below(100) } else { below(100) } as u8);
            }
        }
        labels.push(label as u16);
    }
    Images {
        shape: Shape {
            channels: 1,
            height: 8,
            width: 8,
        },
        pixels,
        labels,
    }
}

/// Pictures to train on and to test with.
pub fn dataset() -> Dataset {
    Dataset {
        source: cryptodl_spec::DatasetSource::Name(cryptodl_spec::DatasetName::Digits),
        train: pictures(560, 1),
        test: pictures(200, 2),
        classes: 3,
        class_names: Vec::new(),
        digest: [7; 32],
        mean: vec![0.3],
        std: vec![0.2],
        files: Vec::new(),
        test_names: Vec::new(),
    }
}

fn run(experiment: &Experiment, folder: &std::path::Path) -> Result<TrainOutcome, TrainError> {
    train(
        experiment,
        &dataset(),
        Activations::Polynomial(&square()),
        None,
        folder,
        &AtomicBool::new(false),
    )
}

fn test_accuracy(outcome: &TrainOutcome) -> f64 {
    let test = dataset().test;
    let predicted = logits(&outcome.network, &test, 64).unwrap().predicted();
    predicted
        .iter()
        .zip(&test.labels)
        .filter(|(left, right)| left == right)
        .count() as f64
        / test.labels.len() as f64
}

/// Rows without their times, which differ from run to run.
fn numbers(outcome: &TrainOutcome) -> Vec<[f64; 5]> {
    outcome
        .epochs
        .iter()
        .map(|row| {
            [
                row.train_loss,
                row.train_accuracy,
                row.validation_accuracy,
                row.learning_rate,
                row.outside,
            ]
        })
        .collect()
}

#[test]
fn a_short_training_beats_chance_clearly_with_every_optimiser_and_kind_of_coefficient() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(3);
    experiment.train.epochs = 8;
    use cryptodl_spec::Optimizer::{Adam, Adamw, Sgd};
    for (optimizer, trainable, rate) in [
        (Adamw, Trainable::Channel, 0.02),
        (Adam, Trainable::Layer, 0.02),
        (Sgd, Trainable::Fixed, 0.1),
    ] {
        (experiment.train.optimizer, experiment.activation.trainable) = (optimizer, trainable);
        experiment.train.learning_rate = rate;
        let outcome = run(&experiment, &folder.path().join(format!("{optimizer:?}"))).unwrap();
        let accuracy = test_accuracy(&outcome);
        assert!(
            accuracy > 0.8,
            "{optimizer:?}: {accuracy}, {:?}",
            numbers(&outcome)
        );
        assert_eq!(outcome.epochs.len(), 8);
        assert_eq!(outcome.resumed_from, None);
        let start: Vec<f32> = square()
            .coefficients()
            .iter()
            .map(|value| *value as f32)
            .collect();
        for layer in &outcome.network.layers {
            if let TrainedLayer::Polynomial(PolynomialActivation { coefficients, .. }) = layer {
                let moved = coefficients.chunks(3).any(|row| row != start);
                assert_eq!(moved, trainable != Trainable::Fixed);
                assert!(
                    coefficients.chunks(3).all(|row| row[2] >= 0.0199),
                    "{coefficients:?}"
                );
            }
        }
    }
}

#[test]
fn the_original_function_trains_too_and_keeps_its_own_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(3);
    (experiment.train.epochs, experiment.train.learning_rate) = (8, 0.02);
    let outcome = train(
        &experiment,
        &dataset(),
        Activations::Original,
        None,
        folder.path(),
        &AtomicBool::new(false),
    )
    .unwrap();
    assert!(test_accuracy(&outcome) > 0.8, "{:?}", numbers(&outcome));
    assert!(
        outcome
            .network
            .layers
            .iter()
            .any(|layer| matches!(layer, TrainedLayer::Function { .. }))
    );
    assert_eq!(run(&experiment, folder.path()).unwrap().resumed_from, None);
}

#[test]
fn equal_seeds_give_equal_bits_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(5);
    experiment.train.augment.shift = 0.05;
    let first = run(&experiment, &folder.path().join("a")).unwrap();
    let second = run(&experiment, &folder.path().join("b")).unwrap();
    assert_eq!(first.network, second.network);
    assert_eq!(numbers(&first), numbers(&second));
    experiment.seed = 6;
    assert_ne!(
        run(&experiment, &folder.path().join("c")).unwrap().network,
        first.network
    );
}

/// A training that is stopped as soon as a new checkpoint is there, again and again: wherever in an epoch the flag is seen, the next call
/// goes on.
fn interrupted(experiment: &Experiment, folder: &std::path::Path) -> TrainOutcome {
    let mut parts = 0;
    let resumed = loop {
        let stop = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let checkpoint = folder.join("polynomial.checkpoint");
                let before = std::fs::metadata(&checkpoint)
                    .and_then(|data| data.modified())
                    .ok();
                for _ in 0..10_000 {
                    let now = std::fs::metadata(&checkpoint)
                        .and_then(|data| data.modified())
                        .ok();
                    if now != before {
                        break;
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                stop.store(true, Ordering::Relaxed);
            });
            train(
                experiment,
                &dataset(),
                Activations::Polynomial(&square()),
                None,
                folder,
                &stop,
            )
        });
        parts += 1;
        match result {
            Err(TrainError::Interrupted { saved, .. }) => assert!(saved),
            other => break other.unwrap(),
        }
    };
    assert!(parts > 1, "it was never interrupted");
    assert!(resumed.resumed_from.is_some());
    resumed
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(5);
    experiment.train.augment.rotation = 5.0;
    let unbroken = run(&experiment, &folder.path().join("unbroken")).unwrap();
    let broken = folder.path().join("broken");
    let resumed = interrupted(&experiment, &broken);
    assert_eq!(resumed.network, unbroken.network);
    assert_eq!(numbers(&resumed), numbers(&unbroken));
    // A finished training is not repeated.
    let again = run(&experiment, &broken).unwrap();
    assert_eq!(again.resumed_from, Some(3));
    assert_eq!(again.network, unbroken.network);
}

#[test]
fn a_stop_before_the_first_checkpoint_says_that_nothing_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = reference::experiment(5);
    let stop = AtomicBool::new(true);
    let error = train(
        &experiment,
        &dataset(),
        Activations::Polynomial(&square()),
        None,
        folder.path(),
        &stop,
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::Interrupted {
                epoch: 1,
                saved: false
            }
        ),
        "{error}"
    );
    assert_eq!(error.exit_code(), 130);
    assert_eq!(
        TrainError::Interrupted {
            epoch: 2,
            saved: true
        }
        .exit_code(),
        75
    );
}

#[test]
fn a_damaged_checkpoint_starts_training_over() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = reference::experiment(5);
    let first = run(&experiment, folder.path()).unwrap();
    let path = folder.path().join("polynomial.checkpoint");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let second = run(&experiment, folder.path()).unwrap();
    assert_eq!(second.resumed_from, None);
    assert_eq!(second.network, first.network);
}

#[test]
fn divergence_is_an_error_and_not_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(5);
    experiment.train.optimizer = cryptodl_spec::Optimizer::Sgd;
    (experiment.train.learning_rate, experiment.train.clip_norm) = (1e12, 0.0);
    let error = run(&experiment, folder.path()).unwrap_err();
    let TrainError::Diverged { epoch, step, .. } = error else {
        panic!("{error}")
    };
    assert!(epoch >= 1 && step >= 1);
}

#[test]
fn no_images_and_wrong_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(5);
    experiment.train.validation = 560;
    assert!(matches!(
        run(&experiment, folder.path()),
        Err(TrainError::Images(_))
    ));
    experiment.train.validation = 0;
    let mut data = dataset();
    data.train.labels[5] = 3;
    let error = train(
        &experiment,
        &data,
        Activations::Original,
        None,
        folder.path(),
        &AtomicBool::new(false),
    )
    .unwrap_err();
    assert!(error.to_string().contains("label 3"), "{error}");
}

#[test]
fn high_degrees_train_without_diverging() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = reference::experiment(5);
    experiment.train.epochs = 8;
    for (function, degree) in [
        (Function::Relu, 4),
        (Function::Sigmoid, 3),
        (Function::Tanh, 5),
        (Function::Silu, 9),
    ] {
        let interval = experiment.activation.interval;
        let start = polyapprox::approximate(function, Method::Chebyshev, degree, interval)
            .unwrap()
            .polynomial;
        let folder = folder.path().join(format!("{function:?}"));
        let outcome = train(
            &experiment,
            &dataset(),
            Activations::Polynomial(&start),
            None,
            &folder,
            &AtomicBool::new(false),
        )
        .unwrap();
        let accuracy = test_accuracy(&outcome);
        assert!(
            accuracy > 0.7,
            "{function:?} at degree {degree}: {accuracy}, {:?}",
            numbers(&outcome)
        );
    }
}
