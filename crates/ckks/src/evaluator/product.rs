//! Products of ciphertexts.

use rayon::prelude::*;

use super::arithmetic::check_features;
use super::key_switch::{Division, Input, KeySwitch};
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::pointwise;
use crate::residues::{BLOCK, Residues};
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

    /// The product of two sets, or the square of one, back at two components. The three that it has before are computed where they are
    /// needed, and never lie in memory.
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
        let key = self.relinearization_key(operation)?;
        let switch = KeySwitch::new(self, vec![key], level, Division::Special)?;
        let factors = Factors {
            evaluator: self,
            a: &a.residues,
            b: b.map(|b| &b.residues),
        };
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues: switch.run(a.features(), &factors),
        })
    }
}

/// The factors of a product; one is a square.
struct Factors<'a> {
    evaluator: &'a Evaluator,
    a: &'a Residues,
    b: Option<&'a Residues>,
}

impl Factors<'_> {
    /// `out = a_i b_j`, in `room` what it was multiplied with.
    fn product(
        &self,
        limb: usize,
        [i, j]: [usize; 2],
        feature: usize,
        out: &mut [u64],
        room: &mut [u64],
    ) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let p = parameters.modulus(limb);
        self.a.gather(limb, i, feature, out);
        match self.b {
            None if i == j => room.copy_from_slice(out),
            other => other.unwrap_or(self.a).gather(limb, j, feature, room),
        }
        pointwise::multiply_assign(*isa, p, out, room);
    }
}

impl Input for Factors<'_> {
    fn switched(&self, limb: usize, feature: usize, out: &mut [u64], room: &mut [u64]) {
        self.product(limb, [1, 1], feature, out, room);
    }

    /// `b d` and `b c + a d` of `(b + a s)(d + c s)`.
    fn rest(
        &self,
        limb: usize,
        component: usize,
        feature: usize,
        out: &mut [u64],
        room: &mut [u64],
    ) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let p = parameters.modulus(limb);
        if component == 0 {
            return self.product(limb, [0, 0], feature, out, room);
        }
        self.product(limb, [0, 1], feature, out, room);
        match self.b {
            None => pointwise::scale_assign(*isa, p, out, 2),
            Some(b) => {
                let blocks = self.a.polynomial(limb, 1, feature);
                let others = b.polynomial(limb, 0, feature);
                let outs = out.as_chunks_mut::<BLOCK>().0.iter_mut();
                for ((out, a), d) in outs.zip(blocks).zip(others) {
                    pointwise::multiply_accumulate(*isa, p, out, &a.0, &d.0);
                }
            }
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
