//! How long the trainings of a sweep will take, roughly: from epochs that the store has, else from their arithmetic.

use super::{PointState, PointStatus};
use crate::pipeline::Stage;
use crate::results::median;

/// Multiply-accumulates of the forward pass that training gets through in a second, where nothing of the sweep was trained yet.
/// Measured: 12 epochs of 55,000 MNIST images, 295,808 multiply-accumulates an image, 2.7 s an epoch.
pub const REFERENCE_RATE: f64 = 6.0e9;

/// Where that was measured.
pub const REFERENCE_MACHINE: &str = "2 cores of an AMD EPYC (Zen 5)";

/// One training, done or to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// With the polynomial, or with the activation itself.
    pub stage: Stage,
    /// Its key: points that share it train once.
    pub key: String,
    /// Trainings that are alike in this take as long an epoch: network, data, batch, threads.
    pub like: String,
    /// Passes over the images.
    pub epochs: usize,
    /// Multiply-accumulates of the forward pass in an epoch.
    pub epoch_macs: f64,
    /// Measured seconds of an epoch, where the store has it.
    pub epoch_seconds: Option<f64>,
    /// Whether the store has it.
    pub cached: bool,
}

/// A rough prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeEstimate {
    /// Trainings to be done, those that points share once.
    pub trainings: usize,
    /// Seconds of all of them, one after the other.
    pub seconds: f64,
    /// Trainings predicted from stored epochs of the same network on the same data.
    pub from_epochs: usize,
    /// What the others are predicted from.
    pub rate: Rate,
}

/// Multiply-accumulates a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The median over stored trainings of the sweep.
    Stored(f64),
    /// [`REFERENCE_RATE`].
    Reference,
}

impl Rate {
    /// Multiply-accumulates a second.
    pub const fn value(self) -> f64 {
        match self {
            Self::Stored(rate) => rate,
            Self::Reference => REFERENCE_RATE,
        }
    }
}

/// Predicts the trainings that the points still need; none where they need none.
pub fn estimate_training(points: &[PointStatus<'_>]) -> Option<RuntimeEstimate> {
    let all = || points.iter().flat_map(|point| &point.estimate.trainings);
    let rates: Vec<f64> = all()
        .filter_map(|training| Some(training.epoch_macs / training.epoch_seconds?))
        .filter(|rate| rate.is_finite() && *rate > 0.0)
        .collect();
    let rate = median(&rates).map_or(Rate::Reference, Rate::Stored);
    let mut seen: Vec<(Stage, &str)> = Vec::new();
    let mut found = RuntimeEstimate {
        trainings: 0,
        seconds: 0.0,
        from_epochs: 0,
        rate,
    };
    let open = points
        .iter()
        .filter(|point| point.state != PointState::Done);
    for training in open.flat_map(|point| &point.estimate.trainings) {
        if training.cached || seen.contains(&(training.stage, training.key.as_str())) {
            continue;
        }
        seen.push((training.stage, &training.key));
        let alike: Vec<f64> = all()
            .filter(|other| other.like == training.like && other.stage == training.stage)
            .filter_map(|other| other.epoch_seconds)
            .collect();
        let epoch = match median(&alike) {
            Some(seconds) => {
                found.from_epochs += 1;
                seconds
            }
            None => training.epoch_macs / rate.value(),
        };
        found.trainings += 1;
        found.seconds += epoch * training.epochs as f64;
    }
    (found.trainings > 0).then_some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::PointEstimate;
    use super::*;
    use crate::spec::{Study, StudyKind, Sweep};

    fn sweep() -> Sweep {
        let study = "name = \"s\"\ntitle = \"s\"\n[base.dataset]\nname = \"digits\"\n[[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3, 4]\n";
        match Study::from_str_named(study, "s.toml", std::path::Path::new("."), &[])
            .unwrap()
            .kind
        {
            StudyKind::Runs(sweep) => sweep,
            StudyKind::Approximation(_) => unreachable!("the study has axes"),
        }
    }

    fn training(key: &str, like: &str, seconds: Option<f64>) -> Training {
        Training {
            stage: Stage::Train,
            key: key.to_owned(),
            like: like.to_owned(),
            epochs: 10,
            epoch_macs: 1.2e10,
            epoch_seconds: seconds,
            cached: seconds.is_some(),
        }
    }

    fn points(sweep: &Sweep, trainings: Vec<Vec<Training>>) -> Vec<PointStatus<'_>> {
        sweep
            .points
            .iter()
            .zip(trainings)
            .map(|(point, trainings)| PointStatus {
                point,
                estimate: PointEstimate {
                    trainings,
                    ..PointEstimate::default()
                },
                state: PointState::Missing,
            })
            .collect()
    }

    #[test]
    fn shared_trainings_count_once_and_stored_epochs_tell_best() {
        let sweep = sweep();
        let found = estimate_training(&points(
            &sweep,
            vec![
                vec![training("a", "small", Some(4.0))],
                vec![training("b", "small", None), training("c", "large", None)],
                vec![training("b", "small", None)],
            ],
        ))
        .unwrap();
        // 4 s an epoch is 3 G a second.
        assert_eq!(found.rate, Rate::Stored(3e9));
        assert_eq!((found.trainings, found.from_epochs), (2, 1));
        assert!((found.seconds - (40.0 + 40.0)).abs() < 1e-9);
    }

    #[test]
    fn without_stored_trainings_the_reference_rate_is_taken() {
        let sweep = sweep();
        let found = estimate_training(&points(
            &sweep,
            vec![vec![training("a", "x", None)], vec![], vec![]],
        ))
        .unwrap();
        assert_eq!(found.rate, Rate::Reference);
        assert!((found.seconds - 20.0).abs() < 1e-9);
        assert_eq!(
            estimate_training(&points(&sweep, vec![vec![], vec![], vec![]])),
            None
        );
    }
}
