//! The resolved spec: every default written out, and equal to the experiment when parsed again.

use super::{
    ActivationForm, AugmentSpec, Border, DatasetSource, Experiment, Flip, ImageFiles, LayerSpec,
    MapPrecision, Schedule, Shape, Trainable,
};
use std::fmt::{self, Display, Write};

impl Experiment {
    /// This experiment as a spec with every key. The layers are written in full, with their batch norms, whatever made them.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write(self, &mut text);
        text
    }
}

/// A number that TOML reads back to the same bits.
fn real(value: f64) -> impl Display {
    // `Debug` of a float is its shortest exact form and always has a point or an exponent.
    fmt::from_fn(move |f| write!(f, "{value:?}"))
}

fn reals(values: &[f64]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|&value| real(value).to_string())
        .collect();
    format!("[{}]", values.join(", "))
}

/// What was given, or the word for what the planner chooses.
fn or_auto<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "\"auto\"".to_owned(), write)
}

fn write(experiment: &Experiment, text: &mut String) -> fmt::Result {
    let Experiment {
        name,
        seed,
        dataset,
        activation,
        network,
        train,
        encryption,
        output,
    } = experiment;
    // A checked name needs no escapes.
    writeln!(text, "name = \"{name}\"\nseed = {seed}\n")?;

    writeln!(text, "[dataset]")?;
    match &dataset.source {
        DatasetSource::Name(name) => writeln!(text, "name = \"{}\"", name.as_str())?,
        DatasetSource::Files { files, .. } => image_files(files, text)?,
    }
    let (training, testing) = dataset.counts();
    writeln!(text, "train = {training}\ntest = {testing}")?;
    if !dataset.standardize.is_none() {
        writeln!(text, "standardize = \"{}\"", dataset.standardize.as_str())?;
    }
    if let Some(size) = dataset.zca {
        writeln!(text, "zca = {size}")?;
    }
    if dataset.local_contrast {
        writeln!(text, "local_contrast = true")?;
    }
    if let Some(bound) = dataset.soft_clamp {
        writeln!(text, "soft_clamp = {}", real(bound))?;
    }
    writeln!(text)?;

    writeln!(
        text,
        "[activation]\nfunction = \"{}\"",
        activation.function.as_str()
    )?;
    match &activation.coefficients {
        _ if activation.exact => writeln!(text, "exact = true")?,
        Some(coefficients) => writeln!(text, "coefficients = {}", reals(coefficients))?,
        None => writeln!(
            text,
            "method = \"{}\"\ndegree = {}",
            activation.method.as_str(),
            activation.degree
        )?,
    }
    writeln!(
        text,
        "interval = {}",
        reals(&[activation.interval.low(), activation.interval.high()])
    )?;
    let trainable = match activation.trainable {
        Trainable::Fixed => "false",
        Trainable::Layer => "\"layer\"",
        Trainable::Channel => "\"channel\"",
    };
    if !activation.exact {
        writeln!(text, "trainable = {trainable}")?;
    }
    if activation.form != ActivationForm::Polynomial {
        writeln!(text, "form = \"{}\"", activation.form.as_str())?;
    }
    writeln!(text)?;

    writeln!(
        text,
        "[network]\n# {} convolutions, {} weights",
        network.depth,
        network.parameters()
    )?;
    // The list has its batch norms already.
    writeln!(text, "batch_norm = false\nlayers = [")?;
    for (layer, shape) in network.layers.iter().zip(&network.shapes) {
        writeln!(
            text,
            "    {{ {} }}, # {}x{}x{}",
            keys(layer),
            shape.channels,
            shape.height,
            shape.width
        )?;
    }
    writeln!(text, "]\n")?;

    writeln!(
        text,
        "[train]\nepochs = {}\nbatch = {}\noptimizer = \"{}\"",
        train.epochs,
        train.batch,
        train.optimizer.as_str()
    )?;
    for (key, value) in [
        ("learning_rate", train.learning_rate),
        ("weight_decay", train.weight_decay),
        ("momentum", train.momentum),
        ("warmup", train.warmup),
        ("label_smoothing", train.label_smoothing),
        ("ema", train.ema),
        ("clip_norm", train.clip_norm),
        ("range_penalty", train.range_penalty),
    ] {
        writeln!(text, "{key} = {}", real(value))?;
    }
    if let Some(muon) = train.muon {
        writeln!(text, "sgd_learning_rate = {}", real(muon.sgd_learning_rate))?;
        writeln!(text, "sgd_momentum = {}", real(muon.sgd_momentum))?;
    }
    // The default depends on the optimiser.
    if train.muon.is_some() || train.schedule != Schedule::Cosine {
        writeln!(text, "schedule = \"{}\"", train.schedule.as_str())?;
    }
    if train.precision != MapPrecision::F32 {
        writeln!(text, "precision = \"{}\"", train.precision.as_str())?;
    }
    for (name, penalty) in [
        ("peak", train.peak_penalty),
        ("energy", train.energy_penalty),
    ] {
        if let Some(penalty) = penalty {
            writeln!(text, "{name}_penalty = {}", real(penalty.weight))?;
            writeln!(text, "{name}_limit = {}", real(penalty.limit))?;
        }
    }
    if train.penalty_growth != 1.0 {
        writeln!(text, "penalty_growth = {}", real(train.penalty_growth))?;
    }
    if train.whiten {
        writeln!(text, "whiten = true")?;
    }
    if let Some(most) = train.clamp {
        writeln!(text, "clamp = {}", real(most))?;
    }
    for (key, share) in [
        ("freeze_statistics", train.freeze_statistics),
        ("blend", train.blend),
    ] {
        if share > 0.0 {
            writeln!(text, "{key} = {}", real(share))?;
        }
    }
    if train.start_from_original {
        writeln!(text, "start_from_original = true")?;
    }
    if let Some(distill) = train.distill {
        writeln!(text, "distill = {}", real(distill.weight))?;
        writeln!(text, "distill_temperature = {}", real(distill.temperature))?;
    }
    writeln!(
        text,
        "validation = {}\nrecalibrate = {}",
        train.validation, train.recalibrate
    )?;
    writeln!(
        text,
        "baseline = {}\nthreads = {}",
        train.baseline, train.threads
    )?;
    if train.quantize.is_some() {
        writeln!(text, "quantize = true")?;
    }
    writeln!(text)?;

    let AugmentSpec {
        rotation,
        scale,
        shift,
        shear,
        elastic,
        crop,
        border,
        flip,
        cutout,
    } = train.augment;
    writeln!(text, "[train.augment]")?;
    for (key, value) in [
        ("rotation", rotation),
        ("scale", scale),
        ("shift", shift),
        ("shear", shear),
        ("elastic", elastic),
    ] {
        writeln!(text, "{key} = {}", real(value))?;
    }
    writeln!(text, "crop = {crop}")?;
    if border != Border::Black {
        writeln!(text, "border = \"{}\"", border.as_str())?;
    }
    match flip {
        Flip::Off | Flip::Random => writeln!(text, "flip = {}", flip == Flip::Random)?,
        Flip::Alternating => writeln!(text, "flip = \"{}\"", Flip::ALTERNATING)?,
    }
    writeln!(text, "cutout = {cutout}\n")?;

    writeln!(
        text,
        "[encryption]\nbackend = \"{}\"\nsecurity_bits = {}",
        encryption.backend.as_str(),
        encryption.security_bits
    )?;
    writeln!(
        text,
        "images = {}\nthreads = {}",
        encryption.images, encryption.threads
    )?;
    writeln!(
        text,
        "ring = {}\nrelinearization = {}",
        or_auto(encryption.ring, |ring| format!("\"{ring}\"")),
        or_auto(encryption.relinearization, |choice| format!(
            "\"{}\"",
            choice.as_str()
        )),
    )?;
    let whole = |value: Option<u32>| or_auto(value, |value| value.to_string());
    let number = |value: Option<f64>| or_auto(value, |value| real(value).to_string());
    writeln!(
        text,
        "weight_bits = {}\nscale_bits = {}",
        whole(encryption.weight_bits),
        whole(encryption.scale_bits)
    )?;
    writeln!(
        text,
        "precision_bits = {}\nmemory_gib = {}",
        number(encryption.precision_bits),
        number(encryption.memory_gib)
    )?;
    if encryption.views > 1 {
        writeln!(text, "views = {}", encryption.views)?;
    }
    if encryption.repetitions > 1 {
        writeln!(text, "repetitions = {}", encryption.repetitions)?;
    }
    if encryption.backend.bootstraps() {
        writeln!(
            text,
            "message_bits = {}\npixel_bits = {}",
            whole(encryption.message_bits),
            whole(encryption.pixel_bits)
        )?;
    }
    writeln!(text)?;

    writeln!(
        text,
        "[output]\ncharts = {}\nreport = {}\nlogits = {}",
        output.charts, output.report, output.logits
    )
}

/// Where images in files lie, and how they are read.
fn image_files(files: &ImageFiles, text: &mut String) -> fmt::Result {
    let quoted = |words: &str| toml::Value::from(words).to_string();
    writeln!(text, "path = {}", quoted(&files.path.to_string_lossy()))?;
    if files.label != ImageFiles::LABEL {
        writeln!(text, "label = {}", quoted(&files.label))?;
    }
    if let Some(Shape {
        channels,
        height,
        width,
    }) = files.shape
    {
        writeln!(text, "shape = [{channels}, {height}, {width}]")?;
    }
    if let Some(classes) = &files.classes {
        let names: Vec<String> = classes.iter().map(|name| quoted(name)).collect();
        writeln!(text, "classes = [{}]", names.join(", "))?;
    }
    Ok(())
}

fn keys(layer: &LayerSpec) -> String {
    let kind = layer.as_str();
    match layer {
        LayerSpec::Conv {
            channels,
            kernel,
            stride,
            padding,
        } => {
            format!(
                "type = \"{kind}\", channels = {channels}, kernel = {kernel}, stride = {stride}, padding = {padding}"
            )
        }
        LayerSpec::AvgPool { size, stride } => {
            format!("type = \"{kind}\", size = {size}, stride = {stride}")
        }
        LayerSpec::Dense { units } => format!("type = \"{kind}\", units = {units}"),
        LayerSpec::BatchNorm | LayerSpec::Activation | LayerSpec::GlobalAvgPool => {
            format!("type = \"{kind}\"")
        }
    }
}
