//! The report over all studies, from records written by hand: what it does with gaps, with backends that differ, and with studies of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use cryptodl_results::{
    Accuracy, Manifest, Paired, PredictionColumn, PredictionTable, StageRecord, Summary,
};
use std::collections::BTreeMap;

const IMAGES: usize = 2_000;

/// Predictions of ten classes that are wrong on the images of `wrong`.
fn predicted(wrong: &[usize]) -> Vec<Option<u16>> {
    (0..IMAGES)
        .map(|image| Some(((image + usize::from(wrong.contains(&image))) % 10) as u16))
        .collect()
}

/// A run whose f32 network is wrong on some images, its original activation and its encrypted evaluation on others.
fn run(
    name: &str,
    backend: &str,
    original: &[usize],
    plain: &[usize],
    encrypted: &[usize],
    rate: f64,
) -> StoredRun {
    let accuracy = |wrong: &[usize]| {
        serde_json::to_value(Accuracy::wilson(
            (IMAGES - wrong.len()) as u64,
            IMAGES as u64,
        ))
        .unwrap()
    };
    let evaluate_s = 2_048.0 * 3_600.0 / rate;
    let summary = json!({
        "name": name, "dataset": "mnist",
        "activation": { "function": "relu", "method": "hermite", "degree": 2, "interval": [-4.0, 4.0], "coefficients": [0.1, 0.5, 0.2] },
        "network": { "depth": 2, "parameters": 46954, "macs": 295808, "activations": 2880 },
        "accuracy": { "original": accuracy(original), "polynomial": accuracy(plain), "encrypted": accuracy(encrypted) },
        "agreement": {},
        "encryption": { "backend": backend, "scheme": "a <scheme>", "security_bits": 128, "security_source": "a table", "evaluation_key_bytes": 1,
            "ciphertext_bytes": 1, "input_bytes_per_image": 1.0 },
        "timing": { "images": IMAGES, "batch": 2048, "threads": 2, "predictions_per_hour": rate, "images_per_hour": rate * 2000.0 / 2048.0,
            "encrypt_s": 1.0, "evaluate_s": evaluate_s, "decrypt_s": 0.1, "predictions_per_hour_end_to_end": rate / 2.0, "latency_s": evaluate_s },
        "memory": {}
    });
    let column = |name: &str, wrong: &[usize]| PredictionColumn {
        name: name.to_owned(),
        predicted: predicted(wrong),
        evaluation: None,
    };
    let stage = |stage: &str| StageRecord {
        name: stage.to_owned(),
        key: format!("{stage} of {name}"),
        reused: false,
        seconds: 1.0,
        commit: Some("0123456789abcdef".to_owned()),
        dirty: Some(false),
    };
    let spec = [
        ("name", name),
        ("seed", "7"),
        ("encryption.backend", backend),
        ("encryption.pixel_bits", backend),
        ("network.layers", "[{ type = \"dense\", units = 100 }]"),
    ];
    StoredRun {
        folder: PathBuf::from(format!("results/runs/{name}")),
        summary: serde_json::from_value::<Summary>(summary).unwrap(),
        manifest: Manifest {
            stages: ["train", "circuit", "encrypted"].map(stage).to_vec(),
            started: "2026-11-22T10:00:00Z".to_owned(),
            ..Manifest::default()
        },
        spec: spec
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        layers: Vec::new(),
        predictions: PredictionTable {
            labels: (0..IMAGES).map(|image| (image % 10) as u16).collect(),
            columns: vec![
                column("original", original),
                column("polynomial", plain),
                column("encrypted", encrypted),
            ],
        },
        outside: Some(0.001),
        validation: Some(0.99),
    }
}

fn report(runs: Vec<StoredRun>, sweeps: Vec<SweepRecord>) -> StudyReport {
    StudyReport {
        runs: RunTable::new(runs).unwrap(),
        sweeps,
        price_per_core_hour: 0.05,
        ..StudyReport::default()
    }
}

/// A sweep over the runs, with a number along its axis.
fn sweep_of(name: &str, runs: usize, charts: Vec<ChartRecord>) -> SweepRecord {
    let point = |place: usize| PointRecord {
        id: place.to_string(),
        label: format!("width {place}"),
        parts: vec!["width".to_owned()],
        values: vec![("network.width".to_owned(), json!(place))],
        standing: Standing::Done(place),
    };
    SweepRecord {
        name: name.to_owned(),
        title: "Widths".to_owned(),
        question: "Does width matter?".to_owned(),
        answers: None,
        place: "results/sweeps/s".to_owned(),
        keys: vec!["network.width".to_owned()],
        charts,
        points: (0..runs).map(point).collect(),
    }
}

fn page(report: &StudyReport) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let written = write_studies(folder.path(), report).unwrap();
    for file in &written.files {
        let size = fs::metadata(file).unwrap().len() as usize;
        assert!(size <= MAX_BYTES, "{}: {size}", file.display());
    }
    let html = fs::read_to_string(folder.path().join("index.html")).unwrap();
    for chart in html.split("<svg").skip(1) {
        let chart = chart.split("</svg>").next().unwrap();
        assert!(
            !chart.contains("NaN") && !chart.contains("inf\""),
            "{chart}"
        );
    }
    (
        html,
        fs::read_to_string(folder.path().join("report.md")).unwrap(),
    )
}

#[test]
fn nothing_is_answered_from_nothing_and_the_page_says_what_would_answer() {
    let (html, markdown) = page(&report(Vec::new(), Vec::new()));
    assert_eq!(
        html.matches("<p>Not answered here").count(),
        8,
        "in the answer and in its section"
    );
    for study in ["rq1", "rq2", "rq3", "rq4"] {
        assert!(
            markdown.contains(&format!("cryptodl sweep experiments/{study}.toml")),
            "{markdown}"
        );
    }
    assert!(html.contains("164,000 predictions an hour"));
    // Accuracies that were recalled and never confirmed must not be printed as the paper's.
    for recalled in ["56.87", "40.28", "68.98", "88.53"] {
        assert!(!html.contains(recalled), "{recalled}");
    }
}

/// Every number of the sentence and its figures is counted here again, from the predictions.
#[test]
fn what_encryption_changes_is_counted_on_the_same_images() {
    let plain: Vec<usize> = (0..20).collect();
    // Two of the twenty become right, ten others wrong.
    let encrypted: Vec<usize> = (2..30).collect();
    let mut all = vec![run("lossy", "ckks", &plain, &plain, &encrypted, 12e6)];
    let (_, markdown) = page(&report(all.clone(), Vec::new()));
    let pair = Paired::of(&all[0].predictions, "polynomial", "encrypted").unwrap();
    assert_eq!(
        (pair.only_first, pair.only_second, pair.differ),
        (10, 2, 12)
    );
    // Both tails of a binomial(12, 1/2) at 2: 2 (1 + 12 + 66) / 4096.
    assert!((pair.p_value() - 2.0 * 79.0 / 4_096.0).abs() < 1e-12);
    for words in [
        "encryption changes the accuracy of 1 of 1 network measurably, by at most 0.40 points",
        "99.00 % → 98.60 %",
        "12 of 2,000 predictions differ, p = 0.039",
        "at least 99.40 % of the predictions stay the same",
        "| lossy | 7 | ckks | 2,000 | 99.00 % | 98.60 % |",
        "| 12 | 10 | 2 |",
    ] {
        assert!(markdown.contains(words), "{words} in\n{markdown}");
    }
    // The same circuit evaluated again is another evaluation, its published copy is not.
    all.push(all[0].clone());
    let (_, twice) = page(&report(all, Vec::new()));
    assert_eq!(
        twice
            .matches("| lossy | 7 | ckks | 2,000 | 99.00 % | 98.60 % |")
            .count(),
        1,
        "{twice}"
    );
}

#[test]
fn one_circuit_has_one_rate_with_its_spread_everywhere() {
    let wrong: Vec<usize> = (0..20).collect();
    let again = |name: &str, rate: f64| {
        let mut run = run("fast", "ckks", &wrong, &wrong, &wrong, rate);
        run.summary.name = name.to_owned();
        run
    };
    let three = vec![
        again("fast", 10e6),
        again("fast", 12e6),
        again("fast", 16e6),
    ];
    let (_, markdown) = page(&report(three, Vec::new()));
    // 2,048 slots in 2,048 x 3,600 / 12e6 s; the paper has 164,000.
    assert!(
        markdown.contains("fast: 12.0 M (10.0 M to 16.0 M, median of 3) predictions an hour"),
        "{markdown}"
    );
    assert!(
        markdown.contains("its rate is 73.2 times (61.0 to 97.6) the 164 k"),
        "{markdown}"
    );
    // 1e6 / 12e6 hours on two cores at 0.05.
    assert!(
        markdown.contains("one million predictions cost $0.00833"),
        "{markdown}"
    );
    let (_, once) = page(&report(vec![again("fast", 12e6)], Vec::new()));
    assert!(
        once.contains("1 evaluation here: too few for a ratio") && !once.contains("73.2 times"),
        "{once}"
    );
    // Half-empty batches have no rate of predictions at all.
    let mut few = again("fast", 12e6);
    few.summary.timing.images = 100;
    few.summary.timing.images_per_hour = Some(585_937.5);
    let (_, few) = page(&report(vec![few], Vec::new()));
    assert!(
        few.contains(
            "586 k images an hour (a full batch of 2,048 would make it 12.0 M; 100 were evaluated)"
        ),
        "{few}"
    );
    assert!(
        !few.contains("12.0 M predictions") && !few.contains("times the"),
        "{few}"
    );
}

#[test]
fn an_accuracy_within_its_interval_is_no_improvement() {
    let wrong: Vec<usize> = (0..9).collect();
    let (_, markdown) = page(&report(
        vec![run("near", "ckks", &wrong, &wrong, &wrong, 12e6)],
        Vec::new(),
    ));
    assert!(
        markdown.contains("not measurably different from the paper’s 99.52 %"),
        "{markdown}"
    );
    let wrong: Vec<usize> = (0..60).collect();
    let (_, markdown) = page(&report(
        vec![run("far", "ckks", &wrong, &wrong, &wrong, 12e6)],
        Vec::new(),
    ));
    assert!(
        markdown.contains("lower than the paper’s 99.52 %"),
        "{markdown}"
    );
}

#[test]
fn backends_stand_side_by_side_and_say_in_what_they_differ() {
    let wrong: Vec<usize> = (0..20).collect();
    let (html, markdown) = page(&report(
        vec![
            run("batched", "ckks", &wrong, &wrong, &wrong, 12e6),
            run("bits", "tfhe", &wrong, &wrong, &wrong, 1_200.0),
        ],
        Vec::new(),
    ));
    assert!(markdown.contains("It is not the same network: pixels, messages and training differ (encryption.pixel\\_bits)"), "{markdown}");
    assert!(html.contains("a &lt;scheme&gt;") && !html.contains("a <scheme>"));
    for chart in [
        "rq3_accuracy_mnist",
        "rq4_systems_mnist",
        "rq4_latency_mnist",
    ] {
        assert!(
            html.contains(&format!("download=\"{chart}.csv\"")),
            "{chart}"
        );
    }
    // Others' latency stands beside ours.
    let latency = html.split("rq4_latency").next().unwrap();
    assert!(latency.contains("LoLa 2019") && latency.contains("CryptoNets 2016"));
}

#[test]
fn a_study_of_ones_own_has_a_page_and_stays_out_of_the_others() {
    let original: Vec<usize> = (0..20).collect();
    let (good, bad): (Vec<usize>, Vec<usize>) = ((0..20).collect(), (0..60).collect());
    let runs = vec![
        run("w0", "ckks", &original, &good, &good, 12e6),
        run("w1", "ckks", &original, &bad, &bad, 12e6),
    ];
    let declared = ChartRecord {
        part: Some("width".to_owned()),
        title: Some("Accuracy by width".to_owned()),
        y: Some("accuracy.polynomial".to_owned()),
        ..ChartRecord::default()
    };
    let report = report(runs, vec![sweep_of("mine", 2, vec![declared])]);
    let (html, markdown) = page(&report);
    assert!(
        markdown.contains("## mine: Widths") && markdown.contains("**mine: Does width matter?**"),
        "{markdown}"
    );
    assert!(markdown.contains("**On MNIST, the width makes a measurable difference to the accuracy of ReLU networks.** ReLU 99.00 % at 0, 97.00 % at 1: −2.00"), "{markdown}");
    assert!(
        html.contains("download=\"study_mine_width.csv\""),
        "{markdown}"
    );
    // Its encrypted runs are not among those that answer the paper's questions.
    assert!(markdown.contains("RQ3: Is the network on encrypted images as accurate as the plain one?** Not answered here"), "{markdown}");
    // Without a declared chart there is one all the same; one point is none.
    let (html, _) = page(&StudyReport {
        sweeps: vec![sweep_of("mine", 2, Vec::new())],
        ..report.clone()
    });
    assert!(html.contains("download=\"study_mine_width.csv\""));
    let (html, _) = page(&StudyReport {
        sweeps: vec![sweep_of("mine", 1, Vec::new())],
        ..report
    });
    assert!(!html.contains("download=\"study_mine_width.csv\""));
}

#[test]
fn charts_of_an_earlier_report_do_not_stay_and_other_files_do() {
    let folder = tempfile::tempdir().unwrap();
    let charts = folder.path().join("charts");
    fs::create_dir_all(&charts).unwrap();
    fs::write(charts.join("rq2_degree_old.png"), "old").unwrap();
    fs::write(charts.join("mine.png"), "mine").unwrap();
    write_studies(folder.path(), &report(Vec::new(), Vec::new())).unwrap();
    assert!(!charts.join("rq2_degree_old.png").exists() && charts.join("mine.png").exists());
}

#[test]
fn an_approximation_study_has_its_charts_and_the_papers_coefficients() {
    use polyapprox::{Function, Interval, Method, approximate};
    let mut rows: Vec<Row> = Vec::new();
    for (low, high) in [(-4.0, 4.0), (-1.0, 1.0)] {
        for function in [Function::Relu, Function::Tanh] {
            for method in Method::ALL
                .into_iter()
                .filter(|method| *method != Method::Data)
            {
                for degree in 2..=9 {
                    let found =
                        approximate(function, method, degree, Interval::new(low, high).unwrap());
                    let mut row: BTreeMap<String, serde_json::Value> = BTreeMap::new();
                    row.insert("function".to_owned(), json!(function.as_str()));
                    row.insert("method".to_owned(), json!(method.as_str()));
                    row.insert("degree".to_owned(), json!(degree));
                    row.insert("low".to_owned(), json!(low));
                    row.insert("high".to_owned(), json!(high));
                    if let Ok(found) = &found {
                        row.insert("max".to_owned(), json!(found.errors.max));
                        row.insert("l2_uniform".to_owned(), json!(found.errors.l2_uniform));
                        for power in 0..=degree {
                            let coefficient = found.polynomial.coefficients().get(power).copied();
                            row.insert(format!("c{power}"), json!(coefficient.unwrap_or(0.0)));
                        }
                    }
                    rows.push(row.into_iter().collect());
                }
            }
        }
    }
    let study = ApproximationReport {
        name: "rq1".to_owned(),
        title: "Can it be <done>?".to_owned(),
        table: Data::from_rows(&rows).unwrap(),
        inputs: None,
        provenance: vec![("Version".to_owned(), "0".to_owned())],
        spec_toml: "name = \"a\"\n".to_owned(),
    };
    let folder = tempfile::tempdir().unwrap();
    write_approximations(folder.path(), &study).unwrap();
    let html = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert_eq!(html.matches("<svg").count(), 6, "three charts a function");
    assert!(html.contains("Can it be &lt;done&gt;?") && html.contains("approximations.csv"));
    let markdown = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(markdown.contains("![ReLU") && markdown.contains("(degrees_tanh.svg)"));
    // The best polynomial of degree 2 for ReLU on [-L, L] is L / 16 off: 0.250 on [-4, 4].
    assert!(
        markdown.contains("degree 2 stays within 0.250 of ReLU"),
        "{markdown}"
    );
    assert!(
        markdown.contains("0.0938 + 0.500 x + 0.469 x²"),
        "{markdown}"
    );
    let all = StudyReport {
        approximations: vec![study],
        ..report(Vec::new(), Vec::new())
    };
    let (_, markdown) = page(&all);
    assert!(
        markdown.contains(
            "the coefficients of 5 of the paper’s 5 methods (degree 2, \\[−1, 1\\]) within"
        ),
        "{markdown}"
    );
}
