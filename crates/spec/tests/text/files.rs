//! Specs in files: what cannot be read, and the files of `configs/`.

use super::render;
use cryptodl_spec::{Experiment, MAX_BYTES, NoFiles, SpecError};
use std::fs;
use std::path::Path;

#[test]
fn a_missing_file_is_named() {
    let error = Experiment::from_path("no/such/spec.toml", &[], &NoFiles).unwrap_err();
    assert!(matches!(error, SpecError::Read { .. }));
    assert_eq!(error.exit_code(), 2);
    insta::with_settings!({ snapshot_path => "../../src/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("refused-missing-file", render(&error));
    });
}

#[test]
fn a_folder_is_no_spec() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Experiment::from_path(folder.path(), &[], &NoFiles),
        Err(SpecError::Read { .. })
    ));
}

#[test]
fn other_bytes_than_utf_8_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.toml");
    fs::write(&path, b"name = \"a\"\n# gr\xf6\xdfe\n").unwrap();
    assert!(matches!(
        Experiment::from_path(&path, &[], &NoFiles),
        Err(SpecError::NotUtf8 {
            at: 15,
            line: 2,
            ..
        })
    ));
}

#[test]
fn a_file_beyond_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.toml");
    let mut text = "name = \"a\"\ndataset.name = \"mnist\"\n#".to_owned();
    text.push_str(&"x".repeat(MAX_BYTES as usize - text.len()));
    fs::write(&path, &text).unwrap();
    Experiment::from_path(&path, &[], &NoFiles).unwrap();
    fs::write(&path, text + "x").unwrap();
    assert!(matches!(
        Experiment::from_path(&path, &[], &NoFiles),
        Err(SpecError::TooLarge {
            limit: MAX_BYTES,
            ..
        })
    ));
}

#[test]
fn nested_brackets_do_not_exhaust_the_stack() {
    let text = format!("name = {}", "[".repeat(500_000));
    Experiment::from_str_named(&text, "deep.toml", &[]).unwrap_err();
    Experiment::from_str_named("", "a.toml", &[text.replace("name = ", "name=")]).unwrap_err();
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_fine() {
    Experiment::from_str_named(
        "\u{feff}name = \"a\"\r\n[dataset]\r\nname = \"mnist\"\r\n",
        "a.toml",
        &[],
    )
    .unwrap();
}

#[test]
fn every_config_is_legal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let experiment = Experiment::from_path(&path, &[], &NoFiles)
            .unwrap_or_else(|error| panic!("{}", render(&error)));
        assert_eq!(
            Some(experiment.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str()),
            "a config is called what its run is called"
        );
        let again =
            Experiment::from_str_named(&experiment.to_toml(), "resolved.toml", &[]).unwrap();
        assert_eq!(again, experiment);
    }
    assert!(seen >= 8, "{seen} configs");
}
