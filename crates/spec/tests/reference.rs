//! The reference of specs is what the checks do, the page in docs/ is the reference, and a spec is told everything that is wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cryptodl_spec::{
    Experiment, KeyKind, SpecError, reference, reference_page, schema, starting_spec,
};
use std::fs;
use std::path::Path;

fn parse(text: &str) -> Result<Experiment, SpecError> {
    Experiment::from_str_named(text, "spec.toml", &[])
}

const MINIMAL: &str = "name = \"my_experiment\"\ndataset.name = \"mnist\"\n";

/// With `UPDATE_DOCS=1` the page is written anew.
#[test]
fn the_page_in_docs_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec.md");
    let page = reference_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        page,
        "UPDATE_DOCS=1 cargo test --test reference writes docs/spec.md"
    );
}

#[test]
fn every_default_of_the_reference_is_the_default() {
    let minimal = parse(MINIMAL).unwrap();
    // These need another key, whose own default is another.
    let dependent = [
        "train.sgd_learning_rate",
        "train.sgd_momentum",
        "train.peak_limit",
        "train.energy_limit",
        "train.penalty_growth",
        "train.distill_temperature",
        "encryption.message_bits",
        "encryption.pixel_bits",
        "dataset.label",
        "dataset.name",
        "train.augment.border",
    ];
    let mut seen = 0;
    for section in reference() {
        for key in section.keys {
            let path = format!("{}.{}", section.name, key.name);
            let path = path.trim_start_matches('.');
            let Some(default) = key
                .default
                .filter(|_| !dependent.contains(&path) && path != "name")
            else {
                continue;
            };
            let experiment = parse(&format!("{path} = {default}\n{MINIMAL}"));
            assert_eq!(
                experiment.unwrap_or_else(|error| panic!("{path} = {default}: {error}")),
                minimal,
                "{path}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} defaults");
}

#[test]
fn ranges_and_names_of_the_reference_are_known() {
    for section in reference() {
        for key in section.keys {
            let path = format!("[{}] {}", section.name, key.name);
            assert!(
                key.meaning.ends_with('.') && key.meaning.len() > 12,
                "{path}: {}",
                key.meaning
            );
            match key.kind {
                KeyKind::Whole(range)
                | KeyKind::Real(range)
                | KeyKind::AutoOrWhole(range)
                | KeyKind::AutoOrReal(range) => {
                    let [low, high] = range.unwrap_or_else(|| panic!("no range of {path}"));
                    let number = |text: &str| text.parse::<f64>().unwrap();
                    assert!(number(&low) < number(&high), "{path}: {low} to {high}");
                }
                KeyKind::Names(names) => assert!(names.len() > 1, "{path}"),
                KeyKind::Text => assert!(["name", "path", "label"].contains(&key.name), "{path}"),
                _ => {}
            }
        }
    }
}

#[test]
fn the_schema_has_every_key() {
    let schema = schema();
    let spec = &schema["anyOf"][0]["properties"];
    for section in reference() {
        let mut place = spec;
        for part in section.name.split('.').filter(|part| !part.is_empty()) {
            place = match part {
                "layers" => &place["layers"]["items"]["properties"],
                "augment" => &place["augment"]["anyOf"][1]["properties"],
                part => &place[part]["properties"],
            };
        }
        for key in section.keys {
            assert!(
                place[key.name].is_object(),
                "[{}] {}",
                section.name,
                key.name
            );
        }
    }
    assert_eq!(spec["train"]["properties"]["epochs"]["minimum"], 1);
    assert_eq!(schema["anyOf"][1]["required"][0], "name");
}

#[test]
fn the_starting_spec_is_the_shortest_one() {
    let text = starting_spec("my_experiment", "name = \"mnist\"");
    assert_eq!(parse(&text).unwrap(), parse(MINIMAL).unwrap());
    assert!(
        text.lines().any(|line| line.starts_with("# epochs = ")),
        "{text}"
    );
}

/// What each fault of a spec says, in order.
fn faults(text: &str) -> Vec<String> {
    let error = parse(text).unwrap_err();
    error.into_each().iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_of_a_spec_is_told_at_once() {
    let text = r#"name = "my experiment"
sed = 7
[dataset]
name = "minst"
train = 1000000
[activation]
function = "swish"
degree = 1
interval = "wide"
[network]
layers = [
    { type = "conv", channels = 0, kernel = 3 },
    { type = "max-pool", size = 2 },
    { type = "dense", unit = 3 },
]
[train]
epoch = 3
optimizer = "mun"
sgd_momentum = 0.8
peak_penalty = 2000.0
peak_limit = 3.0
[encryption]
backend = "ckk"
views = 3
"#;
    let found = faults(text);
    for part in [
        "this name cannot be",
        "no key `sed`",
        "\"minst\"",
        "`dataset.train` must be",
        "\"swish\"",
        "`activation.degree` must be",
        "`activation.interval` has the wrong type",
        "`network.layers[0].channels` must be",
        "max-pool has no place",
        "a layer has no key `unit`",
        "[train] has no key `epoch`",
        "\"mun\"",
        "`train.peak_penalty` must be",
        "\"ckk\"",
        "`encryption.views` must be",
    ] {
        assert!(
            found.iter().any(|fault| fault.contains(part)),
            "{part} is not among {found:#?}"
        );
    }
    // The momentum belongs to Muon, the limit to the penalty: neither is a fault of its own.
    assert_eq!(found.len(), 15, "{found:#?}");
}

#[test]
fn names_that_others_use_are_known() {
    let error = parse(&format!("{MINIMAL}activation.function = \"swish\"")).unwrap_err();
    let shown = format!("{:?}", miette::Report::new(error));
    assert!(shown.contains("did you mean `silu`?"), "{shown}");
}

#[test]
fn a_study_says_that_it_is_one() {
    let found = faults("name = \"s\"\nseeds = [1, 2]\n[base]\ndataset.name = \"mnist\"\n");
    assert_eq!(found, ["this is a study, not an experiment"]);
}
