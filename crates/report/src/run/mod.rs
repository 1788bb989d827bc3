//! The charts and the page of one run. Stored results hold all that it shows: nothing has to be run for it.

mod charts;
mod document;

use std::path::Path;

use cryptodl_results::agreement::STEPS;
use cryptodl_results::{EpochRow, LayerRow, Manifest, PredictionTable, Summary};

use crate::page::{self, Links};
use crate::plot::{Chart, render_all};
use crate::{ReportError, write};

pub(crate) use charts::{curve, evaluate, layer_color, steps};

/// Misclassified images that the chart has room for.
pub const SAMPLES: usize = 40;

/// One run, whole.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// `summary.json`.
    pub summary: Summary,
    /// `manifest.json`.
    pub manifest: Manifest,
    /// `epochs.csv`, of the polynomial network and of the baseline.
    pub epochs: Vec<EpochRow>,
    /// `layers.csv`; empty where nothing was encrypted.
    pub layers: Vec<LayerRow>,
    /// What was planned for the same layers; empty where there is no plan.
    pub plan: Vec<PlanRow>,
    /// `predictions.parquet`, with or without logits.
    pub predictions: PredictionTable,
    /// One an activation layer, in order.
    pub activations: Vec<ActivationPlot>,
    /// Images that [`RunReport::judged`] got wrong, at most [`SAMPLES`]; see [`RunReport::misclassified_indices`].
    pub misclassified: Vec<Sample>,
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// A warning that stands on every page, table and chart, as for parameters without security.
    pub watermark: Option<String>,
    /// `spec.toml`.
    pub spec_toml: String,
}

/// What the plan says of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRow {
    /// Level after the layer: primes left minus one.
    pub level: usize,
    /// log2 of the largest magnitude that is planned for, in units of the integer message.
    pub bound_bits: f64,
}

/// One activation layer.
#[derive(Clone, Debug)]
pub struct ActivationPlot {
    /// Name of the layer.
    pub name: String,
    /// What the polynomial stands for.
    pub function: polyapprox::Function,
    /// The spec's interval.
    pub interval: polyapprox::Interval,
    /// The trained polynomials, ascending coefficients: one, or one a channel.
    pub polynomials: Vec<Vec<f64>>,
    /// What the layer's inputs were on the test images.
    pub inputs: Inputs,
}

/// The distribution of an activation's inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Smallest and largest value.
    pub ends: (f64, f64),
    /// Mean of all values.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// Share outside the spec's interval.
    pub outside: f64,
    /// Ends of the histogram.
    pub range: (f64, f64),
    /// Counts in equal bins between these ends.
    pub counts: Vec<u64>,
}

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Index in the test set.
    pub index: usize,
    /// True class.
    pub label: u16,
    /// Predicted class.
    pub predicted: u16,
    /// Channels (1 or 3), rows and columns.
    pub shape: [usize; 3],
    /// `[channels, rows, columns]`.
    pub pixels: Vec<u8>,
}

impl RunReport {
    /// The evaluation that confusion matrix and misclassified images are of: the nearest to real ciphertexts that was made.
    pub fn judged(predictions: &PredictionTable) -> Option<&'static str> {
        let mut names = STEPS.iter().rev().map(|(name, _)| *name);
        names.find(|name| predictions.column(name).is_some())
    }

    /// Index, true class and predicted class of every image that [`RunReport::judged`] got wrong, in order.
    pub fn misclassified_indices(predictions: &PredictionTable) -> Vec<(usize, u16, u16)> {
        let predicted = Self::judged(predictions).and_then(|name| predictions.predicted(name));
        let pairs = predictions.labels.iter().zip(predicted.unwrap_or_default());
        let wrong = pairs.enumerate().filter_map(|(index, (label, class))| {
            let class = class.filter(|class| class != label)?;
            Some((index, *label, class))
        });
        wrong.collect()
    }

    /// Name of a class; its number where it has none.
    fn class_name(&self, class: usize) -> String {
        let name = self.class_names.get(class).cloned();
        name.unwrap_or_else(|| class.to_string())
    }

    /// Number of classes, as far as names, labels and predictions tell.
    fn classes(&self) -> usize {
        let predicted = self
            .predictions
            .columns
            .iter()
            .flat_map(|column| column.predicted.iter().flatten());
        let all = self
            .predictions
            .labels
            .iter()
            .chain(predicted)
            .map(|class| usize::from(*class) + 1);
        all.max().unwrap_or(0).max(self.class_names.len())
    }
}

/// Draws every chart that the run has data for, in the order of the page.
///
/// # Errors
/// [`ReportError::Font`], [`ReportError::Draw`] and [`ReportError::Png`]; none of them comes from the data.
pub fn charts(report: &RunReport) -> Result<Vec<Chart>, ReportError> {
    render_all(charts::figures(report))
}

/// Writes `<name>.svg` and `<name>.png` of every chart.
///
/// # Errors
/// [`ReportError::Io`].
pub fn write_charts(folder: &Path, charts: &[Chart]) -> Result<(), ReportError> {
    for chart in charts {
        write(
            &folder.join(format!("{}.svg", chart.name)),
            chart.svg.as_bytes(),
        )?;
        write(&folder.join(format!("{}.png", chart.name)), &chart.png)?;
    }
    Ok(())
}

/// Writes `report.md`, which links to the charts' files beside it, and `report.html`, which holds everything.
///
/// # Errors
/// [`ReportError::Io`].
pub fn write_report(
    folder: &Path,
    report: &RunReport,
    charts: &[Chart],
) -> Result<(), ReportError> {
    write(
        &folder.join("report.md"),
        markdown(report, charts).as_bytes(),
    )?;
    write(&folder.join("report.html"), html(report, charts).as_bytes())
}

pub(crate) fn markdown(report: &RunReport, charts: &[Chart]) -> String {
    let links = Links {
        charts: "",
        extension: "svg",
        data: "",
    };
    page::markdown(&document::document(report), charts, links)
}

pub(crate) fn html(report: &RunReport, charts: &[Chart]) -> String {
    page::html(&document::document(report), charts)
}
