//! What differs between finished runs: keys of their specs, and figures.

use std::path::PathBuf;

use serde_json::json;

use super::PipelineError;
use crate::results::{Paired, Row, RunTable, StoredRun, Table};

/// Runs side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Names of the runs, in the order asked for.
    pub names: Vec<String>,
    /// Keys with different values: one value a run, none where the key is not there.
    pub spec: Vec<(String, Vec<Option<String>>)>,
    /// Keys with the same value everywhere.
    pub same: usize,
    /// Figures that at least one run has.
    pub figures: Vec<Figure>,
    /// Further files that could not be read.
    pub notes: Vec<String>,
}

/// A figure and its value in every run.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its place in `summary.json`.
    pub name: String,
    /// A share, 0 to 1, of which differences tell more than ratios.
    pub is_share: bool,
    /// One a run.
    pub values: Vec<Option<Measured>>,
}

/// A number, what belongs to it, and how it compares with that of the first run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Ends of its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Images it is over.
    pub n: Option<u64>,
    /// The difference of shares, the ratio of other figures; none for the first run.
    pub against_first: Option<f64>,
    /// Exact p-value of McNemar's test against the first run, where both classified the same images.
    pub p_value: Option<f64>,
}

/// Reads the runs and puts them side by side.
///
/// # Errors
/// [`PipelineError::NotARun`] for a folder that is none, [`PipelineError::Results`] for one that cannot be read.
pub fn compare(folders: &[PathBuf]) -> Result<Comparison, PipelineError> {
    let mut runs = Vec::new();
    let mut notes = Vec::new();
    for folder in folders {
        if !StoredRun::is_run(folder) {
            return Err(PipelineError::NotARun {
                path: folder.clone(),
            });
        }
        let (run, troubles) = StoredRun::read(folder)?;
        notes.extend(troubles.iter().map(ToString::to_string));
        runs.push(run);
    }
    let runs = RunTable::new(runs)?;
    let table = &runs.table;
    let names = table.texts("run").into_iter().flatten().collect();
    let mut keys: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut figures = Vec::new();
    for column in table.columns() {
        if let Some(key) = column.strip_prefix("spec.") {
            keys.push((key.to_owned(), table.texts(column)));
        } else if table.is_number(column) && is_figure(column) {
            figures.push(figure(&runs, column));
        }
    }
    let all = keys.len();
    keys.sort();
    keys.retain(|(_, values)| values.iter().any(|value| Some(value) != values.first()));
    Ok(Comparison {
        names,
        same: all - keys.len(),
        spec: keys,
        figures,
        notes,
    })
}

/// Ends and counts stand beside their figure; plans and tails have pages of their own.
fn is_figure(column: &str) -> bool {
    let apart = ["row", "fill"].contains(&column)
        || column.starts_with("prediction.")
        || column.starts_with("tails.");
    let beside = [".low", ".high", ".n", ".correct"]
        .iter()
        .any(|end| column.ends_with(end));
    !apart && !beside
}

fn figure(runs: &RunTable, column: &str) -> Figure {
    let (table, name) = (&runs.table, column.strip_suffix(".value").unwrap_or(column));
    let is_share = name.starts_with("accuracy.")
        || column.ends_with(".value")
        || ["outside", "validation"].contains(&name);
    let beside = |end: &str| table.reals(&format!("{name}.{end}"));
    let (low, high, n) = (beside("low"), beside("high"), beside("n"));
    let values = table.reals(column);
    let first = values.first().copied().flatten();
    let evaluation = name.strip_prefix("accuracy.");
    let measured = |(run, value): (usize, &Option<f64>)| {
        let value = (*value)?;
        let against_first = first.filter(|_| run > 0).and_then(|first| match is_share {
            true => Some(value - first),
            false => (first != 0.0).then(|| value / first),
        });
        let (own, other) = (runs.runs.get(run)?, runs.runs.first()?);
        let pair = evaluation.filter(|_| run > 0).and_then(|name| {
            let same = own.predictions.labels == other.predictions.labels;
            let predicted = other
                .predictions
                .predicted(name)
                .zip(own.predictions.predicted(name));
            predicted
                .filter(|_| same)
                .and_then(|(first, second)| Paired::new(&own.predictions.labels, first, second))
        });
        Some(Measured {
            value,
            interval: low[run].zip(high[run]),
            n: n[run].map(|n| n as u64),
            against_first,
            p_value: pair.map(|pair| pair.p_value()),
        })
    };
    Figure {
        name: name.to_owned(),
        is_share,
        values: values.iter().enumerate().map(measured).collect(),
    }
}

impl Comparison {
    /// One row a key or figure, for CSV: `what`, `name`, then value, interval and comparison of every run.
    ///
    /// # Errors
    /// None that the data could cause.
    pub fn table(&self) -> Result<Table, PipelineError> {
        // Two runs may have one name.
        let column = |run: usize| format!("{}:{}", run + 1, self.names[run]);
        let head = |what: &str, name: &str| -> Row {
            vec![
                ("what".to_owned(), json!(what)),
                ("name".to_owned(), json!(name)),
            ]
        };
        let mut rows = Vec::new();
        for (key, values) in &self.spec {
            let mut row = head("spec", key);
            row.extend(
                values
                    .iter()
                    .enumerate()
                    .map(|(run, value)| (column(run), json!(value))),
            );
            rows.push(row);
        }
        for figure in &self.figures {
            let mut row = head("result", &figure.name);
            for (run, measured) in figure.values.iter().enumerate() {
                let Some(measured) = measured else { continue };
                let name = column(run);
                row.extend([
                    (name.clone(), json!(measured.value)),
                    (
                        format!("{name}:low"),
                        json!(measured.interval.map(|ends| ends.0)),
                    ),
                    (
                        format!("{name}:high"),
                        json!(measured.interval.map(|ends| ends.1)),
                    ),
                    (format!("{name}:n"), json!(measured.n)),
                    (
                        format!("{name}:against_first"),
                        json!(measured.against_first),
                    ),
                    (format!("{name}:p_value"), json!(measured.p_value)),
                ]);
            }
            rows.push(row);
        }
        Ok(Table::from_rows(&rows)?.without_empty_columns()?)
    }
}
