//! Randomness: where it comes from, and the distributions of the scheme.
//!
//! Secrets come from the operating system's entropy through ChaCha20. The public seed of the masks
//! and the secret key of the noise are drawn apart and never derived from each other.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::chacha::{STEP, Stream};
use crate::error::Result;
use crate::isa::Isa;
use crate::modulus::Modulus;
use crate::params::Ring;

/// Bit pairs of the centred binomial distribution of an error coefficient.
const ERROR_PAIRS: u32 = 21;

/// Variance of an error coefficient: half the number of bit pairs.
///
/// The security table is for sigma = 3.19, a variance of 10.18; 21 pairs give sigma = 3.24, the
/// narrowest centred binomial that is not narrower than the table's. Attacks on the problem depend
/// on the error's width and hardly on its shape, so that a binomial stands for a rounded Gaussian
/// (the argument of NewHope, eprint 2015/1092, section 4); it is sampled without a branch.
pub(crate) const ERROR_VARIANCE: f64 = ERROR_PAIRS as f64 / 2.0;

/// A seed that may be published: it expands to uniform masks.
pub(crate) type Seed = [u8; 32];

/// 32 bytes of entropy, wiped when dropped.
pub(crate) fn secret_seed() -> Result<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())?;
    Ok(seed)
}

/// 32 bytes of entropy to be published.
pub(crate) fn public_seed() -> Result<Seed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// Numbers that a mask draws at a time: whole steps of the stream, whatever their size in bytes.
const CANDIDATES: usize = STEP;

/// The uniform residues that a seed stands for: one ChaCha20 stream per polynomial and prime.
///
/// Numbers of as many bits as the prime has are read from the stream in whole bytes, and those that
/// are not below the prime are passed over. That is part of the wire format: a seed stands for its
/// residues.
pub(crate) struct Mask {
    stream: Stream,
    p: Modulus,
    /// Candidates of `p.bytes()` bytes, and room to read eight bytes at the last of them.
    buffer: [[u8; STEP]; 8 * CANDIDATES / STEP + 1],
    /// Those of the buffer that are residues.
    residues: [u64; CANDIDATES],
    count: usize,
    /// Residues that were taken.
    taken: usize,
}

impl Mask {
    /// The stream of polynomial `index` modulo `p`, prime number `prime` of the chain.
    pub fn new(seed: &Seed, index: usize, prime: usize, p: Modulus) -> Self {
        // a chain has at most 60 primes and some special ones
        let number = (index as u64) << 8 | prime as u64;
        Self {
            stream: Stream::new(Isa::detect(), seed, number),
            p,
            buffer: [[0; STEP]; 8 * CANDIDATES / STEP + 1],
            residues: [0; CANDIDATES],
            count: 0,
            taken: 0,
        }
    }

    /// Fills with the next residues.
    pub fn fill(&mut self, mut out: &mut [u64]) {
        while !out.is_empty() {
            if self.taken == self.count {
                self.draw();
            }
            let ready = &self.residues[self.taken..self.count];
            let (now, later) = out.split_at_mut(ready.len().min(out.len()));
            now.copy_from_slice(&ready[..now.len()]);
            self.taken += now.len();
            out = later;
        }
    }

    /// The next candidates. Every one is written, over the last if that was passed over: nothing depends on a guess which.
    fn draw(&mut self) {
        let width = self.p.bytes();
        self.stream
            .fill(&mut self.buffer[..CANDIDATES * width / STEP]);
        let bits = u64::MAX >> (u64::BITS - self.p.bits());
        let bytes = self.buffer.as_flattened();
        let mut count = 0;
        for place in 0..CANDIDATES {
            // the buffer is long enough for eight bytes at any candidate
            let word = bytes[place * width..].first_chunk();
            let candidate = word.map_or(0, |&word| u64::from_le_bytes(word)) & bits;
            self.residues[count] = candidate;
            count += usize::from(candidate < self.p.value());
        }
        (self.count, self.taken) = (count, 0);
    }
}

/// Secret randomness; its state is overwritten when dropped.
pub(crate) struct SecretStream(ChaCha20Rng);

impl SecretStream {
    /// The stream of polynomial `index` under a secret seed.
    pub fn new(seed: &[u8; 32], index: usize) -> Self {
        let mut stream = ChaCha20Rng::from_seed(*seed);
        stream.set_stream(index as u64);
        Self(stream)
    }

    /// Uniform coefficients in {-1, 0, 1}, without a branch: the high word of 3 times a uniform
    /// 64-bit number (a bias of 2^-64).
    pub fn ternary(&mut self, out: &mut [i8]) {
        for coefficient in out {
            let third = (u128::from(self.0.next_u64()) * 3) >> 64;
            *coefficient = third as i8 - 1;
        }
    }

    /// Adds error coefficients to a polynomial of words.
    ///
    /// In the conjugate-invariant ring the constant coefficient has twice the variance (two draws):
    /// errors are then spherical in the canonical embedding, as the hardness of the ring is stated
    /// (Kim and Song, eprint 2018/952).
    pub fn add_errors(&mut self, ring: Ring, polynomial: &mut [u64]) {
        if ring == Ring::ConjugateInvariant
            && let Some(constant) = polynomial.first_mut()
        {
            *constant = constant.wrapping_add_signed(self.error());
        }
        for coefficient in polynomial {
            *coefficient = coefficient.wrapping_add_signed(self.error());
        }
    }

    /// One centred binomial value.
    fn error(&mut self) -> i64 {
        let bits = self.0.next_u64();
        let mask = (1 << ERROR_PAIRS) - 1;
        let (plus, minus) = (bits & mask, (bits >> ERROR_PAIRS) & mask);
        i64::from(plus.count_ones()) - i64::from(minus.count_ones())
    }
}

impl Drop for SecretStream {
    fn drop(&mut self) {
        self.0 = ChaCha20Rng::from_seed([0; 32]);
        // keeps the overwriting from being optimised away
        std::hint::black_box(&mut self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::modulus::CENTRE;

    fn error_of(word: u64) -> i64 {
        word.wrapping_sub(CENTRE) as i64
    }

    #[test]
    fn errors_are_at_least_as_wide_as_the_table_assumes() {
        assert!(ERROR_VARIANCE.sqrt() >= 3.19 && ERROR_VARIANCE.sqrt() < 3.25);
        let n = 1 << 18;
        let mut polynomial = vec![CENTRE; n];
        SecretStream::new(&[7; 32], 0).add_errors(Ring::Standard, &mut polynomial);
        let polynomial: Vec<i64> = polynomial.into_iter().map(error_of).collect();
        let mean = polynomial.iter().sum::<i64>() as f64 / n as f64;
        let variance = polynomial.iter().map(|e| e * e).sum::<i64>() as f64 / n as f64;
        assert!(
            mean.abs() < 5.0 * (ERROR_VARIANCE / n as f64).sqrt(),
            "{mean}"
        );
        assert!((variance / ERROR_VARIANCE - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn the_constant_error_of_the_conjugate_invariant_ring_is_doubled() {
        let count = 20_000;
        let squares: i64 = (0..count)
            .map(|i| {
                let mut polynomial = [CENTRE; 2];
                SecretStream::new(&[3; 32], i)
                    .add_errors(Ring::ConjugateInvariant, &mut polynomial);
                error_of(polynomial[0]).pow(2)
            })
            .sum();
        let ratio = squares as f64 / count as f64 / (2.0 * ERROR_VARIANCE);
        assert!((ratio - 1.0).abs() < 0.06, "{ratio}");
    }

    #[test]
    fn the_secret_is_uniform_on_three_values() {
        let mut secret = vec![0i8; 90_000];
        SecretStream::new(&[1; 32], 0).ternary(&mut secret);
        for value in [-1, 0, 1] {
            let count = secret.iter().filter(|&&s| s == value).count();
            assert!((29_000..31_000).contains(&count), "{value}: {count}");
        }
    }

    #[test]
    fn masks_are_uniform_reproducible_and_different_for_every_polynomial() {
        let p = Modulus::new(1_032_193);
        let draw = |seed: u8, index, prime| {
            let mut out = vec![0; 4096];
            let mut mask = Mask::new(&[seed; 32], index, prime, p);
            // how much is asked for at a time does not matter
            mask.fill(&mut out[..1000]);
            mask.fill(&mut out[1000..]);
            let mut whole = vec![0; 4096];
            Mask::new(&[seed; 32], index, prime, p).fill(&mut whole);
            assert_eq!(out, whole);
            out
        };
        let first = draw(1, 0, 0);
        assert_eq!(first, draw(1, 0, 0));
        assert!(first.iter().all(|&r| r < p.value()));
        let mean = first.iter().sum::<u64>() as f64 / 4096.0 / p.value() as f64;
        assert!((mean - 0.5).abs() < 0.025, "{mean}");
        for other in [draw(2, 0, 0), draw(1, 1, 0), draw(1, 0, 1), draw(1, 256, 0)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn entropy_is_drawn_anew() {
        assert_ne!(public_seed().unwrap(), public_seed().unwrap());
        assert_ne!(*secret_seed().unwrap(), *secret_seed().unwrap());
    }
}
