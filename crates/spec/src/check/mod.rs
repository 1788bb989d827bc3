//! From the raw spec to the checked [`Experiment`]: every default filled in, every value and combination checked.

mod activation;
mod augment;
mod dataset;
mod encryption;
mod field;
mod network;
mod train;

use super::error::Problem;
use super::raw::{RawOutput, RawSpec};
use super::{Experiment, ImageCatalog, OutputSpec};
use field::{flag, label, section, whole};

/// Seeds are TOML integers, which end here.
const MAX_SEED: u64 = i64::MAX as u64;
const MAX_NAME: usize = 64;

/// # Errors
/// The first fault.
pub(super) fn experiment(raw: &RawSpec, catalog: &dyn ImageCatalog) -> Result<Experiment, Problem> {
    let name = name(raw)?;
    let seed = whole(&raw.seed, "seed", 0, 0..=MAX_SEED)?;
    let dataset = dataset::check(raw.dataset.as_ref(), catalog)?;
    let empty = Default::default();
    let raw_encryption = section(&raw.encryption, &empty);
    let encryption = encryption::check(raw_encryption, &dataset)?;
    let backend = encryption::Backend {
        name: encryption.backend,
        label: label(&raw_encryption.backend),
    };
    dataset::preprocessing(raw.dataset.as_ref(), &dataset, &backend)?;
    let empty = Default::default();
    let raw_activation = section(&raw.activation, &empty);
    let activation = activation::check(raw_activation, &backend)?;
    let empty = Default::default();
    let network = network::check(section(&raw.network, &empty), &dataset)?;
    activation::normalised(raw_activation, &activation, &network)?;
    let empty = Default::default();
    let raw_train = section(&raw.train, &empty);
    let mut train = train::check(raw_train, &dataset, &activation, &network)?;
    train.quantize = train::quantize(raw_train, &activation, &network, &encryption)?;
    let empty = Default::default();
    let output = output(section(&raw.output, &empty));
    let experiment = Experiment {
        name,
        seed,
        dataset,
        activation,
        network,
        train,
        encryption,
        output,
    };
    network::depth(&experiment, raw)?;
    Ok(experiment)
}

fn name(raw: &RawSpec) -> Result<String, Problem> {
    let Some(name) = &raw.name else {
        return Err(Problem::new("the spec has no name")
            .at(0..0, "the key `name` is missing")
            .help("write name = \"my_experiment\" in the first line")
            .instead("name = \"unnamed\""));
    };
    let text = name.get_ref();
    let wrong = |label: String| {
        let help = format!(
            "a name is letters, digits, `-` and `_`, at most {MAX_NAME} of them: it names folders and files"
        );
        Err(Problem::new("this name cannot be")
            .at(name.span(), label)
            .help(help)
            .instead("\"unnamed\""))
    };
    if let Some(bad) = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
    {
        return wrong(format!("{bad:?} does not belong in a name"));
    }
    match text.len() {
        0 => wrong("this is empty".to_owned()),
        length if length > MAX_NAME => wrong(format!("this has {length} characters")),
        _ => Ok(text.clone()),
    }
}

fn output(raw: &RawOutput) -> OutputSpec {
    OutputSpec {
        charts: flag(&raw.charts, true),
        report: flag(&raw.report, true),
        logits: flag(&raw.logits, true),
    }
}
