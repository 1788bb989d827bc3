//! How far single images go: quantiles over images of the largest |pre-activation| of each layer and of the largest |logit|.
//!
//! Squares of squares make the rare image that is a little unusual a very large one, and in a batch of ciphertexts one value past the
//! modulus ruins them all. So it is the tail that counts, not the mean.

use super::graph::{Graph, Normalisation, values};
use super::infer::{Inputs, tensor};
use super::parameters::{Coefficients, Parameters};
use burn::tensor::Device;
use cryptodl_data::Images;
use cryptodl_model::ModelError;
use cryptodl_model::{PreActivation, TrainedNetwork, shapes};
use cryptodl_records::{LayerTail, Tails};

/// Images per forward pass.
const BATCH: usize = 500;

/// Looks at every image once. An image counts as past the bound where a value in a channel of an activation's input is more than `margin`
/// times the largest that `planned` has for the channel.
///
/// # Errors
/// When the network does not pass [`shapes`], or the images have another shape.
pub fn tails(
    network: &TrainedNetwork,
    images: &Images,
    planned: &[PreActivation],
    margin: f64,
) -> Result<Tails, ModelError> {
    let shapes = shapes(network)?;
    let inputs = Inputs::new(network, images)?;
    let parameters = Parameters::of(network, Coefficients::Frozen);
    let device = Device::flex();
    let weights = parameters.gather(network);
    let graph = Graph::new(network, &shapes, &parameters, &weights, &device);
    let mut peaks: Vec<Vec<f32>> = Vec::new();
    let mut past_bound = 0;
    for indices in inputs.batches(BATCH) {
        let pixels = tensor(inputs.plain(&indices), inputs.channels(), &device);
        let pass = graph.forward(pixels, Normalisation::Stored);
        let mut past = vec![false; indices.len()];
        peaks.resize(pass.inputs.len() + 1, Vec::new());
        for (peaks, input) in peaks.iter_mut().zip(pass.inputs) {
            let channels = input.shape.channels.max(1);
            let bounds: Vec<f32> = planned
                .iter()
                .find(|range| range.layer == input.layer)
                .map(|range| range.channel_abs_max.iter())
                .into_iter()
                .flatten()
                .map(|largest| (margin * largest) as f32)
                .collect();
            let all = values(input.values)?;
            let size = channels * input.shape.height * input.shape.width;
            for (image, past) in all.chunks_exact(size.max(1)).zip(&mut past) {
                peaks.push(largest(image));
                *past |= image.chunks_exact(channels).any(|pixel| {
                    let mut pairs = pixel.iter().zip(&bounds);
                    pairs.any(|(value, bound)| value.abs() > *bound)
                });
            }
        }
        let logits = values(pass.logits)?;
        if let Some(peaks) = peaks.last_mut() {
            peaks.extend(logits.chunks_exact(network.classes).map(largest));
        }
        past_bound += past.into_iter().filter(|past| *past).count() as u64;
    }
    let count = peaks.len();
    let layers = peaks.into_iter().enumerate().map(|(index, peaks)| {
        let name = match index + 1 {
            last if last == count => "logits".to_owned(),
            number => format!("activation {number}"),
        };
        tail(name, peaks)
    });
    Ok(Tails {
        images: inputs.len() as u64,
        past_bound,
        layers: layers.collect(),
    })
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Quantiles of a list: the smallest values that at least that share of it does not pass.
fn tail(name: String, mut peaks: Vec<f32>) -> LayerTail {
    peaks.sort_by(f32::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * peaks.len() as f64).ceil() as usize;
        let at = peaks.get(rank.saturating_sub(1));
        f64::from(at.copied().unwrap_or_default())
    };
    LayerTail {
        name,
        median: quantile(0.5),
        p999: quantile(0.999),
        max: quantile(1.0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::pre_activations;
    use cryptodl_reference as reference;
    use polyapprox::Interval;

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let found = tail(
            "x".into(),
            (1..=2000).rev().map(|value| value as f32).collect(),
        );
        assert_eq!(
            (found.median, found.p999, found.max),
            (1000.0, 1998.0, 2000.0)
        );
        assert_eq!(tail("x".into(), vec![3.0]).median, 3.0);
    }

    #[test]
    fn peaks_and_images_past_the_bound_agree_with_plain_loops() {
        let network = reference::network(2);
        let images = reference::images(network.input, 40, 51);
        let interval = Interval::new(-4.0, 4.0).unwrap();
        // What half of the images showed.
        let planned = pre_activations(&network, &images.first(20), interval).unwrap();
        let found = tails(&network, &images, &planned, 1.0).unwrap();
        assert_eq!((found.images, found.layers.len()), (40, planned.len() + 1));
        let mut past = 0;
        let mut peaks = vec![Vec::new(); planned.len()];
        for image in images.pixels.chunks(network.input.len()) {
            let mut is_past = false;
            for (range, peaks) in planned.iter().zip(&mut peaks) {
                let values = reference::inputs_of(&network, image, range.layer);
                let plane = values.len() / range.channel_abs_max.len();
                is_past |=
                    values
                        .chunks(plane)
                        .zip(&range.channel_abs_max)
                        .any(|(values, most)| {
                            values.iter().any(|value| value.abs() > most * (1.0 + 1e-5))
                        });
                peaks.push(
                    values
                        .iter()
                        .fold(0.0_f64, |most, value| most.max(value.abs())),
                );
            }
            past += u64::from(is_past);
        }
        assert!(past > 0);
        // Rounding in f32 may put the very largest past itself.
        assert!(
            found.past_bound.abs_diff(past) <= 2,
            "{} {past}",
            found.past_bound
        );
        for (tail, peaks) in found.layers.iter().zip(peaks) {
            let largest = peaks.into_iter().fold(0.0, f64::max);
            assert!((tail.max - largest).abs() < 1e-4 * (1.0 + largest));
        }
        assert_eq!(found.layers.last().unwrap().name, "logits");
        assert_eq!(
            tails(&network, &images, &planned, 1e9).unwrap().past_bound,
            0
        );
    }
}
