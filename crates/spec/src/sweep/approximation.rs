//! `kind = "approximation"`: functions x methods x degrees x intervals.

use super::reader::{self, At, Reader};
use crate::error::Problem;
use crate::keys::{list, suggest};
use polyapprox::{Function, Interval, MAX_DEGREE, Method};
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// A table of polynomials to be found and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApproximationSpec {
    /// What is approximated.
    pub functions: Vec<Function>,
    /// How.
    pub methods: Vec<Method>,
    /// With which degrees, ascending.
    pub degrees: Vec<usize>,
    /// Where. Charts show the first.
    pub intervals: Vec<Interval>,
    /// A measured histogram of pre-activations, as a file; needed by the method `data` and by the errors under it.
    #[serde(skip)]
    pub inputs: Option<PathBuf>,
    /// Which of the file's layers; the first where absent.
    pub layer: Option<String>,
}

const KEYS: [&str; 6] = [
    "functions",
    "methods",
    "degrees",
    "intervals",
    "inputs",
    "layer",
];
const EXAMPLE: &str = "[approximation] has functions = [\"relu\"], methods = [\"minimax\"], degrees = { from = 2, to = 9 } and \
                       intervals = [[-4.0, 4.0]]";

/// Reads `[approximation]`; `inputs` lies relative to `folder`.
pub(super) fn read(study: &Reader<'_, '_>, folder: &Path) -> Result<ApproximationSpec, Problem> {
    let Some(value) = study.get("approximation") else {
        return Err(Problem::new("the study has no [approximation]")
            .at(0..0, "this section is missing")
            .help(EXAMPLE));
    };
    let DeValue::Table(table) = value.get_ref() else {
        return Err(Problem::new("`approximation` is a section")
            .at(value.span(), "this is a value")
            .help(EXAMPLE));
    };
    let span = value.span();
    let reader = Reader::new(table, "[approximation]", &span, &KEYS)?;
    let needed = |key| reader.get(key).ok_or_else(|| reader.missing(key, EXAMPLE));
    let functions = names(
        needed("functions")?,
        "functions",
        &Function::ALL.map(|function| (function.as_str(), function)),
    )?;
    let methods_at = needed("methods")?;
    let methods = names(
        methods_at,
        "methods",
        &Method::ALL.map(|method| (method.as_str(), method)),
    )?;
    let degrees = degrees(needed("degrees")?)?;
    let intervals = items(needed("intervals")?, "intervals")?
        .iter()
        .map(interval)
        .collect::<Result<Vec<_>, _>>()?;
    let inputs = reader
        .text("inputs")?
        .map(|path| folder.join(path.into_inner()));
    let layer = reader.text("layer")?.map(toml::Spanned::into_inner);
    if inputs.is_none() && methods.contains(&Method::Data) {
        return Err(
            Problem::new("the method `data` needs a measured distribution")
                .at(methods_at.span(), "`data` is among these")
                .help("write inputs = \"data/preactivations_mnist.json\""),
        );
    }
    Ok(ApproximationSpec {
        functions,
        methods,
        degrees,
        intervals,
        inputs,
        layer,
    })
}

/// A list that is not empty.
fn items<'a, 'i>(value: At<'a, 'i>, key: &str) -> Result<&'a toml::de::DeArray<'i>, Problem> {
    let array = reader::array(value, key, EXAMPLE)?;
    if array.is_empty() {
        return Err(Problem::new(format!("`{key}` is empty"))
            .at(value.span(), "nothing to do")
            .help(EXAMPLE));
    }
    Ok(array)
}

fn names<T: Copy + PartialEq>(
    value: At<'_, '_>,
    key: &str,
    known: &[(&'static str, T)],
) -> Result<Vec<T>, Problem> {
    let mut found: Vec<T> = Vec::new();
    for item in items(value, key)?.iter() {
        let word = reader::text(item, key)?;
        let words = || known.iter().map(|(name, _)| *name);
        let Some((_, choice)) = known.iter().find(|(name, _)| name == word.get_ref()) else {
            let label = suggest(word.get_ref(), words()).map_or("not known".to_owned(), |meant| {
                format!("did you mean `{meant}`?")
            });
            return Err(
                Problem::new(format!("`{key}` cannot have {:?}", word.get_ref()))
                    .at(word.span(), label)
                    .help(format!("there is {}", list(words()))),
            );
        };
        if found.contains(choice) {
            return Err(Problem::new(format!("`{key}` has a name twice"))
                .at(word.span(), "the second time"));
        }
        found.push(*choice);
    }
    Ok(found)
}

/// A list, or a range with both ends.
fn degrees(value: At<'_, '_>) -> Result<Vec<usize>, Problem> {
    let range = 1..=MAX_DEGREE as i64;
    let mut degrees: Vec<usize> = match value.get_ref() {
        DeValue::Table(table) => {
            let span = value.span();
            let reader = Reader::new(table, "a range", &span, &["from", "to"])?;
            let end = |key| match reader.get(key) {
                Some(value) => reader::whole(value, key, range.clone()),
                None => Err(reader.missing(key, "write degrees = { from = 2, to = 9 }")),
            };
            (end("from")?..=end("to")?)
                .map(|degree| degree as usize)
                .collect()
        }
        _ => items(value, "degrees")?
            .iter()
            .map(|item| Ok(reader::whole(item, "degrees", range.clone())? as usize))
            .collect::<Result<_, Problem>>()?,
    };
    degrees.sort_unstable();
    degrees.dedup();
    if degrees.is_empty() {
        return Err(Problem::new("`degrees` is empty").at(value.span(), "nothing to do"));
    }
    Ok(degrees)
}

fn interval(value: At<'_, '_>) -> Result<Interval, Problem> {
    let ends = reader::array(value, "intervals", "[[-4.0, 4.0]]")?;
    let wrong = || {
        Problem::new("an interval is two numbers, the smaller one first")
            .at(value.span(), "this is not")
            .help("write intervals = [[-4.0, 4.0], [-8.0, 8.0]]")
    };
    if ends.len() != 2 {
        return Err(wrong());
    }
    let ends = ends
        .iter()
        .map(|end| reader::real(end, "intervals"))
        .collect::<Result<Vec<f64>, _>>()?;
    match ends[..] {
        [low, high] => Interval::new(low, high).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}
