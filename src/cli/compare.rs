//! `cryptodl compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Failure;
use super::out;
use crate::pipeline::{self, Comparison, Measured};

/// Arguments of `cryptodl compare`.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Finished runs (folders under results/runs/, or published ones); the first is what the others are compared with
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Aligned columns
    Text,
    /// A Markdown table
    Md,
    /// Comma-separated values, every digit
    Csv,
    /// The same as JSON
    Json,
}

/// Prints what differs.
pub fn compare(arguments: &CompareArguments) -> Result<(), Failure> {
    let comparison = pipeline::compare(&arguments.runs)?;
    for note in &comparison.notes {
        tracing::warn!("{note}");
    }
    match arguments.format {
        Format::Text => out::print(|out| out.write_all(text(&comparison).as_bytes())),
        Format::Md => out::print(|out| out.write_all(markdown(&comparison).as_bytes())),
        Format::Csv => {
            let table = comparison.table()?.csv();
            let table = table.map_err(pipeline::PipelineError::from)?;
            out::print_raw(|out| out.write_all(table.as_bytes()));
        }
        Format::Json => out::print_raw(|out| out.write_all(json(&comparison).as_bytes())),
    }
    Ok(())
}

/// The rows of the readable forms: a heading, or cells.
enum Row {
    Heading(String),
    Cells(Vec<String>),
}

fn rows(comparison: &Comparison) -> Vec<Row> {
    let mut rows = vec![Row::Heading(format!(
        "spec: {} keys differ, {} are the same",
        comparison.spec.len(),
        comparison.same
    ))];
    let mut add = |name: &str, values: Vec<String>| {
        rows.push(Row::Cells(
            std::iter::once(name.to_owned()).chain(values).collect(),
        ));
    };
    let none = || "-".to_owned();
    for (key, values) in &comparison.spec {
        let values = values
            .iter()
            .map(|value| value.as_deref().map_or_else(none, shortened));
        add(key, values.collect());
    }
    let mut figures = Vec::new();
    for figure in &comparison.figures {
        let values = figure
            .values
            .iter()
            .map(|value| match (value, figure.is_share) {
                (None, _) => none(),
                (Some(value), true) => share(value),
                (Some(value), false) => match value.against_first {
                    None => amount(value.value),
                    Some(ratio) => format!("{} (x{})", amount(value.value), factor(ratio)),
                },
            });
        figures.push((figure.name.clone(), values.collect()));
    }
    rows.push(Row::Heading(
        "results: intervals are 95 % (Wilson); in brackets, against the first, p by McNemar's exact test on the same images".to_owned(),
    ));
    for (name, values) in figures {
        rows.push(Row::Cells(
            std::iter::once(name).chain::<Vec<String>>(values).collect(),
        ));
    }
    rows
}

fn share(measured: &Measured) -> String {
    let mut text = format!("{:.2} %", measured.value * 100.0);
    if let Some((low, high)) = measured.interval {
        text.push_str(&format!(" [{:.2}, {:.2}]", low * 100.0, high * 100.0));
    }
    if let Some(n) = measured.n {
        text.push_str(&format!(" n={n}"));
    }
    let p = measured
        .p_value
        .map_or_else(String::new, |p| format!(", p={}", amount(p)));
    if let Some(difference) = measured.against_first {
        text.push_str(&format!(" ({:+.2}{p})", difference * 100.0));
    }
    text
}

/// Three significant digits, never fewer than two decimal places.
fn factor(ratio: f64) -> String {
    if ratio == 0.0 || !ratio.is_finite() {
        return ratio.to_string();
    }
    let places = (2.0 - ratio.abs().log10().floor()).clamp(2.0, 9.0) as usize;
    format!("{ratio:.places$}")
}

/// Four significant digits; whole numbers in full.
fn amount(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..12.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let places = (3.0 - magnitude).max(0.0) as usize;
    format!("{value:.places$}")
}

/// Long values, as lists of layers are, by their beginning and end.
fn shortened(value: &str) -> String {
    const ROOM: usize = 60;
    let letters: Vec<char> = value.chars().collect();
    if letters.len() <= ROOM {
        return value.to_owned();
    }
    let part = |letters: &[char]| letters.iter().collect::<String>();
    let (head, tail) = (ROOM / 2, ROOM / 2 - 3);
    format!(
        "{}...{}",
        part(letters.get(..head).unwrap_or_default()),
        part(letters.get(letters.len() - tail..).unwrap_or_default())
    )
}

fn text(comparison: &Comparison) -> String {
    let rows = rows(comparison);
    let head: Vec<String> = std::iter::once(String::new())
        .chain(comparison.names.iter().cloned())
        .collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        if let Row::Cells(cells) = row {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut out = line(&head);
    for row in &rows {
        match row {
            Row::Heading(heading) => out.push_str(&format!("\n{heading}\n")),
            Row::Cells(cells) => out.push_str(&line(cells)),
        }
    }
    out
}

fn markdown(comparison: &Comparison) -> String {
    let escape = |cell: &str| cell.replace('\\', "\\\\").replace('|', "\\|");
    let head: Vec<String> = comparison.names.iter().map(|name| escape(name)).collect();
    let mut out = String::new();
    for row in rows(comparison) {
        match row {
            Row::Heading(heading) => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("{heading}\n\n| | {} |\n|", head.join(" | ")));
                out.push_str(&" --- |".repeat(head.len() + 1));
                out.push('\n');
            }
            Row::Cells(cells) => {
                let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
                out.push_str(&format!("| {} |\n", cells.join(" | ")));
            }
        }
    }
    out
}

fn json(comparison: &Comparison) -> String {
    let spec = comparison
        .spec
        .iter()
        .map(|(key, values)| json!({ "key": key, "values": values }));
    let results = comparison.figures.iter().map(|figure| {
        let values = figure.values.iter().map(|value| {
            value.map(|measured| {
                json!({
                    "value": measured.value,
                    "interval": measured.interval.map(|(low, high)| [low, high]),
                    "n": measured.n,
                    "against_first": measured.against_first,
                    "p_value": measured.p_value,
                })
            })
        });
        json!({ "name": figure.name, "values": values.collect::<Vec<_>>() })
    });
    let (spec, results): (Vec<_>, Vec<_>) = (spec.collect(), results.collect());
    let whole = json!({ "runs": comparison.names, "spec": spec, "results": results });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_long_values() {
        assert_eq!(amount(819_306.0), "819306");
        assert_eq!(amount(4.876_656), "4.877");
        assert_eq!(amount(0.001_234_5), "0.001234");
        assert_eq!(amount(12_094_845.2), "12094845");
        assert_eq!(
            [65.521, 1.0, 0.0095421, 0.0].map(factor),
            ["65.52", "1.00", "0.00954", "0"]
        );
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"x".repeat(100)).len(), 60);
    }
}
