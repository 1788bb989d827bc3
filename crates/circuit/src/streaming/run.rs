//! The executor: the tasks of an order, one after the other, on ciphertexts or on their sizes alone.

use std::ops::Range;
use std::time::{Duration, Instant};

use ckks::{CiphertextSet, Evaluator, HomomorphicOps, MonicPolynomial, SeededSet};

use super::Execution;
use super::chunks::{Chunks, Error, Gather, Slice, Source, Step, Value};
use super::ciphertexts::Ciphertexts;
use super::stages::Stage;
use super::tasks::{Order, Task};
use crate::execute::apply;
use crate::program::{Op, Operation};
use crate::schedule::Schedule;
use crate::types::Circuit;

/// A circuit that is ready to run on ciphertexts, in one of its executions.
#[derive(Debug)]
pub struct Executor<'a> {
    ciphertexts: Ciphertexts<'a>,
    order: Order<'a>,
}

impl<'a> Executor<'a> {
    /// Works out the order; nothing is computed yet.
    pub fn new(
        evaluator: &'a Evaluator,
        circuit: &'a Circuit,
        schedule: &Schedule,
        execution: Execution,
    ) -> Self {
        Self {
            ciphertexts: Ciphertexts::new(evaluator),
            order: Order::new(circuit, schedule, execution),
        }
    }

    /// How often a run tells of a layer.
    pub fn reports(&self) -> usize {
        let layers = |task: &Task| layers(self.order.operations(task)).len();
        self.order.tasks.iter().map(layers).sum()
    }

    /// Runs the circuit on an upload. `observe` is told of a layer's index and what a part of it took, and says whether to go on; `None`
    /// where it did not. Layers that ran together share their wall-clock time as they shared the threads' time.
    ///
    /// # Errors
    /// The evaluator's.
    pub fn run(
        &self,
        input: SeededSet,
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Option<CiphertextSet>, ckks::Error> {
        run(&self.ciphertexts, &self.order, input, observe)
    }
}

/// Runs an order on an upload; see [`Executor::run`].
pub fn run<C: Chunks>(
    on: &C,
    order: &Order<'_>,
    upload: C::Upload,
    observe: &mut dyn FnMut(usize, Duration) -> bool,
) -> Result<Option<Value<C>>, Error<C>>
where
    Error<C>: From<ckks::Error>,
{
    let mut run = Run::new(on, order, upload)?;
    for task in &order.tasks {
        let spent = run.task(task)?;
        let operations = order.operations(task);
        for layer in layers(operations) {
            let own = operations.iter().zip(&spent);
            let own = own.filter(|(operation, _)| operation.layer == layer);
            if !observe(layer, own.map(|(_, spent)| *spent).sum()) {
                return Ok(None);
            }
        }
    }
    let output = run.chunks.last_mut().and_then(|last| last.first_mut());
    Ok(output.and_then(Option::take))
}

/// An order under way: the sets that later tasks read.
struct Run<'r, 'a, C: Chunks> {
    on: &'r C,
    order: &'r Order<'a>,
    /// The upload, where its parts are not apart.
    upload: Option<C::Upload>,
    parts: Vec<Option<C::Part>>,
    /// Chunks by stage, the expanded input's first.
    chunks: Vec<Vec<Option<Value<C>>>>,
    /// Sums of a stage that absorbs.
    sums: Vec<Option<Value<C>>>,
    /// Of the current task, by operation of its stage.
    spent: Vec<Duration>,
}

/// What a chunk needs of a stage.
struct Slices<M> {
    /// The maps among the operations; `None` where the whole map is meant.
    maps: Vec<Option<M>>,
    /// The positions before every operation and after the last.
    positions: Vec<Vec<u32>>,
}

impl<'r, 'a, C: Chunks> Run<'r, 'a, C>
where
    Error<C>: From<ckks::Error>,
{
    fn new(on: &'r C, order: &'r Order<'a>, upload: C::Upload) -> Result<Self, Error<C>> {
        let first = order.stages[0].inputs;
        let sources = order.sources(0);
        let (upload, parts) = if sources == 1 {
            (Some(upload), vec![None])
        } else {
            let size = order.sizes[0];
            let parts: Vec<Vec<u32>> = (0..sources)
                .map(|part| first.at(&range(part * size..(part + 1) * size)))
                .collect();
            let parts = on.split(upload, &parts)?;
            (None, parts.into_iter().map(Some).collect())
        };
        let mut chunks = vec![empty(sources)];
        let made = (0..order.stages.len()).map(|stage| empty(order.chunks(stage)));
        chunks.extend(made);
        Ok(Self {
            on,
            order,
            upload,
            parts,
            chunks,
            sums: empty(order.stages.len()),
            spent: Vec::new(),
        })
    }

    /// Runs a task; what each of its operations took.
    fn task(&mut self, task: &Task) -> Result<Vec<Duration>, Error<C>> {
        let stage = &self.order.stages[task.stage];
        self.spent = vec![Duration::ZERO; stage.operations.len()];
        let whole = self.order.chunks(task.stage) == 1 && self.order.sources(task.stage) == 1;
        // A fresh encryption that is read once is expanded block by block on the way.
        let direct = task.stage == 0 && self.order.reads_seeded();
        if task.stage == 0 && !direct {
            self.expand(&task.reads);
        }
        let value = if stage.absorbing > 0 {
            self.absorb(task, stage)?
        } else {
            Some(self.open(task, stage, whole, direct)?)
        };
        if task.wanted
            && let Some(value) = value
        {
            self.chunks[task.stage + 1][task.chunk] = Some(value);
        }
        Ok(std::mem::take(&mut self.spent))
    }

    /// A chunk from what its windows read.
    fn open(
        &mut self,
        task: &Task,
        stage: &'r Stage<'a>,
        whole: bool,
        direct: bool,
    ) -> Result<Value<C>, Error<C>> {
        let range = range(self.order.positions(task.stage, task.chunk));
        let slices = self.slices(stage, &range, whole)?;
        let chunks = &self.chunks[task.stage];
        let source = match (&self.upload, &task.reads[..]) {
            (Some(upload), _) if direct => Source::Upload(upload),
            (_, [only]) if whole => Source::Set(stored(chunks, *only)?),
            (_, reads) => {
                let sets = reads.iter().map(|read| stored(chunks, *read));
                Source::Gathered(Gather {
                    sets: sets.collect::<Result<_, _>>()?,
                    chunks: reads,
                    positions: &slices.positions[0],
                    size: self.order.sizes[task.stage],
                    channels: stage.inputs.channels,
                })
            }
        };
        let (value, next) = together(self.on, stage, &slices, source, 0, &mut self.spent)?;
        self.free(task, direct);
        self.rest(stage, &slices, value, next)
    }

    /// What one chunk contributes to a stage that reads all of them; the stage's value once it was the last.
    fn absorb(&mut self, task: &Task, stage: &'r Stage<'a>) -> Result<Option<Value<C>>, Error<C>> {
        let last = stage.absorbing - 1;
        let (Op::Linear(layer), [read]) = (stage.operations[last].op, &task.reads[..]) else {
            return Err(nothing().into());
        };
        let size = self.order.sizes[task.stage];
        let positions = range(read * size..(read + 1) * size);
        let map = self.on.slice_inputs(layer, stage.inputs, &positions)?;
        let mut steps: Vec<_> = (0..last).map(|_| Step::TensorSquare).collect();
        steps.push(Step::Linear {
            layer,
            map: Slice::Part(&map),
            biased: None,
        });
        let started = Instant::now();
        let set = stored(&self.chunks[task.stage], *read)?;
        let (part, _) = self.on.pointwise(Source::Set(set), &steps)?;
        self.free(task, false);
        let mut sum = match self.sums[task.stage].take() {
            None => part,
            Some(sum) => self.on.ops().add(sum, &part)?,
        };
        if task.completes && !layer.bias.is_empty() {
            sum = self.on.ops().add_constants(sum, &layer.bias)?;
        }
        self.spent[last] += started.elapsed();
        if !task.completes {
            self.sums[task.stage] = Some(sum);
            return Ok(None);
        }
        let slices = self.slices(stage, &[0], true)?;
        self.rest(stage, &slices, sum, stage.absorbing).map(Some)
    }

    /// Runs the operations from `next` on.
    fn rest(
        &mut self,
        stage: &Stage<'_>,
        slices: &Slices<C::Map>,
        mut value: Value<C>,
        mut next: usize,
    ) -> Result<Value<C>, Error<C>> {
        let layouts = stage.layouts();
        while let Some(operation) = stage.operations.get(next) {
            let started = Instant::now();
            if operation.op.is_pointwise() {
                let source = Source::Set(&value);
                (value, next) = together(self.on, stage, slices, source, next, &mut self.spent)?;
                continue;
            }
            let own;
            let mut op = operation.op;
            if let Op::Polynomial(polynomial) = op {
                let (layout, positions) = (layouts[next], &slices.positions[next]);
                let lower = polynomial.lower().iter();
                let lower = lower.map(|list| layout.select(list, positions));
                own = MonicPolynomial::new(polynomial.degree(), lower.collect());
                let own = own
                    .as_ref()
                    .map_err(|error| ckks::Error::from(error.clone()))?;
                op = Op::Polynomial(own);
            }
            value = apply(self.on.ops(), op, value)?;
            self.spent[next] += started.elapsed();
            next += 1;
        }
        Ok(value)
    }

    /// The maps of a stage for some of its output positions.
    fn slices(
        &self,
        stage: &Stage<'_>,
        range: &[u32],
        whole: bool,
    ) -> Result<Slices<C::Map>, Error<C>> {
        let layouts = stage.layouts();
        let mut positions = vec![range.to_vec()];
        let mut maps = Vec::new();
        for (operation, from) in stage.operations.iter().zip(&layouts).rev() {
            let after = positions.last().cloned().unwrap_or_default();
            let (map, reads) = match operation.op {
                Op::Linear(_) if whole => (None, self::range(0..from.positions)),
                Op::Linear(layer) => {
                    let layer = (operation.layer, layer);
                    let (map, reads) = self.on.slice_positions(layer, *from, &after)?;
                    (Some(map), reads)
                }
                _ => (None, after),
            };
            maps.push(map);
            positions.push(reads);
        }
        maps.reverse();
        positions.reverse();
        Ok(Slices { maps, positions })
    }

    /// Makes sure that parts of the input are expanded.
    fn expand(&mut self, parts: &[usize]) {
        if let Some(upload) = self.upload.take() {
            self.chunks[0][0] = Some(self.on.expand(upload));
        }
        for part in parts {
            if let Some(seeded) = self.parts[*part].take() {
                self.chunks[0][*part] = Some(self.on.expand_part(seeded));
            }
        }
    }

    /// Drops what nothing reads any more.
    fn free(&mut self, task: &Task, direct: bool) {
        if direct {
            self.upload = None;
        }
        for chunk in &task.frees {
            self.chunks[task.stage][*chunk] = None;
        }
    }
}

/// Runs the pointwise operations from `first` on, all together; also says which one comes next.
fn together<C: Chunks>(
    on: &C,
    stage: &Stage<'_>,
    slices: &Slices<C::Map>,
    source: Source<'_, C>,
    first: usize,
    spent: &mut [Duration],
) -> Result<(Value<C>, usize), Error<C>> {
    let started = Instant::now();
    let mut steps = Vec::new();
    let slices = slices.maps.iter().zip(slices.positions.iter().skip(1));
    for (operation, (map, after)) in stage.operations.iter().zip(slices).skip(first) {
        match operation.op {
            Op::Linear(layer) => steps.push(Step::Linear {
                layer,
                map: map.as_ref().map_or(Slice::Whole(&layer.map), Slice::Part),
                biased: Some(after),
            }),
            Op::TensorSquare => steps.push(Step::TensorSquare),
            _ => break,
        }
    }
    let next = first + steps.len();
    let (value, shares) = on.pointwise(source, &steps)?;
    let whole: Duration = shares.iter().sum();
    let wall = started.elapsed().as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
    for (spent, share) in spent[first..next].iter_mut().zip(shares) {
        *spent += share.mul_f64(wall.min(1e9));
    }
    Ok((value, next))
}

/// The layers of operations, each once.
fn layers(operations: &[Operation<'_>]) -> Vec<usize> {
    let mut layers: Vec<usize> = operations.iter().map(|operation| operation.layer).collect();
    layers.dedup();
    layers
}

fn range(positions: Range<usize>) -> Vec<u32> {
    (positions.start as u32..positions.end as u32).collect()
}

fn empty<T>(count: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(count).collect()
}

fn stored<T>(chunks: &[Option<T>], chunk: usize) -> Result<&T, ckks::Error> {
    chunks
        .get(chunk)
        .and_then(Option::as_ref)
        .ok_or_else(nothing)
}

/// An order that reads what was not made: none does.
fn nothing() -> ckks::Error {
    ckks::Error::Features {
        operation: "read a chunk",
        expected: 1,
        found: 0,
    }
}
