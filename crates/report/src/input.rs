//! What charts and pages are made from. Stored results hold all of it: nothing has to be run for a report.

use polyapprox::{Function, Interval};

use cryptodl_model::PreActivation;
use cryptodl_results::agreement::STEPS;
use cryptodl_results::{EpochRow, LayerRow, Manifest, PredictionTable, Summary};
use cryptodl_spec::Shape;

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
    /// Name of the layer, as in `layers.csv`.
    pub name: String,
    /// Level after the layer: primes left minus one.
    pub level: usize,
    /// log2 of the largest magnitude that is planned for, in units of the integer message.
    pub bound_bits: f64,
    /// Predicted wall-clock seconds over all batches.
    pub predicted_seconds: f64,
}

/// One activation layer.
#[derive(Clone, Debug)]
pub struct ActivationPlot {
    /// Name of the layer.
    pub name: String,
    /// What the polynomial stands for.
    pub function: Function,
    /// The spec's interval.
    pub interval: Interval,
    /// The trained polynomials, ascending coefficients: one, or one a channel.
    pub polynomials: Vec<Vec<f64>>,
    /// What the layer's inputs were.
    pub measured: PreActivation,
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
    pub shape: Shape,
    /// `[channels, height, width]`.
    pub pixels: Vec<u8>,
}

impl ActivationPlot {
    /// Mean of the coefficients over the channels.
    pub fn mean_polynomial(&self) -> Vec<f64> {
        let terms = self.polynomials.iter().map(Vec::len).max().unwrap_or(0);
        let rows = self.polynomials.len().max(1) as f64;
        (0..terms)
            .map(|term| {
                self.polynomials
                    .iter()
                    .filter_map(|row| row.get(term))
                    .sum::<f64>()
                    / rows
            })
            .collect()
    }
}

impl RunReport {
    /// The evaluation that confusion matrix and misclassified images are of: the nearest to real ciphertexts that was made.
    pub fn judged(predictions: &PredictionTable) -> Option<&'static str> {
        STEPS
            .iter()
            .rev()
            .map(|(name, _)| *name)
            .find(|name| predictions.column(name).is_some())
    }

    /// Index, true class and predicted class of every image that [`RunReport::judged`] got wrong, in order.
    pub fn misclassified_indices(predictions: &PredictionTable) -> Vec<(usize, u16, u16)> {
        let predicted = Self::judged(predictions)
            .and_then(|name| predictions.predicted(name))
            .unwrap_or_default();
        predictions
            .labels
            .iter()
            .zip(predicted)
            .enumerate()
            .filter_map(|(index, (label, class))| {
                class
                    .filter(|class| class != label)
                    .map(|class| (index, *label, class))
            })
            .collect()
    }

    /// Name of a class; its number where it has none.
    pub(super) fn class_name(&self, class: usize) -> String {
        self.class_names
            .get(class)
            .cloned()
            .unwrap_or_else(|| class.to_string())
    }

    /// Number of classes, as far as names, labels and predictions tell.
    pub(super) fn classes(&self) -> usize {
        let predicted = self
            .predictions
            .columns
            .iter()
            .flat_map(|column| column.predicted.iter().flatten());
        let largest = self
            .predictions
            .labels
            .iter()
            .chain(predicted)
            .map(|class| usize::from(*class) + 1)
            .max();
        largest.unwrap_or(0).max(self.class_names.len())
    }
}

/// Words for an evaluation inside a sentence.
pub(super) fn evaluation_words(name: &str) -> &'static str {
    match name {
        "original" => "the network with the original activation",
        "polynomial" => "the polynomial network in f32",
        "circuit" => "the integer circuit in the clear",
        "simulated" => "the circuit with simulated noise",
        _ => "the encrypted evaluation",
    }
}
