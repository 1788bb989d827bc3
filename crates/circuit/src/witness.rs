//! The noise of one image after the other: what the planner can only bound for all images at once.
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
use ckks::{LinearMap, Machine, NoiseModel, Parameters, Ring};
use cryptodl_data::Images;

/// How much more noise an image may have than any of those that were looked at, at least: half a bit.
const MARGIN: f64 = std::f64::consts::SQRT_2;
/// The bound is for so many full batches.
const BATCHES: f64 = 10.0;

/// What is to be expected of the logits' noise, by images of the training data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Images looked at.
    pub images: usize,
    /// The largest error of a logit to expect in any slot: one evaluation in about a million passes it.
    pub error_bound: f64,
    /// -log2 of the root mean square of the errors.
    pub precision_bits: f64,
}

/// Looks at the noise of `images` under a plan; none without images.
///
/// # Errors
/// [`CircuitError::Images`] for images of another shape, and what the plan's parameters fail with.
pub fn forecast(
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
) -> Result<Option<Forecast>, CircuitError> {
    if images.shape != circuit.input {
        return Err(CircuitError::Images {
            found: images.shape.len(),
            wanted: circuit.input.len(),
        });
    }
    let parameters = Parameters::new(plan.parameters.clone())?;
    forecast_on(&parameters, circuit, plan, images)
}

/// As [`forecast`], on a parameter set of one's own.
pub(super) fn forecast_on(
    parameters: &Parameters,
    circuit: &Circuit,
    plan: &Plan,
    images: &Images,
) -> Result<Option<Forecast>, CircuitError> {
    let witness = Witness::new(parameters);
    let operations = plan.schedule.operations(circuit);
    let of_image = |index: usize| -> Result<(f64, f64), CircuitError> {
        let mut pixels = Vec::with_capacity(circuit.input.len());
        circuit.normalise(images.image(index), &mut pixels);
        let input = witness.encrypt(&pixels, plan.input_scale);
        let output = execute(&witness, &operations, input, &mut ())?;
        let bound = witness.tails(output.values.len()).bound(&output.noise);
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
    Ok(Some(Forecast {
        images: typical.len(),
        error_bound: margin * largest,
        precision_bits: -root_mean_square(&typical).log2(),
    }))
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

/// The machine of one image and the size of its noise.
struct Witness<'a> {
    parameters: &'a Parameters,
    model: NoiseModel,
}

/// One image's features: the integers (as good as doubles hold them) and the noise that each has.
struct Witnessed {
    level: usize,
    scale: f64,
    components: usize,
    values: Vec<f64>,
    noise: Noise,
}

impl<'a> Witness<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            parameters,
            model: NoiseModel::new(parameters),
        }
    }

    fn encrypt(&self, pixels: &[f64], scale: f64) -> Witnessed {
        Witnessed {
            level: self.parameters.max_level(),
            scale,
            components: 2,
            values: pixels.iter().map(|value| value * scale).collect(),
            noise: Noise::fresh(pixels.len(), self.model.fresh()),
        }
    }

    /// How far noise reaches in that many features of all slots.
    fn tails(&self, features: usize) -> Tails {
        let real = self.parameters.ring() == Ring::ConjugateInvariant;
        Tails::over(features as f64 * self.parameters.slots() as f64, real)
    }

    /// A product before its relinearisation: `v f + w e + e f` for values v, w with noise e, f.
    fn product(&self, a: &Witnessed, b: &Witnessed, square: bool, components: usize) -> Witnessed {
        let tails = self.tails(a.values.len());
        let reach = |noise: &Noise, at: usize| tails.reach(noise.plain[at], noise.keyed[at]);
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
        Witnessed {
            level: a.level.min(b.level),
            scale: a.scale * b.scale,
            components,
            values: a.values.iter().zip(&b.values).map(|(v, w)| v * w).collect(),
            noise: Noise {
                typical: (0..a.values.len()).map(typical).collect(),
                plain: part(&a.noise.plain, &b.noise.plain),
                keyed: part(&a.noise.keyed, &b.noise.keyed),
            },
        }
    }

    fn relinearized(&self, mut v: Witnessed) -> Witnessed {
        let deviation = self.model.relinearize(v.level);
        v.noise = v.noise.and_keyed(deviation, deviation);
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

impl Machine for Witness<'_> {
    type Value = Witnessed;
    type Error = CircuitError;

    fn level(&self, v: &Witnessed) -> usize {
        v.level
    }

    fn scale(&self, v: &Witnessed) -> f64 {
        v.scale
    }

    fn features(&self, v: &Witnessed) -> usize {
        v.values.len()
    }

    fn components(&self, v: &Witnessed) -> usize {
        v.components
    }

    fn linear(
        &self,
        v: &Witnessed,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<Witnessed, CircuitError> {
        let spread = |part: &[f64]| -> Vec<f64> {
            let squares: Vec<f64> = part.iter().map(|noise| noise * noise).collect();
            let sums = apply_map(map, &squares, |sum: f64, value, weight| {
                let weight = f64::from(weight);
                sum + value * weight * weight
            });
            sums.into_iter().map(f64::sqrt).collect()
        };
        Ok(Witnessed {
            level: v.level,
            scale: v.scale * weight_scale,
            components: v.components,
            values: apply_map(map, &v.values, |sum: f64, value, weight| {
                sum + value * f64::from(weight)
            }),
            noise: v.noise.map(spread),
        })
    }

    fn add_constants(&self, mut v: Witnessed, list: &[f64]) -> Result<Witnessed, CircuitError> {
        let list = constants("add_constants", list, v.values.len())?;
        for (value, constant) in v.values.iter_mut().zip(list) {
            *value += constant * v.scale;
        }
        Ok(v)
    }

    fn multiply_constants(
        &self,
        v: &Witnessed,
        list: &[f64],
        target_scale: f64,
    ) -> Result<Witnessed, CircuitError> {
        let mut factors = constants("multiply_constants", list, v.values.len())?;
        for factor in &mut factors {
            *factor *= target_scale / v.scale;
        }
        let times = |part: &[f64]| -> Vec<f64> {
            let pairs = part.iter().zip(&factors);
            pairs.map(|(part, factor)| part * factor.abs()).collect()
        };
        let values = v.values.iter().zip(&factors);
        Ok(Witnessed {
            level: v.level,
            scale: target_scale,
            components: v.components,
            values: values.map(|(value, factor)| value * factor).collect(),
            noise: v.noise.map(times),
        })
    }

    fn add(&self, mut a: Witnessed, b: &Witnessed) -> Result<Witnessed, CircuitError> {
        for (a, b) in a.values.iter_mut().zip(&b.values) {
            *a += b;
        }
        a.noise = a.noise.plus(&b.noise);
        Ok(a)
    }

    fn square(&self, v: &Witnessed) -> Result<Witnessed, CircuitError> {
        Ok(self.relinearized(self.product(v, v, true, 3)))
    }

    fn tensor_square(&self, v: &Witnessed) -> Result<Witnessed, CircuitError> {
        Ok(self.product(v, v, true, 2 * v.components - 1))
    }

    fn relinearize(&self, v: Witnessed) -> Result<Witnessed, CircuitError> {
        Ok(self.relinearized(v))
    }

    fn relinearize_rescale(&self, v: Witnessed) -> Result<Witnessed, CircuitError> {
        self.rescale(self.relinearized(v))
    }

    fn multiply(&self, a: &Witnessed, b: &Witnessed) -> Result<Witnessed, CircuitError> {
        Ok(self.relinearized(self.product(a, b, false, 3)))
    }

    fn rescale(&self, mut v: Witnessed) -> Result<Witnessed, CircuitError> {
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
        v.noise = v.noise.times(factor).and_keyed(typical, largest);
        (v.level, v.scale) = (v.level - 1, v.scale * factor);
        Ok(v)
    }

    fn drop_to(&self, v: &Witnessed, level: usize) -> Result<Witnessed, CircuitError> {
        Ok(Witnessed {
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
