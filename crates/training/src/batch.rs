//! Training batches: a new order and new changes of the images in every epoch.

use crate::infer::Inputs;
use cryptodl_data::Images;
use cryptodl_data::augment::Augmenter;
use cryptodl_model::{ModelError, Purpose, TrainedNetwork, generator, unit};
use cryptodl_spec::AugmentSpec;
use rayon::prelude::*;

/// One step's images.
pub(super) struct Batch {
    /// Normalised, `[images, height, width, channels]`.
    pub pixels: Vec<f32>,
    /// `[images]`.
    pub labels: Vec<u16>,
}

/// Makes batches. What it makes depends on the seed, the epoch and the images alone.
pub(super) struct Loader<'a> {
    inputs: Inputs<'a>,
    augmenter: Augmenter,
    size: usize,
    seed: u64,
    /// Shades of a pixel less one, after the augmentation; `None`: as it comes.
    shades: Option<f32>,
}

impl<'a> Loader<'a> {
    /// # Errors
    /// When the images do not have the network's shape.
    pub fn new(
        network: &TrainedNetwork,
        images: &'a Images,
        spec: AugmentSpec,
        seed: u64,
    ) -> Result<Self, ModelError> {
        let inputs = Inputs::new(network, images)?;
        Ok(Self {
            inputs,
            augmenter: Augmenter::new(spec, images.shape),
            size: images.shape.len(),
            seed,
            shades: None,
        })
    }

    /// Rounds pixels to `2^bits` shades, after the augmentation: what a client will do to an image.
    pub fn coarse(self, bits: u32) -> Self {
        Self {
            shades: Some(((1_u32 << bits) - 1) as f32),
            ..self
        }
    }

    /// The images of an epoch in runs of `batch`. A rest that fills no batch is left out (batch norm wants full ones), unless it
    /// is all there is.
    pub fn epoch(&self, epoch: usize, batch: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.inputs.len()).collect();
        let mut random = generator(self.seed, Purpose::Shuffling, epoch, 0);
        // Fisher and Yates.
        for last in (1..order.len()).rev() {
            order.swap(last, (unit(&mut random) * (last + 1) as f64) as usize);
        }
        order.truncate(steps(order.len(), batch) * batch.max(1));
        order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
    }

    /// The images with these indices, changed as `epoch` has it.
    pub fn batch(&self, epoch: usize, indices: &[usize]) -> Batch {
        let labels = indices
            .iter()
            .map(|index| self.inputs.label(*index))
            .collect();
        if self.augmenter.is_identity() && self.shades.is_none() {
            return Batch {
                pixels: self.inputs.plain(indices),
                labels,
            };
        }
        let mut pixels = vec![0.0; indices.len() * self.size];
        let scratch = || (vec![0.0; self.size], vec![0.0; self.size]);
        pixels
            .par_chunks_mut(self.size.max(1))
            .zip(indices)
            .for_each_init(scratch, |(image, changed), (out, index)| {
                // What the client does comes first: it sees the image as it is.
                let preprocessed = self.inputs.preprocessed(*index);
                if preprocessed.is_none() {
                    for (to, byte) in image.iter_mut().zip(self.inputs.bytes(*index)) {
                        *to = f32::from(*byte);
                    }
                }
                let even = unit(&mut generator(self.seed, Purpose::Turns, 0, *index)) < 0.5;
                self.augmenter.apply(
                    preprocessed.as_ref().unwrap_or(image),
                    even == epoch.is_multiple_of(2),
                    &mut generator(self.seed, Purpose::Augmentation, epoch, *index),
                    changed,
                );
                if preprocessed.is_some() {
                    self.inputs.turn(changed, out);
                    return;
                }
                if let Some(shades) = self.shades {
                    for value in changed.iter_mut() {
                        *value = (*value * shades / 255.0).round() * 255.0 / shades;
                    }
                }
                self.inputs.place(changed.iter().copied(), out);
            });
        Batch { pixels, labels }
    }
}

/// Steps of an epoch: full batches, and at least one.
pub(super) fn steps(images: usize, batch: usize) -> usize {
    (images / batch.max(1)).max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    #[test]
    fn an_epoch_is_a_shuffle_in_full_batches_and_differs_from_the_next() {
        let network = reference::network(1);
        let images = reference::images(network.input, 50, 3);
        let plain = reference::experiment(1).train.augment;
        let loader = Loader::new(&network, &images, plain, 9).unwrap();
        let epoch = loader.epoch(1, 16);
        assert_eq!(epoch.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 16]);
        let mut seen = epoch.concat();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 48);
        assert_eq!(loader.epoch(1, 16), epoch);
        assert_ne!(loader.epoch(2, 16), epoch);
        assert_eq!(
            loader.epoch(1, 80).concat().len(),
            50,
            "one short batch where none is full"
        );
    }

    #[test]
    fn augmentation_depends_on_epoch_and_image_and_not_on_the_batch() {
        let network = reference::network(1);
        let images = reference::images(network.input, 20, 3);
        let spec = AugmentSpec {
            rotation: 10.0,
            shift: 0.1,
            ..reference::experiment(1).train.augment
        };
        let loader = Loader::new(&network, &images, spec, 9).unwrap();
        let size = network.input.len();
        let pair = loader.batch(1, &[4, 7]).pixels;
        assert_eq!(loader.batch(1, &[7]).pixels, pair[size..]);
        assert_ne!(loader.batch(2, &[7]).pixels, pair[size..]);
        assert_ne!(
            loader.batch(1, &[4]).pixels,
            Inputs::new(&network, &images).unwrap().plain(&[4])
        );
    }
}
