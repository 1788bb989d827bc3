//! `--set section.key=value`: an override goes into the parsed table, and so through every check of the file.

use super::error::Problem;
use super::read::not_toml;
use super::source::{FLAG, Part};
use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Puts one override into the table. The value is TOML (`3`, `[-2, 2]`, `"relu"`); what is no TOML value is taken as text, so
/// that a shell needs no quotes (`activation.function=relu`).
///
/// # Errors
/// No `=`, no key, an unfinished value, or a key below something that is no section.
pub(super) fn apply<'i>(root: &mut DeTable<'i>, part: &'i Part) -> Result<(), Problem> {
    let start = part.base + FLAG.len();
    let setting = part.text.get(FLAG.len()..).unwrap_or_default();
    let whole = start..start + setting.len();
    let Some((path, text)) = setting.split_once('=') else {
        return Err(form("an override needs a value", whole));
    };
    let value = parse(text, start + path.len() + 1)?;
    let keys = split(path, start);
    if let Some((span, key)) = keys.iter().find(|(_, key)| !is_key(key)) {
        let what = if key.is_empty() {
            "a part of the key is empty".to_owned()
        } else {
            format!("`{key}` is no key")
        };
        return Err(form(&what, span.start..span.end.max(span.start + 1)));
    }
    insert(root, &keys, value)
}

fn form(what: &str, span: Range<usize>) -> Problem {
    Problem::new(what)
        .at(span, "here")
        .help("an override is section.key=value, for example --set train.epochs=12")
}

pub(super) fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The parts between the dots, each with its span.
pub(super) fn split(path: &str, start: usize) -> Vec<(Range<usize>, &str)> {
    let mut at = start;
    path.split('.')
        .map(|part| {
            let key = part.trim();
            let from = at + part.len() - part.trim_start().len();
            at += part.len() + 1;
            (from..from + key.len(), key)
        })
        .collect()
}

fn parse(text: &str, start: usize) -> Result<Spanned<DeValue<'_>>, Problem> {
    let value = text.trim();
    let start = start + text.len() - text.trim_start().len();
    match DeValue::parse(value) {
        Ok(value) => Ok(shifted(value, start)),
        Err(_) if value.is_empty() => Err(form("an override needs a value", start..start)),
        // Clearly meant as TOML.
        Err(error) if value.starts_with(['[', '{', '"', '\'']) => Err(not_toml(&error, start)),
        Err(_) => Ok(Spanned::new(
            start..start + value.len(),
            DeValue::String(Cow::Borrowed(value)),
        )),
    }
}

/// Puts a value under the path `keys`, and makes the sections on the way.
pub(super) fn insert<'i>(
    table: &mut DeTable<'i>,
    keys: &[(Range<usize>, &'i str)],
    value: Spanned<DeValue<'i>>,
) -> Result<(), Problem> {
    let Some(((span, key), rest)) = keys.split_first() else {
        return Ok(());
    };
    let spanned_key = Spanned::new(span.clone(), Cow::Borrowed(*key));
    if rest.is_empty() {
        // The old key would keep its old span.
        table.remove(*key);
        table.insert(spanned_key, value);
        return Ok(());
    }
    if !table.contains_key(*key) {
        table.insert(
            spanned_key,
            Spanned::new(span.clone(), DeValue::Table(DeTable::new())),
        );
    }
    match table.get_mut(*key).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => insert(inner, rest, value),
        other => {
            let found = other.map_or("nothing", |value| value.type_str());
            let help = if *key == "layers" {
                "layers are set as a whole: --set 'network.layers=[...]'"
            } else {
                "set it as a whole"
            };
            Err(Problem::new(format!("`{key}` has no keys of its own"))
                .at(
                    span.clone(),
                    format!("the spec has a value of type {found} here"),
                )
                .help(help))
        }
    }
}

/// The value with every span moved by `start`.
pub(super) fn shifted(value: Spanned<DeValue<'_>>, start: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let moved = match value.into_inner() {
        DeValue::Array(array) => DeValue::Array(
            array
                .into_iter()
                .map(|value| shifted(value, start))
                .collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let span = key.span();
                    (
                        Spanned::new(span.start + start..span.end + start, key.into_inner()),
                        shifted(value, start),
                    )
                })
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(span.start + start..span.end + start, moved)
}
