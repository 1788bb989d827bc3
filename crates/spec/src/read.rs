//! From a file, or a text, to an [`Experiment`].

use super::error::{Problem, SpecError};
use super::source::Sources;
use super::{Experiment, ImageCatalog, NoFiles, check, keys, overrides, raw::RawSpec};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// The largest spec that is read, bytes.
pub const MAX_BYTES: u64 = 1 << 20;

impl Experiment {
    /// Reads and checks the spec in a file. Each of `overrides` is the text of one `--set`, `section.key=value`, and wins over the file.
    /// Images that it names are read by `catalog`.
    ///
    /// # Errors
    /// The file is missing, no text or too large, or its text is refused by [`Self::from_str_named`].
    pub fn from_path(
        path: impl AsRef<Path>,
        overrides: &[String],
        catalog: &dyn ImageCatalog,
    ) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let text = text_of(path)?;
        let sources = Sources::new(&path.display().to_string(), &text, overrides);
        experiment(&sources, catalog)
    }

    /// Checks the text of a spec that names no files of one's own; `file_name` is what errors call it.
    ///
    /// # Errors
    /// Every fault that is found ([`SpecError::Several`] where there are more than one): text that is not TOML, an unknown key, a wrong type,
    /// a value out of range, a combination that cannot be.
    pub fn from_str_named(
        text: &str,
        file_name: &str,
        overrides: &[String],
    ) -> Result<Self, SpecError> {
        let sources = Sources::new(file_name, text, overrides);
        experiment(&sources, &NoFiles)
    }
}

/// The text of a spec's file.
///
/// # Errors
/// The file is missing, too large, or no UTF-8.
pub(super) fn text_of(path: &Path) -> Result<String, SpecError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| SpecError::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SpecError::TooLarge {
            path: path.to_owned(),
            limit: MAX_BYTES,
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(at);
        let line = 1 + before.filter(|&&byte| byte == b'\n').count();
        SpecError::NotUtf8 {
            path: path.to_owned(),
            at,
            line,
        }
    })
}

fn experiment(sources: &Sources, catalog: &dyn ImageCatalog) -> Result<Experiment, SpecError> {
    let parsed = DeTable::parse(sources.file()).map_err(|error| not_toml(&error, 0));
    let told = |problem: Problem| sources.report(problem);
    let table = parsed.and_then(|table| overridden(table, sources));
    let table = table.map_err(told)?;
    if let Some(problem) = a_study(table.get_ref()) {
        return Err(told(problem));
    }
    let mut found = Vec::new();
    let experiment = every_fault(table, catalog, &mut found);
    match (experiment, found.len()) {
        (Some(experiment), 0) => Ok(experiment),
        (_, 1) => Err(told(found.remove(0))),
        _ => Err(SpecError::Several(found.into_iter().map(told).collect())),
    }
}

/// The experiment of a parsed spec, once the overrides of `sources` are in it.
pub(super) fn checked<'i>(
    table: Spanned<DeTable<'i>>,
    sources: &'i Sources,
    catalog: &dyn ImageCatalog,
) -> Result<Experiment, Problem> {
    first_fault(overridden(table, sources)?, catalog)
}

fn overridden<'i>(
    mut table: Spanned<DeTable<'i>>,
    sources: &'i Sources,
) -> Result<Spanned<DeTable<'i>>, Problem> {
    for part in sources.overrides() {
        overrides::apply(table.get_mut(), part)?;
    }
    Ok(table)
}

/// What to say of a study that was given in place of an experiment.
fn a_study(root: &DeTable<'_>) -> Option<Problem> {
    const KEYS: [&str; 5] = ["base", "axis", "part", "seeds", "approximation"];
    let (key, _) = root
        .iter()
        .find(|(key, _)| KEYS.contains(&key.get_ref().as_ref()))?;
    (!root.contains_key("dataset")).then(|| {
        Problem::new("this is a study, not an experiment")
            .at(key.span(), "studies have this key")
            .help("`cryptodl sweep FILE` runs its experiments; with --dry-run it only says what they are")
    })
}

/// The most faults that are looked for in one spec.
const MOST_FAULTS: usize = 50;

/// Every fault of a text that is TOML.
pub(super) fn faults(text: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    match DeTable::parse(text) {
        Ok(table) => drop(every_fault(table, &NoFiles, &mut found)),
        Err(error) => found.push(not_toml(&error, 0)),
    }
    found
}

/// The experiment of a table, and every fault of it: after each, what is wrong is put right or left out, and the rest is checked again.
fn every_fault(
    table: Spanned<DeTable<'_>>,
    catalog: &dyn ImageCatalog,
    found: &mut Vec<Problem>,
) -> Option<Experiment> {
    let mut problem = match first_fault(table.clone(), catalog) {
        Ok(experiment) => return Some(experiment),
        Err(problem) => problem,
    };
    let mut problems = std::mem::take(&mut problem.more.others);
    problems.insert(0, problem);
    // A place that was put right already is said to be wrong only because of something else.
    let place = |problem: &Problem| {
        problem
            .labels
            .first()
            .map_or(0..0, |(span, _)| span.clone())
    };
    problems.retain(|problem| {
        place(problem) == (0..0) || found.iter().all(|known| place(known) != place(problem))
    });
    let instead: Vec<Option<String>> = problems
        .iter()
        .map(|known| known.more.instead.clone())
        .collect();
    let (mut table, mut repaired) = (table, false);
    for (problem, instead) in problems.iter().zip(&instead) {
        repaired |= repair(table.get_mut(), problem, instead.as_deref());
    }
    found.extend(problems);
    if !repaired || found.len() >= MOST_FAULTS {
        return None;
    }
    every_fault(table, catalog, found)
}

/// Puts a fault out of the way; whether that was possible. Without the images, nothing more can be said.
fn repair<'i>(root: &mut DeTable<'i>, problem: &Problem, instead: Option<&'i str>) -> bool {
    let Some((span, _)) = problem.labels.first().filter(|_| !problem.is_of_data()) else {
        return false;
    };
    let value = |text: &'i str| {
        let value = DeValue::parse(text).ok()?;
        Some(Spanned::new(span.clone(), value.into_inner()))
    };
    if *span != (0..0) {
        return rename(root, span, instead) || replace(root, span, instead.and_then(value));
    }
    // A key that is missing: `name = "unnamed"`.
    let Some((key, text)) = instead.and_then(|line| line.split_once(" = ")) else {
        return false;
    };
    match value(text) {
        Some(value) => {
            root.insert(Spanned::new(span.clone(), key.into()), value);
            true
        }
        None => false,
    }
}

/// Calls the key that is underlined by another name, or takes it out with its value.
fn rename<'i>(table: &mut DeTable<'i>, span: &Range<usize>, name: Option<&'i str>) -> bool {
    let found = table.keys().find(|key| key.span() == *span);
    if let Some(key) = found.map(|key| key.get_ref().to_string()) {
        let value = table.remove(key.as_str());
        if let (Some(value), Some(name)) = (value, name)
            && !table.contains_key(name)
        {
            table.insert(Spanned::new(span.clone(), name.into()), value);
        }
        return true;
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Table(inner) => rename(inner, span, name),
        DeValue::Array(items) => items.iter_mut().any(|item| match item.get_mut() {
            DeValue::Table(inner) => rename(inner, span, name),
            _ => false,
        }),
        _ => false,
    })
}

/// Replaces the value that is underlined, or takes it out with its key. Layers are taken out as a whole, because what follows them depends
/// on each.
fn replace<'i>(
    table: &mut DeTable<'i>,
    span: &Range<usize>,
    value: Option<Spanned<DeValue<'i>>>,
) -> bool {
    // A section's own span is its header: what is in it is looked for first, wherever it stands.
    let inside = table.iter_mut().any(|(_, inner)| match inner.get_mut() {
        DeValue::Table(inner) => replace(inner, span, value.clone()),
        _ => false,
    });
    if inside {
        return true;
    }
    let found = table.iter().find(|(_, value)| {
        let place = value.span();
        !value.get_ref().is_table() && place.start <= span.start && span.end <= place.end
    });
    let Some(key) = found.map(|(key, _)| key.get_ref().to_string()) else {
        return false;
    };
    match (table.get_mut(key.as_str()), value) {
        (Some(old), Some(value)) if key != "layers" => *old = value,
        _ => drop(table.remove(key.as_str())),
    }
    true
}

fn first_fault(
    table: Spanned<DeTable<'_>>,
    catalog: &dyn ImageCatalog,
) -> Result<Experiment, Problem> {
    keys::check(table.get_ref())?;
    let names = keys::Names::of(table.get_ref());
    let raw = RawSpec::deserialize(Deserializer::from(table))
        .map_err(|error| wrong_type(&error, &names))?;
    check::experiment(&raw, catalog)
}

/// A fault of the text itself. `shift` moves spans of a part of the long text to their place in it.
pub(super) fn not_toml(error: &toml::de::Error, shift: usize) -> Problem {
    let span = error
        .span()
        .map(|span| span.start + shift..span.end + shift);
    if error.message().starts_with("duplicate key") {
        return Problem::new("this is set twice")
            .at_some(span, "the second time")
            .help("each key and each [section] may stand once");
    }
    Problem::new("this is not TOML")
        .at_some(span, error.message())
        .help("TOML is `key = value` lines under `[section]` headers: https://toml.io")
}

/// A value of the wrong type, of which serde says `invalid type: string "abc", expected a whole number`; or a number too large for
/// every type.
fn wrong_type(error: &toml::de::Error, names: &keys::Names) -> Problem {
    let name = error
        .span()
        .and_then(|span| names.at(&span))
        .unwrap_or("a value");
    let said = error.message().strip_prefix("invalid type: ");
    let Some((found, expected)) = said.and_then(|said| said.split_once(", expected ")) else {
        return Problem::new(format!("{name} cannot be read"))
            .at_some(error.span(), error.message())
            .help("write a number of ordinary size");
    };
    let expected = match expected {
        "a string" => "text in quotes, like \"mnist\"",
        "a boolean" => "true or false",
        "a sequence" => "a list, like [-4.0, 4.0]",
        own => own,
    };
    // serde's `integer `3`` is a TOML reader's 3; text keeps its quotes, and its own backquotes.
    let kinds = ["integer ", "floating point ", "boolean "];
    let found = match kinds.iter().find_map(|kind| found.strip_prefix(kind)) {
        Some(value) => value.trim_matches('`').to_owned(),
        None => found
            .replacen("string ", "the text ", 1)
            .replacen("sequence", "a list", 1)
            .replacen("map", "a table", 1),
    };
    Problem::new(format!("{name} has the wrong type"))
        .at_some(error.span(), format!("this is {found}"))
        .help(format!("write {expected}"))
}
