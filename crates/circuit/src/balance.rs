//! Factors for the channels between two linear layers, so that both lose as little as possible when their weights become integers.
//!
//! A layer's weights share one scale, so a channel that is written or read with small weights alone keeps few bits of them. Before a monic
//! polynomial of degree n a channel can be stretched by any k: the rows that write it grow by k, the columns that read it shrink by k^n, and the
//! network stays the same. With `k^(n + 1) = read / written` both are equally large, as in the equalisation between ReLU layers of Nagel et al.
//! (Data-Free Quantization, ICCV 2019), where n is 1. Ciphertext noise, which is as large in every channel, gains in the same way.

use super::float_layer::FloatLayer;
use cryptodl_model::TrainedLayer;

/// The most that a channel is stretched or shrunk against the others: one that hardly matters shall not decide the layer's range.
const LARGEST_STRETCH: f64 = 4.0;

/// One factor for each of `channels` that an activation of `degree` stands on, their geometric mean about one. `before` writes the channels,
/// with its rows still to be multiplied by `scales`; `after` is the network behind the activation.
///
/// `None` where another activation or a batch norm comes before the next weights.
pub(super) fn stretches(
    before: &FloatLayer,
    scales: &[f64],
    after: &[TrainedLayer],
    degree: usize,
) -> Option<Vec<f64>> {
    let rows = before
        .groups
        .iter()
        .flat_map(|group| group.weights.chunks_exact(group.taps));
    let written: Vec<f64> = rows
        .map(largest)
        .zip(scales)
        .map(|(weight, scale)| weight * scale.abs())
        .collect();
    let read = largest_read(after, scales.len())?;
    // A channel that nothing reads or writes has no weights to balance.
    let logarithms: Vec<Option<f64>> = written
        .iter()
        .zip(&read)
        .map(|(written, read)| {
            let logarithm = (read / written).ln() / (degree + 1) as f64;
            (*written > 0.0 && *read > 0.0).then_some(logarithm)
        })
        .collect();
    let known = logarithms.iter().flatten();
    let mean = known.clone().sum::<f64>() / known.count().max(1) as f64;
    let limit = LARGEST_STRETCH.ln();
    Some(
        logarithms
            .iter()
            .map(|value| value.map_or(1.0, |value| (value - mean).clamp(-limit, limit).exp()))
            .collect(),
    )
}

/// Largest |weight| with which the next weighted layer reads each channel.
fn largest_read(layers: &[TrainedLayer], channels: usize) -> Option<Vec<f64>> {
    let mut layers = layers
        .iter()
        .skip_while(|layer| matches!(layer, TrainedLayer::AvgPool { .. }));
    let (weight, inputs, taps) = match layers.next()? {
        TrainedLayer::Conv(conv) => {
            let taps = conv.kernel * conv.kernel;
            (&conv.weight, conv.in_channels * taps, taps)
        }
        TrainedLayer::Dense(dense) => (&dense.weight, dense.inputs, dense.inputs / channels),
        _ => return None,
    };
    let mut read = vec![0.0_f64; channels];
    for row in weight.chunks_exact(inputs) {
        for (read, taps) in read.iter_mut().zip(row.chunks_exact(taps)) {
            let taps = taps.iter().map(|weight| f64::from(*weight));
            *read = taps.fold(*read, |largest, weight| largest.max(weight.abs()));
        }
    }
    Some(read)
}

fn largest(weights: &[f64]) -> f64 {
    weights
        .iter()
        .fold(0.0, |largest, weight| largest.max(weight.abs()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use cryptodl_model::Conv;
    use cryptodl_spec::Shape;

    /// A 1 x 1 convolution.
    fn conv(in_channels: usize, weight: Vec<f32>) -> Conv {
        Conv {
            in_channels,
            out_channels: weight.len() / in_channels,
            kernel: 1,
            stride: 1,
            padding: 0,
            weight,
            bias: Vec::new(),
        }
    }

    /// Three channels written with 1, 8 and 0 by one input and read by a 1 x 1 convolution, behind a pool.
    fn factors(read: Vec<f32>) -> Vec<f64> {
        let shape = Shape {
            channels: 1,
            height: 2,
            width: 2,
        };
        let written = conv(1, vec![1.0, -8.0, 0.0]);
        let before = FloatLayer::conv("conv1".into(), shape, &written);
        let after = [
            TrainedLayer::AvgPool { size: 2, stride: 2 },
            TrainedLayer::Conv(conv(3, read)),
        ];
        stretches(&before, &[1.0, 1.0, 1.0], &after, 2).unwrap()
    }

    #[test]
    fn rows_and_columns_become_equally_large_and_a_silent_channel_stays() {
        let factors = factors(vec![1.0, 1.0, 5.0, -0.5, 0.25, 5.0]);
        // written k = read / k² up to one factor for all: the second is stretched by half of the first, 8^(-1/3).
        assert!((factors[0] - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!((factors[1] - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(factors[2], 1.0);
    }

    #[test]
    fn a_channel_that_hardly_matters_is_not_stretched_without_end() {
        let factors = factors(vec![1.0, 1e-9, 1.0]);
        assert!((factors[0] - LARGEST_STRETCH).abs() < 1e-12);
        assert!((factors[1] * LARGEST_STRETCH - 1.0).abs() < 1e-12);
    }

    #[test]
    fn another_activation_in_between_leaves_the_channels_alone() {
        let square = TrainedLayer::Function {
            function: polyapprox::Function::Square,
        };
        let next = TrainedLayer::Conv(conv(3, vec![1.0; 3]));
        assert_eq!(largest_read(&[square, next], 3), None);
    }
}
