//! One circuit through the planner's machine, on either of its runs.

use super::error::CircuitError;
use super::execute::apply;
use super::planning::{Outline, Planner};
use super::schedule::{Schedule, Step};
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
    let steps = schedule.steps(circuit);
    for (index, (step, layer)) in steps.iter().zip(&circuit.layers).enumerate() {
        planner.begin(layer.name());
        if opens(&steps, index) {
            planner.cross_memory(&value);
        }
        if let CircuitLayer::Polynomial(layer) = layer {
            value.bound = layer.bound;
            let typical = layer.typical.iter().copied().cycle();
            value.typical = typical.take(value.features).collect();
        }
        value = apply(planner, *step, layer, value)?;
        if let CircuitLayer::Linear(layer) = layer {
            value.bound = layer.bound;
            for typical in &mut value.typical {
                *typical = typical.min(layer.bound);
            }
        }
        if opens(&steps, index + 1) {
            planner.cross_memory(&value);
        }
        record(layer, &value);
    }
    planner.demand(&value)?;
    Ok(value)
}

/// Whether what enters a layer comes from memory: at the ends of the circuit, and where coefficients meet (see [`super::streaming`]).
fn opens(steps: &[Step], index: usize) -> bool {
    let alone = |step: &Step| matches!(step, Step::Polynomial { tensor: false, .. });
    let meets = |step: &Step| {
        matches!(
            step,
            Step::Polynomial {
                relinearize: true,
                ..
            }
        )
    };
    let before = index.checked_sub(1).and_then(|before| steps.get(before));
    match (before, steps.get(index)) {
        (None, _) | (_, None) => true,
        (Some(before), Some(step)) => alone(before) || alone(step) || meets(step),
    }
}
