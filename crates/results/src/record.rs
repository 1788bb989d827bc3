//! A finished run as its folder tells it: for reports over many runs and for comparisons. What a backend does not have is absent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::agreement::{AccuracyStep, accuracy_steps};
use super::{
    Accuracies, ActivationSummary, AgreementSummary, LayerRow, Manifest, Memory, NetworkSummary,
    ResultsError, Timing, read_json, tables,
};

/// One finished run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Where it lies.
    pub folder: PathBuf,
    /// `summary.json`.
    pub summary: SummaryRecord,
    /// `manifest.json`.
    pub manifest: Manifest,
    /// `spec.toml`, one value a key: `activation.degree` and so on.
    pub spec: BTreeMap<String, String>,
    /// `layers.csv`; empty where nothing was encrypted.
    pub layers: Vec<LayerRow>,
    /// The evaluations on the same images, from `predictions.parquet`.
    pub steps: Vec<AccuracyStep>,
    /// The largest share of an activation's inputs outside the interval, on the test images; from `ranges.json`.
    pub outside: Option<f64>,
    /// Validation accuracy after the last epoch, of the polynomial network.
    pub validation: Option<f64>,
}

/// `summary.json`, of any backend.
#[derive(Clone, Debug, Deserialize)]
pub struct SummaryRecord {
    /// The spec's name.
    pub name: String,
    /// The data set's name.
    pub dataset: String,
    /// The activation.
    pub activation: ActivationSummary,
    /// The network.
    pub network: NetworkSummary,
    /// The accuracies.
    pub accuracy: Accuracies,
    /// How often neighbours agree on the encrypted images.
    pub agreement: AgreementSummary,
    /// The encryption; absent with the `clear` backend.
    pub encryption: Option<EncryptionRecord>,
    /// Wall-clock times.
    pub timing: Timing,
    /// Memory.
    pub memory: Memory,
}

/// What was encrypted, with what; each backend has its own figures.
#[derive(Clone, Debug, Deserialize)]
pub struct EncryptionRecord {
    /// `ckks` or `tfhe`.
    pub backend: String,
    /// The scheme, in words.
    pub scheme: Option<String>,
    /// Claimed security.
    pub security_bits: Option<u32>,
    /// Kind of the ring.
    pub ring: Option<String>,
    /// Rank of the ring.
    pub ring_degree: Option<u64>,
    /// Images per ciphertext.
    pub slots: Option<u64>,
    /// log2 of the whole modulus.
    pub log_qp: Option<f64>,
    /// Ciphertext-ciphertext multiplications in a row.
    pub multiplicative_depth: Option<u64>,
    /// Bytes of the evaluation keys.
    pub evaluation_key_bytes: Option<u64>,
    /// Bytes of a fresh ciphertext.
    pub ciphertext_bytes: Option<u64>,
    /// Bytes uploaded for one image of a full batch.
    pub input_bytes_per_image: Option<f64>,
    /// Smallest predicted precision of a layer.
    pub min_precision_bits: Option<f64>,
    /// Look-ups by bootstrap, of one image.
    pub bootstraps_per_image: Option<u64>,
}

impl RunRecord {
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
        let summary: SummaryRecord = read_json(&folder.join("summary.json"))?;
        let path = folder.join("spec.toml");
        let text = fs::read_to_string(&path).map_err(ResultsError::io("read", &path))?;
        let spec = flat_keys(&text).map_err(|source| ResultsError::Toml { path, source })?;

        let mut troubles = Vec::new();
        let mut record = Self {
            folder: folder.to_path_buf(),
            summary,
            manifest,
            spec,
            layers: Vec::new(),
            steps: Vec::new(),
            outside: None,
            validation: None,
        };
        let mut part = |name: &str, read: &mut dyn FnMut(&Path) -> Result<(), ResultsError>| {
            let path = folder.join(name);
            if path.is_file()
                && let Err(trouble) = record
                    .manifest
                    .check_output(folder, name)
                    .and_then(|()| read(&path))
            {
                troubles.push(trouble);
            }
        };
        part("layers.csv", &mut |path| {
            record.layers = tables::read_layers(path)?;
            Ok(())
        });
        part("predictions.parquet", &mut |path| {
            record.steps = accuracy_steps(&tables::read_predictions(path)?);
            Ok(())
        });
        part("epochs.csv", &mut |path| {
            let epochs = tables::read_epochs(path)?;
            let mut own = epochs.iter().filter(|row| row.network == "polynomial");
            record.validation = own.next_back().map(|row| row.validation_accuracy);
            Ok(())
        });
        part("ranges.json", &mut |path| {
            let ranges: serde_json::Value = read_json(path)?;
            let layers = ranges.pointer("/test").and_then(|test| test.as_array());
            record.outside = layers
                .into_iter()
                .flatten()
                .filter_map(|layer| layer.get("outside")?.as_f64())
                .reduce(f64::max);
            Ok(())
        });
        Ok((record, troubles))
    }

    /// Name of its folder.
    pub fn folder_name(&self) -> String {
        self.folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Accuracy of an evaluation on the images that all evaluations share.
    pub fn step(&self, name: &str) -> Option<&AccuracyStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Whether the ciphertexts protect anything.
    pub fn encrypted(&self) -> Option<&EncryptionRecord> {
        self.summary
            .accuracy
            .encrypted
            .and(self.summary.encryption.as_ref())
    }
}

/// Every key of a TOML text with its value as text; lists and inline tables in one piece.
pub(crate) fn flat_keys(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    let table: toml::Table = toml::from_str(text)?;
    let mut flat = BTreeMap::new();
    flatten("", &table, &mut flat);
    Ok(flat)
}

fn flatten(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = match prefix {
            "" => name.clone(),
            _ => format!("{prefix}.{name}"),
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, flat),
            toml::Value::String(text) => drop(flat.insert(key, text.clone())),
            other => drop(flat.insert(key, other.to_string())),
        }
    }
}

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
    fn a_run_of_another_backend_can_be_read() {
        let summary: SummaryRecord = serde_json::from_str(
            r#"{"name":"a","dataset":"digits","activation":{"function":"relu","method":"table","degree":2,"interval":[-1.0,1.0],"coefficients":[]},
                "network":{"depth":1,"parameters":1,"macs":1,"activations":1},"accuracy":{},"agreement":{},
                "encryption":{"backend":"tfhe","scheme":"TFHE"},"timing":{"images":1,"batch":1,"threads":2},"memory":{}}"#,
        )
        .unwrap();
        let encryption = summary.encryption.unwrap();
        assert_eq!(
            (encryption.backend.as_str(), encryption.slots),
            ("tfhe", None)
        );
    }
}
