//! The study's page as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use polyapprox::{Density, Interval, Method, approximate, approximate_weighted};

fn report() -> ApproximationReport {
    let counts: Vec<u64> = (0..64)
        .map(|bin| (1e4 * (-((bin as f64 - 31.5) / 9.0).powi(2) / 2.0).exp()) as u64)
        .collect();
    let density = Density::from_histogram(-5.0, 5.0, &counts).unwrap();
    let interval = Interval::new(-4.0, 4.0).unwrap();
    let mut rows = Vec::new();
    for interval in [interval, Interval::new(-1.0, 1.0).unwrap()] {
        for function in [Function::Relu, Function::Tanh] {
            for method in Method::ALL {
                for degree in 2..=9 {
                    let found = match method {
                        Method::Data => approximate_weighted(function, &density, degree, interval),
                        _ => approximate(function, method, degree, interval),
                    };
                    let error = |over: Interval| {
                        let polynomial = &found.as_ref().ok()?.polynomial;
                        density
                            .root_mean_square(over, |x| function.value(x) - polynomial.value(x))
                            .ok()
                    };
                    rows.push(ApproximationRow {
                        function,
                        method,
                        interval,
                        degree,
                        inputs_inside: error(interval),
                        inputs_all: error(density.range()),
                        found: found.map_err(|error| error.to_string()),
                    });
                }
            }
        }
    }
    ApproximationReport {
        title: "Can it be <done>?".to_owned(),
        rows,
        interval,
        inputs: Some(Inputs {
            layer: "activation 1".to_owned(),
            from: "a test".to_owned(),
            command: "none".to_owned(),
            low: -5.0,
            high: 5.0,
            inside: density.share_within(interval),
            counts,
        }),
        provenance: vec![("Version".to_owned(), "0".to_owned())],
        spec_toml: "name = \"a\"\n".to_owned(),
    }
}

#[test]
fn the_page_holds_its_charts_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    let report = report();
    write_approximations(folder.path(), &report).unwrap();
    if let Some(keep) = std::env::var_os("CRYPTODL_KEEP_PAGES") {
        write_approximations(Path::new(&keep), &report).unwrap();
    }
    let html = std::fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert_eq!(html.matches("<svg").count(), 6, "three charts a function");
    assert!(html.contains("Can it be &lt;done&gt;?") && html.contains("approximations.csv"));
    assert!(!html.contains("NaN") && !html.contains("inf\""));
    let markdown = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(markdown.contains("![ReLU") && markdown.contains("(degrees_tanh.svg)"));
    // The best degree-2 polynomial for ReLU on [-L, L] is L / 8 off: 1 / 8 on [0, 1] for the square root of t^2, halved and scaled.
    assert!(
        markdown.contains("at most 0.250 away from ReLU"),
        "{markdown}"
    );
    assert!(
        markdown.contains("0.0938 + 0.500 x + 0.469 x²"),
        "{markdown}"
    );
}

#[test]
fn a_study_of_nothing_has_a_page() {
    let empty = ApproximationReport {
        rows: Vec::new(),
        inputs: None,
        ..report()
    };
    let folder = tempfile::tempdir().unwrap();
    write_approximations(folder.path(), &empty).unwrap();
    assert!(
        std::fs::read_to_string(folder.path().join("index.html"))
            .unwrap()
            .contains("No polynomial was found.")
    );
}
