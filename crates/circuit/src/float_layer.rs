//! A linear layer in floating point: what the fold moves scales, shifts, signs and constants into before its weights become integers.

use super::types::LinearKind;
use ckks::PADDING;
use cryptodl_model::{Conv, Dense};
use cryptodl_spec::{Shape, Window};
use std::ops::Range;

/// Some output channels that read the same inputs with weights of their own.
#[derive(Clone, Debug)]
pub(super) struct FloatGroup {
    /// Output channels of the group.
    pub rows: usize,
    /// Inputs of one output value.
    pub taps: usize,
    /// `[rows, taps]`.
    pub weights: Vec<f64>,
    /// `[positions, taps]`: index of an input feature, or [`PADDING`].
    pub gather: Vec<u32>,
}

/// A linear layer `y = W x + b`. Features are flattened `[channels, height, width]`.
#[derive(Clone, Debug)]
pub(super) struct FloatLayer {
    /// `conv1`, `pool2`, ...
    pub name: String,
    /// What it was in the network.
    pub kind: LinearKind,
    /// Input features.
    pub inputs: usize,
    /// Output shape; a dense layer has `[units, 1, 1]`.
    pub shape: Shape,
    /// One for convolution and dense layers, one a channel where channels do not mix.
    pub groups: Vec<FloatGroup>,
    /// One per output feature: with zero padding, what an input's constant adds depends on the position.
    pub bias: Vec<f64>,
    /// The interval of every input, where a polynomial gives them.
    pub input_intervals: Option<Vec<(f64, f64)>>,
    /// What the training data says about the size of the outputs; infinite where it says nothing.
    pub bound: f64,
}

/// `[positions, channels * size * size]`: the inputs of every output position, for the channels `channels` of `input`.
fn gather(window: Window, input: Shape, output: Shape, channels: Range<usize>) -> Vec<u32> {
    let taps = channels.len() * window.size * window.size;
    let mut gather = Vec::with_capacity(output.plane() * taps);
    for top in 0..output.height {
        for left in 0..output.width {
            for channel in channels.clone() {
                for row in 0..window.size {
                    for column in 0..window.size {
                        let y = (top * window.stride + row).wrapping_sub(window.padding);
                        let x = (left * window.stride + column).wrapping_sub(window.padding);
                        let inside = y < input.height && x < input.width;
                        let index = (channel * input.height + y)
                            .wrapping_mul(input.width)
                            .wrapping_add(x);
                        gather.push(if inside { index as u32 } else { PADDING });
                    }
                }
            }
        }
    }
    gather
}

impl FloatLayer {
    /// A convolution over `input`, whose shape the network's check has found to fit.
    pub fn conv(name: String, input: Shape, conv: &Conv) -> Self {
        let window = conv.window();
        let shape = Shape {
            channels: conv.out_channels,
            ..outputs(window, input)
        };
        let groups = vec![FloatGroup {
            rows: conv.out_channels,
            taps: input.channels * window.size * window.size,
            weights: doubles(&conv.weight),
            gather: gather(window, input, shape, 0..input.channels),
        }];
        Self {
            name,
            kind: LinearKind::Conv,
            inputs: input.len(),
            shape,
            groups,
            bias: spread(&conv.bias, shape),
            input_intervals: None,
            bound: f64::INFINITY,
        }
    }

    /// A dense layer.
    pub fn dense(name: String, dense: &Dense) -> Self {
        let shape = Shape {
            channels: dense.outputs,
            height: 1,
            width: 1,
        };
        let groups = vec![FloatGroup {
            rows: dense.outputs,
            taps: dense.inputs,
            weights: doubles(&dense.weight),
            gather: (0..dense.inputs as u32).collect(),
        }];
        Self {
            name,
            kind: LinearKind::Dense,
            inputs: dense.inputs,
            shape,
            groups,
            bias: spread(&dense.bias, shape),
            input_intervals: None,
            bound: f64::INFINITY,
        }
    }

    /// The plain sum over windows, channel by channel.
    pub fn pool(name: String, input: Shape, window: Window) -> Self {
        let shape = outputs(window, input);
        let taps = window.size * window.size;
        let groups = (0..input.channels).map(|channel| FloatGroup {
            rows: 1,
            taps,
            weights: vec![1.0; taps],
            gather: gather(window, input, shape, channel..channel + 1),
        });
        let kind = if window.size == 1 {
            LinearKind::Scale
        } else {
            LinearKind::Pool
        };
        Self {
            name,
            kind,
            inputs: input.len(),
            shape,
            groups: groups.collect(),
            bias: Vec::new(),
            input_intervals: None,
            bound: f64::INFINITY,
        }
    }

    /// One factor a channel, all of them one: where two activations follow each other.
    pub fn identity(name: String, shape: Shape) -> Self {
        Self::pool(name, shape, Window::unpadded(1, 1))
    }

    /// Whether every weight is one, as in a pooling that nothing was folded into.
    pub fn is_plain_sum(&self) -> bool {
        self.groups
            .iter()
            .all(|group| group.weights.iter().all(|weight| *weight == 1.0))
    }

    /// Reads inputs that are carried as `(x - beta) / alpha`, per channel of `plane` values each: `W x + b = (W alpha) carried + (b + W beta)`.
    pub fn absorb(&mut self, alpha: &[f64], beta: &[f64], plane: usize) {
        let channels = self.shape.channels;
        let positions = self.shape.height * self.shape.width;
        if beta.iter().any(|value| *value != 0.0) && self.bias.is_empty() {
            self.bias = vec![0.0; channels * positions];
        }
        let mut first = 0;
        for group in &mut self.groups {
            let (rows, taps) = (group.rows, group.taps);
            for (index, slot) in self
                .bias
                .iter_mut()
                .enumerate()
                .skip(first * positions)
                .take(rows * positions)
            {
                let (row, position) = (index / positions - first, index % positions);
                let weights = &group.weights[row * taps..][..taps];
                let inputs = &group.gather[position * taps..][..taps];
                let read = weights
                    .iter()
                    .zip(inputs)
                    .filter(|(_, input)| **input != PADDING);
                *slot += read
                    .map(|(weight, input)| weight * beta[*input as usize / plane])
                    .sum::<f64>();
            }
            // A tap reads one channel at every position; one that is padding everywhere keeps its weight, which nothing reads.
            for tap in 0..taps {
                let input = group
                    .gather
                    .iter()
                    .skip(tap)
                    .step_by(taps)
                    .find(|input| **input != PADDING);
                if let Some(input) = input {
                    for row in 0..rows {
                        group.weights[row * taps + tap] *= alpha[*input as usize / plane];
                    }
                }
            }
            first += rows;
        }
    }

    /// Multiplies the outputs of every channel by its factor.
    pub fn scale_outputs(&mut self, factors: &[f64]) {
        let positions = self.shape.height * self.shape.width;
        for (index, value) in self.bias.iter_mut().enumerate() {
            *value *= factors[index / positions];
        }
        let mut channel = 0;
        for group in &mut self.groups {
            for row in group.weights.chunks_exact_mut(group.taps) {
                row.iter_mut()
                    .for_each(|weight| *weight *= factors[channel]);
                channel += 1;
            }
        }
    }

    /// Adds to the outputs of every channel.
    pub fn shift_outputs(&mut self, shifts: &[f64]) {
        if shifts.iter().all(|shift| *shift == 0.0) {
            return;
        }
        let positions = self.shape.height * self.shape.width;
        self.bias.resize(self.shape.len(), 0.0);
        for (index, value) in self.bias.iter_mut().enumerate() {
            *value += shifts[index / positions];
        }
    }
}

/// One value per window and channel; nothing where no window fits, which the network's check has ruled out.
fn outputs(window: Window, input: Shape) -> Shape {
    window.over(input).unwrap_or(Shape {
        height: 0,
        width: 0,
        ..input
    })
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// One value per channel, repeated at every position; nothing stays nothing.
fn spread(per_channel: &[f32], shape: Shape) -> Vec<f64> {
    let positions = shape.height * shape.width;
    per_channel
        .iter()
        .flat_map(|value| std::iter::repeat_n(f64::from(*value), positions))
        .collect()
}
