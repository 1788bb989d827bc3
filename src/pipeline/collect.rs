//! From folders of stored results to what a report over all studies is told. Runs nothing; what cannot be read is noted, not skipped
//! in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::approximation::read_approximations;
use super::{PipelineError, PointFailure};
use crate::report::site::{PointRecord, PointStanding, Site, SourcedRun, SweepRecord};
use crate::results::{Grid, RunRecord, read_json};

/// How deep results lie below a folder that is asked for: `results/published/<day>/<study>/runs/<run>`, and one to spare.
const MAX_DEPTH: usize = 6;

/// `sweep.json`, as far as a report needs it.
#[derive(Deserialize)]
struct SavedSweep {
    name: String,
    title: String,
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
pub fn collect(roots: &[PathBuf]) -> Result<(Site, usize), PipelineError> {
    let mut site = Site::default();
    let mut troubles = 0;
    let mut trouble = |notes: &mut Vec<String>, what: String| {
        tracing::warn!("{what}");
        notes.push(what);
        troubles += 1;
    };
    let mut found = Found::default();
    for root in roots {
        walk(root, 0, &mut found)?;
    }
    for folder in &found.runs {
        match RunRecord::read(folder) {
            Ok((record, parts)) => {
                for part in parts {
                    trouble(
                        &mut site.notes,
                        format!("Part of a run could not be read: {}", told(&part)),
                    );
                }
                if !site
                    .runs
                    .iter()
                    .any(|known| same_run(&known.record, &record))
                {
                    site.runs.push(SourcedRun {
                        record,
                        place: shown(folder),
                    });
                }
            }
            Err(error) => trouble(
                &mut site.notes,
                format!("A run could not be read: {}", told(&error)),
            ),
        }
    }
    for folder in &found.studies {
        match read_approximations(folder) {
            Ok(report) => site.approximations.push(report),
            Err(error) => trouble(
                &mut site.notes,
                format!(
                    "A study of approximations could not be read: {}",
                    told(&error)
                ),
            ),
        }
    }
    for folder in &found.sweeps {
        match sweep(folder, &site) {
            Ok(record) => site.sweeps.push(record),
            Err(error) => trouble(
                &mut site.notes,
                format!("A sweep could not be read: {}", told(&error)),
            ),
        }
    }
    keep_fullest(&mut site);
    let lost: usize = site
        .sweeps
        .iter()
        .flat_map(|sweep| &sweep.points)
        .filter(|point| matches!(point.state, PointStanding::Lost(_)))
        .count();
    if lost > 0 {
        trouble(
            &mut site.notes,
            format!(
                "Runs of {lost} finished points are not there or cannot be read; the tables say which."
            ),
        );
    }
    Ok((site, troubles))
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
fn same_run(a: &RunRecord, b: &RunRecord) -> bool {
    let identity = |run: &RunRecord| {
        (
            run.summary.name.clone(),
            run.manifest.started.clone(),
            run.manifest.finished.clone(),
            run.manifest.stages.clone(),
        )
    };
    identity(a) == identity(b)
}

fn sweep(folder: &Path, site: &Site) -> Result<SweepRecord, PipelineError> {
    let saved: SavedSweep = read_json(&folder.join("sweep.json"))?;
    let path = folder.join("points.csv");
    let table = Grid::read_csv(&path)?;
    let malformed = |what: String| PipelineError::Malformed {
        path: path.clone(),
        what,
    };
    let rows: BTreeMap<&str, usize> = (0..table.rows())
        .filter_map(|row| Some((table.text("id", row)?, row)))
        .collect();
    let mut points = Vec::new();
    for point in saved.points {
        let row = *rows
            .get(point.id.as_str())
            .ok_or_else(|| malformed(format!("the point {} has no row", point.id)))?;
        let state = match table.text("state", row) {
            Some("done") => {
                let name = table.text("run", row).unwrap_or_default();
                run_index(folder, name, site).map_or_else(
                    || {
                        PointStanding::Lost(format!(
                            "done, but the folder of its run `{name}` is not there or cannot be read"
                        ))
                    },
                    PointStanding::Done,
                )
            }
            Some("failed") => {
                let record = folder.join("points").join(format!("{}.json", point.id));
                let kept = read_json(&record).map(|failure: PointFailure| failure.error);
                let error = table.text("error", row).map(str::to_owned);
                PointStanding::Failed(kept.ok().or(error).unwrap_or_default())
            }
            Some("missing") => PointStanding::Missing,
            other => {
                return Err(malformed(format!(
                    "the point {} is {:?}, which is no state",
                    point.id,
                    other.unwrap_or_default()
                )));
            }
        };
        points.push(PointRecord {
            id: point.id,
            label: point.label,
            parts: point.parts,
            values: point
                .values
                .into_iter()
                .map(|(key, value)| {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    (key, text)
                })
                .collect(),
            state,
        });
    }
    Ok(SweepRecord {
        name: saved.name,
        title: saved.title,
        place: shown(folder),
        keys: saved.keys,
        points,
    })
}

/// The run of a point: of that folder name, or published under its spec's name; of several, the one nearest to the sweep.
fn run_index(sweep: &Path, name: &str, site: &Site) -> Option<usize> {
    let spec = name.rsplit_once('-').map_or(name, |(spec, _)| spec);
    let near = |folder: &Path| {
        let shared = folder
            .components()
            .zip(sweep.components())
            .take_while(|(a, b)| a == b);
        shared.count()
    };
    let exact = |run: &SourcedRun| run.record.folder_name() == name;
    let by_spec = |run: &SourcedRun| run.record.folder_name() == spec;
    let best = |fits: &dyn Fn(&SourcedRun) -> bool| {
        site.runs
            .iter()
            .enumerate()
            .filter(|(_, run)| fits(run))
            .max_by_key(|(_, run)| near(&run.record.folder))
            .map(|(index, _)| index)
    };
    best(&exact).or_else(|| best(&by_spec))
}

/// Of the expansions of one study, the one with the most finished points; the others are noted.
fn keep_fullest(site: &mut Site) {
    let done = |sweep: &SweepRecord| {
        let done = |point: &&PointRecord| matches!(point.state, PointStanding::Done(_));
        sweep.points.iter().filter(done).count()
    };
    let mut kept: Vec<SweepRecord> = Vec::new();
    for sweep in std::mem::take(&mut site.sweeps) {
        let Some(other) = kept.iter_mut().find(|other| other.name == sweep.name) else {
            kept.push(sweep);
            continue;
        };
        let left = if done(&sweep) > done(other) {
            std::mem::replace(other, sweep)
        } else {
            sweep
        };
        site.notes.push(format!(
            "The study {} is there more than once; {} has fewer finished points and is left out.",
            left.name, left.place
        ));
    }
    site.sweeps = kept;
}

/// A folder as it was asked for; of an absolute path only what follows the folder of results.
fn shown(folder: &Path) -> String {
    let parts: Vec<String> = folder
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let relative = match folder.is_absolute() {
        false => parts.as_slice(),
        true => {
            let results = parts.iter().rposition(|part| part == "results");
            let from = results.unwrap_or(parts.len().saturating_sub(2));
            parts.get(from..).unwrap_or_default()
        }
    };
    relative.join("/")
}

/// An error with folders as [`shown`] gives them: reports hold no path of a machine.
fn told(error: &dyn std::error::Error) -> String {
    error
        .to_string()
        .split(' ')
        .map(|word| {
            let path = word.trim_end_matches(':');
            match Path::new(path).is_absolute() {
                true => format!("{}{}", shown(Path::new(path)), &word[path.len()..]),
                false => word.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
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
