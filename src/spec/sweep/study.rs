//! The study as a whole: file, kind, points.

use super::approximation::{self, ApproximationSpec};
use super::axes::{self, Axis, Part, Setting};
use super::expand::{MAX_POINTS, combinations, overlap};
use super::reader::{self, Reader};
use super::value::Value;
use crate::spec::error::{Problem, SpecError};
use crate::spec::overrides::{insert, shifted};
use crate::spec::read::{checked, not_toml, text_of};
use crate::spec::source::{FLAG, Sources};
use crate::spec::{ContentKey, Experiment};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A checked study file.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Letters, digits, `-` and `_`.
    pub name: String,
    /// For people: what is asked.
    pub title: String,
    /// What it consists of.
    pub kind: StudyKind,
}

/// What a study consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum StudyKind {
    /// Experiments.
    Runs(Sweep),
    /// Polynomials alone: no data, no training.
    Approximation(ApproximationSpec),
}

/// Many experiments.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The keys that vary or are set anywhere in the study: the first columns of its table.
    pub keys: Vec<String>,
    /// Different experiments, in the order of the file.
    pub points: Vec<Point>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Eight characters of `key`: the same in every study that has this experiment.
    pub id: String,
    /// Key of the experiment, whatever its name.
    pub key: ContentKey,
    /// What tells it apart, for people: `relu, degree 3, seed 7`.
    pub label: String,
    /// Names of the study's parts that have it; none where the study has no named parts.
    pub parts: Vec<String>,
    /// A value for each of the sweep's keys, where there is one.
    pub values: BTreeMap<String, Value>,
    /// The checked experiment; its name is made of the study's and the values.
    #[serde(skip)]
    pub experiment: Experiment,
}

const KEYS: [&str; 10] = [
    "name",
    "title",
    "kind",
    "base",
    "set",
    "axis",
    "exclude",
    "seeds",
    "part",
    "approximation",
];
const PART_KEYS: [&str; 5] = ["name", "set", "axis", "exclude", "seeds"];
const MAX_NAME: usize = 64;
/// What is left of the name of a run for the study's part of it.
const MAX_STUDY_NAME: usize = 32;

impl Study {
    /// Reads and checks a study and every one of its points. `overrides` are `--set` texts for all points; they win over the base.
    ///
    /// # Errors
    /// The first fault of the study, or of its first wrong point, underlined in the study, the base or the override.
    pub fn from_path(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let text = text_of(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_str_named(&text, &path.display().to_string(), folder, overrides)
    }

    /// Checks a study's text; what it names lies relative to `folder`, and errors call it `file_name`.
    ///
    /// # Errors
    /// As [`Self::from_path`].
    pub fn from_str_named(
        text: &str,
        file_name: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Self, SpecError> {
        let sources = Sources::new(file_name, text, overrides);
        let told = |problem| sources.report(problem);
        let root = DeTable::parse(text).map_err(|error| told(not_toml(&error, 0)))?;
        let whole = 0..0;
        let reader = Reader::new(root.get_ref(), "a study", &whole, &KEYS).map_err(told)?;
        let name = name(&reader).map_err(told)?;
        let title = reader
            .text("title")
            .map_err(told)?
            .map_or_else(|| name.clone(), Spanned::into_inner);
        let kind = match kind(&reader).map_err(told)? {
            Kind::Approximation => {
                if let Some(part) = sources.overrides().first() {
                    let span = part.base..part.base + part.text.len();
                    return Err(told(
                        Problem::new("a study of approximations has no spec to override")
                            .at(span, "this has no effect"),
                    ));
                }
                StudyKind::Approximation(approximation::read(&reader, folder).map_err(told)?)
            }
            Kind::Runs => {
                let parts = parts(&reader, text).map_err(told)?;
                let study = Runs {
                    name: &name,
                    text,
                    file_name,
                    overrides,
                };
                let base = base(&reader, folder).map_err(|fault| fault.told(&sources))?;
                StudyKind::Runs(study.expand(&parts, &base, &sources)?)
            }
        };
        Ok(Self { name, title, kind })
    }
}

enum Kind {
    Runs,
    Approximation,
}

fn kind(reader: &Reader<'_, '_>) -> Result<Kind, Problem> {
    let help = "kind = \"runs\" (the default) needs `base`; kind = \"approximation\" needs [approximation]";
    let (kind, alien) = match reader.text("kind")? {
        None => (Kind::Runs, &["approximation"][..]),
        Some(kind) => match kind.get_ref().as_str() {
            "runs" => (Kind::Runs, &["approximation"][..]),
            "approximation" => (
                Kind::Approximation,
                &["base", "set", "axis", "exclude", "seeds", "part"][..],
            ),
            other => {
                return Err(Problem::new(format!("`kind` cannot be {other:?}"))
                    .at(kind.span(), "not known")
                    .help(help));
            }
        },
    };
    match alien
        .iter()
        .find_map(|key| reader.get(key).map(|value| (key, value)))
    {
        Some((key, value)) => Err(Problem::new(format!(
            "`{key}` does not belong in a study of this kind"
        ))
        .at(value.span(), "here")
        .help(help)),
        None => Ok(kind),
    }
}

fn name(reader: &Reader<'_, '_>) -> Result<String, Problem> {
    let help = format!(
        "a name is letters, digits, `-` and `_`, at most {MAX_STUDY_NAME} of them: it names folders and files"
    );
    let Some(name) = reader.text("name")? else {
        return Err(Problem::new("the study has no name")
            .at(0..0, "the key `name` is missing")
            .help(help));
    };
    let text = name.get_ref();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || text.len() > MAX_STUDY_NAME || !text.chars().all(legal) {
        return Err(Problem::new("this name cannot be")
            .at(name.span(), "here")
            .help(help));
    }
    Ok(text.clone())
}

/// Where the points' common spec comes from.
enum Base {
    File { name: String, text: String },
    Inline(Range<usize>),
}

/// A fault in the study, or with the base's file.
enum Fault {
    Study(Problem),
    File(SpecError),
}

impl Fault {
    fn told(self, sources: &Sources) -> SpecError {
        match self {
            Self::Study(problem) => sources.report(problem),
            Self::File(error) => error,
        }
    }
}

fn base(reader: &Reader<'_, '_>, folder: &Path) -> Result<Base, Fault> {
    const HELP: &str = "write base = \"../configs/mnist_relu_deg2.toml\", or the spec itself under [base] and [base.dataset], ...";
    match reader.get("base") {
        None => Err(Fault::Study(
            Problem::new("the study has no base")
                .at(0..0, "the key `base` is missing")
                .help(HELP),
        )),
        Some(value) => match value.get_ref() {
            DeValue::Table(_) => Ok(Base::Inline(value.span())),
            _ => {
                let path = reader::text(value, "base").map_err(|problem| {
                    Fault::Study(Problem {
                        help: Some(HELP.to_owned()),
                        ..problem
                    })
                })?;
                let path = folder.join(path.get_ref());
                let text = text_of(&path).map_err(|error| match error {
                    SpecError::Read { source, .. } => Fault::Study(
                        Problem::new(format!("cannot read the base: {source}"))
                            .at(value.span(), format!("this is {}", path.display()))
                            .help("the path is relative to the study's folder"),
                    ),
                    other => Fault::File(other),
                })?;
                Ok(Base::File {
                    name: path.display().to_string(),
                    text,
                })
            }
        },
    }
}

fn parts(reader: &Reader<'_, '_>, source: &str) -> Result<Vec<Part>, Problem> {
    let common = match reader.get("set") {
        Some(value) => settings(value, source)?,
        None => Vec::new(),
    };
    let seeds = reader
        .get("seeds")
        .map(|value| axes::seeds(value, source))
        .transpose()?;
    let tables = reader.tables("part")?;
    if tables.is_empty() {
        return Ok(vec![part(reader, String::new(), common, seeds, source)?]);
    }
    for key in ["axis", "exclude"] {
        if let Some(value) = reader.get(key) {
            return Err(
                Problem::new("axes stand in the study or in its parts, not in both")
                    .at(value.span(), format!("`{key}` outside the parts"))
                    .help(format!("write [[part.{key}]] below its [[part]]")),
            );
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    for (table, span) in &tables {
        let reader = Reader::new(table, "[[part]]", span, &PART_KEYS)?;
        let name = reader
            .text("name")?
            .ok_or_else(|| reader.missing("name", "write name = \"degree\""))?;
        if parts.iter().any(|part| part.name == *name.get_ref()) {
            return Err(
                Problem::new("two parts have the same name").at(name.span(), "the second one")
            );
        }
        let mut set = common.clone();
        if let Some(value) = reader.get("set") {
            set.extend(settings(value, source)?);
        }
        let seeds = match reader.get("seeds") {
            Some(value) => Some(axes::seeds(value, source)?),
            None => seeds.clone(),
        };
        parts.push(part(&reader, name.into_inner(), set, seeds, source)?);
    }
    Ok(parts)
}

fn settings(value: &Spanned<DeValue<'_>>, source: &str) -> Result<Vec<Setting>, Problem> {
    match value.get_ref() {
        DeValue::Table(table) => axes::settings(table, &value.span(), source),
        _ => Err(Problem::new("`set` is a section")
            .at(value.span(), "this is a value")
            .help("write train.epochs = 3 under a [set] header")),
    }
}

fn part(
    reader: &Reader<'_, '_>,
    name: String,
    set: Vec<Setting>,
    seeds: Option<Axis>,
    source: &str,
) -> Result<Part, Problem> {
    let mut axes = reader
        .tables("axis")?
        .iter()
        .map(|(table, span)| axes::axis(table, span, source))
        .collect::<Result<Vec<_>, _>>()?;
    axes.extend(seeds);
    let exclusions = reader
        .tables("exclude")?
        .iter()
        .map(|(table, span)| axes::exclusion(table, span, source))
        .collect::<Result<_, _>>()?;
    Ok(Part {
        name,
        set,
        axes,
        exclusions,
    })
}

/// A sweep being expanded.
struct Runs<'a> {
    name: &'a str,
    text: &'a str,
    file_name: &'a str,
    overrides: &'a [String],
}

impl Runs<'_> {
    fn expand(
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
        Ok(Sweep { keys, points })
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
        let experiment = checked(table, sources).map_err(|problem| of_point(problem, &label))?;
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
