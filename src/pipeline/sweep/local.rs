//! Points run in this process.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::{PointEstimate, Runner, Training};
use crate::backends;
use crate::data::{self, DataDirs};
use crate::pipeline::stages::Keys;
use crate::pipeline::{CostSource, PipelineError, RunOptions, Stage, Store, run};
use crate::results::{median, read_json};
use crate::spec::{DatasetSpec, Experiment};

/// Runs points one by one or on several threads, all with one output folder and one store.
pub struct Local<'a> {
    out: &'a Path,
    data: &'a DataDirs,
    stop: &'a AtomicBool,
    costs: CostSource,
    attach_log: &'a (dyn Fn(&Path) -> io::Result<()> + Sync),
    /// Every data set is verified once, not once a point.
    digests: Mutex<Vec<(DatasetSpec, u64, [u8; 32])>>,
}

impl<'a> Local<'a> {
    /// `attach_log` is given the path of every run's `log.jsonl`.
    pub fn new(
        out: &'a Path,
        data: &'a DataDirs,
        stop: &'a AtomicBool,
        costs: CostSource,
        attach_log: &'a (dyn Fn(&Path) -> io::Result<()> + Sync),
    ) -> Self {
        Self {
            out,
            data,
            stop,
            costs,
            attach_log,
            digests: Mutex::default(),
        }
    }

    fn digest(&self, experiment: &Experiment) -> Result<[u8; 32], PipelineError> {
        let (dataset, seed) = (&experiment.dataset, experiment.seed);
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., digest)) = known
            .iter()
            .find(|(spec, of, _)| spec == dataset && *of == seed)
        {
            return Ok(*digest);
        }
        let digest = data::verify(dataset, seed, self.data)?;
        known.push((dataset.clone(), seed, digest));
        Ok(digest)
    }

    /// The work of a training, and how long its epochs took where the store has it.
    fn training(&self, experiment: &Experiment, stage: Stage, key: &str, cached: bool) -> Training {
        let dataset = &experiment.dataset;
        let (all, _) = dataset.counts();
        let images = all.saturating_sub(experiment.train.validation);
        let train = &experiment.train;
        Training {
            stage,
            key: key.to_owned(),
            like: format!(
                "{:?} {:?} {:?} {} {}",
                dataset, experiment.network, train.augment, train.batch, train.threads
            ),
            epochs: train.epochs,
            epoch_macs: experiment.network.macs() as f64 * images as f64,
            epoch_seconds: if cached {
                self.epoch_seconds(stage, key)
            } else {
                None
            },
            cached,
        }
    }

    /// Median seconds of the epochs of a stored training.
    fn epoch_seconds(&self, stage: Stage, key: &str) -> Option<f64> {
        let store = Store::open(&self.out.join("store")).ok()?;
        let entry = store.find(stage.as_str(), key).ok()??;
        let record: serde_json::Value = read_json(&entry.file("train.json")).ok()?;
        let epochs = record.pointer("/epochs")?.as_array()?.iter();
        let seconds: Vec<f64> = epochs
            .filter_map(|epoch| epoch.get("seconds")?.as_f64())
            .collect();
        median(&seconds)
    }

    /// Whether the store has a stage. A damaged entry is not a finished one; the run says what is wrong with it.
    fn has(&self, stage: Stage, key: &str) -> Result<bool, PipelineError> {
        let root = self.out.join("store");
        if !root.is_dir() {
            return Ok(false);
        }
        let found = Store::open(&root)?.find(stage.as_str(), key);
        Ok(matches!(found, Ok(Some(_))))
    }
}

impl Runner for Local<'_> {
    fn estimate(&self, experiment: &Experiment) -> Result<PointEstimate, PipelineError> {
        let start = experiment.activation.starting_polynomial()?;
        let backend = backends::backend(experiment.encryption.backend)?;
        let evaluate_seconds =
            backend.evaluate_seconds(experiment, &self.costs.known(self.out).table)?;
        let keys = Keys::new(
            experiment,
            &self.digest(experiment)?,
            start.coefficients(),
            None,
        )?;
        let run = format!("{}-{}", experiment.name, keys.run_id(experiment)?);
        let mut stages = Vec::new();
        stages.extend(keys.train.as_ref().map(|key| (Stage::Train, key)));
        stages.extend(keys.original.as_ref().map(|key| (Stage::Original, key)));
        stages.extend([
            (Stage::Plaintext, &keys.plaintext),
            (Stage::Circuit, &keys.circuit),
        ]);
        if backend.engine().is_some() {
            stages.push((Stage::Encrypted, &keys.encrypted));
        }
        let stages: Vec<(Stage, bool)> = stages
            .into_iter()
            .map(|(stage, key)| Ok((stage, self.has(stage, key)?)))
            .collect::<Result<_, PipelineError>>()?;
        let trained = [
            (Stage::Train, &keys.train),
            (Stage::Original, &keys.original),
        ];
        let trainings = trained
            .into_iter()
            .filter_map(|(stage, key)| Some((stage, key.as_ref()?)))
            .map(|(stage, key)| {
                let cached = stages.contains(&(stage, true));
                self.training(experiment, stage, key, cached)
            })
            .collect();
        Ok(PointEstimate {
            run,
            stages,
            evaluate_seconds,
            trainings,
        })
    }

    fn run(&self, experiment: &Experiment) -> Result<(), PipelineError> {
        // The largest resident set is the process's: it starts anew for every point (Linux; elsewhere it stays the largest so far).
        let _ = fs::write("/proc/self/clear_refs", "5");
        let options = RunOptions {
            weights: None,
            out: self.out,
            data: self.data,
            force: &[],
            costs: self.costs,
            stop: self.stop,
        };
        run(experiment, &options, &|path| (self.attach_log)(path)).map(drop)
    }
}
