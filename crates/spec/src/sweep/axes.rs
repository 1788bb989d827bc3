//! What varies: axes, zipped groups, ranges, fixed settings, exclusions and seeds, as the file has them.

use super::reader::{self, At, Reader};
use super::value::Value;
use crate::error::Problem;
use crate::overrides::is_key;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most values of one axis.
const MAX_VALUES: usize = 10_000;

/// A dotted key of the spec, and where the study names it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub path: String,
    pub span: Range<usize>,
}

/// A key set to a value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub key: Key,
    pub value: Value,
    /// TOML.
    pub text: String,
    pub span: Range<usize>,
    /// Whether `text` is what stands at `span`, so that places within it are known.
    pub verbatim: bool,
}

/// Keys that vary together, and the settings of each step.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub keys: Vec<Key>,
    pub steps: Vec<Vec<Setting>>,
}

/// Combinations to leave out: those that have one of the values at every key.
#[derive(Debug)]
pub(super) struct Exclusion {
    pub span: Range<usize>,
    pub conditions: Vec<(Key, Vec<Value>)>,
}

/// One product of axes.
#[derive(Debug)]
pub(super) struct Part {
    /// Empty where the study has only one.
    pub name: String,
    pub set: Vec<Setting>,
    pub axes: Vec<Axis>,
    pub exclusions: Vec<Exclusion>,
}

pub(super) const AXIS_KEYS: [&str; 6] = ["key", "keys", "values", "from", "to", "step"];
const AXIS_HELP: &str = "write key = \"activation.degree\" and values = [2, 3, 4] (or from = 2, to = 4); keys that vary together are \
                         keys = [\"a.b\", \"c.d\"] and values = [[1, 2], [3, 4]]";

/// One `[[axis]]`.
pub(super) fn axis(
    table: &DeTable<'_>,
    span: &Range<usize>,
    source: &str,
) -> Result<Axis, Problem> {
    let reader = Reader::new(table, "[[axis]]", span, &AXIS_KEYS)?;
    let range = ["from", "to", "step"]
        .into_iter()
        .find_map(|key| reader.get(key));
    if let (Some(values), Some(range)) = (reader.get("values"), range) {
        return Err(Problem::new("an axis has values or a range")
            .at(values.span(), "the values")
            .at(range.span(), "and part of a range")
            .help(AXIS_HELP));
    }
    let (keys, steps) = match (reader.get("key"), reader.get("keys")) {
        (Some(key), None) => {
            let key = spec_key(&reader::text(key, "key")?)?;
            let steps = match reader.array("values")? {
                Some(values) => values
                    .iter()
                    .map(|value| vec![setting(&key, value, source)])
                    .collect(),
                None => range_steps(&key, &reader)?,
            };
            (vec![key], steps)
        }
        (None, Some(value)) => {
            let keys = reader::array(value, "keys", "[\"a.b\", \"c.d\"]")?
                .iter()
                .map(|key| spec_key(&reader::text(key, "keys")?))
                .collect::<Result<Vec<Key>, _>>()?;
            if keys.len() < 2 {
                return Err(Problem::new("keys that vary together are at least two")
                    .at(value.span(), format!("{} here", keys.len()))
                    .help(AXIS_HELP));
            }
            let rows = reader
                .array("values")?
                .ok_or_else(|| reader.missing("values", AXIS_HELP))?;
            let steps = rows
                .iter()
                .map(|row| zipped(&keys, row, source))
                .collect::<Result<_, _>>()?;
            (keys, steps)
        }
        (Some(_), Some(keys)) => {
            return Err(Problem::new("an axis has `key` or `keys`")
                .at(keys.span(), "and not both")
                .help(AXIS_HELP));
        }
        (None, None) => return Err(reader.missing("key", AXIS_HELP)),
    };
    let axis = Axis { keys, steps };
    checked(axis, span)
}

/// At least one step, and none twice.
fn checked(axis: Axis, span: &Range<usize>) -> Result<Axis, Problem> {
    if axis.steps.is_empty() {
        return Err(Problem::new("an axis needs at least one value")
            .at(span.clone(), "this has none")
            .help(AXIS_HELP));
    }
    for (index, step) in axis.steps.iter().enumerate() {
        let earlier = axis.steps[..index].iter().find(|earlier| {
            earlier
                .iter()
                .zip(step)
                .all(|(a, b)| a.value.same(&b.value))
        });
        if let (Some(earlier), Some(again)) = (earlier.and_then(|step| step.first()), step.first())
        {
            return Err(Problem::new("a value stands twice on an axis")
                .at(again.span.clone(), "this one")
                .at(earlier.span.clone(), "is here already"));
        }
    }
    Ok(axis)
}

fn zipped(keys: &[Key], row: At<'_, '_>, source: &str) -> Result<Vec<Setting>, Problem> {
    let values = reader::array(row, "values", "[[1, 2], [3, 4]]")?;
    if values.len() != keys.len() {
        return Err(Problem::new("each step needs one value for each key")
            .at(
                row.span(),
                format!("{} values for {} keys", values.len(), keys.len()),
            )
            .help(AXIS_HELP));
    }
    Ok(keys
        .iter()
        .zip(values.iter())
        .map(|(key, value)| setting(key, value, source))
        .collect())
}

/// `from`, `to` and `step`, both ends included; whole numbers stay whole.
fn range_steps(key: &Key, reader: &Reader<'_, '_>) -> Result<Vec<Vec<Setting>>, Problem> {
    let needed = |name| {
        reader.get(name).ok_or_else(|| {
            let missing = if reader.get("from").is_none() && reader.get("to").is_none() {
                "values"
            } else {
                name
            };
            reader.missing(missing, AXIS_HELP)
        })
    };
    let (from, to) = (needed("from")?, needed("to")?);
    let step = reader.get("step");
    let (low, high) = (reader::real(from, "from")?, reader::real(to, "to")?);
    let width = step.map_or(Ok(1.0), |step| reader::real(step, "step"))?;
    let step_span = step.map_or_else(|| to.span(), Spanned::span);
    if width <= 0.0 {
        return Err(Problem::new("`step` must be above 0").at(step_span, "this is not"));
    }
    if high < low {
        return Err(Problem::new("a range runs upwards")
            .at(to.span(), format!("{high} is below"))
            .at(from.span(), format!("{low}")));
    }
    // A little above: 0.1 + 2 x 0.1 is not quite 0.3.
    let count = ((high - low) / width + 1e-9).floor();
    if count >= MAX_VALUES as f64 {
        return Err(
            Problem::new(format!("an axis has at most {MAX_VALUES} values"))
                .at(step_span, format!("this makes {count}")),
        );
    }
    let is_whole = |value: Option<At<'_, '_>>| {
        value.is_none_or(|value| matches!(value.get_ref(), DeValue::Integer(_)))
    };
    let whole = is_whole(Some(from)) && is_whole(Some(to)) && is_whole(step);
    Ok((0..=count as usize)
        .map(|index| {
            let number = low + index as f64 * width;
            // Twelve digits are the range's; what follows is rounding.
            let rounded = format!("{number:.12e}").parse().unwrap_or(number);
            let value = if whole {
                Value::Integer(number as i64)
            } else {
                Value::Real(rounded)
            };
            let text = if whole {
                value.to_string()
            } else {
                format!("{rounded:?}")
            };
            vec![Setting {
                key: key.clone(),
                value,
                text,
                span: if index == 0 { from.span() } else { to.span() },
                verbatim: false,
            }]
        })
        .collect())
}

/// `seeds = [1, 2, 3]` as an axis.
pub(super) fn seeds(value: At<'_, '_>, source: &str) -> Result<Axis, Problem> {
    let key = Key {
        path: "seed".to_owned(),
        span: value.span(),
    };
    let steps = reader::array(value, "seeds", "[1, 2, 3]")?
        .iter()
        .map(|value| vec![setting(&key, value, source)])
        .collect();
    let axis = Axis {
        keys: vec![key],
        steps,
    };
    checked(axis, &value.span())
}

/// The settings of a `[set]` table: nested tables and dotted keys are the same.
pub(super) fn settings(
    table: &DeTable<'_>,
    span: &Range<usize>,
    source: &str,
) -> Result<Vec<Setting>, Problem> {
    let mut found = Vec::new();
    flatten(table, "", &mut found, source)?;
    if found.is_empty() {
        return Err(Problem::new("[set] is empty").at(span.clone(), "nothing stands below this"));
    }
    Ok(found)
}

/// One `[[exclude]]`.
pub(super) fn exclusion(
    table: &DeTable<'_>,
    span: &Range<usize>,
    source: &str,
) -> Result<Exclusion, Problem> {
    let mut found = Vec::new();
    flatten(table, "", &mut found, source)?;
    if found.is_empty() {
        return Err(
            Problem::new("[[exclude]] is empty and would leave nothing out")
                .at(span.clone(), "nothing stands below this")
                .help("write the values to leave out, activation.degree = [7, 8]"),
        );
    }
    let conditions = found
        .into_iter()
        .map(|setting| {
            let parsed = DeValue::parse(&setting.text).ok();
            let mut values = vec![setting.value];
            if let Some(array) = parsed.as_ref().and_then(|value| value.get_ref().as_array()) {
                values.extend(array.iter().map(|value| {
                    Value::of(
                        value.get_ref(),
                        setting.text.get(value.span()).unwrap_or_default(),
                    )
                }));
            }
            (setting.key, values)
        })
        .collect();
    Ok(Exclusion {
        span: span.clone(),
        conditions,
    })
}

fn flatten(
    table: &DeTable<'_>,
    prefix: &str,
    found: &mut Vec<Setting>,
    source: &str,
) -> Result<(), Problem> {
    for (name, value) in table {
        // "activation.degree" = 3 and activation.degree = 3 alike.
        let path = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &format!("{path}."), found, source)?,
            _ => {
                let key = spec_key(&Spanned::new(name.span(), path))?;
                found.push(setting(&key, value, source));
            }
        }
    }
    found.sort_by_key(|setting| setting.span.start);
    Ok(())
}

fn setting(key: &Key, value: At<'_, '_>, source: &str) -> Setting {
    let span = value.span();
    let text = source.get(span.clone()).unwrap_or_default();
    Setting {
        key: key.clone(),
        value: Value::of(value.get_ref(), text),
        text: text.to_owned(),
        span,
        verbatim: true,
    }
}

fn spec_key(path: &Spanned<String>) -> Result<Key, Problem> {
    let text = path.get_ref();
    if !text.split('.').all(is_key) {
        return Err(Problem::new(format!("{text:?} is no key of a spec"))
            .at(path.span(), "here")
            .help("a key is section.key, like \"activation.degree\""));
    }
    if text == "name" {
        return Err(Problem::new("a sweep names its points itself")
            .at(path.span(), "`name` cannot be set here"));
    }
    Ok(Key {
        path: text.clone(),
        span: path.span(),
    })
}
