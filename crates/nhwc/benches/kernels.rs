//! Floating-point operations a second of every convolution of two CIFAR-sized networks, forward and backward.
//!
//! `cargo bench -p nhwc --bench kernels [-- THREADS]`. The minimum of several runs is told, since other work disturbs them.

use nhwc::{Conv, Entry, bf16};
use std::time::Instant;

fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < 0.4 {
        let run_started = Instant::now();
        run();
        best = best.min(run_started.elapsed().as_secs_f64());
    }
    best
}

fn measure<T: Entry>(name: &str, convs: &[Conv], images: usize) {
    let (mut flops, mut seconds) = (0.0, 0.0);
    for conv in convs {
        let numbers = |count: usize| -> Vec<T> {
            (0..count)
                .map(|i| T::from_f32((i % 13) as f32 / 13.0 - 0.5))
                .collect()
        };
        let weight = vec![0.01; conv.weight_len()];
        let x = numbers(images * conv.input_len());
        let mut y = numbers(images * conv.output_len());
        let mut dx = x.clone();
        let flop = 2.0 * (images * conv.multiply_accumulates()) as f64;
        let gradient = y.clone();
        let forward = best(|| conv.forward(&x, &weight, &mut y));
        let input = best(|| conv.input_gradient(&weight, &gradient, &mut dx));
        let weight = best(|| {
            std::hint::black_box(conv.weight_gradient(&x, &gradient));
        });
        println!(
            "{name} {conv:?}: forward {:.0}, input gradient {:.0}, weight gradient {:.0} GFLOP/s",
            flop / forward / 1e9,
            flop / input / 1e9,
            flop / weight / 1e9
        );
        flops += 3.0 * flop;
        seconds += forward + input + weight;
    }
    println!(
        "{name}: {:.0} GFLOP/s in all, {:.0} images/s\n",
        flops / seconds / 1e9,
        images as f64 / seconds
    );
}

fn main() {
    let threads = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(2);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global();
    if let Err(error) = pool {
        eprintln!("{error}");
        return;
    }
    for widths in [[16, 48, 128, 128], [24, 64, 256, 256]] {
        let mut convs = Vec::from_iter(Conv::new([32; 2], [3, widths[0]], 3, 1, 1));
        let mut size = 32;
        for pair in widths.windows(2) {
            convs.extend(Conv::new([size; 2], [pair[0], pair[1]], 4, 2, 1));
            size /= 2;
            convs.extend(Conv::new([size; 2], [pair[1]; 2], 3, 1, 1));
        }
        println!("widths {widths:?}, 128 images, {threads} threads");
        measure::<f32>("f32", &convs, 128);
        measure::<bf16>("bf16", &convs, 128);
    }
}
