//! A run's folder made small enough to commit: weights in half precision, predictions without logits, and a page that says what it is.

use std::fs;
use std::path::{Path, PathBuf};

use super::PipelineError;
use crate::files;
use crate::model::{self, Precision};
use crate::results::{Manifest, Summary, read_json, tables, write_json};

/// What no committed file may pass.
pub const MAX_BYTES: u64 = 1_000_000;

/// Copies a finished run to `TO/<name>/`, which must not be there yet. Files that stay over [`MAX_BYTES`] are left out and named.
///
/// # Errors
/// [`PipelineError`] where the run is not whole or the folder cannot be written.
pub fn publish(run: &Path, to: &Path) -> Result<Published, PipelineError> {
    let summary: Summary = read_json(&run.join("summary.json"))?;
    let mut manifest: Manifest = read_json(&run.join("manifest.json"))?;
    for output in manifest.outputs.clone() {
        manifest.check_output(run, &output.name)?;
    }
    let target = to.join(&summary.name);
    fs::create_dir_all(to).map_err(PipelineError::io("create the folder", to))?;
    fs::create_dir(&target).map_err(PipelineError::io("create the folder", &target))?;

    let mut left_out = Vec::new();
    let entries = fs::read_dir(run).map_err(PipelineError::io("read the folder", run))?;
    for entry in entries {
        let path = entry
            .map_err(PipelineError::io("read the folder", run))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let copy = target.join(&name);
        match name.as_str() {
            "manifest.json" => continue,
            "predictions.parquet" => {
                tables::write_predictions(
                    &copy,
                    &tables::read_predictions(&path)?.without_logits(),
                )?;
            }
            "model.safetensors" => model::save_as(&model::load(&path)?, &copy, Precision::Half)?,
            _ => {
                let bytes = fs::read(&path).map_err(PipelineError::io("read", &path))?;
                files::write_whole(&copy, &bytes).map_err(PipelineError::io("write", &copy))?;
            }
        }
        let size = fs::metadata(&copy)
            .map_err(PipelineError::io("read", &copy))?
            .len();
        if size > MAX_BYTES {
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
    let page = readme(&summary, &manifest, &left_out);
    let path = target.join("README.md");
    files::write_whole(&path, page.as_bytes()).map_err(PipelineError::io("write", &path))?;
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
        page.push_str(&format!(
            "| reused | stage `{}` of an earlier run with the same inputs |\n",
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
