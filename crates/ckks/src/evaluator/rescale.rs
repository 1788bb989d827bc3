//! Rescaling: division by the last prime, rounded.

use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::memory::Polynomial;
use crate::pointwise;
use crate::residues::FeatureMut;
use crate::set::CiphertextSet;

impl Evaluator {
    /// `(c - [c]_q) / q` with `[c]_q` in [-q/2, q/2]: the nearest integer polynomial. Only the
    /// dropped limb leaves the evaluation domain; what it subtracts is transformed forward for
    /// every prime that stays.
    pub(super) fn rescale_set(&self, mut v: CiphertextSet) -> Result<CiphertextSet> {
        let operation = "rescale";
        self.check_parameters(&v, operation)?;
        let last = v.level();
        if last == 0 {
            return Err(Error::NoLevelLeft { operation });
        }
        let prime = self.parameters.primes()[last];
        let scale = check_scale(operation, v.scale / prime as f64)?;
        let components = v.components();
        v.residues.for_each_feature(
            || Workspace::new(self),
            |work, mut polynomials| {
                for component in 0..components {
                    work.take_remainder(last, component, &polynomials);
                    for limb in 0..last {
                        work.divide(last, limb, component, &mut polynomials);
                    }
                }
            },
        );
        v.residues.truncate(last - 1);
        v.scale = scale;
        Ok(v)
    }
}

/// One thread's buffers.
struct Workspace<'a> {
    evaluator: &'a Evaluator,
    values: Polynomial,
    remainder: Polynomial,
}

impl<'a> Workspace<'a> {
    fn new(evaluator: &'a Evaluator) -> Self {
        let degree = evaluator.parameters.ring_degree();
        let arena = evaluator.parameters.arena();
        let [values, remainder] = [0, 1].map(|place| arena.polynomial(degree, place));
        Self {
            evaluator,
            values,
            remainder,
        }
    }

    fn take_remainder(&mut self, last: usize, component: usize, polynomials: &FeatureMut<'_>) {
        polynomials.gather(last, component, &mut self.values);
        let transform = self.evaluator.parameters.transform(last);
        transform.inverse(&self.values, &mut self.remainder);
    }

    fn divide(&mut self, last: usize, limb: usize, component: usize, target: &mut FeatureMut<'_>) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let transform = parameters.transform(limb);
        let p = transform.modulus();
        transform.forward(&self.remainder, &[], &mut self.values);
        let inverse = parameters.inverse(last, limb);
        target.update(limb, component, &self.values, |block, remainder| {
            pointwise::subtract_scale(*isa, p, &mut block.0, remainder, inverse);
        });
    }
}
