//! `question`, `answers` and `[[chart]]`: what the report says and shows of a study.

use super::axes::Part;
use super::reader::Reader;
use crate::error::Problem;
use crate::keys::{list, suggest};
use serde::Serialize;
use toml::Spanned;

/// What the report says and shows of a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StudyPage {
    /// What the study asks, where its title says something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The paper's question that it answers: `RQ2`, `RQ3` or `RQ4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// Its charts; without any, every part has one by what it varies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<StudyChart>,
}

/// One chart of a study.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyChart {
    /// The part that it shows; all points where there is none.
    pub part: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The key along the axis.
    pub x: Option<String>,
    /// The figure, by its place in `summary.json`, or `rate`.
    pub y: Option<String>,
    /// The key that makes one series a value.
    pub series: Option<String>,
}

/// The paper's questions over runs.
const QUESTIONS: [&str; 3] = ["RQ2", "RQ3", "RQ4"];
/// Sections of `summary.json` that hold figures.
const SECTIONS: [&str; 6] = [
    "accuracy.",
    "agreement.",
    "encryption.",
    "memory.",
    "network.",
    "timing.",
];
const CHART_KEYS: [&str; 5] = ["part", "title", "x", "y", "series"];
const HELP: &str = "write [[chart]] with part = \"degree\", x = \"activation.degree\", y = \"accuracy.polynomial\", series = \"activation.function\"; \
                    what is left out has a default";

/// Reads them. `keys` are those that the study sets.
pub(super) fn read(
    reader: &Reader<'_, '_>,
    parts: &[Part],
    keys: &[String],
) -> Result<StudyPage, Problem> {
    let answers = reader.text("answers")?;
    if let Some(answers) = &answers {
        known(answers, "answers", QUESTIONS.into_iter())?;
    }
    let mut charts = Vec::new();
    for (table, span) in reader.tables("chart")? {
        let chart = Reader::new(table, "[[chart]]", &span, &CHART_KEYS)?;
        let part = chart.text("part")?;
        if let Some(part) = &part {
            known(part, "part", parts.iter().map(|part| part.name.as_str()))?;
        }
        let along = |name| -> Result<Option<String>, Problem> {
            let key = chart.text(name)?;
            if let Some(key) = &key {
                known(key, name, keys.iter().map(String::as_str))?;
            }
            Ok(key.map(Spanned::into_inner))
        };
        let y = chart.text("y")?;
        if let Some(y) = y.as_ref().filter(|y| {
            *y.get_ref() != "rate"
                && !SECTIONS
                    .iter()
                    .any(|section| y.get_ref().starts_with(section))
        }) {
            return Err(Problem::new(format!("there is no figure {:?}", y.get_ref()))
                .at(y.span(), "not known")
                .help("a figure is `rate`, or its place in summary.json, like `accuracy.polynomial` or `timing.evaluate_s`"));
        }
        charts.push(StudyChart {
            part: part.map(Spanned::into_inner),
            title: chart.text("title")?.map(Spanned::into_inner),
            x: along("x")?,
            y: y.map(Spanned::into_inner),
            series: along("series")?,
        });
    }
    Ok(StudyPage {
        question: reader.text("question")?.map(Spanned::into_inner),
        answers: answers.map(Spanned::into_inner),
        charts,
    })
}

fn known<'a>(
    word: &Spanned<String>,
    key: &str,
    words: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Problem> {
    if words.clone().any(|known| known == word.get_ref()) {
        return Ok(());
    }
    let label = suggest(word.get_ref(), words.clone()).map_or("not known".to_owned(), |meant| {
        format!("did you mean `{meant}`?")
    });
    Err(
        Problem::new(format!("`{key}` cannot be {:?}", word.get_ref()))
            .at(word.span(), label)
            .help(match words.clone().next() {
                Some(_) => format!("there is {}", list(words)),
                None => HELP.to_owned(),
            }),
    )
}
