//! Studies: what they expand to, and how a fault of a study or of one of its points reads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::{NoFiles, SpecError};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::fmt::Write;
use std::path::Path;

/// A study with an inline base, without axes.
const BASE: &str =
    "name = \"s\"\n[base]\ndataset.name = \"mnist\"\n[base.encryption]\nbackend = \"clear\"\n";

fn read(text: &str, overrides: &[&str]) -> Result<Study, SpecError> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Study::from_str_named(text, "study.toml", Path::new("."), &overrides)
}

fn render(error: &SpecError) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_links(false)
        .with_width(100)
        .render_report(&mut text, error)
        .unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn sweep(text: &str) -> Sweep {
    let study = read(text, &[]).unwrap_or_else(|error| panic!("{}", render(&error)));
    match study.kind {
        StudyKind::Runs(sweep) => sweep,
        StudyKind::Approximation(_) => panic!("not a sweep"),
    }
}

fn labels(sweep: &Sweep) -> Vec<&str> {
    sweep
        .points
        .iter()
        .map(|point| point.label.as_str())
        .collect()
}

#[test]
fn a_product_runs_through_the_last_axis_first() {
    let found = sweep(&format!(
        "{BASE}[[axis]]\nkey = \"activation.function\"\nvalues = [\"relu\", \"tanh\"]\n[[axis]]\nkey = \"activation.degree\"\nfrom = 2\nto = 3\n"
    ));
    assert_eq!(found.keys, ["activation.function", "activation.degree"]);
    assert_eq!(
        labels(&found),
        [
            "relu, degree 2",
            "relu, degree 3",
            "tanh, degree 2",
            "tanh, degree 3"
        ]
    );
    let last = &found.points[3].experiment;
    assert_eq!(
        (last.activation.function.as_str(), last.activation.degree),
        ("tanh", 3)
    );
    assert_eq!(last.name, "s_tanh_degree3");
}

#[test]
fn zipped_keys_ranges_seeds_and_exclusions() {
    let found = sweep(&format!(
        "seeds = [1, 2]\n{BASE}[[axis]]\nkeys = [\"network.depth\", \"train.epochs\"]\nvalues = [[1, 4], [2, 8]]\n\
         [[axis]]\nkey = \"train.ema\"\nfrom = 0.1\nto = 0.3\nstep = 0.1\n[[exclude]]\ntrain.epochs = 8\ntrain.ema = [0.1, 0.2]\n"
    ));
    assert_eq!(found.points.len(), 2 * (3 + 1));
    let emas: Vec<f64> = found.points[..6]
        .iter()
        .map(|point| point.experiment.train.ema)
        .collect();
    assert_eq!(emas, [0.1, 0.1, 0.2, 0.2, 0.3, 0.3], "seeds are fastest");
    assert!(
        found
            .points
            .iter()
            .all(|point| point.experiment.train.epochs == 4 * point.experiment.network.depth)
    );
    assert_eq!(found.points[7].label, "depth 2, epochs 8, ema 0.3, seed 2");
}

#[test]
fn parts_share_points_and_the_table_has_every_key() {
    let found = sweep(&format!(
        "{BASE}[set]\ntrain.epochs = 3\n[[part]]\nname = \"degree\"\n[[part.axis]]\nkey = \"activation.degree\"\nvalues = [2, 3]\n\
         [[part]]\nname = \"depth\"\n[[part.axis]]\nkey = \"network.depth\"\nvalues = [2, 1]\n"
    ));
    // Degree 2 and depth 2 are the defaults: one point in both parts.
    assert_eq!(found.points.len(), 3);
    assert_eq!(found.points[0].parts, ["degree", "depth"]);
    assert_eq!(found.points[2].parts, ["depth"]);
    assert_eq!(
        found.points[2].values["activation.degree"],
        Value::Integer(2),
        "told by the checked experiment"
    );
    assert!(found.points.iter().all(|point| point.values.len() == 3));
}

#[test]
fn ids_do_not_depend_on_the_study() {
    let small = sweep(&format!(
        "{BASE}[[axis]]\nkey = \"activation.degree\"\nvalues = [3]\n"
    ));
    let large = sweep(&format!(
        "{}[[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3, 4]\n[[axis]]\nkey = \"seed\"\nvalues = [0, 1]\n",
        BASE.replace("\"s\"", "\"other\"")
    ));
    assert_eq!(small.points[0].id, large.points[2].id);
    assert_ne!(small.points[0].id, large.points[3].id);
    let again = sweep(&format!(
        "{BASE}[[axis]]\nkey = \"activation.degree\"\nvalues = [3]\n"
    ));
    assert_eq!(small, again);
}

#[test]
fn an_override_reaches_every_point_and_a_base_may_be_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("base.toml"),
        "name = \"b\"\ndataset.name = \"mnist\"\n",
    )
    .unwrap();
    let text = "name = \"s\"\nbase = \"base.toml\"\n[[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3]\n";
    let study = Study::from_str_named(
        text,
        "study.toml",
        folder.path(),
        &["dataset.name=fashion-mnist".to_owned()],
    )
    .unwrap();
    let StudyKind::Runs(found) = study.kind else {
        panic!("not a sweep")
    };
    assert!(
        found
            .points
            .iter()
            .all(|point| point.experiment.dataset.source.name() == "fashion-mnist")
    );
    // A fault that only the point has is shown in the study, not in the base.
    let error = Study::from_str_named(
        &text.replace("[2, 3]", "[2, 30]"),
        "study.toml",
        folder.path(),
        &[],
    )
    .unwrap_err();
    let error = render(&error);
    assert!(
        error.contains("study.toml:5:14") && error.contains("30 is too large"),
        "{error}"
    );
}

#[test]
fn approximations() {
    let study = read(
        "name = \"a\"\nkind = \"approximation\"\n[approximation]\nfunctions = [\"relu\"]\nmethods = [\"minimax\", \"data\"]\n\
         degrees = { from = 2, to = 4 }\nintervals = [[-4, 4.0]]\ninputs = \"data/x.json\"\n",
        &[],
    )
    .unwrap_or_else(|error| panic!("{}", render(&error)));
    let StudyKind::Approximation(spec) = study.kind else {
        panic!("not approximations")
    };
    assert_eq!(spec.degrees, [2, 3, 4]);
    assert_eq!(spec.inputs.unwrap(), Path::new("./data/x.json"));
}

#[test]
fn too_many_points_are_refused_before_they_are_made() {
    let axis = |key: &str| format!("[[axis]]\nkey = \"{key}\"\nfrom = 1\nto = 5000\n");
    let text = format!("{BASE}{}{}", axis("seed"), axis("train.epochs"));
    let error = render(&read(&text, &[]).unwrap_err());
    assert!(
        error.contains("at most 10000 points") && error.contains("5000 x 5000"),
        "{error}"
    );
}

#[test]
fn refused() {
    let axis = "[[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3]\n";
    let cases: &[(&str, String, &[&str])] = &[
        ("no name", "base = \"x.toml\"\n".into(), &[]),
        ("unknown key", format!("{BASE}[[axes]]\nkey = \"seed\"\n"), &[]),
        ("no base", "name = \"s\"\n".into(), &[]),
        ("base is not there", "name = \"s\"\nbase = \"none.toml\"\n".into(), &[]),
        ("fault of the base", BASE.replace("mnist", "minst"), &[]),
        ("unknown key of a spec", format!("{BASE}[[axis]]\nkey = \"activation.degre\"\nvalues = [2]\n"), &[]),
        ("value of one point", format!("{BASE}[[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3, 99]\n"), &[]),
        ("value of a range", format!("{BASE}[[axis]]\nkey = \"activation.degree\"\nfrom = 2\nto = 20\n"), &[]),
        ("type of one point", format!("{BASE}[[axis]]\nkey = \"activation.interval\"\nvalues = [[-4, 4], [-2, \"a\"]]\n"), &[]),
        ("axis without values", format!("{BASE}[[axis]]\nkey = \"seed\"\n"), &[]),
        ("values and range", format!("{BASE}[[axis]]\nkey = \"seed\"\nvalues = [1]\nfrom = 2\n"), &[]),
        ("uneven zip", format!("{BASE}[[axis]]\nkeys = [\"seed\", \"train.epochs\"]\nvalues = [[1, 2], [3]]\n"), &[]),
        ("equal values", format!("{BASE}[[axis]]\nkey = \"train.ema\"\nvalues = [0, 0.0]\n"), &[]),
        ("key of two axes", format!("{BASE}{axis}{axis}"), &[]),
        ("section and key", format!("{BASE}{axis}[set]\nactivation = {{ degree = 2 }}\n"), &[]),
        ("exclusion of no axis", format!("{BASE}{axis}[[exclude]]\ntrain.epochs = 3\n"), &[]),
        ("exclusion of nothing", format!("{BASE}{axis}[[exclude]]\nactivation.degree = 4\n"), &[]),
        ("exclusion of everything", format!("{BASE}{axis}[[exclude]]\nactivation.degree = [2, 3]\n"), &[]),
        ("override of an axis", format!("{BASE}{axis}"), &["activation.degree=4"]),
        ("wrong override", format!("{BASE}{axis}"), &["train.epochs=none"]),
        ("method without data", "name = \"a\"\nkind = \"approximation\"\n[approximation]\nfunctions = [\"relu\"]\nmethods = [\"data\"]\ndegrees = [2]\nintervals = [[-1, 1]]\n".into(), &[]),
        ("interval", "name = \"a\"\nkind = \"approximation\"\n[approximation]\nfunctions = [\"relu\"]\nmethods = [\"minimax\"]\ndegrees = [2]\nintervals = [[1, -1]]\n".into(), &[]),
    ];
    let mut text = String::new();
    for (what, study, overrides) in cases {
        match read(study, overrides) {
            Err(error) => write!(text, "## {what}\n{}\n\n", render(&error)).unwrap(),
            Ok(_) => panic!("accepted: {what}\n{study}"),
        }
    }
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("refused-studies", text.trim_end());
    });
}

#[test]
fn every_study_in_the_project_is_legal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let study = Study::from_path(&path, &[], &NoFiles)
            .unwrap_or_else(|error| panic!("{}", render(&error)));
        assert_eq!(
            Some(study.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str()),
            "a study is called what its file is called"
        );
        if let StudyKind::Runs(sweep) = study.kind {
            assert!(!sweep.points.is_empty());
        }
    }
    assert!(seen >= 1, "{seen} studies");
}
