//! The study as a whole: file, kind, points.

use super::approximation::{self, ApproximationSpec};
use super::axes::{self, Axis, Part, Setting};
use super::charts::{self, StudyPage};
use super::points::Runs;
use super::reader::{self, Reader};
use super::value::Value;
use crate::error::{Problem, SpecError};
use crate::read::{not_toml, text_of};
use crate::schema::STUDY;
use crate::source::Sources;
use crate::{ContentKey, Experiment, ImageCatalog, NoFiles};
use serde::Serialize;
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
    /// What the report says and shows of them.
    pub page: StudyPage,
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

const PART_KEYS: [&str; 5] = ["name", "set", "axis", "exclude", "seeds"];
/// What is left of the name of a run for the study's part of it.
const MAX_STUDY_NAME: usize = 32;

impl Study {
    /// Reads and checks a study and every one of its points. `overrides` are `--set` texts for all points; they win over the base.
    ///
    /// # Errors
    /// The first fault of the study, or of its first wrong point, underlined in the study, the base or the override.
    pub fn from_path(
        path: impl AsRef<Path>,
        overrides: &[String],
        catalog: &dyn ImageCatalog,
    ) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let text = text_of(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        Self::of_text(&text, &name, folder, overrides, catalog)
    }

    /// Checks the text of a study that names no images in files; what it names lies relative to `folder`, and errors call it `file_name`.
    ///
    /// # Errors
    /// As [`Self::from_path`].
    pub fn from_str_named(
        text: &str,
        file_name: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Self, SpecError> {
        Self::of_text(text, file_name, folder, overrides, &NoFiles)
    }

    fn of_text(
        text: &str,
        file_name: &str,
        folder: &Path,
        overrides: &[String],
        catalog: &dyn ImageCatalog,
    ) -> Result<Self, SpecError> {
        let sources = Sources::new(file_name, text, overrides);
        let told = |problem| sources.report(problem);
        let root = DeTable::parse(text).map_err(|error| told(not_toml(&error, 0)))?;
        let whole = 0..0;
        let reader = Reader::new(
            root.get_ref(),
            "a study",
            &whole,
            &STUDY.map(|(key, ..)| key),
        )
        .map_err(told)?;
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
                    catalog,
                };
                let base = base(&reader, folder).map_err(|fault| fault.told(&sources))?;
                let sweep = study.expand(&parts, &base, &sources)?;
                let page = charts::read(&reader, &parts, &sweep.keys).map_err(told)?;
                StudyKind::Runs(Sweep { page, ..sweep })
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
                &[
                    "base", "set", "axis", "exclude", "seeds", "part", "chart", "answers",
                ][..],
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
pub(super) enum Base {
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
