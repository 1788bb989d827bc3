//! The noise of one image after another, where the planner can only bound that of all images at once.
//!
//! What a product makes of noise depends on the values that it meets. The search plans for the largest value in every feature at the same
//! time, which no image has; here real images go through the circuit in the clear, and with each the standard deviation of the noise that
//! its own values leave. The largest over the images, with a margin for those to come, is the bound; their mean square is the precision.
//! Squares of squares make some images far noisier than others: how far the next ones may go beyond those that were looked at is read from
//! how the noisiest of these spread (Hill, Ann. Statist. 3, 1975).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::CircuitError;
use super::execute::execute;
use super::integer_map::apply_map;
use super::plan::Plan;
use super::planning::{Noise, Tails, root_mean_square};
use super::types::Circuit;
use ckks::{HomomorphicOps, LinearMap, NoiseModel, Parameters, Ring};
use cryptodl_data::Images;

/// How much more noise an image may have than any of those that were looked at, at least: half a bit.
const MARGIN: f64 = std::f64::consts::SQRT_2;
/// The bound is for so many full batches.
const BATCHES: f64 = 10.0;

/// The noise to expect in the logits, judged by images of the training data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseEstimate {
    /// Number of images that it was judged by.
    pub images: usize,
    /// The largest error of a logit to expect in any slot: one evaluation in about a million passes it.
    pub error_bound: f64,
    /// -log2 of the root mean square of the errors.
    pub precision_bits: f64,
}

/// Estimates the noise of the logits under a plan from `images`; `None` without images.
///
/// # Errors
/// [`CircuitError::Images`] for images of another shape, and what the plan's parameters fail with.
pub fn estimate_noise(
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
) -> Result<Option<NoiseEstimate>, CircuitError> {
    if images.shape != circuit.input {
        return Err(CircuitError::Images {
            found: images.shape.len(),
            wanted: circuit.input.len(),
        });
    }
    let parameters = Parameters::new(plan.parameters.clone())?;
    estimate_noise_on(&parameters, circuit, plan, images)
}

/// As [`estimate_noise`], on a parameter set of one's own.
pub(super) fn estimate_noise_on(
    parameters: &Parameters,
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
) -> Result<Option<NoiseEstimate>, CircuitError> {
    let noise = PerImageNoise::new(parameters);
    let operations = plan.schedule.operations(circuit);
    let of_image = |index: usize| -> Result<(f64, f64), CircuitError> {
        let mut pixels = Vec::with_capacity(circuit.input.len());
        circuit.normalise(images.image(index), &mut pixels);
        let input = noise.encrypt(&pixels, plan.input_scale);
        let output = execute(&noise, &operations, input, &mut ())?;
        let bound = noise.tails(output.values.len()).bound(&output.noise);
        let typical = root_mean_square(&output.noise.typical);
        Ok((bound / output.scale, typical / output.scale))
    };
    let each: Result<Vec<_>, CircuitError> =
        (0..images.len()).into_par_iter().map(of_image).collect();
    let each = each?;
    if each.is_empty() {
        return Ok(None);
    }
    let bounds: Vec<f64> = each.iter().map(|(bound, _)| *bound).collect();
    let largest = bounds.iter().copied().fold(0.0, f64::max);
    let to_come = BATCHES * parameters.slots() as f64;
    let margin = MARGIN.max(growth(bounds, to_come));
    let typical: Vec<f64> = each.into_iter().map(|(_, typical)| typical).collect();
    Ok(Some(NoiseEstimate {
        images: typical.len(),
        error_bound: margin * largest,
        precision_bits: -root_mean_square(&typical).log2(),
    }))
}

/// A slot that holds no image but zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct IdleSlot {
    /// Its logits.
    pub logits: Vec<f64>,
    /// The largest error of one of them to expect in any slot: one evaluation in about a million passes it.
    pub error_bound: f64,
}

/// What a slot without an image decrypts to.
///
/// # Errors
/// What the plan's parameters fail with.
pub fn idle_slot(circuit: &Circuit, plan: &Plan) -> Result<IdleSlot, CircuitError> {
    let parameters = Parameters::new(plan.parameters.clone())?;
    let noise = PerImageNoise::new(&parameters);
    let input = noise.encrypt(&vec![0.0; circuit.input.len()], plan.input_scale);
    let operations = plan.schedule.operations(circuit);
    let output = execute(&noise, &operations, input, &mut ())?;
    let bound = noise.tails(output.values.len()).bound(&output.noise);
    Ok(IdleSlot {
        logits: output
            .values
            .iter()
            .map(|value| value / output.scale)
            .collect(),
        error_bound: MARGIN * bound / output.scale,
    })
}

/// How many times the largest of `values` the largest of `count` further ones will be, if the tail of their distribution is a power law:
/// with Hill's estimate of its exponent from the square root of their number.
fn growth(mut values: Vec<f64>, count: f64) -> f64 {
    values.sort_by(|a, b| b.total_cmp(a));
    let top = (values.len() as f64).sqrt() as usize;
    let Some(least) = values.get(top).copied().filter(|least| *least > 0.0) else {
        return 1.0;
    };
    let logs = values.iter().take(top).map(|value| (value / least).ln());
    let exponent = logs.sum::<f64>() / top.max(1) as f64;
    (count / values.len() as f64).max(1.0).powf(exponent)
}

/// The operations on one image's values and the size of the noise in each.
struct PerImageNoise<'a> {
    parameters: &'a Parameters,
    model: NoiseModel,
}

/// One image's features: the integers, as closely as doubles hold them, and the noise of each.
struct NoisyImage {
    level: usize,
    scale: f64,
    components: usize,
    values: Vec<f64>,
    noise: Noise,
}

impl<'a> PerImageNoise<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            parameters,
            model: NoiseModel::new(parameters),
        }
    }

    fn encrypt(&self, pixels: &[f64], scale: f64) -> NoisyImage {
        NoisyImage {
            level: self.parameters.max_level(),
            scale,
            components: 2,
            values: pixels.iter().map(|value| value * scale).collect(),
            noise: Noise::fresh(pixels.len(), self.model.fresh()),
        }
    }

    /// How far noise reaches, over so many features and all slots.
    fn tails(&self, features: usize) -> Tails {
        let real = self.parameters.ring() == Ring::ConjugateInvariant;
        Tails::over(features as f64 * self.parameters.slots() as f64, real)
    }

    /// A product before its relinearisation: `v f + w e + e f` for values v, w with noise e, f.
    fn product(
        &self,
        a: &NoisyImage,
        b: &NoisyImage,
        square: bool,
        components: usize,
    ) -> NoisyImage {
        let tails = self.tails(a.values.len());
        let reach =
            |noise: &Noise, at: usize| tails.reach(noise.fresh[at], noise.key_dependent[at]);
        let part = |a_part: &[f64], b_part: &[f64]| -> Vec<f64> {
            let each = |at: usize| {
                let (v, w) = (a.values[at].abs(), b.values[at].abs());
                b_part[at] * (v + reach(&a.noise, at)) + a_part[at] * w
            };
            (0..a.values.len()).map(each).collect()
        };
        let typical = |at: usize| {
            let (v, w) = (a.values[at], b.values[at]);
            let (e, f) = (a.noise.typical[at], b.noise.typical[at]);
            if square {
                self.model.square(v, e)
            } else {
                self.model.multiply(v, e, w, f)
            }
        };
        NoisyImage {
            level: a.level.min(b.level),
            scale: a.scale * b.scale,
            components,
            values: a.values.iter().zip(&b.values).map(|(v, w)| v * w).collect(),
            noise: Noise {
                typical: (0..a.values.len()).map(typical).collect(),
                fresh: part(&a.noise.fresh, &b.noise.fresh),
                key_dependent: part(&a.noise.key_dependent, &b.noise.key_dependent),
            },
        }
    }

    fn relinearized(&self, mut v: NoisyImage) -> NoisyImage {
        let deviation = self.model.relinearize(v.level);
        v.noise = v.noise.and_key_dependent(deviation, deviation);
        v.components = 2;
        v
    }
}

/// Constants, one for all or one a feature.
fn constants(op: &'static str, list: &[f64], features: usize) -> Result<Vec<f64>, CircuitError> {
    match list {
        [one] => Ok(vec![*one; features]),
        _ if list.len() == features => Ok(list.to_vec()),
        _ => Err(CircuitError::Features {
            op,
            found: list.len(),
            wanted: features,
        }),
    }
}

impl HomomorphicOps for PerImageNoise<'_> {
    type Value = NoisyImage;
    type Error = CircuitError;

    fn level(&self, v: &NoisyImage) -> usize {
        v.level
    }

    fn scale(&self, v: &NoisyImage) -> f64 {
        v.scale
    }

    fn features(&self, v: &NoisyImage) -> usize {
        v.values.len()
    }

    fn components(&self, v: &NoisyImage) -> usize {
        v.components
    }

    fn linear(
        &self,
        v: &NoisyImage,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<NoisyImage, CircuitError> {
        let spread = |part: &[f64]| -> Vec<f64> {
            let squares: Vec<f64> = part.iter().map(|noise| noise * noise).collect();
            let sums = apply_map(map, &squares, |weight| f64::from(weight).powi(2));
            sums.into_iter().map(f64::sqrt).collect()
        };
        Ok(NoisyImage {
            level: v.level,
            scale: v.scale * weight_scale,
            components: v.components,
            values: apply_map(map, &v.values, f64::from),
            noise: v.noise.map(spread),
        })
    }

    fn add_constants(&self, mut v: NoisyImage, list: &[f64]) -> Result<NoisyImage, CircuitError> {
        let list = constants("add_constants", list, v.values.len())?;
        for (value, constant) in v.values.iter_mut().zip(list) {
            *value += constant * v.scale;
        }
        Ok(v)
    }

    fn multiply_constants(
        &self,
        v: &NoisyImage,
        list: &[f64],
        target_scale: f64,
    ) -> Result<NoisyImage, CircuitError> {
        let mut factors = constants("multiply_constants", list, v.values.len())?;
        for factor in &mut factors {
            *factor *= target_scale / v.scale;
        }
        let times = |part: &[f64]| -> Vec<f64> {
            let pairs = part.iter().zip(&factors);
            pairs.map(|(part, factor)| part * factor.abs()).collect()
        };
        let values = v.values.iter().zip(&factors);
        Ok(NoisyImage {
            level: v.level,
            scale: target_scale,
            components: v.components,
            values: values.map(|(value, factor)| value * factor).collect(),
            noise: v.noise.map(times),
        })
    }

    fn add(&self, mut a: NoisyImage, b: &NoisyImage) -> Result<NoisyImage, CircuitError> {
        for (a, b) in a.values.iter_mut().zip(&b.values) {
            *a += b;
        }
        a.noise = a.noise.plus(&b.noise);
        Ok(a)
    }

    fn square(&self, v: &NoisyImage) -> Result<NoisyImage, CircuitError> {
        Ok(self.relinearized(self.product(v, v, true, 3)))
    }

    fn tensor_square(&self, v: &NoisyImage) -> Result<NoisyImage, CircuitError> {
        Ok(self.product(v, v, true, 2 * v.components - 1))
    }

    fn relinearize(&self, v: NoisyImage) -> Result<NoisyImage, CircuitError> {
        Ok(self.relinearized(v))
    }

    fn relinearize_rescale(&self, v: NoisyImage) -> Result<NoisyImage, CircuitError> {
        self.rescale(self.relinearized(v))
    }

    fn multiply(&self, a: &NoisyImage, b: &NoisyImage) -> Result<NoisyImage, CircuitError> {
        Ok(self.relinearized(self.product(a, b, false, 3)))
    }

    fn rescale(&self, mut v: NoisyImage) -> Result<NoisyImage, CircuitError> {
        let Some(prime) = self
            .parameters
            .primes()
            .get(v.level)
            .filter(|_| v.level > 0)
        else {
            return Err(CircuitError::Level {
                op: "rescale",
                level: v.level,
                wanted: "at least 1".into(),
            });
        };
        let factor = (*prime as f64).recip();
        let (typical, largest) = self.model.rescale_with_tails(v.components);
        for value in &mut v.values {
            *value *= factor;
        }
        v.noise = v.noise.times(factor).and_key_dependent(typical, largest);
        (v.level, v.scale) = (v.level - 1, v.scale * factor);
        Ok(v)
    }

    fn drop_to(&self, v: &NoisyImage, level: usize) -> Result<NoisyImage, CircuitError> {
        Ok(NoisyImage {
            level,
            scale: v.scale,
            components: v.components,
            values: v.values.clone(),
            noise: v.noise.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::growth;

    /// Quantiles of a Pareto distribution with that exponent: x = u^-exponent.
    fn pareto(count: usize, exponent: f64) -> Vec<f64> {
        let quantile = |at: usize| ((at as f64 + 0.5) / count as f64).powf(-exponent);
        (0..count).map(quantile).collect()
    }

    #[test]
    fn the_largest_of_more_grows_with_the_tail() {
        for exponent in [0.05, 0.2, 0.5] {
            let found = growth(pareto(2_000, exponent), 200_000.0);
            let exact = 100_f64.powf(exponent);
            assert!(
                (found / exact).ln().abs() < 0.25 * exponent * 100_f64.ln(),
                "{exponent}: {found}"
            );
        }
        // None are to come, all are alike, there is nothing.
        assert_eq!(growth(pareto(100, 0.5), 50.0), 1.0);
        assert_eq!(growth(vec![3.0; 50], 1e6), 1.0);
        assert_eq!(growth(vec![0.0; 50], 1e6), 1.0);
        assert_eq!(growth(Vec::new(), 1e6), 1.0);
        assert_eq!(growth(vec![1.0], 1e6), 1.0);
    }
}
