//! What differs between finished runs: keys of their specs, and figures.

use std::path::PathBuf;

use super::PipelineError;
use crate::results::{Accuracy, Agreement, Cell, Grid, RunRecord};

/// Runs side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Names of the runs, in the order asked for.
    pub names: Vec<String>,
    /// Keys with different values.
    pub spec: Vec<SpecDifference>,
    /// Keys with the same value everywhere.
    pub same: usize,
    /// Figures that at least one run has.
    pub figures: Vec<Figure>,
    /// Further files that could not be read.
    pub notes: Vec<String>,
}

/// A key of the spec and its value in every run.
#[derive(Clone, Debug)]
pub struct SpecDifference {
    /// `activation.degree` and so on.
    pub key: String,
    /// One a run; none where the key is not there.
    pub values: Vec<Option<String>>,
}

/// A figure and its value in every run.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name in `summary.json`, with its unit.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// One a run.
    pub values: Vec<Option<Measured>>,
}

/// A number, and its 95 % interval where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Ends of the interval.
    pub interval: Option<(f64, f64)>,
    /// Images it is over.
    pub n: Option<u64>,
}

/// What kind of number a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A share, 0 to 1: differences tell more than ratios.
    Share,
    /// Seconds, bytes, rates, counts: ratios tell more.
    Amount,
}

/// What a figure is made from.
type Reader = fn(&RunRecord) -> Option<Measured>;

fn amount(value: Option<f64>) -> Option<Measured> {
    value.map(|value| Measured {
        value,
        interval: None,
        n: None,
    })
}

fn accuracy(accuracy: Option<Accuracy>) -> Option<Measured> {
    accuracy.map(|accuracy| Measured {
        value: accuracy.value,
        interval: Some((accuracy.low, accuracy.high)),
        n: Some(accuracy.n),
    })
}

fn agreement(agreement: Option<Agreement>) -> Option<Measured> {
    agreement.map(|agreement| Measured {
        value: agreement.value,
        interval: None,
        n: Some(agreement.n),
    })
}

/// Every figure, in the order it is shown.
const FIGURES: [(&str, Kind, Reader); 27] = [
    ("accuracy.original", Kind::Share, |run| {
        accuracy(run.summary.accuracy.original)
    }),
    ("accuracy.polynomial", Kind::Share, |run| {
        accuracy(run.summary.accuracy.polynomial)
    }),
    ("accuracy.circuit", Kind::Share, |run| {
        accuracy(run.summary.accuracy.circuit)
    }),
    ("accuracy.simulated", Kind::Share, |run| {
        accuracy(run.summary.accuracy.simulated)
    }),
    ("accuracy.encrypted", Kind::Share, |run| {
        accuracy(run.summary.accuracy.encrypted)
    }),
    ("agreement.encrypted_vs_polynomial", Kind::Share, |run| {
        agreement(run.summary.agreement.encrypted_vs_polynomial)
    }),
    ("agreement.encrypted_vs_circuit", Kind::Share, |run| {
        agreement(run.summary.agreement.encrypted_vs_circuit)
    }),
    ("agreement.polynomial_vs_original", Kind::Share, |run| {
        agreement(run.summary.agreement.polynomial_vs_original)
    }),
    ("max_logit_error", Kind::Amount, |run| {
        amount(run.summary.agreement.max_logit_error)
    }),
    ("network.parameters", Kind::Amount, |run| {
        amount(Some(run.summary.network.parameters as f64))
    }),
    ("network.macs", Kind::Amount, |run| {
        amount(Some(run.summary.network.macs as f64))
    }),
    ("inputs_outside", Kind::Share, |run| amount(run.outside)),
    ("log_qp [bits]", Kind::Amount, |run| {
        amount(run.encrypted()?.log_qp)
    }),
    ("min_precision [bits]", Kind::Amount, |run| {
        amount(run.encrypted()?.min_precision_bits)
    }),
    ("train [s]", Kind::Amount, |run| {
        amount(run.summary.timing.train_s)
    }),
    ("keygen [s]", Kind::Amount, |run| {
        amount(run.summary.timing.keygen_s)
    }),
    ("encrypt [s]", Kind::Amount, |run| {
        amount(run.summary.timing.encrypt_s)
    }),
    ("evaluate [s]", Kind::Amount, |run| {
        amount(run.summary.timing.evaluate_s)
    }),
    ("decrypt [s]", Kind::Amount, |run| {
        amount(run.summary.timing.decrypt_s)
    }),
    ("latency [s]", Kind::Amount, |run| {
        amount(run.summary.timing.latency_s)
    }),
    ("threads", Kind::Amount, |run| {
        run.encrypted()?;
        amount(Some(run.summary.timing.threads as f64))
    }),
    ("predictions_per_hour", Kind::Amount, |run| {
        amount(run.summary.timing.predictions_per_hour)
    }),
    ("predictions_per_hour_end_to_end", Kind::Amount, |run| {
        amount(run.summary.timing.predictions_per_hour_end_to_end)
    }),
    ("evaluation_keys [bytes]", Kind::Amount, |run| {
        amount(
            run.encrypted()?
                .evaluation_key_bytes
                .map(|bytes| bytes as f64),
        )
    }),
    ("ciphertext [bytes]", Kind::Amount, |run| {
        amount(run.encrypted()?.ciphertext_bytes.map(|bytes| bytes as f64))
    }),
    ("upload_per_image [bytes]", Kind::Amount, |run| {
        amount(run.encrypted()?.input_bytes_per_image)
    }),
    ("peak_memory [bytes]", Kind::Amount, |run| {
        amount(run.summary.memory.peak_rss_bytes.map(|bytes| bytes as f64))
    }),
];

/// Reads the runs and puts them side by side.
///
/// # Errors
/// [`PipelineError::NotARun`] for a folder that is none, [`PipelineError::Results`] for one that cannot be read.
pub fn compare(folders: &[PathBuf]) -> Result<Comparison, PipelineError> {
    let mut runs = Vec::new();
    let mut notes = Vec::new();
    for folder in folders {
        if !RunRecord::is_run(folder) {
            return Err(PipelineError::NotARun {
                path: folder.clone(),
            });
        }
        let (run, troubles) = RunRecord::read(folder)?;
        notes.extend(troubles.iter().map(ToString::to_string));
        runs.push(run);
    }
    let mut keys: Vec<&String> = Vec::new();
    for key in runs.iter().flat_map(|run| run.spec.keys()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort();
    let all: Vec<SpecDifference> = keys
        .into_iter()
        .map(|key| SpecDifference {
            key: key.clone(),
            values: runs.iter().map(|run| run.spec.get(key).cloned()).collect(),
        })
        .collect();
    let count = all.len();
    let spec: Vec<SpecDifference> = all
        .into_iter()
        .filter(|row| {
            row.values
                .iter()
                .any(|value| Some(value) != row.values.first())
        })
        .collect();
    let figures = FIGURES
        .iter()
        .map(|(name, kind, read)| Figure {
            name,
            kind: *kind,
            values: runs.iter().map(read).collect(),
        })
        .filter(|figure| figure.values.iter().any(Option::is_some))
        .collect();
    Ok(Comparison {
        names: runs.iter().map(RunRecord::folder_name).collect(),
        same: count - spec.len(),
        spec,
        figures,
        notes,
    })
}

impl Figure {
    /// A run's value against the first run's: the ratio of amounts, the difference of shares. None for the first.
    pub fn against_first(&self, run: usize) -> Option<f64> {
        let first = (*self.values.first()?)?;
        let own = (*self.values.get(run)?)?;
        match self.kind {
            _ if run == 0 => None,
            Kind::Share => Some(own.value - first.value),
            Kind::Amount if first.value == 0.0 => None,
            Kind::Amount => Some(own.value / first.value),
        }
    }
}

impl Comparison {
    /// One row a key or figure, for CSV and JSON: `what`, `name`, then value, interval and comparison of every run.
    pub fn grid(&self) -> Grid {
        let rows = self.spec.len() + self.figures.len();
        let mut grid = Grid::new();
        let what = (0..rows).map(|row| {
            Cell::text(if row < self.spec.len() {
                "spec"
            } else {
                "result"
            })
        });
        grid.push("what", what);
        let keys = self.spec.iter().map(|row| Cell::text(row.key.clone()));
        grid.push(
            "name",
            keys.chain(self.figures.iter().map(|figure| Cell::text(figure.name))),
        );
        for (run, name) in self.names.iter().enumerate() {
            let of = |cell: &dyn Fn(Measured) -> Cell| -> Vec<Cell> {
                let figures = self.figures.iter().map(|figure| {
                    figure
                        .values
                        .get(run)
                        .copied()
                        .flatten()
                        .map_or(Cell::Empty, cell)
                });
                let blank = self.spec.iter().map(|_| Cell::Empty);
                blank.chain(figures).collect()
            };
            let mut values = of(&|measured| Cell::Real(measured.value));
            for (cell, row) in values.iter_mut().zip(&self.spec) {
                if let Some(Some(value)) = row.values.get(run) {
                    *cell = Cell::text(value.clone());
                }
            }
            // Two runs may have one name.
            let column = format!("{}:{name}", run + 1);
            grid.push(column.clone(), values);
            grid.push(
                format!("{column}:low"),
                of(&|measured| Cell::real(measured.interval.map(|ends| ends.0))),
            );
            grid.push(
                format!("{column}:high"),
                of(&|measured| Cell::real(measured.interval.map(|ends| ends.1))),
            );
            grid.push(
                format!("{column}:n"),
                of(&|measured| Cell::count(measured.n)),
            );
            let against = self
                .figures
                .iter()
                .map(|figure| Cell::real(figure.against_first(run)));
            let blank = self.spec.iter().map(|_| Cell::Empty);
            grid.push(format!("{column}:against_first"), blank.chain(against));
        }
        grid.without_empty_columns()
    }
}
