//! What stands for a set of ciphertexts while a circuit is planned: level, scale, size of the values, noise.

/// A set of features without the features: what the planner knows of them.
#[derive(Debug)]
pub(crate) struct SimulatedFeatures {
    pub level: usize,
    pub scale: f64,
    pub features: usize,
    /// Polynomials of each ciphertext.
    pub components: usize,
    /// Largest |value|, real units.
    pub bound: f64,
    /// Root mean square of the values of every feature, real units.
    pub typical: Vec<f64>,
    /// Of every feature; empty while the primes are not chosen.
    pub noise: Noise,
    /// Standard deviation of what the rounding of the weights changes, real units: no noise, but a different circuit.
    /// Of every feature; empty while the primes are not chosen.
    pub rounding: Vec<f64>,
}

/// Noise in a slot, in units of the integers, of every feature: channels differ in what they are multiplied by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Noise {
    /// Its standard deviation over slots, keys and images, at typical values.
    pub typical: Vec<f64>,
    /// At the largest values: the standard deviation of the part that comes from fresh encryptions, which is normally distributed.
    pub fresh: Vec<f64>,
    /// The same of the part that was multiplied by the secret, from rounding and key switching: its tails are those of a product.
    pub key_dependent: Vec<f64>,
}

impl Noise {
    /// Of fresh encryptions.
    pub fn fresh(features: usize, deviation: f64) -> Self {
        Self {
            typical: vec![deviation; features],
            fresh: vec![deviation; features],
            key_dependent: vec![0.0; features],
        }
    }

    /// Every part changed alike.
    pub fn map(&self, change: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        Self {
            typical: change(&self.typical),
            fresh: change(&self.fresh),
            key_dependent: change(&self.key_dependent),
        }
    }

    /// Multiplied by a number.
    pub fn times(&self, factor: f64) -> Self {
        self.map(|part| part.iter().map(|value| value * factor).collect())
    }

    /// Adds independent key-dependent noise, with a standard deviation for typical values and one for the largest.
    pub fn and_key_dependent(mut self, typical: f64, largest: f64) -> Self {
        for value in &mut self.typical {
            *value = value.hypot(typical);
        }
        for value in &mut self.key_dependent {
            *value = value.hypot(largest);
        }
        self
    }

    /// Of a sum. The largest values may depend on each other, as powers of one x do.
    pub fn plus(mut self, other: &Self) -> Self {
        let add = |to: &mut [f64], from: &[f64], sum: fn(f64, f64) -> f64| {
            for (to, from) in to.iter_mut().zip(from) {
                *to = sum(*to, *from);
            }
        };
        add(&mut self.typical, &other.typical, f64::hypot);
        add(&mut self.fresh, &other.fresh, |a, b| a + b);
        add(&mut self.key_dependent, &other.key_dependent, |a, b| a + b);
        self
    }
}

/// Over all features; 0 for none.
pub(crate) fn root_mean_square(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|value| value * value).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

/// How far noise reaches: a bound that one evaluation in [`TRUST`] exceeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tails {
    fresh: f64,
    key_dependent: f64,
}

/// One evaluation in about a million may exceed a bound.
const TRUST: f64 = 1_048_576.0;

impl Tails {
    /// Over `values` numbers: the quantile of the normal distribution for the first kind; for the second, of the product of two normal
    /// numbers (conjugate-invariant ring, `real`) or of a normal number and a Rayleigh one (standard ring), which is Laplace's.
    pub fn over(values: f64, real: bool) -> Self {
        let log = (2.0 * values * TRUST).ln();
        Self {
            fresh: (2.0 * log).sqrt(),
            key_dependent: if real { log } else { log / 2.0_f64.sqrt() },
        }
    }

    /// The largest noise to expect where it has these standard deviations.
    pub fn reach(self, fresh: f64, key_dependent: f64) -> f64 {
        self.fresh * fresh + self.key_dependent * key_dependent
    }

    /// The largest noise to expect anywhere.
    pub fn bound(self, noise: &Noise) -> f64 {
        let parts = noise.fresh.iter().zip(&noise.key_dependent);
        let bounds = parts.map(|(fresh, key_dependent)| self.reach(*fresh, *key_dependent));
        bounds.fold(0.0, f64::max)
    }
}
