//! The planner: a circuit run on levels, scales, bounds and noise alone. The same interpreter runs it as runs ciphertexts, so a plan cannot
//! forget an operation.

mod operations;
mod simulated_features;
mod walk;

use std::cell::{Cell, RefCell};

use super::cost::{CostModel, CostTable};
use super::error::CircuitError;
use ckks::{NoiseModel, Parameters, Ring};

use super::map_facts::Facts;
pub(super) use simulated_features::{Noise, SimulatedFeatures, Tails, root_mean_square};
pub(super) use walk::{input_bound, walk};

/// The primes that rescaling divides by.
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

/// The operations of a circuit on [`SimulatedFeatures`].
pub(super) struct Planner<'a> {
    chain: Chain,
    /// What is known of the circuit's linear maps.
    facts: &'a Facts,
    cost: Option<CostModel>,
    /// Chosen sizes by level, while the chain is open.
    sizes: RefCell<Vec<Option<u32>>>,
    demands: RefCell<Vec<Demand>>,
    nanoseconds: Cell<f64>,
    key_switches: Cell<u64>,
    /// Name of the layer being planned, for messages.
    layer: RefCell<String>,
}

impl<'a> Planner<'a> {
    /// A planner that chooses primes for levels `1..=top`.
    pub fn open(
        facts: &'a Facts,
        target_bits: f64,
        sizes: (u32, u32),
        known: Vec<(u32, u64)>,
        top: usize,
    ) -> Self {
        let chain = Chain::Open {
            target_bits,
            sizes,
            known,
        };
        Self::new(chain, facts, None, top)
    }

    /// A planner that checks a parameter set and counts noise and time on it.
    pub fn fixed(facts: &'a Facts, parameters: &Parameters, costs: &CostTable) -> Self {
        let noise = NoiseModel::new(parameters);
        let cost = CostModel::new(parameters, costs);
        let chain = Chain::Fixed(Box::new((parameters.clone(), noise)));
        Self::new(chain, facts, Some(cost), parameters.max_level())
    }

    fn new(chain: Chain, facts: &'a Facts, cost: Option<CostModel>, top: usize) -> Self {
        Self {
            chain,
            facts,
            cost,
            sizes: RefCell::new(vec![None; top + 1]),
            demands: RefCell::default(),
            nanoseconds: Cell::new(0.0),
            key_switches: Cell::new(0),
            layer: RefCell::default(),
        }
    }

    /// A fresh encryption.
    pub fn input(
        &self,
        features: usize,
        level: usize,
        scale: f64,
        bound: f64,
    ) -> SimulatedFeatures {
        let noise = self.model().map_or(Noise::default(), |model| {
            Noise::fresh(features, model.fresh())
        });
        let rounding = vec![0.0; noise.typical.len()];
        // Pixels are normalised to a standard deviation of about one.
        SimulatedFeatures {
            level,
            scale,
            features,
            components: 2,
            bound,
            typical: vec![bound.min(1.0); features],
            noise,
            rounding,
        }
    }

    /// Starts a layer: its name for messages, its own time.
    pub fn begin(&self, layer: &str) {
        layer.clone_into(&mut self.layer.borrow_mut());
        self.nanoseconds.set(0.0);
        self.key_switches.set(0);
    }

    /// Counts that a value is read from memory or written there. Operations that run together leave what lies between them in the cache.
    pub fn cross_memory(&self, value: &SimulatedFeatures) {
        self.spend(|cost| cost.stream(value.features, value.level + 1, value.components));
    }

    /// Seconds of one core since [`Self::begin`].
    pub fn seconds(&self) -> f64 {
        self.nanoseconds.get() * 1e-9
    }

    /// Ciphertexts relinearised since [`Self::begin`].
    pub fn key_switches(&self) -> u64 {
        self.key_switches.get()
    }

    /// Sizes chosen for levels above `bottom`, lowest level first, and what was demanded of the modulus.
    pub fn chosen(&self, bottom: usize) -> (Vec<u32>, Vec<Demand>) {
        let sizes = self.sizes.borrow();
        let chosen = sizes.iter().skip(bottom + 1).map_while(|size| *size);
        (chosen.collect(), self.demands.borrow().clone())
    }

    /// The largest noise to expect in any slot of `value`, in units of its integers.
    pub fn noise_bound(&self, value: &SimulatedFeatures) -> f64 {
        match &self.chain {
            Chain::Open { .. } => 0.0,
            Chain::Fixed(set) => {
                let real = set.0.ring() == Ring::ConjugateInvariant;
                let values = value.features as f64 * set.0.slots() as f64;
                Tails::over(values, real).bound(&value.noise)
            }
        }
    }

    /// Notes (or checks) that `value` stays below half the modulus, as it must when it is rescaled or decrypted.
    pub fn demand(&self, value: &SimulatedFeatures) -> Result<(), CircuitError> {
        let integer = value.scale * value.bound;
        // Noise larger than the values is a matter of precision, not of room.
        let largest = integer + self.noise_bound(value).min(integer);
        let bits = (2.0 * largest).log2();
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

    fn switch_keys(&self, features: usize) {
        let count = self.key_switches.get() + features as u64;
        self.key_switches.set(count);
    }

    fn spend(&self, cost: impl Fn(&CostModel) -> f64) {
        if let Some(model) = &self.cost {
            self.nanoseconds.set(self.nanoseconds.get() + cost(model));
        }
    }
}
