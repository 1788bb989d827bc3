//! A network of two dense layers on images of 16 pixels, whose numbers are the same everywhere.

use cryptodl_data::Images;
use cryptodl_model::{BatchNorm, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork};
use cryptodl_spec::Shape;

/// Looks random and is always the same.
fn uniform(index: usize) -> f32 {
    let bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    bits as f32 / (1_u64 << 24) as f32
}

/// Black and white images of 4 x 4 pixels with labels below 3.
pub fn images(count: usize) -> Images {
    let shape = Shape {
        channels: 1,
        height: 4,
        width: 4,
    };
    let pixels = (0..count * shape.len())
        .map(|index| if uniform(index) < 0.4 { 255 } else { 0 })
        .collect();
    let labels = (0..count).map(|index| (index % 3) as u16).collect();
    Images::new(shape, pixels, labels).unwrap()
}

/// 16 pixels, `hidden` neurons, three classes.
pub fn network(activation: TrainedLayer, hidden: usize) -> TrainedNetwork {
    let weights = |count: usize, seed: usize| {
        (0..count)
            .map(|index| uniform(1000 * seed + index) - 0.5)
            .collect::<Vec<f32>>()
    };
    TrainedNetwork {
        input: images(1).shape,
        mean: vec![0.4],
        std: vec![0.5],
        preprocessing: cryptodl_data::Preprocessing::default(),
        classes: 3,
        layers: vec![
            TrainedLayer::Dense(Dense {
                inputs: 16,
                outputs: hidden,
                weight: weights(16 * hidden, 1),
                bias: Vec::new(),
            }),
            TrainedLayer::BatchNorm(BatchNorm {
                // A negative factor too: tables must rise with their index all the same.
                gamma: (0..hidden)
                    .map(|unit| if unit % 2 == 0 { 1.0 } else { -0.7 })
                    .collect(),
                beta: weights(hidden, 3),
                mean: vec![0.1; hidden],
                variance: vec![1.3; hidden],
                epsilon: 1e-5,
            }),
            activation,
            TrainedLayer::Dense(Dense {
                inputs: hidden,
                outputs: 3,
                weight: weights(3 * hidden, 2),
                bias: vec![0.3, -0.2, 0.1],
            }),
        ],
    }
}

/// A square with a linear and a constant term.
pub fn square() -> TrainedLayer {
    TrainedLayer::Polynomial(PolynomialActivation {
        degree: 2,
        rows: 1,
        coefficients: vec![0.2, 0.5, 0.2],
    })
}
