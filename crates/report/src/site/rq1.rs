//! RQ1: can activations be approximated by low-degree polynomials?

use polyapprox::Function;

use super::published::Published;
use super::{Part, Site};
use crate::document::{Answer, Block};
use crate::format::{self, plain, significant};
use crate::study::{
    ApproximationReport, CASES, best, capital, charts_of, function_blocks, largest, method_name,
    paper_blocks,
};
use crate::{ReportError, charts::function_name};

const QUESTION: &str = "Can activations be approximated accurately by low-degree polynomials?";

/// The paper's three; further functions are in the study's own page.
const SHOWN: [Function; 3] = [Function::Relu, Function::Sigmoid, Function::Tanh];

/// Whether a table is one of those that are shown, by how its caption begins.
fn is_shown(caption: &str) -> bool {
    ["Largest error", "RMS error on the measured inputs within"]
        .iter()
        .any(|kind| caption.starts_with(kind))
}

pub(super) fn part(site: &Site, published: &Published) -> Result<Part, ReportError> {
    let Some(report) = site
        .approximations
        .iter()
        .max_by_key(|report| report.rows.len())
    else {
        let answer = Answer {
            name: "RQ1".to_owned(),
            question: QUESTION.to_owned(),
            sentence: "Not answered here: there is no study of approximations among the results; `cryptodl sweep experiments/rq1.toml` makes one in seconds."
                .to_owned(),
            ours: None,
            paper: paper_words(published),
        };
        return Ok(Part::empty(answer));
    };
    let all = report.functions();
    let mut functions: Vec<Function> = all
        .iter()
        .copied()
        .filter(|function| SHOWN.contains(function))
        .collect();
    if functions.is_empty() {
        functions = all.iter().copied().take(SHOWN.len()).collect();
    }
    let charts = charts_of(report, &functions)?;
    let from = provenance(report);
    let mut blocks = Vec::new();
    for function in &functions {
        blocks.push(Block::Heading(capital(function_name(*function))));
        for block in function_blocks(report, *function) {
            match block {
                Block::Chart(name, note) => {
                    blocks.push(Block::Chart(name, format!("{note} {from}")));
                }
                // The study's own page has the other measures.
                Block::Table(table) if !is_shown(&table.caption) => {}
                other => blocks.push(other),
            }
        }
    }
    let beside = paper_blocks(report);
    if !beside.is_empty() {
        blocks.push(Block::Heading("Beside the paper".to_owned()));
        blocks.extend(beside);
    }
    let others: Vec<&str> = all
        .iter()
        .filter(|function| !functions.contains(function))
        .map(|function| function_name(*function))
        .collect();
    if !others.is_empty() {
        blocks.push(Block::Text(format!(
            "The study has {} polynomials in all; its own page shows {}, too, and every coefficient.",
            format::count(report.rows.len() as u64),
            others.join(", ")
        )));
    }
    Ok(Part {
        answer: answer(report, published),
        blocks,
        charts,
    })
}

fn answer(report: &ApproximationReport, published: &Published) -> Answer {
    let told = || -> Option<(String, String)> {
        let functions = report.functions();
        let function = functions
            .iter()
            .find(|function| **function == Function::Relu)
            .or(functions.first())?;
        let degrees = report.degrees();
        let (first, last) = (*degrees.first()?, *degrees.last()?);
        let interval = report.interval;
        let low = best(report, *function, first, interval, largest)?;
        let high = best(report, *function, last, interval, largest)?;
        let inputs = best(report, *function, first, interval, |row| row.inputs_inside);
        let within = format!("[{}, {}]", plain(interval.low()), plain(interval.high()));
        let mut sentence = format!(
            "Within limits: on {within} the best polynomial of degree {first} stays within {} of {}, and of degree {last} within {}",
            significant(low.1),
            function_name(*function),
            significant(high.1)
        );
        if let Some((method, error)) = inputs {
            sentence.push_str(&format!(
                "; on what a trained network’s activation really meets, degree {first} is off by only {} RMS ({})",
                significant(error),
                method_name(method)
            ));
        }
        sentence.push('.');
        let differences: Vec<f64> = CASES
            .iter()
            .filter_map(|case| case.difference(report))
            .collect();
        let ours = differences.iter().copied().reduce(f64::max).map_or_else(
            || format!("{} polynomials.", format::count(report.rows.len() as u64)),
            |difference| {
                format!(
                    "the same coefficients within {} for {} of the paper’s {} ways (degree 2, [−1, 1]), and {} polynomials in all.",
                    significant(difference),
                    differences.len(),
                    CASES.len(),
                    format::count(report.rows.len() as u64)
                )
            },
        );
        Some((sentence, format!("{ours} {}", provenance(report))))
    };
    let (sentence, ours) = match told() {
        Some((sentence, ours)) => (sentence, Some(ours)),
        None => (
            "Not answered here: the study found no polynomial.".to_owned(),
            None,
        ),
    };
    Answer {
        name: "RQ1".to_owned(),
        question: QUESTION.to_owned(),
        sentence,
        ours,
        paper: paper_words(published),
    }
}

fn paper_words(published: &Published) -> String {
    format!(
        "yes: five ways compared, the choice of measure decides; degree-2 ReLU on [−1, 1] by its derivative method is 0.29350 x² + 0.5 x + c (C, {}). {}.",
        super::published::Source::C.words(),
        published.paper.citation
    )
}

/// Where the figures come from.
fn provenance(report: &ApproximationReport) -> String {
    let fact = |name: &str| {
        let found = report.provenance.iter().find(|(known, _)| known == name);
        found.map_or("unknown", |(_, value)| value.as_str())
    };
    let commit: String = fact("Commit").chars().take(8).collect();
    let changes = if fact("Commit").contains("changes") {
        " with changes"
    } else {
        ""
    };
    let machine = fact("Machine");
    let machine = machine
        .split_once(" (")
        .map_or(machine, |(machine, _)| machine);
    format!(
        "Exact to rounding: no sample, no seed. Spec: {}. Machine: {}. Commit: {commit}{changes}.",
        fact("Study"),
        machine
    )
}
