//! Noise of look-up circuits: predicted variances, as shares of the torus, and the probability that they move an integer.
//!
//! The formulas are those of the `tfhe` crate's `noise_formulas` (Chillotti et al., "TFHE", J. Cryptology 2020, theorem 4, with the
//! measured term for the floating-point Fourier transform of Bergerat et al., "Parameter Optimization and Larger Precision for
//! (T)FHE", J. Cryptology 2023), with the variances of the set itself.

use super::parameters::ParameterSet;

/// The sources of noise under one parameter set: variances as shares of the torus squared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// A ciphertext of the client.
    pub fresh: f64,
    /// What leaves a bootstrap.
    pub bootstrap: f64,
    /// What a key switch adds.
    pub key_switch: f64,
    /// What rounding to `2 polynomial_size` values adds; its mean is corrected (`CenteredMeanNoiseReduction`).
    pub modulus_switch: f64,
}

/// log2 of ciphertext modulus and of the steps of a double below 2^64.
const MODULUS_BITS: f64 = 64.0;
const MANTISSA_BITS: f64 = 53.0;

impl Noise {
    /// Of `set`.
    pub fn of(set: &ParameterSet) -> Self {
        let n = set.lwe_dimension as f64;
        let (k, size) = (set.glwe_dimension as f64, set.polynomial_size as f64);
        let long = set.long_dimension() as f64;
        let (fresh, short) = (set.glwe_noise.powi(2), set.lwe_noise.powi(2));
        let quantum = (-2.0 * MODULUS_BITS).exp2();

        let levels = set.pbs_levels as f64;
        let base = (set.pbs_base_log as f64).exp2();
        let tail = base.powf(-2.0 * levels);
        let transform = 0.00705
            * (2.0 * (MODULUS_BITS - MANTISSA_BITS) + 2.0 * base.log2() - 2.0 * MODULUS_BITS)
                .exp2()
            * levels.powf(1.01827)
            * k.powf(1.22003)
            * size.powf(2.22003)
            * (k + 1.0).powf(1.01827);
        let keys = levels * size * fresh * (base * base / 12.0 + 1.0 / 6.0) * (k + 1.0);
        let rounding = k * size / 2.0 * (quantum / 48.0 + tail / 24.0) + tail / 24.0;
        let bootstrap = n * (transform + keys + rounding);

        let levels = set.ks_levels as f64;
        let base = (set.ks_base_log as f64).exp2();
        let key_switch = levels * long * short * (base * base / 12.0 + 1.0 / 6.0)
            + long * (quantum / 48.0 + base.powf(-2.0 * levels) / 24.0);

        // A rounding error is uniform on a step; with its mean over the binary secret taken out, each of n counts a quarter.
        let step = 1.0 / (2.0 * size);
        let modulus_switch = (n / 4.0 + 1.0) * step * step / 12.0;
        Self {
            fresh,
            bootstrap,
            key_switch,
            modulus_switch,
        }
    }

    /// Variance at a look-up whose sum has variance `sum`.
    pub fn at_lookup(&self, sum: f64) -> f64 {
        sum + self.key_switch + self.modulus_switch
    }
}

/// log2 of the probability that Gaussian noise of this variance moves an integer whose step is `step`, both of the torus:
/// `2 Q(x) <= min(1, sqrt(2 / pi) / x) exp(-x^2 / 2)` at `x = step / 2 sigma`.
pub fn failure_log2(variance: f64, step: f64) -> f64 {
    let x = step / 2.0 / variance.sqrt();
    let factor = ((2.0 / std::f64::consts::PI).sqrt() / x).min(1.0);
    factor.log2() - x * x / 2.0 * std::f64::consts::LOG2_E
}
