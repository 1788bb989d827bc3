//! The stage `circuit`: folding or quantising, planning, and the clear simulator.

use std::path::Path;

use super::session::Session;
use super::train::Networks;
use crate::backends::{Backend, CompiledNetwork, Trained};
use crate::data::ImageRange;
use crate::model::PreActivation;
use crate::pipeline::logits::write_logits;
use crate::pipeline::store::Entry;
use crate::pipeline::views::over_views;
use crate::pipeline::{PipelineError, Stage};
use crate::results::{read_json, write_json};

/// What the images are like that the network was trained on: an exported client refuses others.
pub(super) const INPUTS_FILE: &str = "inputs.json";

/// What a finished run's images are like.
pub(crate) fn image_range_of(run: &Path) -> Result<ImageRange, PipelineError> {
    Ok(read_json(&run.join(INPUTS_FILE))?)
}

/// What the stage made.
#[derive(Debug)]
pub(super) struct CircuitStage {
    pub entry: Entry,
    pub compiled: Box<dyn CompiledNetwork>,
    /// What the images are like that the network was trained on.
    pub image_range: ImageRange,
}

/// Compiles the network for the backend, and simulates it on the test images. `ranges` are those of training images.
pub(super) fn compile(
    session: &Session<'_>,
    backend: &dyn Backend,
    networks: &Networks,
    ranges: &[PreActivation],
) -> Result<CircuitStage, PipelineError> {
    let (experiment, options) = (session.experiment, session.options);
    let network = &networks.encrypted()?.network;
    let entry = session.stage(Stage::Circuit, &session.keys.circuit, |pending| {
        let dataset = session.dataset()?;
        let trained = Trained {
            experiment,
            network,
            ranges,
            images: &dataset.train,
        };
        let compiled = backend.compile(&trained, &|| options.costs.table(options.out))?;
        let mut noisy = Vec::new();
        let views = experiment.encryption.views;
        let exact = over_views(views, &dataset.test, |images| {
            // Every view has noise of its own.
            let seed = experiment.seed.wrapping_add(noisy.len() as u64);
            let (exact, with_noise) = compiled.simulate(images, seed)?;
            noisy.push(with_noise);
            Ok(exact)
        })?;
        let mut noisy = noisy.into_iter();
        let noisy = over_views(views, &dataset.test, |_| {
            Ok(noisy.next().unwrap_or_default())
        })?;
        write_logits(&pending.file("circuit.f32"), &exact.all)?;
        write_logits(&pending.file("simulated.f32"), &noisy.all)?;
        write_json(&pending.file(INPUTS_FILE), &ImageRange::of(&dataset.train))?;
        Ok(compiled.write(pending.path())?)
    })?;
    Ok(CircuitStage {
        compiled: backend.read(entry.path())?,
        image_range: read_json(&entry.file(INPUTS_FILE))?,
        entry,
    })
}
