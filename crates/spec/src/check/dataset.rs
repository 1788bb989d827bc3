//! `[dataset]`: which images, and how many.

use super::field::{chosen, label, whole};
use crate::error::Problem;
use crate::raw::{Field, RawDataset, Whole};
use crate::{DatasetName, DatasetSpec};
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
    })
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
