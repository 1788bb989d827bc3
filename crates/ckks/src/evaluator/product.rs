//! Products of ciphertexts.

use rayon::prelude::*;

use super::arithmetic::check_features;
use super::relinearize::{Division, Workspace};
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::pointwise;
use crate::residues::Residues;
use crate::set::CiphertextSet;
use crate::wire::MAX_COMPONENTS;

/// The most components whose square still has a place on the wire.
pub(super) const MAX_SQUARE: usize = MAX_COMPONENTS.div_ceil(2);

impl Evaluator {
    /// `(c_0 + c_1 s + ...)^2` as a polynomial in s: pointwise on blocks, in order of memory.
    pub(super) fn tensor_square_set(&self, v: &CiphertextSet) -> Result<CiphertextSet> {
        let operation = "tensor square";
        self.check_parameters(v, operation)?;
        let components = v.components();
        if components > MAX_SQUARE {
            return Err(Error::Components {
                operation,
                expected: MAX_SQUARE,
                found: components,
            });
        }
        let scale = check_scale(operation, v.scale * v.scale)?;
        let (limbs, features) = (v.level() + 1, v.features());
        let degree = self.parameters.ring_degree();
        let squared = 2 * components - 1;
        let mut residues =
            Residues::unwritten(self.parameters.arena(), degree, limbs, squared, features);
        for limb in 0..limbs {
            let p = self.parameters.modulus(limb);
            let rows = residues
                .limb_mut(limb)
                .par_chunks_exact_mut(squared * features);
            let inputs = v
                .residues
                .limb(limb)
                .par_chunks_exact(components * features);
            rows.zip(inputs).for_each(|(out, input)| {
                pointwise::tensor_square(self.isa, p, components, input, out);
            });
        }
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        })
    }

    /// The product of two sets, or the square of one, back at two components. Everything of one
    /// feature is done by one thread while it is in the cache.
    pub(super) fn product(
        &self,
        operation: &'static str,
        a: &CiphertextSet,
        b: Option<&CiphertextSet>,
    ) -> Result<CiphertextSet> {
        self.check_parameters(a, operation)?;
        let other = b.unwrap_or(a);
        self.check_parameters(other, operation)?;
        check_features(operation, a.features(), other.features())?;
        for set in [a, other] {
            check_components(operation, set, 2)?;
        }
        let level = a.level().min(other.level());
        let scale = check_scale(operation, a.scale * other.scale)?;
        let key = self.switching_key(operation)?;
        let degree = self.parameters.ring_degree();
        let mut residues =
            Residues::unwritten(self.parameters.arena(), degree, level + 1, 2, a.features());
        residues.for_each_feature(
            || (Workspace::new(self, key, level), Operand::new(degree)),
            |(work, operand), mut polynomials| {
                let feature = polynomials.index();
                work.load(|limb, p, [constant, linear, quadratic]| {
                    a.residues.gather(limb, 0, feature, constant);
                    a.residues.gather(limb, 1, feature, linear);
                    let Some(b) = b else {
                        return pointwise::square_components(
                            self.isa, p, constant, linear, quadratic,
                        );
                    };
                    let Operand { d, c } = operand;
                    b.residues.gather(limb, 0, feature, d);
                    b.residues.gather(limb, 1, feature, c);
                    pointwise::multiply_components(self.isa, p, constant, linear, d, c, quadratic);
                });
                work.relinearize(Division::Special, &mut polynomials);
            },
        );
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        })
    }
}

/// The two components of a product's right operand.
struct Operand {
    d: Vec<u64>,
    c: Vec<u64>,
}

impl Operand {
    fn new(degree: usize) -> Self {
        Self {
            d: vec![0; degree],
            c: vec![0; degree],
        }
    }
}

pub(super) fn check_components(
    operation: &'static str,
    set: &CiphertextSet,
    expected: usize,
) -> Result<()> {
    if set.components() == expected {
        return Ok(());
    }
    Err(Error::Components {
        operation,
        expected,
        found: set.components(),
    })
}
