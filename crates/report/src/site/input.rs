//! What the report over all studies is told: plain values, read elsewhere.

use std::collections::BTreeMap;

use crate::ApproximationReport;
use cryptodl_results::RunRecord;

/// Everything that the report shows.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The studies of approximations.
    pub approximations: Vec<ApproximationReport>,
    /// The sweeps, one a study.
    pub sweeps: Vec<SweepRecord>,
    /// Every run that was found, once; sweeps point into it.
    pub runs: Vec<SourcedRun>,
    /// What could not be read, and what was left out, each in a sentence.
    pub notes: Vec<String>,
    /// Price of a core for an hour, US dollars.
    pub price_per_core_hour: f64,
}

/// A run and where it was found.
#[derive(Clone, Debug)]
pub struct SourcedRun {
    /// The run.
    pub record: RunRecord,
    /// Its folder, relative to where the report was asked for.
    pub place: String,
}

/// A sweep as its folder tells it.
#[derive(Clone, Debug)]
pub struct SweepRecord {
    /// The study's name.
    pub name: String,
    /// Its question.
    pub title: String,
    /// Its folder, relative to where the report was asked for.
    pub place: String,
    /// The keys that its axes set.
    pub keys: Vec<String>,
    /// The points, in order.
    pub points: Vec<PointRecord>,
}

/// A point of a sweep.
#[derive(Clone, Debug)]
pub struct PointRecord {
    /// Its short key.
    pub id: String,
    /// Its values, for people.
    pub label: String,
    /// The parts of the study that hold it.
    pub parts: Vec<String>,
    /// What its keys are set to.
    pub values: BTreeMap<String, String>,
    /// Where it stands.
    pub state: PointStanding,
}

/// Where a point stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointStanding {
    /// Its run, by index into [`Site::runs`].
    Done(usize),
    /// Why it failed.
    Failed(String),
    /// Not run yet.
    Missing,
    /// It ran, but its run's folder is not there or cannot be read.
    Lost(String),
}

impl Site {
    /// The run of a point.
    pub(super) fn run(&self, point: &PointRecord) -> Option<&RunRecord> {
        match point.state {
            PointStanding::Done(index) => self.runs.get(index).map(|run| &run.record),
            _ => None,
        }
    }
}
