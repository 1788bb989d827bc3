//! The operations on simulated features.

use super::{Noise, Planner, SimulatedFeatures, root_mean_square};
use crate::error::CircuitError;
use crate::integers::LIMIT_BITS;
use ckks::{HomomorphicOps, LinearMap, scales_agree};

fn same_features(op: &'static str, found: usize, wanted: usize) -> Result<(), CircuitError> {
    if found == wanted {
        Ok(())
    } else {
        Err(CircuitError::Features { op, found, wanted })
    }
}

/// One constant for all, or one per feature.
fn constants(op: &'static str, list: &[f64], features: usize) -> Result<f64, CircuitError> {
    if list.len() != 1 {
        same_features(op, list.len(), features)?;
    }
    Ok(list
        .iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs())))
}

/// Feature by feature.
fn pairwise(a: &[f64], b: &[f64], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| of(*a, *b)).collect()
}

/// The magnitudes of constants, one for every feature.
fn factors(list: &[f64]) -> impl Iterator<Item = f64> {
    list.iter().cycle().map(|value| value.abs())
}

impl Planner<'_> {
    /// The noise of a product of two values, or of a square: `v f + w e + e f` for values v, w with noise e, f.
    fn product_noise(&self, a: &SimulatedFeatures, b: &SimulatedFeatures, square: bool) -> Noise {
        let Some(model) = self.model() else {
            return Noise::default();
        };
        let (a_bound, b_bound) = (a.bound * a.scale, b.bound * b.scale);
        let mut noise = b
            .noise
            .times(a_bound + self.noise_bound(a))
            .plus(&a.noise.times(b_bound));
        let a_parts = a.typical.iter().zip(&a.noise.typical);
        let parts = a_parts.zip(b.typical.iter().zip(&b.noise.typical));
        noise.typical = parts
            .map(|((v, e), (w, f))| {
                if square {
                    model.square(v * a.scale, *e)
                } else {
                    model.multiply(v * a.scale, *e, w * b.scale, *f)
                }
            })
            .collect();
        noise
    }

    /// A product before its relinearisation.
    fn product(
        &self,
        a: &SimulatedFeatures,
        b: &SimulatedFeatures,
        square: bool,
        components: usize,
    ) -> SimulatedFeatures {
        SimulatedFeatures {
            level: a.level.min(b.level),
            scale: a.scale * b.scale,
            features: a.features,
            components,
            bound: a.bound * b.bound,
            typical: pairwise(&a.typical, &b.typical, |v, w| v * w),
            noise: self.product_noise(a, b, square),
            rounding: pairwise(
                &pairwise(&a.typical, &b.rounding, |v, f| v * f),
                &pairwise(&b.typical, &a.rounding, |w, e| w * e),
                |left, right| left + right,
            ),
        }
    }

    fn relinearized(&self, noise: Noise, level: usize) -> Noise {
        self.model().map_or(Noise::default(), |model| {
            let deviation = model.relinearize(level);
            noise.and_key_dependent(deviation, deviation)
        })
    }

    /// The level below, with the noise that dividing leaves.
    fn divided(&self, v: SimulatedFeatures, noise: &Noise, components: usize) -> SimulatedFeatures {
        let prime = self.prime(v.level, v.scale);
        let noise = self.model().map_or(Noise::default(), |model| {
            let (typical, largest) = model.rescale_with_tails(components);
            noise
                .times(prime.recip())
                .and_key_dependent(typical, largest)
        });
        let SimulatedFeatures {
            level,
            scale,
            features,
            bound,
            typical,
            rounding,
            ..
        } = v;
        SimulatedFeatures {
            level: level - 1,
            scale: scale / prime,
            features,
            components,
            bound,
            typical,
            noise,
            rounding,
        }
    }
}

/// A level to drop.
fn check_level(op: &'static str, v: &SimulatedFeatures) -> Result<(), CircuitError> {
    if v.level > 0 {
        return Ok(());
    }
    Err(CircuitError::Level {
        op,
        level: 0,
        wanted: "at least 1".into(),
    })
}

fn check_components(
    op: &'static str,
    v: &SimulatedFeatures,
    wanted: usize,
) -> Result<(), CircuitError> {
    if v.components == wanted {
        return Ok(());
    }
    Err(CircuitError::Components {
        op,
        found: v.components,
        wanted,
    })
}

impl HomomorphicOps for Planner<'_> {
    type Value = SimulatedFeatures;
    type Error = CircuitError;

    fn level(&self, v: &SimulatedFeatures) -> usize {
        v.level
    }

    fn scale(&self, v: &SimulatedFeatures) -> f64 {
        v.scale
    }

    fn features(&self, v: &SimulatedFeatures) -> usize {
        v.features
    }

    fn components(&self, v: &SimulatedFeatures) -> usize {
        v.components
    }

    fn linear(
        &self,
        v: &SimulatedFeatures,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<SimulatedFeatures, CircuitError> {
        same_features("linear", v.features, map.inputs())?;
        let facts = self.facts.of(map);
        self.spend(|cost| cost.linear(&facts, v.features, v.level + 1, v.components));
        let spread = facts.row_sum / weight_scale;
        // The simulator has to hold what ciphertexts do.
        if (v.bound * v.scale * facts.row_sum).log2() > f64::from(LIMIT_BITS) - 0.5 {
            return Err(CircuitError::Overflow {
                op: "linear",
                limit_bits: LIMIT_BITS,
            });
        }
        // Plain sums have no weights to round; elsewhere each is off by up to a half, uniformly.
        let rounded = if weight_scale == 1.0 {
            0.0
        } else {
            root_mean_square(&v.typical) * (facts.taps / 12.0).sqrt() / weight_scale
        };
        let rounding = facts.spread(&v.rounding).into_iter();
        Ok(SimulatedFeatures {
            level: v.level,
            scale: v.scale * weight_scale,
            features: map.outputs(),
            components: v.components,
            bound: v.bound * spread,
            typical: vec![root_mean_square(&v.typical) * spread; map.outputs()],
            noise: v.noise.map(|part| facts.spread(part)),
            rounding: rounding
                .map(|before| rounded.hypot(before / weight_scale))
                .collect(),
        })
    }

    fn add_constants(
        &self,
        mut v: SimulatedFeatures,
        list: &[f64],
    ) -> Result<SimulatedFeatures, CircuitError> {
        let largest = constants("add_constants", list, v.features)?;
        v.bound += largest;
        for (typical, constant) in v.typical.iter_mut().zip(factors(list)) {
            *typical = typical.hypot(constant);
        }
        Ok(v)
    }

    fn multiply_constants(
        &self,
        v: &SimulatedFeatures,
        list: &[f64],
        target_scale: f64,
    ) -> Result<SimulatedFeatures, CircuitError> {
        let largest = constants("multiply_constants", list, v.features)?;
        self.spend(|cost| cost.pass(v.features, v.level + 1, v.components));
        Ok(SimulatedFeatures {
            level: v.level,
            scale: target_scale,
            features: v.features,
            components: v.components,
            bound: v.bound * largest,
            typical: v
                .typical
                .iter()
                .zip(factors(list))
                .map(|(typical, factor)| typical * factor)
                .collect(),
            noise: v.noise.map(|part| {
                let factors = factors(list).map(|factor| factor * target_scale / v.scale);
                part.iter()
                    .zip(factors)
                    .map(|(part, factor)| part * factor)
                    .collect()
            }),
            rounding: v
                .rounding
                .iter()
                .zip(factors(list))
                .map(|(part, factor)| part * factor)
                .collect(),
        })
    }

    fn add(
        &self,
        mut a: SimulatedFeatures,
        b: &SimulatedFeatures,
    ) -> Result<SimulatedFeatures, CircuitError> {
        same_features("add", b.features, a.features)?;
        check_components("add", b, a.components)?;
        if a.level != b.level {
            return Err(CircuitError::Level {
                op: "add",
                level: b.level,
                wanted: a.level.to_string(),
            });
        }
        if !scales_agree(a.scale, b.scale) {
            return Err(CircuitError::Scales {
                op: "add",
                left: a.scale.log2(),
                right: b.scale.log2(),
            });
        }
        self.spend(|cost| cost.pass(a.features, a.level + 1, a.components));
        a.bound += b.bound;
        a.typical = pairwise(&a.typical, &b.typical, f64::hypot);
        a.noise = a.noise.plus(&b.noise);
        for (a, b) in a.rounding.iter_mut().zip(&b.rounding) {
            *a += b;
        }
        Ok(a)
    }

    fn square(&self, v: &SimulatedFeatures) -> Result<SimulatedFeatures, CircuitError> {
        check_components("square", v, 2)?;
        self.switch_keys(v.features);
        self.spend(|cost| cost.product(v.features, v.level + 1));
        let mut squared = self.product(v, v, true, 2);
        squared.noise = self.relinearized(squared.noise, v.level);
        Ok(squared)
    }

    fn tensor_square(&self, v: &SimulatedFeatures) -> Result<SimulatedFeatures, CircuitError> {
        self.spend(|cost| cost.tensor_square(v.features, v.level + 1, v.components));
        Ok(self.product(v, v, true, 2 * v.components - 1))
    }

    fn relinearize(&self, mut v: SimulatedFeatures) -> Result<SimulatedFeatures, CircuitError> {
        check_components("relinearize", &v, 3)?;
        self.switch_keys(v.features);
        self.spend(|cost| cost.relinearize(v.features, v.level + 1));
        let noise = self.relinearized(std::mem::take(&mut v.noise), v.level);
        Ok(SimulatedFeatures {
            components: 2,
            noise,
            ..v
        })
    }

    fn relinearize_rescale(&self, v: SimulatedFeatures) -> Result<SimulatedFeatures, CircuitError> {
        check_components("relinearize_rescale", &v, 3)?;
        check_level("relinearize_rescale", &v)?;
        self.demand(&v)?;
        self.switch_keys(v.features);
        self.spend(|cost| cost.relinearize_rescale(v.features, v.level + 1));
        let noise = self.relinearized(v.noise.clone(), v.level);
        Ok(self.divided(v, &noise, 2))
    }

    fn multiply(
        &self,
        a: &SimulatedFeatures,
        b: &SimulatedFeatures,
    ) -> Result<SimulatedFeatures, CircuitError> {
        same_features("multiply", b.features, a.features)?;
        check_components("multiply", a, 2)?;
        check_components("multiply", b, 2)?;
        let mut product = self.product(a, b, false, 2);
        self.switch_keys(a.features);
        self.spend(|cost| cost.product(a.features, product.level + 1));
        product.noise = self.relinearized(product.noise, product.level);
        Ok(product)
    }

    fn rescale(&self, v: SimulatedFeatures) -> Result<SimulatedFeatures, CircuitError> {
        check_level("rescale", &v)?;
        self.demand(&v)?;
        self.spend(|cost| cost.rescale(v.features, v.level + 1, v.components));
        let (noise, components) = (v.noise.clone(), v.components);
        Ok(self.divided(v, &noise, components))
    }

    fn drop_to(
        &self,
        v: &SimulatedFeatures,
        level: usize,
    ) -> Result<SimulatedFeatures, CircuitError> {
        if level > v.level {
            let wanted = format!("at most {}", v.level);
            return Err(CircuitError::Level {
                op: "drop_to",
                level,
                wanted,
            });
        }
        Ok(SimulatedFeatures {
            level,
            typical: v.typical.clone(),
            noise: v.noise.clone(),
            rounding: v.rounding.clone(),
            ..*v
        })
    }
}
