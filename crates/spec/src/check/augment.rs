//! `[train.augment]`: random changes of the training images, with defaults for each data set.

use super::field::{choice, label, real, unknown, whole};
use crate::error::Problem;
use crate::raw::{Field, RawAugment, RawAugmentTable, RawFlip};
use crate::{AugmentSpec, Border, DatasetName, DatasetSource, Flip, Shape};
use toml::Spanned;

const NONE: AugmentSpec = AugmentSpec {
    rotation: 0.0,
    scale: 0.0,
    shift: 0.0,
    shear: 0.0,
    elastic: 0.0,
    crop: 0,
    border: Border::Black,
    flip: Flip::Off,
    cutout: 0,
};

/// What is known to help. Digits must not be mirrored; the built-in ones are drawn in random poses already. Nothing is known of images in
/// files.
const fn defaults(source: &DatasetSource) -> AugmentSpec {
    let DatasetSource::Name(name) = source else {
        return NONE;
    };
    match name {
        DatasetName::Mnist => AugmentSpec {
            rotation: 11.0,
            scale: 0.12,
            shift: 0.12,
            shear: 0.2,
            elastic: 1.0,
            ..NONE
        },
        DatasetName::Digits => AugmentSpec {
            rotation: 5.0,
            scale: 0.05,
            shift: 0.05,
            shear: 0.05,
            elastic: 0.5,
            ..NONE
        },
        DatasetName::FashionMnist => AugmentSpec {
            crop: 2,
            flip: Flip::Random,
            ..NONE
        },
        DatasetName::Cifar10 => AugmentSpec {
            crop: 4,
            flip: Flip::Random,
            cutout: 8,
            ..NONE
        },
    }
}

pub(super) fn check(
    raw: Option<&Spanned<RawAugment>>,
    source: &DatasetSource,
) -> Result<AugmentSpec, Problem> {
    match raw.map(Spanned::get_ref) {
        Some(RawAugment::Switch(true)) if matches!(source, DatasetSource::Files { .. }) => Err(
            Problem::new("nothing is known of which changes help images in files")
                .at_some(
                    raw.map(Spanned::span),
                    "this asks for the data set's own changes",
                )
                .help(
                    "write a [train.augment] table, for example with `crop = 2` and `flip = true`",
                ),
        ),
        None | Some(RawAugment::Switch(true)) => Ok(defaults(source)),
        Some(RawAugment::Switch(false)) => Ok(NONE),
        Some(RawAugment::Table(table)) => filled(table, source),
    }
}

/// A key that is left out keeps the data set's default.
fn filled(raw: &RawAugmentTable, source: &DatasetSource) -> Result<AugmentSpec, Problem> {
    let default = defaults(source);
    let Shape { height, width, .. } = source.shape();
    let side = height.min(width);
    let spec = AugmentSpec {
        rotation: real(
            &raw.rotation,
            "train.augment.rotation",
            default.rotation,
            0.0..=180.0,
        )?,
        scale: real(&raw.scale, "train.augment.scale", default.scale, 0.0..=0.9)?,
        shift: real(&raw.shift, "train.augment.shift", default.shift, 0.0..=0.5)?,
        shear: real(&raw.shear, "train.augment.shear", default.shear, 0.0..=1.0)?,
        elastic: real(
            &raw.elastic,
            "train.augment.elastic",
            default.elastic,
            0.0..=8.0,
        )?,
        crop: whole(&raw.crop, "train.augment.crop", default.crop, 0..=side / 2)?,
        border: choice(&raw.border, "train.augment.border", default.border)?,
        flip: flip(&raw.flip, default.flip)?,
        cutout: whole(
            &raw.cutout,
            "train.augment.cutout",
            default.cutout,
            0..=side,
        )?,
    };
    let resampled = [
        ("rotation", spec.rotation),
        ("scale", spec.scale),
        ("shift", spec.shift),
        ("shear", spec.shear),
        ("elastic", spec.elastic),
    ];
    match resampled.into_iter().find(|(_, size)| *size > 0.0) {
        Some((name, _)) if spec.border == Border::Reflect => Err(Problem::new(
            "only a crop can reflect the image at its border",
        )
        .at_some(label(&raw.border), "this is about crops")
        .help(format!(
            "write {name} = 0, or leave `border` out: a resampled image stands on a black ground"
        ))),
        _ => Ok(spec),
    }
}

fn flip(field: &Field<RawFlip>, default: Flip) -> Result<Flip, Problem> {
    let Some(value) = field else {
        return Ok(default);
    };
    match value.get_ref() {
        RawFlip::Switch(false) => Ok(Flip::Off),
        RawFlip::Switch(true) => Ok(Flip::Random),
        RawFlip::How(how) if how == Flip::ALTERNATING => Ok(Flip::Alternating),
        RawFlip::How(how) => Err(unknown(
            &Spanned::new(value.span(), how.clone()),
            "train.augment.flip",
            vec![Flip::ALTERNATING],
        )
        .help("there is true (drawn anew in every epoch), false (never), \"alternating\"")),
    }
}
