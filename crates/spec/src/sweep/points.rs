//! From the combinations of a study to its points: each one the base with its values, through the checks of any experiment.

use super::axes::{Part, Setting};
use super::charts::StudyPage;
use super::expand::{MAX_POINTS, combinations, overlap};
use super::study::{Base, Point, Sweep};
use super::value::Value;
use crate::error::{Problem, SpecError};
use crate::overrides::{insert, shifted};
use crate::read::{checked, not_toml};
use crate::source::{FLAG, Sources};
use crate::{Experiment, ImageCatalog};
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest name of a run.
const MAX_NAME: usize = 64;

/// A sweep being expanded.
pub(super) struct Runs<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub file_name: &'a str,
    pub overrides: &'a [String],
    pub catalog: &'a dyn ImageCatalog,
}

impl Runs<'_> {
    /// Every point of every part, once.
    ///
    /// # Errors
    /// The first fault, in the study, the base or an override.
    pub fn expand(
        &self,
        parts: &[Part],
        base: &Base,
        study_sources: &Sources,
    ) -> Result<Sweep, SpecError> {
        let (sources, shift) = match base {
            Base::Inline(_) => (Sources::new(self.file_name, self.text, self.overrides), 0),
            Base::File { name, text } => (
                Sources::of_files(&[(name, text), (self.file_name, self.text)], self.overrides),
                text.len() + 1,
            ),
        };
        let mut keys: Vec<String> = Vec::new();
        let mut points: Vec<Point> = Vec::new();
        let mut total = 0;
        for part in parts {
            let rows = combinations(part).map_err(|problem| study_sources.report(problem))?;
            total += rows.len();
            if total > MAX_POINTS {
                return Err(study_sources.report(
                    Problem::new(format!("a study has at most {MAX_POINTS} points"))
                        .at(0..0, format!("its parts make {total} and more")),
                ));
            }
            for row in rows {
                for setting in &row {
                    if !keys.contains(&setting.key.path) {
                        keys.push(setting.key.path.clone());
                    }
                }
                let point = self
                    .point(part, &row, base, &sources, shift)
                    .map_err(|problem| sources.report(problem))?;
                match points.iter_mut().find(|other| other.key == point.key) {
                    Some(known) => known.parts.extend(point.parts),
                    None => points.push(point),
                }
            }
        }
        for point in &mut points {
            fill(point, &keys);
        }
        Ok(Sweep {
            keys,
            points,
            page: StudyPage::default(),
        })
    }

    fn point(
        &self,
        part: &Part,
        row: &[&Setting],
        base: &Base,
        sources: &Sources,
        shift: usize,
    ) -> Result<Point, Problem> {
        // What a part sets is the same at all of its points: its name says enough.
        let varied = row.get(part.set.len()..).unwrap_or_default();
        let label = label(&part.name, varied);
        let name = point_name(self.name, &part.name, varied);
        let mut table = self.base_table(base, sources)?;
        for setting in row {
            self.refuse_overridden(setting, sources)?;
            let value = DeValue::parse(&setting.text)
                .map_err(|error| not_toml(&error, setting.span.start + shift))?;
            let place = setting.span.start + shift..setting.span.end + shift;
            let value = if setting.verbatim {
                shifted(value, place.start)
            } else {
                Spanned::new(place, value.into_inner())
            };
            let span = &setting.key.span;
            let path: Vec<(Range<usize>, &str)> = setting
                .key
                .path
                .split('.')
                .map(|key| (span.start + shift..span.end + shift, key))
                .collect();
            insert(table.get_mut(), &path, value)?;
        }
        let named = Spanned::new(0..0, DeValue::String(Cow::Borrowed(name.as_str())));
        insert(table.get_mut(), &[(0..0, "name")], named)?;
        let experiment =
            checked(table, sources, self.catalog).map_err(|problem| of_point(problem, &label))?;
        let key = Experiment {
            name: String::new(),
            ..experiment.clone()
        }
        .key()
        .map_err(|error| Problem::new(error.to_string()))?;
        Ok(Point {
            id: key.short(),
            key,
            label,
            parts: (!part.name.is_empty())
                .then(|| part.name.clone())
                .into_iter()
                .collect(),
            values: row
                .iter()
                .map(|setting| (setting.key.path.clone(), setting.value.clone()))
                .collect(),
            experiment,
        })
    }

    fn base_table<'s>(
        &self,
        base: &Base,
        sources: &'s Sources,
    ) -> Result<Spanned<DeTable<'s>>, Problem> {
        let mut file = DeTable::parse(sources.file()).map_err(|error| not_toml(&error, 0))?;
        match base {
            Base::File { .. } => Ok(file),
            Base::Inline(span) => match file.get_mut().remove("base").map(Spanned::into_inner) {
                Some(DeValue::Table(table)) => Ok(Spanned::new(span.clone(), table)),
                _ => Ok(Spanned::new(span.clone(), DeTable::new())),
            },
        }
    }

    /// An override must not undo an axis: the table would say one thing and the run be another.
    fn refuse_overridden(&self, setting: &Setting, sources: &Sources) -> Result<(), Problem> {
        for part in sources.overrides() {
            let text = part.text.get(FLAG.len()..).unwrap_or_default();
            let path = text.split_once('=').map_or(text, |(path, _)| path).trim();
            if overlap(path, &setting.key.path) || path == "name" {
                let start = part.base + FLAG.len();
                return Err(Problem::new(format!(
                    "`{path}` belongs to the study and cannot be overridden"
                ))
                .at(start..start + path.len(), "this key varies in the study")
                .help("override other keys, or change the study's file"));
            }
        }
        Ok(())
    }
}

fn of_point(mut problem: Problem, label: &str) -> Problem {
    let help = problem.help.get_or_insert_default();
    help.push_str(&format!(" (at the point `{label}`)"));
    problem
}

/// The cells of the keys that the point's own part does not set, from the checked experiment.
fn fill(point: &mut Point, keys: &[String]) {
    let Ok(experiment) = serde_json::to_value(&point.experiment) else {
        return;
    };
    for key in keys {
        if !point.values.contains_key(key)
            && let Some(value) = experiment
                .pointer(&format!("/{}", key.replace('.', "/")))
                .and_then(Value::of_json)
        {
            point.values.insert(key.clone(), value);
        }
    }
}

/// `relu, degree 3, seed 7`, behind the name of the part: names by themselves, numbers and switches with the last part of their key.
fn label(part: &str, row: &[&Setting]) -> String {
    let words = row.iter().map(|setting| {
        let key = setting.key.path.rsplit('.').next().unwrap_or_default();
        match &setting.value {
            Value::Text(text) if !text.starts_with(['[', '{']) => text.clone(),
            value => format!("{} {value}", key.replace('_', " ")),
        }
    });
    let words = words.collect::<Vec<_>>().join(", ");
    match (part, words.as_str()) {
        ("", "") => "the only point".to_owned(),
        ("", words) => words.to_owned(),
        (part, "") => part.to_owned(),
        (part, words) => format!("{part}: {words}"),
    }
}

/// The name of the point's run: the study's, the part's, then the values that are short.
fn point_name(study: &str, part: &str, row: &[&Setting]) -> String {
    let values = row.iter().filter_map(|setting| {
        let key = setting.key.path.rsplit('.').next().unwrap_or_default();
        match &setting.value {
            Value::Text(text) if text.starts_with(['[', '{']) => None,
            Value::Text(text) => Some(text.clone()),
            value => Some(format!("{key}{value}")),
        }
    });
    let part = (!part.is_empty()).then(|| part.to_owned());
    let mut name = study.to_owned();
    for word in part.into_iter().chain(values) {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let word: String = word
            .chars()
            .map(|c| if legal(c) { c } else { '_' })
            .collect();
        if name.len() + 1 + word.len() > MAX_NAME {
            break;
        }
        name = format!("{name}_{word}");
    }
    name
}
