//! SGD with Nesterov momentum, Adam, AdamW and Muon on a flat vector of weights, and clipping of the gradient's norm.

use super::muon;
use crate::parameters::Parameters;
use cryptodl_model::ModelError;
use cryptodl_model::Role;
use cryptodl_spec::{Optimizer, TrainSpec};

/// Decay of Adam's first and second moments, and what keeps its division from zero (Kingma and Ba 2015).
const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// What an optimiser remembers from step to step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Steps taken.
    pub step: u64,
    /// Adam's first moment, or the velocity of SGD and Muon.
    pub first: Vec<f32>,
    /// Adam's second moment; empty with SGD and Muon.
    pub second: Vec<f32>,
}

impl Memory {
    /// What `optimizer` starts with for `count` numbers.
    pub fn new(optimizer: Optimizer, count: usize) -> Self {
        let second = match optimizer {
            Optimizer::Sgd | Optimizer::Muon => Vec::new(),
            Optimizer::Adam | Optimizer::Adamw => vec![0.0; count],
        };
        Self {
            step: 0,
            first: vec![0.0; count],
            second,
        }
    }
}

/// Learning rates of one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// That of the spec's optimiser.
    pub main: f64,
    /// With Muon, that of everything but the filters.
    pub sgd: f64,
}

/// Takes one step against `gradient`.
///
/// Weight decay applies to the weights of convolutions and dense layers alone: decaying batch norm's numbers or the polynomials'
/// coefficients would pull them from where the interval wants them. It is decoupled from the moments in AdamW (Loshchilov and
/// Hutter 2019), and part of the gradient in Adam and SGD; filters that Muon trains have a fixed norm, which nothing could decay. What is
/// not trainable stays as it is.
///
/// # Errors
/// When the engine fails.
pub(super) fn step(
    spec: &TrainSpec,
    rates: Rates,
    parameters: &Parameters,
    weights: &mut [f32],
    gradient: &[f32],
    memory: &mut Memory,
) -> Result<(), ModelError> {
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
        let rate = rates.main;
        match spec.optimizer {
            Optimizer::Sgd => nesterov(rate, decay, spec.momentum, weights, gradient, first),
            Optimizer::Muon if segment.filters > 0 => {
                let filters = segment.filters;
                muon::step(rate, spec.momentum, filters, weights, gradient, first)?;
            }
            Optimizer::Muon => {
                let momentum = spec.muon.map_or(spec.momentum, |muon| muon.sgd_momentum);
                nesterov(rates.sgd, decay, momentum, weights, gradient, first);
            }
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
    Ok(())
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

/// Clips what is not Muon's, whose steps are bounded anyway: with the other optimisers, the whole gradient. Returns the norm before.
pub(super) fn clip(spec: &TrainSpec, parameters: &Parameters, gradient: &mut [f32]) -> f64 {
    if spec.optimizer != Optimizer::Muon {
        return clip_norm(gradient, spec.clip_norm);
    }
    let others = || {
        parameters
            .segments()
            .iter()
            .filter(|segment| segment.filters == 0)
    };
    let mut rest: Vec<f32> = others()
        .flat_map(|segment| &gradient[segment.range.clone()])
        .copied()
        .collect();
    let norm = clip_norm(&mut rest, spec.clip_norm);
    let mut rest = rest.into_iter();
    for segment in others() {
        let slots = gradient[segment.range.clone()].iter_mut();
        slots.zip(&mut rest).for_each(|(slot, value)| *slot = value);
    }
    norm
}

/// Scales the gradient down to the norm `most` where it is longer; 0 leaves it. Returns the norm before.
fn clip_norm(gradient: &mut [f32], most: f64) -> f64 {
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

    const SLOW: Rates = Rates {
        main: 0.01,
        sgd: 0.01,
    };
    const FAST: Rates = Rates {
        main: 0.1,
        sgd: 0.1,
    };

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
                SLOW,
                &parameters,
                &mut weights,
                gradient,
                &mut memory,
            )
            .unwrap();
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
        for optimizer in Optimizer::ALL {
            spec.optimizer = optimizer;
            let start = parameters.gather(&network);
            let mut weights = start.clone();
            let mut memory = Memory::new(optimizer, start.len());
            super::step(
                &spec,
                FAST,
                &parameters,
                &mut weights,
                &vec![0.0; start.len()],
                &mut memory,
            )
            .unwrap();
            for segment in parameters.segments() {
                // Muon's filters do not decay, but are brought to their norm.
                let same = weights[segment.range.clone()] == start[segment.range.clone()];
                assert_eq!(
                    same,
                    segment.role != Role::Weight,
                    "{optimizer:?} {segment:?}"
                );
            }
            super::step(
                &spec,
                FAST,
                &parameters,
                &mut weights,
                &vec![1.0; start.len()],
                &mut memory,
            )
            .unwrap();
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
    fn muon_clips_and_moves_filters_and_the_rest_apart() {
        let network = reference::network(1);
        let parameters = Parameters::of(&network, Coefficients::Frozen);
        let mut spec = reference::experiment(1).train;
        (spec.optimizer, spec.clip_norm) = (Optimizer::Muon, 1.0);
        spec.muon = Some(cryptodl_spec::MuonSpec {
            sgd_learning_rate: 0.01,
            sgd_momentum: 0.5,
        });
        let mut gradient = vec![2.0; parameters.len()];
        let norm = clip(&spec, &parameters, &mut gradient);
        let filters: usize = parameters
            .segments()
            .iter()
            .filter(|segment| segment.filters > 0)
            .map(|segment| segment.range.len())
            .sum();
        assert!(filters > 0);
        let rest = (parameters.len() - filters) as f64;
        assert!((norm - 2.0 * rest.sqrt()).abs() < 1e-6);
        for segment in parameters.segments() {
            let value = f64::from(gradient[segment.range.start]);
            let wanted = if segment.filters > 0 {
                2.0
            } else {
                rest.sqrt().recip()
            };
            assert!((value - wanted).abs() < 1e-6, "{value}");
        }
        let start = parameters.gather(&network);
        let (mut weights, mut memory) = (start.clone(), Memory::new(Optimizer::Muon, start.len()));
        let rates = Rates {
            main: 0.1,
            sgd: 0.01,
        };
        super::step(
            &spec,
            rates,
            &parameters,
            &mut weights,
            &gradient,
            &mut memory,
        )
        .unwrap();
        for segment in parameters
            .segments()
            .iter()
            .filter(|segment| segment.trainable)
        {
            let at = segment.range.start;
            // The first step of SGD with Nesterov momentum is rate (1 + momentum) times the gradient, and the decay where there is one.
            let decay = if segment.role == Role::Weight {
                0.01
            } else {
                0.0
            };
            let expected = start[at] - 0.015 * (gradient[at] + decay * start[at]);
            let moved_so = (weights[at] - expected).abs() < 1e-6;
            assert_eq!(moved_so, segment.filters == 0, "{segment:?}");
        }
    }

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let mut gradient = [3.0, -4.0];
        assert_eq!(clip_norm(&mut gradient, 10.0), 5.0);
        assert_eq!(gradient, [3.0, -4.0]);
        assert_eq!(clip_norm(&mut gradient, 0.0), 5.0);
        assert_eq!(gradient, [3.0, -4.0]);
        assert_eq!(clip_norm(&mut gradient, 1.0), 5.0);
        assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] + 0.8).abs() < 1e-6);
        assert!(clip_norm(&mut [f32::NAN, 1.0], 1.0).is_nan());
    }
}
