//! `[dataset]`: which images, and how many.

use super::encryption::Backend;
use super::field::{choice, chosen, flag, label, real, whole, whole_in};
use crate::error::Problem;
use crate::raw::{Field, RawDataset, Whole};
use crate::{
    DatasetName, DatasetSource, DatasetSpec, ImageCatalog, ImageFacts, ImageFiles, Shape,
    Standardize,
};
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// The most images that are drawn: the built-in set has no end of its own.
const MAX_DRAWN: usize = 1_000_000;
/// Fewer training images leave nothing for a validation split and a batch.
const MIN_TRAIN: usize = 20;
/// Fewest and most classes of images in files.
const CLASSES: [usize; 2] = [2, 1000];
const MAX_SIDE: usize = 4096;
const MAX_CHANNELS: usize = 64;

pub(super) fn check(
    raw: Option<&Spanned<RawDataset>>,
    catalog: &dyn ImageCatalog,
) -> Result<DatasetSpec, Problem> {
    let Some(section) = raw else {
        return Err(missing(0..0));
    };
    let raw = section.get_ref();
    let source = match (&raw.name, &raw.path) {
        (None, None) => return Err(missing(section.span())),
        (Some(name), Some(path)) => {
            return Err(Problem::new("`name` and `path` exclude each other")
                .at(path.span(), "names files")
                .at(name.span(), "names a data set that the program knows")
                .help("remove one of them"));
        }
        (Some(name), None) => {
            files_only(raw)?;
            DatasetSource::Name(chosen(name, "dataset.name")?)
        }
        (None, Some(path)) => files(raw, path, catalog)?,
    };
    let (train, test) = counts(raw, &source)?;
    Ok(DatasetSpec {
        train: Some(train),
        test: Some(test),
        standardize: choice(&raw.standardize, "dataset.standardize", Standardize::None)?,
        zca: zca(raw, source.shape())?,
        local_contrast: local_contrast(raw)?,
        soft_clamp: soft_clamp(raw)?,
        source,
    })
}

/// Refuses keys about files where there are none.
fn files_only(raw: &RawDataset) -> Result<(), Problem> {
    for (key, place) in [
        ("label", label(&raw.label)),
        ("shape", label(&raw.shape)),
        ("classes", label(&raw.classes)),
    ] {
        if let Some(place) = place {
            return Err(
                Problem::new(format!("`dataset.{key}` is about images in files"))
                    .at(place, "this has no effect")
                    .help("leave it out, or write `path` in place of `name`"),
            );
        }
    }
    Ok(())
}

/// Images in files, which are read here.
fn files(
    raw: &RawDataset,
    path: &Spanned<String>,
    catalog: &dyn ImageCatalog,
) -> Result<DatasetSource, Problem> {
    let files = ImageFiles {
        path: PathBuf::from(path.get_ref()),
        label: match &raw.label {
            Some(column) => column.get_ref().clone(),
            None => ImageFiles::LABEL.to_owned(),
        },
        shape: raw.shape.as_ref().map(shape).transpose()?,
        classes: raw.classes.as_ref().map(classes).transpose()?,
    };
    let facts = catalog.facts(&files).map_err(|error| {
        let text = error.to_string();
        let (message, help) = match text.split_once("\nhint: ") {
            Some((message, help)) => (message, help),
            None => (
                text.as_str(),
                "`cryptodl data show PATH` says what is read from it",
            ),
        };
        Problem::new(message)
            .at(path.span(), "these images are read")
            .help(help)
            .of_data()
    })?;
    Ok(DatasetSource::Files { files, facts })
}

fn shape(raw: &Spanned<Vec<Spanned<Whole>>>) -> Result<Shape, Problem> {
    let [channels, height, width] = raw.get_ref().as_slice() else {
        return Err(Problem::new("`dataset.shape` has three numbers")
            .at(raw.span(), format!("this has {}", raw.get_ref().len()))
            .help("write shape = [channels, height, width], for example [1, 28, 28]"));
    };
    let size = |value: &Spanned<Whole>, most| {
        let (span, whole) = (value.span(), value.get_ref());
        whole_in(span, whole, "dataset.shape", &"the files' own", 1..=most)
    };
    Ok(Shape {
        channels: size(channels, MAX_CHANNELS)?,
        height: size(height, MAX_SIDE)?,
        width: size(width, MAX_SIDE)?,
    })
}

fn classes(raw: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<String>, Problem> {
    let names = raw.get_ref();
    let [fewest, most] = CLASSES;
    if !(fewest..=most).contains(&names.len()) {
        return Err(
            Problem::new(format!("`dataset.classes` has {fewest} to {most} names"))
                .at(raw.span(), format!("this has {}", names.len()))
                .help("leave it out to take the classes of the files"),
        );
    }
    for (index, name) in names.iter().enumerate() {
        let known = names.iter().take(index);
        if let Some(same) = known
            .into_iter()
            .find(|same| same.get_ref() == name.get_ref())
        {
            return Err(Problem::new("two classes have the same name")
                .at(name.span(), "the second one")
                .at(same.span(), "the first one"));
        }
    }
    Ok(names.iter().map(|name| name.get_ref().clone()).collect())
}

/// Numbers of training and of test images.
fn counts(raw: &RawDataset, source: &DatasetSource) -> Result<(usize, usize), Problem> {
    let (train, test) = source.counts(None);
    match source {
        DatasetSource::Name(DatasetName::Digits) => Ok((
            whole(&raw.train, "dataset.train", train, MIN_TRAIN..=MAX_DRAWN)?,
            whole(&raw.test, "dataset.test", test, 1..=MAX_DRAWN)?,
        )),
        &DatasetSource::Files {
            facts:
                ImageFacts {
                    train: all,
                    test: None,
                    ..
                },
            ..
        } => {
            let most = all.saturating_sub(MIN_TRAIN);
            if most == 0 {
                return Err(too_few(raw, all));
            }
            let split = |problem: Problem| {
                problem.help(format!(
                    "there are {all} images and no test images of their own: what is not for testing is for training"
                ))
            };
            let test = whole(&raw.test, "dataset.test", test, 1..=most).map_err(split)?;
            let left = all - test;
            let train =
                whole(&raw.train, "dataset.train", left, MIN_TRAIN..=left).map_err(split)?;
            Ok((train, test))
        }
        DatasetSource::Files { .. } if train < MIN_TRAIN => Err(too_few(raw, train)),
        _ => Ok((
            count(&raw.train, "dataset.train", source, train, MIN_TRAIN)?,
            count(&raw.test, "dataset.test", source, test, 1)?,
        )),
    }
}

fn too_few(raw: &RawDataset, found: usize) -> Problem {
    Problem::new(format!("{found} images are too few to train on"))
        .at_some(label(&raw.path), "these images were read")
        .help(format!("at least {MIN_TRAIN} training images are needed"))
        .of_data()
}

fn count(
    field: &Field<Whole>,
    key: &str,
    source: &DatasetSource,
    all: usize,
    least: usize,
) -> Result<usize, Problem> {
    whole(field, key, all, least..=all).map_err(|problem| {
        problem.help(format!(
            "{} has {all} images here; leave `{key}` out to use all",
            source.name()
        ))
    })
}

/// `dataset.zca` is an odd number of pixels, and needs images of one scale.
fn zca(raw: &RawDataset, image: Shape) -> Result<Option<usize>, Problem> {
    if raw.zca.is_none() {
        return Ok(None);
    }
    let side = image.height.min(image.width);
    if side < 6 {
        return Err(Problem::new("these images are too small for `dataset.zca`")
            .at_some(label(&raw.zca), "the smallest patch has 3x3 pixels")
            .help("leave it out"));
    }
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

fn missing(span: Range<usize>) -> Problem {
    Problem::new("the spec names no data set")
        .at(span, "`name` is missing in [dataset]")
        .help("write [dataset] and name = \"mnist\" below it; or \"fashion-mnist\", \"cifar10\", \"digits\" (built in, needs no file); or path = \"FOLDER\" for images of your own")
}
