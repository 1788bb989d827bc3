//! What the planner foretold, beside what came.

use super::compiled::Compiled;
use super::run::StageResults;
use crate::circuit::Plan;
use crate::results::{Compared, ComparedBits, Evaluation, Prediction};

/// The prediction of a run's encrypted evaluation; none where nothing was encrypted, or by look-ups.
pub(super) fn of(made: &StageResults) -> Option<Prediction> {
    let (record, Compiled::Polynomials { plan, .. }) = (made.encrypted.as_ref()?, &made.compiled)
    else {
        return None;
    };
    let timing = &record.timing;
    let images = usize::try_from(timing.images).unwrap_or(usize::MAX);
    let named = |name: &str| {
        let mut evaluations = made.predictions.evaluations.iter();
        evaluations.find_map(|(known, evaluation)| (known == name).then_some(evaluation))
    };
    let errors = Errors::between(named("encrypted")?, named("circuit")?);
    Some(Prediction {
        evaluate_s: Compared::new(
            plan.evaluate_seconds(images, timing.threads),
            timing.evaluate_s?,
        ),
        precision_bits: errors.precision(plan),
        error_bound_bits: ComparedBits::of_errors(plan.logit_error_bound(), errors.largest),
        peak_bytes: record
            .peak_rss_bytes
            .map(|measured| Compared::new(plan.peak_memory_bytes as f64, measured as f64)),
    })
}

/// What noise changes of the logits.
struct Errors {
    largest: f64,
    root_mean_square: f64,
}

impl Errors {
    /// Over the images that both evaluations have.
    fn between(encrypted: &Evaluation, circuit: &Evaluation) -> Self {
        let pairs = encrypted.logits.iter().zip(&circuit.logits);
        let (mut largest, mut squares) = (0.0_f64, 0.0);
        for (encrypted, circuit) in pairs {
            let error = f64::from(*encrypted) - f64::from(*circuit);
            largest = largest.max(error.abs());
            squares += error * error;
        }
        let count = encrypted.logits.len().min(circuit.logits.len()).max(1);
        Self {
            largest,
            root_mean_square: (squares / count as f64).sqrt(),
        }
    }

    fn precision(&self, plan: &Plan) -> Option<ComparedBits> {
        let predicted = (-plan.expected_precision_bits()).exp2();
        ComparedBits::of_errors(predicted, self.root_mean_square)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_of_the_images_that_both_have() {
        let evaluation = |logits: &[f32]| Evaluation {
            classes: 2,
            logits: logits.to_vec(),
        };
        let encrypted = evaluation(&[1.0, 2.0, -3.0, 4.5]);
        let circuit = evaluation(&[1.25, 2.0, -3.0, 4.0, 100.0, 100.0]);
        let errors = Errors::between(&encrypted, &circuit);
        assert_eq!(errors.largest, 0.5);
        assert_eq!(errors.root_mean_square, (0.3125_f64 / 4.0).sqrt());
        let bits = ComparedBits::of_errors(1.0, errors.largest).unwrap();
        assert_eq!(
            (bits.predicted, bits.measured, bits.difference),
            (0.0, 1.0, 1.0)
        );
        assert_eq!(ComparedBits::of_errors(1.0, 0.0), None);
    }
}
