//! The circuit on real ciphertexts, with layers run together where no coefficient meets another.
//!
//! Between two relinearisations there are only linear maps, constants and squares that tensor. They run on one block of coefficients
//! after the other, and what lies between the layers never leaves the cache: a feature map of gigabytes is never in memory. The bits are
//! those of [`execute`](super::execute()).

use std::time::{Duration, Instant};

use ckks::{CiphertextSet, Error, Evaluator, FusedStep, Machine};

use super::execute::apply;
use super::schedule::{Schedule, Step};
use super::types::{Circuit, CircuitLayer};

/// Runs `circuit` on `input` by `schedule`. `observe` is told every layer's index and wall-clock time, and says whether to go on; `None`
/// where it did not. Layers that ran together share their wall-clock time as they shared the threads' time.
///
/// # Errors
/// The evaluator's.
pub fn execute_fused(
    evaluator: &Evaluator,
    circuit: &Circuit,
    schedule: &Schedule,
    input: CiphertextSet,
    observe: &mut dyn FnMut(usize, Duration) -> bool,
) -> Result<Option<CiphertextSet>, Error> {
    let steps = schedule.steps(circuit);
    let mut value = input;
    let mut index = 0;
    while index < steps.len() {
        let started = Instant::now();
        let end = index + fusible(&steps[index..]);
        if end == index {
            value = apply(evaluator, steps[index], &circuit.layers[index], value)?;
            if !observe(index, started.elapsed()) {
                return Ok(None);
            }
            index += 1;
            continue;
        }
        if matches!(
            steps[index],
            Step::Polynomial {
                relinearize: true,
                ..
            }
        ) {
            value = evaluator.relinearize_rescale(value)?;
        }
        let opened = started.elapsed();
        let (layers, program) = program(&circuit.layers[index..end]);
        let (output, spent) = evaluator.fused_timed(&value, &program)?;
        value = output;
        let wall = (started.elapsed() - opened).as_secs_f64();
        let whole: Duration = spent.iter().sum();
        for layer in 0..end - index {
            let own: Duration = layers
                .iter()
                .zip(&spent)
                .filter(|(of, _)| **of == layer)
                .map(|(_, spent)| *spent)
                .sum();
            let share = own.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
            let opening = if layer == 0 { opened } else { Duration::ZERO };
            if !observe(
                index + layer,
                opening + Duration::from_secs_f64(wall * share),
            ) {
                return Ok(None);
            }
        }
        index = end;
    }
    Ok(Some(value))
}

/// How many of the layers at the front can run together; one that relinearises can only be the first.
fn fusible(steps: &[Step]) -> usize {
    steps
        .iter()
        .enumerate()
        .take_while(|(index, step)| match step {
            Step::Linear => true,
            Step::Polynomial {
                relinearize,
                tensor,
            } => *tensor && (*index == 0 || !*relinearize),
        })
        .count()
}

/// The engine's steps, and for each the layer that it belongs to.
fn program(layers: &[CircuitLayer]) -> (Vec<usize>, Vec<FusedStep<'_>>) {
    let mut program = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        match layer {
            CircuitLayer::Linear(layer) => {
                program.push((
                    index,
                    FusedStep::Linear {
                        map: &layer.map,
                        weight_scale: layer.weight_scale,
                    },
                ));
                if !layer.bias.is_empty() {
                    program.push((index, FusedStep::AddConstants(&layer.bias)));
                }
            }
            CircuitLayer::Polynomial(_) => program.push((index, FusedStep::TensorSquare)),
        }
    }
    program.into_iter().unzip()
}
