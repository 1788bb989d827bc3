//! What deep networks of squares are trained with: the normalised Hermite form, Muon, whitening, penalties, and learning from the
//! original network.

use super::*;
use crate::pre_activations;
use cryptodl_model::TrainedNetwork;
use cryptodl_spec::{
    ActivationForm, Border, DistillSpec, Flip, ImagePenalty, MapPrecision, MuonSpec, Optimizer,
    Schedule, Standardize,
};

/// The small experiment with all of that.
fn experiment(seed: u64) -> Experiment {
    let mut experiment = reference::experiment(seed);
    experiment.dataset.standardize = Standardize::PerImage;
    (experiment.dataset.zca, experiment.dataset.soft_clamp) = (Some(3), Some(3.0));
    experiment.activation.form = ActivationForm::HermiteNormalized;
    let train = &mut experiment.train;
    train.epochs = 20;
    train.optimizer = Optimizer::Muon;
    (train.learning_rate, train.momentum) = (0.1, 0.6);
    train.muon = Some(MuonSpec {
        sgd_learning_rate: 0.2,
        sgd_momentum: 0.85,
    });
    train.schedule = Schedule::Linear;
    train.peak_penalty = Some(ImagePenalty {
        weight: 1e-3,
        limit: 6.0,
    });
    train.energy_penalty = Some(ImagePenalty {
        weight: 0.1,
        limit: 1.5,
    });
    train.whiten = true;
    (train.range_penalty, train.weight_decay, train.ema) = (1.0, 0.0, 0.0);
    train.augment.crop = 1;
    train.augment.border = Border::Reflect;
    train.augment.flip = Flip::Alternating;
    experiment
}

fn trained(experiment: &Experiment, original: Option<&TrainedNetwork>) -> TrainOutcome {
    let folder = tempfile::tempdir().unwrap();
    train(
        experiment,
        &dataset(),
        Activations::Polynomial(&square()),
        original,
        folder.path(),
        &AtomicBool::new(false),
    )
    .unwrap()
}

fn original(experiment: &Experiment) -> TrainedNetwork {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(
        experiment,
        &dataset(),
        Activations::Original,
        None,
        folder.path(),
        &AtomicBool::new(false),
    );
    outcome.unwrap().network
}

#[test]
fn the_normalised_hermite_form_learns_and_ends_as_plain_polynomials() {
    let outcome = trained(&experiment(3), None);
    let accuracy = test_accuracy(&outcome);
    assert!(accuracy > 0.85, "{accuracy}, {:?}", numbers(&outcome));
    let preprocessing = &outcome.network.preprocessing;
    assert!(preprocessing.filter.is_some() && preprocessing.soft_clamp == Some(3.0));
    let mut polynomials = 0;
    for layer in &outcome.network.layers {
        if let TrainedLayer::Polynomial(polynomial) = layer {
            polynomials += 1;
            for row in polynomial.coefficients.chunks(polynomial.degree + 1) {
                // 0.5 z with a gain near one, and a quadratic part that never comes near zero.
                assert!((0.1..1.0).contains(&row[1].abs()), "{row:?}");
                assert!(row[2].abs() > 1e-3, "{row:?}");
            }
        }
    }
    assert_eq!(polynomials, 2);
}

#[test]
fn a_penalty_on_each_images_peak_lowers_the_largest_pre_activation() {
    let largest = |weight: f64| {
        let mut experiment = experiment(4);
        experiment.train.range_penalty = 0.0;
        experiment.train.energy_penalty = None;
        experiment.train.peak_penalty = Some(ImagePenalty { weight, limit: 2.0 });
        let network = trained(&experiment, None).network;
        let interval = experiment.activation.interval;
        pre_activations(&network, &dataset().test, interval)
            .unwrap()
            .iter()
            .map(|row| row.max.max(-row.min))
            .fold(0.0, f64::max)
    };
    let (free, held) = (largest(1e-9), largest(1.0));
    assert!(held < 0.9 * free, "{held} against {free}");
}

#[test]
fn fixed_statistics_clamping_and_blending_still_learn() {
    let mut experiment = experiment(5);
    experiment.train.freeze_statistics = 0.4;
    experiment.train.clamp = Some(2.5);
    experiment.train.blend = 0.3;
    let outcome = trained(&experiment, None);
    let accuracy = test_accuracy(&outcome);
    assert!(accuracy > 0.8, "{accuracy}, {:?}", numbers(&outcome));
    // Each of them changes what is trained.
    for change in [
        (|experiment| experiment.train.freeze_statistics = 0.0) as fn(&mut Experiment),
        |experiment| experiment.train.clamp = None,
        |experiment| experiment.train.blend = 0.0,
    ] {
        let mut other = experiment.clone();
        change(&mut other);
        assert_ne!(trained(&other, None).network, outcome.network);
    }
}

#[test]
fn a_network_that_starts_from_the_original_one_and_learns_from_it_agrees_with_it() {
    let mut experiment = experiment(6);
    let teacher = original(&experiment);
    experiment.train.epochs = 6;
    experiment.train.blend = 0.3;
    experiment.train.start_from_original = true;
    experiment.train.distill = Some(DistillSpec {
        weight: 0.7,
        temperature: 2.0,
    });
    let outcome = trained(&experiment, Some(&teacher));
    let test = dataset().test;
    let predicted = |network: &TrainedNetwork| logits(network, &test, 64).unwrap().predicted();
    let same = predicted(&outcome.network)
        .iter()
        .zip(predicted(&teacher))
        .filter(|(student, teacher)| *student == teacher)
        .count();
    assert!(same * 100 > test.len() * 85, "{same} of {}", test.len());
    // Without the teacher there is nothing to learn from.
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        run(&experiment, folder.path()),
        Err(TrainError::Model(_))
    ));
}

#[test]
fn a_run_on_fixed_statistics_resumes_with_the_same_bits() {
    let mut experiment = experiment(7);
    experiment.train.epochs = 4;
    experiment.train.freeze_statistics = 0.5;
    let unbroken = trained(&experiment, None);
    let folder = tempfile::tempdir().unwrap();
    let broken = interrupted(&experiment, folder.path());
    assert_eq!(broken.network, unbroken.network);
}

#[test]
fn maps_in_bf16_train_as_well_and_with_the_same_bits_every_time() {
    let mut half = experiment(8);
    half.train.precision = MapPrecision::Bf16;
    let (first, second) = (trained(&half, None), trained(&half, None));
    assert_eq!(first.network, second.network);
    let single = trained(&experiment(8), None);
    assert_ne!(first.network, single.network);
    let (half, single) = (test_accuracy(&first), test_accuracy(&single));
    assert!(half > single - 0.05, "{half} against {single}");
}
