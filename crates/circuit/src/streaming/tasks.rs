//! The order in which the chunks of all stages are computed, and what each of them reads and frees. It depends on the circuit alone, so
//! the planner knows it before anything runs.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Execution;
use super::stages::{Layout, Stage, stages};
use crate::program::{Op, Operation};
use crate::schedule::Schedule;
use crate::types::Circuit;

/// Chunks of the input are so many times smaller than those of layers: they are expanded for a window at a time and cost nothing to cut.
const INPUT_SHARE: usize = 8;

/// All that is known of an execution beforehand.
#[derive(Debug)]
pub struct Order<'a> {
    pub stages: Vec<Stage<'a>>,
    /// Positions of a chunk that leaves each stage; the first entry is the input's.
    pub sizes: Vec<usize>,
    /// In the order of execution.
    pub tasks: Vec<Task>,
}

/// One chunk of one stage; of a stage that absorbs, one chunk that it reads.
#[derive(Debug)]
pub struct Task {
    pub stage: usize,
    pub chunk: usize,
    /// Chunks of the stage before (of the input, before the first).
    pub reads: Vec<usize>,
    /// Those of them that nothing reads any more.
    pub frees: Vec<usize>,
    /// Whether its chunk is whole now; only a stage that absorbs has tasks after which it is not.
    pub completes: bool,
    /// Whether anything reads its chunk.
    pub wanted: bool,
}

impl<'a> Order<'a> {
    pub fn new(circuit: &'a Circuit, schedule: &Schedule, execution: Execution) -> Self {
        let stages = stages(circuit, schedule, execution);
        let inputs = stages.first().map_or(
            Layout {
                channels: 1,
                positions: 1,
            },
            |stage| stage.inputs,
        );
        let features = match execution {
            Execution::Whole => usize::MAX,
            Execution::Streamed(features) => features,
        };
        let input = chunk(inputs.positions, inputs.channels, features / INPUT_SHARE);
        let others = stages
            .iter()
            .map(|stage| chunk(stage.outputs.positions, stage.width(), features));
        let mut order = Self {
            sizes: std::iter::once(input).chain(others).collect(),
            stages,
            tasks: Vec::new(),
        };
        order.tasks = order.schedule();
        order
    }

    /// What a task runs: of a stage that absorbs, the rest of it only at the end.
    pub fn operations(&self, task: &Task) -> &[Operation<'_>] {
        let stage = &self.stages[task.stage];
        if task.completes {
            &stage.operations
        } else {
            &stage.operations[..stage.absorbing]
        }
    }

    /// Positions of a chunk of a stage.
    pub fn positions(&self, stage: usize, chunk: usize) -> Range<usize> {
        let size = self.sizes[stage + 1];
        chunk * size..(chunk + 1) * size
    }

    /// Chunks that a stage reads from.
    pub fn sources(&self, stage: usize) -> usize {
        self.stages[stage].inputs.positions / self.sizes[stage]
    }

    /// Chunks that a stage makes.
    pub fn chunks(&self, stage: usize) -> usize {
        self.stages[stage].outputs.positions / self.sizes[stage + 1]
    }

    /// Whether the only task of the first stage reads all of the input at once: it need not be expanded before.
    pub fn reads_seeded(&self) -> bool {
        self.sources(0) == 1 && self.chunks(0) == 1 && self.stages[0].absorbing == 0
    }

    /// What every chunk of a stage reads of the chunks before.
    fn reads(&self, stage: usize) -> Vec<Vec<usize>> {
        let what = &self.stages[stage];
        let all = || (0..self.sources(stage)).collect();
        if self.chunks(stage) == 1 {
            return vec![all()];
        }
        // from each of the stage's outputs to the positions that it reads
        let mut windows: Vec<BTreeSet<u32>> = (0..what.outputs.positions as u32)
            .map(|position| BTreeSet::from([position]))
            .collect();
        let layouts = what.layouts();
        for (operation, from) in what.operations.iter().zip(&layouts).rev() {
            if let Op::Linear(layer) = operation.op {
                let reads = layer.map.reads(from.positions);
                let of = |window: &BTreeSet<u32>| {
                    let parts = window
                        .iter()
                        .flat_map(|position| &reads[*position as usize]);
                    parts.copied().collect()
                };
                windows = windows.iter().map(of).collect();
            }
        }
        let size = self.sizes[stage] as u32;
        let chunks = (0..self.chunks(stage)).map(|chunk| {
            let windows = &windows[self.positions(stage, chunk)];
            let read: BTreeSet<usize> = windows
                .iter()
                .flatten()
                .map(|position| (position / size) as usize)
                .collect();
            // what reads nothing but padding still needs a set that says level and scale
            if read.is_empty() {
                vec![0]
            } else {
                read.into_iter().collect()
            }
        });
        chunks.collect()
    }

    /// Demands the last stage's chunks one by one; whatever is missing for a chunk is made just before it.
    fn schedule(&self) -> Vec<Task> {
        let reads: Vec<Vec<Vec<usize>>> = (0..self.stages.len())
            .map(|stage| self.reads(stage))
            .collect();
        let mut readers: Vec<Vec<usize>> = (0..self.stages.len())
            .map(|stage| {
                let mut count = vec![0; self.sources(stage)];
                for read in reads[stage].iter().flatten() {
                    count[*read] += 1;
                }
                count
            })
            .collect();
        let mut demand = Demand {
            order: self,
            reads: &reads,
            made: vec![0; self.stages.len()],
            tasks: Vec::new(),
        };
        if let Some(last) = self.stages.len().checked_sub(1) {
            demand.chunk(last, self.chunks(last) - 1);
        }
        let mut tasks = demand.tasks;
        for task in &mut tasks {
            task.wanted = readers
                .get(task.stage + 1)
                .is_none_or(|readers| readers[task.chunk] > 0);
            let left = &mut readers[task.stage];
            for read in &task.reads {
                left[*read] -= 1;
                if left[*read] == 0 {
                    task.frees.push(*read);
                }
            }
        }
        tasks
    }
}

/// What is made so far.
struct Demand<'a> {
    order: &'a Order<'a>,
    reads: &'a [Vec<Vec<usize>>],
    /// Chunks of every stage, which are made in order.
    made: Vec<usize>,
    tasks: Vec<Task>,
}

impl Demand<'_> {
    fn chunk(&mut self, stage: usize, chunk: usize) {
        let reads = self.reads;
        while self.made[stage] <= chunk {
            let next = self.made[stage];
            let pieces = if self.order.stages[stage].absorbing > 0 {
                reads[stage][next].chunks(1)
            } else {
                reads[stage][next].chunks(usize::MAX)
            };
            let count = pieces.len();
            for (index, piece) in pieces.enumerate() {
                if let (Some(before), Some(last)) = (stage.checked_sub(1), piece.last()) {
                    self.chunk(before, *last);
                }
                self.tasks.push(Task {
                    stage,
                    chunk: next,
                    reads: piece.to_vec(),
                    frees: Vec::new(),
                    completes: index + 1 == count,
                    wanted: true,
                });
            }
            self.made[stage] += 1;
        }
    }
}

/// Positions of a chunk: the most that divide all of them and hold about `features`, `width` a position.
fn chunk(positions: usize, width: usize, features: usize) -> usize {
    let most = (features / width.max(1)).clamp(1, positions);
    let fits = (1..=most)
        .rev()
        .find(|size| positions.is_multiple_of(*size));
    fits.unwrap_or(1)
}
