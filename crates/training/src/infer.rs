//! Evaluation of a trained network on images.

use super::graph::{Graph, Normalisation, values};
use super::parameters::{Coefficients, Parameters};
use burn::tensor::{Device, Tensor, TensorData};
use cryptodl_data::{Images, Preprocessing};
use cryptodl_model::ModelError;
use cryptodl_model::TrainedNetwork;
use cryptodl_model::shapes;
use cryptodl_records::Evaluation;
use rayon::prelude::*;

/// The logits of a network on images, `batch` images at a time (at least one).
///
/// # Errors
/// When the network does not pass [`shapes`], or the images have another shape.
pub fn logits(
    network: &TrainedNetwork,
    images: &Images,
    batch: usize,
) -> Result<Evaluation, ModelError> {
    let shapes = shapes(network)?;
    let inputs = Inputs::new(network, images)?;
    let parameters = Parameters::of(network, Coefficients::Frozen);
    let device = Device::flex();
    let graph = Graph::new(
        network,
        &shapes,
        &parameters,
        &parameters.gather(network),
        &device,
    );
    let mut logits = Vec::with_capacity(inputs.len() * network.classes);
    for indices in inputs.batches(batch) {
        let pixels = inputs.plain(&indices);
        let pass = graph.forward(
            tensor(pixels, inputs.channels(), &device),
            Normalisation::Stored,
        );
        logits.extend(values(pass.logits)?);
    }
    Ok(Evaluation {
        classes: network.classes,
        logits,
    })
}

/// Normalised pixels as a feature map `[images * height * width, channels]`.
pub(crate) fn tensor(pixels: Vec<f32>, channels: usize, device: &Device) -> Tensor<2> {
    let rows = pixels.len() / channels.max(1);
    Tensor::from_data(TensorData::new(pixels, [rows, channels]), device)
}

/// Images on their way into a network: checked once, then bytes `[channels, height, width]` to normalised pixels
/// `[height, width, channels]`.
pub(crate) struct Inputs<'a> {
    images: &'a Images,
    mean: Vec<f32>,
    std: Vec<f32>,
    factor: Vec<f32>,
    offset: Vec<f32>,
    preprocessing: Preprocessing,
}

impl<'a> Inputs<'a> {
    /// # Errors
    /// When the images do not have the network's shape, or pixels and labels do not go together.
    pub fn new(network: &TrainedNetwork, images: &'a Images) -> Result<Self, ModelError> {
        if images.shape != network.input {
            return Err(ModelError::Images {
                expected: network.input,
                found: images.shape,
            });
        }
        let count = images.labels.len();
        if images.pixels.len() != count * images.shape.len() {
            return Err(ModelError::Pixels {
                images: count,
                pixels: images.pixels.len(),
                labels: images.labels.len(),
            });
        }
        // (byte / 255 - mean) / std = byte * factor + offset
        let factor = network.std.iter().map(|std| 1.0 / (255.0 * std)).collect();
        let offset = network
            .mean
            .iter()
            .zip(&network.std)
            .map(|(mean, std)| -mean / std)
            .collect();
        Ok(Self {
            images,
            mean: network.mean.clone(),
            std: network.std.clone(),
            factor,
            offset,
            preprocessing: network.preprocessing.clone(),
        })
    }

    /// The values `[channels, height, width]` of the image with this index where it is preprocessed; `None` where its bytes are only
    /// normalised.
    pub fn preprocessed(&self, index: usize) -> Option<Vec<f32>> {
        let normalisation = (self.mean.as_slice(), self.std.as_slice());
        (!self.preprocessing.is_plain()).then(|| {
            self.preprocessing
                .apply(self.images.shape, normalisation, self.bytes(index))
        })
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.images.labels.len()
    }

    /// Channels of an image.
    pub fn channels(&self) -> usize {
        self.images.shape.channels
    }

    /// The bytes of one image, `[channels, height, width]`.
    pub fn bytes(&self, index: usize) -> &'a [u8] {
        let size = self.images.shape.len();
        &self.images.pixels[index * size..(index + 1) * size]
    }

    /// The label of one image.
    pub fn label(&self, index: usize) -> u16 {
        self.images.labels[index]
    }

    /// All indices, in order, in runs of `batch`.
    pub fn batches(&self, batch: usize) -> Vec<Vec<usize>> {
        let all: Vec<usize> = (0..self.len()).collect();
        all.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
    }

    /// Normalised pixels of the images with these indices, as they are.
    pub fn plain(&self, indices: &[usize]) -> Vec<f32> {
        let mut pixels = vec![0.0; indices.len() * self.images.shape.len()];
        pixels
            .par_chunks_mut(self.images.shape.len().max(1))
            .zip(indices)
            .for_each(|(out, index)| match self.preprocessed(*index) {
                Some(values) => self.turn(&values, out),
                None => self.place(self.bytes(*index).iter().map(|byte| f32::from(*byte)), out),
            });
        pixels
    }

    /// Brings the values of one image from the order `[channels, height, width]` to `[height, width, channels]`.
    pub fn turn(&self, values: &[f32], out: &mut [f32]) {
        let channels = self.channels();
        let positions = out.len() / channels;
        for (channel, plane) in values.chunks_exact(positions.max(1)).enumerate() {
            for (pixel, value) in out.chunks_exact_mut(channels).zip(plane) {
                pixel[channel] = *value;
            }
        }
    }

    /// Normalises one image, byte values 0 to 255 in the order `[channels, height, width]`, into `[height, width, channels]`.
    pub fn place(&self, image: impl Iterator<Item = f32>, out: &mut [f32]) {
        let channels = self.channels();
        let positions = out.len() / channels;
        for (index, value) in image.enumerate() {
            let (channel, position) = (index / positions, index % positions);
            out[position * channels + channel] =
                value * self.factor[channel] + self.offset[channel];
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    #[test]
    fn the_engine_agrees_with_plain_loops_for_every_layer_kind() {
        for channels in [1, 3] {
            let network = reference::network(channels);
            let images = reference::images(network.input, 7, 40);
            let evaluation = logits(&network, &images, 3).unwrap();
            assert_eq!(evaluation.images(), 7);
            let size = network.input.len();
            for (image, found) in images
                .pixels
                .chunks(size)
                .zip(evaluation.logits.chunks(network.classes))
            {
                for (found, expected) in found.iter().zip(reference::forward(&network, image)) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                        "{found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_batch_size_does_not_change_logits_beyond_rounding() {
        let network = reference::network(2);
        let images = reference::images(network.input, 9, 41);
        let whole = logits(&network, &images, 100).unwrap();
        let single = logits(&network, &images, 1).unwrap();
        for (left, right) in whole.logits.iter().zip(&single.logits) {
            assert!(
                (left - right).abs() < 1e-4 * (1.0 + left.abs()),
                "{left} {right}"
            );
        }
    }

    #[test]
    fn wrong_images_are_refused() {
        let network = reference::network(1);
        let mut images = reference::images(network.input, 3, 42);
        images.labels.pop();
        assert!(matches!(
            logits(&network, &images, 8),
            Err(ModelError::Pixels { .. })
        ));
        let images = reference::images(
            cryptodl_spec::Shape {
                channels: 1,
                height: 5,
                width: 5,
            },
            3,
            42,
        );
        assert!(matches!(
            logits(&network, &images, 8),
            Err(ModelError::Images { .. })
        ));
    }
}
