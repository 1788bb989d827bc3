//! SGD with Nesterov momentum, Adam and AdamW on a flat vector of weights, and clipping of the gradient's norm.

use crate::parameters::{Parameters, Role};
use cryptodl_spec::{Optimizer, TrainSpec};

/// Decay of Adam's first and second moments, and what keeps its division from zero (Kingma and Ba 2015).
const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// What an optimiser remembers from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Steps taken.
    pub step: u64,
    /// Adam's first moment, or SGD's velocity.
    pub first: Vec<f32>,
    /// Adam's second moment; empty with SGD.
    pub second: Vec<f32>,
}

impl Memory {
    /// What `optimizer` starts with for `count` numbers.
    pub fn new(optimizer: Optimizer, count: usize) -> Self {
        let second = if optimizer == Optimizer::Sgd {
            Vec::new()
        } else {
            vec![0.0; count]
        };
        Self {
            step: 0,
            first: vec![0.0; count],
            second,
        }
    }
}

/// Takes one step against `gradient`, with learning rate `rate`.
///
/// Weight decay applies to the weights of convolutions and dense layers alone: decaying batch norm's numbers or the polynomials'
/// coefficients would pull them from where the interval wants them. It is decoupled from the moments in AdamW (Loshchilov and
/// Hutter 2019), and part of the gradient in Adam and SGD. What is not trainable stays as it is.
pub(super) fn step(
    spec: &TrainSpec,
    rate: f64,
    parameters: &Parameters,
    weights: &mut [f32],
    gradient: &[f32],
    memory: &mut Memory,
) {
    memory.step += 1;
    for segment in parameters
        .segments()
        .iter()
        .filter(|segment| segment.trainable)
    {
        let decay = if segment.role == Role::Weight {
            spec.weight_decay
        } else {
            0.0
        };
        let range = segment.range.clone();
        let (weights, gradient, first) = (
            &mut weights[range.clone()],
            &gradient[range.clone()],
            &mut memory.first[range.clone()],
        );
        match spec.optimizer {
            Optimizer::Sgd => nesterov(rate, decay, spec.momentum, weights, gradient, first),
            Optimizer::Adam => {
                adam(
                    memory.step,
                    rate,
                    (decay, 0.0),
                    weights,
                    gradient,
                    first,
                    &mut memory.second[range],
                );
            }
            Optimizer::Adamw => {
                adam(
                    memory.step,
                    rate,
                    (0.0, decay),
                    weights,
                    gradient,
                    first,
                    &mut memory.second[range],
                );
            }
        }
    }
}

/// `v = momentum v + g; w -= rate (g + momentum v)` with `g` including the decay (Sutskever et al. 2013, as PyTorch has it).
fn nesterov(
    rate: f64,
    decay: f64,
    momentum: f64,
    weights: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
) {
    let (rate, decay, momentum) = (rate as f32, decay as f32, momentum as f32);
    for ((weight, gradient), velocity) in weights.iter_mut().zip(gradient).zip(velocity) {
        let gradient = gradient + decay * *weight;
        *velocity = momentum * *velocity + gradient;
        *weight -= rate * (gradient + momentum * *velocity);
    }
}

/// `decays` are the one in the gradient and the decoupled one.
fn adam(
    step: u64,
    rate: f64,
    decays: (f64, f64),
    weights: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let correction = (1.0 - BETA.0.powi(power), (1.0 - BETA.1.powi(power)).sqrt());
    let size = (rate * correction.1 / correction.0) as f32;
    let epsilon = (EPSILON * correction.1) as f32;
    let (coupled, shrink) = (decays.0 as f32, (1.0 - rate * decays.1) as f32);
    let (beta_1, beta_2) = (BETA.0 as f32, BETA.1 as f32);
    let moments = first.iter_mut().zip(second);
    for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
        let gradient = gradient + coupled * *weight;
        *first = beta_1 * *first + (1.0 - beta_1) * gradient;
        *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
        *weight = shrink * *weight - size * *first / (second.sqrt() + epsilon);
    }
}

/// Scales the gradient down to the norm `most` where it is longer; 0 leaves it. Returns the norm before.
pub(super) fn clip(gradient: &mut [f32], most: f64) -> f64 {
    let norm = gradient
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if most > 0.0 && norm > most {
        let factor = (most / norm) as f32;
        gradient.iter_mut().for_each(|value| *value *= factor);
    }
    norm
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parameters::Coefficients;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdamConfig, AdamWConfig, Optimizer as _, SgdConfig};
    use burn::tensor::{Device, Tensor};
    use cryptodl_reference as reference;

    /// Runs our optimiser for five steps on weights that decay; `theirs` runs the engine's on the same gradients.
    fn compare(optimizer: Optimizer, decay: f64, theirs: impl Fn(&[Vec<f32>], &[f32]) -> Vec<f32>) {
        let network = reference::network(1);
        let parameters = Parameters::of(&network, Coefficients::Trained { exponent: 2 });
        let segment = parameters.segments()[0].clone();
        let start = parameters.gather(&network);
        let mut weights = start.clone();
        let mut spec = reference::experiment(1).train;
        (spec.optimizer, spec.weight_decay) = (optimizer, decay);
        let gradients: Vec<Vec<f32>> = (1..6)
            .map(|step| {
                (0..weights.len())
                    .map(|index| ((index * step) as f32 * 0.37).sin())
                    .collect()
            })
            .collect();
        let mut memory = Memory::new(optimizer, weights.len());
        for gradient in &gradients {
            super::step(
                &spec,
                0.01,
                &parameters,
                &mut weights,
                gradient,
                &mut memory,
            );
        }
        assert_eq!(memory.step, 5);
        let cut: Vec<Vec<f32>> = gradients
            .iter()
            .map(|gradient| gradient[segment.range.clone()].to_vec())
            .collect();
        for (ours, theirs) in weights[segment.range.clone()]
            .iter()
            .zip(theirs(&cut, &start[segment.range.clone()]))
        {
            assert!((ours - theirs).abs() < 2e-6, "{ours} {theirs}");
        }
    }

    macro_rules! engine {
        ($optimizer:expr) => {
            |gradients: &[Vec<f32>], start: &[f32]| {
                let device = Device::flex();
                let optimizer = $optimizer;
                let mut weights = Tensor::<1>::from_floats(start, &device);
                let mut state = None;
                for gradient in gradients {
                    let gradient = Tensor::<1>::from_floats(gradient.as_slice(), &device);
                    (weights, state) = optimizer.step(0.01, weights, gradient, state);
                }
                weights.try_into_vec_as::<f32>().unwrap()
            }
        };
    }

    #[test]
    fn adamw_takes_the_engines_steps() {
        let config = AdamWConfig::new()
            .with_epsilon(EPSILON as f32)
            .with_weight_decay(0.1);
        compare(Optimizer::Adamw, 0.1, engine!(config.build()));
    }

    #[test]
    fn adam_takes_the_engines_steps() {
        compare(
            Optimizer::Adam,
            0.0,
            engine!(AdamConfig::new().with_epsilon(EPSILON as f32).build()),
        );
    }

    #[test]
    fn nesterov_takes_the_engines_steps() {
        let momentum = MomentumConfig {
            momentum: 0.9,
            dampening: 0.0,
            nesterov: true,
        };
        compare(
            Optimizer::Sgd,
            0.0,
            engine!(
                SgdConfig::new()
                    .with_momentum(Some(momentum.clone()))
                    .build()
            ),
        );
    }

    #[test]
    fn only_weights_decay_and_frozen_coefficients_stay() {
        let network = reference::network(1);
        let parameters = Parameters::of(&network, Coefficients::Frozen);
        let mut spec = reference::experiment(1).train;
        spec.weight_decay = 0.5;
        for optimizer in [Optimizer::Adamw, Optimizer::Adam, Optimizer::Sgd] {
            spec.optimizer = optimizer;
            let start = parameters.gather(&network);
            let mut weights = start.clone();
            let mut memory = Memory::new(optimizer, start.len());
            super::step(
                &spec,
                0.1,
                &parameters,
                &mut weights,
                &vec![0.0; start.len()],
                &mut memory,
            );
            for segment in parameters.segments() {
                let same = weights[segment.range.clone()] == start[segment.range.clone()];
                assert_eq!(
                    same,
                    segment.role != Role::Weight,
                    "{optimizer:?} {segment:?}"
                );
            }
            super::step(
                &spec,
                0.1,
                &parameters,
                &mut weights,
                &vec![1.0; start.len()],
                &mut memory,
            );
            for segment in parameters.segments() {
                let same = weights[segment.range.clone()] == start[segment.range.clone()];
                assert_eq!(
                    same,
                    segment.role == Role::Coefficients,
                    "{optimizer:?} {segment:?}"
                );
            }
        }
    }

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let mut gradient = [3.0, -4.0];
        assert_eq!(clip(&mut gradient, 10.0), 5.0);
        assert_eq!(gradient, [3.0, -4.0]);
        assert_eq!(clip(&mut gradient, 0.0), 5.0);
        assert_eq!(gradient, [3.0, -4.0]);
        assert_eq!(clip(&mut gradient, 1.0), 5.0);
        assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] + 0.8).abs() < 1e-6);
        assert!(clip(&mut [f32::NAN, 1.0], 1.0).is_nan());
    }
}
