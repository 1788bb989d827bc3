//! One circuit through the planner's machine, on either of its runs.

use super::error::CircuitError;
use super::execute::apply;
use super::planning::{Outline, Planner};
use super::schedule::Schedule;
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
    planner: &Planner<'_>,
    circuit: &Circuit,
    schedule: Schedule,
    input: Outline,
    record: &mut dyn FnMut(&CircuitLayer, &Outline),
) -> Result<Outline, CircuitError> {
    let mut value = input;
    for (step, layer) in schedule.steps(circuit).into_iter().zip(&circuit.layers) {
        planner.begin(layer.name());
        if let CircuitLayer::Polynomial(layer) = layer {
            value.bound = layer.bound;
            let typical = layer.typical.iter().copied().cycle();
            value.typical = typical.take(value.features).collect();
        }
        value = apply(planner, step, layer, value)?;
        if let CircuitLayer::Linear(layer) = layer {
            value.bound = layer.bound;
            for typical in &mut value.typical {
                *typical = typical.min(layer.bound);
            }
        }
        record(layer, &value);
    }
    planner.demand(&value)?;
    Ok(value)
}
