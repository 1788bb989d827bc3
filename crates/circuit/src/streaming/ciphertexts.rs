//! Chunks of real ciphertexts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ckks::{
    CiphertextSet, Error, Evaluator, FeatureView, FusedInput, FusedStep, LinearMap, PreparedMap,
    SeededPart, SeededSet,
};

use super::chunks::{Chunks, Slice, Source, Step};
use super::stages::Layout;
use crate::types::LinearLayer;

/// An evaluator, and the maps that were prepared for it.
#[derive(Debug)]
pub struct Ciphertexts<'e> {
    evaluator: &'e Evaluator,
    /// By layer.
    prepared: RefCell<HashMap<usize, Vec<Prepared>>>,
}

/// A map at some positions, and the same with its weights in order: inner chunks share one.
type Prepared = (LinearMap, Rc<PreparedMap>);

impl<'e> Ciphertexts<'e> {
    pub fn new(evaluator: &'e Evaluator) -> Self {
        Self {
            evaluator,
            prepared: RefCell::default(),
        }
    }
}

impl Chunks for Ciphertexts<'_> {
    type Ops = Evaluator;
    type Upload = SeededSet;
    type Part = SeededPart;
    type Map = Rc<PreparedMap>;

    fn ops(&self) -> &Evaluator {
        self.evaluator
    }

    fn split(&self, upload: SeededSet, parts: &[Vec<u32>]) -> Result<Vec<SeededPart>, Error> {
        upload.into_parts(parts)
    }

    fn expand(&self, upload: SeededSet) -> CiphertextSet {
        upload.expand()
    }

    fn expand_part(&self, part: SeededPart) -> CiphertextSet {
        part.expand()
    }

    fn slice_positions(
        &self,
        (index, layer): (usize, &LinearLayer),
        inputs: Layout,
        positions: &[u32],
    ) -> Result<(Rc<PreparedMap>, Vec<u32>), Error> {
        let part = layer.map.slice_positions(inputs.positions, positions)?;
        let mut prepared = self.prepared.borrow_mut();
        let known = prepared.entry(index).or_default();
        let found = known.iter().find(|(map, _)| *map == part.map);
        let map = match found {
            Some((_, prepared)) => Rc::clone(prepared),
            None => {
                let prepared = Rc::new(self.evaluator.prepare(&part.map));
                known.push((part.map, Rc::clone(&prepared)));
                prepared
            }
        };
        Ok((map, part.reads))
    }

    fn slice_inputs(
        &self,
        layer: &LinearLayer,
        inputs: Layout,
        positions: &[u32],
    ) -> Result<Rc<PreparedMap>, Error> {
        let map = layer.map.partial(&inputs.at(positions))?;
        Ok(Rc::new(self.evaluator.prepare(&map)))
    }

    fn pointwise(
        &self,
        source: Source<'_, Self>,
        steps: &[Step<'_, Rc<PreparedMap>>],
    ) -> Result<(CiphertextSet, Vec<Duration>), Error> {
        let biases: Vec<Vec<f64>> = steps.iter().map(Step::bias).collect();
        let mut fused = Vec::new();
        for (owner, (step, bias)) in steps.iter().zip(&biases).enumerate() {
            let Step::Linear { layer, map, .. } = step else {
                fused.push((owner, FusedStep::TensorSquare));
                continue;
            };
            let weight_scale = layer.weight_scale;
            let linear = match map {
                Slice::Whole(map) => FusedStep::Linear { map, weight_scale },
                Slice::Part(map) => FusedStep::Prepared { map, weight_scale },
            };
            fused.push((owner, linear));
            if !bias.is_empty() {
                fused.push((owner, FusedStep::AddConstants(bias)));
            }
        }
        let (owners, fused): (Vec<usize>, Vec<FusedStep<'_>>) = fused.into_iter().unzip();
        let gathered;
        let input: FusedInput<'_> = match source {
            Source::Upload(upload) => upload.into(),
            Source::Set(set) => set.into(),
            Source::Gathered(gather) => {
                let places = gather.places();
                gathered = FeatureView::new(gather.sets, &places)?;
                (&gathered).into()
            }
        };
        let (value, times) = self.evaluator.fused_timed(input, &fused)?;
        let mut spent = vec![Duration::ZERO; steps.len()];
        for (owner, time) in owners.into_iter().zip(times) {
            spent[owner] += time;
        }
        Ok((value, spent))
    }
}
