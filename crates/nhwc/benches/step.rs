//! Whole training steps of two CIFAR-sized networks on random images: convolutions with normalised Hermite activations, global average,
//! dense layer, cross-entropy, gradients of everything, plain SGD.
//!
//! `cargo bench -p nhwc --bench step [-- THREADS]`. Prints the median and the least time of some steps, since other work disturbs them,
//! and where the time of the median step goes.

use nhwc::{Activation, Conv, Entry, Form, ImagePenalty, Norm, bf16};
use std::time::Instant;

const IMAGES: usize = 500;
const CLASSES: usize = 10;

struct Layer<T> {
    conv: Conv,
    activation: Activation,
    weight: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    numbers: Vec<f32>,
    /// Output of the convolution and of the activation, and the gradients of both.
    z: Vec<T>,
    y: Vec<T>,
    z_gradient: Vec<T>,
    y_gradient: Vec<T>,
}

fn random(count: usize, deviation: f32) -> Vec<f32> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count)
        .map(|_| (next() + next() + next()) * 2.0 * deviation)
        .collect()
}

fn network<T: Entry>(widths: &[usize]) -> Vec<Layer<T>> {
    let mut shapes = vec![([32; 2], [3, widths[0]], 3, 1)];
    let mut size = 32;
    for pair in widths.windows(2) {
        shapes.push(([size; 2], [pair[0], pair[1]], 4, 2));
        size /= 2;
        shapes.push(([size; 2], [pair[1]; 2], 3, 1));
    }
    let layer = |(size, channels, kernel, stride): ([usize; 2], [usize; 2], usize, usize)| {
        let conv = Conv::new(size, channels, kernel, stride, 1).ok()?;
        let [rows, columns] = conv.output_size();
        let outputs = channels[1];
        let entries = IMAGES * conv.output_len();
        Some(Layer {
            conv,
            activation: Activation {
                channels: outputs,
                norm: Norm::Batch,
                epsilon: 1e-5,
                form: Form::Hermite {
                    linear: 0.5,
                    fixed: None,
                },
                function: None,
                bounds: [-6.0, 6.0],
                limits: [-4.0, 4.0],
                range_weight: 2.0,
                image_rows: rows * columns,
                peaks: Some(ImagePenalty {
                    limit: 6.0,
                    weight: 5e-4,
                }),
                energies: Some(ImagePenalty {
                    limit: 1.5,
                    weight: 0.1,
                }),
            },
            weight: random(
                conv.weight_len(),
                (1.0 / (channels[0] * kernel * kernel) as f32).sqrt(),
            ),
            gamma: vec![1.0; outputs],
            beta: vec![0.0; outputs],
            numbers: [0.0, 1.0, 0.2821].repeat(outputs),
            z: vec![T::default(); entries],
            y: vec![T::default(); entries],
            z_gradient: vec![T::default(); entries],
            y_gradient: vec![T::default(); entries],
        })
    };
    shapes.into_iter().filter_map(layer).collect()
}

/// Mean over the positions of each image, dense layer, cross-entropy: the loss, and the gradient of `y` into `y_gradient`.
fn head<T: Entry>(y: &[T], channels: usize, weight: &mut [f32], y_gradient: &mut [T]) -> f32 {
    let len = y.len() / IMAGES;
    let share = channels as f32 / len as f32;
    let mut loss = 0.0;
    let mut change = vec![0.0; weight.len()];
    for (image, (y, gradient)) in y.chunks(len).zip(y_gradient.chunks_mut(len)).enumerate() {
        let mut mean = vec![0.0; channels];
        for row in y.chunks(channels) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(mean, y)| *mean += share * y.to_f32());
        }
        let rows = || weight.chunks(channels);
        let logits: Vec<f32> = rows()
            .map(|row| row.iter().zip(&mean).map(|(w, x)| w * x).sum())
            .collect();
        let total: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let target = image % CLASSES;
        loss -= (logits[target].exp() / total).ln() / IMAGES as f32;
        let mut dx = vec![0.0; channels];
        for (class, (row, change)) in rows().zip(change.chunks_mut(channels)).enumerate() {
            let error = (logits[class].exp() / total - f32::from(u8::from(class == target)))
                / IMAGES as f32;
            for c in 0..channels {
                dx[c] += share * error * row[c];
                change[c] += error * mean[c];
            }
        }
        for row in gradient.chunks_mut(channels) {
            row.iter_mut()
                .zip(&dx)
                .for_each(|(to, dx)| *to = T::from_f32(*dx));
        }
    }
    weight
        .iter_mut()
        .zip(change)
        .for_each(|(weight, change)| *weight -= 0.1 * change);
    loss
}

/// Seconds of the convolutions' forward pass and gradients, the activations' forward and backward pass, and the rest.
type Times = [f64; 6];

fn step<T: Entry>(layers: &mut [Layer<T>], dense: &mut [f32], x: &[T]) -> (f32, Times) {
    let mut times = [0.0; 6];
    let mut last = Instant::now();
    let mut lap = |times: &mut Times, what: usize| {
        times[what] += last.elapsed().as_secs_f64();
        last = Instant::now();
    };
    let mut saved = Vec::new();
    for index in 0..layers.len() {
        let (before, after) = layers.split_at_mut(index);
        let Layer {
            conv,
            activation,
            weight,
            gamma,
            beta,
            numbers,
            z,
            y,
            ..
        } = &mut after[0];
        conv.forward(before.last().map_or(x, |layer| &layer.y), weight, z);
        lap(&mut times, 0);
        saved.push(activation.forward(z, (gamma, beta), numbers, y));
        lap(&mut times, 3);
    }
    let mut loss = 0.0;
    if let Some(last) = layers.last_mut() {
        loss = head(
            &last.y,
            last.activation.channels,
            dense,
            &mut last.y_gradient,
        );
    }
    lap(&mut times, 5);
    for index in (0..layers.len()).rev() {
        let (before, after) = layers.split_at_mut(index);
        let layer = &mut after[0];
        let gradients = layer.activation.backward(
            &layer.z,
            &layer.numbers,
            &saved[index],
            &layer.y_gradient,
            &mut layer.z_gradient,
        );
        lap(&mut times, 4);
        let (input, input_gradient) = match before.last_mut() {
            Some(layer) => (&layer.y[..], Some(&mut layer.y_gradient)),
            None => (x, None),
        };
        let change = layer.conv.weight_gradient(input, &layer.z_gradient);
        lap(&mut times, 2);
        if let Some(input_gradient) = input_gradient {
            layer
                .conv
                .input_gradient(&layer.weight, &layer.z_gradient, input_gradient);
        }
        lap(&mut times, 1);
        for (numbers, change) in [
            (&mut layer.weight, change),
            (&mut layer.gamma, gradients.gamma),
            (&mut layer.beta, gradients.beta),
            (&mut layer.numbers, gradients.numbers),
        ] {
            numbers
                .iter_mut()
                .zip(change)
                .for_each(|(number, change)| *number -= 0.05 * change);
        }
        lap(&mut times, 5);
    }
    (loss, times)
}

fn measure<T: Entry>(widths: &[usize], steps: usize) {
    let mut layers = network::<T>(widths);
    let x: Vec<T> = random(IMAGES * 32 * 32 * 3, 1.0)
        .into_iter()
        .map(T::from_f32)
        .collect();
    let mut dense = random(widths[widths.len() - 1] * CLASSES, 0.02);
    let macs: usize = layers
        .iter()
        .map(|layer| layer.conv.multiply_accumulates())
        .sum();
    let first = step(&mut layers, &mut dense, &x).0;
    let mut runs: Vec<(f32, Times)> = (0..steps)
        .map(|_| step(&mut layers, &mut dense, &x))
        .collect();
    let last = runs.last().map_or(first, |run| run.0);
    runs.sort_by(|left, right| left.1.iter().sum::<f64>().total_cmp(&right.1.iter().sum()));
    let rate = |times: &Times| IMAGES as f64 / times.iter().sum::<f64>();
    let (median, least) = (runs[steps / 2].1, runs[0].1);
    let flops = |times| 6e-9 * macs as f64 * rate(times);
    println!(
        "{widths:?} {:?}: {:.0} images/s, {:.0} GFLOP/s (best step {:.0} images/s, {:.0} GFLOP/s); loss {first:.3} to {last:.3}",
        T::PRECISION,
        rate(&median),
        flops(&median),
        rate(&least),
        flops(&least)
    );
    let names = [
        "convolution",
        "input gradient",
        "weight gradient",
        "activation",
        "its gradient",
        "rest",
    ];
    let parts = names
        .iter()
        .zip(median)
        .map(|(name, time)| format!("{name} {:.1} ms", 1e3 * time));
    println!("    {}", parts.collect::<Vec<_>>().join(", "));
}

fn main() {
    let threads = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(2);
    if let Err(error) = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
    {
        eprintln!("{error}");
        return;
    }
    for widths in [[16, 48, 128, 128], [24, 64, 256, 256]] {
        measure::<f32>(&widths, 9);
        measure::<bf16>(&widths, 9);
    }
}
