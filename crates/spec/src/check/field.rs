//! The checks that single values share: ranges, finite numbers, names out of a list.

use crate::error::{Allowed, Problem};
use crate::keys::{list, suggest};
use crate::raw::{Field, OrAuto, Real, Whole};
use crate::{
    ActivationForm, BackendName, Border, DatasetName, MapPrecision, Optimizer, Relinearization,
    Schedule, Standardize,
};
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
    match field {
        None => Ok(default),
        Some(value) => whole_in(value.span(), value.get_ref(), name, &default, range),
    }
}

/// A whole number in a range; `None` for "auto", the default.
pub(super) fn whole_or_auto<T>(
    field: &Field<OrAuto<Whole>>,
    name: &str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Problem>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    number_or_auto(field, name, range, |span, value, range| {
        whole_in(span, value, name, &AUTO, range)
    })
}

/// A finite number in a range.
pub(super) fn real(
    field: &Field<Real>,
    name: &str,
    default: f64,
    range: RangeInclusive<f64>,
) -> Result<f64, Problem> {
    match field {
        None => Ok(default),
        Some(value) => real_in(value.span(), *value.get_ref(), name, &default, range),
    }
}

/// A finite number in a range; `None` for "auto", the default.
pub(super) fn real_or_auto(
    field: &Field<OrAuto<Real>>,
    name: &str,
    range: RangeInclusive<f64>,
) -> Result<Option<f64>, Problem> {
    number_or_auto(field, name, range, |span, value, range| {
        real_in(span, *value, name, &AUTO, range)
    })
}

/// The word in place of a value that the planner chooses.
const AUTO: &str = "auto";

fn number_or_auto<N, T: Display>(
    field: &Field<OrAuto<N>>,
    name: &str,
    range: RangeInclusive<T>,
    check: impl FnOnce(Range<usize>, &N, RangeInclusive<T>) -> Result<T, Problem>,
) -> Result<Option<T>, Problem> {
    let Some(value) = field else {
        return Ok(None);
    };
    match value.get_ref() {
        OrAuto::Number(number) => check(value.span(), number, range).map(Some),
        OrAuto::Word(word) if word == AUTO => Ok(None),
        OrAuto::Word(word) => {
            let label = match suggest(word, [AUTO].into_iter()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "not known".to_owned(),
            };
            Err(Problem::new(format!("`{name}` cannot be {word:?}"))
                .at(value.span(), label)
                .help(format!(
                    "write \"{AUTO}\", or a number from {} to {}",
                    range.start(),
                    range.end()
                )))
        }
    }
}

/// A whole number in a range, and what it is unless it is given.
pub(super) fn whole_in<T>(
    span: Range<usize>,
    &Whole(number): &Whole,
    name: &str,
    default: &dyn Display,
    range: RangeInclusive<T>,
) -> Result<T, Problem>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    match T::try_from(number) {
        Ok(narrow) if range.contains(&narrow) => Ok(narrow),
        narrow => {
            let small = number < 0 || narrow.is_ok_and(|narrow| narrow < *range.start());
            let ends = (range.start(), range.end());
            let nearest = if small { ends.0 } else { ends.1 };
            let nearest = nearest.to_string();
            Err(out_of_range(span, &number, name, default, ends, small).instead(nearest))
        }
    }
}

fn real_in(
    span: Range<usize>,
    value: Real,
    name: &str,
    default: &dyn Display,
    range: RangeInclusive<f64>,
) -> Result<f64, Problem> {
    let number = finite(&Spanned::new(span.clone(), value), name)?;
    if range.contains(&number) {
        // -0.0 is in a range that starts at 0, but is written differently.
        return Ok(number + 0.0);
    }
    let ends = (range.start(), range.end());
    let small = number < *range.start();
    let nearest = format!("{:?}", number.clamp(*range.start(), *range.end()));
    Err(out_of_range(span, &number, name, default, ends, small).instead(nearest))
}

fn out_of_range<T: Display>(
    span: Range<usize>,
    number: &dyn Display,
    name: &str,
    default: &dyn Display,
    (low, high): (&T, &T),
    small: bool,
) -> Problem {
    let side = if small { "small" } else { "large" };
    let range = [low.to_string(), high.to_string(), default.to_string()];
    Problem::new(format!("`{name}` must be {low} to {high}"))
        .at(span, format!("{number} is too {side}"))
        .help(format!("the default is {default}"))
        .allowed(Allowed::Range(range))
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
choices!(
    Function,
    Method,
    DatasetName,
    BackendName,
    Optimizer,
    Relinearization,
    Standardize,
    ActivationForm,
    Schedule,
    MapPrecision,
    Border
);

impl Choice for ckks::Ring {
    const CHOICES: &'static [Self] = &[Self::Standard, Self::ConjugateInvariant];
    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// The value with this name; `None` for "auto", the default.
pub(super) fn choice_or_auto<T: Choice>(
    field: &Field<String>,
    name: &str,
) -> Result<Option<T>, Problem> {
    let Some(value) = field else {
        return Ok(None);
    };
    if value.get_ref() == AUTO {
        return Ok(None);
    }
    let names = T::CHOICES.iter().map(|choice| (choice.name(), *choice));
    match names.clone().find(|(name, _)| name == value.get_ref()) {
        Some((_, choice)) => Ok(Some(choice)),
        None => {
            let names = std::iter::once(AUTO).chain(names.map(|(name, _)| name));
            Err(unknown(value, name, names.collect()))
        }
    }
}

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
    let meant = suggest(value.get_ref(), names.iter().copied());
    let label = meant.map_or("not known".to_owned(), |meant| {
        format!("did you mean `{meant}`?")
    });
    let message = format!("`{name}` cannot be {:?}", value.get_ref());
    let problem = Problem::new(message)
        .at(value.span(), label)
        .help(format!("there is {}", list(names.iter().copied())))
        .allowed(Allowed::Names(
            names.iter().map(ToString::to_string).collect(),
        ));
    match meant.or(names.first().copied()) {
        Some(name) => problem.instead(format!("\"{name}\"")),
        None => problem,
    }
}
