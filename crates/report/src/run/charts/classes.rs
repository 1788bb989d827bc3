//! Which classes are taken for which, and the images that are.

use cryptodl_results::agreement::ConfusionMatrix;

use super::super::{RunReport, SAMPLES, Sample};
use super::figure;
use crate::format::{count, percent};
use crate::names;
use crate::plot::{Body, Figure, Heat, HeatRow, Images, Tile};

/// More classes than this do not fit.
const MOST_CLASSES: usize = 25;

/// Which classes are taken for which.
pub(super) fn confusion(report: &RunReport) -> Option<Figure> {
    let classes = report.classes();
    let of = RunReport::judged(&report.predictions)?;
    let predicted = report.predictions.predicted(of)?;
    if !(1..=MOST_CLASSES).contains(&classes) {
        return None;
    }
    let matrix = ConfusionMatrix::new(&report.predictions.labels, predicted, classes);
    let (correct, all) = matrix.correct_of();
    let subtitle = match all - correct {
        0 => format!("All {} images are on the diagonal.", count(all)),
        others => format!(
            "{} of {} images are on the diagonal; the other {} are orange, the darker the more frequent.",
            count(correct),
            count(all),
            count(others)
        ),
    };
    let row = |class: usize| {
        let counts: Vec<u64> = (0..classes)
            .map(|column| matrix.count(class, column))
            .collect();
        let total: u64 = counts.iter().sum();
        let notes = match total {
            0 => Default::default(),
            _ => (
                percent(matrix.count(class, class) as f64 / total as f64),
                format!("of {}", count(total)),
            ),
        };
        HeatRow {
            name: report.class_name(class),
            counts,
            notes,
        }
    };
    let heat = Heat {
        heads: ["True class ↓", "Predicted class →", "Correct"].map(str::to_owned),
        rows: (0..classes).map(row).collect(),
    };
    Some(figure(
        "confusion",
        format!("Confusion matrix of {}", names::evaluation(of)),
        subtitle,
        Body::Heat(heat),
    ))
}

/// The images that were classified wrongly; nothing where there are some but their pixels are not there.
pub(super) fn misclassified(report: &RunReport) -> Option<Figure> {
    let of = RunReport::judged(&report.predictions)?;
    let wrong = RunReport::misclassified_indices(&report.predictions).len();
    let tiles: Vec<Tile> = report
        .misclassified
        .iter()
        .take(SAMPLES)
        .map(|sample| tile(report, sample))
        .collect();
    if wrong > 0 && tiles.is_empty() {
        return None;
    }
    let all = report
        .predictions
        .predicted(of)
        .map_or(0, |classes| classes.iter().flatten().count());
    let (shown, wrong, all) = (tiles.len(), count(wrong as u64), count(all as u64));
    let which = if shown.to_string() == wrong {
        format!("All {wrong}")
    } else {
        format!("The first {shown} of the {wrong}")
    };
    let subtitle = match shown {
        0 => String::new(),
        _ => format!(
            "True class → predicted class. {which} wrong among {all} images; # is the index in the test set."
        ),
    };
    let body = Images {
        tiles,
        none: format!("None: all {all} images were classified correctly."),
    };
    Some(figure(
        "misclassified",
        format!("Images misclassified by {}", names::evaluation(of)),
        subtitle,
        Body::Images(body),
    ))
}

fn tile(report: &RunReport, sample: &Sample) -> Tile {
    let [channels, rows, columns] = sample.shape;
    let plane = rows * columns;
    let rgb = match channels {
        1 => sample.pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        3 if sample.pixels.len() == 3 * plane => (0..plane)
            .flat_map(|pixel| [0, 1, 2].map(|channel| sample.pixels[channel * plane + pixel]))
            .collect(),
        _ => Vec::new(),
    };
    Tile {
        columns,
        rows,
        rgb,
        caption: [
            report.class_name(usize::from(sample.label)),
            format!("→ {}", report.class_name(usize::from(sample.predicted))),
            format!("#{}", sample.index),
        ],
    }
}
