//! Where training's random numbers come from: one generator for every use, made from the experiment's seed and the place of use.
//!
//! Nothing is drawn from a generator that several uses share, so results depend neither on the order of threads nor on whether a
//! run was resumed, and no generator's state has to be saved. Never for keys, masks or noise.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// First weights; `a` is the layer.
    Weights = 1,
    /// The order of the training images; `a` is the epoch.
    Shuffling = 2,
    /// Changes of a training image; `a` is the epoch, `b` the image.
    Augmentation = 3,
    /// Which of two epochs mirrors an image, where images take turns; `b` is the image.
    Turns = 4,
}

/// The generator for one use.
pub fn generator(seed: u64, purpose: Purpose, a: usize, b: usize) -> ChaCha8Rng {
    let words = [seed, purpose as u64, a as u64, b as u64].map(u64::to_le_bytes);
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(words.as_flattened()) {
        *to = *from;
    }
    ChaCha8Rng::from_seed(key)
}

/// A uniform number in [0, 1).
pub fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
