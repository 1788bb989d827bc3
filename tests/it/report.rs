//! `cryptodl report` and `cryptodl compare` as a user meets them: on the smoke study and RQ1, whole, with gaps, and with damaged files.

use crate::common::Place;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What no file of a report may pass, bytes.
const MAX_BYTES: u64 = 1_000_000;

fn experiment(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("experiments")
        .join(name);
    path.display().to_string()
}

/// The smoke study and RQ1, made once.
fn studies() -> &'static Place {
    static STUDIES: OnceLock<Place> = OnceLock::new();
    STUDIES.get_or_init(|| {
        let place = Place::new();
        for study in ["rq1.toml", "smoke.toml"] {
            place.run(&["sweep", &experiment(study)]).ok();
        }
        place
    })
}

/// A place with a copy of them, to be damaged.
fn copied() -> Place {
    let place = Place::new();
    copy(&studies().path("results"), &place.path("results"));
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn page(place: &Place) -> String {
    fs::read_to_string(place.path("reports/index.html")).unwrap()
}

fn run_folders(place: &Place) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(place.path("results/runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn the_report_is_whole_small_and_the_same_again() {
    let place = copied();
    let first = place.run(&["report"]).ok();
    for question in ["RQ1: ", "RQ2: ", "RQ3: ", "RQ4: ", "smoke: "] {
        assert!(first.out.contains(question), "{}", first.out);
    }
    // The study answers none of the paper's questions over runs: it has a section of its own, and stays out of theirs.
    assert_eq!(
        first.out.matches("Not answered here").count(),
        3,
        "{}",
        first.out
    );
    let all = files(&place.path("reports"));
    for file in &all {
        let size = fs::metadata(file).unwrap().len();
        assert!(size < MAX_BYTES, "{}: {size}", file.display());
    }
    let page = page(&place);
    let pngs = all.iter().filter(|file| file.extension().unwrap() == "png");
    let charts: Vec<String> = pngs
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    for chart in [
        "polynomials_relu",
        "degrees_tanh",
        "shape_sigmoid",
        "study_smoke_degree",
        "study_smoke_encrypted",
    ] {
        assert!(
            charts.iter().any(|found| found == chart),
            "{chart} in {charts:?}"
        );
    }
    assert_eq!(page.matches("<svg").count(), charts.len());
    assert_eq!(page.matches("data:text/csv").count(), charts.len());
    let markdown = fs::read_to_string(place.path("reports/report.md")).unwrap();
    for chart in &charts {
        assert!(
            markdown.contains(&format!("](charts/{chart}.png)")),
            "{chart}"
        );
        assert!(place.path(&format!("reports/data/{chart}.csv")).exists());
    }
    // Self-contained, and silent about the machine's folders.
    assert!(!page.contains("src=\"") && !page.contains("<link"));
    let folder = place.path("").display().to_string();
    for file in all.iter().filter(|file| file.extension().unwrap() != "png") {
        let text = fs::read_to_string(file).unwrap();
        assert!(
            !text.contains(folder.trim_end_matches('/')),
            "{}",
            file.display()
        );
    }
    // Where every figure comes from.
    for word in ["n = 200", "95 %", "Machine: ", "Commit: ", "Spec: "] {
        assert!(page.contains(word), "{word}");
    }

    let before: Vec<Vec<u8>> = all.iter().map(|file| fs::read(file).unwrap()).collect();
    place.run(&["report"]).ok();
    let again = files(&place.path("reports"));
    assert_eq!(again, all);
    for (file, bytes) in again.iter().zip(before) {
        assert!(
            fs::read(file).unwrap() == bytes,
            "{} changed",
            file.display()
        );
    }
}

/// Sorting, copying, both themes, text that is cut or covered: looked at by `tests/browser/run.sh`, which skips loudly without a browser.
#[test]
fn a_browser_finds_no_fault() {
    let place = copied();
    place.run(&["report"]).ok();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/run.sh");
    let ended = std::process::Command::new("bash")
        .arg(script)
        .arg(place.path("reports"))
        .env("CRYPTODL_BROWSER_OFFLINE", "1")
        .output();
    let Ok(ended) = ended else {
        eprintln!("SKIPPED: there is no bash; the report was not looked at in a browser");
        return;
    };
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    eprint!("{said}");
}

#[test]
fn the_figures_are_those_of_the_runs() {
    let place = copied();
    place.run(&["report"]).ok();
    let data = fs::read_to_string(place.path("reports/data/study_smoke_encrypted.csv")).unwrap();
    let run = run_folders(&place)
        .into_iter()
        .find(|run| crate::common::file_name(run).starts_with("smoke_encrypted_images200"))
        .unwrap();
    let summary = crate::common::json(&run.join("summary.json"));
    let rate = summary["timing"]["images_per_hour"].as_f64().unwrap();
    assert!(data.contains(&format!(",200,{rate},")), "{rate} in\n{data}");
    let degrees = fs::read_to_string(place.path("reports/data/study_smoke_degree.csv")).unwrap();
    // tanh by the polynomials of degree 1 (asked for 2) and 3, ReLU by degree 2, two seeds each.
    assert_eq!(degrees.lines().count(), 1 + 3, "{degrees}");
    assert!(
        degrees.lines().skip(1).all(|line| line.ends_with(",2,200")),
        "{degrees}"
    );
    assert!(
        degrees.contains("\ntanh,1,") && degrees.contains("\ntanh,3,"),
        "{degrees}"
    );
}

/// The smoke study as an answer to one of the paper's questions: its points are there already.
fn answering(question: &str) -> Place {
    let place = copied();
    let text = fs::read_to_string(experiment("smoke.toml")).unwrap();
    place.write(
        "s.toml",
        text.replace(
            "\ntitle = ",
            &format!("\nanswers = \"{question}\"\ntitle = "),
        ),
    );
    let swept = place.run(&["sweep", "s.toml"]).ok();
    assert!(swept.out.contains("(0 ran now)"), "{}", swept.out);
    place
}

#[test]
fn a_study_may_answer_one_of_the_papers_questions() {
    let place = answering("RQ3");
    let told = place.run(&["report"]).ok().out;
    assert!(
        told.contains("RQ3: On built-in digits, too few images were encrypted to say."),
        "{told}"
    );
    assert!(
        told.contains("RQ4: On built-in digits,")
            && told.contains("too few images were encrypted to compare"),
        "{told}"
    );
    assert!(!told.contains("smoke: "), "{told}");
}

#[test]
fn one_study_alone_answers_its_own_question() {
    let place = Place::new();
    copy(
        &studies().path("results/studies"),
        &place.path("results/studies"),
    );
    let ended = place.run(&["report"]).ok();
    assert_eq!(
        ended.out.matches("Not answered here").count(),
        3,
        "{}",
        ended.out
    );
    // The best degree-2 polynomial for ReLU on [-L, L] is L / 16 off at the least: 0.250 on [-4, 4].
    assert!(
        ended.out.contains("stays within 0.250 of ReLU"),
        "{}",
        ended.out
    );
    let elsewhere = place
        .run(&[
            "report",
            "--from",
            "results/studies",
            "--out",
            "other/place",
        ])
        .ok();
    assert!(
        elsewhere.out.contains("wrote other/place/index.html"),
        "{}",
        elsewhere.out
    );
}

#[test]
fn gaps_and_damage_are_said_and_the_rest_is_reported() {
    let place = copied();
    let runs = run_folders(&place);
    // One run is gone, one is cut short, one was changed, and one has a damaged part.
    fs::remove_dir_all(&runs[0]).unwrap();
    let summary = fs::read(runs[1].join("summary.json")).unwrap();
    fs::write(runs[1].join("summary.json"), &summary[..summary.len() / 2]).unwrap();
    let text = fs::read_to_string(runs[2].join("summary.json")).unwrap();
    fs::write(runs[2].join("summary.json"), text.replace("0.", "0.9")).unwrap();
    fs::write(runs[3].join("predictions.parquet"), "nonsense").unwrap();
    let ended = place.run(&["report"]).fails(
        1,
        &[
            "results could not be read",
            "summary.json",
            "predictions.parquet",
        ],
    );
    assert!(ended.out.contains("smoke: "), "{}", ended.out);
    let page = page(&place);
    assert!(page.contains("What is not in this report"));
    assert!(
        page.contains("the file has changed") && page.contains("3 finished points"),
        "{page}"
    );
}

#[test]
fn a_damaged_table_of_points_is_an_error_that_names_it() {
    for (damage, word) in [
        ("id,state\n", "`run` is missing"),
        ("id,state,run\n", "has no row"),
        ("", "points.csv"),
        ("id,state,run\nX,done\nfoo", "points.csv"),
    ] {
        let place = copied();
        let table = files(&place.path("results/sweeps"))
            .into_iter()
            .find(|file| crate::common::file_name(file) == "points.csv")
            .unwrap();
        fs::write(&table, damage).unwrap();
        place
            .run(&["report"])
            .fails(1, &["points.csv", word, "could not be read"]);
        // The runs themselves still answer what needs no sweep.
        assert!(page(&place).contains("too few images were encrypted to say"));
    }
    let place = copied();
    fs::write(
        place.path("results/studies/rq1/approximations.csv"),
        "function\nrelu\n",
    )
    .unwrap();
    place
        .run(&["report"])
        .fails(1, &["approximations.csv", "could not be read"]);
}

#[test]
fn points_that_failed_or_are_missing_are_shown() {
    let place = Place::new();
    place.write("tiny.toml", crate::common::TINY);
    place.write(
        "s.toml",
        "name = \"s\"\ntitle = \"A study\"\nbase = \"tiny.toml\"\n[set]\nencryption.backend = \"clear\"\ntrain.epochs = 1\n\
         [[axis]]\nkey = \"activation.degree\"\nvalues = [2, 3]\n\
         [[axis]]\nkeys = [\"train.optimizer\", \"train.clip_norm\", \"train.learning_rate\", \"train.range_penalty\"]\n\
         values = [[\"adamw\", 2.0, 2e-3, 0.01], [\"sgd\", 0.0, 1.0, 100.0]]\n",
    );
    place.run(&["sweep", "s.toml"]).fails(1, &["diverged"]);
    place.run(&["report"]).ok();
    let page = page(&place);
    assert!(
        page.contains("training diverged") && page.contains("outside"),
        "{page}"
    );
    assert!(page.contains("Points without a result, and why."));
}

#[test]
fn wrong_arguments_and_empty_folders() {
    let place = Place::new();
    place
        .run(&["report"])
        .fails(1, &["there are no results in results", "rq1.toml"]);
    place
        .run(&["report", "--from", "nowhere"])
        .fails(2, &["`--from nowhere` is not a folder"]);
    fs::create_dir_all(place.path("results/runs")).unwrap();
    place.run(&["report"]).fails(1, &["there are no results"]);
    assert!(
        !place.path("reports").exists(),
        "nothing is written from nothing"
    );
    for price in ["0", "-1", "nan", "inf"] {
        let option = format!("--price-per-core-hour={price}");
        place.run(&["report", &option]).fails(2, &["is no price"]);
    }
}

#[test]
fn the_price_is_the_readers() {
    let place = answering("RQ4");
    place.run(&["report", "--price-per-core-hour", "2"]).ok();
    assert!(page(&place).contains("every thread a core at $2.00 an hour"));
}

#[test]
fn compare_shows_what_differs() {
    let place = studies();
    let runs = run_folders(place);
    let find = |name: &str| -> String {
        let run = runs
            .iter()
            .find(|run| crate::common::file_name(run).starts_with(name))
            .unwrap();
        format!("results/runs/{}", crate::common::file_name(run))
    };
    let (relu, tanh) = (
        find("smoke_degree_relu_degree2_seed1"),
        find("smoke_degree_tanh_degree2_seed1"),
    );
    let text = place.run(&["compare", &relu, &tanh]).ok().out;
    let line = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found
            .unwrap_or_else(|| panic!("{start} in\n{text}"))
            .to_owned()
    };
    assert!(
        line("activation.function").contains("relu")
            && line("activation.function").contains("tanh")
    );
    assert!(!text.contains("dataset.train"), "the same in both:\n{text}");
    assert!(
        line("accuracy.polynomial").contains("n=200") && line("accuracy.polynomial").contains('[')
    );
    assert!(line("timing.train_s").contains("(x"));
    // Columns are aligned: both rows have their last column at one place.
    let column = line("activation.function").find("tanh").unwrap();
    assert_eq!(line("name").find("smoke_degree_tanh").unwrap(), column);

    let same = place.run(&["compare", &relu, &relu]).ok().out;
    assert!(same.contains("spec: 0 keys differ"), "{same}");
    assert!(
        same.contains("(x1.00)") && same.contains("(+0.00, p=1)"),
        "{same}"
    );

    let json = place
        .run(&["compare", &relu, &tanh, "--format", "json"])
        .ok()
        .out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    assert_eq!(json["spec"][0]["key"], "activation.function");
    let csv = place
        .run(&["compare", &relu, &tanh, "--format", "csv"])
        .ok()
        .out;
    assert!(
        csv.starts_with("what,name,1:") && csv.contains("\nresult,accuracy.polynomial,"),
        "{csv}"
    );
    let markdown = place
        .run(&["compare", &relu, &tanh, "--format", "md"])
        .ok()
        .out;
    assert!(
        markdown.contains("| activation.function | relu | tanh |"),
        "{markdown}"
    );

    place.run(&["compare", &relu, "results"]).fails(
        2,
        &[
            "results is not the folder of a finished run",
            "summary.json",
        ],
    );
    place
        .run(&["compare", &relu])
        .fails(2, &["2 values required"]);
    let changed = copied();
    fs::write(changed.path(&relu).join("summary.json"), "{}").unwrap();
    changed
        .run(&["compare", &relu, &tanh])
        .fails(1, &["summary.json", "has changed"]);
}

#[test]
fn published_copies_are_the_same_runs() {
    let place = copied();
    let runs = run_folders(&place);
    let run = format!("results/runs/{}", crate::common::file_name(&runs[0]));
    let told = place.run(&["report"]).ok().out;
    place
        .run(&["publish", &run, "--to", "results/published/day-machine"])
        .ok();
    assert_eq!(
        place.run(&["report"]).ok().out,
        told,
        "a copy is no other run"
    );
}

#[test]
fn a_dry_run_predicts_training_and_says_from_what() {
    let place = Place::new();
    place.write("tiny.toml", crate::common::TINY);
    let study = |degrees: &str| {
        format!(
            "name = \"s\"\ntitle = \"A study\"\nbase = \"tiny.toml\"\n[set]\nencryption.backend = \"clear\"\ntrain.epochs = 1\n\
             [[axis]]\nkey = \"activation.degree\"\nvalues = {degrees}\n"
        )
    };
    place.write("s.toml", study("[2]"));
    let before = place.run(&["sweep", "s.toml", "--dry-run"]).ok().out;
    assert!(before.contains("of training for 1 network,"), "{before}");
    assert!(before.contains("6.0 G a second, measured on"), "{before}");
    place.run(&["sweep", "s.toml"]).ok();
    let done = place.run(&["sweep", "s.toml", "--dry-run"]).ok().out;
    assert!(done.contains("nothing to train"), "{done}");
    place.write("s.toml", study("[2, 3]"));
    let more = place.run(&["sweep", "s.toml", "--dry-run"]).ok().out;
    assert!(
        more.contains("1 from the seconds of stored epochs of the same network and data"),
        "{more}"
    );
}

#[test]
fn a_published_sweep_gives_the_same_answers_without_the_runs_it_came_from() {
    let place = copied();
    let sweep = fs::read_dir(place.path("results/sweeps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("sweep.json").is_file())
        .unwrap();
    let told = place.run(&["report"]).ok().out;
    let sweep = format!("results/sweeps/{}", crate::common::file_name(&sweep));
    place
        .run(&["publish", &sweep, "--to", "results/published/day-machine"])
        .ok();
    // a second time into the same place would mix two measurements
    place
        .run(&["publish", &sweep, "--to", "results/published/day-machine"])
        .fails(1, &["create the folder"]);
    fs::remove_dir_all(place.path("results/runs")).unwrap();
    fs::remove_dir_all(place.path("results/sweeps")).unwrap();
    assert_eq!(place.run(&["report"]).ok().out, told);
    let weights = walk(&place.path("results/published"), "safetensors");
    assert_eq!(weights, 0, "a sweep's weights stay out");
}

/// Files with that extension below a folder.
fn walk(folder: &Path, extension: &str) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| match path.is_dir() {
            true => walk(&path, extension),
            false => usize::from(path.extension().is_some_and(|found| found == extension)),
        })
        .sum()
}

/// A page of the repository.
fn committed(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_committed_report_is_that_of_the_published_results() {
    let place = Place::new();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/published");
    place
        .run(&["report", "--from", &published.display().to_string()])
        .ok();
    let made = fs::read_to_string(place.path("reports/report.md")).unwrap();
    let committed = committed("reports/report.md");
    for (line, (made, committed)) in made.lines().zip(committed.lines()).enumerate() {
        assert_eq!(
            made,
            committed,
            "line {}: run `cryptodl report --from results/published`",
            line + 1
        );
    }
    assert_eq!(made.lines().count(), committed.lines().count());
}

#[test]
fn readme_and_report_have_one_figure_for_one_quantity() {
    let (readme, report) = (committed("README.md"), committed("reports/report.md"));
    let cells = |line: &str| -> Vec<String> {
        let line = line
            .replace("\\[", "[")
            .replace("\\]", "]")
            .replace("\\_", "_");
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut compared = 0;
    for line in readme
        .lines()
        .filter(|line| line.starts_with("| [`") && line.contains("/report.md)"))
    {
        let own = cells(line);
        let name = own[0].split('`').nth(1).unwrap();
        // The table of rates: spec, network, backend, threads, images, f32, encrypted, interval, evaluation, end to end, ...
        let mut rows = report
            .split("Rates on ")
            .skip(1)
            .flat_map(|part| part.split("<details>").next().unwrap().lines())
            .map(cells);
        let row = rows
            .find(|row| row[0] == name && row.len() > 9)
            .unwrap_or_else(|| panic!("{name} has no rate"));
        let interval = row[7].split_once("], ").unwrap().0;
        let wanted = [
            row[5].clone(),
            format!("{} {interval}]", row[6]),
            row[8].clone(),
            row[9].clone(),
        ];
        assert_eq!(own[2..6], wanted, "{name}");
        assert!(row.contains(&own[6]), "{name}: {} in {row:?}", own[6]);
        compared += 1;
    }
    assert!(compared >= 7, "{compared}");
}
