//! What the built-in digits promise.

use super::*;
use crate::digest::hex;
use crate::official::normalisation;

#[test]
fn images_depend_on_seed_split_and_index_alone() {
    let images = draw(7, Split::Train, 64);
    assert_eq!(draw(7, Split::Train, 20), images.range(0..20));
    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map(|pool| pool.install(|| draw(7, Split::Train, 64)));
    assert_eq!(one_thread.ok(), Some(images.clone()));
    assert_ne!(draw(7, Split::Test, 64), images);
    assert_ne!(draw(8, Split::Train, 64), images);
}

/// The images are part of every published result made from them: whoever changes them raises `VERSION` and this digest.
#[test]
fn the_images_of_version_1_are_these() {
    let images = draw(7, Split::Train, 500);
    let mut hasher = blake3::Hasher::new();
    let labels: Vec<u8> = images.labels.iter().map(|label| *label as u8).collect();
    hasher.update(&images.pixels).update(&labels);
    assert_eq!(VERSION, 1);
    assert_eq!(
        hex(hasher.finalize().as_bytes()),
        "116e96a9d5dee2a1cb0a6f8b433178bd82936c10cc16c09bdd7864f5446ade90"
    );
}

#[test]
fn the_digest_tells_seeds_and_counts_apart() {
    let digests = [
        digest(7, (20, 4)),
        digest(8, (20, 4)),
        digest(7, (21, 4)),
        digest(7, (20, 5)),
        digest(7, (4, 20)),
    ];
    for (i, a) in digests.iter().enumerate() {
        assert!(digests[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn every_class_is_about_a_tenth_and_the_constants_are_the_measured_ones() {
    let images = draw(7, Split::Train, 20_000);
    for class in 0..10 {
        let share = images
            .labels
            .iter()
            .filter(|&&label| label == class)
            .count() as f64
            / images.len() as f64;
        assert!((share - 0.1).abs() < 0.01, "{class}: {share}");
    }
    let values = || images.pixels.iter().map(|&byte| f64::from(byte) / 255.0);
    let mean = values().sum::<f64>() / images.pixels.len() as f64;
    let variance =
        values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / images.pixels.len() as f64;
    let (known_mean, known_std) = normalisation(DatasetName::Digits);
    assert!((mean - f64::from(known_mean[0])).abs() < 1e-4, "{mean}");
    assert!(
        (variance.sqrt() - f64::from(known_std[0])).abs() < 1e-4,
        "{}",
        variance.sqrt()
    );
}

/// Softmax regression, trained until it learns no more, with the best test accuracy of any epoch: an upper bound on what a linear
/// classifier does. It must stay below 95 %, or the digits would show nothing about networks.
#[test]
fn a_linear_classifier_stays_below_95_percent() {
    let (train, test) = (draw(7, Split::Train, 20_000), draw(7, Split::Test, 4_000));
    let mut model = Linear {
        weights: vec![[0.0; PIXELS + 1]; 10],
    };
    let mut best: f64 = 0.0;
    for epoch in 0..12 {
        let rate = 0.01 * 0.7_f32.powi(epoch);
        for i in 0..train.len() {
            model.learn(&train, i, rate);
        }
        let correct = (0..test.len())
            .filter(|&i| model.class(test.image(i)) == usize::from(test.labels[i]))
            .count();
        best = best.max(correct as f64 / test.len() as f64);
    }
    assert!(
        best < 0.95,
        "a linear classifier reaches {best}: the digits are too easy"
    );
    assert!(
        best > 0.70,
        "a linear classifier reaches only {best}: labels and images may not fit"
    );
}

/// `weights[class]`, the bias last.
struct Linear {
    weights: Vec<[f32; PIXELS + 1]>,
}

impl Linear {
    fn logits(&self, input: &[f32; PIXELS + 1]) -> [f32; 10] {
        std::array::from_fn(|class| {
            self.weights[class]
                .iter()
                .zip(input)
                .map(|(w, x)| w * x)
                .sum()
        })
    }

    fn input(image: &[u8]) -> [f32; PIXELS + 1] {
        std::array::from_fn(|i| image.get(i).map_or(1.0, |&byte| f32::from(byte) / 255.0))
    }

    fn class(&self, image: &[u8]) -> usize {
        let logits = self.logits(&Self::input(image));
        (0..10)
            .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
            .unwrap_or(0)
    }

    fn learn(&mut self, images: &Images, index: usize, rate: f32) {
        let input = Self::input(images.image(index));
        let logits = self.logits(&input);
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let exponentials = logits.map(|logit| (logit - largest).exp());
        let total: f32 = exponentials.iter().sum();
        for (class, weights) in self.weights.iter_mut().enumerate() {
            let target = if class == usize::from(images.labels[index]) {
                1.0
            } else {
                0.0
            };
            let step = rate * (target - exponentials[class] / total);
            weights
                .iter_mut()
                .zip(&input)
                .for_each(|(w, x)| *w += step * x);
        }
    }
}
