//! A study of approximations: polynomials for activations, their errors and shapes, with no training.

mod charts;
mod page;

use std::path::Path;

use cryptodl_results::{ResultsError, Table as Data};
use polyapprox::Function;
use serde::{Deserialize, Serialize};

use crate::format::{self, plain, significant};
use crate::names::{self, capital};
use crate::page::{Answer, Block, Links, fact, html, markdown};
use crate::plot::{Figure, render_all};
use crate::run::write_charts;
use crate::{ReportError, write};
use charts::{errors_by_degree, polynomials, shapes};
use page::{PAPER, document, from_the_paper, function_blocks, paper};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct ApproximationReport {
    /// The study's name.
    pub name: String,
    /// Its question.
    pub title: String,
    /// `approximations.csv`: one row a function, method, interval and degree.
    pub table: Data,
    /// The measured inputs, where the study has some.
    pub inputs: Option<MeasuredInputs>,
    /// Names and values that say where the figures come from.
    pub provenance: Vec<(String, String)>,
    /// The study, as it was read.
    pub spec_toml: String,
}

/// The measured inputs of an activation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeasuredInputs {
    /// The layer.
    pub layer: String,
    /// What was measured.
    pub from: String,
    /// The command that measured it.
    pub command: String,
    /// Lower end of the histogram.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Inputs in each of its equal bins.
    pub counts: Vec<u64>,
    /// Share of the inputs within the charts' interval.
    pub inside: f64,
}

/// Columns that [`ApproximationReport::table`] must have.
pub const APPROXIMATION_COLUMNS: [&str; 11] = [
    "function",
    "method",
    "degree",
    "low",
    "high",
    "l2_uniform",
    "l2_inputs_inside",
    "l2_inputs_all",
    "max",
    "c0",
    "error",
];

/// The paper's three; further functions are on the study's own page.
const SHOWN: [Function; 3] = [Function::Relu, Function::Sigmoid, Function::Tanh];

/// Writes the charts, `index.html` and `README.md` of a study.
///
/// # Errors
/// Any [`ReportError`]; only [`ReportError::Io`] comes from outside.
pub fn write_approximations(
    folder: &Path,
    report: &ApproximationReport,
) -> Result<(), ReportError> {
    let functions = report.functions();
    let charts = render_all(figures(report, &functions)?)?;
    write_charts(folder, &charts)?;
    let document = document(report, &functions)?;
    let links = Links {
        charts: "",
        extension: "svg",
        data: "",
    };
    write(
        &folder.join("README.md"),
        markdown(&document, &charts, links).as_bytes(),
    )?;
    write(
        &folder.join("index.html"),
        html(&document, &charts).as_bytes(),
    )
}

/// The rows of one function on one interval.
struct Case {
    function: Function,
    low: f64,
    high: f64,
    rows: Data,
}

impl ApproximationReport {
    fn functions(&self) -> Vec<Function> {
        let names = self.table.distinct("function");
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The functions that a report over all studies shows.
    pub(super) fn shown(&self) -> Vec<Function> {
        let all = self.functions();
        let own: Vec<Function> = all
            .iter()
            .copied()
            .filter(|function| SHOWN.contains(function))
            .collect();
        if own.is_empty() {
            all.into_iter().take(SHOWN.len()).collect()
        } else {
            own
        }
    }

    /// Of a function on an interval; on the first of the study where none is named.
    fn case(&self, function: Function, interval: Option<(f64, f64)>) -> Result<Case, ResultsError> {
        let first = || self.table.real("low").zip(self.table.real("high"));
        let (low, high) = interval.or_else(first).unwrap_or((-1.0, 1.0));
        let on =
            |table: Data, column: &str, end: f64| table.at_least(column, end)?.at_most(column, end);
        let rows = self.table.with("function", function.as_str())?;
        let rows = on(on(rows, "low", low)?, "high", high)?;
        Ok(Case {
            function,
            low,
            high,
            rows,
        })
    }

    fn degrees(&self) -> Vec<usize> {
        let mut degrees: Vec<usize> = self
            .table
            .numbers("degree")
            .into_iter()
            .map(|degree| degree as usize)
            .collect();
        degrees.sort_unstable();
        degrees.dedup();
        degrees
    }

    /// The intervals, in the order of the rows.
    fn intervals(&self) -> Result<Vec<(f64, f64)>, ResultsError> {
        let first = self.table.first_of(&["low", "high"])?;
        Ok(first
            .numbers("low")
            .into_iter()
            .zip(first.numbers("high"))
            .collect())
    }
}

impl Case {
    fn bounds(&self) -> String {
        format!("[{}, {}]", plain(self.low), plain(self.high))
    }

    /// The row of a method and degree.
    fn row(&self, method: &str, degree: usize) -> Result<Data, ResultsError> {
        self.rows
            .with("method", method)?
            .with("degree", &degree.to_string())
    }

    /// Ascending coefficients; none where no polynomial was found.
    fn coefficients(&self, method: &str, degree: usize) -> Result<Option<Vec<f64>>, ResultsError> {
        let row = self.row(method, degree)?;
        let coefficients = (0..=degree).map(|power| row.real(&format!("c{power}")));
        Ok(coefficients.collect())
    }

    /// The method with the least error of a kind, and the error.
    fn best(&self, degree: usize, column: &str) -> Result<Option<(String, f64)>, ResultsError> {
        let row = self
            .rows
            .with("degree", &degree.to_string())?
            .filled(column)?
            .sorted(column, false)?;
        Ok(row.text("method").zip(row.real(column)))
    }

    /// Up to three degrees that change something: of an odd function (or one that is odd but for a constant) the odd ones, of ReLU and its
    /// kin the even ones.
    fn telling(&self, all: &[usize]) -> Vec<usize> {
        let wanted = if self.is_odd() { [3, 5, 9] } else { [2, 4, 8] };
        let chosen: Vec<usize> = wanted
            .into_iter()
            .filter(|degree| all.contains(degree))
            .collect();
        if chosen.is_empty() {
            all.iter().copied().take(3).collect()
        } else {
            chosen
        }
    }

    fn is_odd(&self) -> bool {
        matches!(self.function, Function::Sigmoid | Function::Tanh)
    }

    fn name(&self) -> &str {
        names::function(self.function.as_str()).0
    }
}

/// The charts of some functions.
pub(super) fn figures(
    report: &ApproximationReport,
    functions: &[Function],
) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for function in functions {
        let case = report.case(*function, None)?;
        figures.extend(polynomials(report, &case)?);
        figures.extend(errors_by_degree(report, &case)?);
        figures.extend(shapes(report, &case)?);
    }
    Ok(figures)
}

/// The conclusion in one sentence.
fn sentence(report: &ApproximationReport) -> Result<String, ReportError> {
    let none = "No polynomial was found.".to_owned();
    let degrees = report.degrees();
    let (Some(function), Some(first), Some(last)) = (
        report.shown().first().copied(),
        degrees.first(),
        degrees.last(),
    ) else {
        return Ok(none);
    };
    let case = report.case(function, None)?;
    let (Some(low), Some(high)) = (case.best(*first, "max")?, case.best(*last, "max")?) else {
        return Ok(none);
    };
    let mut sentence = format!(
        "Only roughly at a low degree: on {} the best polynomial of degree {first} stays within {} of {}, the best of degree {last} within {}",
        case.bounds(),
        significant(low.1),
        case.name(),
        significant(high.1)
    );
    if let Some((method, error)) = case.best(*first, "l2_inputs_inside")? {
        sentence.push_str(&format!(
            "; on the inputs that a trained network’s activation receives, degree {first} is {} off (root mean square, method {})",
            significant(error),
            names::method(&method).0
        ));
    }
    sentence.push('.');
    Ok(sentence)
}

/// The answer to the paper's first question.
pub(super) fn answer(report: &ApproximationReport, question: &str) -> Result<Answer, ReportError> {
    let mut ours = format!("{} polynomials", format::count(report.table.rows() as u64));
    if let Some((apart, methods)) = from_the_paper(report)? {
        ours.push_str(&format!("; the coefficients of {methods} of the paper’s {} methods (degree 2, [−1, 1]) within {}", PAPER.len(), significant(apart)));
    }
    let provenance = report
        .provenance
        .iter()
        .map(|(name, value)| format!("{name}: {value}."));
    Ok(Answer {
        name: "RQ1".to_owned(),
        question: question.to_owned(),
        sentence: sentence(report)?,
        facts: vec![
            fact("Here", ours),
            fact(
                "The paper",
                "yes: five methods compared, the choice of measure decides; degree-2 ReLU on [−1, 1] by its derivative method is 0.29350 x² + 0.5 x + c (from the authors’ published coefficients)",
            ),
        ],
        provenance: format!(
            "Exact to rounding: no sample, no seed. {}",
            provenance.collect::<Vec<_>>().join(" ")
        ),
    })
}

/// The section of a report over all studies.
pub(super) fn blocks(report: &ApproximationReport) -> Result<Vec<Block>, ReportError> {
    let shown = report.shown();
    let mut blocks = Vec::new();
    for function in &shown {
        let case = report.case(*function, None)?;
        blocks.push(Block::Heading(capital(case.name())));
        blocks.extend(function_blocks(report, &case, false)?);
    }
    let paper = paper(report)?;
    if !paper.is_empty() {
        blocks.push(Block::Heading("Beside the paper".to_owned()));
        blocks.extend(paper);
    }
    let others: Vec<Function> = report
        .functions()
        .into_iter()
        .filter(|function| !shown.contains(function))
        .collect();
    if !others.is_empty() {
        let names: Vec<&str> = others
            .iter()
            .map(|function| names::function(function.as_str()).0)
            .collect();
        let count = format::count(report.table.rows() as u64);
        blocks.push(Block::Text(format!("The study has {count} polynomials in all; its own page shows {}, too, and every coefficient.", names.join(", "))));
    }
    Ok(blocks)
}
