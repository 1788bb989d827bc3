//! The kernels of the crate nhwc against burn's own operations on the same numbers, forward and backward.
//!
//! `cargo bench -p cryptodl-training --bench against_burn`. Both run in turn on rayon's threads; the least of several times is told, since
//! other work disturbs them. A kernel that burn is as fast as has no place here.

#![allow(missing_docs, reason = "a program")]

use burn::tensor::module::{batch_norm_train, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use nhwc::{Activation, Conv, Entry, Form, Norm, bf16};
use std::time::Instant;

const IMAGES: usize = 128;

fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|at| (at * 7 % 31) as f32 / 31.0 - 0.5)
        .collect()
}

fn entries<T: Entry>(count: usize) -> Vec<T> {
    numbers(count).into_iter().map(T::from_f32).collect()
}

/// Seconds of one call of each, the least of several in turn.
fn least<const N: usize>(mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..7 {
        for (least, call) in least.iter_mut().zip(&mut calls) {
            let started = Instant::now();
            call();
            *least = least.min(started.elapsed().as_secs_f64());
        }
    }
    least
}

fn tell(what: &str, [burn, single, half]: [f64; 3]) {
    println!(
        "{what}: burn {:.1} ms, f32 {:.1} ms ({:.1} times as fast), bf16 {:.1} ms ({:.1} times as fast)",
        1e3 * burn,
        1e3 * single,
        burn / single,
        1e3 * half,
        burn / half
    );
}

fn convolution(conv: &Conv, size: usize, [inputs, outputs, kernel, stride]: [usize; 4]) {
    let device = Device::flex().autodiff();
    let leaf = |values: Vec<f32>, shape: [usize; 4]| {
        Tensor::<4>::from_data(TensorData::new(values, shape), &device).require_grad()
    };
    let x = leaf(
        numbers(IMAGES * conv.input_len()),
        [IMAGES, inputs, size, size],
    );
    let weight = leaf(
        numbers(conv.weight_len()),
        [outputs, inputs, kernel, kernel],
    );
    let mut theirs = || {
        let options = ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
        let y = conv2d(x.clone(), weight.clone(), None, options);
        let gradients = y.sum().backward();
        std::hint::black_box((x.grad(&gradients), weight.grad(&gradients)));
    };
    let mut single = ours::<f32>(conv);
    let mut half = ours::<bf16>(conv);
    tell(
        &format!("convolution {size}x{size}, {inputs} to {outputs}, {kernel}x{kernel}"),
        least([&mut theirs, &mut single, &mut half]),
    );
}

fn ours<T: Entry>(conv: &Conv) -> impl FnMut() {
    let weight = numbers(conv.weight_len());
    let x = entries::<T>(IMAGES * conv.input_len());
    let (mut y, mut dx) = (entries::<T>(IMAGES * conv.output_len()), x.clone());
    move || {
        conv.forward(&x, &weight, &mut y);
        conv.input_gradient(&weight, &y, &mut dx);
        std::hint::black_box(conv.weight_gradient(&x, &y));
    }
}

fn activation(rows: usize, channels: usize) {
    let device = Device::flex().autodiff();
    let leaf = Tensor::<2>::from_data(
        TensorData::new(numbers(rows * channels), [rows, channels]),
        &device,
    )
    .require_grad();
    let ones = Tensor::<1>::ones([channels], &device).require_grad();
    let mut theirs = || {
        let zeros = Tensor::<1>::zeros([channels], &device);
        let z = batch_norm_train(leaf.clone(), ones.clone(), zeros, 1e-5).output;
        let y = z.clone().square() * 0.2 + z * 0.5;
        let gradients = y.sum().backward();
        std::hint::black_box((leaf.grad(&gradients), ones.grad(&gradients)));
    };
    let mut single = normalised::<f32>(rows, channels);
    let mut half = normalised::<bf16>(rows, channels);
    tell(
        &format!("batch norm and polynomial of {rows} x {channels}"),
        least([&mut theirs, &mut single, &mut half]),
    );
}

fn normalised<T: Entry>(rows: usize, channels: usize) -> impl FnMut() {
    let activation = Activation {
        channels,
        norm: Norm::Batch,
        epsilon: 1e-5,
        form: Form::Polynomial { degree: 2 },
        function: None,
        bounds: [f64::NEG_INFINITY, f64::INFINITY],
        limits: [f64::NEG_INFINITY, f64::INFINITY],
        range_weight: 0.0,
        image_rows: 1,
        peaks: None,
        energies: None,
    };
    let x = entries::<T>(rows * channels);
    let (mut y, mut dx) = (x.clone(), x.clone());
    let (gamma, beta) = (vec![1.0; channels], vec![0.0; channels]);
    move || {
        let coefficients = [0.0, 0.5, 0.2];
        let found = activation.forward(&x, (&gamma, &beta), &coefficients, &mut y);
        std::hint::black_box(activation.backward(&x, &coefficients, &found, &y, &mut dx));
    }
}

fn main() {
    for (size, shape) in [
        (32, [16, 48, 4, 2]),
        (16, [48, 48, 3, 1]),
        (8, [128, 128, 3, 1]),
        (4, [128, 128, 3, 1]),
    ] {
        let [inputs, outputs, kernel, stride] = shape;
        if let Ok(conv) = Conv::new([size; 2], [inputs, outputs], kernel, stride, 1) {
            convolution(&conv, size, shape);
        }
    }
    for (rows, channels) in [(IMAGES * 32 * 32, 16), (IMAGES * 8 * 8, 128)] {
        activation(rows, channels);
    }
}
