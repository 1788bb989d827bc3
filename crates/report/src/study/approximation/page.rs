//! What the page of a study of approximations says.

use polyapprox::{Function, Method};

use super::{ApproximationReport, Case, sentence};
use crate::ReportError;
use crate::format::{self, polynomial, significant};
use crate::names::{self, capital};
use crate::page::{Block, Card, Document, Section, Table, fact, or_none};

/// Degree-2 polynomials for ReLU on [-1, 1] from the coefficients that the paper's authors published: constant, linear and quadratic; what
/// they leave open is none.
pub(super) const PAPER: [(Method, &str, [Option<f64>; 3]); 5] = [
    (
        Method::Numerical,
        "0.09375 + 0.5 x + 0.46875 x²",
        [Some(0.09375), Some(0.5), Some(0.46875)],
    ),
    (
        Method::Taylor,
        "ln 2 + 0.5 x + 0.125 x²",
        [Some(std::f64::consts::LN_2), Some(0.5), Some(0.125)],
    ),
    (
        Method::Chebyshev,
        "0.10610 + 0.5 x + 0.42441 x²",
        [Some(0.10610), Some(0.5), Some(0.42441)],
    ),
    (
        Method::ModifiedChebyshev,
        "0.19279 + 0.5 x + 0.31547 x²",
        [Some(0.19279), Some(0.5), Some(0.31547)],
    ),
    (
        Method::Derivative,
        "c + 0.5 x + 0.29350 x²",
        [None, Some(0.5), Some(0.29350)],
    ),
];

pub(super) fn document(
    report: &ApproximationReport,
    functions: &[Function],
) -> Result<Document, ReportError> {
    let mut sections = Vec::new();
    let mut cards = Vec::new();
    let degrees = report.degrees();
    for function in functions {
        let case = report.case(*function, None)?;
        sections.push(Section {
            title: capital(case.name()),
            blocks: function_blocks(report, &case, true)?,
        });
        let Some(degree) = degrees.first() else {
            continue;
        };
        let column = if report.inputs.is_some() {
            "l2_inputs_inside"
        } else {
            "max"
        };
        if let Some((by, error)) = case.best(*degree, column)? {
            let what = if column == "max" {
                "largest error"
            } else {
                "RMS on a network’s inputs"
            };
            cards.push(Card {
                label: format!("{}, degree {degree}", case.name()),
                value: significant(error),
                note: format!("{what} ({})", names::method(&by).0),
            });
        }
    }
    sections.extend(intervals(report)?);
    let paper = paper(report)?;
    if !paper.is_empty() {
        sections.push(Section {
            title: "Beside the paper".to_owned(),
            blocks: paper,
        });
    }
    let mut blocks = Vec::new();
    if let Some(inputs) = &report.inputs {
        blocks.push(Block::Facts(vec![
            fact("Measured inputs", &*inputs.from),
            fact("Layer", &*inputs.layer),
            fact("Command", &*inputs.command),
            fact("Share within the interval", format::percent(inputs.inside)),
        ]));
    }
    blocks.push(Block::Facts(report.provenance.clone()));
    blocks.push(Block::Files(vec![
        fact("All errors and coefficients (CSV)", "approximations.csv"),
        fact("the same as Parquet", "approximations.parquet"),
    ]));
    blocks.push(Block::Folded(
        "The study".to_owned(),
        vec![Block::Source("toml", report.spec_toml.clone())],
    ));
    sections.push(Section {
        title: "Where the figures come from".to_owned(),
        blocks,
    });
    Ok(Document {
        title: report.title.clone(),
        subtitle: format!(
            "{} functions, {} methods, {} polynomials on {}",
            functions.len(),
            report.table.distinct("method").len(),
            format::count(report.table.rows() as u64),
            names::counted(report.intervals()?.len(), "interval")
        ),
        headline: sentence(report)?,
        warning: None,
        cards,
        sections,
    })
}

/// Charts and tables of a function; `all` tables, or the two that matter most.
pub(super) fn function_blocks(
    report: &ApproximationReport,
    case: &Case,
    all: bool,
) -> Result<Vec<Block>, ReportError> {
    let name = case.function.as_str();
    let outside = "Outside the interval the polynomials are unconstrained: the curves there show how out-of-range inputs behave.";
    let taylor = match case.function {
        Function::Relu => {
            "ReLU has no Taylor series at 0: there the method takes a softplus as wide as the interval. "
        }
        _ => "",
    };
    let parity = match case.is_odd() {
        true => "Even degrees add nothing: the function is odd, but for a constant.",
        false => {
            "Odd degrees above 1 add little or nothing: the function is x / 2 plus an even function."
        }
    };
    let weighted = "The minimax polynomial’s error touches its bound again and again, with alternating sign; the weighted ones are good where their weight is.";
    let mut blocks = vec![
        Block::Chart(format!("polynomials_{name}"), format!("{taylor}{outside}")),
        Block::Chart(format!("degrees_{name}"), parity.to_owned()),
        Block::Chart(format!("shape_{name}"), weighted.to_owned()),
    ];
    let kinds = [
        ("Largest error on the interval", "max", true),
        (
            "RMS error on the interval, all points alike",
            "l2_uniform",
            false,
        ),
        (
            "RMS error on the measured inputs within the interval",
            "l2_inputs_inside",
            true,
        ),
        (
            "RMS error on all measured inputs, those outside the interval, too",
            "l2_inputs_all",
            false,
        ),
    ];
    for (what, column, matters) in kinds {
        if (all || matters) && case.rows.filled(column)?.rows() > 0 {
            blocks.push(Block::Table(errors_table(report, case, what, column)?));
        }
    }
    Ok(blocks)
}

fn errors_table(
    report: &ApproximationReport,
    case: &Case,
    what: &str,
    column: &str,
) -> Result<Table, ReportError> {
    let degrees = report.degrees();
    let mut table = Table::new(
        format!("{what}; {} on {}", case.name(), case.bounds()),
        &["Method"],
    );
    table.columns.extend(
        degrees
            .iter()
            .map(|degree| (format!("degree {degree}"), true)),
    );
    for method in case.rows.distinct("method") {
        let mut cells = vec![names::method(&method).0.to_owned()];
        for degree in &degrees {
            cells.push(or_none(
                case.row(&method, *degree)?.real(column),
                significant,
            ));
        }
        table.rows.push(cells);
    }
    Ok(table)
}

/// What the width of the interval costs.
pub(super) fn intervals(report: &ApproximationReport) -> Result<Option<Section>, ReportError> {
    let intervals = report.intervals()?;
    let Some(function) = report
        .shown()
        .first()
        .copied()
        .filter(|_| intervals.len() > 1)
    else {
        return Ok(None);
    };
    let mut table = Table::new(
        format!(
            "The best method by each measure; {}",
            names::function(function.as_str()).0
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
        let case = report.case(function, Some(interval))?;
        for degree in case.telling(&report.degrees()) {
            let mut row = vec![case.bounds(), degree.to_string()];
            for column in ["max", "l2_inputs_inside", "l2_inputs_all"] {
                let found = case.best(degree, column)?;
                row.push(or_none(found.as_ref(), |(_, error)| significant(*error)));
                row.push(or_none(found.as_ref(), |(method, _)| {
                    names::method(method).0.to_owned()
                }));
            }
            table.rows.push(row);
        }
    }
    let text = "A wider interval costs accuracy everywhere in it; a narrower one leaves inputs outside, where a polynomial of high degree is far off. \
                RMS on all inputs weighs both.";
    Ok(Some(Section {
        title: "The width of the interval".to_owned(),
        blocks: vec![Block::Text(text.to_owned()), Block::Table(table)],
    }))
}

/// The paper's five methods beside ours, where the study has their case.
pub(super) fn paper(report: &ApproximationReport) -> Result<Vec<Block>, ReportError> {
    let case = report.case(Function::Relu, Some((-1.0, 1.0)))?;
    let mut table = Table::new(
        "ReLU as a polynomial of degree 2 on [−1, 1]",
        &[
            "Method",
            "This study",
            "The paper’s authors",
            "#Largest error",
        ],
    );
    for (method, published, _) in PAPER {
        if let Some(coefficients) = case.coefficients(method.as_str(), 2)? {
            let max = case.row(method.as_str(), 2)?.real("max");
            let name = names::method(method.as_str()).0;
            table.push([
                name.to_owned(),
                polynomial(&coefficients),
                published.to_owned(),
                or_none(max, significant),
            ]);
        }
    }
    let text = "CryptoDL (Hesamifard, Takabi, Ghasemi, arXiv 1711.05189) compares five methods; minimax, Hermite and data are further ones. \
                The authors’ coefficients are those of their published code, scaled to [−1, 1]; their derivative method leaves the constant open.";
    Ok(table
        .block()
        .map_or_else(Vec::new, |table| vec![Block::Text(text.to_owned()), table]))
}

/// The largest difference of a coefficient from the published ones, and of how many methods.
pub(super) fn from_the_paper(
    report: &ApproximationReport,
) -> Result<Option<(f64, usize)>, ReportError> {
    let case = report.case(Function::Relu, Some((-1.0, 1.0)))?;
    let mut found: Option<(f64, usize)> = None;
    for (method, _, published) in PAPER {
        if let Some(own) = case.coefficients(method.as_str(), 2)? {
            let apart = own
                .iter()
                .zip(published)
                .filter_map(|(own, published)| Some((own - published?).abs()));
            let (largest, methods) = found.unwrap_or((0.0, 0));
            found = Some((apart.fold(largest, f64::max), methods + 1));
        }
    }
    Ok(found)
}
