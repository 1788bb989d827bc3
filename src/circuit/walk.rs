//! One circuit through the planner's machine, on either of its runs.

use super::error::CircuitError;
use super::execute::apply;
use super::planning::{Outline, Planner};
use super::types::{Circuit, CircuitLayer};

/// Largest |input| of the circuit: a black or a white pixel.
pub(super) fn input_bound(circuit: &Circuit) -> f64 {
    let ends = circuit.mean.iter().zip(&circuit.std).map(|(mean, std)| {
        let (mean, std) = (f64::from(*mean), f64::from(*std));
        mean.abs().max((1.0 - mean).abs()) / std
    });
    ends.fold(0.0, f64::max)
}

/// Runs the circuit on the planner's machine. The bounds of the training data replace what the machine can only bound by row sums.
pub(super) fn walk(
    planner: &Planner,
    circuit: &Circuit,
    input: Outline,
    record: &mut dyn FnMut(&CircuitLayer, &Outline),
) -> Result<Outline, CircuitError> {
    let mut value = input;
    for layer in &circuit.layers {
        planner.begin(layer.name());
        if let CircuitLayer::Polynomial(layer) = layer {
            (value.bound, value.typical) = (layer.bound, layer.typical);
        }
        value = apply(planner, layer, value)?;
        if let CircuitLayer::Linear(layer) = layer {
            (value.bound, value.typical) = (layer.bound, value.typical.min(layer.bound));
        }
        record(layer, &value);
    }
    planner.demand(&value)?;
    Ok(value)
}
