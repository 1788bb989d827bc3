//! A program on ciphertexts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ckks::{
    Addend, CiphertextSet, Evaluator, HomomorphicOps, Parameters, Plaintext, PlaintextEncoder,
    Products,
};

use super::clear::Trace;
use super::design::Design;
use super::diagonals::Diagonals;
use super::layout::lay_out;
use super::noise::Scales;
use super::program::{Program, SlotOp, SlotOps};
use crate::error::CircuitError;
use crate::types::Circuit;
use ckks::NoiseModel;

/// A circuit ready to run on ciphertexts of one image each: its plaintexts are encoded once.
#[derive(Debug)]
pub struct PackedExecutor {
    program: Program,
    design: Design,
    parameters: Parameters,
    rotations: BTreeMap<usize, usize>,
    /// By step.
    plaintexts: Vec<Encoded>,
}

/// The plaintexts of a step.
#[derive(Debug)]
enum Encoded {
    /// `[giant][baby]`
    Diagonals(Vec<Vec<Plaintext>>),
    /// Biases, or the linear coefficients of a square.
    Vector(Plaintext),
    Nothing,
}

impl PackedExecutor {
    /// Lays out the circuit and encodes its plaintexts.
    ///
    /// # Errors
    /// [`CircuitError::Unpackable`] and [`CircuitError::Invalid`] where circuit and design do not belong together, and what the parameters
    /// fail with.
    pub fn new(circuit: &Circuit, design: &Design) -> Result<Self, CircuitError> {
        let parameters = Parameters::new(design.parameters.clone())?;
        let program = lay_out(circuit, parameters.slots())?;
        let parameters = design.check(&program)?;
        let model = NoiseModel::new(&parameters);
        let primes = parameters.primes().iter().map(|&p| p as f64).collect();
        let outcome = Scales::run(&program, design, (model, primes), &Trace::unknown(&program));
        let mut encoder = PlaintextEncoder::new(&parameters);
        let mut before = (parameters.max_level(), design.input_scale());
        let mut linear = 0;
        let mut plaintexts = Vec::with_capacity(program.steps.len());
        for (step, &after) in program.steps.iter().zip(&outcome.after) {
            let (level, scale) = before;
            plaintexts.push(match &step.op {
                SlotOp::Diagonals(diagonals) => {
                    let weights = design.weight_scale(linear);
                    linear += 1;
                    let mut encode = |values: &Vec<f64>| encoder.encode(values, weights, level);
                    let groups = diagonals.weights.iter();
                    let groups = groups.map(|group| group.iter().map(&mut encode).collect());
                    Encoded::Diagonals(groups.collect::<Result<_, _>>()?)
                }
                // A linear term meets the square's scale.
                SlotOp::Add(values) | SlotOp::Square(Some(values)) => {
                    Encoded::Vector(encoder.encode(values, scale, level)?)
                }
                SlotOp::Sums(_) | SlotOp::Square(None) => Encoded::Nothing,
            });
            before = after;
        }
        Ok(Self {
            program,
            design: design.clone(),
            parameters,
            rotations: outcome.rotations,
            plaintexts,
        })
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rotations that need a Galois key, and the highest level of each.
    pub fn rotations(&self) -> &BTreeMap<usize, usize> {
        &self.rotations
    }

    /// Which input feature the client puts in each slot, in the order of rotations; [`ckks::PADDING`] for a zero.
    pub fn input(&self) -> &[u32] {
        &self.program.input
    }

    /// The slot of each logit, in the order of rotations.
    pub fn output(&self) -> &[usize] {
        &self.program.output
    }

    /// Evaluates ciphertexts of one image each. `observe` is told the layer of a step and what it took, and says whether to go on; none
    /// where it did not want to.
    ///
    /// # Errors
    /// If keys are missing, or the ciphertexts are not fresh ones of this design.
    pub fn run(
        &self,
        evaluator: &Evaluator,
        input: CiphertextSet,
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Option<CiphertextSet>, CircuitError> {
        let mut ciphertexts = Ciphertexts {
            executor: self,
            evaluator,
            observe,
            started: Instant::now(),
        };
        self.program
            .run(self.design.all_drops(), &mut ciphertexts, input)
    }
}

/// Ciphertexts of one image each.
struct Ciphertexts<'a> {
    executor: &'a PackedExecutor,
    evaluator: &'a Evaluator,
    observe: &'a mut dyn FnMut(usize, Duration) -> bool,
    started: Instant,
}

impl SlotOps for Ciphertexts<'_> {
    type Value = CiphertextSet;
    type Error = CircuitError;

    fn diagonals(
        &mut self,
        step: usize,
        diagonals: &Diagonals,
        value: CiphertextSet,
    ) -> Result<CiphertextSet, CircuitError> {
        let Encoded::Diagonals(groups) = &self.executor.plaintexts[step] else {
            return Ok(value);
        };
        let places: Vec<usize> = (1..diagonals.babies).collect();
        let rotations = match places.is_empty() {
            true => None,
            false => Some(self.evaluator.rotate_each(&value, &places)?),
        };
        let mut sum: Option<CiphertextSet> = None;
        for group in groups.iter().rev() {
            let group: Vec<&Plaintext> = group.iter().collect();
            let (first, rest) = group.split_at(1);
            let mut products = vec![Products(&value, first)];
            if let Some(rotations) = &rotations {
                products.push(Products(rotations, rest));
            }
            sum = Some(match sum {
                None => self.evaluator.multiply_plaintexts(&products)?,
                Some(sum) => {
                    let addend = Addend::Products(&products);
                    self.evaluator.rotate_add(&sum, diagonals.giant, addend)?
                }
            });
        }
        Ok(sum.unwrap_or(value))
    }

    fn sum(
        &mut self,
        _: usize,
        places: usize,
        value: CiphertextSet,
    ) -> Result<CiphertextSet, CircuitError> {
        Ok(self.evaluator.rotate_add(&value, places, Addend::Itself)?)
    }

    fn add(
        &mut self,
        step: usize,
        _: &[f64],
        value: CiphertextSet,
    ) -> Result<CiphertextSet, CircuitError> {
        match &self.executor.plaintexts[step] {
            Encoded::Vector(bias) => Ok(self.evaluator.add_plaintext(value, bias)?),
            Encoded::Diagonals(_) | Encoded::Nothing => Ok(value),
        }
    }

    fn square(
        &mut self,
        step: usize,
        _: Option<&[f64]>,
        value: CiphertextSet,
    ) -> Result<CiphertextSet, CircuitError> {
        let square = self.evaluator.square(&value)?;
        match &self.executor.plaintexts[step] {
            Encoded::Vector(linear) => {
                let products = [Products(&value, &[linear])];
                let term = self.evaluator.multiply_plaintexts(&products)?;
                Ok(self.evaluator.add(square, &term)?)
            }
            Encoded::Diagonals(_) | Encoded::Nothing => Ok(square),
        }
    }

    fn rescale(&mut self, _: usize, value: CiphertextSet) -> Result<CiphertextSet, CircuitError> {
        Ok(self.evaluator.rescale(value)?)
    }

    fn done(&mut self, step: usize, _: &CiphertextSet) -> bool {
        let layer = self.executor.program.steps[step].layer;
        let took = self.started.elapsed();
        self.started = Instant::now();
        (self.observe)(layer, took)
    }
}
