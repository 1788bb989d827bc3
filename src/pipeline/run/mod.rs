//! One run: every stage from the store or made now, then a folder of results.

mod circuit;
mod encrypted;
mod output;
mod plaintext;
mod report;
mod results;
mod session;
mod train;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::PipelineError;
use super::costs::CostSource;
use super::program::this_program;
use super::stages::{Finished, Keys, Stage};
use super::weights::GivenWeights;
use crate::backends;
use crate::data::{self, DataDirs};
use crate::results::{Manifest, Summary};
use crate::spec::Experiment;
pub(crate) use circuit::image_range_of;
use results::StageResults;
use session::Session;

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

/// Runs the experiment. `attach_log` is given the path of `log.jsonl` as soon as there is a folder for it.
pub fn run(
    experiment: &Experiment,
    options: &RunOptions<'_>,
    attach_log: &dyn Fn(&Path) -> std::io::Result<()>,
) -> Result<RunOutcome, PipelineError> {
    let begun = Manifest::begin(this_program());
    let start = experiment.activation.starting_polynomial()?;
    let backend = backends::backend(experiment.encryption.backend)?;
    // What cannot be encrypted is refused before hours of training.
    backend.check(experiment)?;
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
    tracing::info!(name = %experiment.name, seed = experiment.seed, dataset = &*experiment.dataset.source.name(), "run");

    let (network, weights) = given.map(|given| (given.network, given.record)).unzip();
    let session = Session::open(experiment, options, keys)?;
    let networks = train::networks(&session, &start, network)?;
    let plaintext = plaintext::evaluate(&session, &networks)?;
    let circuit = circuit::compile(&session, backend, &networks, &plaintext.ranges.train)?;
    let encrypted = match backend.engine() {
        Some(_) => Some(encrypted::evaluate(&session, &circuit)?),
        None => None,
    };

    let results = StageResults {
        start,
        data_digest,
        weights,
        networks,
        plaintext,
        circuit,
        encrypted,
        labels: session.dataset()?.test.labels.clone(),
        stages: session.finished(),
    };
    let summary = output::write(&folder, experiment, &results, session.dataset()?, begun)?;
    Ok(RunOutcome {
        folder: folder.publish()?,
        summary,
        stages: results.stages,
    })
}
