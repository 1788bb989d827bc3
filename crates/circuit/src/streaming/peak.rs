//! The most memory that an execution takes: its tasks, run on sizes alone.

use super::super::cost::CostModel;
use super::super::plan::LayerPlan;
use super::stages::{Action, Op};
use super::tasks::{Order, Task};

/// The program itself, its stacks and buffers, and the transforms' tables.
const PROGRAM_BYTES: u64 = 96 << 20;

/// What lies unused between ciphertexts of several sizes, as they come and go: measured on circuits of 1 to 18 GiB, 4 to 9 percent.
const BETWEEN: f64 = 1.07;

/// What ciphertexts take, by the plan's own account.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    pub cost: &'a CostModel,
    pub layers: &'a [LayerPlan],
    /// Primes of a fresh encryption.
    pub limbs: usize,
    /// Bytes of an upload.
    pub upload: u64,
}

/// One ciphertext somewhere in the circuit.
#[derive(Clone, Copy)]
struct Shape {
    limbs: usize,
    components: usize,
}

impl Sizes<'_> {
    fn bytes(&self, features: usize, shape: Shape) -> u64 {
        self.cost.set_bytes(features, shape.limbs, shape.components)
    }

    /// After an action.
    fn after(&self, action: &Action<'_>, shape: Shape) -> Shape {
        match action.op {
            Op::Linear(_) => shape,
            Op::TensorSquare => Shape {
                components: 2 * shape.components - 1,
                ..shape
            },
            Op::Relinearize => Shape {
                limbs: shape.limbs.saturating_sub(1),
                components: 2,
            },
            Op::Polynomial(_) => Shape {
                limbs: self
                    .layers
                    .get(action.layer)
                    .map_or(1, |layer| layer.level + 1),
                components: 2,
            },
        }
    }

    /// Most bytes in use at once, of ciphertexts, keys and all.
    pub fn peak(&self, order: &Order<'_>) -> u64 {
        let fresh = Shape {
            limbs: self.limbs,
            components: 2,
        };
        let seeded = Shape {
            components: 1,
            ..fresh
        };
        let mut shapes = vec![fresh];
        for stage in &order.stages {
            let last = shapes.last().copied().unwrap_or(fresh);
            let after = stage
                .actions
                .iter()
                .fold(last, |shape, action| self.after(action, shape));
            shapes.push(after);
        }
        let mut memory = Memory::default();
        // the bytes of the upload while they are read
        let inputs = order.stages[0].inputs;
        memory.take(self.bytes(inputs.features(), seeded));
        memory.note(self.upload);
        let mut expanded = vec![false; order.sources(0)];
        let mut sums = vec![0; order.stages.len()];
        for task in &order.tasks {
            let stage = &order.stages[task.stage];
            let chunk = order.sizes[task.stage] * stage.inputs.channels;
            let direct = task.stage == 0 && order.reads_seeded();
            if task.stage == 0 {
                for read in &task.reads {
                    if !std::mem::replace(&mut expanded[*read], true) {
                        // masks alone where they are read once, all of it elsewhere
                        memory.take(self.bytes(chunk, if direct { seeded } else { fresh }));
                        if !direct {
                            memory.give(self.bytes(chunk, seeded));
                        }
                    }
                }
            }
            let frees = if direct {
                2 * self.bytes(chunk, seeded)
            } else {
                task.frees.len() as u64 * self.bytes(chunk, shapes[task.stage])
            };
            let made = self.run(
                order,
                task,
                shapes[task.stage],
                frees,
                &mut sums,
                &mut memory,
            );
            if !task.wanted {
                memory.give(made);
            }
        }
        let ciphertexts = (memory.peak as f64 * BETWEEN) as u64;
        ciphertexts + self.cost.key_bytes(self.limbs) + PROGRAM_BYTES
    }

    /// One task; the bytes of what it leaves.
    fn run(
        &self,
        order: &Order<'_>,
        task: &Task,
        mut shape: Shape,
        frees: u64,
        sums: &mut [u64],
        memory: &mut Memory,
    ) -> u64 {
        let stage = &order.stages[task.stage];
        let layouts = stage.layouts();
        let positions = order.sizes[task.stage + 1];
        // ciphertexts of a chunk after each action, all windows apart
        let features = |at: usize| {
            let share = layouts[at].features() * positions;
            share.div_ceil(stage.outputs.positions)
        };
        let mut held = 0;
        let mut freed = false;
        let mut next = 0;
        let actions = order.actions(task);
        if stage.absorbing > 0 {
            for action in &actions[..stage.absorbing] {
                shape = self.after(action, shape);
            }
            let part = self.bytes(features(stage.absorbing), shape);
            memory.take(part);
            memory.give(frees);
            freed = true;
            next = stage.absorbing;
            let sum = &mut sums[task.stage];
            if *sum > 0 {
                memory.give(part);
            }
            *sum = part;
            held = part;
            if !task.completes {
                return 0;
            }
        }
        while next < actions.len() || !freed {
            let fusible =
                |action: &&Action<'_>| matches!(action.op, Op::Linear(_) | Op::TensorSquare);
            let together = actions[next..].iter().take_while(fusible).count();
            if together > 0 || !freed {
                for action in &actions[next..next + together] {
                    shape = self.after(action, shape);
                }
                next += together;
                let made = self.bytes(features(next), shape);
                memory.take(made);
                memory.give(if freed { held } else { frees });
                (held, freed) = (made, true);
                continue;
            }
            let action = &actions[next];
            let before = features(next);
            shape = self.after(action, shape);
            next += 1;
            let made = self.bytes(features(next), shape);
            if let (Op::Polynomial(_), Some(layer)) = (action.op, self.layers.get(action.layer)) {
                // what the polynomial holds at most, its input included
                let most = layer.peak_bytes * before as u64 / layer.ciphertexts.max(1) as u64;
                memory.note(most.saturating_sub(held));
            }
            memory.take(made);
            memory.give(held);
            held = made;
        }
        held
    }
}

/// Bytes in use now and at most.
#[derive(Default)]
struct Memory {
    used: u64,
    peak: u64,
}

impl Memory {
    fn take(&mut self, bytes: u64) {
        self.used += bytes;
        self.peak = self.peak.max(self.used);
    }

    /// So much more for a moment.
    fn note(&mut self, bytes: u64) {
        self.peak = self.peak.max(self.used + bytes);
    }

    fn give(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}
