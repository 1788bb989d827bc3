//! The results of a run in the terms of its report and tables.

use super::results::StageResults;
use crate::data::Dataset;
use crate::model::TrainedLayer;
use crate::pipeline::PipelineError;
use crate::report::{ActivationPlot, Inputs, PlanRow, RunReport, SAMPLES, Sample};
use crate::results::{LayerRow, Manifest, PredictionTable, Summary};
use crate::spec::Experiment;

/// The rows of `layers.csv`; none where nothing was encrypted.
pub(super) fn layer_rows(made: &StageResults) -> Vec<LayerRow> {
    made.encrypted
        .as_ref()
        .map(|encrypted| encrypted.record.layers.clone())
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
) -> Result<RunReport, PipelineError> {
    Ok(RunReport {
        summary: run.summary.clone(),
        manifest: run.manifest.clone(),
        epochs: made.epochs(),
        layers: run.layers.clone(),
        plan: plan_rows(made),
        activations: activations(experiment, made)?,
        misclassified: misclassified(dataset, &run.table),
        predictions: run.table.clone(),
        class_names: dataset.class_names.clone(),
        watermark: None,
        spec_toml: run.spec.clone(),
    })
}

fn plan_rows(made: &StageResults) -> Vec<PlanRow> {
    let Some(encrypted) = &made.encrypted else {
        return Vec::new();
    };
    let timing = &encrypted.record.timing;
    let images = usize::try_from(timing.images).unwrap_or(usize::MAX);
    let layers = made.circuit.compiled.planned_layers(images, timing.threads);
    let rows = layers.into_iter().map(|layer| PlanRow {
        level: layer.level,
        bound_bits: layer.bound_bits,
    });
    rows.collect()
}

fn activations(
    experiment: &Experiment,
    made: &StageResults,
) -> Result<Vec<ActivationPlot>, PipelineError> {
    let mut plots = Vec::new();
    let network = &made.networks.encrypted()?.network;
    for (index, layer) in network.layers.iter().enumerate() {
        let TrainedLayer::Polynomial(polynomial) = layer else {
            continue;
        };
        let Some(measured) = made
            .plaintext
            .ranges
            .test
            .iter()
            .find(|range| range.layer == index)
        else {
            continue;
        };
        plots.push(ActivationPlot {
            name: format!("activation {}", plots.len() + 1),
            function: experiment.activation.function,
            interval: experiment.activation.interval,
            polynomials: polynomial.polynomials().collect(),
            inputs: Inputs {
                ends: (measured.min, measured.max),
                mean: measured.mean,
                deviation: measured.std,
                outside: measured.outside,
                range: (measured.histogram_low, measured.histogram_high),
                counts: measured.histogram.clone(),
            },
        });
    }
    Ok(plots)
}

fn misclassified(dataset: &Dataset, table: &PredictionTable) -> Vec<Sample> {
    RunReport::misclassified_indices(table)
        .into_iter()
        .take(SAMPLES)
        .map(|(index, label, predicted)| Sample {
            index,
            label,
            predicted,
            shape: [
                dataset.test.shape.channels,
                dataset.test.shape.height,
                dataset.test.shape.width,
            ],
            pixels: dataset.test.image(index).to_vec(),
        })
        .collect()
}
