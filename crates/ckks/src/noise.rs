//! How much noise each operation leaves, predicted.
//!
//! Noise is given as its standard deviation in one slot (the real part), in units of the integers
//! that the ciphertext holds: divide by the scale for units of the message. A polynomial with
//! independent coefficients of variance v has in a slot of the standard ring the real variance
//! `v N/2`, and in the conjugate-invariant ring, whose slot values are `m_0 + 2 sum m_i cos(..)`,
//! `2 v N` (exactly that if the constant coefficient has variance 2v, as errors do). The ternary
//! secret has coefficients of variance 2/3.
//!
//! The standard deviation is over slots and keys. `|s|^2` at a slot is fixed by the key, so
//! wherever rounding errors are multiplied by the secret the same slots are worst in every
//! ciphertext: [`NoiseModel::worst_slot_factor`].

use std::ops::Range;

use crate::params::{Parameters, ParametersLiteral, Ring, digits};
use crate::sampling::ERROR_VARIANCE;

/// Variance of a rounding error, uniform in [-1/2, 1/2].
const ROUNDING: f64 = 1.0 / 12.0;
/// Variance of a coefficient of the secret, uniform in {-1, 0, 1}.
const SECRET: f64 = 2.0 / 3.0;

/// Predictions for one parameter set.
#[derive(Clone, Debug)]
pub struct NoiseModel {
    ring: Ring,
    degree: usize,
    primes: Vec<f64>,
    special: Vec<f64>,
}

impl NoiseModel {
    /// The model of a parameter set.
    pub fn new(parameters: &Parameters) -> Self {
        let sizes = |primes: &[u64]| primes.iter().map(|&prime| prime as f64).collect();
        Self {
            ring: parameters.ring(),
            degree: parameters.ring_degree(),
            primes: sizes(parameters.primes()),
            special: sizes(parameters.special_primes()),
        }
    }

    /// The model of a set that is not made: its primes are taken to be as large as their bits allow. For comparing many.
    pub fn of_sizes(literal: &ParametersLiteral) -> Self {
        let sizes = |bits: &[u32]| bits.iter().map(|&bits| f64::from(bits).exp2()).collect();
        Self {
            ring: literal.ring,
            degree: 1 << literal.log_n,
            primes: sizes(&literal.prime_bits),
            special: sizes(&literal.special_bits),
        }
    }

    /// What a coefficient's variance is multiplied by to give the (real) variance of a slot.
    fn slot_gain(&self) -> f64 {
        let n = self.degree as f64;
        match self.ring {
            Ring::Standard => n / 2.0,
            Ring::ConjugateInvariant => 2.0 * n,
        }
    }

    /// The mean of `|s|^2` at a slot.
    fn secret_power(&self) -> f64 {
        let n = self.degree as f64;
        match self.ring {
            Ring::Standard => SECRET * n,
            Ring::ConjugateInvariant => SECRET * 2.0 * n,
        }
    }

    /// A fresh encryption: the error and the rounding of the encoding, `sqrt(gain (sigma^2 +
    /// 1/12))`.
    pub fn fresh(&self) -> f64 {
        (self.slot_gain() * (ERROR_VARIANCE + ROUNDING)).sqrt()
    }

    /// What dividing by a prime (a rescaling, the end of a relinearisation) adds to a ciphertext of
    /// that many components: every component is rounded, and component k meets `s^k`, `sqrt(gain /
    /// 12 * (1 + |s|^2 + |s|^4 + ...))`.
    ///
    /// `|s|^2` at a slot is exponentially distributed in the standard ring and chi-squared with one
    /// degree of freedom in the conjugate-invariant one; the means of its powers are `k! |s|^2k`
    /// and `(2k-1)!! |s|^2k`.
    pub fn rescale(&self, components: usize) -> f64 {
        let power = self.secret_power();
        let mut moment = 1.0;
        let mut sum = 1.0;
        for k in 1..components {
            moment *= power
                * match self.ring {
                    Ring::Standard => k as f64,
                    Ring::ConjugateInvariant => 2.0 * k as f64 - 1.0,
                };
            sum += moment;
        }
        (self.slot_gain() * ROUNDING * sum).sqrt()
    }

    /// What a relinearisation at a level adds: the products of the digits, uniform in [-D_j/2, D_j/2) each with D_j the product of the
    /// digit's primes, with the errors of the key, divided by the product P of the special primes, and the rounding of that division:
    /// `sqrt(sum_j D_j^2 / 12 * gain' sigma^2 / P^2 + rescale(2)^2)` with gain' = N^2/2 (standard) or 4 N^2.
    ///
    /// Infinite where the parameters have no special prime.
    pub fn relinearize(&self, level: usize) -> f64 {
        if self.special.is_empty() {
            return f64::INFINITY;
        }
        let special: f64 = self.special.iter().product();
        let n = self.degree as f64;
        // a digit's power |d|^2 at a slot times an error's variance there
        let gain = match self.ring {
            Ring::Standard => n * self.slot_gain(),
            Ring::ConjugateInvariant => 2.0 * n * self.slot_gain(),
        };
        let size = |digit: Range<usize>| self.primes[digit].iter().product::<f64>();
        let digits: f64 = digits(self.special.len(), level)
            .map(|digit| (size(digit) / special).powi(2) * ROUNDING)
            .sum();
        (digits * gain * ERROR_VARIANCE + self.rescale(2).powi(2)).sqrt()
    }

    /// What a rotation at a level adds: a key switch, as [`Self::relinearize`].
    pub fn rotate(&self, level: usize) -> f64 {
        self.relinearize(level)
    }

    /// What rounding leaves in a slot of an encoded plaintext: `sqrt(gain / 12)`, where the gain of the standard ring is twice that of other
    /// noise. Real slots have coefficients `m_(N-k) = -m_k`, and so have the rounding errors: all of them is in the real part.
    pub fn plaintext(&self) -> f64 {
        let gain = match self.ring {
            Ring::Standard => 2.0 * self.slot_gain(),
            Ring::ConjugateInvariant => self.slot_gain(),
        };
        (gain * ROUNDING).sqrt()
    }

    /// A product with a plaintext whose slot holds the integer `weight`, of a slot of magnitude `value`: the rounding r of the plaintext
    /// meets value and noise, `sqrt(w^2 sigma^2 + r^2 (v^2 + sigma^2))`. It does so where the weight is zero, too.
    pub fn multiply_plaintext(&self, value: f64, sigma: f64, weight: f64) -> f64 {
        let rounding = self.plaintext().powi(2) * (value * value + sigma * sigma);
        ((weight * sigma).powi(2) + rounding).sqrt()
    }

    /// A linear map with independent noise in its inputs: `sigma * sqrt(largest row sum of squared
    /// weights)`.
    pub fn linear(&self, sigma: f64, max_row_sum_of_squares: f64) -> f64 {
        sigma * max_row_sum_of_squares.sqrt()
    }

    /// A sum of two values with independent noise.
    pub fn add(&self, a: f64, b: f64) -> f64 {
        a.hypot(b)
    }

    /// A multiplication by an integer constant.
    pub fn multiply_constant(&self, sigma: f64, factor: f64) -> f64 {
        sigma * factor.abs()
    }

    /// A square, before its relinearisation, of an integer value of magnitude `value`: `(v + e)^2 -
    /// v^2 = 2 v e + e^2`, `sqrt(4 v^2 sigma^2 + 4 sigma^4)` (the second term is an upper estimate
    /// for both rings: `e^2` has a mean in the conjugate-invariant one and meets the imaginary part
    /// in the other).
    pub fn square(&self, value: f64, sigma: f64) -> f64 {
        2.0 * sigma * value.hypot(sigma)
    }

    /// A product, before its relinearisation, of integer values of magnitudes `a` and `b`:
    /// `sqrt(a^2 sigma_b^2 + b^2 sigma_a^2 + 2 sigma_a^2 sigma_b^2)`.
    pub fn multiply(&self, a: f64, sigma_a: f64, b: f64, sigma_b: f64) -> f64 {
        let cross = 2.0 * (sigma_a * sigma_b).powi(2);
        ((a * sigma_b).powi(2) + (b * sigma_a).powi(2) + cross).sqrt()
    }

    /// The noise after dropping `prime` from a value with noise `sigma`.
    pub fn after_rescale(&self, sigma: f64, prime: f64, components: usize) -> f64 {
        self.add(sigma / prime, self.rescale(components))
    }

    /// The noise after relinearising a value with noise `sigma` at a level and dropping `prime`,
    /// its last one.
    pub fn after_relinearize_rescale(&self, sigma: f64, level: usize, prime: f64) -> f64 {
        self.after_rescale(self.add(sigma, self.relinearize(level)), prime, 2)
    }

    /// [`rescale`](Self::rescale) in the worst slot of a key: `|s|^2` there is not its mean but
    /// `ln slots` (standard) or `2 ln slots` times that, and so are its powers.
    ///
    /// With two components it is about `rescale(2)` times
    /// [`worst_slot_factor`](Self::worst_slot_factor); with three, `|s|^4` is the larger part.
    pub fn rescale_worst_slot(&self, components: usize) -> f64 {
        let worst = self.secret_power() * self.worst_slot_factor().powi(2);
        let powers = (0..components).map(|k| worst.powi(k as i32));
        (self.slot_gain() * ROUNDING * powers.sum::<f64>()).sqrt()
    }

    /// [`rescale`](Self::rescale), and as large as it has to be counted where tails matter: those of
    /// higher powers of the secret are longer than a product's, so from three components on it is
    /// the worst slot's over what a product's tails add in that slot.
    pub fn rescale_with_tails(&self, components: usize) -> (f64, f64) {
        let typical = self.rescale(components);
        let largest = if components > 2 {
            self.rescale_worst_slot(components) / self.worst_slot_factor()
        } else {
            typical
        };
        (typical, largest)
    }

    /// How much larger than its standard deviation rounding noise is expected to be in the worst
    /// slot of a key: the root of the largest `|s|^2` over its mean, `sqrt(ln slots)` (standard) or
    /// `sqrt(2 ln slots)`.
    pub fn worst_slot_factor(&self) -> f64 {
        let degree = self.degree as f64;
        match self.ring {
            Ring::Standard => (degree / 2.0).ln().sqrt(),
            Ring::ConjugateInvariant => (2.0 * degree.ln()).sqrt(),
        }
    }
}
