//! `[network]`: the depth knob or a list of layers, and whether any parameter set can hold the circuit.

use super::field::{flag, label, unknown, whole};
use crate::error::Problem;
use crate::keys::list;
use crate::layers::{Placed, closed, knob, shapes, with_batch_norm};
use crate::raw::{Field, RawLayer, RawNetwork, RawSpec, Whole};
use crate::size::levels;
use crate::{DatasetSpec, EncryptionSpec, Experiment, LayerSpec, NetworkSpec};
use std::ops::Range;
use toml::Spanned;

const MAX_DEPTH: usize = 6;
const MAX_WIDTH: usize = 512;
const MAX_LAYERS: usize = 256;
const MAX_CHANNELS: usize = 4096;
const MAX_UNITS: usize = 65_536;
/// Kernels and pooling windows.
const MAX_WINDOW: usize = 64;

pub(super) fn check(raw: &RawNetwork, dataset: &DatasetSpec) -> Result<NetworkSpec, Problem> {
    let (input, classes) = (dataset.source.shape(), dataset.source.classes());
    let depth = whole(&raw.depth, "network.depth", 2, 1..=MAX_DEPTH)?;
    let width = whole(&raw.width, "network.width", 16, 1..=MAX_WIDTH)?;
    let listed = match &raw.layers {
        Some(layers) => explicit(layers, raw)?,
        None => knob(depth, width, &dataset.source)
            .into_iter()
            .map(|layer| (layer, None))
            .collect(),
    };
    let with_norm = if flag(&raw.batch_norm, true) {
        with_batch_norm(listed)
    } else {
        listed
    };
    let placed = closed(with_norm, classes);
    let shapes = shapes(input, &placed).map_err(|(index, fault)| {
        let place = placed.get(index).and_then(|(_, place)| place.clone());
        let place = place
            .or_else(|| label(&raw.layers))
            .or_else(|| label(&raw.width));
        Problem::new("this layer cannot stand here")
            .at_some(place, fault.why)
            .help(fault.help)
    })?;
    let layers: Vec<LayerSpec> = placed.iter().map(|(layer, _)| *layer).collect();
    let depth = layers
        .iter()
        .filter(|layer| matches!(layer, LayerSpec::Conv { .. }))
        .count();
    Ok(NetworkSpec {
        depth,
        input,
        classes,
        layers,
        shapes,
    })
}

/// The list of layers, each with the keys of its type.
fn explicit(
    layers: &Spanned<Vec<Spanned<RawLayer>>>,
    raw: &RawNetwork,
) -> Result<Vec<Placed>, Problem> {
    for (key, place) in [("depth", label(&raw.depth)), ("width", label(&raw.width))] {
        if let Some(place) = place {
            return Err(
                Problem::new(format!("`{key}` and `layers` exclude each other"))
                    .at(place, "makes the layers")
                    .at(layers.span(), "lists the layers")
                    .help("remove one of them"),
            );
        }
    }
    let count = layers.get_ref().len();
    if count == 0 || count > MAX_LAYERS {
        return Err(Problem::new(format!(
            "`network.layers` must have 1 to {MAX_LAYERS} layers"
        ))
        .at(layers.span(), format!("this has {count}"))
        .help("leave `layers` out and set `depth` for a network that is known to work"));
    }
    let (mut placed, mut problems) = (Vec::new(), Vec::new());
    for (index, raw) in layers.get_ref().iter().enumerate() {
        match layer(index, raw) {
            Ok(layer) => placed.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    Problem::of_several(problems)?;
    Ok(placed)
}

fn layer(index: usize, raw: &Spanned<RawLayer>) -> Result<Placed, Problem> {
    let span = raw.span();
    let fields = Fields {
        path: format!("network.layers[{index}]"),
        span: span.clone(),
        raw: raw.get_ref(),
    };
    let raw = raw.get_ref();
    let Some(kind) = &raw.kind else {
        return Err(fields.missing(
            "type",
            "write type = \"conv\", \"activation\", \"avg-pool\", \"global-avg-pool\", \"batch-norm\" or \"dense\"",
        ));
    };
    let layer = match kind.get_ref().as_str() {
        "conv" => {
            fields.only("conv", &["channels", "kernel", "stride", "padding"])?;
            let kernel = fields.needed(&raw.kernel, "kernel", MAX_WINDOW)?;
            LayerSpec::Conv {
                channels: fields.needed(&raw.channels, "channels", MAX_CHANNELS)?,
                kernel,
                stride: fields.stride(1)?,
                padding: fields.padding(kernel)?,
            }
        }
        "avg-pool" => {
            fields.only("avg-pool", &["size", "stride"])?;
            let size = fields.needed(&raw.size, "size", MAX_WINDOW)?;
            LayerSpec::AvgPool {
                size,
                stride: fields.stride(size)?,
            }
        }
        // No backend has a maximum: said here, before hours of training, not when the trained network is folded.
        "max-pool" => {
            return Err(Problem::new("max-pool has no place in a circuit")
                .at(kind.span(), "a maximum is no polynomial")
                .help("use type = \"avg-pool\": it folds into the layer after it"));
        }
        "global-avg-pool" => {
            fields.only("global-avg-pool", &[])?;
            LayerSpec::GlobalAvgPool
        }
        "dense" => {
            fields.only("dense", &["units"])?;
            LayerSpec::Dense {
                units: fields.needed(&raw.units, "units", MAX_UNITS)?,
            }
        }
        "activation" => {
            fields.only("activation", &[])?;
            LayerSpec::Activation
        }
        "batch-norm" => {
            fields.only("batch-norm", &[])?;
            LayerSpec::BatchNorm
        }
        _ => {
            let kinds = vec![
                "conv",
                "activation",
                "avg-pool",
                "global-avg-pool",
                "batch-norm",
                "dense",
            ];
            return Err(unknown(kind, &format!("{}.type", fields.path), kinds));
        }
    };
    Ok((layer, Some(span)))
}

/// The fields of one layer.
struct Fields<'a> {
    path: String,
    span: Range<usize>,
    raw: &'a RawLayer,
}

impl Fields<'_> {
    fn missing(&self, key: &str, help: &str) -> Problem {
        Problem::new(format!("`{}` has no `{key}`", self.path))
            .at(self.span.clone(), format!("`{key}` is missing"))
            .help(help)
    }

    /// Refuses keys of other layer types.
    fn only(&self, kind: &str, keys: &[&str]) -> Result<(), Problem> {
        let raw = self.raw;
        let all = [
            ("channels", &raw.channels),
            ("kernel", &raw.kernel),
            ("stride", &raw.stride),
            ("padding", &raw.padding),
            ("size", &raw.size),
            ("units", &raw.units),
        ];
        for (key, field) in all {
            if let (Some(place), false) = (label(field), keys.contains(&key)) {
                let help = if keys.is_empty() {
                    format!("write {{ type = {kind:?} }}")
                } else {
                    format!("{kind} takes {}", list(keys.iter().copied()))
                };
                return Err(
                    Problem::new(format!("a layer of type {kind:?} has no `{key}`"))
                        .at(place, "not for this layer")
                        .help(help),
                );
            }
        }
        Ok(())
    }

    fn needed(&self, field: &Field<Whole>, key: &str, most: usize) -> Result<usize, Problem> {
        if field.is_none() {
            return Err(self.missing(key, &format!("write {key} = 1 or more")));
        }
        whole(field, &format!("{}.{key}", self.path), 1, 1..=most).map_err(|problem| Problem {
            help: None,
            ..problem
        })
    }

    fn stride(&self, default: usize) -> Result<usize, Problem> {
        whole(
            &self.raw.stride,
            &format!("{}.stride", self.path),
            default,
            1..=MAX_WINDOW,
        )
    }

    /// Fewer zeros than the kernel is wide, so that every window sees the image.
    fn padding(&self, kernel: usize) -> Result<usize, Problem> {
        whole(
            &self.raw.padding,
            &format!("{}.padding", self.path),
            0,
            0..=kernel - 1,
        )
        .map_err(|problem| {
            problem.help(format!(
                "a {kernel}x{kernel} kernel takes 0 to {}: with more, some windows see only zeros",
                kernel - 1
            ))
        })
    }
}

/// log2 of the largest ring degree whose rings a machine can hold.
const LARGEST_LOG_N: u32 = 16;

/// log2 of what a rescaling leaves behind at that ring degree, the layers after it included: the planner's scale is above it by the
/// precision that is wanted.
const DEEP_NOISE_BITS: u64 = 15;
/// The planner takes no fewer bits for the weights on its own.
const SMALLEST_AUTO_WEIGHT: u32 = 8;

/// Refuses a circuit that no secure parameter set can hold, by a lower bound on the modulus: the scale remains at the end, an
/// activation takes the scale and the weights' bits off, and each further level of its polynomial the scale. The planner knows more.
pub(super) fn depth(experiment: &Experiment, raw: &RawSpec) -> Result<(), Problem> {
    let encryption = &experiment.encryption;
    if !encryption.backend.has_levels() {
        return Ok(());
    }
    let (activations, degree) = (
        experiment.network.activations(),
        experiment.activation.degree,
    );
    let depth = experiment.multiplicative_depth();
    let precision = encryption
        .precision_bits
        .unwrap_or(EncryptionSpec::DEFAULT_PRECISION_BITS);
    let scale = encryption
        .scale_bits
        .map_or(DEEP_NOISE_BITS + precision as u64, u64::from);
    let weight = u64::from(encryption.weight_bits.unwrap_or(SMALLEST_AUTO_WEIGHT));
    let needed = scale + depth as u64 * scale + activations as u64 * weight;
    let log_n = LARGEST_LOG_N;
    let most = ckks::max_log_qp(encryption.security_bits, log_n).map_or(0, |bits| bits as u64);
    if needed <= most {
        return Ok(());
    }
    let network = raw.network.as_ref().map(Spanned::get_ref);
    let activation = raw.activation.as_ref().map(Spanned::get_ref);
    let layers =
        network.and_then(|network| label(&network.layers).or_else(|| label(&network.depth)));
    let each = levels(degree);
    Err(Problem::new("this circuit is deeper than any secure parameter set")
        .at_some(layers, format!("{activations} activations x {each} levels (ceil(log2 {degree})) = {depth} levels"))
        .at_some(activation.and_then(|activation| label(&activation.degree)), format!("{each} levels each"))
        .help(format!(
            "it needs a modulus of at least {needed} bits; {} bits of security allow {most} at ring degree 2^{log_n}: use fewer activations or a lower degree",
            encryption.security_bits
        )))
}
