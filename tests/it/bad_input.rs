//! Bad input: a clear message, the right exit code, nothing half-written.

use std::fs;

use crate::common::{Place, TINY};

const MNIST: &str = "name = \"m\"\n[dataset]\nname = \"mnist\"\n";

#[test]
fn specs() {
    let place = Place::new();
    let cases: [(&str, String, &[&str]); 8] = [
        (
            "a typo",
            TINY.replace("degree", "degre"),
            &["degre", "degree"],
        ),
        (
            "not a number",
            TINY.replace("epochs = 4", "epochs = 4\nlearning_rate = nan"),
            &["learning_rate"],
        ),
        (
            "infinite",
            TINY.replace("[-4.0, 4.0]", "[-inf, 4.0]"),
            &["interval"],
        ),
        (
            "degree 40",
            TINY.replace("degree = 2", "degree = 40"),
            &["40"],
        ),
        (
            "degree 0",
            TINY.replace("degree = 2", "degree = 0"),
            &["degree"],
        ),
        (
            "an empty interval",
            TINY.replace("[-4.0, 4.0]", "[4.0, 4.0]"),
            &["interval"],
        ),
        (
            "a kernel larger than its input",
            TINY.replace("kernel = 5", "kernel = 50"),
            &["kernel"],
        ),
        ("no TOML", "name = ".into(), &["bad.toml"]),
    ];
    for (name, text, words) in cases {
        assert_ne!(text, TINY, "{name}");
        place.write("bad.toml", &text);
        for command in ["check", "run", "plan"] {
            place.run(&[command, "bad.toml"]).fails(2, words);
        }
    }
    place
        .run(&["run", "nowhere.toml"])
        .fails(2, &["nowhere.toml"]);
    place.write("good.toml", TINY);
    place
        .run(&["run", "good.toml", "--set", "train.epoch=3"])
        .fails(2, &["epochs"]);
    place.run(&["check", "good.toml"]).ok();
    assert!(
        !place.path("results").exists(),
        "nothing may be written for a wrong spec"
    );
}

/// Protects: whatever is in a spec or in an argument, the error about it is a few short lines that a terminal shows as they are.
#[test]
fn errors_repeat_no_control_characters_and_no_endless_lines() {
    let place = Place::new();
    let long = "a".repeat(70_000);
    for (text, word) in [
        (
            TINY.replace("degree = 2", &format!("degre{long} = 2")),
            "degre",
        ),
        (format!("{TINY}\nx = {long}"), "bad.toml"),
        (format!("{TINY}\nx = \"{long}\" {long}"), "bad.toml"),
        (TINY.replace("\"relu\"", &format!("\"{long}\"")), "relu"),
        (
            TINY.replace("\"relu\"", "\"re\u{7}lu\\u001b[31m\""),
            "bad.toml",
        ),
        (
            TINY.replace("degree = 2", "\"d\\u001b[2Jegree\" = 2"),
            "degree",
        ),
        (TINY.replace("degree", "degree\u{1b}[31m"), "bad.toml"),
    ] {
        assert_ne!(text, TINY);
        place.write("bad.toml", &text);
        let ended = place.run(&["check", "bad.toml"]).fails(2, &[word]);
        assert_shown(&ended.err);
    }
    for argument in ["\u{1b}[31m.toml", "no\u{7}where.toml"] {
        assert_shown(&place.run(&["check", argument]).fails(2, &["toml"]).err);
        assert_shown(
            &place
                .run(&["check", "--\u{1b}[2J", argument])
                .fails(2, &[])
                .err,
        );
    }
    place.write("tiny.toml", TINY);
    for setting in [
        format!("{long}=1"),
        format!("train.epochs={long}"),
        "a\u{1b}[31m=1".into(),
    ] {
        assert_shown(
            &place
                .run(&["check", "tiny.toml", "--set", &setting])
                .fails(2, &[])
                .err,
        );
    }
}

/// Protects: what a study or a result from somewhere else says of itself reaches the terminal as text.
#[test]
fn control_characters_of_others_are_escaped_on_standard_output_too() {
    let place = Place::new();
    place.write(
        "study.toml",
        format!("name = \"s\"\ntitle = \"a \\u001b[31mtitle\"\n[base]\n{}[[axis]]\nkey = \"seed\"\nvalues = [1, 2]\n", TINY.replace("\n[", "\n[base.").replace("name = \"tiny\"", "").replace("seed = 3", "")),
    );
    let said = place.run(&["sweep", "study.toml", "--dry-run", "--fixed-costs"]);
    let said = said.ok().out;
    assert_shown(&said);
    assert!(said.contains("\\u{1b}[31mtitle"), "{said}");
}

#[track_caller]
fn assert_shown(text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{text:?}");
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    // What is repeated of the input is cut at 2,000 characters; the words around it come on top.
    assert!(longest <= 2_400, "a line of {longest} characters");
}

/// Protects: one call of `check` is enough to see everything that is wrong, in every file.
#[test]
fn check_reports_every_file_and_every_error() {
    let place = Place::new();
    let mut layers = String::new();
    for _ in 0..12 {
        layers.push_str("{ type = \"dense\", units = 8 }, { type = \"activation\" }, ");
    }
    let (start, _) = TINY.split_once("layers = [").unwrap();
    let (_, end) = TINY.split_once("]\n\n[train]").unwrap();
    let deep = format!("{start}layers = [{layers}]\n\n[train]{end}");
    place.write("deep-a.toml", deep.replace("degree = 2", "degree = 9"));
    place.write("deep-b.toml", deep.replace("degree = 2", "degree = 8"));
    place.write("typo.toml", TINY.replace("epochs", "epoch"));
    place.write("good.toml", TINY);
    let order = ["deep-a.toml", "typo.toml", "good.toml", "deep-b.toml"];
    let ended = place.run(&[&["check"], &order[..]].concat());
    assert!(ended.out.contains("good.toml: ok"), "{}", ended.out);
    let ended = ended.fails(
        2,
        &["deep-a.toml: ", "deep-b.toml: ", "typo.toml", "epochs"],
    );
    assert_eq!(ended.err.matches("secur").count(), 2, "{}", ended.err);
}

#[test]
fn a_circuit_deeper_than_any_secure_parameters() {
    let place = Place::new();
    let mut layers = String::new();
    for _ in 0..12 {
        layers.push_str("{ type = \"dense\", units = 8 }, { type = \"activation\" }, ");
    }
    let (start, _) = TINY.split_once("layers = [").unwrap();
    let (_, end) = TINY.split_once("]\n\n[train]").unwrap();
    place.write(
        "deep.toml",
        format!("{start}layers = [{layers}]\n\n[train]{end}").replace("degree = 2", "degree = 9"),
    );
    place.run(&["check", "deep.toml"]).fails(2, &["secur"]);
    place.run(&["run", "deep.toml"]).fails(2, &["secur"]);
}

#[test]
fn data_that_is_missing_or_wrong() {
    let place = Place::new();
    place.write("m.toml", MNIST);
    place
        .run(&["run", "m.toml"])
        .fails(3, &["train-images-idx3-ubyte", "cryptodl data fetch mnist"]);
    // An explicit folder is the only one looked in, and a wrong file is an error even if the others are missing.
    place.write(
        "given/mnist/train-images-idx3-ubyte.gz",
        b"\x1f\x8b\x08\x00 not the official file",
    );
    place
        .run(&["run", "m.toml", "--data-dir", "given"])
        .fails(3, &["train-images-idx3-ubyte.gz"]);
    place
        .run(&["data", "verify", "mnist", "--data-dir", "given"])
        .fails(3, &["train-images-idx3-ubyte.gz"]);
    assert!(
        !place.path("results/runs").exists()
            || fs::read_dir(place.path("results/runs"))
                .unwrap()
                .next()
                .is_none()
    );
}

#[test]
fn output_that_cannot_be_written() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    // A file where a folder should be is refused for every user, root too.
    place.write("taken", "a file");
    place
        .run(&["run", "tiny.toml", "--out", "taken"])
        .fails(1, &["taken"]);
    #[cfg(target_os = "linux")]
    place
        .run(&["run", "tiny.toml", "--out", "/proc/nowhere"])
        .fails(1, &["/proc/nowhere"]);
}

#[test]
fn a_backend_that_is_not_there_or_cannot_do_it() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let backend = ["tiny.toml", "--set", "encryption.backend=tfhe"];
    if cfg!(feature = "tfhe") {
        place.run(&[&["check"], &backend[..]].concat()).ok();
    } else {
        place
            .run(&[&["run"], &backend[..]].concat())
            .fails(3, &["tfhe"]);
    }
    // polynomials alone cannot hold the function itself
    place
        .run(&["run", "tiny.toml", "--set", "activation.exact=true"])
        .fails(2, &["exact"]);
}

#[test]
fn arguments() {
    let place = Place::new();
    place.run(&["runn"]).fails(2, &["run"]);
    place.run(&["run"]).fails(2, &["SPEC"]);
    place
        .run(&["data", "fetch", "imagenet"])
        .fails(2, &["mnist"]);
    let help = place.run(&["--help"]).ok();
    for command in [
        "run", "check", "plan", "data", "export", "keygen", "encrypt", "evaluate", "decrypt",
    ] {
        assert!(help.out.contains(command), "{command}");
    }
}
