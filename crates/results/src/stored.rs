//! A finished run as its folder holds it, and the one table of all of them: what comparisons, sweeps and reports put their questions to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::table::{Row, Table};
use super::{
    Estimate, LayerRow, Manifest, Paired, PredictionTable, ResultsError, StageRecord, Summary,
    read_json, tables,
};

/// One finished run.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Where it lies.
    pub folder: PathBuf,
    /// `summary.json`.
    pub summary: Summary,
    /// `manifest.json`.
    pub manifest: Manifest,
    /// `spec.toml`, one value a key: `activation.degree` and so on.
    pub spec: BTreeMap<String, String>,
    /// `layers.csv`; empty where nothing was encrypted.
    pub layers: Vec<LayerRow>,
    /// `predictions.parquet`; empty where it is not there.
    pub predictions: PredictionTable,
    /// The largest share of an activation's inputs outside the interval, on the test images; from `ranges.json`.
    pub outside: Option<f64>,
    /// Validation accuracy after the last epoch, of the network that was evaluated.
    pub validation: Option<f64>,
}

/// Keys of a spec that make no other network: its name, its seed, and what is written about it.
const REPETITION: [&str; 3] = ["name", "seed", "output."];
/// Keys that say how often, on what and how many images a circuit is evaluated, not what is evaluated.
const MEASUREMENT: [&str; 2] = ["encryption.images", "encryption.repetitions"];

impl StoredRun {
    /// Whether a folder holds what a run's folder holds.
    pub fn is_run(folder: &Path) -> bool {
        ["summary.json", "manifest.json", "spec.toml"]
            .iter()
            .all(|name| folder.join(name).is_file())
    }

    /// Reads a run's folder, and says which of the files that a report can do without could not be read.
    ///
    /// # Errors
    /// `summary.json`, `manifest.json` or `spec.toml` cannot be read, or is not the one that was written.
    pub fn read(folder: &Path) -> Result<(Self, Vec<ResultsError>), ResultsError> {
        let manifest: Manifest = read_json(&folder.join("manifest.json"))?;
        manifest.check_output(folder, "summary.json")?;
        let summary: Summary = read_json(&folder.join("summary.json"))?;
        let path = folder.join("spec.toml");
        let text = fs::read_to_string(&path).map_err(ResultsError::io("read", &path))?;
        let spec = flat_keys(&text).map_err(|source| ResultsError::Toml { path, source })?;
        let mut run = Self {
            folder: folder.to_path_buf(),
            summary,
            manifest,
            spec,
            layers: Vec::new(),
            predictions: PredictionTable::default(),
            outside: None,
            validation: None,
        };
        let mut troubles = Vec::new();
        type Part = fn(&mut StoredRun, &Path) -> Result<(), ResultsError>;
        let parts: [(&str, Part); 4] = [
            ("layers.csv", |run, path| {
                run.layers = tables::read_layers(path)?;
                Ok(())
            }),
            ("predictions.parquet", |run, path| {
                run.predictions = tables::read_predictions(path)?.without_logits();
                Ok(())
            }),
            ("epochs.csv", |run, path| {
                // The network with an exact activation is the original one.
                let own = match run.summary.activation.degree {
                    Some(_) => "polynomial",
                    None => "original",
                };
                let epochs = tables::read_epochs(path)?;
                let last = epochs.iter().rfind(|row| row.network == own);
                run.validation = last.map(|row| row.validation_accuracy);
                Ok(())
            }),
            ("ranges.json", |run, path| {
                let ranges: Value = read_json(path)?;
                let layers = ranges.pointer("/test").and_then(Value::as_array);
                let layers = layers.into_iter().flatten();
                let shares = layers.filter_map(|layer| layer.get("outside")?.as_f64());
                run.outside = shares.reduce(f64::max);
                Ok(())
            }),
        ];
        for (name, read) in parts {
            let path = folder.join(name);
            if path.is_file() {
                let checked = run.manifest.check_output(folder, name);
                if let Err(trouble) = checked.and_then(|()| read(&mut run, &path)) {
                    troubles.push(trouble);
                }
            }
        }
        Ok((run, troubles))
    }

    /// Name of its folder.
    pub fn folder_name(&self) -> String {
        let name = self.folder.file_name();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// What the manifest has of a stage.
    pub fn stage(&self, name: &str) -> Option<&StageRecord> {
        self.manifest.stages.iter().find(|stage| stage.name == name)
    }

    /// The commit that computed a stage, as far as it was recorded: by the stage itself or, where this run made it, by the run.
    pub fn commit(&self, stage: &str) -> Option<String> {
        let program = &self.manifest.program;
        let stage = self.stage(stage)?;
        let (commit, dirty) = match (&stage.commit, stage.reused) {
            (Some(commit), _) => (commit, stage.dirty),
            (None, false) => (program.git_commit.as_ref()?, program.git_dirty),
            (None, true) => return None,
        };
        let short: String = commit.chars().take(8).collect();
        Some(match dirty {
            Some(true) => format!("{short} with changes"),
            _ => short,
        })
    }

    /// Every key of the spec but those that begin with one of `free`, as one text: equal where two runs differ in nothing else.
    fn conditions(&self, free: &[&[&str]]) -> String {
        let is_free = |key: &str| {
            free.iter().any(|keys| {
                keys.iter()
                    .any(|free| key == *free || (free.ends_with('.') && key.starts_with(free)))
            })
        };
        let kept = self.spec.iter().filter(|(key, _)| !is_free(key));
        kept.map(|(key, value)| format!("{key}={value}\n"))
            .collect()
    }

    /// Its row of the table: `run`, `folder`, what can be derived, every figure of `summary.json` by its place there
    /// (`accuracy.encrypted.value`), every key of the spec behind `spec.`.
    fn row(&self, index: usize) -> Row {
        let mut row: Row = Vec::new();
        let mut add = |name: &str, value: Value| row.push((name.to_owned(), value));
        let stage = |name: &str| self.stage(name).map(|stage| stage.key.clone());
        let trained = stage("train").or_else(|| stage("original"));
        let coefficients = &self.summary.activation.coefficients;
        let timing = &self.summary.timing;
        let batches = timing.images.div_ceil(timing.batch.max(1)).max(1);
        add("row", json!(index));
        add("run", json!(self.folder_name()));
        add("folder", json!(self.folder.to_string_lossy()));
        add("seed", json!(self.spec.get("seed")));
        // Zero coefficients are left out: ReLU by degree 3 is the polynomial of degree 2.
        add(
            "degree",
            json!((!coefficients.is_empty()).then(|| coefficients.len() - 1)),
        );
        add(
            "trained",
            json!(trained.unwrap_or_else(|| self.folder_name())),
        );
        add(
            "circuit",
            json!(stage("circuit").unwrap_or_else(|| self.folder_name())),
        );
        add(
            "evaluation",
            json!(stage("encrypted").map(|key| format!("{key} {:?}", timing.evaluate_s))),
        );
        add(
            "recipe",
            json!(self.conditions(&[&REPETITION, &["encryption."]])),
        );
        add(
            "system",
            json!(self.conditions(&[&REPETITION, &MEASUREMENT])),
        );
        add("validation", json!(self.validation));
        add("outside", json!(self.outside));
        add(
            "batch_s",
            json!(timing.evaluate_s.map(|seconds| seconds / batches as f64)),
        );
        let fill = timing.images as f64 / (batches * timing.batch.max(1)) as f64;
        add("fill", json!(timing.evaluate_s.map(|_| fill)));
        add(
            "end_to_end_s",
            json!(
                timing
                    .encrypt_s
                    .zip(timing.evaluate_s)
                    .zip(timing.decrypt_s)
                    .map(|((a, b), c)| a + b + c)
            ),
        );
        add("started", json!(self.manifest.started));
        add("machine", json!(self.manifest.machine.describe()));
        add(
            "commit.trained",
            json!(self.commit("train").or_else(|| self.commit("original"))),
        );
        add("commit.encrypted", json!(self.commit("encrypted")));
        let mut summary = serde_json::to_value(&self.summary).unwrap_or_default();
        // Of a run that encrypted nothing, these three are 0, which is no measurement.
        if self.summary.encryption.is_none()
            && let Some(timing) = summary.get_mut("timing").and_then(Value::as_object_mut)
        {
            for key in ["images", "batch", "threads"] {
                timing.remove(key);
            }
        }
        flatten("", &summary, &mut row);
        let spec = self.spec.iter();
        row.extend(spec.map(|(key, value)| (format!("spec.{key}"), json!(value))));
        row
    }
}

/// Every figure below a JSON value by its place; lists are left out.
fn flatten(prefix: &str, value: &Value, row: &mut Row) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let place = match prefix {
                    "" => key.clone(),
                    _ => format!("{prefix}.{key}"),
                };
                flatten(&place, value, row);
            }
        }
        Value::Array(_) | Value::Null => {}
        figure => row.push((prefix.to_owned(), figure.clone())),
    }
}

/// Every key of a TOML text with its value as text; lists in one piece.
fn flat_keys(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    fn flat(prefix: &str, table: &toml::Table, keys: &mut BTreeMap<String, String>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(inner) => flat(&format!("{key}."), inner, keys),
                toml::Value::String(text) => drop(keys.insert(key, text.clone())),
                other => drop(keys.insert(key, other.to_string())),
            }
        }
    }
    let mut keys = BTreeMap::new();
    flat("", &toml::from_str(text)?, &mut keys);
    Ok(keys)
}

/// All stored runs: the table of their figures, and what is too large for a cell.
#[derive(Clone, Debug, Default)]
pub struct RunTable {
    /// One row a run; `row` is its place in `runs`.
    pub table: Table,
    /// The runs.
    pub runs: Vec<StoredRun>,
}

impl RunTable {
    /// The table of some runs.
    ///
    /// # Errors
    /// None for what a run can hold.
    pub fn new(runs: Vec<StoredRun>) -> Result<Self, ResultsError> {
        let rows: Vec<Row> = runs
            .iter()
            .enumerate()
            .map(|(index, run)| run.row(index))
            .collect();
        Ok(Self {
            table: Table::from_rows(&rows)?,
            runs,
        })
    }

    /// The runs of the rows of a query.
    pub fn of(&self, rows: &Table) -> Vec<&StoredRun> {
        let places = rows.numbers("row").into_iter();
        places
            .filter_map(|row| self.runs.get(row as usize))
            .collect()
    }

    /// The accuracy of an evaluation (`original`, `polynomial`, ...) over all rows, which differ in their seed alone; the mean of several
    /// has an interval over seeds and test images. None where a run lacks it.
    pub fn accuracy(&self, rows: &Table, evaluation: &str) -> Option<Estimate> {
        let runs = self.of(rows);
        if let [run] = runs[..] {
            return run.summary.accuracy.named(evaluation).map(Estimate::of_one);
        }
        let right = |run: &&StoredRun| -> Option<Vec<f64>> {
            let table = &run.predictions;
            let predicted = table.predicted(evaluation)?;
            let pairs = table
                .labels
                .iter()
                .zip(predicted)
                .take_while(|(_, class)| class.is_some());
            Some(
                pairs
                    .map(|(label, class)| f64::from(u8::from(*class == Some(*label))))
                    .collect(),
            )
        };
        Estimate::crossed(&runs.iter().map(right).collect::<Option<Vec<_>>>()?)
    }

    /// Accuracy of `second` minus that of `first` on the same images, each an evaluation over rows that differ in their seed alone. Networks
    /// are paired by their place; the mean of several pairs has an interval over seeds and test images. None where they have no pairs.
    pub fn difference(&self, first: (&Table, &str), second: (&Table, &str)) -> Option<Estimate> {
        let pairs = self.pairs(first, second)?;
        if let [(labels, first, second)] = pairs[..] {
            return Paired::new(labels, first, second).map(Estimate::of_pair);
        }
        let apart = |(labels, first, second): &Columns<'_>| -> Vec<f64> {
            let right = |class: Option<u16>, label: u16| {
                class.map(|class| f64::from(u8::from(class == label)))
            };
            let images = labels.iter().zip(*first).zip(*second);
            let images = images.map(|((label, first), second)| {
                Some(right(*second, *label)? - right(*first, *label)?)
            });
            images.take_while(Option::is_some).flatten().collect()
        };
        Estimate::crossed(&pairs.iter().map(apart).collect::<Vec<_>>())
    }

    /// What [`Self::difference`] compares, where it is one network each.
    pub fn paired(&self, first: (&Table, &str), second: (&Table, &str)) -> Option<Paired> {
        match self.pairs(first, second)?[..] {
            [(labels, first, second)] => Paired::new(labels, first, second),
            _ => None,
        }
    }

    /// Labels and both predictions of each pair of networks.
    fn pairs(&self, first: (&Table, &str), second: (&Table, &str)) -> Option<Vec<Columns<'_>>> {
        let (a, b) = (self.of(first.0), self.of(second.0));
        if a.is_empty() || a.len() != b.len() {
            return None;
        }
        let mut pairs = Vec::new();
        for (a, b) in a.into_iter().zip(b) {
            let (a, b) = (&a.predictions, &b.predictions);
            if a.labels != b.labels {
                return None;
            }
            pairs.push((
                a.labels.as_slice(),
                a.predicted(first.1)?,
                b.predicted(second.1)?,
            ));
        }
        Some(pairs)
    }
}

/// Labels and two columns of predictions.
type Columns<'a> = (&'a [u16], &'a [Option<u16>], &'a [Option<u16>]);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_flat_and_text_has_no_quotes() {
        let flat = flat_keys(
            "name = \"a\"\n[train]\nepochs = 3\n[train.augment]\nshift = 0.5\nx = [1, 2]\n",
        )
        .unwrap();
        let pairs: Vec<_> = flat
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("name", "a"),
                ("train.augment.shift", "0.5"),
                ("train.augment.x", "[1, 2]"),
                ("train.epochs", "3")
            ]
        );
    }

    #[test]
    fn figures_have_their_place_in_the_file() {
        let mut row = Row::new();
        flatten(
            "",
            &json!({"a": {"b": 1.5, "c": [1], "d": null}, "e": "x"}),
            &mut row,
        );
        assert_eq!(
            row,
            [("a.b".to_owned(), json!(1.5)), ("e".to_owned(), json!("x"))]
        );
    }
}
