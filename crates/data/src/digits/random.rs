//! Random numbers for drawing: the same on every machine and in every version of the random number crates.
//!
//! Only additions, multiplications, divisions and square roots are used, here and in the rest of the generator: IEEE 754 fixes
//! their results, whereas sines and logarithms differ between systems.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random choices of one image.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream `index` of `key`: independent of all other streams, so images can be drawn in any order.
    pub fn new(key: [u8; 32], index: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        Self(rng)
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        // 24 bits: as many as an f32 holds below one.
        let unit = (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32;
        low + (high - low) * unit
    }

    /// Uniform in `-size..size`.
    pub fn about(&mut self, size: f32) -> f32 {
        self.range(-size, size)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.range(0.0, 1.0) < p
    }

    /// Uniform in `0..n`; the bias of 2^-32 n does not matter here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Nearly normal with mean 0 and standard deviation 1: the sum of four uniform numbers (Irwin-Hall), so within +-3.5.
    pub fn bell(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
        // Variance of four uniform numbers on 0..1: 4 / 12.
        (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8
    }
}
