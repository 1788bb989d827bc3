//! The most memory that an execution takes: the executor, run on sizes alone.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ckks::{HomomorphicOps, LinearMap};

use super::chunks::{Chunks, Slice, Source, Step};
use super::run::run;
use super::stages::Layout;
use super::tasks::Order;
use crate::cost::CostModel;
use crate::error::CircuitError;
use crate::types::LinearLayer;

/// The program itself, its stacks and buffers, and the transforms' tables.
const PROGRAM_BYTES: u64 = 96 << 20;

/// What lies unused between ciphertexts of several sizes, as they come and go: measured on circuits of 1 to 18 GiB, 4 to 9 percent.
const FRAGMENTATION: f64 = 1.07;

/// Most bytes in use at once while a batch is evaluated, of ciphertexts, keys and all. A fresh encryption has `limbs` primes, and an upload
/// takes `upload` bytes on the wire.
///
/// # Errors
/// Where the order does not fit its own circuit: none does.
pub fn peak_bytes(
    cost: &CostModel,
    order: &Order<'_>,
    limbs: usize,
    upload: u64,
) -> Result<u64, CircuitError> {
    let sizes = Sizes {
        cost,
        used: Rc::default(),
        limbs,
    };
    let inputs = order
        .stages
        .first()
        .map_or(0, |stage| stage.inputs.features());
    let seeded = sizes.seeded(inputs);
    // The bytes of the upload while they are read.
    sizes.used.note(upload);
    run(&sizes, order, seeded, &mut |_, _| true)?;
    let ciphertexts = (sizes.used.most.get() as f64 * FRAGMENTATION) as u64;
    Ok(ciphertexts + cost.key_bytes(limbs) + PROGRAM_BYTES)
}

/// Ciphertexts without anything in them.
struct Sizes<'a> {
    cost: &'a CostModel,
    used: Rc<Used>,
    /// Primes of a fresh encryption.
    limbs: usize,
}

/// Bytes in use now and at most.
#[derive(Debug, Default)]
struct Used {
    now: Cell<u64>,
    most: Cell<u64>,
}

impl Used {
    /// So many bytes more for a moment.
    fn note(&self, bytes: u64) {
        self.most.set(self.most.get().max(self.now.get() + bytes));
    }
}

/// A set of ciphertexts that takes its bytes until it is dropped.
#[derive(Debug)]
struct Size {
    features: usize,
    limbs: usize,
    components: usize,
    bytes: u64,
    used: Rc<Used>,
}

impl Drop for Size {
    fn drop(&mut self) {
        self.used.now.set(self.used.now.get() - self.bytes);
    }
}

impl Sizes<'_> {
    fn take(&self, features: usize, limbs: usize, components: usize) -> Size {
        let bytes = self.cost.set_bytes(features, limbs, components);
        self.used.note(bytes);
        self.used.now.set(self.used.now.get() + bytes);
        Size {
            features,
            limbs,
            components,
            bytes,
            used: Rc::clone(&self.used),
        }
    }

    /// Fresh encryptions whose masks are still a seed.
    fn seeded(&self, features: usize) -> Size {
        self.take(features, self.limbs, 1)
    }

    fn like(&self, v: &Size) -> Size {
        self.take(v.features, v.limbs, v.components)
    }

    fn lower(
        &self,
        features: usize,
        limbs: usize,
        components: usize,
    ) -> Result<Size, CircuitError> {
        if limbs > 1 {
            return Ok(self.take(features, limbs - 1, components));
        }
        Err(CircuitError::Level {
            op: "rescale",
            level: 0,
            wanted: "at least 1".into(),
        })
    }
}

impl Chunks for Sizes<'_> {
    type Ops = Self;
    type Upload = Size;
    type Part = Size;
    /// The outputs.
    type Map = usize;

    fn ops(&self) -> &Self {
        self
    }

    fn split(&self, upload: Size, parts: &[Vec<u32>]) -> Result<Vec<Size>, CircuitError> {
        drop(upload);
        Ok(parts.iter().map(|part| self.seeded(part.len())).collect())
    }

    fn expand(&self, upload: Size) -> Size {
        self.take(upload.features, upload.limbs, 2)
    }

    fn expand_part(&self, part: Size) -> Size {
        self.expand(part)
    }

    /// What lies between operations that run together takes no memory, so the positions that a window reads need only be counted where
    /// windows do not overlap.
    fn slice_positions(
        &self,
        (_, layer): (usize, &LinearLayer),
        inputs: Layout,
        positions: &[u32],
    ) -> Result<(usize, Vec<u32>), CircuitError> {
        let outputs = Layout::of(layer);
        let reads = (positions.len() * inputs.positions).div_ceil(outputs.positions);
        Ok((outputs.channels * positions.len(), vec![0; reads]))
    }

    fn slice_inputs(
        &self,
        layer: &LinearLayer,
        _: Layout,
        _: &[u32],
    ) -> Result<usize, CircuitError> {
        Ok(layer.map.outputs())
    }

    fn pointwise(
        &self,
        source: Source<'_, Self>,
        steps: &[Step<'_, usize>],
    ) -> Result<(Size, Vec<Duration>), CircuitError> {
        // An upload is not expanded, but its masks are.
        let mut masks = None;
        let (mut features, limbs, mut components) = match source {
            Source::Upload(upload) => {
                masks = Some(self.like(upload));
                (upload.features, upload.limbs, 2)
            }
            Source::Set(set) => (set.features, set.limbs, set.components),
            Source::Gathered(gather) => {
                let features = gather.channels * gather.positions.len();
                let first = gather.sets.first();
                first.map_or((features, self.limbs, 2), |set| {
                    (features, set.limbs, set.components)
                })
            }
        };
        for step in steps {
            match step {
                Step::Linear { map, .. } => {
                    features = match map {
                        Slice::Whole(map) => map.outputs(),
                        Slice::Part(outputs) => **outputs,
                    };
                }
                Step::TensorSquare => components = 2 * components - 1,
            }
        }
        let value = self.take(features, limbs, components);
        drop(masks);
        Ok((value, vec![Duration::ZERO; steps.len()]))
    }
}

impl HomomorphicOps for Sizes<'_> {
    type Value = Size;
    type Error = CircuitError;

    fn level(&self, v: &Size) -> usize {
        v.limbs - 1
    }

    fn scale(&self, _: &Size) -> f64 {
        1.0
    }

    fn features(&self, v: &Size) -> usize {
        v.features
    }

    fn components(&self, v: &Size) -> usize {
        v.components
    }

    fn linear(&self, v: &Size, map: &LinearMap, _: f64) -> Result<Size, CircuitError> {
        Ok(self.take(map.outputs(), v.limbs, v.components))
    }

    fn add_constants(&self, v: Size, _: &[f64]) -> Result<Size, CircuitError> {
        Ok(v)
    }

    fn multiply_constants(&self, v: &Size, _: &[f64], _: f64) -> Result<Size, CircuitError> {
        Ok(self.like(v))
    }

    fn add(&self, a: Size, _: &Size) -> Result<Size, CircuitError> {
        Ok(a)
    }

    fn square(&self, v: &Size) -> Result<Size, CircuitError> {
        Ok(self.like(v))
    }

    fn tensor_square(&self, v: &Size) -> Result<Size, CircuitError> {
        Ok(self.take(v.features, v.limbs, 2 * v.components - 1))
    }

    fn relinearize(&self, v: Size) -> Result<Size, CircuitError> {
        Ok(self.take(v.features, v.limbs, 2))
    }

    fn relinearize_rescale(&self, v: Size) -> Result<Size, CircuitError> {
        self.lower(v.features, v.limbs, 2)
    }

    fn multiply(&self, a: &Size, b: &Size) -> Result<Size, CircuitError> {
        Ok(self.take(a.features, a.limbs.min(b.limbs), 2))
    }

    /// Ciphertexts lose their last limb in place.
    fn rescale(&self, v: Size) -> Result<Size, CircuitError> {
        let (features, limbs, components) = (v.features, v.limbs, v.components);
        drop(v);
        self.lower(features, limbs, components)
    }

    fn drop_to(&self, v: &Size, level: usize) -> Result<Size, CircuitError> {
        Ok(self.take(v.features, level + 1, v.components))
    }
}
