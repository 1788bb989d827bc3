//! Everything that training carries from one epoch to the next.

use super::optimizer::Memory;
use cryptodl_model::TrainedNetwork;
use cryptodl_records::EpochRow;

/// A network that was validated after an epoch: averaged weights, recalibrated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Validated {
    /// From 1; 0 is the untrained network.
    pub epoch: usize,
    /// Share of the held-out images that it gets right; 0 without held-out images.
    pub accuracy: f64,
    /// The network.
    pub network: TrainedNetwork,
}

/// Everything that training carries from one epoch to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    /// The weights that gradients move.
    pub weights: Vec<f32>,
    /// Their moving average.
    pub average: Vec<f32>,
    /// What the optimiser remembers.
    pub memory: Memory,
    /// The network after the last epoch.
    pub last: Validated,
    /// The network after the epoch with the best validation accuracy, the first of equals.
    pub best: Validated,
    /// One row for each finished epoch.
    pub rows: Vec<EpochRow>,
}

impl State {
    /// Finished epochs.
    pub fn epochs(&self) -> usize {
        self.rows.len()
    }

    /// Wall-clock seconds of the finished epochs.
    pub fn seconds(&self) -> f64 {
        self.rows.iter().map(|row| row.seconds).sum()
    }

    /// Takes the network of a new epoch.
    pub fn validated(&mut self, validated: Validated) {
        if validated.accuracy > self.best.accuracy {
            self.best = validated.clone();
        }
        self.last = validated;
    }

    /// The network to keep: the last one, since the schedule has brought it to rest, unless an earlier one was better by more than
    /// the standard error of an accuracy measured on `validation` images. Choosing the very best of many epochs would choose noise.
    pub fn chosen(&self, validation: usize) -> &Validated {
        let p = self.best.accuracy;
        let error = (p * (1.0 - p) / validation.max(1) as f64).sqrt();
        if p - self.last.accuracy > error {
            &self.best
        } else {
            &self.last
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    #[test]
    fn the_last_network_is_kept_unless_an_earlier_one_was_clearly_better() {
        let at = |epoch, accuracy| Validated {
            epoch,
            accuracy,
            network: reference::network(1),
        };
        let start = State {
            weights: Vec::new(),
            average: Vec::new(),
            memory: Memory::default(),
            last: at(0, 0.0),
            best: at(0, 0.0),
            rows: Vec::new(),
        };
        let chosen = |accuracies: &[f64], validation| {
            let mut state = start.clone();
            for (index, accuracy) in accuracies.iter().enumerate() {
                state.validated(at(index + 1, *accuracy));
            }
            state.chosen(validation).epoch
        };
        // The standard error of 0.9 on 100 images is 0.03.
        assert_eq!(chosen(&[0.5, 0.9, 0.88], 100), 3);
        assert_eq!(chosen(&[0.5, 0.9, 0.85], 100), 2);
        assert_eq!(chosen(&[0.5, 0.9, 0.88], 10_000), 2);
        assert_eq!(chosen(&[0.0, 0.0], 0), 2, "without held-out images");
    }
}
