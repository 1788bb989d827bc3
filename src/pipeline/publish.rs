//! Results made small enough to commit: weights in half precision, predictions without logits, nothing that a command can rebuild, and a
//! page that says what it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::PipelineError;
use crate::model::{self, Precision};
use crate::results::{Manifest, Summary, Table, read_json, tables, write_json};

/// What no committed file may pass, weights apart.
const MAX_BYTES: u64 = 1_000_000;
/// What committed weights may not pass: those of networks for colour photographs have millions of numbers.
const MAX_WEIGHTS_BYTES: u64 = 8_000_000;

/// How much of a run is published.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// With its weights and charts.
    Whole,
    /// Numbers alone: a sweep has many runs, and its tables and the report over all studies say the rest.
    Numbers,
}

impl Extent {
    fn keeps(self, name: &str) -> bool {
        let rebuilt = name.ends_with(".png") || name == "report.html" || name == "circuit.bin";
        let numbers = [
            "spec.toml",
            "summary.json",
            "epochs.csv",
            "layers.csv",
            "plan.json",
            "ranges.json",
            "predictions.parquet",
        ];
        match self {
            Self::Whole => !rebuilt,
            Self::Numbers => numbers.contains(&name),
        }
    }
}

/// Copies a finished run to `TO/<name>/`, which must not be there yet; of a sweep's folder its table to `TO/<name>/sweep/` and the numbers
/// of every finished run to `TO/<name>/runs/`; of a study's folder its tables. Weights over 8 MB and
/// other files over 1 MB are left out and named.
///
/// # Errors
/// [`PipelineError`] where a run is not whole or the folder cannot be written.
pub fn publish(folder: &Path, to: &Path) -> Result<Published, PipelineError> {
    if folder.join("sweep.json").is_file() {
        return publish_sweep(folder, to);
    }
    if folder.join("approximations.csv").is_file() {
        return publish_study(folder, to);
    }
    publish_run(folder, to, Extent::Whole)
}

fn publish_sweep(folder: &Path, to: &Path) -> Result<Published, PipelineError> {
    let table = Table::read_csv(&folder.join("points.csv"))?;
    let frozen: serde_json::Value = read_json(&folder.join("sweep.json"))?;
    let name = frozen.get("name").and_then(serde_json::Value::as_str);
    let name = name.filter(|name| is_plain(name));
    let name = name.ok_or_else(|| PipelineError::Malformed {
        path: folder.join("sweep.json"),
        what: "it has no name".into(),
    })?;
    // OUT/sweeps/<name>-<key8>/ lies beside OUT/runs/.
    let runs = folder.join("../../runs");
    let target = new_folder(to, name)?;
    let sweep = new_folder(&target, "sweep")?;
    let mut left_out = Vec::new();
    for entry in ["sweep.json", "points.csv", "points.md", "points.parquet"] {
        copy_small(&folder.join(entry), &sweep.join(entry), &mut left_out)?;
    }
    let failures = folder.join("points");
    if failures.is_dir() {
        let kept = new_folder(&sweep, "points")?;
        for path in files_of(&failures)? {
            let file = path.file_name().unwrap_or_default();
            copy_small(&path, &kept.join(file), &mut left_out)?;
        }
    }
    for run in table
        .with("state", "done")?
        .distinct("run")
        .iter()
        .filter(|run| is_plain(run))
    {
        let copy = publish_run(&runs.join(run), &target.join("runs"), Extent::Numbers)?;
        left_out.extend(copy.left_out);
    }
    Ok(Published {
        folder: target,
        left_out,
    })
}

fn publish_study(folder: &Path, to: &Path) -> Result<Published, PipelineError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let target = new_folder(to, &name)?;
    let mut left_out = Vec::new();
    for path in files_of(folder)? {
        let extension = path.extension().unwrap_or_default();
        if extension == "csv" || extension == "json" || extension == "toml" {
            let file = path.file_name().unwrap_or_default();
            copy_small(&path, &target.join(file), &mut left_out)?;
        }
    }
    Ok(Published {
        folder: target,
        left_out,
    })
}

/// A name of one folder, not a way out of it.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.chars().all(plain)
}

/// `IN/<name>`, which must not be there yet.
fn new_folder(within: &Path, name: &str) -> Result<PathBuf, PipelineError> {
    let target = within.join(name);
    fs::create_dir_all(within).map_err(PipelineError::io("create the folder", within))?;
    fs::create_dir(&target).map_err(PipelineError::io("create the folder", &target))?;
    Ok(target)
}

/// The files directly in a folder, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(PipelineError::io("read the folder", folder))? {
        let entry = entry.map_err(PipelineError::io("read the folder", folder))?;
        if entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn copy_small(from: &Path, to: &Path, left_out: &mut Vec<String>) -> Result<(), PipelineError> {
    let bytes = fs::read(from).map_err(PipelineError::io("read", from))?;
    if bytes.len() as u64 > MAX_BYTES {
        let name = from.file_name().unwrap_or_default();
        left_out.push(name.to_string_lossy().into_owned());
        return Ok(());
    }
    cryptodl_runtime::write_whole(to, &bytes).map_err(PipelineError::io("write", to))
}

fn publish_run(run: &Path, to: &Path, extent: Extent) -> Result<Published, PipelineError> {
    let summary: Summary = read_json(&run.join("summary.json"))?;
    let mut manifest: Manifest = read_json(&run.join("manifest.json"))?;
    for output in manifest.outputs.clone() {
        manifest.check_output(run, &output.name)?;
    }
    if !is_plain(&summary.name) {
        return Err(PipelineError::Malformed {
            path: run.join("summary.json"),
            what: "its name cannot be that of a folder".into(),
        });
    }
    let target = new_folder(to, &summary.name)?;

    let mut left_out = Vec::new();
    for path in files_of(run)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let copy = target.join(&name);
        match name.as_str() {
            "manifest.json" => continue,
            name if !extent.keeps(name) => continue,
            "predictions.parquet" => {
                tables::write_predictions(
                    &copy,
                    &tables::read_predictions(&path)?.without_logits(),
                )?;
            }
            "model.safetensors" => model::save_as(&model::load(&path)?, &copy, Precision::Half)?,
            _ => {
                let bytes = fs::read(&path).map_err(PipelineError::io("read", &path))?;
                cryptodl_runtime::write_whole(&copy, &bytes)
                    .map_err(PipelineError::io("write", &copy))?;
            }
        }
        let size = fs::metadata(&copy)
            .map_err(PipelineError::io("read", &copy))?
            .len();
        let most = if name == "model.safetensors" {
            MAX_WEIGHTS_BYTES
        } else {
            MAX_BYTES
        };
        if size > most {
            fs::remove_file(&copy).map_err(PipelineError::io("remove", &copy))?;
            left_out.push(name);
        }
    }
    let names: Vec<String> = manifest
        .outputs
        .drain(..)
        .map(|output| output.name)
        .collect();
    for name in names.iter().filter(|name| target.join(name).exists()) {
        manifest.record_output(&target, name)?;
    }
    write_json(&target.join("manifest.json"), &manifest)?;
    left_out.sort();
    if extent == Extent::Whole {
        let page = readme(&summary, &manifest, &left_out);
        let path = target.join("README.md");
        cryptodl_runtime::write_whole(&path, page.as_bytes())
            .map_err(PipelineError::io("write", &path))?;
    }
    Ok(Published {
        folder: target,
        left_out,
    })
}

/// What [`publish`] did.
#[derive(Debug)]
pub struct Published {
    /// The new folder.
    pub folder: PathBuf,
    /// Files that were too large.
    pub left_out: Vec<String>,
}

fn readme(summary: &Summary, manifest: &Manifest, left_out: &[String]) -> String {
    let dirty = match manifest.program.git_dirty {
        Some(true) => " with uncommitted changes",
        _ => "",
    };
    let mut page = format!(
        "# {}\n\nThe raw results of one run; [report.md](report.md) is the readable one.\n\n| | |\n| --- | --- |\n| command | `{}` |\n| machine | {} |\n| commit | {}{dirty} |\n| started | {} |\n| finished | {} |\n",
        summary.name,
        manifest.command.join(" "),
        manifest.machine.describe(),
        manifest.program.git_commit.as_deref().unwrap_or("unknown"),
        manifest.started,
        manifest.finished,
    );
    for stage in manifest.stages.iter().filter(|stage| stage.reused) {
        let commit = stage
            .commit
            .as_deref()
            .unwrap_or("a commit that was not recorded");
        page.push_str(&format!(
            "| reused | stage `{}` of an earlier run with the same inputs, computed at {commit} |\n",
            stage.name
        ));
    }
    page.push_str("\nWeights are in half precision and predictions without logits; running the spec again makes both in full.\n");
    if !left_out.is_empty() {
        page.push_str(&format!(
            "Left out because of their size: {}.\n",
            left_out.join(", ")
        ));
    }
    page
}
