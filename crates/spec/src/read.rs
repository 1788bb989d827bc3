//! From a file, or a text, to an [`Experiment`].

use super::error::{Problem, SpecError};
use super::source::Sources;
use super::{Experiment, check, keys, overrides, raw::RawSpec};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

/// The largest spec that is read, bytes.
pub const MAX_BYTES: u64 = 1 << 20;

impl Experiment {
    /// Reads and checks the spec in a file. Each of `overrides` is the text of one `--set`, `section.key=value`, and wins over the file.
    ///
    /// # Errors
    /// The file is missing, no text or too large, or its text is refused by [`Self::from_str_named`].
    pub fn from_path(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let text = text_of(path)?;
        Self::from_str_named(&text, &path.display().to_string(), overrides)
    }

    /// Checks a spec's text; `file_name` is what errors call it.
    ///
    /// # Errors
    /// One [`SpecError`] for the first fault found: text that is not TOML, an unknown key, a wrong type, a value out of range,
    /// a combination that cannot be.
    pub fn from_str_named(
        text: &str,
        file_name: &str,
        overrides: &[String],
    ) -> Result<Self, SpecError> {
        let sources = Sources::new(file_name, text, overrides);
        experiment(&sources).map_err(|problem| sources.report(problem))
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

fn experiment(sources: &Sources) -> Result<Experiment, Problem> {
    let table = DeTable::parse(sources.file()).map_err(|error| not_toml(&error, 0))?;
    checked(table, sources)
}

/// The experiment of a parsed spec, once the overrides of `sources` are in it.
pub(super) fn checked<'i>(
    mut table: Spanned<DeTable<'i>>,
    sources: &'i Sources,
) -> Result<Experiment, Problem> {
    for part in sources.overrides() {
        overrides::apply(table.get_mut(), part)?;
    }
    keys::check(table.get_ref())?;
    let names = keys::Names::of(table.get_ref());
    let raw = RawSpec::deserialize(Deserializer::from(table))
        .map_err(|error| wrong_type(&error, &names))?;
    check::experiment(&raw)
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
