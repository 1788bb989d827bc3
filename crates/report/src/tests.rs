//! Charts and pages of whole runs: usual ones and the thinnest possible.

use crate::run::{html as html_page, markdown as markdown_page};
use crate::sample::run;
use crate::*;
use cryptodl_results::Accuracies;

fn names(charts: &[Chart]) -> Vec<&str> {
    charts.iter().map(|chart| &*chart.name).collect()
}

fn html(report: &RunReport) -> String {
    html_page(report, &charts(report).unwrap())
}

fn markdown(report: &RunReport) -> String {
    markdown_page(report, &charts(report).unwrap())
}

/// Every chart has to be a picture in both formats, without a number that is none.
fn assert_sound(charts: &[Chart]) {
    for chart in charts {
        assert!(
            chart.svg.starts_with("<svg ") && chart.svg.trim_end().ends_with("</svg>"),
            "{}",
            chart.name
        );
        for wrong in ["NaN", "inf\"", "-2147483648", "2147483647"] {
            assert!(
                !chart.svg.contains(wrong),
                "{} in {}.svg",
                wrong,
                chart.name
            );
        }
        assert!(
            chart.svg.contains("<text "),
            "{}.svg has text as text",
            chart.name
        );
        let decoder = png::Decoder::new(std::io::Cursor::new(&chart.png));
        let info = decoder.read_info().unwrap();
        assert_eq!(info.info().width, 1920, "{}", chart.name);
        assert!(info.info().height > 100, "{}", chart.name);
    }
}

#[test]
fn a_whole_run_has_all_six_charts() {
    let report = run(2_000);
    let drawn = charts(&report).unwrap();
    assert_eq!(
        names(&drawn),
        [
            "training",
            "activation",
            "layers",
            "logit_error",
            "confusion",
            "misclassified"
        ]
    );
    assert_sound(&drawn);
}

#[test]
fn files_are_written_under_the_names_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(200);
    let drawn = charts(&report).unwrap();
    write_charts(folder.path(), &drawn).unwrap();
    write_report(folder.path(), &report, &drawn).unwrap();
    for name in [
        "report.md",
        "report.html",
        "training.svg",
        "training.png",
        "misclassified.svg",
    ] {
        assert!(folder.path().join(name).is_file(), "{name}");
    }
    let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    for chart in &drawn {
        assert!(
            page.contains(&format!("]({}.svg)", chart.name)),
            "{}",
            chart.name
        );
    }
    assert!(matches!(
        write_charts(&folder.path().join("no"), &drawn),
        Err(ReportError::Io { .. })
    ));
}

#[test]
fn the_markdown_page_is_as_it_was() {
    insta::assert_snapshot!(markdown(&run(2_000)));
}

#[test]
fn one_epoch_one_layer_one_image() {
    let mut report = run(1);
    report.epochs.truncate(1);
    report.layers.truncate(1);
    report.plan.truncate(1);
    report.activations.truncate(1);
    report.activations[0].polynomials.truncate(1);
    let drawn = charts(&report).unwrap();
    assert_sound(&drawn);
    assert!(names(&drawn).contains(&"training") && names(&drawn).contains(&"activation"));
    html(&report);
}

#[test]
fn a_perfect_run_says_that_nothing_is_misclassified() {
    let mut report = run(300);
    for column in &mut report.predictions.columns {
        column.predicted = report
            .predictions
            .labels
            .iter()
            .copied()
            .map(Some)
            .collect();
    }
    report.summary.accuracy = Accuracies::of(&report.predictions);
    report.misclassified.clear();
    let drawn = charts(&report).unwrap();
    assert_sound(&drawn);
    let misclassified = drawn
        .iter()
        .find(|chart| chart.name == "misclassified")
        .unwrap();
    assert!(misclassified.svg.contains("None: all 300 images"));
    assert!(markdown(&report).contains("100 %"));
}

#[test]
fn a_run_without_encryption_claims_none() {
    let mut report = run(300);
    report
        .predictions
        .columns
        .retain(|column| column.name != "encrypted" && column.name != "original");
    report.summary.encryption = None;
    report.summary.accuracy = Accuracies::of(&report.predictions);
    report.summary.agreement = cryptodl_results::AgreementSummary::of(&report.predictions);
    report.summary.timing.predictions_per_hour = None;
    report.layers.clear();
    report.plan.clear();
    let drawn = charts(&report).unwrap();
    assert_eq!(
        names(&drawn),
        [
            "training",
            "activation",
            "logit_error",
            "confusion",
            "misclassified"
        ]
    );
    assert_sound(&drawn);
    let page = markdown(&report);
    assert!(
        page.contains("Without encryption, the circuit with simulated noise classifies"),
        "{page}"
    );
    assert!(page.contains("not made"));
    assert!(!page.contains("Real ciphertexts | 2"));
}

#[test]
fn a_report_without_logits_pixels_or_epochs_still_stands() {
    let mut report = run(300);
    report.predictions = report.predictions.without_logits();
    report.misclassified.clear();
    report.epochs.clear();
    report.activations.clear();
    let drawn = charts(&report).unwrap();
    assert_eq!(names(&drawn), ["layers", "confusion"]);
    html(&report);
    report.predictions = cryptodl_results::PredictionTable::default();
    report.layers.clear();
    assert!(charts(&report).unwrap().is_empty());
    html(&report);
    markdown(&report);
}

#[test]
fn values_that_are_no_numbers_are_left_out() {
    let mut report = run(50);
    report.epochs[3].train_loss = f64::NAN;
    report.epochs[4].validation_accuracy = f64::NAN;
    report.epochs[5].train_loss = f64::INFINITY;
    report.activations[0].polynomials = vec![vec![f64::NAN, 1.0]];
    report.activations[1].polynomials = Vec::new();
    report.activations[2].inputs.counts.clear();
    report.layers[0].seconds = f64::NAN;
    for column in &mut report.predictions.columns {
        column.evaluation.as_mut().unwrap().logits[7] = f32::NAN;
    }
    for (epoch, row) in report.epochs.iter_mut().enumerate().skip(20) {
        row.train_loss = f64::NAN;
        row.validation_accuracy = if epoch % 2 == 0 { 1.0 } else { 0.0 };
    }
    assert_sound(&charts(&report).unwrap());
    html(&report);
}

#[test]
fn long_class_names_and_colour_images_fit() {
    let mut report = run(400);
    let names = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];
    report.class_names = names.map(str::to_owned).to_vec();
    for sample in &mut report.misclassified {
        sample.shape[0] = 3;
        sample.pixels = sample.pixels.repeat(3);
    }
    assert_sound(&charts(&report).unwrap());
}

#[test]
fn the_page_refers_to_nothing_outside_and_runs_its_own_script_alone() {
    let page = html(&run(300));
    for outside in ["http:", "https:", "<link", "@import", "<iframe", " onload"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<script").count(), 1, "its own, by its digest");
    for attribute in ["src=\"", "href=\"", "url("] {
        for (at, _) in page.match_indices(attribute) {
            let rest = &page[at + attribute.len()..];
            assert!(
                rest.starts_with("data:") || rest.starts_with('#'),
                "{}",
                &page[at..at + 60]
            );
        }
    }
}

#[test]
fn what_comes_from_outside_is_escaped_everywhere() {
    let mut report = run(60);
    let hostile = "</code><script>alert('x')</script>&\"";
    report.summary.name = hostile.into();
    report.summary.dataset = hostile.into();
    report.summary.activation.function = hostile.into();
    report.spec_toml = format!("name = \"{hostile}\"");
    report.class_names = vec![hostile.into(); 10];
    report.watermark = Some(hostile.into());
    report.manifest.command = vec![hostile.into()];
    report.layers[0].name = hostile.into();
    report.activations[0].name = hostile.into();
    let page = html(&report);
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;"));
    for chart in charts(&report).unwrap() {
        assert!(!chart.svg.contains("<script"), "{}", chart.name);
    }
    let outside_code = markdown(&report);
    let outside_code = outside_code.split("```").step_by(2).collect::<String>();
    assert!(
        outside_code.contains("\\<script") && !outside_code.replace("\\<", "").contains("<script")
    );
}

#[test]
fn a_watermark_is_on_every_page_table_and_chart() {
    let mut report = run(300);
    let watermark = "insecure test parameters";
    report.watermark = Some(watermark.into());
    for chart in charts(&report).unwrap() {
        assert!(chart.svg.contains(watermark), "{}", chart.name);
    }
    let page = html(&report);
    assert_eq!(
        page.matches("<table").count(),
        page.matches("<div class=\"about\"><div><p class=\"warning\">")
            .count()
    );
    assert!(page.matches("<table").count() >= 7);
    let page = markdown(&report);
    assert!(
        page.lines()
            .take(6)
            .any(|line| line.contains("WARNING: insecure"))
    );
}

/// `page.css` recolours charts by value for dark pages: a colour it does not know would stay as it is on paper.
#[test]
fn the_style_sheet_knows_every_colour_of_the_charts() {
    let style = include_str!("page/page.css");
    let mut report = run(300);
    report.watermark = Some("insecure".into());
    for chart in charts(&report).unwrap() {
        for attribute in ["fill=\"#", "stroke=\"#"] {
            for (at, _) in chart.svg.match_indices(attribute) {
                let found = &chart.svg[at..at + attribute.len() + 7];
                // White on dark marks stays white.
                assert!(
                    found.contains("#FEFEFE") || style.contains(&format!("[{found}]")),
                    "{found} in {}",
                    chart.name
                );
            }
        }
    }
}

/// The rows of the plan add up to the evaluation, whatever lies outside the layers.
#[test]
fn times_of_layers_add_up_to_the_evaluation() {
    let mut report = run(300);
    let layers: f64 = report.layers.iter().map(|layer| layer.seconds).sum();
    report.summary.timing.evaluate_s = Some(layers + 1.25);
    assert!(markdown(&report).contains("Outside the layers: upload, masks, reply"));
    let drawn = charts(&report).unwrap();
    let chart = drawn.iter().find(|chart| chart.name == "layers").unwrap();
    assert!(chart.svg.contains("outside the layers") && chart.svg.contains("1.25 s"));
}

#[test]
fn a_rate_from_a_few_images_says_so() {
    let mut report = run(100);
    report.summary.timing.images_per_hour = Some(9_798.6);
    let page = markdown(&report);
    assert!(
        page.contains(
            "9,799 images an hour (a full batch of 8,192 would make it 1.61 M; 100 were evaluated)"
        ),
        "{page}"
    );
    assert!(!page.contains("1.61 M predictions an hour"), "{page}");
}
