//! From folders of stored results to what a report over all studies shows. Runs nothing; what cannot be read is noted, not skipped in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::approximation::read_approximations;
use super::{PipelineError, PointFailure};
use crate::report::{ChartRecord, StudyReport, SweepRecord};
use crate::results::{PointRecord, RunTable, Standing, StoredRun, Table, read_json};

/// How deep results lie below a folder that is asked for: `results/published/<day>/<study>/runs/<run>`, and one to spare.
const MAX_DEPTH: usize = 6;

/// `sweep.json`, as far as a report needs it.
#[derive(Deserialize)]
struct SavedSweep {
    name: String,
    title: String,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    answers: Option<String>,
    #[serde(default)]
    charts: Vec<ChartRecord>,
    keys: Vec<String>,
    points: Vec<SavedPoint>,
}

#[derive(Deserialize)]
struct SavedPoint {
    id: String,
    label: String,
    parts: Vec<String>,
    values: BTreeMap<String, serde_json::Value>,
}

/// What a walk through the folders finds.
#[derive(Default)]
struct Found {
    runs: Vec<PathBuf>,
    sweeps: Vec<PathBuf>,
    studies: Vec<PathBuf>,
}

/// Reads every study and every run below the folders. Second: what could not be read.
///
/// # Errors
/// A folder cannot be listed.
pub fn collect(roots: &[PathBuf]) -> Result<(StudyReport, usize), PipelineError> {
    let mut report = StudyReport::default();
    let mut troubles: Vec<String> = Vec::new();
    let mut found = Found::default();
    for root in roots {
        walk(root, 0, &mut found)?;
    }
    let mut runs: Vec<StoredRun> = Vec::new();
    for folder in &found.runs {
        match StoredRun::read(folder) {
            Ok((run, parts)) => {
                let part = |part| format!("Part of a run could not be read: {}", told(&part));
                troubles.extend(parts.into_iter().map(part));
                if !runs.iter().any(|known| same_run(known, &run)) {
                    runs.push(run);
                }
            }
            Err(error) => troubles.push(format!("A run could not be read: {}", told(&error))),
        }
    }
    for folder in &found.studies {
        match read_approximations(folder) {
            Ok(study) => report.approximations.push(study),
            Err(error) => troubles.push(format!(
                "A study of approximations could not be read: {}",
                told(&error)
            )),
        }
    }
    for folder in &found.sweeps {
        match sweep(folder, &runs) {
            Ok(record) => report.sweeps.push(record),
            Err(error) => troubles.push(format!("A sweep could not be read: {}", told(&error))),
        }
    }
    let left_out = keep_fullest(&mut report);
    let points = report.sweeps.iter().flat_map(|sweep| &sweep.points);
    let lost = points
        .filter(|point| matches!(point.standing, Standing::Lost(_)))
        .count();
    if lost > 0 {
        troubles.push(format!(
            "Runs of {lost} finished points are not there or cannot be read; the tables say which."
        ));
    }
    for run in &mut runs {
        run.folder = PathBuf::from(shown(&run.folder));
    }
    report.runs = RunTable::new(runs)?;
    troubles
        .iter()
        .for_each(|trouble| tracing::warn!("{trouble}"));
    let count = troubles.len();
    report.notes = troubles.into_iter().chain(left_out).collect();
    Ok((report, count))
}

/// Folders in the order of their names, so that a report does not depend on the file system.
fn walk(folder: &Path, depth: usize, found: &mut Found) -> Result<(), PipelineError> {
    let is = |name: &str| folder.join(name).is_file();
    // A run that is not whole is still a run: reading it says what is missing.
    if is("summary.json") && (is("manifest.json") || is("spec.toml")) {
        found.runs.push(folder.to_path_buf());
        return Ok(());
    }
    if is("sweep.json") {
        found.sweeps.push(folder.to_path_buf());
    }
    if is("approximations.csv") {
        found.studies.push(folder.to_path_buf());
        return Ok(());
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    let mut inner = Vec::new();
    for entry in fs::read_dir(folder).map_err(PipelineError::io("read the folder", folder))? {
        let path = entry
            .map_err(PipelineError::io("read the folder", folder))?
            .path();
        // The store holds stages, not results; a link could lead in a circle.
        let skipped = path
            .file_name()
            .is_some_and(|name| name == "store" || name == "locks");
        if path.is_dir() && !path.is_symlink() && !skipped {
            inner.push(path);
        }
    }
    inner.sort();
    inner
        .iter()
        .try_for_each(|path| walk(path, depth + 1, found))
}

/// A run and its published copy are one.
fn same_run(a: &StoredRun, b: &StoredRun) -> bool {
    let (of_a, of_b) = (&a.manifest, &b.manifest);
    a.summary.name == b.summary.name
        && (&of_a.started, &of_a.finished, &of_a.stages)
            == (&of_b.started, &of_b.finished, &of_b.stages)
}

fn sweep(folder: &Path, runs: &[StoredRun]) -> Result<SweepRecord, PipelineError> {
    let saved: SavedSweep = read_json(&folder.join("sweep.json"))?;
    let path = folder.join("points.csv");
    let table = Table::read_csv(&path)?;
    table.require(&path, &["id", "state", "run"])?;
    let malformed = |what: String| PipelineError::Malformed {
        path: path.clone(),
        what,
    };
    let mut points = Vec::new();
    for mut point in saved.points {
        let row = table.with("id", &point.id)?;
        if row.rows() == 0 {
            return Err(malformed(format!("the point {} has no row", point.id)));
        }
        let standing = match row.text("state").as_deref() {
            Some("done") => {
                let name = row.text("run").unwrap_or_default();
                run_index(folder, &name, runs).map_or_else(
                    || Standing::Lost(format!("done, but the folder of its run `{name}` is not there or cannot be read")),
                    Standing::Done,
                )
            }
            Some("failed") => {
                let record = folder.join("points").join(format!("{}.json", point.id));
                let kept = read_json(&record).map(|failure: PointFailure| failure.error);
                Standing::Failed(kept.ok().or(row.text("error")).unwrap_or_default())
            }
            Some("missing") => Standing::Missing,
            other => {
                let state = other.unwrap_or_default();
                return Err(malformed(format!(
                    "the point {} is {state:?}, which is no state",
                    point.id
                )));
            }
        };
        let values = saved
            .keys
            .iter()
            .filter_map(|key| Some((key.clone(), point.values.remove(key)?)));
        points.push(PointRecord {
            values: values.collect(),
            id: point.id,
            label: point.label,
            parts: point.parts,
            standing,
        });
    }
    Ok(SweepRecord {
        question: saved.question.unwrap_or_else(|| saved.title.clone()),
        name: saved.name,
        title: saved.title,
        answers: saved.answers,
        place: shown(folder),
        keys: saved.keys,
        charts: saved.charts,
        points,
    })
}

/// The run of a point: of that folder name, or published under its spec's name; of several, the one nearest to the sweep.
fn run_index(sweep: &Path, name: &str, runs: &[StoredRun]) -> Option<usize> {
    let spec = name.rsplit_once('-').map_or(name, |(spec, _)| spec);
    let near = |folder: &Path| {
        folder
            .components()
            .zip(sweep.components())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let best = |name: &str| {
        let fitting = runs
            .iter()
            .enumerate()
            .filter(|(_, run)| run.folder_name() == name);
        fitting
            .max_by_key(|(_, run)| near(&run.folder))
            .map(|(index, _)| index)
    };
    best(name).or_else(|| best(spec))
}

/// Of the expansions of one study, the one with the most finished points; the others are noted.
fn keep_fullest(report: &mut StudyReport) -> Vec<String> {
    let done = |sweep: &SweepRecord| {
        sweep
            .points
            .iter()
            .filter(|point| matches!(point.standing, Standing::Done(_)))
            .count()
    };
    let mut kept: Vec<SweepRecord> = Vec::new();
    let mut notes = Vec::new();
    for sweep in std::mem::take(&mut report.sweeps) {
        let Some(other) = kept.iter_mut().find(|other| other.name == sweep.name) else {
            kept.push(sweep);
            continue;
        };
        let left = if done(&sweep) > done(other) {
            std::mem::replace(other, sweep)
        } else {
            sweep
        };
        notes.push(format!(
            "The study {} is there more than once; {} has fewer finished points and is left out.",
            left.name, left.place
        ));
    }
    report.sweeps = kept;
    notes
}

/// A folder as it was asked for; of an absolute path only what follows the folder of results.
fn shown(folder: &Path) -> String {
    let parts: Vec<String> = folder
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let from = match folder.is_absolute() {
        false => 0,
        true => parts
            .iter()
            .rposition(|part| part == "results")
            .unwrap_or(parts.len().saturating_sub(2)),
    };
    parts.get(from..).unwrap_or_default().join("/")
}

/// An error with folders as [`shown`] gives them: reports hold no path of a machine.
fn told(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let words = text.split(' ').map(|word| {
        let path = word.trim_end_matches(':');
        match Path::new(path).is_absolute() {
            true => format!("{}{}", shown(Path::new(path)), &word[path.len()..]),
            false => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_name_no_folder_of_the_machine() {
        assert_eq!(shown(Path::new("results/runs/a")), "results/runs/a");
        assert_eq!(shown(Path::new("/home/x/results/runs/a")), "results/runs/a");
        assert_eq!(shown(Path::new("/home/x/y/a")), "y/a");
        let error = std::io::Error::other("/home/x/results/runs/a/summary.json: bad");
        assert_eq!(told(&error), "results/runs/a/summary.json: bad");
    }
}
