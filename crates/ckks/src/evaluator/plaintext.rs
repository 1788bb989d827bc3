//! Ciphertexts and plaintexts: slot by slot, the same plaintexts for every ciphertext of a set.

use super::arithmetic::check_features;
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::ops::scales_agree;
use crate::plaintext::Plaintext;
use crate::pointwise;
use crate::residues::{BLOCK, Residues};
use crate::set::CiphertextSet;

impl Evaluator {
    /// `x_0 p_0 + x_1 p_1 + ...`: the features of the set are taken in groups of as many as there are plaintexts, and every group becomes
    /// one feature. The scale is multiplied by that of the plaintexts.
    ///
    /// # Errors
    /// If there is no plaintext or the features are no whole number of groups, or if the plaintexts belong to other parameters, a lower
    /// level, or scales that differ.
    pub fn multiply_plaintexts(
        &self,
        v: &CiphertextSet,
        plaintexts: &[&Plaintext],
    ) -> Result<CiphertextSet> {
        let scale = self.check_plaintexts("multiply by plaintexts", v, plaintexts)?;
        let features = v.features() / plaintexts.len();
        let (limbs, components) = (v.level() + 1, v.components());
        let (arena, degree) = (self.parameters.arena(), self.parameters.ring_degree());
        let mut residues = Residues::unwritten(arena, degree, limbs, components, features);
        residues.for_each_feature(
            || arena.polynomial(degree, 0),
            |sum, mut out| {
                for limb in 0..limbs {
                    for component in 0..components {
                        sum.fill(0);
                        let first = out.index() * plaintexts.len();
                        let products = Products {
                            set: v,
                            plaintexts,
                            first,
                        };
                        products.add(self, limb, component, sum);
                        out.scatter(limb, component, sum);
                    }
                }
            },
        );
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        })
    }

    /// Adds a plaintext of the same scale to every ciphertext.
    ///
    /// # Errors
    /// If the plaintext belongs to other parameters, a lower level or another scale.
    pub fn add_plaintext(
        &self,
        mut v: CiphertextSet,
        plaintext: &Plaintext,
    ) -> Result<CiphertextSet> {
        let operation = "add a plaintext";
        self.check_plaintext(operation, &v, plaintext)?;
        if !scales_agree(v.scale, plaintext.scale) {
            return Err(Error::ScaleMismatch {
                operation,
                left: v.scale,
                right: plaintext.scale,
            });
        }
        let limbs = v.level() + 1;
        v.residues.for_each_feature(
            || (),
            |(), mut polynomials| {
                for limb in 0..limbs {
                    let p = self.parameters.modulus(limb);
                    polynomials.update(limb, 0, &plaintext.values[limb], |block, beside| {
                        pointwise::add_assign(self.isa, p, &mut block.0, beside);
                    });
                }
            },
        );
        Ok(v)
    }

    /// The scale of products, if there are any.
    pub(super) fn check_plaintexts(
        &self,
        operation: &'static str,
        v: &CiphertextSet,
        plaintexts: &[&Plaintext],
    ) -> Result<f64> {
        self.check_parameters(v, operation)?;
        let Some(first) = plaintexts.first() else {
            return Err(Error::Features {
                operation,
                expected: 1,
                found: 0,
            });
        };
        let groups = v.features() / plaintexts.len();
        check_features(operation, groups.max(1) * plaintexts.len(), v.features())?;
        for plaintext in plaintexts {
            self.check_plaintext(operation, v, plaintext)?;
            if !scales_agree(first.scale, plaintext.scale) {
                return Err(Error::ScaleMismatch {
                    operation,
                    left: first.scale,
                    right: plaintext.scale,
                });
            }
        }
        check_scale(operation, v.scale * first.scale)
    }

    fn check_plaintext(
        &self,
        operation: &'static str,
        v: &CiphertextSet,
        plaintext: &Plaintext,
    ) -> Result<()> {
        self.check_parameters(v, operation)?;
        self.parameters
            .check_same(&plaintext.parameters, operation)?;
        if plaintext.level() < v.level() {
            return Err(Error::Level {
                operation,
                wanted: v.level(),
                level: plaintext.level(),
            });
        }
        Ok(())
    }
}

/// Products of some features of a set with a plaintext each.
pub(super) struct Products<'a> {
    pub set: &'a CiphertextSet,
    pub plaintexts: &'a [&'a Plaintext],
    /// The first feature.
    pub first: usize,
}

impl Products<'_> {
    /// Adds their sum to a polynomial.
    pub fn add(&self, evaluator: &Evaluator, limb: usize, component: usize, sum: &mut [u64]) {
        let p = evaluator.parameters.modulus(limb);
        for (place, plaintext) in self.plaintexts.iter().enumerate() {
            let feature = self.first + place;
            let blocks = self.set.residues.polynomial(limb, component, feature);
            let values = plaintext.values[limb].as_chunks::<BLOCK>().0;
            let sums = sum.as_chunks_mut::<BLOCK>().0.iter_mut();
            for ((sum, block), values) in sums.zip(blocks).zip(values) {
                pointwise::multiply_accumulate(evaluator.isa, p, sum, &block.0, values);
            }
        }
    }
}
