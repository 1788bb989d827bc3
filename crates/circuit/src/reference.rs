//! For tests: small networks of every kind, measured ranges, and the folded network in floating point.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::fold::fold_layers;
use super::types::CircuitLayer;
use ckks::PADDING;
use cryptodl_data::{Images, Preprocessing};
use cryptodl_model::{
    BatchNorm, Conv, Dense, PolynomialActivation, PreActivation, TrainedLayer, TrainedNetwork,
    shapes,
};
use cryptodl_reference as reference;
use cryptodl_spec::Shape;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers in [-1, 1), always the same.
pub struct Numbers(ChaCha8Rng);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
    pub fn next(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
    pub fn list(&mut self, count: usize, scale: f64, shift: f64) -> Vec<f32> {
        (0..count)
            .map(|_| (shift + scale * self.next()) as f32)
            .collect()
    }
}

/// Builds a network layer by layer, shapes kept.
pub struct Builder {
    pub numbers: Numbers,
    shape: Shape,
    network: TrainedNetwork,
}

impl Builder {
    pub fn new(channels: usize, side: usize) -> Self {
        let input = Shape {
            channels,
            height: side,
            width: side,
        };
        let network = TrainedNetwork {
            input,
            mean: vec![0.4; channels],
            std: vec![0.3; channels],
            preprocessing: Preprocessing::default(),
            classes: 3,
            layers: Vec::new(),
        };
        Self {
            numbers: Numbers::new(42),
            shape: input,
            network,
        }
    }

    pub fn push(mut self, layer: TrainedLayer) -> Self {
        self.network.layers.push(layer);
        if let TrainedLayer::Conv(conv) = self.network.layers.last().unwrap() {
            self.shape = Shape {
                channels: conv.out_channels,
                ..conv.window().over(self.shape).unwrap()
            };
        }
        self
    }

    pub fn conv(mut self, out: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let fan_in = self.shape.channels * kernel * kernel;
        let weight = self
            .numbers
            .list(out * fan_in, (3.0 / fan_in as f64).sqrt(), 0.0);
        let bias = self.numbers.list(out, 0.3, 0.0);
        let in_channels = self.shape.channels;
        self.push(TrainedLayer::Conv(Conv {
            in_channels,
            out_channels: out,
            kernel,
            stride,
            padding,
            weight,
            bias,
        }))
    }

    pub fn dense(mut self, outputs: usize) -> Self {
        let inputs = self.shape.len();
        let weight = self
            .numbers
            .list(outputs * inputs, (3.0 / inputs as f64).sqrt(), 0.0);
        let bias = self.numbers.list(outputs, 0.3, 0.0);
        self.shape = Shape {
            channels: outputs,
            height: 1,
            width: 1,
        };
        self.push(TrainedLayer::Dense(Dense {
            inputs,
            outputs,
            weight,
            bias,
        }))
    }

    pub fn norm(mut self) -> Self {
        let channels = self.shape.channels;
        let layer = TrainedLayer::BatchNorm(BatchNorm {
            gamma: self.numbers.list(channels, 0.3, 1.0),
            beta: self.numbers.list(channels, 0.3, 0.0),
            mean: self.numbers.list(channels, 0.3, 0.0),
            variance: self.numbers.list(channels, 0.3, 1.0),
            epsilon: 1e-5,
        });
        self.push(layer)
    }

    pub fn pool(mut self, size: usize) -> Self {
        let along = |side: usize| (side - size) / size + 1;
        self.shape.height = along(self.shape.height);
        self.shape.width = along(self.shape.width);
        self.push(TrainedLayer::AvgPool { size, stride: size })
    }

    /// A polynomial with terms of about one size at |x| = 3, the leading one of the sign given; per channel or shared.
    pub fn polynomial(mut self, degree: usize, per_channel: bool, sign: f64) -> Self {
        let rows = if per_channel { self.shape.channels } else { 1 };
        let mut coefficients = Vec::new();
        for _ in 0..rows {
            for power in 0..=degree {
                let size = 3.0_f64.powi(-(power as i32)) * (1.0 + 0.5 * self.numbers.next());
                let signed = if power == degree {
                    sign * size
                } else {
                    size * self.numbers.next().signum()
                };
                coefficients.push(signed as f32);
            }
        }
        self.push(TrainedLayer::Polynomial(PolynomialActivation {
            degree,
            rows,
            coefficients,
        }))
    }

    pub fn build(mut self) -> TrainedNetwork {
        self.network.classes = self.shape.len();
        shapes(&self.network).unwrap();
        self.network
    }
}

/// A convolution block and a dense one: one polynomial of each.
pub fn small(degree: usize, per_channel: bool, sign: f64) -> TrainedNetwork {
    let block = Builder::new(1, 8)
        .conv(3, 3, 1, 1)
        .norm()
        .polynomial(degree, per_channel, sign)
        .pool(2);
    block
        .dense(6)
        .norm()
        .polynomial(degree, per_channel, -sign)
        .dense(3)
        .build()
}

/// Random images for a network.
pub fn images(network: &TrainedNetwork, count: usize) -> Images {
    reference::images(network.input, count, 5)
}

/// What flows into every activation on `images`.
pub fn ranges(network: &TrainedNetwork, images: &Images) -> Vec<PreActivation> {
    let mut shape = network.input;
    let outputs = shapes(network).unwrap();
    let mut ranges = Vec::new();
    for (layer, output) in outputs.into_iter().enumerate() {
        if network.layers[layer].is_activation() {
            ranges.push(range(network, images, layer, shape));
        }
        shape = output;
    }
    ranges
}

fn range(network: &TrainedNetwork, images: &Images, layer: usize, shape: Shape) -> PreActivation {
    let plane = shape.height * shape.width;
    let mut channel_abs_max = vec![0.0_f64; shape.channels];
    let (mut min, mut max, mut sum, mut squares, mut count) =
        (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0, 0.0);
    for image in 0..images.len() {
        for (index, value) in reference::inputs_of(network, images.image(image), layer)
            .iter()
            .enumerate()
        {
            channel_abs_max[index / plane] = channel_abs_max[index / plane].max(value.abs());
            (min, max) = (min.min(*value), max.max(*value));
            (sum, squares, count) = (sum + value, squares + value * value, count + 1.0);
        }
    }
    let mean: f64 = sum / count;
    PreActivation {
        layer,
        min,
        max,
        mean,
        std: (squares / count - mean * mean).sqrt(),
        outside: 0.0,
        channel_abs_max,
        histogram_low: min,
        histogram_high: max,
        histogram: Vec::new(),
    }
}

/// The folded network in floating point, weights unrounded, on one image; also the largest |value| of every layer against its bound.
pub fn folded_forward(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
    image: &[u8],
) -> (Vec<f64>, Vec<f64>) {
    let mut x = reference::inputs_of(network, image, 0);
    let mut shares = Vec::new();
    for layer in fold_layers(network, ranges).unwrap() {
        match layer {
            CircuitLayer::Linear(layer) => {
                let intervals = layer.input_intervals.iter().flatten();
                assert!(
                    x.iter()
                        .zip(intervals)
                        .all(|(value, (low, high))| (low..=high).contains(&value))
                );
                let mut y = Vec::new();
                for group in &layer.groups {
                    for weights in group.weights.chunks_exact(group.taps) {
                        for gather in group.gather.chunks_exact(group.taps) {
                            let products = weights
                                .iter()
                                .zip(gather)
                                .filter(|(_, input)| **input != PADDING);
                            y.push(
                                products
                                    .map(|(w, input)| w * x[*input as usize])
                                    .sum::<f64>(),
                            );
                        }
                    }
                }
                for (value, bias) in y.iter_mut().zip(&layer.bias) {
                    *value += bias;
                }
                x = y;
            }
            CircuitLayer::Polynomial(layer) => {
                let largest = x
                    .iter()
                    .fold(0.0, |largest: f64, value| largest.max(value.abs()));
                shares.push(largest / layer.bound);
                x = x
                    .iter()
                    .enumerate()
                    .map(|(at, value)| layer.polynomial.value(at, *value))
                    .collect();
            }
        }
    }
    (x, shares)
}
