//! One run: every stage from the store or made now, then a folder of results.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use polyapprox::Polynomial;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::compiled::Compiled;
use super::costs::CostSource;
use super::memory::{forget_peak, peak_rss_bytes};
use super::output;
use super::program::this_program;
use super::stages::{Finished, Keys, Stage};
use super::store::{Claim, Entry, Pending, Store};
use super::views::{ONE_VIEW, Viewed, over_views};
use super::weights::GivenWeights;
use crate::backends::{self, Job};
use crate::circuit;
use crate::data::{self, DataDirs, Dataset, ImageRange, Images};
use crate::model::{self, Activations, PreActivation, TrainedNetwork};
use crate::results::{
    EncryptionSummary, EpochRow, Evaluation, LayerRow, Manifest, Predictions, Summary, TailSummary,
    Timing, WeightsRecord,
};
use crate::spec::{BackendName, Experiment};
use crate::training::{self, TrainError};
use cryptodl_runtime::interrupt;

/// Images per step of the evaluations in the clear.
const EVALUATION_BATCH: usize = 500;
const TAILS_FILE: &str = "tails.json";
/// Training images on which the ranges of the pre-activations are measured.
const RANGE_IMAGES: usize = 20_000;

/// How to run.
#[derive(Debug)]
pub struct RunOptions<'a> {
    /// The output folder: `runs/` and `store/` lie in it.
    pub out: &'a Path,
    /// Where data sets are looked for.
    pub data: &'a DataDirs,
    /// Stages to run again even if the store has them.
    pub force: &'a [Stage],
    /// By whose costs circuits are planned.
    pub costs: CostSource,
    /// A trained network to take instead of training one.
    pub weights: Option<&'a Path>,
    /// Set from outside to stop.
    pub stop: &'a AtomicBool,
}

/// What a run left.
#[derive(Debug)]
pub struct RunOutcome {
    /// The run's folder.
    pub folder: PathBuf,
    /// The same as `summary.json`.
    pub summary: Summary,
    /// How each stage came to its result.
    pub stages: Vec<Finished>,
}

/// Everything that the stages made: what tables, charts and reports are written from.
#[derive(Debug)]
pub(super) struct StageResults {
    pub start: Polynomial,
    pub data_digest: [u8; 32],
    pub network: TrainedNetwork,
    pub epochs: Vec<EpochRow>,
    /// None where nothing was trained.
    pub train_seconds: Option<f64>,
    /// Where the network came from, if it was not trained.
    pub weights: Option<WeightsRecord>,
    pub train_ranges: Vec<PreActivation>,
    pub test_ranges: Vec<PreActivation>,
    pub tails: Option<TailSummary>,
    pub compiled: Compiled,
    pub image_range: ImageRange,
    pub predictions: Predictions,
    pub encrypted: Option<EncryptedRecord>,
    pub stages: Vec<Finished>,
}

/// `outcome.json` of the encrypted stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EncryptedRecord {
    pub encryption: EncryptionSummary,
    pub timing: Timing,
    pub layers: Vec<LayerRow>,
    pub peak_rss_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct TrainRecord {
    epochs: Vec<EpochRow>,
    seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Ranges {
    train: Vec<PreActivation>,
    test: Vec<PreActivation>,
}

/// Runs the experiment. `attach_log` is given the path of `log.jsonl` as soon as there is a folder for it.
pub fn run(
    experiment: &Experiment,
    options: &RunOptions<'_>,
    attach_log: &dyn Fn(&Path) -> std::io::Result<()>,
) -> Result<RunOutcome, PipelineError> {
    let begun = Manifest::begin(this_program());
    let start = experiment.activation.starting_polynomial()?;
    // What cannot be encrypted is refused before hours of training.
    match experiment.encryption.backend {
        BackendName::Ckks => drop(circuit::plan_shape(experiment)?),
        BackendName::Tfhe => drop(circuit::pbs::plan_shape(experiment)?),
        BackendName::Clear => {}
    }
    let backend = backends::backend(experiment.encryption.backend)?;
    let data_digest = data::verify(&experiment.dataset, experiment.seed, options.data)?;
    let given = options
        .weights
        .map(|path| GivenWeights::read(path, experiment, &start))
        .transpose()?;
    let digest = given.as_ref().map(|given| given.record.blake3.as_str());
    let keys = Keys::new(experiment, &data_digest, start.coefficients(), digest)?;
    let folder =
        output::RunFolder::create(options.out, &experiment.name, &keys.run_id(experiment)?)?;
    attach_log(&folder.file("log.jsonl"))
        .map_err(PipelineError::io("create", folder.file("log.jsonl")))?;
    tracing::info!(name = %experiment.name, seed = experiment.seed, dataset = experiment.dataset.name.as_str(), "run");

    let store = Store::open(&options.out.join("store"))?;
    let mut stages = Stages {
        store: &store,
        options,
        finished: Vec::new(),
    };
    let loaded = OnceCell::new();
    let dataset = || -> Result<&Dataset, PipelineError> {
        if let Some(dataset) = loaded.get() {
            return Ok(dataset);
        }
        let dataset = data::load(&experiment.dataset, experiment.seed, options.data)?;
        Ok(loaded.get_or_init(|| dataset))
    };

    let train_one = |stage: Stage,
                     key: &str,
                     activations: Activations<'_>,
                     original: Option<&TrainedNetwork>,
                     stages: &mut Stages<'_>| {
        let scratch = store.scratch(stage.as_str(), key);
        let entry = stages.make(stage, key, &|pending| {
            let outcome = training::train(
                experiment,
                dataset()?,
                activations,
                original,
                &scratch,
                options.stop,
            )?;
            model::save(&outcome.network, &pending.file("model.safetensors"))?;
            write_json(
                &pending.file("train.json"),
                &TrainRecord {
                    epochs: outcome.epochs,
                    seconds: outcome.seconds,
                },
            )
        })?;
        // The checkpoints have done their work; that they are gone changes nothing.
        let _ = fs::remove_dir_all(&scratch);
        let record: TrainRecord = read_json(&entry.file("train.json"))?;
        Ok::<_, PipelineError>((model::load(&entry.file("model.safetensors"))?, record))
    };
    let (mut given, weights) = given.map(|given| (given.network, given.record)).unzip();
    let untrained = |network| {
        let record = TrainRecord {
            epochs: Vec::new(),
            seconds: 0.0,
        };
        (network, record)
    };
    // First the original network: the polynomial one may learn from it.
    let original = match &keys.original {
        Some(_) if given.is_some() => given.take().map(untrained),
        Some(key) => Some(train_one(
            Stage::Original,
            key,
            Activations::Original,
            None,
            &mut stages,
        )?),
        None => None,
    };
    let polynomial = match &keys.train {
        Some(_) if given.is_some() => given.take().map(untrained),
        Some(key) => Some(train_one(
            Stage::Train,
            key,
            Activations::Polynomial(&start),
            original.as_ref().map(|(network, _)| network),
            &mut stages,
        )?),
        None => None,
    };

    // An exact activation has the original network alone, which is then what is encrypted.
    let Some((network, trained)) = polynomial.as_ref().or(original.as_ref()) else {
        return Err(PipelineError::Malformed {
            path: "the stages".into(),
            what: "no network was trained".into(),
        });
    };

    let views = experiment.encryption.views;
    let plaintext = stages.make(Stage::Plaintext, &keys.plaintext, &|pending| {
        let (dataset, interval) = (dataset()?, experiment.activation.interval);
        let (first, test) = (dataset.train.first(RANGE_IMAGES), &dataset.test);
        // A network that learned from coarse pixels is judged on such pixels.
        let (first, test) = match experiment.train.quantize {
            Some(bits) => (first.coarse(bits.pixel_bits), &test.coarse(bits.pixel_bits)),
            None => (first, test),
        };
        let mut train = training::pre_activations(network, &first, interval)?;
        // What the planner must leave room for at the very end.
        let logits = training::logits(network, &first, EVALUATION_BATCH)?;
        train.push(circuit::output_range(network, &logits));
        let ranges = Ranges {
            train,
            test: training::pre_activations(network, test, interval)?,
        };
        write_json(&pending.file("ranges.json"), &ranges)?;
        let tails = tails(experiment, network, dataset, test, &ranges.train)?;
        write_json(&pending.file(TAILS_FILE), &tails)?;
        for (name, trained) in [("polynomial", &polynomial), ("original", &original)] {
            if let Some((network, _)) = trained {
                let viewed = over_views(views, test, |test| {
                    Ok(training::logits(network, test, EVALUATION_BATCH)?)
                })?;
                write_viewed(pending, name, &viewed)?;
            }
        }
        Ok(())
    })?;
    let ranges: Ranges = read_json(&plaintext.file("ranges.json"))?;
    // Results from before there were tails have none.
    let tails: Option<TailSummary> = match plaintext.file(TAILS_FILE) {
        file if file.is_file() => Some(read_json(&file)?),
        _ => None,
    };

    let folded = stages.make(Stage::Circuit, &keys.circuit, &|pending| {
        let costs = || options.costs.table(options.out);
        let compiled = Compiled::of(experiment, network, &ranges.train, dataset()?, &costs)?;
        let mut noisy = Vec::new();
        let exact = over_views(views, &dataset()?.test, |images| {
            // Every view has noise of its own.
            let seed = experiment.seed.wrapping_add(noisy.len() as u64);
            let (exact, with_noise) = compiled.simulate(images, seed)?;
            noisy.push(with_noise);
            Ok(exact)
        })?;
        let mut noisy = noisy.into_iter();
        let noisy = over_views(views, &dataset()?.test, |_| {
            Ok(noisy.next().unwrap_or_default())
        })?;
        output::write_logits(&pending.file("circuit.f32"), &exact.all)?;
        output::write_logits(&pending.file("simulated.f32"), &noisy.all)?;
        write_json(
            &pending.file(output::INPUTS_FILE),
            &ImageRange::of(&dataset()?.train),
        )?;
        compiled.write(&|name| pending.file(name))
    })?;
    let compiled = Compiled::read(experiment.encryption.backend, &|name| folded.file(name))?;

    let encrypted = match &backend {
        None => None,
        Some(backend) => Some(stages.make(Stage::Encrypted, &keys.encrypted, &|pending| {
            let job = Job {
                work: compiled.work(),
                name: &experiment.name,
                key_dir: None,
                images: &dataset()?.test,
                count: experiment.encryption.images,
                threads: experiment.encryption.threads,
                stop: options.stop,
            };
            forget_peak();
            let outcome = backend.evaluate(&job)?;
            let peak_rss_bytes = peak_rss_bytes();
            compiled.confirm(
                &outcome.evaluation,
                &output::read_logits(&folded.file("circuit.f32"))?,
            );
            let viewed = Viewed {
                all: outcome.evaluation,
                one: outcome.one_view,
            };
            write_viewed(pending, "encrypted", &viewed)?;
            let record = EncryptedRecord {
                encryption: outcome.encryption,
                timing: outcome.timing,
                layers: outcome.layers,
                peak_rss_bytes,
            };
            write_json(&pending.file("outcome.json"), &record)
        })?),
    };

    let mut evaluations: Vec<(String, Evaluation)> = Vec::new();
    let mut take = |name: &str, entry: &Entry| -> Result<(), PipelineError> {
        let file = entry.file(&format!("{name}.f32"));
        evaluations.push((name.into(), output::read_logits(&file)?));
        Ok(())
    };
    if original.is_some() {
        take("original", &plaintext)?;
    }
    if polynomial.is_some() {
        take("polynomial", &plaintext)?;
    }
    take("circuit", &folded)?;
    take("simulated", &folded)?;
    if let Some(entry) = &encrypted {
        take("encrypted", entry)?;
    }
    if views > 1 {
        if polynomial.is_some() {
            take(&format!("polynomial{ONE_VIEW}"), &plaintext)?;
        }
        if let Some(entry) = &encrypted {
            take(&format!("encrypted{ONE_VIEW}"), entry)?;
        }
    }
    let train_seconds = weights.is_none().then_some(trained.seconds);
    let network = network.clone();
    let epochs = [polynomial, original]
        .into_iter()
        .flatten()
        .flat_map(|(_, record)| record.epochs)
        .collect();
    let made = StageResults {
        start,
        data_digest,
        network,
        epochs,
        train_seconds,
        weights,
        train_ranges: ranges.train,
        test_ranges: ranges.test,
        tails,
        compiled,
        image_range: read_json(&folded.file(output::INPUTS_FILE))?,
        predictions: Predictions {
            labels: dataset()?.test.labels.clone(),
            evaluations,
        },
        encrypted: encrypted
            .map(|entry| read_json(&entry.file("outcome.json")))
            .transpose()?,
        stages: stages.finished,
    };
    let summary = output::write(&folder, experiment, &made, dataset()?, begun)?;
    let path = folder.publish()?;
    Ok(RunOutcome {
        folder: path,
        summary,
        stages: made.stages,
    })
}

/// How far the held-out training images and the test images go, against what was `measured` on training images.
fn tails(
    experiment: &Experiment,
    network: &TrainedNetwork,
    dataset: &Dataset,
    test: &Images,
    measured: &[PreActivation],
) -> Result<TailSummary, PipelineError> {
    let of = |images: &Images| training::tails(network, images, measured, circuit::RANGE_MARGIN);
    let (_, mut held_out) = dataset.train.hold_out(experiment.train.validation);
    if let Some(bits) = experiment.train.quantize {
        held_out = held_out.coarse(bits.pixel_bits);
    }
    let mirrored = held_out.mirrored();
    held_out.pixels.extend(mirrored.pixels);
    held_out.labels.extend(mirrored.labels);
    let summary = TailSummary {
        held_out: match held_out.is_empty() {
            true => None,
            false => Some(of(&held_out)?),
        },
        test: of(test)?,
    };
    if summary.test.past_bound > 0 {
        tracing::warn!(
            images = summary.test.past_bound,
            of = summary.test.images,
            "test images pass what training images showed, margin included; the plan is a heuristic, and their batches may be lost"
        );
    }
    Ok(summary)
}

/// Writes the logits of an evaluation, and those of one view where there are more.
fn write_viewed(pending: &Pending, name: &str, viewed: &Viewed) -> Result<(), PipelineError> {
    output::write_logits(&pending.file(&format!("{name}.f32")), &viewed.all)?;
    match &viewed.one {
        Some(one) => output::write_logits(&pending.file(&format!("{name}{ONE_VIEW}.f32")), one),
        None => Ok(()),
    }
}

struct Stages<'a> {
    store: &'a Store,
    options: &'a RunOptions<'a>,
    finished: Vec<Finished>,
}

impl Stages<'_> {
    fn make(
        &mut self,
        stage: Stage,
        key: &str,
        work: &dyn Fn(&Pending) -> Result<(), PipelineError>,
    ) -> Result<Entry, PipelineError> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(PipelineError::Stopped);
        }
        let force = self.options.force.contains(&stage);
        let (entry, reused) = match self.store.claim(stage.as_str(), key, force)? {
            Claim::Done(entry) => {
                tracing::info!(
                    stage = stage.as_str(),
                    key = &key[..8],
                    "reused from the store"
                );
                (entry, true)
            }
            Claim::Make(pending) => {
                tracing::info!(stage = stage.as_str(), key = &key[..8], "started");
                let start = Instant::now();
                let finishing = stage.finishes().map(interrupt::finishing);
                let done = work(&pending);
                if let Err(PipelineError::Train(TrainError::Interrupted { saved: true, .. })) =
                    &done
                {
                    interrupt::saved();
                }
                drop(finishing);
                done?;
                let entry = pending.finish(start.elapsed().as_secs_f64())?;
                tracing::info!(stage = stage.as_str(), seconds = entry.seconds, "finished");
                (entry, false)
            }
        };
        interrupt::saved();
        self.finished.push(Finished {
            stage,
            key: key.into(),
            reused,
            seconds: entry.seconds,
        });
        Ok(entry)
    }
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| malformed(path, error))?;
    fs::write(path, text).map_err(PipelineError::io("write", path))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, PipelineError> {
    let text = fs::read(path).map_err(PipelineError::io("read", path))?;
    serde_json::from_slice(&text).map_err(|error| malformed(path, error))
}

fn malformed(path: &Path, error: serde_json::Error) -> PipelineError {
    PipelineError::Malformed {
        path: path.to_path_buf(),
        what: error.to_string(),
    }
}
