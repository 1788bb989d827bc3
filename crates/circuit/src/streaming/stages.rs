//! Where a circuit's operations are cut into stages.
//!
//! A stage ends before a map whose windows overlap: what it reads is kept, as several chunks read it. Maps whose windows do not overlap,
//! as in pooling, belong to the stage before them and make its outputs fewer. A map to a single position needs every chunk; it takes them
//! one by one and adds up what each contributes.
//!
//! A square that leaves its components open makes ciphertexts larger and costs little, so it moves to the stage that reads its input.

use super::Execution;
use crate::program::{Op, Operation};
use crate::schedule::Schedule;
use crate::types::{Circuit, LinearLayer};

/// Features as `[channels, positions]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub channels: usize,
    pub positions: usize,
}

/// Operations that run on one chunk after the other.
#[derive(Debug)]
pub struct Stage<'a> {
    pub operations: Vec<Operation<'a>>,
    /// How many operations at the front take the chunks of the stage before one by one, the last of them adding up; 0 where chunks are
    /// computed from what their windows read.
    pub absorbing: usize,
    pub inputs: Layout,
    pub outputs: Layout,
}

impl Layout {
    pub fn features(self) -> usize {
        self.channels * self.positions
    }

    pub fn of(layer: &LinearLayer) -> Self {
        let positions = layer.map.positions();
        Self {
            channels: layer.map.outputs() / positions,
            positions,
        }
    }
}

impl Layout {
    /// The features of all channels at some positions.
    pub fn at(self, positions: &[u32]) -> Vec<u32> {
        let channels = 0..self.channels as u32;
        let of = |channel: u32| {
            positions
                .iter()
                .map(move |at| channel * self.positions as u32 + at)
        };
        channels.flat_map(of).collect()
    }

    /// Of a list of one number for every feature, those at some positions; one for all stays one.
    pub fn select(self, list: &[f64], positions: &[u32]) -> Vec<f64> {
        if list.len() <= 1 || positions.len() == self.positions {
            return list.to_vec();
        }
        let features = self.at(positions).into_iter();
        features
            .filter_map(|feature| list.get(feature as usize).copied())
            .collect()
    }
}

impl Stage<'_> {
    /// The layouts before every operation and after the last.
    pub fn layouts(&self) -> Vec<Layout> {
        let mut layout = self.inputs;
        let mut layouts = vec![layout];
        for operation in &self.operations {
            if let Op::Linear(layer) = operation.op {
                layout = Layout::of(layer);
            }
            layouts.push(layout);
        }
        layouts
    }

    /// Most ciphertexts that stand for one position of the outputs at any time.
    pub fn width(&self) -> usize {
        let first = self.operations.iter().position(is_linear).unwrap_or(0);
        let made = self.layouts().into_iter().skip(first + 1);
        let most = made.map(Layout::features).max().unwrap_or(1);
        most.div_ceil(self.outputs.positions)
    }
}

/// The stages of a circuit.
pub fn stages<'c>(
    circuit: &'c Circuit,
    schedule: &Schedule,
    execution: Execution,
) -> Vec<Stage<'c>> {
    let mut layout = Layout {
        channels: circuit.input.channels,
        positions: circuit.input.height * circuit.input.width,
    };
    let mut stages = Vec::new();
    let mut open = Stage::open(layout);
    for operation in schedule.operations(circuit) {
        if let Op::Linear(layer) = operation.op {
            let to = Layout::of(layer);
            let begun = open
                .operations
                .iter()
                .any(|operation| !is_square(operation));
            let cut = execution != Execution::Whole && begun && !joins(layer, layout, to);
            if cut {
                let squares = open.operations.iter().rev();
                let squares = squares.take_while(|operation| is_square(operation));
                let moved = open
                    .operations
                    .split_off(open.operations.len() - squares.count());
                stages.push(std::mem::replace(&mut open, Stage::open(layout)));
                open.operations = moved;
            }
            if execution != Execution::Whole
                && !open.operations.iter().any(is_linear)
                && to.positions == 1
                && layout.positions > 1
            {
                open.absorbing = open.operations.len() + 1;
            }
            layout = to;
        }
        open.operations.push(operation);
        open.outputs = layout;
    }
    stages.push(open);
    stages
}

impl<'a> Stage<'a> {
    fn open(inputs: Layout) -> Self {
        Self {
            operations: Vec::new(),
            absorbing: 0,
            inputs,
            outputs: inputs,
        }
    }
}

fn is_linear(operation: &Operation<'_>) -> bool {
    matches!(operation.op, Op::Linear(_))
}

fn is_square(operation: &Operation<'_>) -> bool {
    matches!(operation.op, Op::TensorSquare)
}

/// Whether a map can belong to the stage that makes its inputs: no two of its positions read the same one.
fn joins(layer: &LinearLayer, from: Layout, to: Layout) -> bool {
    if (from.positions, to.positions) == (1, 1) {
        return true;
    }
    let mut taken = vec![false; from.positions];
    let apart = |position: u32| !std::mem::replace(&mut taken[position as usize], true);
    let reads = layer.map.reads(from.positions);
    to.positions > 1 && reads.into_iter().flatten().all(apart)
}
