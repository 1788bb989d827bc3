//! A circuit's layers as actions, and where they are cut into stages.
//!
//! A stage ends before a map whose windows overlap: what it reads is kept, as several chunks read it. Maps whose windows do not overlap,
//! as in pooling, belong to the stage before them and make its outputs fewer. A map to a single position needs every chunk; it takes them
//! one by one and adds up what each contributes.
//!
//! A square that leaves its components open makes ciphertexts larger and costs little, so it moves to the stage that reads its input.

use super::super::schedule::{Schedule, Step};
use super::super::types::{Circuit, CircuitLayer, LinearLayer, PolynomialLayer};
use super::Execution;

/// What happens to a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// A map and its biases.
    Linear(&'a LinearLayer),
    /// A square that leaves its components open.
    TensorSquare,
    /// Back to two components, dropping a prime.
    Relinearize,
    /// A polynomial that relinearises and rescales on its own.
    Polynomial(&'a PolynomialLayer),
}

/// An [`Op`] and the layer that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    pub layer: usize,
    pub op: Op<'a>,
}

/// Features as `[channels, positions]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub channels: usize,
    pub positions: usize,
}

/// Actions that run on one chunk after the other.
#[derive(Debug)]
pub struct Stage<'a> {
    pub actions: Vec<Action<'a>>,
    /// How many actions at the front take the chunks of the stage before one by one, the last of them adding up; 0 where chunks are
    /// computed from what their windows read.
    pub absorbing: usize,
    pub inputs: Layout,
    pub outputs: Layout,
}

impl Layout {
    pub fn features(self) -> usize {
        self.channels * self.positions
    }

    fn of(layer: &LinearLayer) -> Self {
        let positions = layer.map.positions();
        Self {
            channels: layer.map.outputs() / positions,
            positions,
        }
    }
}

impl Stage<'_> {
    /// The layouts before every action and after the last.
    pub fn layouts(&self) -> Vec<Layout> {
        let mut layout = self.inputs;
        let mut layouts = vec![layout];
        for action in &self.actions {
            if let Op::Linear(layer) = action.op {
                layout = Layout::of(layer);
            }
            layouts.push(layout);
        }
        layouts
    }

    /// Most ciphertexts that stand for one position of the outputs at any time.
    pub fn width(&self) -> usize {
        let first = self.actions.iter().position(is_linear).unwrap_or(0);
        let made = self.layouts().into_iter().skip(first + 1);
        let most = made.map(Layout::features).max().unwrap_or(1);
        most.div_ceil(self.outputs.positions)
    }
}

/// The layers one after the other, in the parts that the schedule makes of them.
fn actions(circuit: &Circuit, schedule: Schedule) -> Vec<Action<'_>> {
    let steps = schedule.steps(circuit).into_iter().zip(&circuit.layers);
    let mut actions = Vec::new();
    for (layer, (step, what)) in steps.enumerate() {
        let mut push = |op| actions.push(Action { layer, op });
        match (step, what) {
            (
                Step::Polynomial {
                    relinearize,
                    tensor,
                },
                CircuitLayer::Polynomial(layer),
            ) => {
                if relinearize {
                    push(Op::Relinearize);
                }
                push(if tensor {
                    Op::TensorSquare
                } else {
                    Op::Polynomial(layer)
                });
            }
            (_, CircuitLayer::Polynomial(layer)) => push(Op::Polynomial(layer)),
            (_, CircuitLayer::Linear(layer)) => push(Op::Linear(layer)),
        }
    }
    actions
}

/// The stages of a circuit.
pub fn stages(circuit: &Circuit, schedule: Schedule, execution: Execution) -> Vec<Stage<'_>> {
    let mut layout = Layout {
        channels: circuit.input.channels,
        positions: circuit.input.height * circuit.input.width,
    };
    let mut stages = Vec::new();
    let mut open = Stage::open(layout);
    for action in actions(circuit, schedule) {
        if let Op::Linear(layer) = action.op {
            let to = Layout::of(layer);
            let begun = open
                .actions
                .iter()
                .any(|action| !matches!(action.op, Op::TensorSquare));
            let cut = execution != Execution::Whole && begun && !joins(layer, layout, to);
            if cut {
                let squares = open.actions.iter().rev();
                let squares = squares.take_while(|action| matches!(action.op, Op::TensorSquare));
                let moved = open.actions.split_off(open.actions.len() - squares.count());
                stages.push(std::mem::replace(&mut open, Stage::open(layout)));
                open.actions = moved;
            }
            if execution != Execution::Whole
                && !open.actions.iter().any(is_linear)
                && to.positions == 1
                && layout.positions > 1
            {
                open.absorbing = open.actions.len() + 1;
            }
            layout = to;
        }
        open.actions.push(action);
        open.outputs = layout;
    }
    stages.push(open);
    stages
}

impl<'a> Stage<'a> {
    fn open(inputs: Layout) -> Self {
        Self {
            actions: Vec::new(),
            absorbing: 0,
            inputs,
            outputs: inputs,
        }
    }
}

fn is_linear(action: &Action<'_>) -> bool {
    matches!(action.op, Op::Linear(_))
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
