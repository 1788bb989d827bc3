//! The run's folder: made beside its place, filled, then put into place whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::circuit::INPUTS_FILE;
use super::report::{self as run_report, RunResults};
use super::results::StageResults;
use crate::data::Dataset;
use crate::pipeline::PipelineError;
use crate::pipeline::memory::peak_rss_bytes;
use crate::report;
use crate::results::{
    Accuracies, ActivationSummary, AgreementSummary, DataDigest, Manifest, Memory, NetworkSummary,
    PredictionTable, Predictions, StageRecord, Summary, Timing, tables, write_json,
};
use crate::spec::Experiment;
use cryptodl_runtime::files::{Access, DraftFolder};

/// What the test images are called, where they are files of one's own.
const IMAGES_FILE: &str = "images.csv";

/// A folder under `runs/` that is not there until it is published.
#[derive(Debug)]
pub(super) struct RunFolder {
    partial: DraftFolder,
    target: PathBuf,
}

impl RunFolder {
    /// For `OUT/runs/NAME-ID`.
    pub fn create(out: &Path, name: &str, id: &str) -> Result<Self, PipelineError> {
        let runs = out.join("runs");
        fs::create_dir_all(&runs).map_err(PipelineError::io("create the folder", &runs))?;
        let partial = DraftFolder::new(&runs, &format!("{name}-{id}"), Access::Umask)
            .map_err(PipelineError::io("create a folder in", &runs))?;
        Ok(Self {
            partial,
            target: runs.join(format!("{name}-{id}")),
        })
    }

    /// The path of one of its files, before it is published.
    pub fn file(&self, name: &str) -> PathBuf {
        self.partial.path().join(name)
    }

    /// The folder before it is published.
    pub fn path(&self) -> &Path {
        self.partial.path()
    }

    /// Puts the folder into place; an older result of the same run makes room at the last moment.
    pub fn publish(self) -> Result<PathBuf, PipelineError> {
        let place = self.partial.replace(&self.target);
        place.map_err(PipelineError::io("put in place", &self.target))?;
        Ok(self.target)
    }
}

/// Writes everything of the output contract but the log.
pub(super) fn write(
    folder: &RunFolder,
    experiment: &Experiment,
    made: &StageResults,
    dataset: &Dataset,
    begun: Manifest,
) -> Result<Summary, PipelineError> {
    let spec = experiment.to_toml();
    fs::write(folder.file("spec.toml"), &spec)
        .map_err(PipelineError::io("write", folder.file("spec.toml")))?;
    let predictions = made.predictions(experiment.encryption.views)?;
    let table = PredictionTable::from(&predictions);
    let summary = summarize(experiment, made, &predictions, &table)?;
    let manifest = manifest(begun, experiment, made, dataset);
    write_json(&folder.file("summary.json"), &summary)?;
    tables::write_epochs(&folder.file("epochs.csv"), &made.epochs())?;
    let run = RunResults {
        summary,
        manifest,
        table,
        layers: run_report::layer_rows(made),
        spec,
    };
    tables::write_layers(&folder.file("layers.csv"), &run.layers)?;
    let network = &made.networks.encrypted()?.network;
    crate::model::save(network, &folder.file("model.safetensors"))?;
    made.circuit.compiled.write(folder.path())?;
    write_json(&folder.file("ranges.json"), &made.plaintext.ranges)?;
    write_json(&folder.file(INPUTS_FILE), &made.circuit.image_range)?;
    let page = run_report::report(experiment, made, dataset, &run)?;
    let charts = if experiment.output.charts {
        report::charts(&page)?
    } else {
        Vec::new()
    };
    report::write_charts(folder.path(), &charts)?;
    if experiment.output.report {
        report::write_report(folder.path(), &page, &charts)?;
    }
    let RunResults {
        summary,
        mut manifest,
        table,
        ..
    } = run;
    let table = if experiment.output.logits {
        table
    } else {
        table.without_logits()
    };
    tables::write_predictions(&folder.file("predictions.parquet"), &table)?;
    let mut outputs = vec![
        "summary.json",
        "epochs.csv",
        "layers.csv",
        "predictions.parquet",
    ];
    if !dataset.test_names.is_empty() {
        tables::write_images(&folder.file(IMAGES_FILE), &dataset.test_names)?;
        outputs.push(IMAGES_FILE);
    }
    // Last, because it holds the digests of what a later reader must be able to trust.
    for name in outputs {
        manifest.record_output(folder.path(), name)?;
    }
    write_json(&folder.file("manifest.json"), &manifest)?;
    Ok(summary)
}

fn summarize(
    experiment: &Experiment,
    made: &StageResults,
    predictions: &Predictions,
    table: &PredictionTable,
) -> Result<Summary, PipelineError> {
    let activation = &experiment.activation;
    let compiled = &made.circuit.compiled;
    let record = made.encrypted.as_ref().map(|stage| &stage.record);
    let timing = record
        .map(|record| record.timing.clone())
        .unwrap_or_default();
    Ok(Summary {
        name: experiment.name.clone(),
        dataset: experiment.dataset.source.name().into_owned(),
        activation: ActivationSummary {
            function: activation.function.as_str().into(),
            method: if activation.exact {
                "exact".into()
            } else if activation.coefficients.is_some() {
                "explicit".into()
            } else {
                activation.method.as_str().into()
            },
            degree: (!activation.exact).then_some(activation.degree),
            interval: [activation.interval.low(), activation.interval.high()],
            coefficients: match activation.exact {
                true => Vec::new(),
                false => made.start.coefficients().to_vec(),
            },
        },
        network: NetworkSummary {
            depth: experiment.network.depth,
            parameters: usize::try_from(experiment.network.parameters()).unwrap_or(usize::MAX),
            macs: compiled.macs(),
            activations: compiled.activations(),
        },
        accuracy: Accuracies::of(table),
        agreement: AgreementSummary::of(table),
        encryption: record.map(|record| record.encryption.clone()),
        timing: Timing {
            train_s: made.train_seconds()?,
            ..timing
        },
        memory: Memory {
            peak_rss_bytes: record
                .and_then(|record| record.peak_rss_bytes)
                .or_else(peak_rss_bytes),
        },
        prediction: made.plan_vs_measured(predictions),
        tails: made.plaintext.tails.clone(),
    })
}

fn manifest(
    mut manifest: Manifest,
    experiment: &Experiment,
    made: &StageResults,
    dataset: &Dataset,
) -> Manifest {
    manifest.weights.clone_from(&made.weights);
    manifest.seeds.insert("experiment".into(), experiment.seed);
    manifest
        .threads
        .insert("train".into(), resolved(experiment.train.threads));
    if let Some(encrypted) = &made.encrypted {
        manifest
            .threads
            .insert("encrypted".into(), encrypted.record.timing.threads);
    }
    manifest.stages = made
        .stages
        .iter()
        .map(|stage| StageRecord {
            name: stage.stage.as_str().into(),
            key: stage.key.clone(),
            reused: stage.reused,
            seconds: stage.seconds,
            commit: stage.commit.clone(),
            dirty: stage.dirty,
        })
        .collect();
    manifest.data.push(DataDigest {
        name: experiment.dataset.source.name().into_owned(),
        algorithm: "blake3".into(),
        digest: blake3::Hash::from_bytes(made.data_digest)
            .to_hex()
            .to_string(),
    });
    manifest
        .data
        .extend(dataset.files.iter().map(|file| DataDigest {
            name: file.name.clone(),
            algorithm: "sha256".into(),
            digest: file.sha256.clone(),
        }));
    manifest.finish();
    manifest
}

/// 0 stands for all cores.
fn resolved(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_is_absent_until_it_is_whole_and_then_replaces_the_old_one() {
        let out = tempfile::tempdir().unwrap();
        for text in ["old", "new"] {
            let folder = RunFolder::create(out.path(), "name", "0123").unwrap();
            fs::write(folder.file("a"), text).unwrap();
            let path = folder.publish().unwrap();
            assert!(path.ends_with("runs/name-0123"));
            assert_eq!(fs::read_to_string(path.join("a")).unwrap(), text);
            assert_eq!(fs::read_dir(out.path().join("runs")).unwrap().count(), 1);
        }
        drop(RunFolder::create(out.path(), "other", "0123").unwrap());
        assert_eq!(fs::read_dir(out.path().join("runs")).unwrap().count(), 1);
    }
}
