//! Convolutions against sums over every window, and the processors against each other.

#![allow(clippy::unwrap_used)]

use super::*;
use half::bf16;
use proptest::prelude::*;

/// Numbers in [-1, 1) that a bf16 holds exactly.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 56) as f32 - 128.0) / 128.0
        })
        .collect()
}

/// Calls `meet(x, y, weight)` with the places of all three in every product of the convolution.
fn every_product(conv: &Conv, images: usize, mut meet: impl FnMut(usize, usize, usize)) {
    let [rows, columns] = conv.output_size();
    for image in 0..images {
        for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (i, j) in (0..conv.kernel).flat_map(|i| (0..conv.kernel).map(move |j| (i, j))) {
                let (row, column) = (r * conv.stride + i, c * conv.stride + j);
                let inside =
                    |at: usize, length| (conv.padding..length + conv.padding).contains(&at);
                if !inside(row, conv.height) || !inside(column, conv.width) {
                    continue;
                }
                let pixel =
                    (image * conv.height + row - conv.padding) * conv.width + column - conv.padding;
                let position = (image * rows + r) * columns + c;
                for output in 0..conv.out_channels {
                    for input in 0..conv.in_channels {
                        meet(
                            pixel * conv.in_channels + input,
                            position * conv.out_channels + output,
                            conv.weight_at(output, input, i, j),
                        );
                    }
                }
            }
        }
    }
}

fn entries<T: Entry>(values: &[f32]) -> Vec<T> {
    values.iter().map(|value| T::from_f32(*value)).collect()
}

/// Asserts that `found` is `expected` but for the rounding of sums to f32, and of entries to `T`.
fn close<T: Entry>(found: &[T], expected: &[f64], what: &str) {
    let relative = match T::PRECISION {
        crate::Precision::F32 => 1e-5,
        crate::Precision::Bf16 => 1.0 / 256.0,
    };
    let scale = expected
        .iter()
        .fold(1.0_f64, |most, value| most.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = f64::from(found.to_f32());
        assert!(
            (found - expected).abs() <= relative * expected.abs() + 1e-5 * scale,
            "{what}[{index}]: {found} instead of {expected}"
        );
    }
}

fn check<T: Entry>(conv: &Conv, images: usize) {
    let x = numbers(images * conv.input_len(), 1);
    let g = numbers(images * conv.output_len(), 2);
    let w = numbers(conv.weight_len(), 3);
    let mut y = vec![0.0; g.len()];
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    every_product(conv, images, |xi, yi, wi| {
        y[yi] += f64::from(x[xi]) * f64::from(w[wi]);
        dx[xi] += f64::from(g[yi]) * f64::from(w[wi]);
        dw[wi] += f64::from(g[yi]) * f64::from(x[xi]);
    });
    let (x, g) = (entries::<T>(&x), entries::<T>(&g));
    for processor in Processor::all() {
        // Whatever was in the memory before must be overwritten.
        let mut found = vec![T::from_f32(f32::NAN); y.len()];
        conv.forward_on(processor, &x, &w, &mut found);
        close(&found, &y, &format!("{conv:?} {processor:?} y"));
        let mut found = vec![T::from_f32(f32::NAN); dx.len()];
        conv.input_gradient_on(processor, &w, &g, &mut found);
        close(&found, &dx, &format!("{conv:?} {processor:?} x gradient"));
        let found = weight_gradient::weight_gradient(conv, processor, &x, &g);
        close(
            &found,
            &dw,
            &format!("{conv:?} {processor:?} weight gradient"),
        );
    }
}

#[test]
fn all_three_are_the_sums_that_define_them() {
    for (size, channels, kernel, stride, padding, images) in [
        ([32, 32], [3, 16], 3, 1, 1, 2),
        ([32, 32], [16, 48], 4, 2, 1, 1),
        ([16, 16], [48, 48], 3, 1, 1, 2),
        ([8, 8], [48, 128], 4, 2, 1, 9),
        ([4, 4], [128, 64], 3, 1, 1, 17),
        ([28, 28], [1, 5], 5, 2, 1, 3),
        ([7, 9], [24, 10], 1, 1, 0, 3),
        ([5, 5], [20, 33], 5, 2, 4, 2),
        ([6, 7], [9, 17], 2, 3, 0, 2),
        ([1, 1], [40, 10], 1, 1, 0, 20),
    ] {
        let conv = Conv::new(size, channels, kernel, stride, padding).unwrap();
        check::<f32>(&conv, images);
        check::<bf16>(&conv, images);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_shape_is_the_sums_that_define_it(
        size in [1_usize..9, 1_usize..9],
        channels in [1_usize..20, 1_usize..36],
        (kernel, stride, padding) in (1_usize..6, 1_usize..4, 0_usize..4),
        images in 1_usize..4,
    ) {
        if let Ok(conv) = Conv::new(size, channels, kernel, stride, padding) {
            check::<f32>(&conv, images);
            check::<bf16>(&conv, images);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let conv = Conv::new([8, 8], [24, 40], 3, 1, 1).unwrap();
    let x = entries::<bf16>(&numbers(70 * conv.input_len(), 1));
    let g = entries::<bf16>(&numbers(70 * conv.output_len(), 2));
    let w = numbers(conv.weight_len(), 3);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let (mut y, mut dx) = (g.clone(), x.clone());
            conv.forward(&x, &w, &mut y);
            conv.input_gradient(&w, &g, &mut dx);
            (y, dx, conv.weight_gradient(&x, &g))
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn shapes_that_do_not_exist_are_refused() {
    for (size, channels, kernel, stride, padding) in [
        ([0, 4], [1, 1], 1, 1, 0),
        ([4, 4], [0, 1], 1, 1, 0),
        ([4, 4], [1, 1], 0, 1, 0),
        ([4, 4], [1, 1], 3, 0, 0),
        ([4, 4], [1, 1], 7, 1, 1),
    ] {
        let error = Conv::new(size, channels, kernel, stride, padding).unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
    }
}
