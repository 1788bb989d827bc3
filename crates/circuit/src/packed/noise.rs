//! Noise slot by slot, in real units.
//!
//! What a source of noise (a fresh encryption, a key switch, the rounding of plaintexts) leaves in the logits is its variance times a gain
//! that depends on the weights and on the images alone: values and weights are the same at every scale. So each gain is found once, by
//! running the program on variances with that source alone, and a design is judged by a sum over the sources. Products of two noises are
//! left out.
//!
//! Rounded plaintexts err in every slot, also where they are zero: there they meet partial sums and whatever else a slot holds.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ckks::{NoiseModel, ParametersLiteral};

use super::clear::Trace;
use super::design::Design;
use super::diagonals::{Diagonals, rotated};
use super::program::{Program, SlotOps};

/// Values may be this many times as large as the images showed on which a circuit is planned.
const VALUE_MARGIN: f64 = 1.5;

/// Where noise comes from in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Encryption.
    Fresh,
    /// The rounding of the diagonals, in units of their weights.
    Rounding,
    /// A rotation of the input.
    Baby,
    /// A rotation of the accumulator.
    Giant,
    /// A rotation that is summed.
    Sum,
    /// The rounding of the biases.
    Bias,
    /// The relinearisation of a square.
    Square,
    /// Dropping a prime.
    Rescale,
}

/// Variance by step and source.
pub(super) type Sources = BTreeMap<(usize, Source), f64>;

/// Variances of all slots.
struct Variances<'a> {
    trace: &'a Trace,
    sources: &'a Sources,
    /// The largest variance of each step's result.
    by_step: Vec<Vec<f64>>,
}

impl Variances<'_> {
    fn source(&self, step: usize, source: Source) -> f64 {
        self.sources.get(&(step, source)).copied().unwrap_or(0.0)
    }
}

fn plus(mut value: Vec<f64>, variance: f64) -> Vec<f64> {
    value.iter_mut().for_each(|value| *value += variance);
    value
}

impl SlotOps for Variances<'_> {
    type Value = Vec<f64>;
    type Error = Infallible;

    fn diagonals(
        &mut self,
        step: usize,
        diagonals: &Diagonals,
        value: Vec<f64>,
    ) -> Result<Vec<f64>, Infallible> {
        let [rounding, baby, giant] =
            [Source::Rounding, Source::Baby, Source::Giant].map(|source| self.source(step, source));
        let squares = &self.trace.mean_square[step];
        let babies: Vec<(Vec<f64>, Vec<f64>)> = (0..diagonals.babies)
            .map(|places| {
                let switched = if places > 0 { baby } else { 0.0 };
                let variance = plus(rotated(&value, places), switched);
                let rounded = rotated(squares, places);
                let rounded = rounded.into_iter().map(|square| rounding * square);
                (variance, rounded.collect())
            })
            .collect();
        let mut sum = vec![0.0; value.len()];
        for (count, group) in diagonals.weights.iter().rev().enumerate() {
            if count > 0 {
                sum.rotate_left(diagonals.giant);
                sum = plus(sum, giant);
            }
            for (weights, (variance, rounded)) in group.iter().zip(&babies) {
                let terms = weights.iter().zip(variance.iter().zip(rounded));
                for (sum, (weight, (variance, rounded))) in sum.iter_mut().zip(terms) {
                    *sum += weight * weight * variance + rounded;
                }
            }
        }
        Ok(sum)
    }

    fn sum(&mut self, step: usize, places: usize, value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        let switched = plus(rotated(&value, places), self.source(step, Source::Sum));
        Ok(value.iter().zip(switched).map(|(a, b)| a + b).collect())
    }

    fn add(&mut self, step: usize, _: &[f64], value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok(plus(value, self.source(step, Source::Bias)))
    }

    fn square(
        &mut self,
        step: usize,
        linear: Option<&[f64]>,
        mut value: Vec<f64>,
    ) -> Result<Vec<f64>, Infallible> {
        let squares = self.trace.mean_square[step].iter();
        for (slot, (variance, square)) in value.iter_mut().zip(squares).enumerate() {
            // (2 x + c)^2 is at most twice the sum of the squares of both
            *variance *= match linear {
                None => 4.0 * square,
                Some(linear) => 2.0 * (4.0 * square + linear[slot].powi(2)),
            };
        }
        Ok(plus(value, self.source(step, Source::Square)))
    }

    fn rescale(&mut self, step: usize, value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok(plus(value, self.source(step, Source::Rescale)))
    }

    fn done(&mut self, step: usize, value: &Vec<f64>) -> bool {
        self.by_step[step].clone_from(value);
        true
    }
}

/// The variance of every slot after each step.
pub(super) fn variances(program: &Program, trace: &Trace, sources: &Sources) -> Vec<Vec<f64>> {
    let mut state = Variances {
        trace,
        sources,
        by_step: vec![Vec::new(); program.steps.len()],
    };
    let fresh = state.source(0, Source::Fresh);
    // Where nothing is dropped, the sources have no variance.
    let drops = vec![1; program.squares()];
    let input = vec![fresh; program.slots];
    let Ok(_) = program.run((&drops, 1), &mut state, input);
    state.by_step
}

/// What the logits have of a unit of variance at each source, on average.
pub(super) struct Gains(Sources);

impl Gains {
    pub fn of(program: &Program, trace: &Trace) -> Self {
        let mut gains = Sources::new();
        for (step, source) in sources(program) {
            let variances = variances(program, trace, &[((step, source), 1.0)].into());
            let of_logits = variances.last().map_or(0.0, |last| {
                program.output.iter().map(|&slot| last[slot]).sum::<f64>()
            });
            let mean = of_logits / program.output.len().max(1) as f64;
            gains.insert((step, source), mean);
        }
        Self(gains)
    }

    /// The mean variance of the logits.
    fn variance(&self, sources: &Sources) -> f64 {
        let of = |(place, variance): (&(usize, Source), &f64)| {
            self.0.get(place).copied().unwrap_or(0.0) * variance
        };
        sources.iter().map(of).sum()
    }
}

/// Every source that a program has.
fn sources(program: &Program) -> Vec<(usize, Source)> {
    let design = Design {
        parameters: ParametersLiteral {
            ring: ckks::Ring::ConjugateInvariant,
            log_n: program.slots.ilog2(),
            prime_bits: vec![50; program.squares() + 2],
            special_bits: vec![50],
        },
        input_bits: 40,
        weight_bits: vec![40; program.linear_steps()],
        drops: vec![1; program.squares()],
        final_drops: 1,
    };
    let outcome = Scales::sketch(program, &design, &Trace::unknown(program));
    outcome.sources.into_keys().collect()
}

/// Levels and scales alone: what a design comes to.
pub(super) struct Scales<'a> {
    design: &'a Design,
    model: NoiseModel,
    primes: Vec<f64>,
    largest: &'a [f64],
    linear: usize,
    outcome: Outcome,
}

/// What levels and scales tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Variances, in real units.
    pub sources: Sources,
    /// Whether no value passes half the modulus where that matters.
    pub fits: bool,
    /// Transforms of all key switches.
    pub transforms: usize,
    /// The highest level of each rotation.
    pub rotations: BTreeMap<usize, usize>,
    /// Level and scale after each step.
    pub after: Vec<(usize, f64)>,
}

impl<'a> Scales<'a> {
    /// Runs a design whose primes have these sizes.
    pub fn run(
        program: &Program,
        design: &'a Design,
        (model, primes): (NoiseModel, Vec<f64>),
        trace: &'a Trace,
    ) -> Outcome {
        let input = (primes.len() - 1, design.input_scale());
        let mut state = Self {
            design,
            model,
            primes,
            largest: &trace.largest,
            linear: 0,
            outcome: Outcome {
                fits: true,
                ..Outcome::default()
            },
        };
        state.note(0, Source::Fresh, state.model.fresh() / input.1);
        state.check(input, trace.input);
        if let Ok(Some(output)) = program.run(design.all_drops(), &mut state, input) {
            state.check(output, trace.largest.last().copied().unwrap_or(0.0));
        }
        state.outcome
    }

    /// As [`Self::run`], with primes that are as large as their bits allow.
    pub fn sketch(program: &Program, design: &'a Design, trace: &'a Trace) -> Outcome {
        let bits = design.parameters.prime_bits.iter();
        let primes = bits.map(|&bits| f64::from(bits).exp2()).collect();
        let model = NoiseModel::of_sizes(&design.parameters);
        Self::run(program, design, (model, primes), trace)
    }

    fn note(&mut self, step: usize, source: Source, deviation: f64) {
        let variance = deviation * deviation;
        *self.outcome.sources.entry((step, source)).or_default() += variance;
    }

    /// A value that is about to be divided or decrypted.
    fn check(&mut self, (level, scale): (usize, f64), largest: f64) {
        let log_q: f64 = self.primes[..=level].iter().map(|prime| prime.log2()).sum();
        let bits = (2.0 * VALUE_MARGIN * largest.max(1e-6) * scale).log2();
        self.outcome.fits &= bits <= log_q && scale >= 1.0;
    }

    fn switch(&mut self, level: usize, rotation: Option<usize>) {
        let limbs = level + 1;
        let special = self.design.parameters.special_bits.len();
        let digits = limbs.div_ceil(special.max(1));
        self.outcome.transforms += (digits + 2) * (limbs + special);
        if let Some(places) = rotation {
            let highest = self.outcome.rotations.entry(places).or_default();
            *highest = level.max(*highest);
        }
    }
}

impl SlotOps for Scales<'_> {
    /// Level and scale.
    type Value = (usize, f64);
    type Error = Infallible;

    fn diagonals(
        &mut self,
        step: usize,
        diagonals: &Diagonals,
        (level, scale): (usize, f64),
    ) -> Result<(usize, f64), Infallible> {
        let weights = self.design.weight_scale(self.linear);
        self.linear += 1;
        let switch = self.model.rotate(level);
        self.note(step, Source::Rounding, self.model.plaintext() / weights);
        if diagonals.babies > 1 {
            self.note(step, Source::Baby, switch / scale);
            (1..diagonals.babies).for_each(|places| self.switch(level, Some(places)));
        }
        if diagonals.weights.len() > 1 {
            self.note(step, Source::Giant, switch / (scale * weights));
            (1..diagonals.weights.len()).for_each(|_| self.switch(level, Some(diagonals.giant)));
        }
        Ok((level, scale * weights))
    }

    fn sum(
        &mut self,
        step: usize,
        places: usize,
        (level, scale): (usize, f64),
    ) -> Result<(usize, f64), Infallible> {
        let variance = (self.model.rotate(level) / scale).powi(2);
        // Every sum of the step has it anew.
        self.outcome.sources.insert((step, Source::Sum), variance);
        self.switch(level, Some(places));
        Ok((level, scale))
    }

    fn add(
        &mut self,
        step: usize,
        _: &[f64],
        (level, scale): (usize, f64),
    ) -> Result<(usize, f64), Infallible> {
        self.note(step, Source::Bias, self.model.plaintext() / scale);
        Ok((level, scale))
    }

    fn square(
        &mut self,
        step: usize,
        _: Option<&[f64]>,
        (level, scale): (usize, f64),
    ) -> Result<(usize, f64), Infallible> {
        let scale = scale * scale;
        self.note(step, Source::Square, self.model.relinearize(level) / scale);
        self.switch(level, None);
        Ok((level, scale))
    }

    fn rescale(
        &mut self,
        step: usize,
        (level, scale): (usize, f64),
    ) -> Result<(usize, f64), Infallible> {
        self.check((level, scale), self.largest[step]);
        let Some(below) = level.checked_sub(1) else {
            self.outcome.fits = false;
            return Ok((level, scale));
        };
        let scale = scale / self.primes[level];
        self.note(step, Source::Rescale, self.model.rescale(2) / scale);
        Ok((below, scale))
    }

    fn done(&mut self, _: usize, value: &(usize, f64)) -> bool {
        self.outcome.after.push(*value);
        true
    }
}

/// The predicted precision of the logits under a design, -log2 of their deviation; none where values do not fit.
pub(super) fn precision(gains: &Gains, outcome: &Outcome) -> Option<f64> {
    outcome
        .fits
        .then(|| -0.5 * gains.variance(&outcome.sources).log2())
}
