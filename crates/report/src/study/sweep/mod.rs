//! A study over runs as a section: its charts, each with a conclusion drawn by a query, and the table of what it compared.

mod chart;
mod conclude;
mod plan;
mod tables;

use cryptodl_results::{Estimate, RunTable, Spread, Table as Data};
use plotters::style::RGBColor;

use super::published::Published;
use super::{Part, StudyReport, SweepRecord, provenance};
use crate::page::{Answer, Block, NONE, fact};
use crate::plot::style::{ENCRYPTED, MARGIN, MUTED, OTHER, POLYNOMIAL, WRONG};
use crate::{ReportError, format, names, words};
use chart::{bars, draw};
use conclude::conclude;
use plan::{collect, plans};
use tables::{compared, gaps};

/// The colours of series that have none of their own.
const COLORS: [RGBColor; 6] = [POLYNOMIAL, WRONG, ENCRYPTED, MARGIN, OTHER, MUTED];

/// What a chart shows where the study does not say.
const ACCURACY: &str = "accuracy.polynomial";

/// A chart of a study, with everything that has a default filled in.
struct Plan {
    name: String,
    title: String,
    /// The columns along the axis and of the series, and their keys for people.
    x: String,
    x_key: String,
    series: Vec<String>,
    /// `accuracy.*`, `rate`, or the column of a figure.
    y: String,
    rows: Data,
}

/// The networks at one place of a chart: they differ in their seed alone.
struct Group {
    x: String,
    rows: Data,
    value: Option<Estimate>,
}

struct Series {
    name: String,
    color: RGBColor,
    groups: Vec<Group>,
}

/// The charts and the table of a study.
pub(super) fn part(report: &StudyReport, record: &SweepRecord) -> Result<Part, ReportError> {
    let table = record.table(&report.runs)?;
    let done = table.with("state", "done")?;
    let mut part = Part::default();
    for plan in plans(record, &done)? {
        let series = collect(&plan, &report.runs)?;
        let figure = draw(&plan, &series);
        if let Some((conclusion, details)) =
            conclude(&plan, &series, &report.runs).filter(|_| figure.is_some())
        {
            part.blocks.push(Block::Conclusion(conclusion, details));
        }
        part.chart(figure, bars(&plan, &series));
    }
    part.blocks.extend(compared(record, &done, &report.runs)?);
    part.blocks.extend(gaps(record, &table)?);
    part.blocks.push(Block::Folded(
        "Where this comes from".to_owned(),
        vec![Block::Text(format!(
            "Study {}, {}. {}",
            record.name,
            record.place,
            provenance(&done, "commit.trained")
        ))],
    ));
    Ok(part)
}

/// The answer of a study: the conclusions of its first charts, with what they rest on.
pub(super) fn answer(
    blocks: &[Block],
    name: &str,
    question: &str,
    more: Vec<(String, String)>,
) -> Answer {
    let conclusions = blocks.iter().filter_map(|block| {
        if let Block::Conclusion(conclusion, details) = block {
            Some((conclusion, details))
        } else {
            None
        }
    });
    let conclusions: Vec<(&String, &String)> = conclusions.take(2).collect();
    let sentences: Vec<&str> = conclusions
        .iter()
        .map(|(conclusion, _)| conclusion.as_str())
        .collect();
    let facts = conclusions
        .iter()
        .filter(|(_, details)| !details.is_empty())
        .map(|(_, details)| fact("Figures", details.as_str()));
    Answer {
        name: name.to_owned(),
        question: question.to_owned(),
        sentence: match sentences.is_empty() {
            true => {
                "Not answered here: the study has no two finished points that differ in one thing."
                    .to_owned()
            }
            false => sentences.join(" "),
        },
        facts: facts.chain(more).collect(),
        provenance: String::new(),
    }
}

/// The studies that answer one of the paper's questions, as one section; none where there is no such study.
pub(super) fn answers(
    report: &StudyReport,
    name: &str,
    question: &str,
    published: &Published,
) -> Result<Option<Part>, ReportError> {
    let own: Vec<&SweepRecord> = report
        .sweeps
        .iter()
        .filter(|record| record.question_of() == Some(name))
        .collect();
    let Some(first) = own.first() else {
        return Ok(None);
    };
    let mut all = Part::default();
    for record in &own {
        if own.len() > 1 {
            all.blocks.push(Block::Heading(record.title.clone()));
        }
        let part = part(report, record)?;
        all.blocks.extend(part.blocks);
        all.figures.extend(part.figures);
    }
    let done = first.table(&report.runs)?.with("state", "done")?;
    let facts = vec![
        fact("Chosen by validation", best(&done, &report.runs)?),
        fact("The paper", published.activations()),
    ];
    let mut answer = answer(&all.blocks, name, question, facts);
    answer.provenance = provenance(&done, "commit.trained");
    all.answer = Some(answer);
    Ok(Some(all))
}

/// Of each activation, the network with the best validation accuracy among those with most seeds, beside the original activation.
fn best(done: &Data, runs: &RunTable) -> Result<String, ReportError> {
    let mut found = Vec::new();
    for own in done
        .filled(&format!("{ACCURACY}.value"))?
        .groups(&["activation.function"])?
    {
        let groups = own
            .groups(&["recipe"])?
            .into_iter()
            .map(|group| group.first_of(&["seed"]));
        let groups = groups.collect::<Result<Vec<Data>, _>>()?;
        let most = groups.iter().map(Data::rows).max().unwrap_or(0);
        let validation = |rows: &Data| {
            rows.numbers("validation").iter().sum::<f64>() / rows.rows().max(1) as f64
        };
        let chosen = groups
            .into_iter()
            .filter(|rows| rows.rows() == most)
            .max_by(|a, b| validation(a).total_cmp(&validation(b)));
        let Some(rows) = chosen else { continue };
        let Some(polynomial) = runs.accuracy(&rows, "polynomial") else {
            continue;
        };
        let name = own.text("activation.function").unwrap_or_default();
        let mut words = format!(
            "{} (degree {}) {}",
            names::function(&name).0,
            rows.text("degree").unwrap_or_default(),
            words::full(&polynomial)
        );
        if let Some(change) = runs.difference((&rows, "original"), (&rows, "polynomial")) {
            words.push_str(&format!(
                ", {} points against its original activation{}",
                words::points(&change),
                meaning(&change)
            ));
        }
        found.push(words);
    }
    Ok(found.join("; "))
}

/// What an interval of a difference lets one say.
fn meaning(change: &Estimate) -> &'static str {
    match change.holds_zero() {
        true => " (no measurable difference)",
        false => "",
    }
}

/// A rate in words.
pub(super) fn rate_words(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || NONE.to_owned(),
        |spread| words::spread(&spread, |rate| format::short(rate.round())),
    )
}
