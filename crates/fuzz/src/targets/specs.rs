//! TOML: specs, studies, overrides.

use std::path::Path;

use cryptodl::spec::{Experiment, Study};

use super::Target;

const SPECS: [&str; 4] = [
    include_str!("../../../../configs/quickstart.toml"),
    include_str!("../../../../configs/cifar10_fast.toml"),
    include_str!("../../../../configs/mnist_relu_tfhe.toml"),
    include_str!("../../../../configs/mnist_best.toml"),
];
const STUDIES: [&str; 4] = [
    include_str!("../../../../experiments/rq1.toml"),
    include_str!("../../../../experiments/rq2.toml"),
    include_str!("../../../../experiments/rq4.toml"),
    include_str!("../../../../experiments/smoke.toml"),
];
const OVERRIDES: [&str; 6] = [
    "train.epochs=3",
    "activation.interval=[-4.0, 4.0]",
    "activation.function=relu",
    "encryption.backend=\"clear\"",
    "network.layers=[{ type = \"dense\", units = 10 }]",
    "dataset.train = 12000",
];

pub(super) fn targets() -> Vec<Target> {
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    vec![
        Target::new("spec", 300, bytes(&SPECS), |input| {
            text(input)
                .is_some_and(|text| shown(Experiment::from_str_named(text, "spec.toml", &[])))
        }),
        Target::new("override", 300, bytes(&OVERRIDES), |input| {
            text(input).is_some_and(|text| {
                let setting = [text.to_owned()];
                shown(Experiment::from_str_named(SPECS[0], "spec.toml", &setting))
            })
        }),
        // A study that is taken is expanded, which may be a thousand specs.
        Target::new("study", 20, bytes(&STUDIES), |input| {
            text(input).is_some_and(|text| {
                let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../experiments"));
                shown(Study::from_str_named(text, "study.toml", folder, &[]))
            })
        }),
    ]
}

/// A file that is no text is refused before it comes here.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// Whether there is a result. An error is printed as it is for a person, with the text that it is about.
fn shown<T>(result: Result<T, cryptodl::spec::SpecError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            let report = format!("{:?}", miette::Report::new(error));
            assert!(!report.is_empty());
            false
        }
    }
}
