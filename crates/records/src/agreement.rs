//! Evaluations against the labels and against each other, always on the same images.

use super::{Accuracies, Accuracy, Agreement, AgreementSummary, Evaluation, PredictionTable};

/// The evaluations in the order in which a network loses accuracy, each with the words of the report.
pub const STEPS: [(&str, &str); 5] = [
    ("original", "Original activation, f32"),
    ("polynomial", "Polynomial activation, f32"),
    ("circuit", "Integer-weight circuit, in the clear"),
    ("simulated", "Circuit with simulated ciphertext noise"),
    ("encrypted", "Real ciphertexts"),
];

/// One row of the "where did accuracy go" table.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracyStep {
    /// Name of the evaluation.
    pub name: &'static str,
    /// The same in words.
    pub title: &'static str,
    /// Accuracy; `None` where the evaluation was not made.
    pub accuracy: Option<Accuracy>,
    /// Agreement with the nearest row above that was made, and its name.
    pub agreement: Option<(&'static str, Agreement)>,
}

/// Accuracy of the first `limit` images that were evaluated; `None` where none was.
pub fn accuracy(labels: &[u16], predicted: &[Option<u16>], limit: usize) -> Option<Accuracy> {
    let (mut correct, mut n) = (0, 0);
    for (label, class) in labels.iter().zip(predicted).take(limit) {
        if let Some(class) = class {
            n += 1;
            correct += u64::from(class == label);
        }
    }
    (n > 0).then(|| Accuracy::wilson(correct, n))
}

/// Share of equal predictions among the first `limit` images, counting those that both evaluated; `None` where there is none.
pub fn agreement(a: &[Option<u16>], b: &[Option<u16>], limit: usize) -> Option<Agreement> {
    let (mut equal, mut n) = (0_u64, 0_u64);
    for (a, b) in a.iter().zip(b).take(limit) {
        if let (Some(a), Some(b)) = (a, b) {
            n += 1;
            equal += u64::from(a == b);
        }
    }
    (n > 0).then(|| Agreement {
        value: equal as f64 / n as f64,
        n,
    })
}

/// Largest absolute difference of any logit, over the images that both evaluated; `None` where there is none or the classes differ.
pub fn max_logit_error(a: &Evaluation, b: &Evaluation) -> Option<f64> {
    logit_errors(a, b)
        .map(f64::abs)
        .fold(None, |largest, error| {
            Some(largest.map_or(error, |l: f64| l.max(error)))
        })
}

/// `a - b` for every logit of every image that both evaluated; empty when the classes differ.
pub fn logit_errors<'a>(a: &'a Evaluation, b: &'a Evaluation) -> impl Iterator<Item = f64> + 'a {
    let n = if a.classes == b.classes {
        a.logits.len().min(b.logits.len())
    } else {
        0
    };
    a.logits
        .iter()
        .zip(&b.logits)
        .take(n)
        .map(|(a, b)| f64::from(*a) - f64::from(*b))
}

/// How many of the images are compared in the agreement and the five-row table: the encrypted ones, or all when none was encrypted.
pub fn compared_images(predictions: &PredictionTable) -> usize {
    match predictions.predicted("encrypted") {
        Some(encrypted) => encrypted.iter().take_while(|class| class.is_some()).count(),
        None => predictions.labels.len(),
    }
}

/// The five rows, on the encrypted images (on all of them where none was encrypted).
pub fn accuracy_steps(predictions: &PredictionTable) -> Vec<AccuracyStep> {
    let limit = compared_images(predictions);
    let mut above: Option<(&'static str, &[Option<u16>])> = None;
    STEPS
        .iter()
        .map(|&(name, title)| {
            let Some(predicted) = predictions.predicted(name) else {
                return AccuracyStep {
                    name,
                    title,
                    accuracy: None,
                    agreement: None,
                };
            };
            let step = AccuracyStep {
                name,
                title,
                accuracy: accuracy(&predictions.labels, predicted, limit),
                agreement: above.and_then(|(above, other)| {
                    agreement(predicted, other, limit).map(|share| (above, share))
                }),
            };
            above = Some((name, predicted));
            step
        })
        .collect()
}

impl Accuracies {
    /// The accuracy of an evaluation, by its name in [`STEPS`].
    pub fn named(&self, evaluation: &str) -> Option<Accuracy> {
        match evaluation {
            "original" => self.original,
            "polynomial" => self.polynomial,
            "circuit" => self.circuit,
            "simulated" => self.simulated,
            "encrypted" => self.encrypted,
            _ => None,
        }
    }

    /// Each evaluation against the labels, on all images that it evaluated.
    pub fn of(predictions: &PredictionTable) -> Self {
        let of = |name| {
            predictions
                .predicted(name)
                .and_then(|classes| accuracy(&predictions.labels, classes, usize::MAX))
        };
        Self {
            original: of("original"),
            polynomial: of("polynomial"),
            circuit: of("circuit"),
            simulated: of("simulated"),
            encrypted: of("encrypted"),
            polynomial_one_view: of("polynomial_one_view"),
            encrypted_one_view: of("encrypted_one_view"),
        }
    }
}

impl AgreementSummary {
    /// Neighbours on the encrypted images (on all of them where none was encrypted).
    pub fn of(predictions: &PredictionTable) -> Self {
        let limit = compared_images(predictions);
        let of = |a, b| agreement(predictions.predicted(a)?, predictions.predicted(b)?, limit);
        let logits = |name| predictions.evaluation(name);
        Self {
            encrypted_vs_polynomial: of("encrypted", "polynomial"),
            encrypted_vs_circuit: of("encrypted", "circuit"),
            polynomial_vs_original: of("polynomial", "original"),
            circuit_vs_polynomial: of("circuit", "polynomial"),
            simulated_vs_circuit: of("simulated", "circuit"),
            max_logit_error: logits("encrypted")
                .zip(logits("circuit"))
                .and_then(|(a, b)| max_logit_error(a, b)),
        }
    }
}

/// How often each true class was taken for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// Number of classes.
    pub classes: usize,
    /// `[true class, predicted class]`, row major.
    pub counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts the images that were evaluated; a label or class of `classes` or above is left out.
    pub fn new(labels: &[u16], predicted: &[Option<u16>], classes: usize) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, class) in labels.iter().zip(predicted) {
            let (row, Some(column)) = (usize::from(*label), class.map(usize::from)) else {
                continue;
            };
            if row < classes && column < classes {
                counts[row * classes + column] += 1;
            }
        }
        Self { classes, counts }
    }

    /// Images of true class `row` that were taken for `column`; 0 outside the matrix.
    pub fn count(&self, row: usize, column: usize) -> u64 {
        if row < self.classes && column < self.classes {
            self.counts[row * self.classes + column]
        } else {
            0
        }
    }

    /// Images on the diagonal, and all images.
    pub fn correct_of(&self) -> (u64, u64) {
        (
            (0..self.classes)
                .map(|class| self.count(class, class))
                .sum(),
            self.counts.iter().sum(),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::Predictions;

    fn one_hot(classes: &[u16]) -> Evaluation {
        let mut logits = vec![0.0; classes.len() * 3];
        for (row, class) in classes.iter().enumerate() {
            logits[row * 3 + usize::from(*class)] = 1.0;
        }
        Evaluation { classes: 3, logits }
    }

    fn table() -> PredictionTable {
        PredictionTable::from(&Predictions {
            labels: vec![0, 1, 2, 0],
            evaluations: vec![
                ("polynomial".into(), one_hot(&[0, 1, 2, 1])),
                ("circuit".into(), one_hot(&[0, 1, 1, 1])),
                ("encrypted".into(), one_hot(&[0, 2, 1])),
            ],
        })
    }

    /// 81/263, 15/148, 0/20 and 1/29 are the examples of Newcombe 1998 (Statistics in Medicine 17, method 3), who gives four digits.
    #[test]
    fn wilson_against_known_values() {
        for (correct, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = Accuracy::wilson(correct, n);
            assert!(
                (interval.low - low).abs() < 5.1e-5,
                "{correct}/{n}: {interval:?}"
            );
            assert!(
                (interval.high - high).abs() < 5.1e-5,
                "{correct}/{n}: {interval:?}"
            );
            assert!(interval.low <= interval.value && interval.value <= interval.high);
        }
        assert_eq!(Accuracy::wilson(10, 10).high, 1.0);
        assert_eq!(Accuracy::wilson(0, 10).low, 0.0);
        let nothing = Accuracy::wilson(0, 0);
        assert_eq!((nothing.low, nothing.high), (0.0, 1.0));
    }

    #[test]
    fn the_steps_are_on_the_encrypted_images_and_skip_what_was_not_made() {
        let steps = accuracy_steps(&table());
        assert_eq!(steps.len(), 5);
        assert_eq!(steps[0].accuracy, None);
        // Image 3, which the polynomial network gets wrong, was not encrypted.
        assert_eq!(steps[1].accuracy, Some(Accuracy::wilson(3, 3)));
        assert_eq!(steps[1].agreement, None);
        assert_eq!(
            steps[2].agreement,
            Some((
                "polynomial",
                Agreement {
                    value: 2.0 / 3.0,
                    n: 3
                }
            ))
        );
        assert_eq!(steps[3].accuracy, None);
        assert_eq!(steps[4].accuracy, Some(Accuracy::wilson(1, 3)));
        assert_eq!(
            steps[4].agreement,
            Some((
                "circuit",
                Agreement {
                    value: 2.0 / 3.0,
                    n: 3
                }
            ))
        );
    }

    #[test]
    fn the_summary_has_all_images_except_for_the_encrypted_ones() {
        let accuracies = Accuracies::of(&table());
        assert_eq!(accuracies.original, None);
        assert_eq!(accuracies.polynomial, Some(Accuracy::wilson(3, 4)));
        assert_eq!(accuracies.circuit, Some(Accuracy::wilson(2, 4)));
        assert_eq!(accuracies.encrypted, Some(Accuracy::wilson(1, 3)));
        let agreement = AgreementSummary::of(&table());
        assert_eq!(
            agreement.encrypted_vs_polynomial,
            Some(Agreement {
                value: 1.0 / 3.0,
                n: 3
            })
        );
        assert_eq!(agreement.polynomial_vs_original, None);
        assert_eq!(agreement.max_logit_error, Some(1.0));
    }

    #[test]
    fn logit_errors_need_the_same_classes_and_stop_at_the_shorter() {
        let a = Evaluation {
            classes: 2,
            logits: vec![1.0, 2.0, 3.0, 4.0],
        };
        let b = Evaluation {
            classes: 2,
            logits: vec![1.5, 2.0],
        };
        assert_eq!(logit_errors(&a, &b).collect::<Vec<_>>(), [-0.5, 0.0]);
        assert_eq!(max_logit_error(&a, &b), Some(0.5));
        assert_eq!(
            max_logit_error(
                &a,
                &Evaluation {
                    classes: 1,
                    logits: vec![1.0]
                }
            ),
            None
        );
        assert_eq!(max_logit_error(&a, &Evaluation::default()), None);
    }

    #[test]
    fn confusion_counts_by_true_then_predicted_and_leaves_out_what_does_not_fit() {
        let matrix = ConfusionMatrix::new(
            &[0, 1, 1, 9, 0],
            &[Some(0), Some(0), Some(1), Some(1), None],
            2,
        );
        assert_eq!(matrix.counts, [1, 0, 1, 1]);
        assert_eq!(matrix.count(1, 0), 1);
        assert_eq!(matrix.count(5, 0), 0);
        assert_eq!(matrix.correct_of(), (2, 3));
    }
}
