//! A run under way: what its stages share.

use std::cell::{OnceCell, RefCell};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::RunOptions;
use crate::data::{self, Dataset};
use crate::pipeline::PipelineError;
use crate::pipeline::logits::write_logits;
use crate::pipeline::stages::{Finished, Keys, Stage};
use crate::pipeline::store::{Claim, Entry, Pending, Store};
use crate::pipeline::views::{ONE_VIEW, Viewed};
use crate::spec::Experiment;
use crate::training::TrainError;
use cryptodl_runtime::interrupt;

/// The experiment, the store, and the data set as soon as a stage needs it.
pub(super) struct Session<'a> {
    pub experiment: &'a Experiment,
    pub options: &'a RunOptions<'a>,
    pub keys: Keys,
    pub store: Store,
    dataset: OnceCell<Dataset>,
    finished: RefCell<Vec<Finished>>,
}

impl<'a> Session<'a> {
    pub fn open(
        experiment: &'a Experiment,
        options: &'a RunOptions<'a>,
        keys: Keys,
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            experiment,
            options,
            keys,
            store: Store::open(&options.out.join("store"))?,
            dataset: OnceCell::new(),
            finished: RefCell::default(),
        })
    }

    /// The images, read when they are first asked for.
    pub fn dataset(&self) -> Result<&Dataset, PipelineError> {
        if let Some(dataset) = self.dataset.get() {
            return Ok(dataset);
        }
        let experiment = self.experiment;
        let dataset = data::load(&experiment.dataset, experiment.seed, self.options.data)?;
        Ok(self.dataset.get_or_init(|| dataset))
    }

    /// How each stage so far came to its result.
    pub fn finished(&self) -> Vec<Finished> {
        self.finished.borrow().clone()
    }

    /// A stage's result: from the store, or made now by `work`.
    pub fn stage(
        &self,
        stage: Stage,
        key: &str,
        work: impl FnOnce(&Pending) -> Result<(), PipelineError>,
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
        self.finished.borrow_mut().push(Finished {
            stage,
            key: key.into(),
            reused,
            seconds: entry.seconds,
            commit: entry.commit.clone(),
            dirty: entry.dirty,
        });
        Ok(entry)
    }
}

/// Writes the logits of an evaluation, and those of one view where there are more.
pub(super) fn write_viewed(
    folder: &Path,
    name: &str,
    viewed: &Viewed,
) -> Result<(), PipelineError> {
    write_logits(&folder.join(format!("{name}.f32")), &viewed.all)?;
    match &viewed.one {
        Some(one) => write_logits(&folder.join(format!("{name}{ONE_VIEW}.f32")), one),
        None => Ok(()),
    }
}
