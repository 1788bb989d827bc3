//! What the page of a study of approximations says.

use polyapprox::{Function, Interval, Method};

use super::chart_name;
use super::input::{ApproximationReport, ApproximationRow};
use super::methods;
use super::paper::CASES;
use crate::charts::function_name;
use crate::document::{Block, Card, Document, NONE, Section, Table};
use crate::format::{self, plain, polynomial, significant};

pub(super) fn document(report: &ApproximationReport) -> Document {
    let mut sections: Vec<Section> = report
        .functions()
        .into_iter()
        .map(|function| function_section(report, function))
        .collect();
    sections.extend(intervals(report));
    sections.extend(paper(report));
    sections.push(provenance(report));
    Document {
        title: report.title.clone(),
        subtitle: format!(
            "{} functions, {} methods, degrees {}, {} intervals; charts and tables on {}",
            report.functions().len(),
            report.methods().len(),
            ends(&report.degrees()),
            all_intervals(report).len(),
            bounds(report.interval),
        ),
        headline: headline(report),
        warning: None,
        cards: cards(report),
        sections,
    }
}

/// The function that the headline is about: ReLU where the study has it.
fn leading(report: &ApproximationReport) -> Option<Function> {
    let functions = report.functions();
    functions
        .iter()
        .find(|function| **function == Function::Relu)
        .or(functions.first())
        .copied()
}

/// The row with the least error of a kind.
pub(crate) fn best(
    report: &ApproximationReport,
    function: Function,
    degree: usize,
    interval: Interval,
    error: impl Fn(&ApproximationRow) -> Option<f64>,
) -> Option<(Method, f64)> {
    report
        .rows
        .iter()
        .filter(|row| (row.function, row.degree) == (function, degree) && row.interval == interval)
        .filter_map(|row| Some((row.method, error(row)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

pub(crate) fn largest(row: &ApproximationRow) -> Option<f64> {
    Some(row.found.as_ref().ok()?.errors.max)
}

fn headline(report: &ApproximationReport) -> String {
    let degrees = report.degrees();
    let told = || -> Option<String> {
        let function = leading(report)?;
        let (first, last) = (*degrees.first()?, *degrees.last()?);
        let name = function_name(function);
        let low = best(report, function, first, report.interval, largest)?;
        let high = best(report, function, last, report.interval, largest)?;
        let mut text = format!(
            "On {}, the best polynomial of degree {first} is at most {} away from {name}, of degree {last} at most {}.",
            bounds(report.interval),
            significant(low.1),
            significant(high.1)
        );
        if let Some((method, error)) = best(report, function, first, report.interval, |row| {
            row.inputs_inside
        }) {
            text.push_str(&format!(
                " On what a network’s activation really meets, degree {first} is off by {} RMS ({}).",
                significant(error),
                methods::name(method)
            ));
        }
        Some(text)
    };
    told().unwrap_or_else(|| "No polynomial was found.".to_owned())
}

fn cards(report: &ApproximationReport) -> Vec<Card> {
    let Some(&degree) = report.degrees().first() else {
        return Vec::new();
    };
    report
        .functions()
        .into_iter()
        .filter_map(|function| {
            let (max_by, max) = best(report, function, degree, report.interval, largest)?;
            let inputs = best(report, function, degree, report.interval, |row| {
                row.inputs_inside
            });
            let (value, note) = match inputs {
                Some((by, error)) => (
                    significant(error),
                    format!(
                        "RMS on a network’s inputs ({}); largest error {} ({})",
                        methods::name(by),
                        significant(max),
                        methods::name(max_by)
                    ),
                ),
                None => (
                    significant(max),
                    format!("largest error ({})", methods::name(max_by)),
                ),
            };
            Some(Card {
                label: format!("{}, degree {degree}", function_name(function)),
                value,
                note,
            })
        })
        .collect()
}

fn function_section(report: &ApproximationReport, function: Function) -> Section {
    Section {
        title: methods::capital(function_name(function)),
        blocks: function_blocks(report, function),
    }
}

/// Charts and tables of a function.
pub(crate) fn function_blocks(report: &ApproximationReport, function: Function) -> Vec<Block> {
    let mut blocks = vec![
        Block::Chart(chart_name!("polynomials", function).into(),
            match function {
                Function::Relu => "ReLU has no Taylor series at 0: there the method takes a softplus as wide as the interval. Outside the interval nothing \
                                   was asked of the polynomials: what they do there is what an input that strays will meet."
                    .to_owned(),
                _ => "Outside the interval nothing was asked of the polynomials: what they do there is what an input that strays will meet."
                    .to_owned(),
            },
        ),
        Block::Chart(chart_name!("degrees", function).into(),
            match function {
                Function::Sigmoid | Function::Tanh => "Even degrees add nothing: the function is odd, but for a constant.".to_owned(),
                Function::Relu => "Odd degrees above 1 add nothing: ReLU is x / 2 plus an even function.".to_owned(),
                _ => "Odd degrees above 1 add little or nothing: the function is x / 2 plus an even function.".to_owned(),
            },
        ),
        Block::Chart(chart_name!("shape", function).into(),
            "The minimax polynomial’s error touches its bound again and again, with alternating sign; the weighted ones are good where their weight is.".to_owned(),
        ),
        Block::Table(errors_table(report, function, "Largest error on the interval", largest)),
        Block::Table(errors_table(report, function, "RMS error on the interval, all points alike", |row| {
            Some(row.found.as_ref().ok()?.errors.l2_uniform)
        })),
    ];
    if report.inputs.is_some() {
        blocks.push(Block::Table(errors_table(
            report,
            function,
            "RMS error on the measured inputs within the interval",
            |row| row.inputs_inside,
        )));
        blocks.push(Block::Table(errors_table(
            report,
            function,
            "RMS error on all measured inputs, those outside the interval, too",
            |row| row.inputs_all,
        )));
    }
    blocks
}

fn errors_table(
    report: &ApproximationReport,
    function: Function,
    what: &str,
    error: impl Fn(&ApproximationRow) -> Option<f64>,
) -> Table {
    let degrees = report.degrees();
    let mut columns = vec![("Method".to_owned(), false)];
    columns.extend(
        degrees
            .iter()
            .map(|degree| (format!("degree {degree}"), true)),
    );
    let rows = report.methods().into_iter().map(|method| {
        let cells = degrees.iter().map(|degree| {
            report
                .row(function, method, *degree)
                .and_then(&error)
                .map_or_else(|| NONE.to_owned(), significant)
        });
        std::iter::once(methods::name(method).to_owned())
            .chain(cells)
            .collect()
    });
    Table {
        caption: format!(
            "{what}; {} on {}",
            function_name(function),
            bounds(report.interval)
        ),
        rows: rows.collect(),
        columns,
    }
}

/// What the width of the interval costs.
fn intervals(report: &ApproximationReport) -> Option<Section> {
    let function = leading(report)?;
    let intervals = all_intervals(report);
    if intervals.len() < 2 {
        return None;
    }
    let mut table = Table::new(
        format!(
            "The best method by each measure; {}",
            function_name(function)
        ),
        &[
            "Interval",
            "#Degree",
            "#Largest error",
            "by",
            "#RMS on the inputs within",
            "by",
            "#RMS on all inputs",
            "by",
        ],
    );
    for interval in intervals {
        for degree in report.telling_degrees(function, 3) {
            let mut row = vec![bounds(interval), degree.to_string()];
            for found in [
                best(report, function, degree, interval, largest),
                best(report, function, degree, interval, |row| row.inputs_inside),
                best(report, function, degree, interval, |row| row.inputs_all),
            ] {
                row.push(found.map_or(NONE.to_owned(), |(_, error)| significant(error)));
                row.push(found.map_or(NONE.to_owned(), |(method, _)| {
                    methods::name(method).to_owned()
                }));
            }
            table.rows.push(row);
        }
    }
    let text = "A wider interval costs accuracy everywhere in it; a narrower one leaves inputs outside, where a polynomial of high degree is far off. \
                RMS on all inputs weighs both.";
    Some(Section {
        title: "The width of the interval".to_owned(),
        blocks: vec![Block::Text(text.to_owned()), Block::Table(table)],
    })
}

/// The paper's five ways beside ours, where the study has their case.
fn paper(report: &ApproximationReport) -> Option<Section> {
    let blocks = paper_blocks(report);
    (!blocks.is_empty()).then(|| Section {
        title: "Beside the paper".to_owned(),
        blocks,
    })
}

/// What stands in that section.
pub(crate) fn paper_blocks(report: &ApproximationReport) -> Vec<Block> {
    let mut table = Table::new(
        "ReLU by degree 2 on [−1, 1]",
        &[
            "Method",
            "This study",
            "The paper’s authors",
            "#Largest error",
        ],
    );
    for case in CASES {
        let Some(found) = case.row(report).and_then(|row| row.found.as_ref().ok()) else {
            continue;
        };
        table.rows.push(vec![
            methods::name(case.method).to_owned(),
            polynomial(found.polynomial.coefficients()),
            case.words.to_owned(),
            significant(found.errors.max),
        ]);
    }
    if table.rows.is_empty() {
        return Vec::new();
    }
    vec![
            Block::Text(
                "CryptoDL (Hesamifard, Takabi, Ghasemi, arXiv 1711.05189) compares five ways; minimax, Hermite and data are further ones. \
                 The authors’ coefficients are those of their published code, scaled to [−1, 1]; their derivative method leaves the constant open."
                    .to_owned(),
            ),
            Block::Table(table),
        ]
}

fn provenance(report: &ApproximationReport) -> Section {
    let mut blocks = Vec::new();
    if let Some(inputs) = &report.inputs {
        blocks.push(Block::Facts(vec![
            ("Measured inputs".to_owned(), inputs.from.clone()),
            ("Layer".to_owned(), inputs.layer.clone()),
            ("Command".to_owned(), inputs.command.clone()),
            (
                format!("Share within {}", bounds(report.interval)),
                format::percent(inputs.inside),
            ),
        ]));
    }
    blocks.push(Block::Facts(report.provenance.clone()));
    blocks.push(Block::Files(vec![
        (
            "All errors and coefficients (CSV)".to_owned(),
            "approximations.csv".to_owned(),
        ),
        (
            "the same as Parquet".to_owned(),
            "approximations.parquet".to_owned(),
        ),
    ]));
    blocks.push(Block::Source(
        "The study".to_owned(),
        "toml",
        report.spec_toml.clone(),
    ));
    Section {
        title: "Where the figures come from".to_owned(),
        blocks,
    }
}

fn all_intervals(report: &ApproximationReport) -> Vec<Interval> {
    let mut found: Vec<Interval> = Vec::new();
    for row in &report.rows {
        if !found.contains(&row.interval) {
            found.push(row.interval);
        }
    }
    found
}

fn bounds(interval: Interval) -> String {
    format!("[{}, {}]", plain(interval.low()), plain(interval.high()))
}

fn ends(degrees: &[usize]) -> String {
    match (degrees.first(), degrees.last()) {
        (Some(first), Some(last)) if first < last => format!("{first} to {last}"),
        (Some(only), _) => only.to_string(),
        _ => NONE.to_owned(),
    }
}
