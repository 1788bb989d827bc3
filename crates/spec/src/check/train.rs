//! `[train]`: the optimiser, the schedule and what is held out.

use super::augment;
use super::field::{choice, flag, label, real, whole};
use crate::error::Problem;
use crate::raw::RawTrain;
use crate::{
    ActivationSpec, DatasetSpec, EncryptionSpec, LayerSpec, NetworkSpec, Optimizer, QuantizeSpec,
    TrainSpec,
};
use polyapprox::Function;

const MAX_EPOCHS: usize = 10_000;
const MAX_BATCH: usize = 65_536;
const MAX_THREADS: usize = 1024;
/// Default number of images held out.
const HELD_OUT: usize = 5000;
/// Default number of images that batch norm is measured on.
const RECALIBRATED: usize = 10_000;

pub(super) fn check(raw: &RawTrain, dataset: &DatasetSpec) -> Result<TrainSpec, Problem> {
    let images = dataset.train.unwrap_or_else(|| dataset.name.counts().0);
    let held_out = HELD_OUT.min(images / 10);
    let validation = whole(
        &raw.validation,
        "train.validation",
        held_out,
        0..=images - 1,
    )
    .map_err(|problem| {
        problem.help(format!(
            "of {images} training images some must be left to train on; the default is {held_out}"
        ))
    })?;
    let left = images - validation;
    let batch = whole(&raw.batch, "train.batch", left.min(128), 1..=MAX_BATCH)?;
    if batch > left {
        return Err(Problem::new("a batch needs more images than there are")
            .at_some(label(&raw.batch), format!("{batch} images a batch"))
            .at_some(
                label(&raw.validation),
                format!("{validation} images held out"),
            )
            .help(format!(
                "{images} training images less {validation} for validation leave {left}"
            )));
    }
    Ok(TrainSpec {
        epochs: whole(&raw.epochs, "train.epochs", 8, 1..=MAX_EPOCHS)?,
        batch,
        optimizer: choice(&raw.optimizer, "train.optimizer", Optimizer::Adamw)?,
        learning_rate: real(&raw.learning_rate, "train.learning_rate", 3e-3, 1e-9..=10.0)?,
        weight_decay: real(&raw.weight_decay, "train.weight_decay", 0.01, 0.0..=1.0)?,
        momentum: real(&raw.momentum, "train.momentum", 0.9, 0.0..=0.9999)?,
        warmup: real(&raw.warmup, "train.warmup", 0.1, 0.0..=0.9)?,
        label_smoothing: real(&raw.label_smoothing, "train.label_smoothing", 0.05, 0.0..=0.9)?,
        ema: real(&raw.ema, "train.ema", 0.998, 0.0..=0.999_999)?,
        clip_norm: real(&raw.clip_norm, "train.clip_norm", 2.0, 0.0..=1e6)?,
        range_penalty: real(&raw.range_penalty, "train.range_penalty", 1.0, 0.0..=1e3)?,
        validation,
        recalibrate: whole(&raw.recalibrate, "train.recalibrate", RECALIBRATED.min(left), 0..=left).map_err(|problem| {
            problem.help(format!("{left} training images are left beside the validation split; 0 keeps the running statistics"))
        })?,
        baseline: flag(&raw.baseline, false),
        threads: whole(&raw.threads, "train.threads", 0, 0..=MAX_THREADS)?,
        augment: augment::check(raw.augment.as_ref(), dataset.name)?,
        quantize: None,
    })
}

/// `train.quantize`: which bits training has to know is for [encryption] to say.
pub(super) fn quantize(
    raw: &RawTrain,
    activation: &ActivationSpec,
    network: &NetworkSpec,
    encryption: &EncryptionSpec,
) -> Result<Option<QuantizeSpec>, Problem> {
    if !flag(&raw.quantize, false) {
        return Ok(None);
    }
    let place = label(&raw.quantize);
    let (Some(message_bits), Some(pixel_bits)) = (encryption.message_bits, encryption.pixel_bits)
    else {
        return Err(Problem::new("training on integers has to know their bits")
            .at_some(place, "this needs `message_bits` and `pixel_bits`")
            .help("write both in [encryption], with backend = \"tfhe\": message_bits = 5 and pixel_bits = 1, say"));
    };
    let bare = network.layers.windows(2).any(|pair| {
        matches!(pair[1], LayerSpec::Activation) && !matches!(pair[0], LayerSpec::BatchNorm)
    });
    if bare {
        return Err(
            Problem::new("training on integers needs batch norm before every activation")
                .at_some(place, "the steps of the weights follow from its statistics")
                .help("leave `network.batch_norm` out, or write the batch norms among the layers"),
        );
    }
    // An exact ReLU after one layer needs no padding bit: see `circuit::lookup`.
    let whole_torus =
        activation.exact && activation.function == Function::Relu && network.activations() == 1;
    Ok(Some(QuantizeSpec {
        pixel_bits,
        sum_bits: message_bits + u32::from(whole_torus),
        whole_torus,
    }))
}
