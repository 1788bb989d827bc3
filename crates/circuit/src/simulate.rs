//! The clear simulator: the plan's own arithmetic on integers, one image at a time, with the noise of ciphertexts sampled where asked for.
//!
//! Everything is exact: linear layers and products on integers, rescaling as division by the actual prime with rounding. A ciphertext does
//! the same but for its noise (and its rounding happens to coefficients, not slots; that is part of the noise model).

use rayon::prelude::*;

use super::error::CircuitError;
use super::execute::execute;
use super::integers::{Integers, Simulator};
use super::plan::Plan;
use super::types::Circuit;
use ckks::{NoiseModel, Parameters};
use cryptodl_data::Images;
use cryptodl_records::Evaluation;

/// The logits of simulated images, and what to know about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The logits.
    pub evaluation: Evaluation,
    /// Images with a value past half the modulus: in a ciphertext it wraps, and ruins every image of its batch. The logits above are
    /// those without the wrap.
    pub wrapped_images: usize,
}

/// Evaluates `circuit` under `plan` on clear integers; `noise` seeds sampled ciphertext noise, `None` is the integer circuit alone.
/// The result depends on the seed and the images, not on the number of threads.
///
/// # Errors
/// [`CircuitError::Images`] for images of another shape, [`CircuitError::Overflow`] where a value leaves 126 bits (it never wraps), and
/// what the plan's parameters fail with.
pub fn simulate(
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
    noise: Option<u64>,
) -> Result<Evaluation, CircuitError> {
    simulate_checked(circuit, plan, images, noise).map(|simulation| simulation.evaluation)
}

/// As [`simulate`], and counts the images whose values pass the modulus.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_checked(
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
    noise: Option<u64>,
) -> Result<Simulation, CircuitError> {
    if images.shape != circuit.input {
        return Err(CircuitError::Images {
            found: images.shape.len(),
            wanted: circuit.input.len(),
        });
    }
    let parameters = Parameters::new(plan.parameters.clone())?;
    let model = noise.map(|seed| (NoiseModel::new(&parameters), seed));
    let operations = plan.schedule.operations(circuit);
    let results: Result<Vec<(Vec<f32>, bool)>, CircuitError> = (0..images.len())
        .into_par_iter()
        .map(|index| {
            let simulator = Simulator::new(&parameters, model.as_ref(), index as u64);
            let mut pixels = Vec::with_capacity(circuit.input.len());
            circuit.normalise(images.image(index), &mut pixels);
            let input = simulator.encrypt(&pixels, plan.input_scale)?;
            let output = execute(&simulator, &operations, input, &mut ())?;
            simulator.note_size(&output);
            Ok((logits(&output), simulator.wrapped()))
        })
        .collect();
    let results = results?;
    let mut simulation = Simulation {
        evaluation: Evaluation {
            classes: circuit.classes,
            logits: Vec::new(),
        },
        wrapped_images: 0,
    };
    for (logits, wrapped) in results {
        simulation.evaluation.logits.extend(logits);
        simulation.wrapped_images += usize::from(wrapped);
    }
    Ok(simulation)
}

fn logits(output: &Integers) -> Vec<f32> {
    output
        .values
        .iter()
        .map(|value| (*value as f64 / output.scale) as f32)
        .collect()
}
