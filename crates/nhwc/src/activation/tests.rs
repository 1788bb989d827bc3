//! Activations against their definitions in f64, and gradients against finite differences of those.

#![allow(clippy::unwrap_used)]

use super::*;
use half::bf16;
use std::f64::consts::SQRT_2;

/// Numbers in [-1, 1).
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

fn moments_of(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (
        mean,
        values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count,
    )
}

/// Everything that an activation depends on, in f64.
#[derive(Clone)]
struct Point {
    x: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
    numbers: Vec<f64>,
}

fn norm(value: f64, (mean, variance): (f64, f64), epsilon: f64) -> f64 {
    (value - mean) / (variance + epsilon).sqrt()
}

/// The function, that of the error by its series.
fn exact(function: Function, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Relu => x.max(0.0),
        Function::Sigmoid => sigmoid,
        Function::Tanh => x.tanh(),
        Function::Softplus => x.exp().ln_1p(),
        Function::Silu => x * sigmoid,
        Function::Square => x * x,
        Function::Gelu => {
            let (mut term, mut sum) = (x, 0.0);
            for n in 0..200_u32 {
                sum += term / f64::from(2 * n + 1);
                term *= -x * x / (2.0 * f64::from(n + 1));
            }
            x * (0.5 + sum / (2.0 * std::f64::consts::PI).sqrt())
        }
    }
}

/// Values and penalty by the definition.
fn defined(activation: &Activation, point: &Point) -> (Vec<f64>, f64) {
    let channels = activation.channels;
    let count = point.x.len() / channels;
    let (mut y, mut z_all) = (vec![0.0; point.x.len()], vec![0.0; point.x.len()]);
    for channel in 0..channels {
        let x: Vec<f64> = point
            .x
            .iter()
            .skip(channel)
            .step_by(channels)
            .copied()
            .collect();
        let statistics = match &activation.norm {
            Norm::None | Norm::Batch => moments_of(&x),
            Norm::Fixed(moments) => (moments.mean[channel], moments.variance[channel]),
        };
        let z: Vec<f64> = x
            .iter()
            .map(|x| match activation.norm {
                Norm::None => *x,
                _ => {
                    point.gamma[channel] * norm(*x, statistics, activation.epsilon)
                        + point.beta[channel]
                }
            })
            .collect();
        let [low, high] = activation.bounds;
        let c: Vec<f64> = z.iter().map(|z| z.clamp(low, high)).collect();
        let basis: Vec<f64> = c.iter().map(|c| (c * c - 1.0) / SQRT_2).collect();
        for row in 0..count {
            z_all[row * channels + channel] = z[row];
            let polynomial = match &activation.form {
                Form::Polynomial { degree } => {
                    let rows = point.numbers.len() / (degree + 1);
                    let numbers = &point.numbers[channel % rows * (degree + 1)..][..degree + 1];
                    numbers
                        .iter()
                        .rev()
                        .fold(0.0, |sum, number| sum * c[row] + number)
                }
                Form::Hermite { linear, fixed } => {
                    let inner = match fixed {
                        Some(moments) => (moments.mean[channel], moments.variance[channel]),
                        None => moments_of(&basis),
                    };
                    let [offset, gain, second] = [0, 1, 2].map(|k| point.numbers[channel * 3 + k]);
                    gain * (linear * c[row] + second * norm(basis[row], inner, activation.epsilon))
                        + offset
                }
            };
            let (function, weight) = activation.function.unwrap_or((Function::Relu, 0.0));
            y[row * channels + channel] =
                weight * exact(function, c[row]) + (1.0 - weight) * polynomial;
        }
    }
    let excess = |z: f64| z - z.clamp(activation.limits[0], activation.limits[1]);
    let range = z_all.iter().map(|z| excess(*z).powi(2)).sum::<f64>() / z_all.len() as f64;
    let images = || z_all.chunks(activation.image_rows * channels);
    let largest = images().map(|image| image.iter().fold(0.0_f64, |most, z| most.max(z.abs())));
    let energy =
        images().map(|image| image.iter().map(|z| z * z).sum::<f64>() / image.len() as f64);
    let over = |penalty: Option<ImagePenalty>, values: Vec<f64>| {
        let Some(ImagePenalty { limit, weight }) = penalty else {
            return 0.0;
        };
        let squares = values.iter().map(|value| (value - limit).max(0.0).powi(2));
        weight * squares.sum::<f64>() / values.len() as f64
    };
    let peak =
        over(activation.peaks, largest.collect()) + over(activation.energies, energy.collect());
    (y, activation.range_weight * range + peak)
}

fn close(found: &[f32], wanted: &[f64], tolerance: f64, what: &str) {
    let scale = wanted
        .iter()
        .fold(1.0_f64, |most, value| most.max(value.abs()));
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let distance = (f64::from(*found) - wanted).abs();
        assert!(
            distance <= tolerance * scale,
            "{what}[{index}]: {found} instead of {wanted}"
        );
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// Compares all outputs with the definition, all gradients with finite differences.
fn check(activation: &Activation, rows: usize, mean: f64) {
    let channels = activation.channels;
    let count = match activation.form {
        Form::Polynomial { degree } => degree + 1,
        Form::Hermite { .. } => 3,
    };
    let point = Point {
        x: narrow(&numbers(rows * channels, 1))
            .iter()
            .map(|x| f64::from(x * 1.7) + mean)
            .collect(),
        gamma: numbers(channels, 2)
            .iter()
            .map(|value| 1.2 + 0.3 * value)
            .collect(),
        beta: numbers(channels, 3)
            .iter()
            .map(|value| 0.3 * value)
            .collect(),
        numbers: numbers(channels * count, 4)
            .iter()
            .map(|value| 0.5 * value + 0.6)
            .collect(),
    };
    let weights = numbers(rows * channels, 5);
    let loss = |point: &Point| {
        let (y, penalty) = defined(activation, point);
        y.iter()
            .zip(&weights)
            .map(|(y, weight)| y * weight)
            .sum::<f64>()
            + penalty
    };
    let slope = |place: &dyn Fn(&mut Point) -> &mut f64| {
        let step = 1e-6;
        let moved = |by: f64| {
            let mut point = point.clone();
            *place(&mut point) += by;
            loss(&point)
        };
        (moved(step) - moved(-step)) / (2.0 * step)
    };
    let (wanted, penalty) = defined(activation, &point);
    let x_slopes: Vec<f64> = (0..point.x.len())
        .map(|at| slope(&|p| &mut p.x[at]))
        .collect();
    let gamma_slopes: Vec<f64> = (0..channels)
        .map(|at| slope(&|p| &mut p.gamma[at]))
        .collect();
    let beta_slopes: Vec<f64> = (0..channels)
        .map(|at| slope(&|p| &mut p.beta[at]))
        .collect();
    let number_slopes: Vec<f64> = (0..point.numbers.len())
        .map(|at| slope(&|p| &mut p.numbers[at]))
        .collect();
    let (x, gamma, beta) = (narrow(&point.x), narrow(&point.gamma), narrow(&point.beta));
    let (numbers, weights) = (narrow(&point.numbers), narrow(&weights));
    for processor in Processor::all() {
        let what = |name: &str| format!("{activation:?} {processor:?} {name}");
        let mut y = vec![f32::NAN; x.len()];
        let forward = activation.forward_on(processor, &x, (&gamma, &beta), &numbers, &mut y);
        close(&y, &wanted, 2e-5, &what("y"));
        close(
            &[forward.outside.penalty as f32],
            &[penalty],
            1e-5,
            &what("penalty"),
        );
        let mut dx = vec![f32::NAN; x.len()];
        let found = activation.backward_on(processor, &x, &numbers, &forward, &weights, &mut dx);
        close(&dx, &x_slopes, 1e-4, &what("x gradient"));
        close(
            &found.numbers,
            &number_slopes,
            1e-4,
            &what("gradient of the numbers"),
        );
        if activation.norm != Norm::None {
            close(&found.gamma, &gamma_slopes, 1e-4, &what("gamma gradient"));
            close(&found.beta, &beta_slopes, 1e-4, &what("beta gradient"));
        }
        // The same values from a map in bf16.
        let halves: Vec<bf16> = x.iter().map(|x| <bf16 as Entry>::from_f32(*x)).collect();
        let mut y = vec![bf16::NAN; x.len()];
        activation.forward_on(processor, &halves, (&gamma, &beta), &numbers, &mut y);
        let y: Vec<f32> = y.into_iter().map(Entry::to_f32).collect();
        close(&y, &wanted, 0.03 + mean.abs() / 64.0, &what("y in bf16"));
    }
}

fn plain(channels: usize) -> Activation {
    Activation {
        channels,
        norm: Norm::Batch,
        epsilon: 1e-5,
        form: Form::Polynomial { degree: 2 },
        function: None,
        bounds: [f64::NEG_INFINITY, f64::INFINITY],
        limits: [-2.0, 2.0],
        range_weight: 0.0,
        image_rows: 1,
        peaks: None,
        energies: None,
    }
}

fn given(channels: usize) -> Moments {
    Moments {
        mean: numbers(channels, 8)
            .iter()
            .map(|value| 0.2 * value)
            .collect(),
        variance: numbers(channels, 9)
            .iter()
            .map(|value| 1.5 + value)
            .collect(),
    }
}

#[test]
fn polynomials_of_all_degrees_agree_with_their_definition_after_every_kind_of_norm() {
    for (degree, channels) in [(1, 3), (2, 17), (4, 5), (9, 1)] {
        for norm in [Norm::None, Norm::Batch, Norm::Fixed(given(channels))] {
            let form = Form::Polynomial { degree };
            check(
                &Activation {
                    norm,
                    form,
                    ..plain(channels)
                },
                37,
                0.1,
            );
        }
    }
}

#[test]
fn normalised_hermite_polynomials_agree_with_their_definition() {
    for fixed in [None, Some(given(18))] {
        for norm in [Norm::Batch, Norm::Fixed(given(18))] {
            let form = Form::Hermite {
                linear: 0.5,
                fixed: fixed.clone(),
            };
            check(
                &Activation {
                    norm,
                    form,
                    ..plain(18)
                },
                24,
                0.0,
            );
        }
    }
}

#[test]
fn bounds_and_penalties_agree_with_their_definitions() {
    for form in [
        Form::Polynomial { degree: 3 },
        Form::Hermite {
            linear: 0.5,
            fixed: None,
        },
    ] {
        let activation = Activation {
            form,
            bounds: [-1.1, 1.3],
            limits: [-0.8, 0.9],
            range_weight: 3.0,
            image_rows: 4,
            peaks: Some(ImagePenalty {
                limit: 1.5,
                weight: 2.0,
            }),
            energies: Some(ImagePenalty {
                limit: 0.8,
                weight: 3.0,
            }),
            ..plain(5)
        };
        check(&activation, 40, 0.0);
    }
}

#[test]
fn functions_agree_with_their_definitions_alone_and_mixed_with_polynomials() {
    use Function::{Gelu, Relu, Sigmoid, Silu, Softplus, Square, Tanh};
    for function in [Relu, Sigmoid, Tanh, Softplus, Silu, Gelu, Square] {
        for (weight, form) in [
            (1.0, Form::Polynomial { degree: 2 }),
            (0.3, Form::Polynomial { degree: 4 }),
            (
                0.6,
                Form::Hermite {
                    linear: 0.5,
                    fixed: None,
                },
            ),
        ] {
            let function = Some((function, weight));
            check(
                &Activation {
                    form,
                    function,
                    ..plain(5)
                },
                30,
                0.0,
            );
        }
    }
}

#[test]
fn a_large_mean_does_not_cost_the_variance_its_digits() {
    check(&plain(3), 300, 50.0);
    let x: Vec<f32> = [1.0_f32, 10.0, 2.0, 10.0, 3.0, 10.0, 6.0, 10.0].to_vec();
    let found = Moments::of(&x, 2);
    close(&narrow(&found.mean), &[3.0, 10.0], 1e-6, "mean");
    close(&narrow(&found.variance), &[3.5, 0.0], 1e-6, "variance");
}

#[test]
fn one_row_of_coefficients_serves_all_channels() {
    let activation = plain(6);
    let x = narrow(&numbers(120, 1));
    let (gamma, beta) = (vec![1.1; 6], vec![0.2; 6]);
    let run = |numbers: &[f32]| {
        let (mut y, mut dx) = (vec![0.0; 120], vec![0.0; 120]);
        let forward = activation.forward(&x, (&gamma, &beta), numbers, &mut y);
        let gradients = activation.backward(&x, numbers, &forward, &y.clone(), &mut dx);
        (y, dx, gradients)
    };
    let row = [0.1, 0.5, 0.2];
    let (shared, each) = (run(&row), run(&row.repeat(6)));
    assert_eq!((&shared.0, &shared.1), (&each.0, &each.1));
    let sums = [0, 1, 2].map(|k| {
        each.2
            .numbers
            .iter()
            .skip(k)
            .step_by(3)
            .map(|v| f64::from(*v))
            .sum()
    });
    close(&shared.2.numbers, &sums, 1e-5, "gradient of the shared row");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let activation = Activation {
        form: Form::Hermite {
            linear: 0.5,
            fixed: None,
        },
        image_rows: 64,
        peaks: Some(ImagePenalty {
            limit: 1.0,
            weight: 1.0,
        }),
        energies: Some(ImagePenalty {
            limit: 0.9,
            weight: 1.0,
        }),
        ..plain(24)
    };
    let x: Vec<bf16> = numbers(24 * 64 * 100, 1)
        .iter()
        .map(|x| <bf16 as Entry>::from_f32(*x as f32))
        .collect();
    let numbers = [0.1, 1.0, 0.3].repeat(24);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (mut y, mut dx) = (x.clone(), x.clone());
            let forward = activation.forward(&x, (&[1.0; 24], &[0.0; 24]), &numbers, &mut y);
            let gradients = activation.backward(&x, &numbers, &forward, &y, &mut dx);
            (y, dx, gradients, forward.outside)
        })
    };
    assert_eq!(run(1), run(3));
}
