//! Many runs: the points of a study, each from the store or run now, and one table of all of them.
//!
//! A point is finished when its run's folder is there, whoever made it; nothing else is remembered but why points failed. The table is
//! made from the run folders alone, so that a sweep that was killed and started again ends with the same one.

mod local;
mod runtime_estimate;
mod table;
#[cfg(test)]
mod tests;

pub use local::Local;
pub use runtime_estimate::{
    REFERENCE_MACHINE, REFERENCE_RATE, Rate, RuntimeEstimate, Training, estimate_training,
};

use std::collections::VecDeque;
use std::fs::{self, File};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{PipelineError, Stage};
use crate::results::{read_json, write_json};
use crate::spec::{ContentKey, Experiment, Point, StudyPage, Sweep};
use cryptodl_runtime::Progress;
use cryptodl_runtime::write_whole;

/// Runs single points. What a sweep does around it does not depend on how.
pub trait Runner: Sync {
    /// What will become of an experiment: checks everything that can be checked before it runs.
    ///
    /// # Errors
    /// The experiment cannot run: no such polynomial, no secure parameters, no data.
    fn estimate(&self, experiment: &Experiment) -> Result<PointEstimate, PipelineError>;

    /// Runs it; its results are then in the folder that [`Self::estimate`] names.
    ///
    /// # Errors
    /// The run failed, or was asked to stop.
    fn run(&self, experiment: &Experiment) -> Result<(), PipelineError>;
}

/// An experiment before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointEstimate {
    /// Name of its folder under `runs/`.
    pub run: String,
    /// Its stages, and whether the store has them.
    pub stages: Vec<(Stage, bool)>,
    /// Predicted seconds of the encrypted evaluation; none where nothing is encrypted.
    pub evaluate_seconds: Option<f64>,
    /// What it trains: the polynomial network, and the baseline where the spec asks for one.
    pub trainings: Vec<Training>,
}

/// How to run a sweep.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions<'a> {
    /// The output folder: `runs/`, `store/` and `sweeps/` lie in it.
    pub out: &'a Path,
    /// Points that run at the same time.
    pub jobs: usize,
    /// Start no further point once one has failed.
    pub fail_fast: bool,
    /// Set from outside to stop.
    pub stop: &'a AtomicBool,
}

/// Where a point stands.
#[derive(Clone, Debug, PartialEq)]
pub enum PointState {
    /// Its run's folder is there.
    Done,
    /// It failed when it was last run.
    Failed(PointFailure),
    /// Not run yet, or stopped.
    Missing,
}

/// Why a point failed: `points/<id>.json` in the sweep's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointFailure {
    /// What the program says about it.
    pub error: String,
    /// The exit code that a run of this point alone would have.
    pub exit_code: u8,
    /// Seconds until it failed.
    pub seconds: f64,
}

/// A point and what is known of it.
#[derive(Clone, Debug)]
pub struct PointStatus<'a> {
    /// The point.
    pub point: &'a Point,
    /// What was known before it ran.
    pub estimate: PointEstimate,
    /// Where it stands.
    pub state: PointState,
}

/// What a sweep left.
#[derive(Debug)]
pub struct SweepOutcome<'a> {
    /// The sweep's folder: `sweep.json`, `points.csv`, `points.parquet`, `points.md`, and `seeds.*` where seeds vary.
    pub folder: PathBuf,
    /// Every point, in order.
    pub points: Vec<PointStatus<'a>>,
    /// Points that this call ran to their end.
    pub ran: usize,
    /// Whether it was asked to stop.
    pub stopped: bool,
}

impl SweepOutcome<'_> {
    /// Points in a state.
    pub fn count(&self, wanted: impl Fn(&PointState) -> bool) -> usize {
        self.points
            .iter()
            .filter(|point| wanted(&point.state))
            .count()
    }

    /// The error that the program ends with: the stop, or the failed points.
    ///
    /// # Errors
    /// [`PipelineError::SweepStopped`], [`PipelineError::PointsFailed`].
    pub fn verdict(&self) -> Result<(), PipelineError> {
        if self.stopped {
            return Err(PipelineError::SweepStopped {
                left: self.count(|state| *state != PointState::Done),
            });
        }
        match self.count(|state| *state != PointState::Done) {
            0 => Ok(()),
            failed => Err(PipelineError::PointsFailed {
                failed,
                points: self.points.len(),
            }),
        }
    }
}

/// `sweep.json`: the expanded study as it was when the sweep began.
#[derive(Serialize)]
struct SavedSweep<'a> {
    name: &'a str,
    title: &'a str,
    key: String,
    #[serde(flatten)]
    page: &'a StudyPage,
    keys: &'a [String],
    points: &'a [Point],
}

/// The sweep's folder, `OUT/sweeps/<name>-<key8>`: another expansion is another folder.
///
/// # Errors
/// None for a checked sweep.
pub fn sweep_folder(out: &Path, name: &str, sweep: &Sweep) -> Result<PathBuf, PipelineError> {
    Ok(out
        .join("sweeps")
        .join(format!("{name}-{}", sweep_key(name, sweep)?.short())))
}

fn sweep_key(name: &str, sweep: &Sweep) -> Result<ContentKey, PipelineError> {
    ContentKey::of(&(name, &sweep.keys, &sweep.points)).map_err(|error| PipelineError::Malformed {
        path: "the sweep's points".into(),
        what: error.to_string(),
    })
}

/// Checks every point and says where it stands; runs and writes nothing.
///
/// # Errors
/// [`PipelineError::Point`] for the first point that cannot run.
pub fn survey<'a>(
    sweep: &'a Sweep,
    folder: &Path,
    out: &Path,
    runner: &dyn Runner,
) -> Result<Vec<PointStatus<'a>>, PipelineError> {
    sweep
        .points
        .iter()
        .map(|point| {
            let estimate =
                runner
                    .estimate(&point.experiment)
                    .map_err(|source| PipelineError::Point {
                        label: point.label.clone(),
                        source: Box::new(source),
                    })?;
            let state = state(point, &estimate, folder, out);
            Ok(PointStatus {
                point,
                estimate,
                state,
            })
        })
        .collect()
}

fn state(point: &Point, estimate: &PointEstimate, folder: &Path, out: &Path) -> PointState {
    if run_folder(out, estimate).join("summary.json").is_file() {
        return PointState::Done;
    }
    // A record that cannot be read says no more than one that is not there: the point runs again.
    read_json(&failure_path(folder, point)).map_or(PointState::Missing, PointState::Failed)
}

fn run_folder(out: &Path, estimate: &PointEstimate) -> PathBuf {
    out.join("runs").join(&estimate.run)
}

fn failure_path(folder: &Path, point: &Point) -> PathBuf {
    folder.join("points").join(format!("{}.json", point.id))
}

/// Runs every point that is not done: those that failed before, too.
///
/// # Errors
/// A point cannot run at all, or the file system refuses; failed points are told in the outcome.
pub fn run_sweep<'a>(
    name: &str,
    title: &str,
    sweep: &'a Sweep,
    options: &SweepOptions<'_>,
    runner: &dyn Runner,
) -> Result<SweepOutcome<'a>, PipelineError> {
    let folder = sweep_folder(options.out, name, sweep)?;
    let points = survey(sweep, &folder, options.out, runner)?;
    let records = folder.join("points");
    fs::create_dir_all(&records).map_err(PipelineError::io("create the folder", &records))?;
    let saved = SavedSweep {
        name,
        title,
        key: sweep_key(name, sweep)?.to_string(),
        page: &sweep.page,
        keys: &sweep.keys,
        points: &sweep.points,
    };
    write_json(&folder.join("sweep.json"), &saved)?;
    let work = Work {
        title,
        sweep,
        options,
        runner,
        folder: &folder,
        halted: AtomicBool::new(false),
        ran: Mutex::new(0),
        points: Mutex::new(points),
        trouble: Mutex::new(None),
    };
    work.run()?;
    Ok(SweepOutcome {
        ran: work
            .ran
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        points: work
            .points
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        stopped: options.stop.load(Ordering::Relaxed),
        folder,
    })
}

/// A sweep at work: what its threads share.
struct Work<'a, 'w> {
    title: &'w str,
    sweep: &'a Sweep,
    options: &'w SweepOptions<'w>,
    runner: &'w dyn Runner,
    folder: &'w Path,
    /// No further point is to be started.
    halted: AtomicBool,
    ran: Mutex<usize>,
    points: Mutex<Vec<PointStatus<'a>>>,
    /// What ended the sweep itself.
    trouble: Mutex<Option<PipelineError>>,
}

impl Work<'_, '_> {
    fn run(&self) -> Result<(), PipelineError> {
        self.write_tables()?;
        let queue: VecDeque<usize> = lock(&self.points)
            .iter()
            .enumerate()
            .filter(|(_, point)| point.state != PointState::Done)
            .map(|(index, _)| index)
            .collect();
        if queue.is_empty() {
            return Ok(());
        }
        let progress = Progress::start("sweep", self.sweep.points.len() as u64, "points");
        progress.advance((self.sweep.points.len() - queue.len()) as u64);
        let jobs = self.options.jobs.clamp(1, queue.len());
        let queue = Mutex::new(queue);
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while !self.over() {
                        let Some(index) = lock(&queue).pop_front() else {
                            break;
                        };
                        if let Err(error) = self.point(index, &progress) {
                            self.halted.store(true, Ordering::Relaxed);
                            lock(&self.trouble).get_or_insert(error);
                        }
                    }
                });
            }
        });
        match lock(&self.trouble).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn over(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed) || self.halted.load(Ordering::Relaxed)
    }

    fn point(&self, index: usize, progress: &Progress) -> Result<(), PipelineError> {
        let (point, estimate) = {
            let points = lock(&self.points);
            match points.get(index) {
                Some(status) => (status.point, status.estimate.clone()),
                None => return Ok(()),
            }
        };
        // Another sweep may be at the same point: it is run once, and both have it.
        let Some(_claim) = self.claim(&estimate)? else {
            return Ok(());
        };
        let state = match state(point, &estimate, self.folder, self.options.out) {
            PointState::Done => Some(PointState::Done),
            _ => self.attempt(point)?,
        };
        let Some(state) = state else {
            return Ok(());
        };
        if let PointState::Failed(failure) = &state {
            tracing::error!(point = %point.label, id = %point.id, "failed: {}", failure.error);
            if self.options.fail_fast {
                self.halted.store(true, Ordering::Relaxed);
            }
        }
        if let Some(status) = lock(&self.points).get_mut(index) {
            status.state = state;
        }
        progress.advance(1);
        self.write_tables()
    }

    /// Runs a point and keeps what must be remembered of it; nothing if it was stopped.
    fn attempt(&self, point: &Point) -> Result<Option<PointState>, PipelineError> {
        tracing::info!(point = %point.label, id = %point.id, "started");
        let start = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.runner.run(&point.experiment)));
        let path = failure_path(self.folder, point);
        let failure = match result {
            Ok(Ok(())) => {
                *lock(&self.ran) += 1;
                let _ = fs::remove_file(&path);
                return Ok(Some(PointState::Done));
            }
            Ok(Err(error)) if matches!(error.exit_code(), 75 | 130) => return Ok(None),
            Ok(Err(error)) => PointFailure {
                error: error.to_string(),
                exit_code: error.exit_code(),
                seconds: start.elapsed().as_secs_f64(),
            },
            Err(_) => PointFailure {
                error: "the run ended by a fault of the program".to_owned(),
                exit_code: 1,
                seconds: start.elapsed().as_secs_f64(),
            },
        };
        *lock(&self.ran) += 1;
        write_json(&path, &failure)?;
        Ok(Some(PointState::Failed(failure)))
    }

    /// The right to run a point, held as long as the file is; none when asked to stop while waiting for it.
    fn claim(&self, estimate: &PointEstimate) -> Result<Option<File>, PipelineError> {
        let locks = self.options.out.join("sweeps").join("locks");
        fs::create_dir_all(&locks).map_err(PipelineError::io("create the folder", &locks))?;
        let path = locks.join(&estimate.run);
        let file = File::create(&path).map_err(PipelineError::io("create the lock", &path))?;
        let mut told = false;
        while file.try_lock().is_err() {
            if self.over() {
                return Ok(None);
            }
            if !std::mem::replace(&mut told, true) {
                tracing::info!(run = %estimate.run, "another sweep is at this point; waiting for it");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Some(file))
    }

    fn write_tables(&self) -> Result<(), PipelineError> {
        // The lock is held while writing: an older table must not replace a newer one.
        let points = lock(&self.points);
        let tables = table::PointTables::read(&points, &self.sweep.keys, self.options.out)?;
        tables.all.write_csv(&self.folder.join("points.csv"))?;
        tables
            .all
            .write_parquet(&self.folder.join("points.parquet"))?;
        let mut text = format!("# {}\n\n{}", self.title, tables.readable.markdown());
        if let Some(seeds) = tables.seeds {
            seeds.write_csv(&self.folder.join("seeds.csv"))?;
            seeds.write_parquet(&self.folder.join("seeds.parquet"))?;
            text.push_str(
                "\n## Means over seeds\n\nWith a 95 % interval over seeds and test images.\n\n",
            );
            text.push_str(&seeds.markdown());
        }
        let path = self.folder.join("points.md");
        write_whole(&path, text.as_bytes()).map_err(PipelineError::io("write", &path))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
