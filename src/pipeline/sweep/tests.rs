//! The sweep around the runs: what runs, what is kept, and that a broken sweep ends like an unbroken one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::spec::{Study, StudyKind};
use std::sync::atomic::AtomicUsize;

/// Writes a summary whose accuracy follows from the degree and the seed; fails and stops where it is told to.
struct Fake<'a> {
    out: &'a Path,
    runs: AtomicUsize,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
    stops_at: Option<usize>,
    stop: &'a AtomicBool,
}

impl<'a> Fake<'a> {
    fn new(out: &'a Path, stop: &'a AtomicBool) -> Self {
        Self {
            out,
            runs: AtomicUsize::new(0),
            fails_at: None,
            panics_at: None,
            stops_at: None,
            stop,
        }
    }
}

impl Runner for Fake<'_> {
    fn estimate(&self, experiment: &Experiment) -> Result<PointEstimate, PipelineError> {
        if experiment.activation.degree == 15 {
            return Err(PipelineError::Malformed {
                path: "plan".into(),
                what: "too deep".into(),
            });
        }
        Ok(PointEstimate {
            run: format!("{}-00000000", experiment.name),
            ..PointEstimate::default()
        })
    }

    fn run(&self, experiment: &Experiment) -> Result<(), PipelineError> {
        let degree = experiment.activation.degree;
        self.runs.fetch_add(1, Ordering::SeqCst);
        if self.stops_at == Some(degree) {
            self.stop.store(true, Ordering::SeqCst);
            return Err(crate::training::TrainError::Interrupted {
                epoch: 2,
                saved: true,
            }
            .into());
        }
        if self.fails_at == Some(degree) {
            return Err(PipelineError::Malformed {
                path: "x".into(),
                what: "diverged | badly".into(),
            });
        }
        assert!(self.panics_at != Some(degree), "as planned");
        let folder = self
            .out
            .join("runs")
            .join(format!("{}-00000000", experiment.name));
        fs::create_dir_all(&folder).unwrap();
        // Of 100 images so many are right, the first ones.
        let correct = 90 + degree + experiment.seed as usize % 3;
        let accuracy = crate::results::Accuracy::wilson(correct as u64, 100);
        let summary = serde_json::json!({
            "name": experiment.name, "dataset": "digits",
            "activation": { "function": "relu", "method": "hermite", "degree": degree, "interval": [-4.0, 4.0] },
            "network": { "depth": 0, "parameters": 1, "macs": 1, "activations": 1 },
            "accuracy": { "polynomial": accuracy }, "agreement": {},
            "timing": { "images": 0, "batch": 0, "threads": 0 }, "memory": {}
        });
        write_json(&folder.join("summary.json"), &summary).unwrap();
        write_json(
            &folder.join("manifest.json"),
            &crate::results::Manifest::default(),
        )
        .unwrap();
        fs::write(
            folder.join("spec.toml"),
            format!("seed = {}\n", experiment.seed),
        )
        .unwrap();
        let predictions = crate::results::PredictionTable {
            labels: vec![0; 100],
            columns: vec![crate::results::PredictionColumn {
                name: "polynomial".into(),
                predicted: (0..100)
                    .map(|image| Some(u16::from(image >= correct)))
                    .collect(),
                evaluation: None,
            }],
        };
        crate::results::tables::write_predictions(
            &folder.join("predictions.parquet"),
            &predictions,
        )
        .unwrap();
        fs::write(
            folder.join("ranges.json"),
            "{\"test\":[{\"outside\":0.01},{\"outside\":0.25}]}",
        )
        .unwrap();
        Ok(())
    }
}

fn study(degrees: &str) -> Sweep {
    let text = format!(
        "name = \"s\"\nseeds = [1, 2, 3]\n[base]\ndataset.name = \"digits\"\nencryption.backend = \"clear\"\n[[axis]]\nkey = \"activation.degree\"\nvalues = {degrees}\n"
    );
    match Study::from_str_named(&text, "s.toml", Path::new("."), &[])
        .unwrap()
        .kind
    {
        StudyKind::Runs(sweep) => sweep,
        StudyKind::Approximation(_) => panic!("a sweep"),
    }
}

fn go<'a>(
    sweep: &'a Sweep,
    runner: &Fake<'_>,
    jobs: usize,
    fail_fast: bool,
) -> Result<SweepOutcome<'a>, PipelineError> {
    let options = SweepOptions {
        out: runner.out,
        jobs,
        fail_fast,
        stop: runner.stop,
    };
    run_sweep("s", "A study", sweep, &options, runner)
}

fn table(outcome: &SweepOutcome<'_>) -> String {
    fs::read_to_string(outcome.folder.join("points.csv")).unwrap()
}

#[test]
fn points_run_once_and_the_table_holds_all() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 3]");
    let runner = Fake::new(out.path(), &stop);
    let outcome = go(&sweep, &runner, 2, false).unwrap();
    outcome.verdict().unwrap();
    assert_eq!((outcome.ran, runner.runs.load(Ordering::SeqCst)), (6, 6));
    let csv = table(&outcome);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(
        lines[0].starts_with("id,parts,set.activation.degree,set.seed,state,"),
        "{csv}"
    );
    assert!(
        lines[6].contains(",3,3,done,") && lines[6].contains(",0.25,"),
        "{csv}"
    );
    // Degree 2 of seeds 1, 2, 3: 93, 94 and 92 of 100.
    let seeds = fs::read_to_string(outcome.folder.join("seeds.csv")).unwrap();
    assert_eq!(
        seeds.lines().next(),
        Some("activation.degree,seeds,polynomial,polynomial_low,polynomial_high")
    );
    assert!(
        seeds.lines().nth(1).unwrap().starts_with("2,3,0.93"),
        "{seeds}"
    );
    let markdown = fs::read_to_string(outcome.folder.join("points.md")).unwrap();
    assert!(markdown.starts_with("# A study\n") && markdown.contains("Means over seeds"));

    // Again: nothing runs, nothing changes. A larger study runs only what is new.
    let saved = fs::read(outcome.folder.join("sweep.json")).unwrap();
    let again = go(&sweep, &runner, 1, false).unwrap();
    assert_eq!((again.ran, table(&again)), (0, csv));
    assert_eq!(saved, fs::read(again.folder.join("sweep.json")).unwrap());
    let larger = study("[2, 3, 4]");
    let outcome = go(&larger, &runner, 1, false).unwrap();
    assert_eq!(outcome.ran, 3);
    assert_ne!(outcome.folder, again.folder);
}

#[test]
fn a_failed_point_is_told_kept_and_run_again() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 3, 4]");
    let runner = Fake {
        fails_at: Some(3),
        panics_at: Some(4),
        ..Fake::new(out.path(), &stop)
    };
    let outcome = go(&sweep, &runner, 1, false).unwrap();
    assert_eq!(outcome.count(|state| *state == PointState::Done), 3);
    let error = outcome.verdict().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("6 of 9"), "{error}");
    assert!(table(&outcome).contains("diverged | badly"));
    assert!(
        fs::read_to_string(outcome.folder.join("points.md"))
            .unwrap()
            .contains("diverged \\| badly")
    );

    let fixed = Fake::new(out.path(), &stop);
    let outcome = go(&sweep, &fixed, 1, false).unwrap();
    outcome.verdict().unwrap();
    assert_eq!(outcome.ran, 6, "only what had failed");
    let elsewhere = tempfile::tempdir().unwrap();
    let unbroken = go(&sweep, &Fake::new(elsewhere.path(), &stop), 1, false).unwrap();
    assert_eq!(table(&outcome), table(&unbroken));
}

#[test]
fn fail_fast_starts_no_further_point() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 3, 4]");
    let runner = Fake {
        fails_at: Some(3),
        ..Fake::new(out.path(), &stop)
    };
    let outcome = go(&sweep, &runner, 1, true).unwrap();
    assert_eq!(runner.runs.load(Ordering::SeqCst), 4);
    assert_eq!(outcome.count(|state| *state == PointState::Missing), 5);
    assert!(!outcome.stopped);
    assert_eq!(outcome.verdict().unwrap_err().exit_code(), 1);
}

#[test]
fn a_stopped_sweep_goes_on_to_the_table_of_an_unbroken_one() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 3]");
    let runner = Fake {
        stops_at: Some(3),
        ..Fake::new(out.path(), &stop)
    };
    let outcome = go(&sweep, &runner, 1, false).unwrap();
    assert!(outcome.stopped);
    assert_eq!(outcome.verdict().unwrap_err().exit_code(), 75);
    assert_eq!(
        outcome.count(|state| matches!(state, PointState::Failed(_))),
        0
    );

    stop.store(false, Ordering::SeqCst);
    let outcome = go(&sweep, &Fake::new(out.path(), &stop), 1, false).unwrap();
    assert_eq!(outcome.ran, 3);
    let elsewhere = tempfile::tempdir().unwrap();
    let unbroken = go(&sweep, &Fake::new(elsewhere.path(), &stop), 3, false).unwrap();
    assert_eq!(table(&outcome), table(&unbroken));
}

#[test]
fn all_points_are_checked_before_the_first_runs() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 15]");
    let runner = Fake::new(out.path(), &stop);
    let error = go(&sweep, &runner, 1, false).unwrap_err().to_string();
    assert!(
        error.contains("degree 15, seed 1") && error.contains("too deep"),
        "{error}"
    );
    assert_eq!(runner.runs.load(Ordering::SeqCst), 0);
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        0,
        "nothing is written"
    );
}

#[test]
fn two_sweeps_at_once_run_every_point_once() {
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let sweep = study("[2, 3, 4, 5]");
    let runner = Fake::new(out.path(), &stop);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| go(&sweep, &runner, 2, false).unwrap().verdict().unwrap());
        }
    });
    assert_eq!(runner.runs.load(Ordering::SeqCst), 12);
}
