//! The actions of a stage on one chunk of ciphertexts.

use std::rc::Rc;
use std::time::{Duration, Instant};

use ckks::{
    CiphertextSet, Error, Evaluator, FusedInput, FusedStep, LinearMap, Machine, MonicPolynomial,
    PreparedMap, evaluate_polynomial,
};

use super::stages::{Action, Layout, Op, Stage};

/// Times by action of a stage.
pub struct Clock {
    pub spent: Vec<Duration>,
}

/// A stage's map at the positions that a chunk needs.
pub enum Part<'a> {
    Whole(&'a LinearMap),
    Prepared(Rc<PreparedMap>),
}

/// What a chunk needs of a stage.
pub struct Parts<'a> {
    /// The maps among the actions.
    pub maps: Vec<Option<Part<'a>>>,
    /// The positions before every action and after the last.
    pub positions: Vec<Vec<u32>>,
}

/// A stage's actions on one chunk.
pub struct Program<'p, 'a> {
    pub evaluator: &'p Evaluator,
    pub stage: &'p Stage<'a>,
    pub parts: &'p Parts<'a>,
}

impl Program<'_, '_> {
    /// Runs the actions from `first` on that leave coefficients apart, all together; also says which one comes next.
    pub fn fused<'i>(
        &self,
        input: impl Into<FusedInput<'i>>,
        first: usize,
        clock: &mut Clock,
    ) -> Result<(CiphertextSet, usize), Error> {
        let started = Instant::now();
        let layouts = self.stage.layouts();
        let together = |action: &&Action<'_>| matches!(action.op, Op::Linear(_) | Op::TensorSquare);
        let count = self.stage.actions[first..]
            .iter()
            .take_while(together)
            .count();
        let mut biases: Vec<(usize, Vec<f64>)> = Vec::new();
        for at in first..first + count {
            if let Op::Linear(layer) = self.stage.actions[at].op {
                let (layout, positions) = (layouts[at + 1], &self.parts.positions[at + 1]);
                biases.push((at, select(&layer.bias, layout, positions)));
            }
        }
        let mut steps = Vec::new();
        for at in first..first + count {
            match (self.stage.actions[at].op, &self.parts.maps[at]) {
                (Op::Linear(layer), Some(part)) => {
                    let weight_scale = layer.weight_scale;
                    let step = match part {
                        Part::Whole(map) => FusedStep::Linear { map, weight_scale },
                        Part::Prepared(map) => FusedStep::Prepared { map, weight_scale },
                    };
                    steps.push((at, step));
                    let bias = biases.iter().find(|(of, _)| *of == at);
                    if let Some((_, bias)) = bias.filter(|(_, bias)| !bias.is_empty()) {
                        steps.push((at, FusedStep::AddConstants(bias)));
                    }
                }
                _ => steps.push((at, FusedStep::TensorSquare)),
            }
        }
        let (owners, steps): (Vec<usize>, Vec<FusedStep<'_>>) = steps.into_iter().unzip();
        let (value, spent) = self.evaluator.fused_timed(input, &steps)?;
        let whole: Duration = spent.iter().sum();
        let wall = started.elapsed().as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        for (owner, spent) in owners.into_iter().zip(spent) {
            clock.spent[owner] += Duration::from_secs_f64(spent.as_secs_f64() * wall);
        }
        Ok((value, first + count))
    }

    /// Runs the actions from `next` on.
    pub fn rest(
        &self,
        mut value: CiphertextSet,
        mut next: usize,
        clock: &mut Clock,
    ) -> Result<CiphertextSet, Error> {
        while let Some(action) = self.stage.actions.get(next) {
            let started = Instant::now();
            match action.op {
                Op::Relinearize => value = self.evaluator.relinearize_rescale(value)?,
                Op::Polynomial(layer) => {
                    let layout = self.stage.layouts()[next];
                    let lower = layer.polynomial.lower().iter();
                    let lower = lower.map(|list| select(list, layout, &self.parts.positions[next]));
                    let degree = layer.polynomial.degree();
                    let polynomial = MonicPolynomial::new(degree, lower.collect())?;
                    value = evaluate_polynomial(self.evaluator, &value, &polynomial)?;
                }
                Op::Linear(_) | Op::TensorSquare => {
                    (value, next) = self.fused(&value, next, clock)?;
                    continue;
                }
            }
            clock.spent[next] += started.elapsed();
            next += 1;
        }
        Ok(value)
    }
}

impl Layout {
    /// All channels at some positions.
    pub fn at(self, positions: &[u32]) -> Vec<u32> {
        let channels = 0..self.channels as u32;
        let of = |channel: u32| {
            positions
                .iter()
                .map(move |at| channel * self.positions as u32 + at)
        };
        channels.flat_map(of).collect()
    }
}

/// The numbers of a chunk's features; one for all stays one.
fn select(list: &[f64], layout: Layout, positions: &[u32]) -> Vec<f64> {
    if list.len() <= 1 || positions.len() == layout.positions {
        return list.to_vec();
    }
    let features = layout.at(positions).into_iter();
    features
        .filter_map(|feature| list.get(feature as usize).copied())
        .collect()
}
