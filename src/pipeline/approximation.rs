//! A study of approximations: every polynomial found and measured, written as tables, charts and a page. No data, no training.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polyapprox::{
    Approximation, Density, Errors, Function, Interval, Method, Polynomial, approximate,
    approximate_weighted,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::PipelineError;
use super::program::this_program;
use crate::report::{ApproximationReport, ApproximationRow, Inputs, write_approximations};
use crate::results::{Cell, Grid, Manifest, read_json, write_json};
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
    inputs: Option<Inputs>,
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
    let rows: Vec<ApproximationRow> = cases
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
    let table = table(&rows);
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
    let found = rows.iter().filter(|row| row.found.is_ok()).count();
    let outcome = ApproximationOutcome {
        folder: folder.clone(),
        found,
        impossible: rows.len() - found,
    };
    let Some(interval) = spec.intervals.first().copied() else {
        return Ok(outcome);
    };
    let report = ApproximationReport {
        title: title.to_owned(),
        rows,
        interval,
        inputs: kept.inputs,
        provenance: provenance(&manifest, name),
        spec_toml: kept.spec,
    };
    write_approximations(&folder, &report)?;
    Ok(outcome)
}

fn row(
    function: Function,
    interval: Interval,
    method: Method,
    degree: usize,
    density: Option<&Density>,
) -> ApproximationRow {
    let found: Result<Approximation, polyapprox::Error> = match (method, density) {
        (Method::Data, Some(density)) => approximate_weighted(function, density, degree, interval),
        _ => approximate(function, method, degree, interval),
    };
    let under = |over: Interval| {
        let polynomial = &found.as_ref().ok()?.polynomial;
        let error = |x: f64| function.value(x) - polynomial.value(x);
        density?.root_mean_square(over, error).ok()
    };
    ApproximationRow {
        function,
        method,
        interval,
        degree,
        inputs_inside: under(interval),
        inputs_all: density.and_then(|density| under(density.range())),
        found: found.map_err(|error| error.to_string()),
    }
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

fn inputs(measured: Measured, interval: Interval) -> Inputs {
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
    Inputs {
        layer: name,
        from,
        command,
        low,
        high,
        counts,
        inside: density.share_within(interval),
    }
}

/// One row a case: the errors, and the coefficients in columns of their own.
fn table(rows: &[ApproximationRow]) -> Grid {
    let mut grid = Grid::new();
    let mut column = |name: &str, cell: &dyn Fn(&ApproximationRow) -> Cell| {
        grid.push(name, rows.iter().map(cell));
    };
    column("function", &|row| Cell::text(row.function.as_str()));
    column("method", &|row| Cell::text(row.method.as_str()));
    column("degree", &|row| Cell::count(Some(row.degree)));
    column("low", &|row| Cell::Real(row.interval.low()));
    column("high", &|row| Cell::Real(row.interval.high()));
    let error = |row: &ApproximationRow, of: fn(&Approximation) -> f64| {
        Cell::real(row.found.as_ref().ok().map(of))
    };
    column("l2_own", &|row| error(row, |found| found.errors.l2_own));
    column("l2_uniform", &|row| {
        error(row, |found| found.errors.l2_uniform)
    });
    column("l2_inputs_inside", &|row| Cell::real(row.inputs_inside));
    column("l2_inputs_all", &|row| Cell::real(row.inputs_all));
    column("max", &|row| error(row, |found| found.errors.max));
    column("max_at", &|row| error(row, |found| found.errors.max_at));
    column("derivative_l2", &|row| {
        error(row, |found| found.errors.derivative_l2)
    });
    column("derivative_max", &|row| {
        error(row, |found| found.errors.derivative_max)
    });
    let most = rows.iter().map(|row| row.degree).max().unwrap_or(0);
    for power in 0..=most {
        column(&format!("c{power}"), &|row| {
            let coefficients = row
                .found
                .as_ref()
                .ok()
                .map(|found| found.polynomial.coefficients());
            Cell::real(coefficients.map(|all| all.get(power).copied().unwrap_or(0.0)))
        });
    }
    column("error", &|row| match &row.found {
        Ok(_) => Cell::Empty,
        Err(error) => Cell::text(error.clone()),
    });
    grid
}

/// Reads a study back from its folder.
///
/// # Errors
/// A file is missing, not the one that was written, or not what it should be.
pub(super) fn read_approximations(folder: &Path) -> Result<ApproximationReport, PipelineError> {
    let manifest: Manifest = read_json(&folder.join("manifest.json"))?;
    let path = folder.join("approximations.csv");
    manifest.check_output(folder, "approximations.csv")?;
    let table = Grid::read_csv(&path)?;
    let kept: Option<Kept> = match folder.join(KEPT).is_file() {
        true => {
            manifest.check_output(folder, KEPT)?;
            Some(read_json(&folder.join(KEPT))?)
        }
        // Studies of earlier versions have none: charts do without the measured inputs.
        false => None,
    };
    let rows = (0..table.rows())
        .map(|row| {
            read_row(&table, row).map_err(|what| PipelineError::Malformed {
                path: path.clone(),
                what: format!("row {}: {what}", row + 1),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let interval = rows.first().map(|row| row.interval);
    let interval = interval.ok_or_else(|| PipelineError::Malformed {
        path: path.clone(),
        what: "the table has no rows".to_owned(),
    })?;
    let (title, spec_toml, inputs) = kept.map_or_else(
        || (name.clone().into_owned(), String::new(), None),
        |kept| (kept.title, kept.spec, kept.inputs),
    );
    Ok(ApproximationReport {
        title,
        rows,
        interval,
        inputs,
        provenance: provenance(&manifest, &name),
        spec_toml,
    })
}

/// One row of the table; the error says which cell is wrong.
fn read_row(table: &Grid, row: usize) -> Result<ApproximationRow, String> {
    let text = |column: &str| {
        table
            .text(column, row)
            .ok_or_else(|| format!("`{column}` is empty"))
    };
    let number = |column: &str| {
        let text = text(column)?;
        text.parse::<f64>()
            .map_err(|_| format!("`{column}`: `{text}` is not a number"))
    };
    let function: Function = text("function")?
        .parse()
        .map_err(|error: polyapprox::Error| error.to_string())?;
    let method: Method = text("method")?
        .parse()
        .map_err(|error: polyapprox::Error| error.to_string())?;
    let interval =
        Interval::new(number("low")?, number("high")?).map_err(|error| error.to_string())?;
    let degree: usize = text("degree")?
        .parse()
        .map_err(|_| "`degree` is not a whole number".to_owned())?;
    let found = match table.text("error", row) {
        Some(error) => Err(error.to_owned()),
        None => {
            let mut coefficients = Vec::new();
            for power in 0..=degree {
                coefficients.push(number(&format!("c{power}"))?);
            }
            Ok(Approximation {
                function,
                method,
                interval,
                degree,
                polynomial: Polynomial::new(coefficients).map_err(|error| error.to_string())?,
                errors: Errors {
                    l2_own: number("l2_own")?,
                    l2_uniform: number("l2_uniform")?,
                    max: number("max")?,
                    max_at: number("max_at")?,
                    derivative_l2: number("derivative_l2")?,
                    derivative_max: number("derivative_max")?,
                },
            })
        }
    };
    Ok(ApproximationRow {
        function,
        method,
        interval,
        degree,
        found,
        inputs_inside: number("l2_inputs_inside").ok(),
        inputs_all: number("l2_inputs_all").ok(),
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
