//! What the tests share: small engines, and a machine that predicts the noise of a circuit.

use std::sync::Arc;

use ckks::{
    CiphertextSet, EvaluationKey, Evaluator, HomomorphicOps, LinearMap, NoiseModel, Parameters,
    ParametersLiteral, Ring, SecretKey, scales_agree,
};

pub const RINGS: [Ring; 2] = [Ring::Standard, Ring::ConjugateInvariant];

/// An insecure set of small degree.
pub fn parameters(ring: Ring, log_n: u32, prime_bits: &[u32], special_bits: &[u32]) -> Parameters {
    Parameters::insecure_for_tests(ParametersLiteral {
        ring,
        log_n,
        prime_bits: prime_bits.to_vec(),
        special_bits: special_bits.to_vec(),
    })
    .unwrap()
}

/// Both sides of one key.
pub struct Engine {
    pub parameters: Parameters,
    pub secret: SecretKey,
    pub evaluator: Evaluator,
    pub predictor: Predictor,
}

impl Engine {
    pub fn new(parameters: Parameters) -> Self {
        let secret = SecretKey::generate(&parameters).unwrap();
        let switches = !parameters.special_primes().is_empty();
        let key = switches.then(|| Arc::new(EvaluationKey::generate(&secret).unwrap()));
        Self {
            evaluator: Evaluator::new(parameters.clone(), key).unwrap(),
            predictor: Predictor {
                model: NoiseModel::new(&parameters),
                primes: parameters.primes().iter().map(|&p| p as f64).collect(),
            },
            parameters,
            secret,
        }
    }

    pub fn encrypt(&self, values: &[f64], features: usize, scale: f64) -> CiphertextSet {
        self.secret
            .encrypt(values, features, scale)
            .unwrap()
            .expand()
    }

    /// The prediction for a fresh encryption of values of that magnitude.
    pub fn fresh(&self, features: usize, scale: f64, bound: f64) -> Prediction {
        Prediction {
            level: self.parameters.max_level(),
            scale,
            features,
            components: 2,
            bound,
            sigma: self.predictor.model.fresh(),
        }
    }

    /// Decrypts and compares the first slots of every feature with what they should be; returns the
    /// largest difference in standard deviations, which is also checked to be believable.
    pub fn compare(
        &self,
        set: &CiphertextSet,
        predicted: &Prediction,
        expected: &[Vec<f64>],
    ) -> f64 {
        assert_eq!(set.level(), predicted.level);
        assert_eq!(set.components(), predicted.components);
        assert!(scales_agree(set.scale(), predicted.scale));
        let values = self.secret.decrypt(set).unwrap();
        let mut worst = 0.0f64;
        for (row, expected) in values.chunks(self.parameters.slots()).zip(expected) {
            for (value, expected) in row.iter().zip(expected) {
                // what doubles lose on the way
                let float = 1e-13 * expected.abs().max(1.0) * self.parameters.ring_degree() as f64;
                let error = ((value - expected).abs() - float).max(0.0);
                worst = worst.max(error * set.scale() / predicted.sigma);
            }
        }
        // the worst slot of a key, and a tail of six deviations over all slots and cases
        let limit = 6.0 * self.predictor.model.worst_slot_factor();
        assert!(worst < limit, "an error of {worst} predicted deviations");
        worst
    }
}

/// Levels, scales, bounds and noise alone.
pub struct Predictor {
    pub model: NoiseModel,
    primes: Vec<f64>,
}

#[derive(Clone, Debug)]
pub struct Prediction {
    pub level: usize,
    pub scale: f64,
    pub features: usize,
    pub components: usize,
    /// Largest magnitude of a value.
    pub bound: f64,
    /// Standard deviation of the noise in units of the integers.
    pub sigma: f64,
}

impl Prediction {
    /// The magnitude of the integers.
    fn integer(&self) -> f64 {
        self.bound * self.scale
    }
}

impl HomomorphicOps for Predictor {
    type Value = Prediction;
    type Error = String;

    fn level(&self, v: &Prediction) -> usize {
        v.level
    }
    fn scale(&self, v: &Prediction) -> f64 {
        v.scale
    }
    fn features(&self, v: &Prediction) -> usize {
        v.features
    }
    fn components(&self, v: &Prediction) -> usize {
        v.components
    }
    fn linear(
        &self,
        v: &Prediction,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<Prediction, String> {
        Ok(Prediction {
            scale: v.scale * weight_scale,
            features: map.outputs(),
            bound: v.bound * map.max_abs_row_sum() as f64 / weight_scale,
            sigma: self.model.linear(v.sigma, map.max_row_sum_of_squares()),
            ..*v
        })
    }
    fn add_constants(&self, mut v: Prediction, constants: &[f64]) -> Result<Prediction, String> {
        v.bound += largest(constants);
        // rounding the constant moves every slot alike
        v.sigma = self.model.add(v.sigma, 0.5);
        Ok(v)
    }
    fn multiply_constants(
        &self,
        v: &Prediction,
        constants: &[f64],
        scale: f64,
    ) -> Result<Prediction, String> {
        let factor = largest(constants) * scale / v.scale;
        let rounding = 0.5 * v.integer();
        Ok(Prediction {
            scale,
            bound: v.bound * largest(constants),
            sigma: self.model.add(
                self.model.multiply_constant(v.sigma, factor + 0.5),
                rounding,
            ),
            ..*v
        })
    }
    fn add(&self, mut a: Prediction, b: &Prediction) -> Result<Prediction, String> {
        assert_eq!((a.level, scales_agree(a.scale, b.scale)), (b.level, true));
        a.bound += b.bound;
        a.sigma = self.model.add(a.sigma, b.sigma);
        Ok(a)
    }
    fn square(&self, v: &Prediction) -> Result<Prediction, String> {
        let noise = self.model.square(v.integer(), v.sigma);
        Ok(Prediction {
            scale: v.scale * v.scale,
            bound: v.bound * v.bound,
            sigma: self.model.add(noise, self.model.relinearize(v.level)),
            ..*v
        })
    }
    fn tensor_square(&self, v: &Prediction) -> Result<Prediction, String> {
        Ok(Prediction {
            scale: v.scale * v.scale,
            bound: v.bound * v.bound,
            sigma: self.model.square(v.integer(), v.sigma),
            components: 2 * v.components - 1,
            ..*v
        })
    }
    fn relinearize(&self, mut v: Prediction) -> Result<Prediction, String> {
        v.components = 2;
        v.sigma = self.model.add(v.sigma, self.model.relinearize(v.level));
        Ok(v)
    }
    fn relinearize_rescale(&self, v: Prediction) -> Result<Prediction, String> {
        let prime = self.primes[v.level];
        Ok(Prediction {
            level: v.level.checked_sub(1).ok_or("no level left")?,
            scale: v.scale / prime,
            components: 2,
            sigma: self
                .model
                .after_relinearize_rescale(v.sigma, v.level, prime),
            ..v
        })
    }
    fn multiply(&self, a: &Prediction, b: &Prediction) -> Result<Prediction, String> {
        let level = a.level.min(b.level);
        let noise = self
            .model
            .multiply(a.integer(), a.sigma, b.integer(), b.sigma);
        Ok(Prediction {
            level,
            scale: a.scale * b.scale,
            bound: a.bound * b.bound,
            // powers of one value have noise in common
            sigma: self.model.add(2.0 * noise, self.model.relinearize(level)),
            ..*a
        })
    }
    fn rescale(&self, v: Prediction) -> Result<Prediction, String> {
        let prime = self.primes[v.level];
        Ok(Prediction {
            level: v.level.checked_sub(1).ok_or("no level left")?,
            scale: v.scale / prime,
            sigma: self.model.after_rescale(v.sigma, prime, v.components),
            ..v
        })
    }
    fn drop_to(&self, v: &Prediction, level: usize) -> Result<Prediction, String> {
        Ok(Prediction { level, ..v.clone() })
    }
}

fn largest(constants: &[f64]) -> f64 {
    constants.iter().fold(0.0, |max, c| c.abs().max(max))
}

/// Root of the mean square.
pub fn rms(values: impl IntoIterator<Item = f64>) -> f64 {
    let (count, sum) = values
        .into_iter()
        .fold((0usize, 0.0), |(count, sum), v| (count + 1, sum + v * v));
    (sum / count as f64).sqrt()
}
