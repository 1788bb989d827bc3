//! Digits that the program draws itself: 28x28 grey images that look handwritten, for runs that need no file and no network.
//!
//! A digit is written in one of a few ways (`glyphs.rs`), each point of its strokes shaken, the whole bent, slanted, turned, sized
//! and shifted (`shape.rs`), drawn with a pen of random width, now and then with a stray line, blurred and put under noise
//! (`render.rs`). Every image depends on the seed, the split and its index alone, so the first `n` images do not depend on how many
//! are drawn, nor on threads. The images are the same on every machine.
//!
//! It is meant to be neither trivial nor hard: a linear classifier stays below 95 % test accuracy (a test here makes sure of it)
//! and a small convolutional network passes 98 %.

mod glyphs;
mod random;
mod render;
mod shape;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::Images;
use cryptodl_spec::DatasetName;
use random::Dice;
use render::Canvas;

/// Version of the generator: part of the digest, to be raised with every change of the images.
const VERSION: u32 = 1;

/// Rows and columns.
const SIDE: usize = 28;
const SIDE_F: f32 = SIDE as f32;
/// Pixels of an image.
const PIXELS: usize = SIDE * SIDE;

/// The most images of a split that are drawn: 784 MB.
pub const MAX_IMAGES: usize = 1_000_000;

/// Training or test images: they share no random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training and validation.
    Train,
    /// For testing.
    Test,
}

/// Draws the first `n` images of a split, on all threads of the current pool.
pub fn draw(seed: u64, split: Split, n: usize) -> Images {
    let key = key(seed, split);
    let mut images = Images {
        shape: DatasetName::Digits.shape(),
        pixels: vec![0; n * PIXELS],
        labels: vec![0; n],
    };
    images
        .pixels
        .par_chunks_mut(PIXELS)
        .zip(images.labels.par_iter_mut())
        .enumerate()
        .for_each(|(index, (pixels, label))| {
            let mut dice = Dice::new(key, index as u64);
            let digit = dice.below(10);
            *label = digit as u16;
            pixels.copy_from_slice(&image(digit, &mut dice));
        });
    images
}

/// Digest of `counts.0` training and `counts.1` test images, without drawing them.
pub fn digest(seed: u64, counts: (usize, usize)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cryptodl digits, digest, 1");
    hasher
        .update(&VERSION.to_le_bytes())
        .update(&seed.to_le_bytes());
    hasher
        .update(&(counts.0 as u64).to_le_bytes())
        .update(&(counts.1 as u64).to_le_bytes());
    *hasher.finalize().as_bytes()
}

fn key(seed: u64, split: Split) -> [u8; 32] {
    let mut material = seed.to_le_bytes().to_vec();
    material.push(match split {
        Split::Train => 0,
        Split::Test => 1,
    });
    blake3::derive_key("cryptodl digits, images, 1", &material)
}

fn image(digit: usize, dice: &mut Dice) -> [u8; PIXELS] {
    let mut canvas = Canvas::new();
    for line in shape::strokes(digit, dice) {
        canvas.draw(&line, 1.0);
    }
    if dice.chance(0.12) {
        let strength = dice.range(0.4, 0.9);
        canvas.draw(&shape::stray(dice), strength);
    }
    canvas.blur(dice.range(0.0, 0.2));
    let ink = dice.range(0.75, 1.0);
    let noise = dice.range(0.0, 0.1);
    canvas.develop(ink, noise, dice)
}
