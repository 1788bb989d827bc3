//! The loss: cross entropy against smoothed labels.

use burn::tensor::{Tensor, activation};

/// Target probabilities `[images, classes]`: `1 - smoothing` on the label, and `smoothing` spread evenly over all classes (Szegedy
/// et al. 2016).
pub(super) fn targets(labels: &[u16], classes: usize, smoothing: f64) -> Vec<f32> {
    let mut targets = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
    for (row, label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[usize::from(*label)] += (1.0 - smoothing) as f32;
    }
    targets
}

/// Mean over the batch of `-sum targets * log softmax(logits)`.
///
/// # Shapes
/// - `logits`, `targets`: `[images, classes]`
/// - output: `[1]`
pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let [images, _] = logits.dims();
    (activation::log_softmax(logits, 1) * targets)
        .sum()
        .div_scalar(-(images as f64))
}

/// The loss of distillation (Hinton et al., arXiv 1503.02531): `T²` times the mean over the batch of the divergence of
/// `softmax(logits / T)` from the teacher's.
///
/// # Shapes
/// - `logits`, `teacher`: `[images, classes]`; the teacher's have no gradient
/// - output: `[1]`
pub(super) fn distillation(logits: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [images, _] = logits.dims();
    let taught = activation::log_softmax(teacher.div_scalar(temperature), 1);
    let found = activation::log_softmax(logits.div_scalar(temperature), 1);
    ((taught.clone() - found) * taught.exp())
        .sum()
        .mul_scalar(temperature * temperature / images as f64)
}

/// How many rows of `logits` are largest at their label.
pub(super) fn correct(logits: &[f32], labels: &[u16], classes: usize) -> usize {
    let hits = logits
        .chunks_exact(classes)
        .zip(labels)
        .filter(|(row, label)| {
            let best =
                row.iter().enumerate().fold(
                    0,
                    |best, (class, value)| if *value > row[best] { class } else { best },
                );
            best == usize::from(**label)
        });
    hits.count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn distillation_is_the_divergence_of_the_softened_outputs() {
        let (student, teacher) = (
            [1.0_f32, -2.0, 0.5, 0.0, 3.0, -1.0],
            [2.0_f32, 0.0, -1.0, 0.5, 1.0, 1.5],
        );
        let soft = |row: &[f32]| -> Vec<f64> {
            let powers: Vec<f64> = row
                .iter()
                .map(|value| (f64::from(*value) / 3.0).exp())
                .collect();
            powers
                .iter()
                .map(|value| value / powers.iter().sum::<f64>())
                .collect()
        };
        let expected: f64 = student
            .chunks(3)
            .zip(teacher.chunks(3))
            .map(|(student, teacher)| {
                let pairs = soft(teacher).into_iter().zip(soft(student));
                pairs.map(|(p, q)| p * (p / q).ln()).sum::<f64>()
            })
            .sum::<f64>()
            * 9.0
            / 2.0;
        let tensor = |values: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [2, 3]), &Device::flex())
        };
        let found = distillation(tensor(&student), tensor(&teacher), 3.0).into_scalar::<f32>();
        assert!(
            (f64::from(found) - expected).abs() < 1e-5,
            "{found} {expected}"
        );
        let same = distillation(tensor(&student), tensor(&student), 3.0).into_scalar::<f32>();
        assert!(same.abs() < 1e-6);
    }

    #[test]
    fn agrees_with_the_formula_in_f64() {
        let logits = [1.0_f32, -2.0, 0.5, 0.0, 3.0, -1.0];
        let labels = [2, 1];
        let soft = targets(&labels, 3, 0.1);
        assert!((soft.iter().sum::<f32>() - 2.0).abs() < 1e-6);
        assert!((soft[2] - (0.9 + 0.1 / 3.0)).abs() < 1e-6);
        let expected: f64 = logits
            .chunks(3)
            .zip(soft.chunks(3))
            .map(|(row, soft)| {
                let total: f64 = row.iter().map(|value| f64::from(*value).exp()).sum();
                row.iter()
                    .zip(soft)
                    .map(|(value, soft)| -f64::from(*soft) * (f64::from(*value) - total.ln()))
                    .sum::<f64>()
            })
            .sum::<f64>()
            / 2.0;
        let tensor = |values: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [2, 3]), &Device::flex())
        };
        let found = cross_entropy(tensor(&logits), tensor(&soft)).into_scalar::<f32>();
        assert!(
            (f64::from(found) - expected).abs() < 1e-6,
            "{found} {expected}"
        );
        assert_eq!(correct(&logits, &labels, 3), 1);
    }
}
