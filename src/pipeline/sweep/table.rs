//! The table of a sweep: one row a point, from the folders of the runs alone.

use std::path::Path;

use serde_json::Value as Json;

use super::{PointState, PointStatus, run_folder};
use crate::results::{Cell, Grid, mean_interval, read_json};
use crate::spec::Value;

/// Columns from `summary.json`: name, place in the file, and whether people want it in the readable table.
const FIGURES: [(&str, &str, bool); 44] = [
    ("original", "/accuracy/original/value", true),
    ("original_low", "/accuracy/original/low", false),
    ("original_high", "/accuracy/original/high", false),
    ("polynomial", "/accuracy/polynomial/value", true),
    ("polynomial_low", "/accuracy/polynomial/low", false),
    ("polynomial_high", "/accuracy/polynomial/high", false),
    ("polynomial_n", "/accuracy/polynomial/n", false),
    ("circuit", "/accuracy/circuit/value", true),
    ("simulated", "/accuracy/simulated/value", false),
    ("encrypted", "/accuracy/encrypted/value", true),
    ("encrypted_low", "/accuracy/encrypted/low", false),
    ("encrypted_high", "/accuracy/encrypted/high", false),
    ("encrypted_n", "/accuracy/encrypted/n", true),
    (
        "polynomial_vs_original",
        "/agreement/polynomial_vs_original/value",
        false,
    ),
    (
        "encrypted_vs_polynomial",
        "/agreement/encrypted_vs_polynomial/value",
        true,
    ),
    (
        "encrypted_vs_circuit",
        "/agreement/encrypted_vs_circuit/value",
        false,
    ),
    ("max_logit_error", "/agreement/max_logit_error", false),
    ("parameters", "/network/parameters", false),
    ("macs", "/network/macs", false),
    ("activations", "/network/activations", false),
    ("scheme", "/encryption/scheme", false),
    ("ring", "/encryption/ring", false),
    ("ring_degree", "/encryption/ring_degree", false),
    ("slots", "/encryption/slots", false),
    ("log_qp", "/encryption/log_qp", false),
    ("security_bits", "/encryption/security_bits", false),
    (
        "multiplicative_depth",
        "/encryption/multiplicative_depth",
        false,
    ),
    (
        "evaluation_key_bytes",
        "/encryption/evaluation_key_bytes",
        false,
    ),
    ("ciphertext_bytes", "/encryption/ciphertext_bytes", false),
    (
        "input_bytes_per_image",
        "/encryption/input_bytes_per_image",
        false,
    ),
    (
        "min_precision_bits",
        "/encryption/min_precision_bits",
        false,
    ),
    ("train_s", "/timing/train_s", true),
    ("keygen_s", "/timing/keygen_s", false),
    ("encrypt_s", "/timing/encrypt_s", false),
    ("evaluate_s", "/timing/evaluate_s", true),
    ("decrypt_s", "/timing/decrypt_s", false),
    ("images", "/timing/images", false),
    ("batch", "/timing/batch", false),
    ("threads", "/timing/threads", false),
    ("predictions_per_hour", "/timing/predictions_per_hour", true),
    ("images_per_hour", "/timing/images_per_hour", false),
    (
        "predictions_per_hour_end_to_end",
        "/timing/predictions_per_hour_end_to_end",
        false,
    ),
    ("latency_s", "/timing/latency_s", false),
    ("peak_rss_bytes", "/memory/peak_rss_bytes", false),
];

/// Accuracies that are averaged over seeds.
const AVERAGED: [(&str, &str); 3] = [
    ("original", "/accuracy/original/value"),
    ("polynomial", "/accuracy/polynomial/value"),
    ("encrypted", "/accuracy/encrypted/value"),
];

/// The key whose values are repetitions, not conditions.
const SEED: &str = "seed";

/// The longest value of a key in the readable table.
const MAX_TEXT: usize = 40;

/// The points with what their runs left.
pub(super) struct Rows<'s, 'a> {
    rows: Vec<Row<'s, 'a>>,
}

struct Row<'s, 'a> {
    status: &'s PointStatus<'a>,
    summary: Json,
    /// The largest share of inputs of an activation outside the interval, on the test images.
    outside: Option<f64>,
}

impl<'s, 'a> Rows<'s, 'a> {
    pub fn read(points: &'s [PointStatus<'a>], out: &Path) -> Self {
        let rows = points.iter().map(|status| {
            let folder = run_folder(out, &status.estimate);
            let done = status.state == PointState::Done;
            let file = |name: &str| -> Json {
                let value = done.then(|| read_json(&folder.join(name)).ok());
                value.flatten().unwrap_or(Json::Null)
            };
            let layers = file("ranges.json");
            let layers = layers.pointer("/test").and_then(Json::as_array);
            Row {
                status,
                summary: file("summary.json"),
                outside: layers
                    .into_iter()
                    .flatten()
                    .filter_map(|layer| layer.get("outside")?.as_f64())
                    .reduce(f64::max),
            }
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// Every figure.
    pub fn points(&self, keys: &[String]) -> Grid {
        self.grid(keys, |_| true)
    }

    /// What fits a page.
    pub fn readable(&self, keys: &[String]) -> Grid {
        self.grid(keys, |readable| readable).without_empty_columns()
    }

    fn grid(&self, keys: &[String], wanted: impl Fn(bool) -> bool) -> Grid {
        let mut grid = Grid::new();
        let all = wanted(false);
        if all {
            grid.push(
                "id",
                self.cells(|row| Cell::text(row.status.point.id.clone())),
            );
        }
        grid.push("parts", self.cells(parts));
        for key in keys {
            let cells = self.cells(|row| value(row, key));
            let long = |cell: &Cell| matches!(cell, Cell::Text(text) if text.len() > MAX_TEXT);
            // A list of layers would fill the page; the part's name stands for it.
            if all || !cells.iter().any(long) {
                grid.push(key.clone(), cells);
            }
        }
        grid.push(
            "state",
            self.cells(|row| {
                Cell::text(match row.status.state {
                    PointState::Done => "done",
                    PointState::Failed(_) => "failed",
                    PointState::Missing => "missing",
                })
            }),
        );
        for (name, place, readable) in FIGURES {
            if wanted(readable) {
                grid.push(name, self.cells(|row| figure(&row.summary, place)));
            }
        }
        grid.push("outside", self.cells(|row| Cell::real(row.outside)));
        grid.push(
            "error",
            self.cells(|row| match &row.status.state {
                PointState::Failed(failure) => Cell::text(failure.error.clone()),
                _ => Cell::Empty,
            }),
        );
        if all {
            grid.push(
                "run",
                self.cells(|row| Cell::text(row.status.estimate.run.clone())),
            );
        }
        grid
    }

    /// Means and 95 % intervals over the seeds of points that differ in nothing else; none where no seed varies.
    pub fn seeds(&self, keys: &[String]) -> Option<Grid> {
        if !keys.iter().any(|key| key == SEED) {
            return None;
        }
        let conditions: Vec<&String> = keys.iter().filter(|key| *key != SEED).collect();
        let same = |a: &Row<'_, '_>, b: &Row<'_, '_>| {
            conditions.iter().all(|key| value(a, key) == value(b, key))
        };
        let mut groups: Vec<Vec<&Row<'_, '_>>> = Vec::new();
        for row in self
            .rows
            .iter()
            .filter(|row| row.status.state == PointState::Done)
        {
            match groups
                .iter_mut()
                .find(|group| group.first().is_some_and(|first| same(first, row)))
            {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        groups.retain(|group| group.len() > 1);
        let mut grid = Grid::new();
        let first = |cell: &dyn Fn(&Row<'_, '_>) -> Cell| -> Vec<Cell> {
            groups
                .iter()
                .map(|group| group.first().map_or(Cell::Empty, |row| cell(row)))
                .collect()
        };
        grid.push("parts", first(&parts));
        for key in &conditions {
            grid.push((*key).clone(), first(&|row| value(row, key)));
        }
        grid.push(
            "seeds",
            groups.iter().map(|group| Cell::count(Some(group.len()))),
        );
        for (name, place) in AVERAGED {
            let means: Vec<Option<(f64, f64)>> = groups
                .iter()
                .map(|group| {
                    let values = group.iter().map(|row| row.summary.pointer(place)?.as_f64());
                    mean_interval(&values.collect::<Option<Vec<f64>>>()?)
                })
                .collect();
            let column = |of: fn((f64, f64)) -> f64| {
                means
                    .iter()
                    .map(|mean| Cell::real(mean.map(of)))
                    .collect::<Vec<Cell>>()
            };
            grid.push(name, column(|(mean, _)| mean));
            grid.push(
                format!("{name}_low"),
                column(|(mean, half)| (mean - half).max(0.0)),
            );
            grid.push(
                format!("{name}_high"),
                column(|(mean, half)| (mean + half).min(1.0)),
            );
        }
        (grid.rows() > 0).then(|| grid.without_empty_columns())
    }

    fn cells(&self, cell: impl Fn(&Row<'s, 'a>) -> Cell) -> Vec<Cell> {
        self.rows.iter().map(cell).collect()
    }
}

fn parts(row: &Row<'_, '_>) -> Cell {
    match row.status.point.parts.as_slice() {
        [] => Cell::Empty,
        parts => Cell::text(parts.join("+")),
    }
}

fn value(row: &Row<'_, '_>, key: &str) -> Cell {
    match row.status.point.values.get(key) {
        None => Cell::Empty,
        Some(Value::Integer(value)) => Cell::Integer(*value),
        Some(Value::Real(value)) => Cell::Real(*value),
        Some(Value::Boolean(value)) => Cell::Boolean(*value),
        Some(Value::Text(text)) => Cell::text(text.clone()),
    }
}

fn figure(summary: &Json, place: &str) -> Cell {
    // Of a run that encrypted nothing, these three are 0, which is no measurement.
    let counts = ["/timing/images", "/timing/batch", "/timing/threads"];
    if counts.contains(&place) && summary.pointer("/encryption").is_none() {
        return Cell::Empty;
    }
    match summary.pointer(place) {
        Some(Json::Number(number)) => match number.as_i64() {
            Some(integer) => Cell::Integer(integer),
            None => Cell::real(number.as_f64()),
        },
        Some(Json::String(text)) => Cell::text(text.clone()),
        _ => Cell::Empty,
    }
}
