//! A plan before training: what a spec will cost and whether it can run at all, from a network with random weights.

use super::compile::compile_with;
use super::cost::CostTable;
use super::error::CircuitError;
use super::plan::Plan;
use cryptodl_model::{Activations, PreActivation, TrainedLayer, initial};
use cryptodl_spec::{ActivationSpec, Experiment, Trainable};
use polyapprox::{Method, Polynomial, approximate_weighted};

/// Pre-activations are taken to reach this many times the spec's interval; training penalises what lies outside it.
const REACH: f64 = 1.5;
/// Logits are taken to stay within this: those of trained MNIST networks reach 9 to 13.
pub const ASSUMED_LOGITS: f64 = 13.0;
/// Share of the largest term that a leading coefficient is given where the method finds zero and training will move it.
const TRAINED_LEADING: f64 = 0.05;
/// Pixels are taken to have this mean and this standard deviation, about those of MNIST.
const PIXELS: (f32, f32) = (0.15, 0.3);

/// Plans the network of `experiment` with random (He et al. 2015) weights, by the fixed costs: same shapes, same depth, about the same
/// bounds.
///
/// # Errors
/// As [`compile`](super::compile()); [`CircuitError::Approximation`] where the method finds no polynomial.
pub fn plan_shape(experiment: &Experiment) -> Result<Plan, CircuitError> {
    plan_shape_with(experiment, &CostTable::default())
}

/// As [`plan_shape`], by the costs of this machine.
///
/// # Errors
/// As [`plan_shape`].
pub fn plan_shape_with(experiment: &Experiment, costs: &CostTable) -> Result<Plan, CircuitError> {
    let polynomial = assumed_polynomial(&experiment.activation)?;
    let channels = experiment.network.input.channels;
    let (mean, std) = (vec![PIXELS.0; channels], vec![PIXELS.1; channels]);
    let network = initial(
        experiment,
        Activations::Polynomial(&polynomial),
        &mean,
        &std,
    );
    let interval = experiment.activation.interval;
    let reach = REACH * interval.low().abs().max(interval.high().abs());
    let activations = network
        .layers
        .iter()
        .zip(&experiment.network.shapes)
        .enumerate();
    let mut ranges: Vec<PreActivation> = activations
        .filter(|(_, (layer, _))| matches!(layer, TrainedLayer::Polynomial(_)))
        .map(|(layer, (_, shape))| assumed_range(layer, shape.channels, reach))
        .collect();
    ranges.push(assumed_range(
        network.layers.len(),
        network.classes,
        ASSUMED_LOGITS,
    ));
    Ok(compile_with(&network, &ranges, &experiment.encryption, costs)?.1)
}

/// A polynomial like the one that training will end with: the one that it starts from, with a leading coefficient that is not zero where
/// training moves it, and for the density of the data, which is not known yet, a uniform one.
///
/// # Errors
/// [`CircuitError::Approximation`] where the method finds no polynomial.
pub fn assumed_polynomial(activation: &ActivationSpec) -> Result<Polynomial, CircuitError> {
    let mut coefficients = match (&activation.coefficients, activation.method) {
        (None, Method::Data) => {
            let interval = activation.interval;
            let flat =
                polyapprox::Density::from_histogram(interval.low(), interval.high(), &[1; 64])?;
            let found =
                approximate_weighted(activation.function, &flat, activation.degree, interval)?;
            found.polynomial.coefficients().to_vec()
        }
        _ => activation.starting_polynomial()?.coefficients().to_vec(),
    };
    if activation.trainable != Trainable::Fixed {
        let degree = activation.degree;
        coefficients.resize(degree + 1, 0.0);
        let reach = activation
            .interval
            .low()
            .abs()
            .max(activation.interval.high().abs());
        let terms = coefficients
            .iter()
            .enumerate()
            .skip(1)
            .map(|(k, a)| a.abs() * reach.powi(k as i32));
        let floor = TRAINED_LEADING * terms.fold(0.0, f64::max) / reach.powi(degree as i32);
        if coefficients[degree].abs() < floor {
            coefficients[degree] = floor;
        }
    }
    Ok(Polynomial::new(coefficients)?)
}

/// A range as if it had been measured.
fn assumed_range(layer: usize, channels: usize, reach: f64) -> PreActivation {
    PreActivation {
        layer,
        min: -reach,
        max: reach,
        mean: 0.0,
        std: reach / 4.0,
        outside: 0.0,
        channel_abs_max: vec![reach; channels],
        histogram_low: -reach,
        histogram_high: reach,
        histogram: Vec::new(),
    }
}
