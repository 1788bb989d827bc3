//! A study of approximations: every polynomial found and measured, written as tables, charts and a page. No data, no training.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polyapprox::{
    Approximation, Density, Function, Interval, Method, approximate, approximate_weighted,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PipelineError;
use super::program::this_program;
use crate::report::{
    APPROXIMATION_COLUMNS, ApproximationReport, MeasuredInputs, write_approximations,
};
use crate::results::{Manifest, Row, Table, read_json, write_json};
use crate::spec::ApproximationSpec;

/// What a study of approximations left.
#[derive(Clone, Debug)]
pub struct ApproximationOutcome {
    /// `OUT/studies/<name>`: `index.html`, `README.md`, `approximations.csv`, `approximations.parquet`, charts.
    pub folder: PathBuf,
    /// Polynomials found.
    pub found: usize,
    /// Cases without one: the table says why.
    pub impossible: usize,
}

/// What the tables of a study do not hold.
const KEPT: &str = "study.json";

/// `study.json`.
#[derive(Serialize, Deserialize)]
struct Kept {
    title: String,
    spec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<MeasuredInputs>,
}

/// A committed file of histograms, with where they come from.
#[derive(Deserialize)]
struct Histograms {
    command: String,
    from: String,
    layers: Vec<Histogram>,
}

#[derive(Deserialize)]
struct Histogram {
    name: String,
    low: f64,
    high: f64,
    counts: Vec<u64>,
}

/// Measured inputs, read and checked.
struct Measured {
    histograms: Histograms,
    layer: usize,
    density: Density,
}

/// Finds and measures every polynomial of the study. The same call gives the same tables; it takes seconds, so nothing is stored.
///
/// # Errors
/// The file of measured inputs cannot be read, or the results cannot be written. A polynomial that cannot be found is a row, not an error.
pub fn run_approximations(
    name: &str,
    title: &str,
    spec: &ApproximationSpec,
    out: &Path,
) -> Result<ApproximationOutcome, PipelineError> {
    let start = Instant::now();
    let mut manifest = Manifest::begin(this_program());
    let measured = spec
        .inputs
        .as_deref()
        .map(|path| measured(path, spec.layer.as_deref()))
        .transpose()?;
    let density = measured.as_ref().map(|measured| &measured.density);
    let cases: Vec<(Function, Interval, Method, usize)> = spec
        .functions
        .iter()
        .flat_map(|function| {
            spec.intervals.iter().flat_map(move |interval| {
                spec.methods.iter().flat_map(move |method| {
                    spec.degrees
                        .iter()
                        .map(move |degree| (*function, *interval, *method, *degree))
                })
            })
        })
        .collect();
    let rows: Vec<Row> = cases
        .into_par_iter()
        .map(|(function, interval, method, degree)| {
            row(function, interval, method, degree, density)
        })
        .collect();
    tracing::info!(
        polynomials = rows.len(),
        seconds = start.elapsed().as_secs_f64(),
        "approximated"
    );

    let folder = out.join("studies").join(name);
    fs::create_dir_all(&folder).map_err(PipelineError::io("create the folder", &folder))?;
    let table = Table::from_rows(&rows)?;
    table.write_csv(&folder.join("approximations.csv"))?;
    table.write_parquet(&folder.join("approximations.parquet"))?;
    manifest.finish();
    let kept = Kept {
        title: title.to_owned(),
        spec: written(name, title, spec),
        inputs: match (measured, spec.intervals.first()) {
            (Some(measured), Some(interval)) => Some(inputs(measured, *interval)),
            _ => None,
        },
    };
    write_json(&folder.join(KEPT), &kept)?;
    for file in ["approximations.csv", "approximations.parquet", KEPT] {
        manifest.record_output(&folder, file)?;
    }
    write_json(&folder.join("manifest.json"), &manifest)?;
    let impossible = table.filled("error")?.rows();
    let outcome = ApproximationOutcome {
        folder: folder.clone(),
        found: table.rows() - impossible,
        impossible,
    };
    let report = ApproximationReport {
        name: name.to_owned(),
        title: title.to_owned(),
        table,
        inputs: kept.inputs,
        provenance: provenance(&manifest, name),
        spec_toml: kept.spec,
    };
    write_approximations(&folder, &report)?;
    Ok(outcome)
}

/// One case: the errors, and the coefficients in columns of their own.
fn row(
    function: Function,
    interval: Interval,
    method: Method,
    degree: usize,
    density: Option<&Density>,
) -> Row {
    let found: Result<Approximation, polyapprox::Error> = match (method, density) {
        (Method::Data, Some(density)) => approximate_weighted(function, density, degree, interval),
        _ => approximate(function, method, degree, interval),
    };
    let under = |over: Interval| {
        let polynomial = &found.as_ref().ok()?.polynomial;
        let error = |x: f64| function.value(x) - polynomial.value(x);
        density?.root_mean_square(over, error).ok()
    };
    let errors = found.as_ref().ok().map(|found| &found.errors);
    let cells = [
        ("function", json!(function.as_str())),
        ("method", json!(method.as_str())),
        ("degree", json!(degree)),
        ("low", json!(interval.low())),
        ("high", json!(interval.high())),
        ("l2_own", json!(errors.map(|errors| errors.l2_own))),
        ("l2_uniform", json!(errors.map(|errors| errors.l2_uniform))),
        ("l2_inputs_inside", json!(under(interval))),
        (
            "l2_inputs_all",
            json!(density.and_then(|density| under(density.range()))),
        ),
        ("max", json!(errors.map(|errors| errors.max))),
        ("max_at", json!(errors.map(|errors| errors.max_at))),
        (
            "derivative_l2",
            json!(errors.map(|errors| errors.derivative_l2)),
        ),
        (
            "derivative_max",
            json!(errors.map(|errors| errors.derivative_max)),
        ),
        (
            "error",
            json!(found.as_ref().err().map(ToString::to_string)),
        ),
    ];
    let mut row: Row = cells.map(|(name, cell)| (name.to_owned(), cell)).into();
    for power in 0..=polyapprox::MAX_DEGREE {
        let coefficients = found
            .as_ref()
            .ok()
            .map(|found| found.polynomial.coefficients());
        let coefficient = coefficients.map(|all| all.get(power).copied().unwrap_or(0.0));
        row.push((
            format!("c{power}"),
            json!(coefficient.filter(|_| power <= degree)),
        ));
    }
    row
}

fn measured(path: &Path, layer: Option<&str>) -> Result<Measured, PipelineError> {
    let malformed = |what: String| PipelineError::Malformed {
        path: path.to_path_buf(),
        what,
    };
    let histograms: Histograms = read_json(path)?;
    let place = match layer {
        None => 0,
        Some(name) => histograms
            .layers
            .iter()
            .position(|layer| layer.name == name)
            .ok_or_else(|| malformed(format!("there is no layer {name:?}")))?,
    };
    let histogram = histograms
        .layers
        .get(place)
        .ok_or_else(|| malformed("there is no layer".to_owned()))?;
    let density = Density::from_histogram(histogram.low, histogram.high, &histogram.counts)
        .map_err(|error| malformed(error.to_string()))?;
    Ok(Measured {
        histograms,
        layer: place,
        density,
    })
}

fn inputs(measured: Measured, interval: Interval) -> MeasuredInputs {
    let Measured {
        histograms,
        layer,
        density,
    } = measured;
    let Histograms {
        command,
        from,
        mut layers,
    } = histograms;
    let Histogram {
        name,
        low,
        high,
        counts,
    } = layers.swap_remove(layer);
    MeasuredInputs {
        layer: name,
        from,
        command,
        low,
        high,
        counts,
        inside: density.share_within(interval),
    }
}

/// Reads a study back from its folder.
///
/// # Errors
/// A file is missing, not the one that was written, or not what it should be.
pub(super) fn read_approximations(folder: &Path) -> Result<ApproximationReport, PipelineError> {
    let manifest: Manifest = read_json(&folder.join("manifest.json"))?;
    let path = folder.join("approximations.csv");
    manifest.check_output(folder, "approximations.csv")?;
    let table = Table::read_csv(&path)?;
    table.require(&path, &APPROXIMATION_COLUMNS)?;
    let kept: Option<Kept> = match folder.join(KEPT).is_file() {
        true => {
            manifest.check_output(folder, KEPT)?;
            Some(read_json(&folder.join(KEPT))?)
        }
        // Studies of earlier versions have none: charts do without the measured inputs.
        false => None,
    };
    if table.rows() == 0 {
        return Err(PipelineError::Malformed {
            path,
            what: "the table has no rows".to_owned(),
        });
    }
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (title, spec_toml, inputs) = kept.map_or_else(
        || (name.clone(), String::new(), None),
        |kept| (kept.title, kept.spec, kept.inputs),
    );
    Ok(ApproximationReport {
        provenance: provenance(&manifest, &name),
        name,
        title,
        table,
        inputs,
        spec_toml,
    })
}

fn provenance(manifest: &Manifest, name: &str) -> Vec<(String, String)> {
    let program = &manifest.program;
    let commit = program.git_commit.as_ref().map(|commit| {
        let changed = if program.git_dirty == Some(true) {
            ", with changes"
        } else {
            ""
        };
        format!("{commit}{changed}")
    });
    [
        ("Study", Some(name.to_owned())),
        ("Machine", Some(manifest.machine.describe())),
        ("Program", Some(format!("cryptodl {}", program.version))),
        ("Commit", commit),
        ("Compiler", program.rustc.clone()),
        ("Command", Some(manifest.command.join(" "))),
        ("Day", manifest.started.get(..10).map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// The study as its file could be written.
fn written(name: &str, title: &str, spec: &ApproximationSpec) -> String {
    let names = |words: Vec<&str>| {
        let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        format!("[{}]", quoted.join(", "))
    };
    let intervals: Vec<String> = spec
        .intervals
        .iter()
        .map(|interval| format!("[{:?}, {:?}]", interval.low(), interval.high()))
        .collect();
    let mut text = format!(
        "name = {name:?}\ntitle = {title:?}\nkind = \"approximation\"\n\n[approximation]\nfunctions = {}\nmethods = {}\ndegrees = {:?}\nintervals = [{}]\n",
        names(
            spec.functions
                .iter()
                .map(|function| function.as_str())
                .collect()
        ),
        names(spec.methods.iter().map(|method| method.as_str()).collect()),
        spec.degrees,
        intervals.join(", ")
    );
    if let Some(file) = spec.inputs.as_deref().and_then(Path::file_name) {
        text.push_str(&format!("inputs = \"data/{}\"\n", file.to_string_lossy()));
    }
    if let Some(layer) = &spec.layer {
        text.push_str(&format!("layer = {layer:?}\n"));
    }
    text
}
