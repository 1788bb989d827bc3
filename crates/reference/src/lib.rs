//! For tests: a slow, obvious forward pass in f64, and small networks and images to try things on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod dense;

use cryptodl_data::{Images, Preprocessing};
use cryptodl_model::{BatchNorm, Conv, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork};
use cryptodl_spec::*;
use polyapprox::{Function, Interval, Method};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A random number in [-1, 1).
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// A network with one layer of every kind, random numbers, input `[channels, 8, 8]`, 3 classes.
pub fn network(channels: usize) -> TrainedNetwork {
    let mut random = ChaCha8Rng::seed_from_u64(77);
    let mut numbers = |count: usize, scale: f64, shift: f64| -> Vec<f32> {
        (0..count)
            .map(|_| (shift + scale * unit(&mut random)) as f32)
            .collect()
    };
    let norm = |numbers: &mut dyn FnMut(usize, f64, f64) -> Vec<f32>, channels| {
        TrainedLayer::BatchNorm(BatchNorm {
            gamma: numbers(channels, 0.3, 1.0),
            beta: numbers(channels, 0.3, 0.0),
            mean: numbers(channels, 0.3, 0.0),
            variance: numbers(channels, 0.3, 1.0),
            epsilon: 1e-5,
        })
    };
    let layers = vec![
        TrainedLayer::Conv(Conv {
            in_channels: channels,
            out_channels: 4,
            kernel: 5,
            stride: 1,
            padding: 1,
            weight: numbers(4 * channels * 25, 0.4, 0.0),
            bias: Vec::new(),
        }),
        norm(&mut numbers, 4),
        TrainedLayer::Polynomial(PolynomialActivation {
            degree: 3,
            rows: 4,
            coefficients: numbers(16, 0.4, 0.1),
        }),
        TrainedLayer::AvgPool { size: 2, stride: 2 },
        TrainedLayer::Conv(Conv {
            in_channels: 4,
            out_channels: 5,
            kernel: 3,
            stride: 2,
            padding: 1,
            weight: numbers(5 * 4 * 9, 0.4, 0.0),
            bias: numbers(5, 0.4, 0.0),
        }),
        TrainedLayer::Polynomial(PolynomialActivation {
            degree: 2,
            rows: 1,
            coefficients: numbers(3, 0.4, 0.1),
        }),
        TrainedLayer::Dense(Dense {
            inputs: 20,
            outputs: 6,
            weight: numbers(120, 0.4, 0.0),
            bias: Vec::new(),
        }),
        norm(&mut numbers, 6),
        TrainedLayer::Function {
            function: Function::Tanh,
        },
        TrainedLayer::Dense(Dense {
            inputs: 6,
            outputs: 3,
            weight: numbers(18, 0.4, 0.0),
            bias: numbers(3, 0.4, 0.0),
        }),
    ];
    TrainedNetwork {
        input: Shape {
            channels,
            height: 8,
            width: 8,
        },
        mean: vec![0.4; channels],
        std: vec![0.3; channels],
        preprocessing: Preprocessing::default(),
        classes: 3,
        layers,
    }
}

/// Random bytes with random labels below 3.
pub fn images(shape: Shape, count: usize, seed: u64) -> Images {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let pixels = (0..count * shape.len())
        .map(|_| random.next_u32() as u8)
        .collect();
    let labels = (0..count).map(|_| (random.next_u32() % 3) as u16).collect();
    Images {
        shape,
        pixels,
        labels,
    }
}

/// The logits of one image, bytes `[channels, height, width]`.
pub fn forward(network: &TrainedNetwork, image: &[u8]) -> Vec<f64> {
    inputs_of(network, image, network.layers.len())
}

/// The values that flow into layer `index`, `[channels, height, width]`.
pub fn inputs_of(network: &TrainedNetwork, image: &[u8], index: usize) -> Vec<f64> {
    let mut shape = network.input;
    let plane = shape.height * shape.width;
    let mut x: Vec<f64> = image
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            (f64::from(*byte) / 255.0 - f64::from(network.mean[at / plane]))
                / f64::from(network.std[at / plane])
        })
        .collect();
    if !network.preprocessing.is_plain() {
        let normalisation = (network.mean.as_slice(), network.std.as_slice());
        let values = network.preprocessing.apply(shape, normalisation, image);
        x = values.into_iter().map(f64::from).collect();
    }
    let outputs = cryptodl_model::shapes(network).unwrap();
    for (layer, output) in network.layers.iter().zip(outputs).take(index) {
        x = apply(layer, &x, shape, output);
        shape = output;
    }
    x
}

fn apply(layer: &TrainedLayer, x: &[f64], input: Shape, output: Shape) -> Vec<f64> {
    let plane = input.height * input.width;
    let at = |channel: usize, row: usize, column: usize| {
        x[(channel * input.height + row) * input.width + column]
    };
    let mut y = Vec::with_capacity(output.len());
    match layer {
        TrainedLayer::Conv(Conv {
            kernel,
            stride,
            padding,
            weight,
            bias,
            ..
        }) => {
            for out in 0..output.channels {
                for row in 0..output.height {
                    for column in 0..output.width {
                        let mut sum = bias.get(out).map_or(0.0, |value| f64::from(*value));
                        for channel in 0..input.channels {
                            for i in 0..*kernel {
                                for j in 0..*kernel {
                                    let (r, c) = (row * stride + i, column * stride + j);
                                    let inside = |v: usize, length: usize| {
                                        v >= *padding && v - padding < length
                                    };
                                    if inside(r, input.height) && inside(c, input.width) {
                                        let w = weight[((out * input.channels + channel) * kernel
                                            + i)
                                            * kernel
                                            + j];
                                        sum += f64::from(w) * at(channel, r - padding, c - padding);
                                    }
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        TrainedLayer::Dense(Dense {
            inputs,
            outputs,
            weight,
            bias,
        }) => {
            for out in 0..*outputs {
                let row = &weight[out * inputs..(out + 1) * inputs];
                let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
                y.push(sum + bias.get(out).map_or(0.0, |value| f64::from(*value)));
            }
        }
        TrainedLayer::BatchNorm(BatchNorm {
            gamma,
            beta,
            mean,
            variance,
            epsilon,
        }) => {
            for (index, value) in x.iter().enumerate() {
                let c = index / plane;
                let unit = (value - f64::from(mean[c])) / (f64::from(variance[c]) + epsilon).sqrt();
                y.push(f64::from(gamma[c]) * unit + f64::from(beta[c]));
            }
        }
        TrainedLayer::Polynomial(PolynomialActivation {
            degree,
            rows,
            coefficients,
        }) => {
            for (index, value) in x.iter().enumerate() {
                let row = if *rows == 1 { 0 } else { index / plane };
                let row = &coefficients[row * (degree + 1)..(row + 1) * (degree + 1)];
                y.push(
                    row.iter()
                        .enumerate()
                        .map(|(k, c)| f64::from(*c) * value.powi(k as i32))
                        .sum(),
                );
            }
        }
        TrainedLayer::Function { function } => {
            y.extend(x.iter().map(|value| function.value(*value)))
        }
        TrainedLayer::AvgPool { size, stride } => {
            for channel in 0..output.channels {
                for row in 0..output.height {
                    for column in 0..output.width {
                        let window: Vec<f64> = (0..size * size)
                            .map(|k| {
                                at(channel, row * stride + k / size, column * stride + k % size)
                            })
                            .collect();
                        y.push(window.iter().sum::<f64>() / window.len() as f64);
                    }
                }
            }
        }
    }
    y
}

/// A small experiment: 8x8 grey images, one convolution, one dense layer, per-channel trained squares, 3 classes.
pub fn experiment(seed: u64) -> Experiment {
    let at = |channels, height, width| Shape {
        channels,
        height,
        width,
    };
    let text = "name = 'tiny'\n[dataset]\nname = 'digits'\n[encryption]\nbackend = 'clear'\n";
    let base = Experiment::from_str_named(text, "tiny.toml", &[]).unwrap();
    Experiment {
        seed,
        activation: ActivationSpec {
            function: Function::Relu,
            method: Method::Hermite,
            degree: 2,
            interval: Interval::new(-4.0, 4.0).unwrap(),
            trainable: Trainable::Channel,
            coefficients: None,
            form: ActivationForm::Polynomial,
            exact: false,
        },
        network: NetworkSpec {
            depth: 1,
            input: at(1, 8, 8),
            classes: 3,
            layers: vec![
                LayerSpec::Conv {
                    channels: 4,
                    kernel: 3,
                    stride: 2,
                    padding: 1,
                },
                LayerSpec::BatchNorm,
                LayerSpec::Activation,
                LayerSpec::Dense { units: 8 },
                LayerSpec::BatchNorm,
                LayerSpec::Activation,
                LayerSpec::Dense { units: 3 },
            ],
            shapes: vec![
                at(4, 4, 4),
                at(4, 4, 4),
                at(4, 4, 4),
                at(8, 1, 1),
                at(8, 1, 1),
                at(8, 1, 1),
                at(3, 1, 1),
            ],
        },
        train: TrainSpec {
            quantize: None,
            epochs: 3,
            batch: 32,
            optimizer: Optimizer::Adamw,
            learning_rate: 0.01,
            weight_decay: 0.01,
            momentum: 0.9,
            muon: None,
            schedule: Schedule::Cosine,
            precision: MapPrecision::F32,
            warmup: 0.1,
            label_smoothing: 0.05,
            ema: 0.9,
            clip_norm: 2.0,
            range_penalty: 0.01,
            peak_penalty: None,
            energy_penalty: None,
            penalty_growth: 1.0,
            whiten: false,
            clamp: None,
            freeze_statistics: 0.0,
            blend: 0.0,
            start_from_original: false,
            distill: None,
            validation: 60,
            recalibrate: 120,
            baseline: false,
            threads: 1,
            augment: AugmentSpec {
                rotation: 0.0,
                scale: 0.0,
                shift: 0.0,
                shear: 0.0,
                elastic: 0.0,
                crop: 0,
                border: Border::Black,
                flip: Flip::Off,
                cutout: 0,
            },
        },
        ..base
    }
}
