//! A circuit as operations on slots, and what runs it.

use super::diagonals::Diagonals;

/// A circuit laid out in so many slots.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub slots: usize,
    /// The input feature in each slot; [`ckks::PADDING`] for a zero.
    pub input: Vec<u32>,
    pub steps: Vec<Step>,
    /// The slot of each logit.
    pub output: Vec<usize>,
}

/// An operation of a layer of the circuit.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Index among the circuit's layers.
    pub layer: usize,
    pub op: SlotOp,
}

/// An operation on all slots.
#[derive(Clone, Debug)]
pub(super) enum SlotOp {
    /// Products with diagonals, summed over rotations.
    Diagonals(Diagonals),
    /// For each number of places in turn: the value and its rotation by it, summed.
    Sums(Vec<usize>),
    /// A value for each slot.
    Add(Vec<f64>),
    /// Every slot's `x^2 + c x`, back to two components; the coefficients c of all slots, if any.
    Square(Option<Vec<f64>>),
}

impl SlotOp {
    /// Rotations and relinearisations.
    pub fn key_switches(&self) -> usize {
        match self {
            Self::Diagonals(diagonals) => diagonals.key_switches(),
            Self::Sums(places) => places.len(),
            Self::Add(_) => 0,
            Self::Square(_) => 1,
        }
    }
}

/// What operations on slots can be run on: images in the clear, ciphertexts, levels and scales alone, noise.
///
/// Every operation is told the index of its step.
pub(super) trait SlotOps {
    type Value;
    type Error;

    fn diagonals(
        &mut self,
        step: usize,
        diagonals: &Diagonals,
        value: Self::Value,
    ) -> Result<Self::Value, Self::Error>;

    /// `value + rotate(value)`.
    fn sum(
        &mut self,
        step: usize,
        places: usize,
        value: Self::Value,
    ) -> Result<Self::Value, Self::Error>;

    fn add(
        &mut self,
        step: usize,
        values: &[f64],
        value: Self::Value,
    ) -> Result<Self::Value, Self::Error>;

    /// `x^2 + c x`, c being zero where there are no coefficients.
    fn square(
        &mut self,
        step: usize,
        linear: Option<&[f64]>,
        value: Self::Value,
    ) -> Result<Self::Value, Self::Error>;

    /// Drops the last prime.
    fn rescale(&mut self, step: usize, value: Self::Value) -> Result<Self::Value, Self::Error>;

    /// Told after every step, with what came out of it; says whether to go on.
    fn done(&mut self, _step: usize, _value: &Self::Value) -> bool {
        true
    }
}

impl Program {
    /// Runs the program, with so many primes dropped after each square and at the end; none where they did not want to go on.
    pub fn run<O: SlotOps>(
        &self,
        (drops, final_drops): (&[usize], usize),
        ops: &mut O,
        input: O::Value,
    ) -> Result<Option<O::Value>, O::Error> {
        let mut value = input;
        let mut squares = drops.iter();
        for (index, step) in self.steps.iter().enumerate() {
            value = match &step.op {
                SlotOp::Diagonals(diagonals) => ops.diagonals(index, diagonals, value)?,
                SlotOp::Sums(places) => places
                    .iter()
                    .try_fold(value, |value, &places| ops.sum(index, places, value))?,
                SlotOp::Add(values) => ops.add(index, values, value)?,
                SlotOp::Square(linear) => {
                    let mut value = ops.square(index, linear.as_deref(), value)?;
                    for _ in 0..squares.next().copied().unwrap_or(0) {
                        value = ops.rescale(index, value)?;
                    }
                    value
                }
            };
            if index + 1 == self.steps.len() {
                for _ in 0..final_drops {
                    value = ops.rescale(index, value)?;
                }
            }
            if !ops.done(index, &value) {
                return Ok(None);
            }
        }
        Ok(Some(value))
    }

    /// Linear steps, which have weights of a scale each.
    pub fn linear_steps(&self) -> usize {
        let steps = self.steps.iter();
        steps
            .filter(|step| matches!(step.op, SlotOp::Diagonals(_)))
            .count()
    }

    /// Squares, after which primes may be dropped.
    pub fn squares(&self) -> usize {
        let steps = self.steps.iter();
        steps
            .filter(|step| matches!(step.op, SlotOp::Square(_)))
            .count()
    }
}
