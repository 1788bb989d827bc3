//! `[train]`: the optimiser, the schedule and what is held out.

use super::augment;
use super::field::{choice, flag, label, real, whole};
use crate::error::Problem;
use crate::raw::{Field, RawTrain, Real};
use crate::{
    ActivationForm, ActivationSpec, DatasetSpec, DistillSpec, EncryptionSpec, ImagePenalty,
    LayerSpec, MapPrecision, MuonSpec, NetworkSpec, Optimizer, QuantizeSpec, Schedule, TrainSpec,
};
use polyapprox::Function;

const MAX_EPOCHS: usize = 10_000;
const MAX_BATCH: usize = 65_536;
const MAX_THREADS: usize = 1024;
/// Default number of images held out.
const HELD_OUT: usize = 5000;
/// Default number of images that batch norm is measured on.
const RECALIBRATED: usize = 10_000;

/// The defaults of one optimiser.
struct Usual {
    learning_rate: f64,
    weight_decay: f64,
    momentum: f64,
    clip_norm: f64,
    schedule: Schedule,
}

impl Usual {
    const fn of(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::Muon => Self {
                learning_rate: 0.12,
                weight_decay: 0.0,
                momentum: 0.6,
                clip_norm: 1.0,
                schedule: Schedule::Linear,
            },
            Optimizer::Adamw | Optimizer::Adam | Optimizer::Sgd => Self {
                learning_rate: 3e-3,
                weight_decay: 0.01,
                momentum: 0.9,
                clip_norm: 2.0,
                schedule: Schedule::Cosine,
            },
        }
    }
}

pub(super) fn check(
    raw: &RawTrain,
    dataset: &DatasetSpec,
    activation: &ActivationSpec,
    network: &NetworkSpec,
) -> Result<TrainSpec, Problem> {
    let (images, _) = dataset.counts();
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
    only_with_polynomials(raw, activation)?;
    let optimizer = choice(&raw.optimizer, "train.optimizer", Optimizer::Adamw)?;
    let usual = Usual::of(optimizer);
    Ok(TrainSpec {
        epochs: whole(&raw.epochs, "train.epochs", 8, 1..=MAX_EPOCHS)?,
        batch,
        optimizer,
        learning_rate: real(&raw.learning_rate, "train.learning_rate", usual.learning_rate, 1e-9..=10.0)?,
        weight_decay: real(&raw.weight_decay, "train.weight_decay", usual.weight_decay, 0.0..=1.0)?,
        momentum: real(&raw.momentum, "train.momentum", usual.momentum, 0.0..=0.9999)?,
        muon: muon(raw, optimizer, network)?,
        schedule: choice(&raw.schedule, "train.schedule", usual.schedule)?,
        precision: choice(&raw.precision, "train.precision", MapPrecision::F32)?,
        warmup: real(&raw.warmup, "train.warmup", 0.1, 0.0..=0.9)?,
        label_smoothing: real(&raw.label_smoothing, "train.label_smoothing", 0.05, 0.0..=0.9)?,
        ema: real(&raw.ema, "train.ema", 0.998, 0.0..=0.999_999)?,
        clip_norm: real(&raw.clip_norm, "train.clip_norm", usual.clip_norm, 0.0..=1e6)?,
        range_penalty: real(&raw.range_penalty, "train.range_penalty", 1.0, 0.0..=1e3)?,
        peak_penalty: peak_penalty(raw, activation)?,
        energy_penalty: image_penalty(
            ("energy", &raw.energy_penalty, 0.1),
            (&raw.energy_limit, 1.5),
        )?,
        penalty_growth: real(&raw.penalty_growth, "train.penalty_growth", 1.0, 0.01..=1e3)?,
        whiten: whiten(raw, network)?,
        clamp: match raw.clamp {
            None => None,
            Some(_) => Some(real(&raw.clamp, "train.clamp", 10.0, 0.1..=1e6)?),
        },
        freeze_statistics: real(
            &raw.freeze_statistics,
            "train.freeze_statistics",
            0.0,
            0.0..=0.9,
        )?,
        blend: real(&raw.blend, "train.blend", 0.0, 0.0..=1.0)?,
        start_from_original: flag(&raw.start_from_original, false),
        distill: distill(raw)?,
        validation,
        recalibrate: whole(&raw.recalibrate, "train.recalibrate", RECALIBRATED.min(left), 0..=left).map_err(|problem| {
            problem.help(format!("{left} training images are left beside the validation split; 0 keeps the running statistics"))
        })?,
        baseline: flag(&raw.baseline, false),
        threads: whole(&raw.threads, "train.threads", 0, 0..=MAX_THREADS)?,
        augment: augment::check(raw.augment.as_ref(), &dataset.source)?,
        quantize: None,
    })
}

/// What [`Optimizer::Muon`] needs besides; the keys are refused with any other optimiser.
fn muon(
    raw: &RawTrain,
    optimizer: Optimizer,
    network: &NetworkSpec,
) -> Result<Option<MuonSpec>, Problem> {
    let keys = [
        ("sgd_learning_rate", label(&raw.sgd_learning_rate)),
        ("sgd_momentum", label(&raw.sgd_momentum)),
    ];
    if optimizer != Optimizer::Muon {
        return match keys.into_iter().find(|(_, place)| place.is_some()) {
            Some((key, place)) => Err(Problem::new(format!(
                "`train.{key}` is for what Muon does not train"
            ))
            .at_some(place, "only the optimiser `muon` leaves something to SGD")
            .at_some(
                label(&raw.optimizer),
                format!("this is `{}`", optimizer.as_str()),
            )
            .help("write optimizer = \"muon\", or use `learning_rate` and `momentum`")),
            None => Ok(None),
        };
    }
    if network.depth == 0 {
        return Err(Problem::new("Muon trains the filters of convolutions")
            .at_some(label(&raw.optimizer), "this network has no convolution")
            .help("write optimizer = \"adamw\" or \"sgd\", or add a conv layer"));
    }
    Ok(Some(MuonSpec {
        sgd_learning_rate: real(
            &raw.sgd_learning_rate,
            "train.sgd_learning_rate",
            0.02,
            1e-9..=10.0,
        )?,
        sgd_momentum: real(&raw.sgd_momentum, "train.sgd_momentum", 0.85, 0.0..=0.9999)?,
    }))
}

/// The penalty on each image's largest pre-activation, from one and a half times the interval's reach on unless the spec says otherwise.
fn peak_penalty(
    raw: &RawTrain,
    activation: &ActivationSpec,
) -> Result<Option<ImagePenalty>, Problem> {
    let interval = activation.interval;
    let reach = interval.low().abs().max(interval.high().abs());
    image_penalty(
        ("peak", &raw.peak_penalty, 5e-4),
        (&raw.peak_limit, 1.5 * reach),
    )
}

/// `<name>_penalty`, of which `usual` is an example, and `<name>_limit` with its default.
fn image_penalty(
    (name, weight, usual): (&str, &Field<Real>, f64),
    (limit, default): (&Field<Real>, f64),
) -> Result<Option<ImagePenalty>, Problem> {
    let key = format!("{name}_penalty");
    let place = label(limit);
    let weight = real(weight, &format!("train.{key}"), 0.0, 0.0..=1e3)?;
    let limit = real(limit, &format!("train.{name}_limit"), default, 1e-3..=1e6)?;
    match place {
        _ if weight > 0.0 => Ok(Some(ImagePenalty { weight, limit })),
        Some(place) => Err(Problem::new("a limit without a penalty")
            .at(place, "nothing is penalised past it")
            .help(format!(
                "write `{key}` as well, {usual:?} say, or leave `{name}_limit` out"
            ))),
        None => Ok(None),
    }
}

/// What is about the polynomials of a network is refused where there are none.
fn only_with_polynomials(raw: &RawTrain, activation: &ActivationSpec) -> Result<(), Problem> {
    let keys = [
        ("peak_penalty", label(&raw.peak_penalty)),
        ("energy_penalty", label(&raw.energy_penalty)),
        ("penalty_growth", label(&raw.penalty_growth)),
        ("clamp", label(&raw.clamp)),
        ("blend", label(&raw.blend)),
        ("start_from_original", label(&raw.start_from_original)),
        ("distill", label(&raw.distill)),
    ];
    match keys.into_iter().find(|(_, place)| place.is_some()) {
        Some((key, place)) if activation.exact => Err(Problem::new(format!(
            "`train.{key}` is about polynomials, and an exact activation has none"
        ))
        .at_some(place, "nothing here would change")
        .help(format!("leave `{key}` out, or `exact` in [activation]"))),
        _ => Ok(()),
    }
}

/// `train.distill`, a weight, and its temperature.
fn distill(raw: &RawTrain) -> Result<Option<DistillSpec>, Problem> {
    let weight = real(&raw.distill, "train.distill", 0.0, 0.0..=1.0)?;
    let temperature = real(
        &raw.distill_temperature,
        "train.distill_temperature",
        2.0,
        0.1..=100.0,
    )?;
    if weight > 0.0 {
        return Ok(Some(DistillSpec {
            weight,
            temperature,
        }));
    }
    match label(&raw.distill_temperature) {
        Some(place) => Err(Problem::new("a temperature without distillation")
            .at(place, "nothing is compared at it")
            .help("write `distill` as well, 0.7 say, or leave `distill_temperature` out")),
        None => Ok(None),
    }
}

/// `train.whiten` needs a convolution that reads the pixels.
fn whiten(raw: &RawTrain, network: &NetworkSpec) -> Result<bool, Problem> {
    let whiten = flag(&raw.whiten, false);
    if whiten && !matches!(network.layers.first(), Some(LayerSpec::Conv { .. })) {
        return Err(
            Problem::new("there are no filters that could whiten the pixels")
                .at_some(label(&raw.whiten), "the first layer is no convolution")
                .help("start the network with a conv layer, or leave `whiten` out"),
        );
    }
    Ok(whiten)
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
    if activation.form != ActivationForm::Polynomial {
        return Err(
            Problem::new("training on integers knows plain polynomials only")
                .at_some(place, "this is about a network of look-ups")
                .help("leave `activation.form` out"),
        );
    }
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
