//! `[dataset]`: which images, and how many.

use super::encryption::Backend;
use super::field::{choice, chosen, flag, label, real, whole};
use crate::error::Problem;
use crate::raw::{Field, RawDataset, Whole};
use crate::{DatasetName, DatasetSpec, Standardize};
use std::ops::Range;
use toml::Spanned;

/// The most images that are drawn: the built-in set has no end of its own.
const MAX_DRAWN: usize = 1_000_000;
/// Fewer training images leave nothing for a validation split and a batch.
const MIN_TRAIN: usize = 20;

pub(super) fn check(raw: Option<&Spanned<RawDataset>>) -> Result<DatasetSpec, Problem> {
    let Some(section) = raw else {
        return Err(missing(0..0));
    };
    let raw = section.get_ref();
    let Some(name) = &raw.name else {
        return Err(missing(section.span()));
    };
    let name: DatasetName = chosen(name, "dataset.name")?;
    let (train, test) = name.counts();
    Ok(DatasetSpec {
        name,
        train: Some(count(&raw.train, "dataset.train", name, train, MIN_TRAIN)?),
        test: Some(count(&raw.test, "dataset.test", name, test, 1)?),
        standardize: choice(&raw.standardize, "dataset.standardize", Standardize::None)?,
        zca: zca(raw, name)?,
        local_contrast: local_contrast(raw)?,
        soft_clamp: soft_clamp(raw)?,
    })
}

/// `dataset.zca` is an odd number of pixels, and needs images of one scale.
fn zca(raw: &RawDataset, name: DatasetName) -> Result<Option<usize>, Problem> {
    if raw.zca.is_none() {
        return Ok(None);
    }
    let side = name.shape().height;
    let size = whole(&raw.zca, "dataset.zca", 5, 3..=side / 2)?;
    if size.is_multiple_of(2) {
        return Err(Problem::new("`dataset.zca` must be odd")
            .at_some(label(&raw.zca), "a patch of this size has no middle")
            .help(format!("write {} or {}", size - 1, size + 1)));
    }
    of_one_scale(raw, "zca", label(&raw.zca))?;
    Ok(Some(size))
}

fn local_contrast(raw: &RawDataset) -> Result<bool, Problem> {
    let asked = flag(&raw.local_contrast, false);
    if asked {
        of_one_scale(raw, "local_contrast", label(&raw.local_contrast))?;
    }
    Ok(asked)
}

/// Refuses a step that needs standardised images where they are not.
fn of_one_scale(raw: &RawDataset, key: &str, place: Option<Range<usize>>) -> Result<(), Problem> {
    let standardize = choice(&raw.standardize, "dataset.standardize", Standardize::None)?;
    if standardize.is_none() {
        return Err(
            Problem::new(format!("`dataset.{key}` needs standardised images"))
                .at_some(place, "this step is for images of one scale")
                .help("write standardize = \"per-image\" as well"),
        );
    }
    Ok(())
}

fn soft_clamp(raw: &RawDataset) -> Result<Option<f64>, Problem> {
    match raw.soft_clamp {
        None => Ok(None),
        Some(_) => real(&raw.soft_clamp, "dataset.soft_clamp", 3.0, 0.1..=100.0).map(Some),
    }
}

/// Look-ups read pixels of a few bits, which an image that was preprocessed no longer has.
pub(super) fn preprocessing(
    raw: Option<&Spanned<RawDataset>>,
    dataset: &DatasetSpec,
    backend: &Backend,
) -> Result<(), Problem> {
    if !dataset.is_preprocessed() || !backend.name.bootstraps() {
        return Ok(());
    }
    let keys = raw.map(Spanned::get_ref);
    let place = keys.and_then(|raw| {
        label(&raw.standardize)
            .or_else(|| label(&raw.zca))
            .or_else(|| label(&raw.local_contrast))
            .or_else(|| label(&raw.soft_clamp))
    });
    Err(
        Problem::new("look-ups read whole pixels, which cannot be preprocessed")
            .at_some(place, "this makes fractions of them")
            .at_some(
                backend.label.clone(),
                "this backend reads pixels of a few bits",
            )
            .help("leave `standardize`, `zca`, `local_contrast` and `soft_clamp` out, or choose backend = \"ckks\" in [encryption]"),
    )
}

fn missing(span: std::ops::Range<usize>) -> Problem {
    Problem::new("the spec names no data set")
        .at(span, "`name` is missing in [dataset]")
        .help("write [dataset] and name = \"mnist\" below it; or \"fashion-mnist\", \"cifar10\", \"digits\" (built in, needs no file)")
}

fn count(
    field: &Field<Whole>,
    key: &str,
    name: DatasetName,
    all: usize,
    least: usize,
) -> Result<usize, Problem> {
    let drawn = matches!(name, DatasetName::Digits);
    let most = if drawn { MAX_DRAWN } else { all };
    whole(field, key, all, least..=most).map_err(|problem| match label(field) {
        Some(_) if !drawn => problem.help(format!(
            "{} has {all} images here; leave `{key}` out to use all",
            name.as_str()
        )),
        _ => problem,
    })
}
