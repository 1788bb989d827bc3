//! What a report says, before it looks like anything: sections of text, facts, tables and charts, all plain text.

mod accuracy;
mod encryption;
mod network;
mod prediction;
mod provenance;

use std::borrow::Cow;

use super::RunReport;
use super::format;

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// The result in one sentence.
    pub headline: String,
    /// A warning that belongs to every figure in the report.
    pub warning: Option<String>,
    /// The figures to remember.
    pub cards: Vec<Card>,
    /// The rest, in order.
    pub sections: Vec<Section>,
}

/// One figure to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What it is.
    pub label: String,
    /// The figure with its unit.
    pub value: String,
    /// What belongs to it: interval, n.
    pub note: String,
}

/// A part of a report under a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What stands below.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading within the section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// The chart of that name, where it was drawn, and how to read it.
    Chart(Cow<'static, str>, String),
    /// Questions with their answers.
    Answers(Vec<Answer>),
    /// Text as it is, folded away where the page can: heading, language, text.
    Source(String, &'static str, String),
    /// Files beside the page: what they hold, and their names.
    Files(Vec<(String, String)>),
}

/// A question, its answer in one sentence, and the figures that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its short name: `RQ1`.
    pub name: String,
    /// The question.
    pub question: String,
    /// The answer; or what would give one.
    pub sentence: String,
    /// Our figure with what belongs to it; none where nothing was measured.
    pub ours: Option<String>,
    /// The published figure with its source.
    pub paper: String,
}

/// A table of plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Headings; `true` where the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// One cell a column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows. A heading that starts with `#` is of a column of numbers.
    pub(super) fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns
            .iter()
            .map(|column| {
                column
                    .strip_prefix('#')
                    .map_or(((*column).to_owned(), false), |name| {
                        (name.to_owned(), true)
                    })
            })
            .collect();
        Self {
            caption: caption.into(),
            columns,
            rows: Vec::new(),
        }
    }
}

/// Stands where there is no value.
pub(super) const NONE: &str = "–";

impl Document {
    /// The report of one run.
    pub fn of(report: &RunReport) -> Self {
        let summary = &report.summary;
        let activation = &summary.activation;
        let sections = [
            accuracy::section(report),
            encryption::section(report),
            network::section(report),
            accuracy::errors(report),
            provenance::section(report),
        ];
        Self {
            title: summary.name.clone(),
            subtitle: format!(
                "{}, {}, {}; run of {}",
                summary.dataset,
                match activation.degree {
                    Some(degree) => {
                        format!("{} by a degree-{degree} polynomial", activation.function)
                    }
                    None => format!("{} itself", activation.function),
                },
                summary
                    .encryption
                    .as_ref()
                    .map_or("not encrypted", |encryption| encryption.scheme.as_str()),
                report
                    .manifest
                    .started
                    .get(..10)
                    .unwrap_or("an unknown day"),
            ),
            headline: accuracy::headline(report),
            warning: report.watermark.clone(),
            cards: cards(report),
            sections: sections.into_iter().flatten().collect(),
        }
    }
}

fn cards(report: &RunReport) -> Vec<Card> {
    let summary = &report.summary;
    let card = |label: &str, value: String, note: String| Card {
        label: label.to_owned(),
        value,
        note,
    };
    let threads = encryption::threads(summary.timing.threads);
    let mut cards = Vec::new();
    let accuracies = summary.accuracy;
    let best = [
        ("Encrypted accuracy", accuracies.encrypted),
        ("Accuracy with simulated noise", accuracies.simulated),
        ("Accuracy of the integer circuit", accuracies.circuit),
        ("Accuracy of the polynomial network", accuracies.polynomial),
    ];
    if let Some((label, accuracy)) = best
        .into_iter()
        .find_map(|(label, accuracy)| Some((label, accuracy?)))
    {
        let note = format!(
            "95 % interval {} %, n = {}",
            format::interval(&accuracy),
            format::count(accuracy.n)
        );
        cards.push(card(label, format::accuracy(&accuracy), note));
    }
    if let Some(agreement) = summary.agreement.encrypted_vs_polynomial {
        let differ = ((1.0 - agreement.value) * agreement.n as f64).round() as u64;
        let note = format!(
            "{} of {} predictions {}",
            format::count(differ),
            format::count(agreement.n),
            if differ == 1 { "differs" } else { "differ" }
        );
        cards.push(card(
            "Agreement with the f32 network",
            format::percent(agreement.value),
            note,
        ));
    }
    if let Some(rate) = summary.timing.predictions_per_hour {
        cards.push(card(
            "Encrypted predictions",
            format::per_hour(rate),
            format!("evaluation alone, {threads}"),
        ));
    }
    if let Some(latency) = summary.timing.latency_s {
        cards.push(card(
            "Latency of one image",
            format::seconds(latency),
            format!("evaluation alone, {threads}"),
        ));
    }
    if let Some(encryption) = &summary.encryption {
        cards.push(card(
            "Security",
            format!("{} bit", encryption.security_bits),
            encryption.security_source.clone(),
        ));
        let note = match encryption.slots {
            Some(_) => format!("{} images in a batch", format::count(summary.timing.batch)),
            None => "one image at a time".to_owned(),
        };
        cards.push(card(
            "Upload of one image",
            format::bytes(encryption.input_bytes_per_image),
            note,
        ));
    }
    cards
}
