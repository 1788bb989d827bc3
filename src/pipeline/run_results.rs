//! The results of a run in the terms of its report and tables.

use serde::Serialize;

use super::compiled::Compiled;
use super::run::StageResults;
use crate::data::Dataset;
use crate::model::{PreActivation, TrainedLayer};
use crate::report::{ActivationPlot, PlanRow, RunReport, SAMPLES, Sample};
use crate::results::{LayerRow, Manifest, PredictionTable, Summary};
use crate::spec::Experiment;

/// `ranges.json`: what flowed into the activations.
#[derive(Debug, Serialize)]
pub(super) struct Ranges<'a> {
    train: &'a [PreActivation],
    test: &'a [PreActivation],
}

/// The pre-activations of both splits.
pub(super) fn ranges(made: &StageResults) -> Ranges<'_> {
    Ranges {
        train: &made.train_ranges,
        test: &made.test_ranges,
    }
}

/// The rows of `layers.csv`; none where nothing was encrypted.
pub(super) fn layer_rows(made: &StageResults) -> Vec<LayerRow> {
    made.encrypted
        .as_ref()
        .map(|record| record.layers.clone())
        .unwrap_or_default()
}

/// The results of a run: what its tables, charts and pages are made from.
pub(super) struct RunResults {
    pub summary: Summary,
    pub manifest: Manifest,
    pub table: PredictionTable,
    pub layers: Vec<LayerRow>,
    pub spec: String,
}

/// The report of a run.
pub(super) fn report(
    experiment: &Experiment,
    made: &StageResults,
    dataset: &Dataset,
    run: &RunResults,
) -> RunReport {
    RunReport {
        summary: run.summary.clone(),
        manifest: run.manifest.clone(),
        epochs: made.epochs.clone(),
        layers: run.layers.clone(),
        plan: plan_rows(made),
        activations: activations(experiment, made),
        misclassified: misclassified(dataset, &run.table),
        predictions: run.table.clone(),
        class_names: dataset.class_names.clone(),
        watermark: None,
        spec_toml: run.spec.clone(),
    }
}

fn plan_rows(made: &StageResults) -> Vec<PlanRow> {
    // A look-up has no levels, and a plan of its own form.
    let (Some(record), Compiled::Polynomials { plan, .. }) = (&made.encrypted, &made.compiled)
    else {
        return Vec::new();
    };
    let images = usize::try_from(record.timing.images).unwrap_or(usize::MAX);
    plan.layers
        .iter()
        .map(|layer| PlanRow {
            name: layer.name.clone(),
            level: layer.level,
            bound_bits: layer.bound_bits,
            predicted_seconds: plan.layer_seconds(layer, images, record.timing.threads),
        })
        .collect()
}

fn activations(experiment: &Experiment, made: &StageResults) -> Vec<ActivationPlot> {
    let mut plots = Vec::new();
    for (index, layer) in made.network.layers.iter().enumerate() {
        let TrainedLayer::Polynomial(polynomial) = layer else {
            continue;
        };
        let Some(measured) = made.test_ranges.iter().find(|range| range.layer == index) else {
            continue;
        };
        plots.push(ActivationPlot {
            name: format!("activation {}", plots.len() + 1),
            function: experiment.activation.function,
            interval: experiment.activation.interval,
            polynomials: polynomial.polynomials().collect(),
            measured: measured.clone(),
        });
    }
    plots
}

fn misclassified(dataset: &Dataset, table: &PredictionTable) -> Vec<Sample> {
    RunReport::misclassified_indices(table)
        .into_iter()
        .take(SAMPLES)
        .map(|(index, label, predicted)| Sample {
            index,
            label,
            predicted,
            shape: dataset.test.shape,
            pixels: dataset.test.image(index).to_vec(),
        })
        .collect()
}
