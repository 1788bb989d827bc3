//! `dataset.path`: images in files, by a catalogue that reads none.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cryptodl_spec::{
    DatasetSource, Experiment, ImageCatalog, ImageFacts, ImageFiles, Shape, SpecError,
};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::error::Error;
use std::fs;

/// As on a terminal without colours, 100 columns wide.
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

/// Says the same of any files.
struct Always(Result<ImageFacts, &'static str>);

impl ImageCatalog for Always {
    fn facts(&self, files: &ImageFiles) -> Result<ImageFacts, Box<dyn Error>> {
        match self.0 {
            Ok(facts) => Ok(facts),
            Err(what) => Err(format!("{} {what}", files.path.display()).into()),
        }
    }
}

const FACTS: ImageFacts = ImageFacts {
    shape: Shape {
        channels: 1,
        height: 16,
        width: 24,
    },
    classes: 3,
    train: 3000,
    test: None,
};

fn read(dataset: &str, facts: Result<ImageFacts, &'static str>) -> Result<Experiment, SpecError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    fs::write(&path, format!("name = \"a\"\n[dataset]\n{dataset}")).unwrap();
    Experiment::from_path(&path, &[], &Always(facts))
}

fn accepted(dataset: &str, facts: ImageFacts) -> Experiment {
    read(dataset, Ok(facts)).unwrap_or_else(|error| panic!("{}", render(&error)))
}

#[test]
fn shape_and_classes_come_from_the_files() {
    let experiment = accepted("path = \"faces\"\n", FACTS);
    assert_eq!(
        (experiment.network.input, experiment.network.classes),
        (FACTS.shape, 3)
    );
    assert_eq!(experiment.dataset.counts(), (2400, 600));
    assert_eq!(experiment.encryption.images, 600);
    assert_eq!(experiment.dataset.source.name(), "faces");
    let last = experiment.network.shapes.last();
    assert_eq!(last.map(|shape| shape.channels), Some(3));
}

#[test]
fn a_split_of_the_files_is_kept_and_one_of_the_spec_is_followed() {
    let split = ImageFacts {
        test: Some(500),
        ..FACTS
    };
    assert_eq!(
        accepted("path = \"f\"", split).dataset.counts(),
        (3000, 500)
    );
    let counts = |more: &str, facts| {
        accepted(&format!("path = \"f\"\n{more}"), facts)
            .dataset
            .counts()
    };
    assert_eq!(counts("test = 1000", FACTS), (2000, 1000));
    assert_eq!(counts("test = 1000\ntrain = 100", FACTS), (100, 1000));
    assert_eq!(counts("train = 100\ntest = 7", split), (100, 7));
}

#[test]
fn the_resolved_spec_reads_back() {
    let dataset = "path = \"my \\\"own\\\" \\\\ data\"\nlabel = \"digit\"\nshape = [1, 16, 24]\nclasses = [\"a\", \"b b\", \"ü\"]\n";
    let experiment = accepted(dataset, FACTS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    fs::write(&path, experiment.to_toml()).unwrap();
    let again = Experiment::from_path(&path, &[], &Always(Ok(FACTS)));
    assert_eq!(
        again.unwrap_or_else(|error| panic!("{}", render(&error))),
        experiment
    );
}

#[test]
fn another_path_is_another_experiment() {
    let key = |dataset: &str| accepted(dataset, FACTS).key().unwrap();
    assert_ne!(key("path = \"a\""), key("path = \"b\""));
    assert_ne!(key("path = \"a\""), key("path = \"a\"\nlabel = \"c\""));
}

#[test]
fn no_augmentation_is_known_for_files() {
    let experiment = accepted("path = \"f\"", FACTS);
    let none = accepted("path = \"f\"\n[train]\naugment = false", FACTS);
    assert_eq!(experiment.train.augment, none.train.augment);
    let DatasetSource::Files { files, .. } = experiment.dataset.source else {
        panic!("files");
    };
    assert_eq!(files.label, ImageFiles::LABEL);
}

#[test]
fn refusals() {
    let few = ImageFacts { train: 15, ..FACTS };
    let tiny = ImageFacts {
        shape: Shape {
            channels: 1,
            height: 4,
            width: 4,
        },
        ..FACTS
    };
    let mut text = String::new();
    for (what, dataset, facts) in [
        ("both", "name = \"mnist\"\npath = \"f\"\n", Ok(FACTS)),
        ("neither", "train = 100\n", Ok(FACTS)),
        (
            "a key about files",
            "name = \"mnist\"\nlabel = \"digit\"\n",
            Ok(FACTS),
        ),
        (
            "broken files",
            "path = \"faces\"\n",
            Err("holds no images\nhint: put some there"),
        ),
        ("two numbers", "path = \"f\"\nshape = [16, 16]\n", Ok(FACTS)),
        (
            "a huge side",
            "path = \"f\"\nshape = [1, 16, 100000]\n",
            Ok(FACTS),
        ),
        ("one class", "path = \"f\"\nclasses = [\"a\"]\n", Ok(FACTS)),
        (
            "two equal classes",
            "path = \"f\"\nclasses = [\"a\", \"b\", \"a\"]\n",
            Ok(FACTS),
        ),
        ("too few images", "path = \"f\"\n", Ok(few)),
        (
            "nothing left to train on",
            "path = \"f\"\ntest = 2990\n",
            Ok(FACTS),
        ),
        (
            "more than there are",
            "path = \"f\"\ntest = 1000\ntrain = 2500\n",
            Ok(FACTS),
        ),
        (
            "small images",
            "path = \"f\"\nstandardize = \"per-image\"\nzca = 3\n",
            Ok(tiny),
        ),
        (
            "usual changes",
            "path = \"f\"\n[train]\naugment = true\n",
            Ok(FACTS),
        ),
    ] {
        let error = read(dataset, facts)
            .err()
            .unwrap_or_else(|| panic!("accepted: {what}"));
        let shown = render(&error);
        let place = shown.lines().map(|line| match line.contains("spec.toml:") {
            true => line.rsplit_once('/').map_or(line, |(_, name)| name),
            false => line,
        });
        let shown: Vec<&str> = place.collect();
        text.push_str(&format!(
            "## {what} ({})\n{}\n\n",
            error.exit_code(),
            shown.join("\n")
        ));
    }
    insta::with_settings!({ snapshot_path => "../src/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("refused-own-data", text.trim_end());
    });
}
