//! The operations on clear integers: one image, one 128-bit integer a feature, every overflow an error.

use std::cell::{Cell, RefCell};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::error::CircuitError;
use super::integer_map::apply_map_exactly;
use ckks::{HomomorphicOps, LinearMap, NoiseModel, Parameters, scales_agree};

/// Values stay below 2^126, so that a sum of two does not overflow before it is checked.
pub(super) const LIMIT_BITS: u32 = 126;
const LIMIT: u128 = 1 << LIMIT_BITS;

/// One image's features at one level and scale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integers {
    pub level: usize,
    pub scale: f64,
    pub values: Vec<i128>,
}

/// One image's operations on integers.
pub(super) struct Simulator<'a> {
    primes: &'a [u64],
    /// Half the modulus of every level, or the limit of the integers where that is larger.
    halves: Vec<f64>,
    noise: Option<(&'a NoiseModel, RefCell<ChaCha8Rng>)>,
    wrapped: Cell<bool>,
}

impl<'a> Simulator<'a> {
    /// `noise` is a model and a seed; every image draws from a stream of its own.
    pub fn new(
        parameters: &'a Parameters,
        noise: Option<&'a (NoiseModel, u64)>,
        image: u64,
    ) -> Self {
        let halves =
            (0..parameters.primes().len()).map(|level| (parameters.log_q_at(level) - 1.0).exp2());
        let noise = noise.map(|(model, seed)| {
            let mut random = ChaCha8Rng::seed_from_u64(*seed);
            random.set_stream(image);
            (model, RefCell::new(random))
        });
        Self {
            primes: parameters.primes(),
            halves: halves.collect(),
            noise,
            wrapped: Cell::new(false),
        }
    }

    /// The integers that fresh ciphertexts of `values` hold.
    pub fn encrypt(&self, values: &[f64], scale: f64) -> Result<Integers, CircuitError> {
        let level = self.primes.len() - 1;
        let values = values.iter().map(|value| rounded("encrypt", value * scale));
        let values = values.collect::<Result<_, _>>()?;
        self.noisy(
            "encrypt",
            Integers {
                level,
                scale,
                values,
            },
            |model| model.fresh(),
        )
    }

    /// Remembers whether a value passes half the modulus.
    pub fn note_size(&self, value: &Integers) {
        let half = self.halves[value.level];
        if value
            .values
            .iter()
            .any(|value| value.unsigned_abs() as f64 >= half)
        {
            self.wrapped.set(true);
        }
    }

    /// Whether any value did.
    pub fn wrapped(&self) -> bool {
        self.wrapped.get()
    }

    /// Adds noise of the standard deviation that `deviation` reads from the model.
    fn noisy(
        &self,
        op: &'static str,
        mut value: Integers,
        deviation: impl Fn(&NoiseModel) -> f64,
    ) -> Result<Integers, CircuitError> {
        if let Some((model, random)) = &self.noise {
            let deviation = deviation(model);
            let mut random = random.borrow_mut();
            for pair in value.values.chunks_mut(2) {
                for (value, sample) in pair.iter_mut().zip(gaussian_pair(&mut random)) {
                    *value = checked(op, value.checked_add(rounded(op, deviation * sample)?))?;
                }
            }
        }
        Ok(value)
    }
}

/// Two independent standard normal numbers (Box and Muller 1958).
fn gaussian_pair(random: &mut ChaCha8Rng) -> [f64; 2] {
    let mut unit = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * unit()).sin_cos();
    [radius * cos, radius * sin]
}

fn overflow(op: &'static str) -> CircuitError {
    CircuitError::Overflow {
        op,
        limit_bits: LIMIT_BITS,
    }
}

/// An integer within the limit.
fn checked(op: &'static str, value: Option<i128>) -> Result<i128, CircuitError> {
    value
        .filter(|value| value.unsigned_abs() < LIMIT)
        .ok_or_else(|| overflow(op))
}

/// The nearest integer; NaN and what is past the limit are an error.
fn rounded(op: &'static str, value: f64) -> Result<i128, CircuitError> {
    if value.abs() < LIMIT as f64 {
        Ok(value.round() as i128)
    } else {
        Err(overflow(op))
    }
}

fn same_features(op: &'static str, found: usize, wanted: usize) -> Result<(), CircuitError> {
    if found == wanted {
        Ok(())
    } else {
        Err(CircuitError::Features { op, found, wanted })
    }
}

/// `change(value, constant)` for every feature, the constants one for all or one per feature, each rounded at `scale`.
fn with_constants(
    op: &'static str,
    values: &mut [i128],
    constants: &[f64],
    scale: f64,
    change: impl Fn(i128, i128) -> Option<i128>,
) -> Result<(), CircuitError> {
    if let [constant] = constants {
        let constant = rounded(op, constant * scale)?;
        for value in values {
            *value = checked(op, change(*value, constant))?;
        }
        return Ok(());
    }
    same_features(op, constants.len(), values.len())?;
    for (value, constant) in values.iter_mut().zip(constants) {
        *value = checked(op, change(*value, rounded(op, constant * scale)?))?;
    }
    Ok(())
}

impl HomomorphicOps for Simulator<'_> {
    type Value = Integers;
    type Error = CircuitError;

    fn level(&self, v: &Integers) -> usize {
        v.level
    }

    fn scale(&self, v: &Integers) -> f64 {
        v.scale
    }

    fn features(&self, v: &Integers) -> usize {
        v.values.len()
    }

    /// The integers of every component count are the same.
    fn components(&self, _: &Integers) -> usize {
        2
    }

    fn linear(
        &self,
        v: &Integers,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<Integers, CircuitError> {
        same_features("linear", v.values.len(), map.inputs())?;
        let row_sum = map.max_abs_row_sum().unsigned_abs();
        let largest = v
            .values
            .iter()
            .map(|value| value.unsigned_abs())
            .max()
            .unwrap_or(0);
        let reach = largest
            .checked_mul(u128::from(row_sum))
            .filter(|reach| *reach < LIMIT);
        reach.ok_or_else(|| overflow("linear"))?;
        Ok(Integers {
            level: v.level,
            scale: v.scale * weight_scale,
            values: apply_map_exactly(map, &v.values),
        })
    }

    fn add_constants(&self, mut v: Integers, constants: &[f64]) -> Result<Integers, CircuitError> {
        with_constants(
            "add_constants",
            &mut v.values,
            constants,
            v.scale,
            i128::checked_add,
        )?;
        Ok(v)
    }

    fn multiply_constants(
        &self,
        v: &Integers,
        constants: &[f64],
        target_scale: f64,
    ) -> Result<Integers, CircuitError> {
        let mut values = v.values.clone();
        let scale = target_scale / v.scale;
        with_constants(
            "multiply_constants",
            &mut values,
            constants,
            scale,
            i128::checked_mul,
        )?;
        Ok(Integers {
            level: v.level,
            scale: target_scale,
            values,
        })
    }

    fn add(&self, mut a: Integers, b: &Integers) -> Result<Integers, CircuitError> {
        same_features("add", b.values.len(), a.values.len())?;
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
        for (a, b) in a.values.iter_mut().zip(&b.values) {
            *a = checked("add", a.checked_add(*b))?;
        }
        Ok(a)
    }

    fn square(&self, v: &Integers) -> Result<Integers, CircuitError> {
        self.relinearize(self.tensor_square(v)?)
    }

    fn tensor_square(&self, v: &Integers) -> Result<Integers, CircuitError> {
        product(v, v)
    }

    fn relinearize(&self, v: Integers) -> Result<Integers, CircuitError> {
        let level = v.level;
        self.noisy("relinearize", v, |model| model.relinearize(level))
    }

    fn relinearize_rescale(&self, v: Integers) -> Result<Integers, CircuitError> {
        self.rescale(self.relinearize(v)?)
    }

    fn multiply(&self, a: &Integers, b: &Integers) -> Result<Integers, CircuitError> {
        self.relinearize(product(a, b)?)
    }

    fn rescale(&self, mut v: Integers) -> Result<Integers, CircuitError> {
        if v.level == 0 {
            return Err(CircuitError::Level {
                op: "rescale",
                level: 0,
                wanted: "at least 1".into(),
            });
        }
        self.note_size(&v);
        let prime = self.primes[v.level];
        for value in &mut v.values {
            *value = divide_rounded(*value, i128::from(prime));
        }
        (v.level, v.scale) = (v.level - 1, v.scale / prime as f64);
        self.noisy("rescale", v, |model| model.rescale(2))
    }

    fn drop_to(&self, v: &Integers, level: usize) -> Result<Integers, CircuitError> {
        if level > v.level {
            let wanted = format!("at most {}", v.level);
            return Err(CircuitError::Level {
                op: "drop_to",
                level,
                wanted,
            });
        }
        Ok(Integers { level, ..v.clone() })
    }
}

/// Feature by feature, at the lower level.
fn product(a: &Integers, b: &Integers) -> Result<Integers, CircuitError> {
    same_features("multiply", b.values.len(), a.values.len())?;
    let pairs = a.values.iter().zip(&b.values);
    let values = pairs.map(|(a, b)| checked("multiply", a.checked_mul(*b)));
    Ok(Integers {
        values: values.collect::<Result<_, _>>()?,
        level: a.level.min(b.level),
        scale: a.scale * b.scale,
    })
}

/// The nearest integer to `value / prime`; primes are odd, so there are no ties.
fn divide_rounded(value: i128, prime: i128) -> i128 {
    (value + prime / 2).div_euclid(prime)
}
