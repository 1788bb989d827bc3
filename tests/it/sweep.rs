//! `cryptodl sweep` as a user meets it: points run once, a broken sweep goes on, a study of approximations needs nothing.

use crate::common::Place;
use std::fs;
use std::path::{Path, PathBuf};

/// Two degrees and two seeds of a network that trains in a blink.
fn study(more: &str) -> String {
    format!(
        "name = \"s\"\ntitle = \"A study\"\nbase = \"tiny.toml\"\nseeds = [1, 2]\n[set]\nencryption.backend = \"clear\"\ntrain.epochs = 2\n\
         [[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3]\n{more}"
    )
}

fn place(more: &str) -> Place {
    let place = Place::new();
    place.write("tiny.toml", crate::common::TINY);
    place.write("s.toml", study(more));
    place
}

fn experiment(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments")
        .join(name);
    path.display().to_string()
}

fn sweep_folder(place: &Place) -> PathBuf {
    let found: Vec<PathBuf> = fs::read_dir(place.path("results/sweeps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("sweep.json").exists())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// The table without what a clock or a memory gauge measures.
fn figures(place: &Place) -> Vec<Vec<String>> {
    let text = fs::read_to_string(sweep_folder(place).join("points.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let measured = |name: &str| {
        let sections = ["timing.", "memory.", "prediction."];
        name.ends_with("_s") || sections.iter().any(|section| name.starts_with(section))
    };
    lines
        .map(|line| {
            let cells = line.split(',').zip(&names);
            cells
                .filter(|(_, name)| !measured(name))
                .map(|(cell, _)| cell.to_owned())
                .collect()
        })
        .collect()
}

#[test]
fn a_sweep_runs_what_is_missing_and_makes_one_table() {
    let place = place("");
    let dry = place.run(&["sweep", "s.toml", "--dry-run"]).ok();
    assert!(dry.out.contains("4 points, 4 to run"), "{}", dry.out);
    assert!(!place.path("results").exists(), "a dry run writes nothing");

    let first = place.run(&["sweep", "s.toml"]).ok();
    assert!(
        first.out.contains("4 points: 4 done (4 ran now)"),
        "{}",
        first.out
    );
    let table = figures(&place);
    assert_eq!(table.len(), 4);
    for file in ["points.parquet", "points.md", "seeds.csv", "sweep.json"] {
        assert!(sweep_folder(&place).join(file).exists(), "{file}");
    }
    let again = place.run(&["sweep", "s.toml"]).ok();
    assert!(again.out.contains("(0 ran now)"), "{}", again.out);
    assert_eq!(figures(&place), table);

    // A larger study keeps the points it shares.
    place.write("s.toml", study("").replace("[2, 3]", "[2, 3, 4]"));
    let larger = place.run(&["sweep", "s.toml"]).ok();
    assert!(
        larger.out.contains("6 points: 6 done (2 ran now)"),
        "{}",
        larger.out
    );
}

#[test]
fn a_wrong_point_is_shown_in_the_study_before_anything_runs() {
    let place = place("[[axis]]\nkey = \"train.epoch\"\nvalues = [1]\n");
    place
        .run(&["sweep", "s.toml"])
        .fails(2, &["s.toml:12", "did you mean `epochs`?"]);
    assert!(!place.path("results").exists());
}

#[test]
fn a_failed_point_does_not_stop_the_others() {
    // A learning rate that no network survives, beside one that all do.
    let place = place(
        "[[axis]]\nkeys = [\"train.optimizer\", \"train.clip_norm\", \"train.learning_rate\", \"train.range_penalty\"]\n\
         values = [[\"sgd\", 0.0, 1.0, 100.0], [\"adamw\", 2.0, 2e-3, 0.01]]\n",
    );
    for ran in [8, 4] {
        let ended = place.run(&["sweep", "s.toml"]).fails(
            1,
            &["failed: training diverged", "4 of 8 points have no result"],
        );
        let told = format!("8 points: 4 done ({ran} ran now), 4 failed, 0 left");
        assert!(ended.out.contains(&told), "{}", ended.out);
    }
    let text = fs::read_to_string(sweep_folder(&place).join("points.csv")).unwrap();
    assert_eq!(text.matches("of the pre-activations outside").count(), 4);
    let fast = place
        .run(&["sweep", "s.toml", "--fail-fast"])
        .fails(1, &["have no result"]);
    assert!(fast.out.contains("(1 ran now)"), "{}", fast.out);
}

#[cfg(unix)]
#[test]
fn a_stopped_sweep_goes_on_to_the_table_of_an_unbroken_one() {
    let unbroken = place("");
    unbroken.run(&["sweep", "s.toml", "--fixed-costs"]).ok();

    let broken = place("");
    let mut child = broken
        .command(&["sweep", "s.toml", "--fixed-costs"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while fs::read_dir(broken.path("results/runs")).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed().as_secs() < 120, "no run has begun");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    let code = child.wait().unwrap().code();
    // It may have been through by then, or have saved nothing yet.
    assert!(matches!(code, Some(75 | 130 | 0)), "{code:?}");
    broken.run(&["sweep", "s.toml", "--fixed-costs"]).ok();
    assert_eq!(figures(&broken), figures(&unbroken));
}

#[test]
fn the_smoke_study_runs_and_encrypts() {
    let place = Place::new();
    place.run(&["sweep", &experiment("smoke.toml")]).ok();
    let encrypted = figures(&place)
        .into_iter()
        .filter(|row| row.contains(&"ckks".to_owned()));
    assert_eq!(encrypted.count(), 2);
}

#[test]
fn rq1_needs_no_data_and_makes_a_page() {
    let place = Place::new();
    let ended = place.run(&["sweep", &experiment("rq1.toml")]).ok();
    assert!(
        ended.out.contains("1920 polynomials found"),
        "{}",
        ended.out
    );
    let folder = place.path("results/studies/rq1");
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(
        page.contains("<svg") && page.len() < 1 << 20,
        "{}",
        page.len()
    );
    let table = fs::read_to_string(folder.join("approximations.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 1920);
    // CryptoDL's authors: 0.42441 t^2 + 0.5 t + 0.10610 on [-1, 1].
    assert!(
        table.contains("relu,chebyshev,2,-1.0,1.0,"),
        "the case is there"
    );
}
