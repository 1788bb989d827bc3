//! The tasks of an execution on real ciphertexts.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ckks::{
    CiphertextSet, Error, Evaluator, FusedInput, FusedStep, Gathered, LinearMap, Machine,
    PreparedMap, SeededPart, SeededSet,
};

use super::super::schedule::Schedule;
use super::super::types::Circuit;
use super::Execution;
use super::program::{Clock, Part, Parts, Program};
use super::stages::{Action, Op};
use super::tasks::{Order, Task};

/// A circuit that is ready to run on ciphertexts, in one of its executions.
#[derive(Debug)]
pub struct Executor<'a> {
    evaluator: &'a Evaluator,
    order: Order<'a>,
    /// Maps at some positions with their weights in order, by layer: inner chunks share one.
    prepared: HashMap<usize, Vec<(LinearMap, Rc<PreparedMap>)>>,
}

/// The sets that later tasks read.
struct Values {
    seeded: Option<SeededSet>,
    parts: Vec<Option<SeededPart>>,
    /// Chunks by stage, the expanded input's first.
    chunks: Vec<Vec<Option<CiphertextSet>>>,
    /// Sums of a stage that absorbs.
    sums: Vec<Option<CiphertextSet>>,
}

impl<'a> Executor<'a> {
    /// Works out the order; nothing is computed yet.
    pub fn new(
        evaluator: &'a Evaluator,
        circuit: &'a Circuit,
        schedule: Schedule,
        execution: Execution,
    ) -> Self {
        Self {
            evaluator,
            order: Order::new(circuit, schedule, execution),
            prepared: HashMap::new(),
        }
    }

    /// How often a run tells of a layer.
    pub fn reports(&self) -> usize {
        let layers = |task: &Task| layers(self.order.actions(task)).len();
        self.order.tasks.iter().map(layers).sum()
    }

    /// Runs the circuit on an upload. `observe` is told of a layer's index and what a part of it took, and says whether to go on; `None`
    /// where it did not. Layers that ran together share their wall-clock time as they shared the threads' time.
    ///
    /// # Errors
    /// The evaluator's.
    pub fn run(
        &mut self,
        input: SeededSet,
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Option<CiphertextSet>, Error> {
        let mut values = self.values(input)?;
        let tasks = std::mem::take(&mut self.order.tasks);
        let mut outcome = Ok(true);
        for task in &tasks {
            outcome = self.task(task, &mut values).map(|clock| {
                let actions = self.order.actions(task);
                layers(actions).into_iter().all(|layer| {
                    let own = actions.iter().zip(&clock.spent);
                    let own = own.filter(|(action, _)| action.layer == layer);
                    observe(layer, own.map(|(_, spent)| *spent).sum())
                })
            });
            if !matches!(outcome, Ok(true)) {
                break;
            }
        }
        self.order.tasks = tasks;
        let output = values.chunks.last_mut().and_then(|last| last.first_mut());
        Ok(if outcome? {
            output.and_then(Option::take)
        } else {
            None
        })
    }

    fn values(&self, input: SeededSet) -> Result<Values, Error> {
        let order = &self.order;
        let first = order.stages[0].inputs;
        let sources = order.sources(0);
        let (seeded, parts) = if sources == 1 {
            (Some(input), vec![None])
        } else {
            let size = order.sizes[0];
            let parts: Vec<Vec<u32>> = (0..sources)
                .map(|part| first.at(&range(part * size..(part + 1) * size)))
                .collect();
            let parts = input.into_parts(&parts)?;
            (None, parts.into_iter().map(Some).collect())
        };
        let mut chunks = vec![empty(sources)];
        let made = (0..order.stages.len()).map(|stage| empty(order.chunks(stage)));
        chunks.extend(made);
        Ok(Values {
            seeded,
            parts,
            chunks,
            sums: empty(order.stages.len()),
        })
    }

    fn task(&mut self, task: &Task, values: &mut Values) -> Result<Clock, Error> {
        let stage = &self.order.stages[task.stage];
        let mut clock = Clock {
            spent: vec![Duration::ZERO; self.order.actions(task).len()],
        };
        let whole = self.order.chunks(task.stage) == 1 && self.order.sources(task.stage) == 1;
        // A fresh encryption that is read once is expanded block by block on the way.
        let direct = task.stage == 0 && self.order.reads_seeded();
        if task.stage == 0 && !direct {
            values.expand(&task.reads);
        }
        let value = if stage.absorbing > 0 {
            self.absorb(task, values, &mut clock)?
        } else {
            Some(self.open(task, whole, direct, values, &mut clock)?)
        };
        if task.wanted
            && let Some(value) = value
        {
            values.chunks[task.stage + 1][task.chunk] = Some(value);
        }
        Ok(clock)
    }

    /// A chunk from what its windows read.
    fn open(
        &mut self,
        task: &Task,
        whole: bool,
        direct: bool,
        values: &mut Values,
        clock: &mut Clock,
    ) -> Result<CiphertextSet, Error> {
        let range = range(self.order.positions(task.stage, task.chunk));
        let parts = self.parts(task.stage, &range, whole)?;
        let program = Program {
            evaluator: self.evaluator,
            stage: &self.order.stages[task.stage],
            parts: &parts,
        };
        let chunks = &values.chunks[task.stage];
        let gathered;
        let input: FusedInput<'_> = match (&values.seeded, &task.reads[..]) {
            (Some(seeded), _) if direct => seeded.into(),
            (_, [only]) if whole => stored(chunks, *only)?.into(),
            (_, reads) => {
                let sets = reads.iter().map(|read| stored(chunks, *read));
                let places = self.order.places(task.stage, reads, &parts.positions[0]);
                gathered = Gathered::new(sets.collect::<Result<_, _>>()?, &places)?;
                (&gathered).into()
            }
        };
        let (value, next) = program.fused(input, 0, clock)?;
        values.free(task, direct);
        program.rest(value, next, clock)
    }

    /// What one chunk contributes to a stage that reads all of them; the stage's value once it was the last.
    fn absorb(
        &mut self,
        task: &Task,
        values: &mut Values,
        clock: &mut Clock,
    ) -> Result<Option<CiphertextSet>, Error> {
        let stage = &self.order.stages[task.stage];
        let (squares, linear) = stage.actions[..stage.absorbing].split_at(stage.absorbing - 1);
        let (
            [
                Action {
                    op: Op::Linear(layer),
                    ..
                },
            ],
            [read],
        ) = (linear, &task.reads[..])
        else {
            return Err(nothing());
        };
        let (size, read) = (self.order.sizes[task.stage], *read);
        let features = stage.inputs.at(&range(read * size..(read + 1) * size));
        let map = layer.map.partial(&features)?;
        let mut steps = vec![FusedStep::TensorSquare; squares.len()];
        steps.push(FusedStep::Linear {
            map: &map,
            weight_scale: layer.weight_scale,
        });
        let started = Instant::now();
        let set = stored(&values.chunks[task.stage], read)?;
        let part = self.evaluator.fused(set, &steps)?;
        values.free(task, false);
        let mut sum = match values.sums[task.stage].take() {
            None => part,
            Some(sum) => self.evaluator.add(sum, &part)?,
        };
        if task.completes && !layer.bias.is_empty() {
            sum = self.evaluator.add_constants(sum, &layer.bias)?;
        }
        clock.spent[stage.absorbing - 1] += started.elapsed();
        if !task.completes {
            values.sums[task.stage] = Some(sum);
            return Ok(None);
        }
        let parts = self.parts(task.stage, &[0], true)?;
        let program = Program {
            evaluator: self.evaluator,
            stage: &self.order.stages[task.stage],
            parts: &parts,
        };
        let next = program.stage.absorbing;
        program.rest(sum, next, clock).map(Some)
    }

    /// The maps of a stage for some of its output positions.
    fn parts(&mut self, stage: usize, range: &[u32], whole: bool) -> Result<Parts<'a>, Error> {
        let stage = &self.order.stages[stage];
        let layouts = stage.layouts();
        let mut positions = vec![range.to_vec()];
        let mut maps = Vec::new();
        for (action, from) in stage.actions.iter().zip(&layouts).rev() {
            let after = positions.last().cloned().unwrap_or_default();
            let Op::Linear(layer) = action.op else {
                maps.push(None);
                positions.push(after);
                continue;
            };
            if whole {
                maps.push(Some(Part::Whole(&layer.map)));
                positions.push((0..from.positions as u32).collect());
                continue;
            }
            let part = layer.map.restrict(from.positions, &after)?;
            let known = self.prepared.entry(action.layer).or_default();
            let found = known.iter().find(|(map, _)| *map == part.map);
            let prepared = match found {
                Some((_, prepared)) => Rc::clone(prepared),
                None => {
                    let prepared = Rc::new(self.evaluator.prepare(&part.map));
                    known.push((part.map, Rc::clone(&prepared)));
                    prepared
                }
            };
            maps.push(Some(Part::Prepared(prepared)));
            positions.push(part.reads);
        }
        maps.reverse();
        positions.reverse();
        Ok(Parts { maps, positions })
    }
}

impl Order<'_> {
    /// What a task runs: of a stage that absorbs, the rest of it only at the end.
    pub fn actions(&self, task: &Task) -> &[Action<'_>] {
        let stage = &self.stages[task.stage];
        if task.completes {
            &stage.actions
        } else {
            &stage.actions[..stage.absorbing]
        }
    }

    /// Where the features at some input positions of a stage lie: which of the chunks read, and which feature of it.
    fn places(&self, stage: usize, reads: &[usize], positions: &[u32]) -> Vec<(usize, usize)> {
        let (size, channels) = (self.sizes[stage], self.stages[stage].inputs.channels);
        let of = |channel: usize, position: usize| {
            let chunk = reads.iter().position(|read| *read == position / size);
            (chunk.unwrap_or(0), channel * size + position % size)
        };
        (0..channels)
            .flat_map(|channel| positions.iter().map(move |at| of(channel, *at as usize)))
            .collect()
    }
}

impl Values {
    /// Makes sure that parts of the input are expanded.
    fn expand(&mut self, parts: &[usize]) {
        if let Some(seeded) = self.seeded.take() {
            self.chunks[0][0] = Some(seeded.expand());
        }
        for part in parts {
            if let Some(seeded) = self.parts[*part].take() {
                self.chunks[0][*part] = Some(seeded.expand());
            }
        }
    }

    /// Drops what nothing reads any more.
    fn free(&mut self, task: &Task, direct: bool) {
        if direct {
            self.seeded = None;
        }
        for chunk in &task.frees {
            self.chunks[task.stage][*chunk] = None;
        }
    }
}

/// The layers of actions, each once.
fn layers(actions: &[Action<'_>]) -> Vec<usize> {
    let mut layers: Vec<usize> = actions.iter().map(|action| action.layer).collect();
    layers.dedup();
    layers
}

fn range(positions: Range<usize>) -> Vec<u32> {
    (positions.start as u32..positions.end as u32).collect()
}

fn empty<T>(count: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(count).collect()
}

fn stored(chunks: &[Option<CiphertextSet>], chunk: usize) -> Result<&CiphertextSet, Error> {
    chunks
        .get(chunk)
        .and_then(Option::as_ref)
        .ok_or_else(nothing)
}

/// An order that reads what was not made: none does.
fn nothing() -> Error {
    Error::Features {
        operation: "read a chunk",
        expected: 1,
        found: 0,
    }
}
