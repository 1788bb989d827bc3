//! A network with random weights that behaves like a trained one: what an encrypted evaluation costs, before there is anything to train on.

use super::PipelineError;
use crate::circuit::{
    ASSUMED_LOGITS, Circuit, CostTable, Plan, assumed_polynomial, compile_with, estimate_noise,
    output_range,
};
use crate::data::Images;
use crate::model::{
    Activations, Conv, Dense, PreActivation, TrainedLayer, TrainedNetwork, initial,
};
use crate::spec::Experiment;
use crate::training::{logits, pre_activations};

/// Mean and standard deviation of uniformly random pixels.
const PIXELS: (f32, f32) = (0.5, 0.288_675_13);
/// Images per step of the evaluation in the clear.
const BATCH: usize = 16;

/// Folds and plans the network of `experiment` with random weights (He et al. 2015), each layer scaled so that the inputs of its activation
/// just reach the ends of the spec's interval on `images`: without training, squares of squares would be huge or nothing.
///
/// # Errors
/// As [`compile_with`] and [`estimate_noise`]; [`CircuitError::Approximation`](crate::circuit::CircuitError::Approximation) where the method
/// finds no polynomial.
pub fn random_circuit(
    experiment: &Experiment,
    images: &Images,
    costs: &CostTable,
) -> Result<(Circuit, Plan), PipelineError> {
    let polynomial = assumed_polynomial(&experiment.activation)?;
    let channels = experiment.network.input.channels;
    let (mean, std) = (vec![PIXELS.0; channels], vec![PIXELS.1; channels]);
    let activations = Activations::Polynomial(&polynomial);
    let mut network = initial(experiment, activations, &mean, &std);
    let interval = experiment.activation.interval;
    let reach = interval.low().abs().max(interval.high().abs());
    for layer in 0..network.layers.len() {
        if matches!(network.layers[layer], TrainedLayer::Polynomial(_)) {
            // the activations behind are not scaled yet and could leave the numbers there are
            let measured = pre_activations(&silent_after(&network, layer), images, interval)?;
            let measured = measured.iter().find(|range| range.layer == layer);
            scale_before(&mut network, layer, reach / largest(measured));
        }
    }
    let end = network.layers.len();
    let found = output_range(&network, &logits(&network, images, BATCH)?);
    scale_before(&mut network, end, ASSUMED_LOGITS / largest(Some(&found)));
    let mut ranges = pre_activations(&network, images, interval)?;
    ranges.push(output_range(&network, &logits(&network, images, BATCH)?));
    let (circuit, mut plan) = compile_with(&network, &ranges, &experiment.encryption, costs)?;
    plan.noise_estimate = estimate_noise(&circuit, &plan, images)?;
    Ok((circuit, plan))
}

/// The network with zero for everything that leaves an activation from this one on.
fn silent_after(network: &TrainedNetwork, layer: usize) -> TrainedNetwork {
    let mut network = network.clone();
    for layer in &mut network.layers[layer..] {
        if let TrainedLayer::Polynomial(polynomial) = layer {
            polynomial.coefficients.fill(0.0);
        }
    }
    network
}

/// Multiplies what the last layer with weights before `end` gives.
fn scale_before(network: &mut TrainedNetwork, end: usize, factor: f64) {
    for layer in network.layers[..end].iter_mut().rev() {
        if let TrainedLayer::Conv(Conv { weight, bias, .. })
        | TrainedLayer::Dense(Dense { weight, bias, .. }) = layer
        {
            for value in weight.iter_mut().chain(bias) {
                *value = (f64::from(*value) * factor) as f32;
            }
            return;
        }
    }
}

/// The largest |value| of a range; one where nothing is known or all is zero.
fn largest(range: Option<&PreActivation>) -> f64 {
    let most = range.map_or(0.0, |range| range.max.max(-range.min));
    if most > 0.0 && most.is_finite() {
        most
    } else {
        1.0
    }
}
