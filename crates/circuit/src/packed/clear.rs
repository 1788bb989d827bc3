//! Programs on slots in the clear: what ciphertexts should hold, and what the planner must know of the values.

use std::convert::Infallible;

use super::diagonals::{Diagonals, rotated};
use super::program::{Program, SlotOps};
use crate::types::Circuit;
use cryptodl_data::Images;

/// An image's input features in their slots, in the order of rotations; what is no feature is zero.
pub fn pack(places: &[u32], features: &[f64]) -> Vec<f64> {
    let value = |&place: &u32| features.get(place as usize).copied().unwrap_or(0.0);
    places.iter().map(value).collect()
}

/// What images showed, by step.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Mean square of what enters each step, by slot.
    pub mean_square: Vec<Vec<f64>>,
    /// Largest magnitude in any slot of what leaves each step.
    pub largest: Vec<f64>,
    /// Largest magnitude of an input.
    pub input: f64,
}

impl Trace {
    /// Of no images: for levels and scales alone.
    pub fn unknown(program: &Program) -> Self {
        Self {
            mean_square: vec![vec![0.0; program.slots]; program.steps.len()],
            largest: vec![0.0; program.steps.len()],
            input: 0.0,
        }
    }
}

/// Slots of one image.
struct Clear<'a> {
    trace: &'a mut Trace,
}

impl Clear<'_> {
    /// Notes what enters a step.
    fn note(&mut self, step: usize, value: &[f64]) {
        for (sum, value) in self.trace.mean_square[step].iter_mut().zip(value) {
            *sum += value * value;
        }
    }
}

impl SlotOps for Clear<'_> {
    type Value = Vec<f64>;
    type Error = Infallible;

    fn diagonals(
        &mut self,
        step: usize,
        diagonals: &Diagonals,
        value: Vec<f64>,
    ) -> Result<Vec<f64>, Infallible> {
        self.note(step, &value);
        let babies: Vec<Vec<f64>> = (0..diagonals.babies)
            .map(|places| rotated(&value, places))
            .collect();
        let mut sum = vec![0.0; value.len()];
        for group in diagonals.weights.iter().rev() {
            sum.rotate_left(diagonals.giant);
            for (weights, baby) in group.iter().zip(&babies) {
                let terms = weights.iter().zip(baby);
                for (sum, (weight, value)) in sum.iter_mut().zip(terms) {
                    *sum += weight * value;
                }
            }
        }
        Ok(sum)
    }

    fn sum(&mut self, _: usize, places: usize, value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        let other = rotated(&value, places);
        Ok(value.iter().zip(other).map(|(a, b)| a + b).collect())
    }

    fn add(&mut self, _: usize, values: &[f64], value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok(value.iter().zip(values).map(|(a, b)| a + b).collect())
    }

    fn square(
        &mut self,
        step: usize,
        linear: Option<&[f64]>,
        mut value: Vec<f64>,
    ) -> Result<Vec<f64>, Infallible> {
        self.note(step, &value);
        for (slot, value) in value.iter_mut().enumerate() {
            *value *= *value + linear.map_or(0.0, |linear| linear[slot]);
        }
        Ok(value)
    }

    fn rescale(&mut self, _: usize, value: Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok(value)
    }

    fn done(&mut self, step: usize, value: &Vec<f64>) -> bool {
        let largest = value
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.abs()));
        self.trace.largest[step] = self.trace.largest[step].max(largest);
        true
    }
}

impl Program {
    /// Runs images in the clear: their logits `[image][class]`, and what they showed.
    pub fn trace(&self, circuit: &Circuit, images: &Images) -> (Vec<Vec<f64>>, Trace) {
        let mut trace = Trace::unknown(self);
        let mut logits = Vec::with_capacity(images.len());
        for index in 0..images.len() {
            let mut features = Vec::with_capacity(circuit.input.len());
            circuit.normalise(images.image(index), &mut features);
            let slots = pack(&self.input, &features);
            let largest = slots.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            trace.input = trace.input.max(largest);
            let mut clear = Clear { trace: &mut trace };
            if let Ok(Some(value)) = self.run((&[], 0), &mut clear, slots) {
                logits.push(self.output.iter().map(|&slot| value[slot]).collect());
            }
        }
        let share = 1.0 / images.len().max(1) as f64;
        for value in trace.mean_square.iter_mut().flatten() {
            *value *= share;
        }
        (logits, trace)
    }
}
