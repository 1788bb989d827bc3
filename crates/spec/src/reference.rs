//! Every key of a spec: its type, default and range, asked from the checks themselves, and its meaning, from the raw tables.

use super::error::Allowed;
use super::raw::*;
use super::read::faults;
use super::{DatasetName, Experiment};
use std::fmt::Write;

/// A section of a spec and its keys.
#[derive(Clone, Debug)]
pub struct SectionReference {
    /// `train.augment`; empty for the keys before the first section.
    pub name: &'static str,
    /// In the order of the reference.
    pub keys: Vec<KeyReference>,
}

/// What is known of one key.
#[derive(Clone, Debug)]
pub struct KeyReference {
    /// Its name in the section.
    pub name: &'static str,
    /// What may be written.
    pub kind: KeyKind,
    /// As TOML; `None` where a key that is left out has no value.
    pub default: Option<String>,
    /// What it is for.
    pub meaning: &'static str,
}

/// What may be written for a key.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyKind {
    /// Any text.
    Text,
    /// One of some names.
    Names(Vec<String>),
    /// A whole number in a range, if it is known.
    Whole(Option<[String; 2]>),
    /// A number in a range, if it is known.
    Real(Option<[String; 2]>),
    /// `true` or `false`.
    Flag,
    /// `true`, `false` or one of some names.
    FlagOr(&'static [&'static str]),
    /// `"auto"`, or a whole number in a range.
    AutoOrWhole(Option<[String; 2]>),
    /// `"auto"`, or a number in a range.
    AutoOrReal(Option<[String; 2]>),
    /// A list of whole numbers.
    Wholes,
    /// A list of numbers.
    Reals,
    /// A list of texts.
    Texts,
    /// A list of layers.
    Layers,
    /// A switch, or a section of its own.
    FlagOrSection,
}

/// Keys that have no value unless they are given.
const NONE: [&str; 13] = [
    "name",
    "dataset.name",
    "dataset.path",
    "dataset.shape",
    "dataset.classes",
    "dataset.zca",
    "dataset.soft_clamp",
    "activation.coefficients",
    "network.layers",
    "train.peak_penalty",
    "train.energy_penalty",
    "train.clamp",
    "train.distill",
];

/// What must be written besides for a key to be looked at.
const WITH: [(&str, &str); 10] = [
    ("dataset.zca", "dataset.standardize = \"per-image\""),
    ("train.sgd_learning_rate", "train.optimizer = \"muon\""),
    ("train.sgd_momentum", "train.optimizer = \"muon\""),
    ("train.peak_limit", "train.peak_penalty = 0.1"),
    ("train.energy_limit", "train.energy_penalty = 0.1"),
    ("train.penalty_growth", "train.peak_penalty = 0.1"),
    ("train.distill_temperature", "train.distill = 0.5"),
    ("encryption.message_bits", "encryption.backend = \"tfhe\""),
    ("encryption.pixel_bits", "encryption.backend = \"tfhe\""),
    ("train.augment.border", "train.augment.rotation = 0"),
];

/// Every section of a spec with every key.
pub fn reference() -> Vec<SectionReference> {
    let sections: [(&'static str, &'static [RawKey]); 9] = [
        ("", RawSpec::KEYS),
        ("dataset", RawDataset::KEYS),
        ("activation", RawActivation::KEYS),
        ("network", RawNetwork::KEYS),
        (LAYERS, RawLayer::KEYS),
        ("train", RawTrain::KEYS),
        ("train.augment", RawAugmentTable::KEYS),
        ("encryption", RawEncryption::KEYS),
        ("output", RawOutput::KEYS),
    ];
    let resolved = resolved();
    let section = |(name, keys): (&'static str, &'static [RawKey])| SectionReference {
        name,
        keys: keys
            .iter()
            .filter(|key| !key.kind.starts_with("Raw") || SWITCHES.contains(&key.kind))
            .map(|key| key_reference(name, key, &resolved))
            .collect(),
    };
    sections.map(section).into()
}

/// The section of a layer's keys.
pub(super) const LAYERS: &str = "network.layers";
/// Raw types that are no sections.
const SWITCHES: [&str; 3] = ["RawTrainable", "RawFlip", "RawAugment"];

/// The shortest spec, every default filled in.
fn resolved() -> toml::Table {
    let minimal = Experiment::from_str_named(&minimal(""), "reference", &[]);
    let text = minimal.map(|experiment| experiment.to_toml());
    text.ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn minimal(more: &str) -> String {
    let name = DatasetName::Mnist.as_str();
    format!("name = \"my_experiment\"\ndataset.name = \"{name}\"\n{more}\n")
}

fn key_reference(section: &str, raw: &RawKey, resolved: &toml::Table) -> KeyReference {
    let layer = section == LAYERS;
    let name = if layer && raw.name == "kind" {
        "type"
    } else {
        raw.name
    };
    let path = match section {
        "" => name.to_owned(),
        _ => format!("{section}.{name}"),
    };
    let spelling: String = raw.kind.split_whitespace().collect();
    let probe = match spelling.as_str() {
        "Whole" | "Real" | "OrAuto<Whole>" | "OrAuto<Real>" => "-9223372036854775807",
        _ => "\"?\"",
    };
    let allowed = allowed(layer, &path, name, probe);
    let (range, shown) = match &allowed {
        Some(Allowed::Range([low, high, default])) => {
            (Some([low.clone(), high.clone()]), Some(default.clone()))
        }
        _ => (None, None),
    };
    let kind = match (spelling.as_str(), &allowed) {
        (_, Some(Allowed::Names(names))) if spelling == "String" => KeyKind::Names(names.clone()),
        ("Whole", _) => KeyKind::Whole(range),
        ("Real", _) => KeyKind::Real(range),
        ("bool", _) => KeyKind::Flag,
        ("OrAuto<Whole>", _) => KeyKind::AutoOrWhole(range),
        ("OrAuto<Real>", _) => KeyKind::AutoOrReal(range),
        ("RawTrainable", _) => KeyKind::FlagOr(&["layer", "channel"]),
        ("RawFlip", _) => KeyKind::FlagOr(&["alternating"]),
        ("RawAugment", _) => KeyKind::FlagOrSection,
        ("Vec<Spanned<Whole>>", _) => KeyKind::Wholes,
        ("Vec<Spanned<Real>>", _) => KeyKind::Reals,
        ("Vec<Spanned<String>>", _) => KeyKind::Texts,
        ("Vec<Spanned<RawLayer>>", _) => KeyKind::Layers,
        _ => KeyKind::Text,
    };
    let keys: Vec<&str> = path.split('.').collect();
    let first = keys.first().and_then(|key| resolved.get(*key));
    let inner = keys.get(1..).unwrap_or_default();
    let written = inner.iter().fold(first, |value, key| value?.get(*key));
    let default = match (&kind, written) {
        _ if layer || NONE.contains(&path.as_str()) => None,
        // A resolved spec has them written out.
        _ if path == "network.batch_norm" => Some("true".to_owned()),
        (KeyKind::FlagOrSection, _) => Some("true".to_owned()),
        (_, Some(value)) => Some(value.to_string()),
        (KeyKind::Flag, _) => Some("false".to_owned()),
        (KeyKind::Names(names), _) => names.first().map(|name| format!("\"{name}\"")),
        (KeyKind::AutoOrWhole(_) | KeyKind::AutoOrReal(_), _) => Some("\"auto\"".to_owned()),
        (KeyKind::Text, _) if path == "dataset.label" => Some("\"label\"".to_owned()),
        (KeyKind::Real(_), None) => shown.map(|number| match number.contains(['.', 'e']) {
            true => number,
            false => format!("{number}.0"),
        }),
        _ => shown,
    };
    KeyReference {
        name,
        kind,
        default,
        meaning: raw.meaning.trim(),
    }
}

/// What the checks say of a value that no key takes.
fn allowed(layer: bool, path: &str, name: &str, probe: &str) -> Option<Allowed> {
    let text = if layer {
        let others = match name {
            "type" => "",
            "size" => "type = \"avg-pool\", ",
            "units" => "type = \"dense\", ",
            "kernel" => "type = \"conv\", channels = 1, ",
            "channels" => "type = \"conv\", kernel = 3, ",
            _ => "type = \"conv\", channels = 1, kernel = 3, ",
        };
        minimal(&format!(
            "network.layers = [{{ {others}{name} = {probe} }}]"
        ))
    } else if path == "dataset.name" {
        format!("name = \"a\"\ndataset.name = {probe}\n")
    } else {
        let with = WITH.iter().find(|(key, _)| *key == path);
        let with = with.map_or("", |(_, line)| *line);
        minimal(&format!("{path} = {probe}\n{with}"))
    };
    faults(&text)
        .into_iter()
        .find_map(|fault| fault.more.allowed)
}

/// A spec to start from: what must be said, and every other key in a comment, with its default and its meaning. `source` is the line that
/// says which images: `name = "mnist"` or `path = "FOLDER"`.
pub fn starting_spec(name: &str, source: &str) -> String {
    let mut text = String::from(
        "# A spec of cryptodl. A key in a comment has its default; docs/spec.md says more of each.\n",
    );
    for section in reference() {
        if section.name == LAYERS {
            continue;
        }
        if !section.name.is_empty() {
            let comment = if section.name == "dataset" { "" } else { "# " };
            let _ = write!(text, "\n{comment}[{}]\n", section.name);
        }
        for key in &section.keys {
            let path = (section.name, key.name);
            let line = match path {
                ("", "name") => format!("name = \"{name}\""),
                ("dataset", "name") => source.to_owned(),
                ("dataset", "path") => continue,
                _ => match &key.default {
                    Some(value) => format!("# {} = {value}", key.name),
                    None => format!("# {} = ...", key.name),
                },
            };
            let _ = writeln!(text, "{line:<36} # {}", key.meaning);
        }
    }
    text
}
