//! The circuit on any machine: real ciphertexts, the planner's bookkeeping, clear integers.

use std::time::{Duration, Instant};

use super::schedule::{Schedule, Step};
use super::types::{Circuit, CircuitLayer};
use ckks::{Machine, evaluate_polynomial};

/// Runs `circuit` on `input` (one value per input feature) by `schedule` and returns the logits, neither rescaled nor relinearised after
/// the last layer.
///
/// `observe` is called after every layer with its index, the value that leaves it and the time that it took.
///
/// # Errors
/// The machine's.
pub fn execute<M: Machine>(
    machine: &M,
    circuit: &Circuit,
    schedule: &Schedule,
    input: M::Value,
    observe: &mut dyn FnMut(usize, &M::Value, Duration),
) -> Result<M::Value, M::Error> {
    let mut value = input;
    let steps = schedule.steps(circuit).into_iter().zip(&circuit.layers);
    for (index, (step, layer)) in steps.enumerate() {
        let started = Instant::now();
        value = apply(machine, step, layer, value)?;
        observe(index, &value, started.elapsed());
    }
    Ok(value)
}

/// One layer. The input is dropped as soon as nothing needs it: a set of ciphertexts can be gigabytes.
pub(super) fn apply<M: Machine>(
    machine: &M,
    step: Step,
    layer: &CircuitLayer,
    input: M::Value,
) -> Result<M::Value, M::Error> {
    match layer {
        CircuitLayer::Linear(layer) => {
            let output = machine.linear(&input, &layer.map, layer.weight_scale)?;
            drop(input);
            if layer.bias.is_empty() {
                Ok(output)
            } else {
                machine.add_constants(output, &layer.bias)
            }
        }
        CircuitLayer::Polynomial(layer) => {
            let (relinearize, tensor) = match step {
                Step::Polynomial {
                    relinearize,
                    tensor,
                } => (relinearize, tensor),
                Step::Linear => (false, false),
            };
            let input = if relinearize {
                machine.relinearize_rescale(input)?
            } else {
                input
            };
            if tensor {
                machine.tensor_square(&input)
            } else {
                evaluate_polynomial(machine, &input, &layer.polynomial)
            }
        }
    }
}
