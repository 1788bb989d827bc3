//! Several pointwise operations at once, block by block.
//!
//! Linear maps, constants and squares without relinearisation leave coefficients apart, so a whole
//! circuit of them runs on one block of coefficients after the other while everything in between
//! stays in the cache. Nothing but input and output takes memory, and a fresh encryption is not
//! even copied: only its masks are computed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::arithmetic::{broadcast, check_features};
use super::feature_view::FeatureView;
use super::product::MAX_SQUARE;
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::linear::{Kernel, LinearMap, PreparedMap, Scratch};
use crate::pointwise;
use crate::residues::{Block, Residues};
use crate::set::{CiphertextSet, SeededSet};

/// One operation of a fused program; each is what the method of the same name of
/// [`HomomorphicOps`](crate::HomomorphicOps) does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FusedStep<'a> {
    /// An integer linear map.
    Linear {
        /// The map.
        map: &'a LinearMap,
        /// What its weights are multiplied by.
        weight_scale: f64,
    },
    /// The same with a map that was prepared before.
    Prepared {
        /// The map.
        map: &'a PreparedMap,
        /// What its weights are multiplied by.
        weight_scale: f64,
    },
    /// Adds real constants, one per feature or one for all.
    AddConstants(&'a [f64]),
    /// Multiplies by real constants, one per feature or one for all.
    MultiplyConstants {
        /// The constants.
        constants: &'a [f64],
        /// The scale of the result.
        target_scale: f64,
    },
    /// Squares every feature: `c` components become `2c - 1`.
    TensorSquare,
}

/// What a fused program starts from.
#[derive(Clone, Copy, Debug)]
pub enum FusedInput<'a> {
    /// Any set.
    Set(&'a CiphertextSet),
    /// A fresh encryption that is not expanded yet.
    Seeded(&'a SeededSet),
    /// Features of several sets, copied block by block.
    FeatureView(&'a FeatureView<'a>),
}

impl<'a> From<&'a CiphertextSet> for FusedInput<'a> {
    fn from(set: &'a CiphertextSet) -> Self {
        Self::Set(set)
    }
}

impl<'a> From<&'a SeededSet> for FusedInput<'a> {
    fn from(set: &'a SeededSet) -> Self {
        Self::Seeded(set)
    }
}

impl<'a> From<&'a FeatureView<'a>> for FusedInput<'a> {
    fn from(gathered: &'a FeatureView<'a>) -> Self {
        Self::FeatureView(gathered)
    }
}

/// What a step needs at every block.
enum Prepared<'a> {
    Linear(PreparedMap),
    Given(&'a PreparedMap),
    /// Residues of the constants, `[limb][feature]`.
    Add(Vec<Vec<u64>>),
    Multiply(Vec<Vec<u64>>),
    Square,
}

/// A [`Prepared`] step modulo one prime.
enum Step<'a> {
    Linear(Kernel<'a>, usize),
    Add(&'a [u64]),
    Multiply(&'a [u64]),
    Square,
}

/// What is known of a value before it is computed.
#[derive(Clone, Copy)]
struct Shape {
    features: usize,
    components: usize,
    level: usize,
    scale: f64,
}

impl Shape {
    /// What a linear map makes of it.
    fn map(&mut self, inputs: usize, outputs: usize, weight_scale: f64) -> Result<()> {
        let operation = "linear map";
        check_features(operation, inputs, self.features)?;
        self.scale = check_scale(operation, self.scale * weight_scale)?;
        self.features = outputs;
        Ok(())
    }
}

impl Evaluator {
    /// Runs the steps one after the other, at the level of the input, without keys.
    ///
    /// The result has the very bits of the same operations of [`HomomorphicOps`](crate::HomomorphicOps) run one
    /// by one on the expanded input.
    ///
    /// # Errors
    /// What the operations themselves would answer, before anything is computed.
    pub fn fused<'a>(
        &self,
        input: impl Into<FusedInput<'a>>,
        steps: &[FusedStep<'_>],
    ) -> Result<CiphertextSet> {
        Ok(self.fused_timed(input, steps)?.0)
    }

    /// As [`Evaluator::fused`], and what each step took, summed over the threads.
    ///
    /// # Errors
    /// As [`Evaluator::fused`].
    pub fn fused_timed<'a>(
        &self,
        input: impl Into<FusedInput<'a>>,
        steps: &[FusedStep<'_>],
    ) -> Result<(CiphertextSet, Vec<Duration>)> {
        let input = input.into();
        let (parameters, mut shape) = match input {
            FusedInput::Set(set) => (
                &set.parameters,
                Shape {
                    features: set.features(),
                    components: set.components(),
                    level: set.level(),
                    scale: set.scale,
                },
            ),
            FusedInput::Seeded(set) => (
                &set.parameters,
                Shape {
                    features: set.features(),
                    components: 2,
                    level: set.residues.level(),
                    scale: set.scale,
                },
            ),
            FusedInput::FeatureView(gathered) => {
                let first = gathered.first();
                let shape = Shape {
                    features: gathered.features(),
                    components: first.components(),
                    level: first.level(),
                    scale: first.scale,
                };
                (&first.parameters, shape)
            }
        };
        self.parameters.check_same(parameters, "fused program")?;
        let prepared = steps
            .iter()
            .map(|step| self.checked(step, &mut shape))
            .collect::<Result<Vec<_>>>()?;

        let masks = match input {
            FusedInput::Set(_) | FusedInput::FeatureView(_) => None,
            FusedInput::Seeded(set) => Some(set.masks()),
        };
        let Shape {
            features,
            components,
            level,
            scale,
        } = shape;
        let (arena, degree) = (self.parameters.arena(), self.parameters.ring_degree());
        let mut residues = Residues::unwritten(arena, degree, level + 1, components, features);
        let clock: Vec<AtomicU64> = steps.iter().map(|_| AtomicU64::new(0)).collect();
        for limb in 0..=level {
            let steps: Vec<Step<'_>> = prepared.iter().map(|step| self.at(step, limb)).collect();
            let rows = residues
                .limb_mut(limb)
                .par_chunks_exact_mut(components * features);
            rows.enumerate().for_each_init(
                || Workspace::new(&clock),
                |work, (row, out)| match (input, &masks) {
                    (FusedInput::Set(set), _) => {
                        let panels = set.residues.row(limb, row);
                        work.run(self, limb, &steps, &[panels], set.components(), out);
                    }
                    (FusedInput::Seeded(set), Some(masks)) => {
                        let panels = [set.residues.row(limb, row), masks.row(limb, row)];
                        work.run(self, limb, &steps, &panels, 2, out);
                    }
                    (FusedInput::Seeded(_), None) => {}
                    (FusedInput::FeatureView(gathered), _) => {
                        let mut panel = std::mem::take(&mut work.gathered);
                        gathered.copy(limb, row, &mut panel);
                        let components = gathered.first().components();
                        work.run(self, limb, &steps, &[&panel], components, out);
                        work.gathered = panel;
                    }
                },
            );
        }
        let set = CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        };
        let spent = clock.into_iter().map(AtomicU64::into_inner);
        Ok((set, spent.map(Duration::from_nanos).collect()))
    }

    /// Checks a step and makes what it needs; `shape` becomes that of its result.
    fn checked<'a>(&self, step: &FusedStep<'a>, shape: &mut Shape) -> Result<Prepared<'a>> {
        let residues = |integers: &[i128]| {
            let moduli = (0..=shape.level).map(|limb| self.parameters.modulus(limb));
            moduli
                .map(|p| broadcast(p, integers, shape.features))
                .collect()
        };
        match *step {
            FusedStep::Linear { map, weight_scale } => {
                shape.map(map.inputs(), map.outputs(), weight_scale)?;
                Ok(Prepared::Linear(self.prepare(map)))
            }
            FusedStep::Prepared { map, weight_scale } => {
                shape.map(map.inputs(), map.outputs(), weight_scale)?;
                Ok(Prepared::Given(map))
            }
            FusedStep::AddConstants(constants) => {
                let operation = "add constants";
                let (features, level) = (shape.features, shape.level);
                let integers = self.integers(operation, features, level, constants, shape.scale)?;
                Ok(Prepared::Add(residues(&integers)))
            }
            FusedStep::MultiplyConstants {
                constants,
                target_scale,
            } => {
                let operation = "multiply by constants";
                check_scale(operation, target_scale)?;
                let (features, level) = (shape.features, shape.level);
                let factor = target_scale / shape.scale;
                let integers = self.integers(operation, features, level, constants, factor)?;
                let prepared = Prepared::Multiply(residues(&integers));
                shape.scale = target_scale;
                Ok(prepared)
            }
            FusedStep::TensorSquare => {
                let operation = "tensor square";
                if shape.components > MAX_SQUARE {
                    return Err(Error::Components {
                        operation,
                        expected: MAX_SQUARE,
                        found: shape.components,
                    });
                }
                shape.scale = check_scale(operation, shape.scale * shape.scale)?;
                shape.components = 2 * shape.components - 1;
                Ok(Prepared::Square)
            }
        }
    }

    fn at<'a>(&self, step: &'a Prepared<'_>, limb: usize) -> Step<'a> {
        let p = self.parameters.modulus(limb);
        match step {
            Prepared::Linear(map) => Step::Linear(map.modulo(p), map.outputs()),
            Prepared::Given(map) => Step::Linear(map.modulo(p), map.outputs()),
            Prepared::Add(constants) => Step::Add(&constants[limb]),
            Prepared::Multiply(constants) => Step::Multiply(&constants[limb]),
            Prepared::Square => Step::Square,
        }
    }
}

/// One thread's block of every feature and component, before and after a step.
struct Workspace<'a> {
    value: Vec<Block>,
    next: Vec<Block>,
    /// Where a gathered input is brought together.
    gathered: Vec<Block>,
    scratch: Scratch,
    /// Nanoseconds of every step, over all threads.
    clock: &'a [AtomicU64],
}

impl<'a> Workspace<'a> {
    fn new(clock: &'a [AtomicU64]) -> Self {
        Self {
            value: Vec::new(),
            next: Vec::new(),
            gathered: Vec::new(),
            scratch: Scratch::default(),
            clock,
        }
    }

    fn note(&self, step: usize, started: Instant) {
        let spent = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.clock[step].fetch_add(spent, Ordering::Relaxed);
    }

    /// All steps on one block. `panels` together are `[component][feature]`.
    fn run(
        &mut self,
        evaluator: &Evaluator,
        limb: usize,
        steps: &[Step<'_>],
        panels: &[&[Block]],
        mut components: usize,
        out: &mut [Block],
    ) {
        let p = evaluator.parameters.modulus(limb);
        let isa = evaluator.isa;
        let mut steps = steps.iter().enumerate();
        let started = Instant::now();
        // most programs begin with a map, which reads its input where it lies
        if let Some((_, Step::Linear(kernel, outputs))) = steps.clone().next() {
            steps.next();
            self.value.resize(components * outputs, Block::ZERO);
            let features: usize =
                panels.iter().map(|panel| panel.len()).sum::<usize>() / components;
            let inputs = panels.iter().flat_map(|panel| panel.chunks_exact(features));
            for (input, out) in inputs.zip(self.value.chunks_exact_mut(*outputs)) {
                kernel.apply(&mut self.scratch, input, out);
            }
            self.note(0, started);
        } else {
            self.value.clear();
            for panel in panels {
                self.value.extend_from_slice(panel);
            }
        }
        for (index, step) in steps {
            let started = Instant::now();
            let features = self.value.len() / components;
            match step {
                Step::Linear(kernel, outputs) => {
                    self.next.resize(components * outputs, Block::ZERO);
                    let inputs = self.value.chunks_exact(features);
                    for (input, out) in inputs.zip(self.next.chunks_exact_mut(*outputs)) {
                        kernel.apply(&mut self.scratch, input, out);
                    }
                    std::mem::swap(&mut self.value, &mut self.next);
                }
                Step::Add(constants) => {
                    for (block, &constant) in self.value.iter_mut().zip(*constants) {
                        pointwise::add_constant(isa, p, &mut block.0, constant);
                    }
                }
                Step::Multiply(constants) => {
                    let factors = constants.iter().cycle();
                    for (block, &factor) in self.value.iter_mut().zip(factors) {
                        pointwise::scale_assign(isa, p, &mut block.0, factor);
                    }
                }
                Step::Square => {
                    let squared = 2 * components - 1;
                    self.next.resize(squared * features, Block::ZERO);
                    pointwise::tensor_square(isa, p, components, &self.value, &mut self.next);
                    components = squared;
                    std::mem::swap(&mut self.value, &mut self.next);
                }
            }
            self.note(index, started);
        }
        out.copy_from_slice(&self.value);
    }
}
