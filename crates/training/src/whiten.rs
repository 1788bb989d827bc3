//! The whitening start of the first convolution (as in Keller Jordan's airbench94, arXiv 2404.00498): filters that make the patches of
//! the training images uncorrelated and of equal variance.

use crate::infer::Inputs;
use cryptodl_data::eigenvectors;
use cryptodl_model::{ModelError, TrainedLayer, TrainedNetwork};
use std::ops::Range;

/// Training images whose patches are looked at.
const IMAGES: usize = 5_000;
/// One patch in so many is looked at.
const STEP: usize = 7;
/// Added to the variance in every direction: patches hardly vary in the last ones, and what is divided by nothing is noise.
const EPSILON: f64 = 1e-2;

/// Sets the first filters of the first layer, a convolution, to `v / sqrt(lambda + 0.01)` for the eigenvectors v of the patches' second
/// moments, largest eigenvalue lambda first, each with its largest entry positive. Where there are more filters than directions, the rest
/// stay as they are.
///
/// # Errors
/// Where the images do not have the network's shape.
pub(super) fn whiten(network: &mut TrainedNetwork, inputs: &Inputs<'_>) -> Result<(), ModelError> {
    let input = network.input;
    let Some(TrainedLayer::Conv(conv)) = network.layers.first_mut() else {
        return Err(ModelError::Network(
            "its first layer is no convolution, whose filters could whiten".into(),
        ));
    };
    let (channels, kernel, weight) = (conv.in_channels, conv.kernel, &mut conv.weight);
    let size = channels * kernel * kernel;
    let mut moments = vec![0.0_f64; size * size];
    let mut patch = vec![0.0_f64; size];
    let mut count = 0_u64;
    let mut seen = 0_usize;
    for index in 0..inputs.len().min(IMAGES) {
        let image = inputs.plain(&[index]);
        for top in windows(input.height, kernel) {
            for left in windows(input.width, kernel) {
                seen += 1;
                if seen % STEP != 1 {
                    continue;
                }
                // Weights are [in, row, column], feature maps [row, column, channel].
                for (at, value) in patch.iter_mut().enumerate() {
                    let (channel, place) = (at / (kernel * kernel), at % (kernel * kernel));
                    let (row, column) = (top + place / kernel, left + place % kernel);
                    *value = f64::from(image[(row * input.width + column) * channels + channel]);
                }
                for (row, a) in moments.chunks_exact_mut(size).zip(&patch) {
                    row.iter_mut()
                        .zip(&patch)
                        .for_each(|(sum, b)| *sum += a * b);
                }
                count += 1;
            }
        }
    }
    moments
        .iter_mut()
        .for_each(|value| *value /= count.max(1) as f64);
    for (filter, (value, vector)) in weight
        .chunks_exact_mut(size)
        .zip(eigenvectors(moments, size))
    {
        let scale = (value.max(0.0) + EPSILON).sqrt().recip();
        for (weight, entry) in filter.iter_mut().zip(vector) {
            *weight = (scale * entry) as f32;
        }
    }
    Ok(())
}

/// Where a window that stays inside the image may begin.
fn windows(side: usize, kernel: usize) -> Range<usize> {
    0..(side + 1).saturating_sub(kernel)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_model::Conv;
    use cryptodl_reference as reference;

    #[test]
    fn whitened_patches_are_uncorrelated() {
        let mut network = reference::network(1);
        network.layers[0] = TrainedLayer::Conv(Conv {
            in_channels: 1,
            out_channels: 11,
            kernel: 3,
            stride: 1,
            padding: 1,
            weight: vec![0.25; 11 * 9],
            bias: Vec::new(),
        });
        // Neighbours are alike, so that there is something to whiten.
        let mut images = reference::images(network.input, 400, 8);
        for at in 1..images.pixels.len() {
            images.pixels[at] = images.pixels[at - 1] / 2 + images.pixels[at] / 2;
        }
        let inputs = Inputs::new(&network.clone(), &images).unwrap();
        whiten(&mut network, &inputs).unwrap();
        let TrainedLayer::Conv(Conv { weight, .. }) = &network.layers[0] else {
            panic!("a convolution")
        };
        assert!(
            weight[9 * 9..].iter().all(|weight| *weight == 0.25),
            "the rest stays"
        );
        let mut products = [[0.0; 9]; 9];
        let mut count = 0.0;
        for index in 0..images.len() {
            let image = inputs.plain(&[index]);
            for corner in (0..6).flat_map(|top| (0..6).map(move |left| 8 * top + left)) {
                let outputs: Vec<f32> = weight[..81]
                    .chunks(9)
                    .map(|filter| {
                        (0..9)
                            .map(|k| filter[k] * image[corner + 8 * (k / 3) + k % 3])
                            .sum()
                    })
                    .collect();
                for (row, a) in products.iter_mut().zip(&outputs) {
                    row.iter_mut()
                        .zip(&outputs)
                        .for_each(|(sum, b)| *sum += a * b);
                }
                count += 1.0;
            }
        }
        for (i, row) in products.iter().enumerate() {
            for (j, sum) in row.iter().enumerate() {
                let (found, wanted) = (sum / count, if i == j { 1.0 } else { 0.0 });
                assert!((found - wanted).abs() < 0.15, "{i} {j} {found}");
            }
        }
    }
}
