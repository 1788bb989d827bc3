//! The points of a sweep, each with the figures of its run.

use serde_json::{Value, json};

use super::{ResultsError, Row, RunTable, Table};

/// The key whose values are repetitions, not conditions.
const SEED: &str = "seed";

/// Where a point of a sweep stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its run, by its place in the table of runs.
    Done(usize),
    /// Why it failed.
    Failed(String),
    /// Not run yet.
    Missing,
    /// It ran, but its run's folder is not there or cannot be read.
    Lost(String),
}

/// A point of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRecord {
    /// Its short key.
    pub id: String,
    /// Its values, for people.
    pub label: String,
    /// The parts of the study that hold it.
    pub parts: Vec<String>,
    /// What its keys are set to, in the order of the study.
    pub values: Vec<(String, Value)>,
    /// Where it stands.
    pub standing: Standing,
}

impl Standing {
    /// In a word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Missing => "missing",
            Self::Lost(_) => "lost",
        }
    }
}

/// One row a point: `id`, `label`, `parts` (joined by `+`), `part.NAME` (true where it belongs to that part), a column for each key of the sweep, `state`, then every figure of its run, and
/// `error`.
///
/// # Errors
/// None for what points can hold.
pub fn point_table(points: &[PointRecord], runs: &RunTable) -> Result<Table, ResultsError> {
    let rows = points.iter().map(|point| {
        let mut row: Row = vec![
            ("id".to_owned(), json!(point.id)),
            ("label".to_owned(), json!(point.label)),
            (
                "parts".to_owned(),
                json!((!point.parts.is_empty()).then(|| point.parts.join("+"))),
            ),
        ];
        row.extend(
            point
                .parts
                .iter()
                .map(|part| (format!("part.{part}"), json!(true))),
        );
        row.extend(
            point
                .values
                .iter()
                .map(|(key, value)| (key_column(key), value.clone())),
        );
        let (place, error) = match &point.standing {
            Standing::Done(place) => (Some(place), None),
            Standing::Failed(why) | Standing::Lost(why) => (None, Some(why)),
            Standing::Missing => (None, None),
        };
        row.push(("state".to_owned(), json!(point.standing.as_str())));
        row.push(("row".to_owned(), json!(place)));
        row.push(("error".to_owned(), json!(error)));
        row
    });
    Table::from_rows(&rows.collect::<Vec<_>>())?.joined(&runs.table, "row")
}

/// The column of a key of the sweep: figures of the run may have the same name.
pub fn key_column(key: &str) -> String {
    format!("set.{key}")
}

/// Means over the seeds of points that differ in nothing else, with intervals over seeds and test images; none where no seed varies.
///
/// # Errors
/// None that the data could cause.
pub fn seed_table(
    points: &Table,
    keys: &[String],
    runs: &RunTable,
) -> Result<Option<Table>, ResultsError> {
    if !keys.iter().any(|key| key == SEED) {
        return Ok(None);
    }
    let conditions: Vec<String> = keys
        .iter()
        .filter(|key| *key != SEED)
        .map(|key| key_column(key))
        .collect();
    let columns: Vec<&str> = ["parts"]
        .into_iter()
        .chain(conditions.iter().map(String::as_str))
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    for group in points.with("state", "done")?.groups(&columns)? {
        if group.rows() < 2 {
            continue;
        }
        let mut row: Row = columns
            .iter()
            .map(|name| (short_name(name), json!(group.text(name))))
            .collect();
        row.push(("seeds".to_owned(), json!(group.rows())));
        for evaluation in ["original", "polynomial", "encrypted"] {
            if let Some(estimate) = runs.accuracy(&group, evaluation) {
                let cells = [
                    ("", estimate.value),
                    ("_low", estimate.low),
                    ("_high", estimate.high),
                ];
                row.extend(cells.map(|(end, value)| (format!("{evaluation}{end}"), json!(value))));
            }
        }
        rows.push(row);
    }
    match rows.is_empty() {
        true => Ok(None),
        false => Table::from_rows(&rows)?.without_empty_columns().map(Some),
    }
}

fn short_name(column: &str) -> String {
    column.strip_prefix("set.").unwrap_or(column).to_owned()
}
