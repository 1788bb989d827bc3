//! The tables of a sweep: one row a point, from the folders of the runs alone.

use std::collections::BTreeMap;
use std::path::Path;

use super::{PipelineError, PointState, PointStatus, run_folder};
use crate::results::{
    PointRecord, RunTable, Standing, StoredRun, Table, key_column, point_table, seed_table,
};

/// Columns that people want in the readable table, after the keys.
const READABLE: [&str; 12] = [
    "state",
    "accuracy.original.value",
    "accuracy.polynomial.value",
    "accuracy.circuit.value",
    "accuracy.encrypted.value",
    "accuracy.encrypted.n",
    "agreement.encrypted_vs_polynomial.value",
    "timing.train_s",
    "timing.evaluate_s",
    "timing.predictions_per_hour",
    "outside",
    "error",
];

/// What tells networks and specs apart is the report's business: a row of `points.csv` has figures.
const LEFT_OUT: [&str; 9] = [
    "row",
    "label",
    "folder",
    "trained",
    "circuit",
    "evaluation",
    "recipe",
    "system",
    "started",
];

/// The longest value of a key in the readable table.
const MAX_TEXT: usize = 40;

/// The tables of the points as they stand.
pub(super) struct PointTables {
    /// Every figure: `points.csv`.
    pub all: Table,
    /// What fits a page.
    pub readable: Table,
    /// Means over seeds; none where no seed varies.
    pub seeds: Option<Table>,
}

impl PointTables {
    pub fn read(
        points: &[PointStatus<'_>],
        keys: &[String],
        out: &Path,
    ) -> Result<Self, PipelineError> {
        let mut runs: Vec<StoredRun> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut records = Vec::new();
        for status in points {
            let name = status.estimate.run.as_str();
            let standing = match &status.state {
                PointState::Failed(failure) => Standing::Failed(failure.error.clone()),
                PointState::Missing => Standing::Missing,
                PointState::Done => match places.get(name) {
                    Some(place) => Standing::Done(*place),
                    None => match StoredRun::read(&run_folder(out, &status.estimate)) {
                        Ok((run, _)) => {
                            runs.push(run);
                            places.insert(name, runs.len() - 1);
                            Standing::Done(runs.len() - 1)
                        }
                        Err(error) => Standing::Lost(error.to_string()),
                    },
                },
            };
            let values = keys.iter().filter_map(|key| {
                let value = status.point.values.get(key)?;
                Some((key.clone(), serde_json::to_value(value).ok()?))
            });
            records.push(PointRecord {
                id: status.point.id.clone(),
                label: status.point.label.clone(),
                parts: status.point.parts.clone(),
                values: values.collect(),
                standing,
            });
        }
        let runs = RunTable::new(runs)?;
        let table = point_table(&records, &runs)?;
        let key_columns: Vec<String> = keys.iter().map(|key| key_column(key)).collect();
        let kept = table.columns().into_iter().filter(|name| {
            !LEFT_OUT.contains(name) && !name.starts_with("spec.") && !name.starts_with("part.")
        });
        // A list of layers would fill the page; the part's name stands for it.
        let short = |column: &&String| {
            table
                .texts(column)
                .iter()
                .flatten()
                .all(|text| text.len() <= MAX_TEXT)
        };
        let fitting = key_columns.iter().filter(short).map(String::as_str);
        let readable: Vec<&str> = ["parts"]
            .into_iter()
            .chain(fitting)
            .chain(READABLE)
            .collect();
        Ok(Self {
            all: table.select(&kept.collect::<Vec<_>>())?,
            readable: table.select(&readable)?.without_empty_columns()?,
            seeds: seed_table(&table, keys, &runs)?,
        })
    }
}
