//! Tables of a study file, read with errors that underline.

use crate::error::Problem;
use crate::keys::{list, suggest};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value with its place.
pub(super) type At<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// One table, all of whose keys are known.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 'i> {
    table: &'a DeTable<'i>,
    /// What messages call it: `[[axis]]`, or the study.
    name: &'a str,
    span: &'a Range<usize>,
}

impl<'a, 'i> Reader<'a, 'i> {
    /// # Errors
    /// The first key that is not among `keys`.
    pub fn new(
        table: &'a DeTable<'i>,
        name: &'a str,
        span: &'a Range<usize>,
        keys: &[&str],
    ) -> Result<Self, Problem> {
        let unknown = table
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let label = suggest(key.get_ref(), keys.iter().copied())
                .map_or("not known".to_owned(), |meant| {
                    format!("did you mean `{meant}`?")
                });
            return Err(
                Problem::new(format!("{name} has no key `{}`", key.get_ref()))
                    .at(key.span(), label)
                    .help(format!("here belong {}", list(keys.iter().copied()))),
            );
        }
        Ok(Self { table, name, span })
    }

    pub fn get(&self, key: &str) -> Option<At<'a, 'i>> {
        self.table.get(key)
    }

    /// The problem that a key is not there.
    pub fn missing(&self, key: &str, help: &str) -> Problem {
        Problem::new(format!("{} has no `{key}`", self.name))
            .at(self.span.clone(), "this needs it")
            .help(help)
    }

    pub fn text(&self, key: &str) -> Result<Option<Spanned<String>>, Problem> {
        self.get(key).map(|value| text(value, key)).transpose()
    }

    pub fn array(&self, key: &str) -> Result<Option<&'a DeArray<'i>>, Problem> {
        self.get(key)
            .map(|value| array(value, key, "[1, 2, 3]"))
            .transpose()
    }

    /// The tables of `[[key]]`, each with its span.
    pub fn tables(&self, key: &str) -> Result<Vec<(&'a DeTable<'i>, Range<usize>)>, Problem> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = |span| {
            Problem::new(format!("`{key}` is a list of tables"))
                .at(span, "this is none")
                .help(format!("write each one under a [[{key}]] header"))
        };
        let array = value
            .get_ref()
            .as_array()
            .ok_or_else(|| wrong(value.span()))?;
        array
            .iter()
            .map(|value| match value.get_ref() {
                DeValue::Table(table) => Ok((table, value.span())),
                _ => Err(wrong(value.span())),
            })
            .collect()
    }
}

pub(super) fn text(value: At<'_, '_>, key: &str) -> Result<Spanned<String>, Problem> {
    match value.get_ref() {
        DeValue::String(text) => Ok(Spanned::new(value.span(), text.to_string())),
        other => Err(wrong_type(value.span(), key, other, "text in quotes")),
    }
}

pub(super) fn array<'a, 'i>(
    value: At<'a, 'i>,
    key: &str,
    example: &str,
) -> Result<&'a DeArray<'i>, Problem> {
    match value.get_ref() {
        DeValue::Array(array) => Ok(array),
        other => Err(wrong_type(
            value.span(),
            key,
            other,
            &format!("a list, like {example}"),
        )),
    }
}

/// A finite number.
pub(super) fn real(value: At<'_, '_>, key: &str) -> Result<f64, Problem> {
    let number: Option<f64> = match value.get_ref() {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|integer| integer as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        other => return Err(wrong_type(value.span(), key, other, "a number")),
    };
    number.filter(|number| number.is_finite()).ok_or_else(|| {
        Problem::new(format!("`{key}` must be a finite number"))
            .at(value.span(), "this is none")
            .help("write an ordinary number, like 0.5")
    })
}

/// A whole number in a range.
pub(super) fn whole(
    value: At<'_, '_>,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<i64, Problem> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return Err(wrong_type(
            value.span(),
            key,
            value.get_ref(),
            "a whole number",
        ));
    };
    i64::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            Problem::new(format!(
                "`{key}` must be {} to {}",
                range.start(),
                range.end()
            ))
            .at(value.span(), "this is not")
        })
}

fn wrong_type(span: Range<usize>, key: &str, found: &DeValue<'_>, expected: &str) -> Problem {
    Problem::new(format!("`{key}` has the wrong type"))
        .at(span, format!("this is of type {}", found.type_str()))
        .help(format!("write {expected}"))
}
