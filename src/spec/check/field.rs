//! The checks that single values share: ranges, finite numbers, names out of a list.

use crate::spec::error::Problem;
use crate::spec::keys::{list, suggest};
use crate::spec::raw::{Field, Real, Whole};
use crate::spec::{BackendName, DatasetName, Optimizer};
use polyapprox::{Function, Method};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;

/// Where a value stands, if the spec has it.
pub(super) fn label<T>(field: &Field<T>) -> Option<Range<usize>> {
    field.as_ref().map(Spanned::span)
}

/// A section; `empty` where the spec has none.
pub(super) fn section<'a, T>(field: &'a Field<T>, empty: &'a T) -> &'a T {
    field.as_ref().map_or(empty, Spanned::get_ref)
}

/// A switch.
pub(super) fn flag(field: &Field<bool>, default: bool) -> bool {
    field.as_ref().map_or(default, |value| *value.get_ref())
}

/// A whole number in a range.
pub(super) fn whole<T>(
    field: &Field<Whole>,
    name: &str,
    default: T,
    range: RangeInclusive<T>,
) -> Result<T, Problem>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    let Some(value) = field else {
        return Ok(default);
    };
    let Whole(number) = *value.get_ref();
    match T::try_from(number) {
        Ok(narrow) if range.contains(&narrow) => Ok(narrow),
        _ => {
            let side =
                if number < 0 || T::try_from(number).is_ok_and(|narrow| narrow < *range.start()) {
                    "small"
                } else {
                    "large"
                };
            let message = format!("`{name}` must be {} to {}", range.start(), range.end());
            Err(Problem::new(message)
                .at(value.span(), format!("{number} is too {side}"))
                .help(format!("the default is {default}")))
        }
    }
}

/// A finite number in a range.
pub(super) fn real(
    field: &Field<Real>,
    name: &str,
    default: f64,
    range: RangeInclusive<f64>,
) -> Result<f64, Problem> {
    let Some(value) = field else {
        return Ok(default);
    };
    let number = finite(value, name)?;
    if range.contains(&number) {
        // -0.0 is in a range that starts at 0, but is written differently.
        return Ok(number + 0.0);
    }
    let side = if number < *range.start() {
        "small"
    } else {
        "large"
    };
    let message = format!("`{name}` must be {} to {}", range.start(), range.end());
    Err(Problem::new(message)
        .at(value.span(), format!("{number} is too {side}"))
        .help(format!("the default is {default}")))
}

/// A number that is neither NaN nor infinite.
pub(super) fn finite(value: &Spanned<Real>, name: &str) -> Result<f64, Problem> {
    let Real(number) = *value.get_ref();
    if number.is_finite() {
        return Ok(number);
    }
    let what = if number.is_nan() {
        "not a number"
    } else {
        "infinite"
    };
    Err(Problem::new(format!("`{name}` must be a finite number"))
        .at(value.span(), format!("this is {what}"))
        .help("write an ordinary number, like 0.5"))
}

/// One of a fixed list of names.
pub(super) trait Choice: Copy + 'static {
    const CHOICES: &'static [Self];
    fn name(self) -> &'static str;
}

macro_rules! choices {
    ($($kind:ty),*) => {
        $(impl Choice for $kind {
            const CHOICES: &'static [Self] = &Self::ALL;
            fn name(self) -> &'static str {
                self.as_str()
            }
        })*
    };
}
choices!(Function, Method, DatasetName, BackendName, Optimizer);

/// The value with this name.
pub(super) fn choice<T: Choice>(
    field: &Field<String>,
    name: &str,
    default: T,
) -> Result<T, Problem> {
    match field {
        Some(value) => chosen(value, name),
        None => Ok(default),
    }
}

/// The value with this name.
pub(super) fn chosen<T: Choice>(value: &Spanned<String>, name: &str) -> Result<T, Problem> {
    let names = || T::CHOICES.iter().map(|choice| choice.name());
    T::CHOICES
        .iter()
        .copied()
        .find(|choice| choice.name() == value.get_ref())
        .ok_or_else(|| unknown(value, name, names().collect()))
}

/// A name that is not in the list.
pub(super) fn unknown(value: &Spanned<String>, name: &str, names: Vec<&str>) -> Problem {
    let label = suggest(value.get_ref(), names.iter().copied())
        .map_or("not known".to_owned(), |meant| {
            format!("did you mean `{meant}`?")
        });
    let message = format!("`{name}` cannot be {:?}", value.get_ref());
    Problem::new(message)
        .at(value.span(), label)
        .help(format!("there is {}", list(names.into_iter())))
}
