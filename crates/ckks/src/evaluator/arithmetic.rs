//! Sums and constants: pointwise on blocks.

use rayon::prelude::*;

use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::modulus::Modulus;
use crate::ops::scales_agree;
use crate::pointwise;
use crate::residues::Residues;
use crate::set::CiphertextSet;

impl Evaluator {
    /// A constant is the constant polynomial: the same residue at every point of the first
    /// component.
    pub(super) fn add_constants_set(
        &self,
        mut v: CiphertextSet,
        constants: &[f64],
    ) -> Result<CiphertextSet> {
        let operation = "add constants";
        self.check_parameters(&v, operation)?;
        let integers = self.integers(operation, v.features(), v.level(), constants, v.scale)?;
        let (features, row_len) = (v.features(), v.residues.row_len());
        for limb in 0..=v.level() {
            let p = self.parameters.modulus(limb);
            let residues = broadcast(p, &integers, features);
            let rows = v.residues.limb_mut(limb).par_chunks_exact_mut(row_len);
            rows.for_each(|row| {
                for (block, &constant) in row.iter_mut().zip(&residues) {
                    pointwise::add_constant(self.isa, p, &mut block.0, constant);
                }
            });
        }
        Ok(v)
    }

    pub(super) fn multiply_constants_set(
        &self,
        v: &CiphertextSet,
        constants: &[f64],
        target_scale: f64,
    ) -> Result<CiphertextSet> {
        let operation = "multiply by constants";
        self.check_parameters(v, operation)?;
        check_scale(operation, target_scale)?;
        let integers = self.integers(
            operation,
            v.features(),
            v.level(),
            constants,
            target_scale / v.scale,
        )?;
        let (features, components) = (v.features(), v.components());
        let (degree, limbs) = (self.parameters.ring_degree(), v.level() + 1);
        let arena = self.parameters.arena();
        let mut residues = Residues::unwritten(arena, degree, limbs, components, features);
        for limb in 0..limbs {
            let p = self.parameters.modulus(limb);
            let factors = broadcast(p, &integers, features);
            let rows = residues.limb_mut(limb).par_chunks_exact_mut(features);
            let inputs = v.residues.limb(limb).par_chunks_exact(features);
            rows.zip(inputs).for_each(|(out, input)| {
                for ((out, input), &factor) in out.iter_mut().zip(input).zip(&factors) {
                    pointwise::scale_into(self.isa, p, &mut out.0, &input.0, factor);
                }
            });
        }
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale: target_scale,
            residues,
        })
    }

    pub(super) fn add_sets(
        &self,
        mut a: CiphertextSet,
        b: &CiphertextSet,
    ) -> Result<CiphertextSet> {
        let operation = "add";
        self.check_parameters(&a, operation)?;
        self.check_parameters(b, operation)?;
        if a.level() != b.level() {
            return Err(Error::Level {
                operation,
                wanted: a.level(),
                level: b.level(),
            });
        }
        check_features(operation, a.features(), b.features())?;
        if a.components() != b.components() {
            return Err(Error::Components {
                operation,
                expected: a.components(),
                found: b.components(),
            });
        }
        if !scales_agree(a.scale, b.scale) {
            return Err(Error::ScaleMismatch {
                operation,
                left: a.scale,
                right: b.scale,
            });
        }
        for limb in 0..=b.level() {
            let p = self.parameters.modulus(limb);
            let sums = a.residues.limb_mut(limb).par_iter_mut();
            let terms = b.residues.limb(limb).par_iter();
            sums.zip(terms).with_min_len(64).for_each(|(sum, term)| {
                pointwise::add_assign(self.isa, p, &mut sum.0, &term.0);
            });
        }
        Ok(a)
    }

    pub(super) fn drop_set(&self, v: &CiphertextSet, level: usize) -> Result<CiphertextSet> {
        let operation = "drop to a level";
        self.check_parameters(v, operation)?;
        if level > v.level() {
            return Err(Error::Level {
                operation,
                wanted: level,
                level: v.level(),
            });
        }
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale: v.scale,
            residues: v.residues.copy_to(level),
        })
    }

    /// `round(constant * scale)`, checked against the modulus at a level.
    pub(super) fn integers(
        &self,
        operation: &'static str,
        features: usize,
        level: usize,
        constants: &[f64],
        scale: f64,
    ) -> Result<Vec<i128>> {
        if constants.len() != 1 {
            check_features(operation, features, constants.len())?;
        }
        // an i128 holds 127 bits and one bit of the modulus is the sign
        let available = (self.parameters.log_q_at(level) - 1.0).min(126.0);
        let limit = available.exp2();
        let integer = |(index, &value): (usize, &f64)| {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    operation,
                    index,
                    value,
                });
            }
            let scaled = (value * scale).round();
            if scaled.abs() < limit {
                return Ok(scaled as i128);
            }
            Err(Error::DoesNotFit {
                operation,
                index,
                bits: scaled.abs().log2(),
                available,
            })
        };
        constants.iter().enumerate().map(integer).collect()
    }
}

/// One residue per feature.
pub(super) fn broadcast(p: Modulus, integers: &[i128], features: usize) -> Vec<u64> {
    let residues = integers.iter().map(|&integer| p.reduce_wide(integer));
    residues.cycle().take(features).collect()
}

pub(super) fn check_features(operation: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Features {
        operation,
        expected,
        found,
    })
}
