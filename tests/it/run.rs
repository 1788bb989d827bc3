//! `cryptodl run`, as a person uses it: whole runs on a tiny network, reuse, damage, kills.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::{Place, TINY, json};

#[test]
fn a_run_leaves_the_whole_contract_and_the_next_one_reuses_it() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let first = place.run(&["run", "tiny.toml"]).ok();
    assert!(first.out.contains("encrypted"), "{}", first.out);

    let folder = place.run_folder("tiny-");
    for file in [
        "spec.toml",
        "manifest.json",
        "summary.json",
        "epochs.csv",
        "predictions.parquet",
        "layers.csv",
        "model.safetensors",
        "report.md",
        "report.html",
        "log.jsonl",
    ] {
        assert!(
            fs::metadata(folder.join(file)).is_ok_and(|meta| meta.len() > 0),
            "{file} is missing or empty"
        );
    }
    for end in [".svg", ".png"] {
        let charts = fs::read_dir(&folder)
            .unwrap()
            .filter(|entry| {
                crate::common::file_name(&entry.as_ref().unwrap().path()).ends_with(end)
            })
            .count();
        assert!(charts >= 5, "{charts} {end} charts");
    }

    let summary = json(&folder.join("summary.json"));
    for name in ["polynomial", "circuit", "simulated", "encrypted"] {
        let accuracy = &summary["accuracy"][name];
        assert_eq!(accuracy["n"], 300, "{name}");
        let (low, value, high) = (
            accuracy["low"].as_f64(),
            accuracy["value"].as_f64(),
            accuracy["high"].as_f64(),
        );
        assert!(low < value && value < high, "{name}: {accuracy}");
    }
    assert!(
        summary["accuracy"].get("original").is_none(),
        "no baseline was asked for"
    );
    // Four epochs are little, but far from the tenth that guessing gives.
    assert!(
        summary["accuracy"]["encrypted"]["value"].as_f64().unwrap() > 0.5,
        "{summary}"
    );
    assert!(
        summary["agreement"]["encrypted_vs_circuit"]["value"]
            .as_f64()
            .unwrap()
            > 0.98,
        "{summary}"
    );
    assert!(
        summary["agreement"]["max_logit_error"].as_f64().unwrap() > 0.0,
        "real ciphertexts have noise: {summary}"
    );
    assert_eq!(summary["encryption"]["security_bits"], 128);
    let timing = &summary["timing"];
    let (batch, evaluate) = (
        timing["batch"].as_f64().unwrap(),
        timing["evaluate_s"].as_f64().unwrap(),
    );
    let hourly = timing["predictions_per_hour"].as_f64().unwrap();
    assert!(
        (hourly / (batch * 3600.0 / evaluate) - 1.0).abs() < 1e-9,
        "{timing}"
    );

    // What was foretold stands beside what came, and the bound was kept.
    let prediction = &summary["prediction"];
    let of = |name: &str, key: &str| prediction[name][key].as_f64().unwrap();
    assert_eq!(of("evaluate_s", "measured"), evaluate);
    let ratio = of("evaluate_s", "measured") / of("evaluate_s", "predicted");
    assert!((of("evaluate_s", "ratio") / ratio - 1.0).abs() < 1e-12);
    assert!(
        of("precision_bits", "difference").abs() < 2.0,
        "{prediction}"
    );
    assert!(of("error_bound_bits", "difference") >= 0.0, "{prediction}");
    assert!(of("peak_bytes", "predicted") > 0.0);
    let layers = fs::read_to_string(folder.join("layers.csv")).unwrap();
    assert!(
        layers
            .lines()
            .next()
            .unwrap()
            .ends_with(",predicted_seconds")
    );

    // The resolved spec is a spec, and the same one.
    let resolved = folder.join("spec.toml");
    let again = place.run(&["run", resolved.to_str().unwrap()]).ok();
    assert!(
        again
            .out
            .contains("reused from the store: train, plaintext, circuit, encrypted"),
        "{}",
        again.out
    );
    assert_eq!(place.run_folder("tiny-"), folder);

    let forced = place
        .run(&["run", "tiny.toml", "--force", "encrypted"])
        .ok();
    assert!(
        forced
            .out
            .contains("reused from the store: train, plaintext, circuit\n"),
        "{}",
        forced.out
    );

    // Another backend shares the trained network.
    let clear = place
        .run(&[
            "run",
            "tiny.toml",
            "--set",
            "encryption.backend=clear",
            "--set",
            "name=clear",
        ])
        .ok();
    assert!(
        clear.out.contains("reused from the store: train"),
        "{}",
        clear.out
    );
    let summary = json(&place.run_folder("clear-").join("summary.json"));
    assert!(
        summary.get("encryption").is_none() && summary["accuracy"].get("encrypted").is_none(),
        "{summary}"
    );
}

#[test]
fn a_damaged_store_entry_is_named_and_force_repairs_it() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let quick = [
        "run",
        "tiny.toml",
        "--set",
        "train.epochs=1",
        "--set",
        "encryption.backend=clear",
    ];
    place.run(&quick).ok();
    let entry = fs::read_dir(place.path("results/store/train"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let model = entry.join("model.safetensors");
    let bytes = fs::read(&model).unwrap();
    fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    place
        .run(&quick)
        .fails(1, &["model.safetensors", "--force train"]);
    place
        .run(&[&quick[..], &["--force", "train"]].concat())
        .ok();
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_to_the_same_result_as_an_unbroken_one() {
    let long = [
        "--set",
        "train.epochs=40",
        "--set",
        "encryption.backend=clear",
        // Two folders would measure two tables of costs.
        "--fixed-costs",
    ];
    let unbroken = Place::new();
    unbroken.write("tiny.toml", TINY);
    unbroken
        .run(&[&["run", "tiny.toml"][..], &long].concat())
        .ok();

    let broken = Place::new();
    broken.write("tiny.toml", TINY);
    let mut child = broken
        .command(&[&["run", "tiny.toml"][..], &long].concat())
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for_checkpoint(&broken, &mut child);
    kill(&child, "-TERM");
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(75), "a saved stop");
    assert!(
        !broken.path("results/runs").exists()
            || fs::read_dir(broken.path("results/runs"))
                .unwrap()
                .next()
                .is_none()
    );

    // And once more, without a chance to clean up.
    let mut child = broken
        .command(&[&["run", "tiny.toml"][..], &long].concat())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(400));
    kill(&child, "-KILL");
    child.wait().unwrap();

    broken
        .run(&[&["run", "tiny.toml"][..], &long].concat())
        .ok();
    for file in ["model.safetensors", "predictions.parquet"] {
        let (a, b) = (
            unbroken.run_folder("tiny-").join(file),
            broken.run_folder("tiny-").join(file),
        );
        assert!(
            fs::read(a).unwrap() == fs::read(b).unwrap(),
            "{file} differs from an unbroken run's"
        );
    }
}

#[cfg(unix)]
fn wait_for_checkpoint(place: &Place, child: &mut std::process::Child) {
    let start = Instant::now();
    let partial = place.path("results/store/partial");
    loop {
        let saved = fs::read_dir(&partial)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| {
                crate::common::file_name(&entry.path()).starts_with("train-")
                    && fs::read_dir(entry.path()).is_ok_and(|mut files| {
                        files.any(|file| {
                            file.is_ok_and(|file| {
                                crate::common::file_name(&file.path()).contains("checkpoint")
                            })
                        })
                    })
            });
        if saved {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended before it was killed"
        );
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "no checkpoint within two minutes"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn kill(child: &std::process::Child, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}
