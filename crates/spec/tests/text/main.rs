//! The spec as a whole: what is refused and how it reads, what is accepted and what it means.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accepted;
mod files;
mod refused;

use cryptodl_spec::{Experiment, SpecError};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::fmt::Write;

/// The shortest legal spec.
const MINIMAL: &str = "name = \"a\"\ndataset.name = \"mnist\"\n";

fn parse(text: &str, overrides: &[&str]) -> Result<Experiment, SpecError> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Experiment::from_str_named(text, "spec.toml", &overrides)
}

/// The spec `MINIMAL` with `more` after it.
fn accepted(more: &str) -> Experiment {
    parse(&format!("{MINIMAL}{more}"), &[]).unwrap_or_else(|error| panic!("{}", render(&error)))
}

/// As on a terminal without colours, 100 columns wide.
fn render(error: &SpecError) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_links(false)
        .with_width(100)
        .render_report(&mut text, error)
        .unwrap();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Renders the error of each spec (after the minimal one, where it does not name itself) into one snapshot.
fn gallery(name: &str, cases: &[(&str, &str, &[&str])]) {
    let mut text = String::new();
    for (what, spec, overrides) in cases {
        let spec = if spec.contains("dataset") || what.starts_with("whole:") {
            (*spec).to_owned()
        } else {
            format!("{MINIMAL}{spec}")
        };
        let error = match parse(&spec, overrides) {
            Err(error) => render(&error),
            Ok(_) => panic!("accepted: {what}\n{spec}\n{overrides:?}"),
        };
        write!(text, "## {what}\n{error}\n\n").unwrap();
    }
    insta::with_settings!({ snapshot_path => "../../src/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("refused-{name}"), text.trim_end());
    });
}
