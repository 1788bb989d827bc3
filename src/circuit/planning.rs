//! The planner's machine: a value is its level, its scale, how large it can be and how much noise it carries. The same circuit code runs on
//! it as on ciphertexts, so a plan cannot forget an operation.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::cost::CostModel;
use super::error::CircuitError;
use ckks::{LinearMap, Machine, NoiseModel, Parameters, scales_agree};

/// Which primes the machine divides by.
pub(super) enum Chain {
    /// Not chosen yet: the first rescaling seen at a level chooses the size that brings the scale back to `2^target_bits`.
    Open {
        /// log2 of the scale to return to.
        target_bits: f64,
        /// Smallest and largest size of a prime.
        sizes: (u32, u32),
        /// Sizes and primes of an earlier choice, by level.
        known: Vec<(u32, u64)>,
    },
    /// The primes of a parameter set.
    Fixed(Box<(Parameters, NoiseModel)>),
}

/// Something that must stay below half the modulus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    /// Level at which the value is held.
    pub level: usize,
    /// log2 of twice the largest integer.
    pub bits: f64,
}

/// A set of features, in outline.
#[derive(Debug)]
pub(super) struct Outline {
    pub level: usize,
    pub scale: f64,
    pub features: usize,
    /// Largest |value|, real units.
    pub bound: f64,
    /// Root mean square of the values, real units.
    pub typical: f64,
    /// Standard deviation of the noise in a slot, integer units; zero while the chain is open.
    pub noise: f64,
    /// Held in memory until dropped.
    _held: Option<Held>,
}

/// Bytes that count as used until dropped.
#[derive(Debug)]
struct Held {
    bytes: u64,
    used: Rc<Cell<u64>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.set(self.used.get() - self.bytes);
    }
}

pub(super) struct Planner {
    chain: Chain,
    cost: Option<CostModel>,
    /// Chosen sizes by level, while the chain is open.
    sizes: RefCell<Vec<Option<u32>>>,
    demands: RefCell<Vec<Demand>>,
    nanoseconds: Cell<f64>,
    used: Rc<Cell<u64>>,
    peak: Cell<u64>,
    /// Name of the layer being planned, for messages.
    layer: RefCell<String>,
}

impl Planner {
    /// A machine that chooses primes for levels `1..=top`.
    pub fn open(target_bits: f64, sizes: (u32, u32), known: Vec<(u32, u64)>, top: usize) -> Self {
        Self::new(
            Chain::Open {
                target_bits,
                sizes,
                known,
            },
            None,
            top,
        )
    }

    /// A machine that checks a parameter set and counts noise, time and memory on it.
    pub fn fixed(parameters: &Parameters) -> Self {
        let noise = NoiseModel::new(parameters);
        let cost = CostModel::new(parameters);
        Self::new(
            Chain::Fixed(Box::new((parameters.clone(), noise))),
            Some(cost),
            parameters.max_level(),
        )
    }

    fn new(chain: Chain, cost: Option<CostModel>, top: usize) -> Self {
        Self {
            chain,
            cost,
            sizes: RefCell::new(vec![None; top + 1]),
            demands: RefCell::default(),
            nanoseconds: Cell::new(0.0),
            used: Rc::default(),
            peak: Cell::new(0),
            layer: RefCell::default(),
        }
    }

    /// A fresh encryption.
    pub fn input(&self, features: usize, level: usize, scale: f64, bound: f64) -> Outline {
        let noise = self.model().map_or(0.0, NoiseModel::fresh);
        // Pixels are normalised to a standard deviation of about one.
        self.value(Outline {
            level,
            scale,
            features,
            bound,
            typical: bound.min(1.0),
            noise,
            _held: None,
        })
    }

    /// Starts a layer: its name for messages, its own time and peak of memory.
    pub fn begin(&self, layer: &str) {
        layer.clone_into(&mut self.layer.borrow_mut());
        self.nanoseconds.set(0.0);
        self.peak.set(self.used.get());
    }

    /// Seconds of one core since [`Self::begin`].
    pub fn seconds(&self) -> f64 {
        self.nanoseconds.get() * 1e-9
    }

    /// Most bytes held at once since [`Self::begin`].
    pub fn peak_bytes(&self) -> u64 {
        self.peak.get()
    }

    /// Sizes chosen for levels above `bottom`, lowest level first, and what was demanded of the modulus.
    pub fn chosen(&self, bottom: usize) -> (Vec<u32>, Vec<Demand>) {
        let sizes = self
            .sizes
            .borrow()
            .iter()
            .skip(bottom + 1)
            .map_while(|size| *size)
            .collect();
        (sizes, self.demands.borrow().clone())
    }

    /// Notes (or checks) that `value` stays below half the modulus, as it must when it is rescaled or decrypted.
    pub fn demand(&self, value: &Outline) -> Result<(), CircuitError> {
        let bits = (2.0 * value.scale * value.bound).log2();
        match &self.chain {
            Chain::Open { .. } => {
                self.demands.borrow_mut().push(Demand {
                    level: value.level,
                    bits,
                });
                Ok(())
            }
            Chain::Fixed(set) => {
                let modulus_bits = set.0.log_q_at(value.level);
                if bits < modulus_bits {
                    return Ok(());
                }
                let layer = self.layer.borrow().clone();
                Err(CircuitError::Wraps {
                    layer,
                    level: value.level,
                    value_bits: bits,
                    modulus_bits,
                })
            }
        }
    }

    fn model(&self) -> Option<&NoiseModel> {
        match &self.chain {
            Chain::Open { .. } => None,
            Chain::Fixed(set) => Some(&set.1),
        }
    }

    /// The prime that a rescaling at `level` drops.
    fn prime(&self, level: usize, scale: f64) -> f64 {
        match &self.chain {
            Chain::Fixed(set) => set.0.primes()[level] as f64,
            Chain::Open {
                target_bits,
                sizes,
                known,
            } => {
                let wanted = scale.log2() - target_bits;
                let rounded = wanted.round().clamp(f64::from(sizes.0), f64::from(sizes.1)) as u32;
                let known = known.get(level).copied();
                // An earlier choice stays unless it is clearly off: two choices that depend on each other would never settle.
                let kept = known.map(|(size, _)| size).filter(|size| {
                    (wanted - f64::from(*size)).abs() < 0.9 && (sizes.0..=sizes.1).contains(size)
                });
                let size = *self.sizes.borrow_mut()[level].get_or_insert(kept.unwrap_or(rounded));
                let same = known.filter(|(known, _)| *known == size);
                same.map_or(f64::from(size).exp2(), |(_, prime)| prime as f64)
            }
        }
    }

    fn spend(&self, cost: impl Fn(&CostModel) -> f64) {
        if let Some(model) = &self.cost {
            self.nanoseconds.set(self.nanoseconds.get() + cost(model));
        }
    }

    /// Counts the bytes of a new value.
    fn value(&self, mut value: Outline) -> Outline {
        if let Some(model) = &self.cost {
            let bytes = model.set_bytes(value.features, value.level + 1);
            self.used.set(self.used.get() + bytes);
            self.peak.set(self.peak.get().max(self.used.get()));
            value._held = Some(Held {
                bytes,
                used: Rc::clone(&self.used),
            });
        }
        value
    }

    fn relinearized(&self, noise: f64, level: usize) -> f64 {
        self.model()
            .map_or(0.0, |model| model.add(noise, model.relinearize(level)))
    }
}

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

impl Machine for Planner {
    type Value = Outline;
    type Error = CircuitError;

    fn level(&self, v: &Outline) -> usize {
        v.level
    }

    fn scale(&self, v: &Outline) -> f64 {
        v.scale
    }

    fn features(&self, v: &Outline) -> usize {
        v.features
    }

    fn linear(
        &self,
        v: &Outline,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<Outline, CircuitError> {
        same_features("linear", v.features, map.inputs())?;
        self.spend(|cost| cost.linear(map, v.level + 1));
        let squares = self
            .model()
            .map(|model| (model, map.max_row_sum_of_squares()));
        let spread = map.max_abs_row_sum() as f64 / weight_scale;
        Ok(self.value(Outline {
            level: v.level,
            scale: v.scale * weight_scale,
            features: map.outputs(),
            bound: v.bound * spread,
            typical: v.typical * spread,
            noise: squares.map_or(0.0, |(model, squares)| model.linear(v.noise, squares)),
            _held: None,
        }))
    }

    fn add_constants(&self, mut v: Outline, list: &[f64]) -> Result<Outline, CircuitError> {
        let largest = constants("add_constants", list, v.features)?;
        v.bound += largest;
        v.typical = v.typical.hypot(largest);
        Ok(v)
    }

    fn multiply_constants(
        &self,
        v: &Outline,
        list: &[f64],
        target_scale: f64,
    ) -> Result<Outline, CircuitError> {
        let largest = constants("multiply_constants", list, v.features)?;
        self.spend(|cost| cost.pass(v.features, v.level + 1));
        Ok(self.value(Outline {
            level: v.level,
            scale: target_scale,
            features: v.features,
            bound: v.bound * largest,
            typical: v.typical * largest,
            noise: v.noise * largest * target_scale / v.scale,
            _held: None,
        }))
    }

    fn add(&self, mut a: Outline, b: &Outline) -> Result<Outline, CircuitError> {
        same_features("add", b.features, a.features)?;
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
        self.spend(|cost| cost.pass(a.features, a.level + 1));
        a.bound += b.bound;
        a.typical = a.typical.hypot(b.typical);
        a.noise = a.noise.hypot(b.noise);
        Ok(a)
    }

    fn square(&self, v: &Outline) -> Result<Outline, CircuitError> {
        self.spend(|cost| cost.multiply(v.features, v.level + 1));
        let noise = self
            .model()
            .map_or(0.0, |model| model.square(v.typical * v.scale, v.noise));
        Ok(self.value(Outline {
            level: v.level,
            scale: v.scale * v.scale,
            features: v.features,
            bound: v.bound * v.bound,
            typical: v.typical * v.typical,
            noise: self.relinearized(noise, v.level),
            _held: None,
        }))
    }

    fn multiply(&self, a: &Outline, b: &Outline) -> Result<Outline, CircuitError> {
        same_features("multiply", b.features, a.features)?;
        let level = a.level.min(b.level);
        self.spend(|cost| cost.multiply(a.features, level + 1));
        let noise = self.model().map_or(0.0, |model| {
            model.multiply(a.typical * a.scale, a.noise, b.typical * b.scale, b.noise)
        });
        Ok(self.value(Outline {
            level,
            scale: a.scale * b.scale,
            features: a.features,
            bound: a.bound * b.bound,
            typical: a.typical * b.typical,
            noise: self.relinearized(noise, level),
            _held: None,
        }))
    }

    fn rescale(&self, v: Outline) -> Result<Outline, CircuitError> {
        if v.level == 0 {
            return Err(CircuitError::Level {
                op: "rescale",
                level: 0,
                wanted: "at least 1".into(),
            });
        }
        self.demand(&v)?;
        self.spend(|cost| cost.rescale(v.features, v.level + 1));
        let prime = self.prime(v.level, v.scale);
        let noise = self
            .model()
            .map_or(0.0, |model| model.after_rescale(v.noise, prime, 2));
        // Ciphertexts lose their last limb in place.
        let Outline {
            level,
            scale,
            features,
            bound,
            typical,
            _held,
            ..
        } = v;
        drop(_held);
        Ok(self.value(Outline {
            level: level - 1,
            scale: scale / prime,
            features,
            bound,
            typical,
            noise,
            _held: None,
        }))
    }

    fn drop_to(&self, v: &Outline, level: usize) -> Result<Outline, CircuitError> {
        if level > v.level {
            let wanted = format!("at most {}", v.level);
            return Err(CircuitError::Level {
                op: "drop_to",
                level,
                wanted,
            });
        }
        Ok(self.value(Outline {
            level,
            _held: None,
            ..*v
        }))
    }
}
