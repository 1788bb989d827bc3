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
    /// Sums of [`Products`]. The scale is that of the ciphertexts times that of the plaintexts.
    ///
    /// # Errors
    /// If there is nothing to add, if features are no whole number of groups, and if parameters, levels, components or scales do not agree.
    pub fn multiply_plaintexts(&self, products: &[Products<'_>]) -> Result<CiphertextSet> {
        let shape = self.check_products("multiply by plaintexts", products)?;
        let limbs = shape.level + 1;
        let (arena, degree) = (self.parameters.arena(), self.parameters.ring_degree());
        let (components, features) = (shape.components, shape.features);
        let mut residues = Residues::unwritten(arena, degree, limbs, components, features);
        residues.for_each_feature(
            || arena.polynomial(degree, 0),
            |sum, mut out| {
                for limb in 0..limbs {
                    for component in 0..components {
                        sum.fill(0);
                        for product in products {
                            product.add(self, limb, component, out.index(), sum);
                        }
                        out.scatter(limb, component, sum);
                    }
                }
            },
        );
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale: shape.scale,
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

    /// What comes out of sums of products.
    pub(super) fn check_products(
        &self,
        operation: &'static str,
        products: &[Products<'_>],
    ) -> Result<Shape> {
        let mut shape: Option<Shape> = None;
        for &Products(set, plaintexts) in products {
            self.check_parameters(set, operation)?;
            let groups = set.features().checked_div(plaintexts.len()).unwrap_or(0);
            check_features(operation, groups.max(1) * plaintexts.len(), set.features())?;
            for plaintext in plaintexts {
                self.check_plaintext(operation, set, plaintext)?;
                let found = Shape {
                    features: groups,
                    components: set.components(),
                    level: set.level(),
                    scale: check_scale(operation, set.scale * plaintext.scale)?,
                };
                shape.get_or_insert(found).check(operation, &found)?;
            }
        }
        shape.ok_or(Error::Features {
            operation,
            expected: 1,
            found: 0,
        })
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

/// `x_0 p_0 + x_1 p_1 + ...`: the features of the set are taken in groups of as many as there are plaintexts, and every group gives one
/// feature.
#[derive(Clone, Copy, Debug)]
pub struct Products<'a>(pub &'a CiphertextSet, pub &'a [&'a Plaintext]);

impl Products<'_> {
    /// Adds a feature of the sum to a polynomial.
    pub(super) fn add(
        &self,
        evaluator: &Evaluator,
        limb: usize,
        component: usize,
        output: usize,
        sum: &mut [u64],
    ) {
        let p = evaluator.parameters.modulus(limb);
        let Self(set, plaintexts) = self;
        for (place, plaintext) in plaintexts.iter().enumerate() {
            let feature = output * plaintexts.len() + place;
            let blocks = set.residues.polynomial(limb, component, feature);
            let values = plaintext.values[limb].as_chunks::<BLOCK>().0;
            let sums = sum.as_chunks_mut::<BLOCK>().0.iter_mut();
            for ((sum, block), values) in sums.zip(blocks).zip(values) {
                pointwise::multiply_accumulate(evaluator.isa, p, sum, &block.0, values);
            }
        }
    }
}

/// What sets have in common that can be added.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub features: usize,
    pub components: usize,
    pub level: usize,
    pub scale: f64,
}

impl Shape {
    pub fn of(set: &CiphertextSet) -> Self {
        Self {
            features: set.features(),
            components: set.components(),
            level: set.level(),
            scale: set.scale(),
        }
    }

    /// An error unless the other is the same.
    pub fn check(&self, operation: &'static str, other: &Self) -> Result<()> {
        check_features(operation, self.features, other.features)?;
        if self.components != other.components {
            return Err(Error::Components {
                operation,
                expected: self.components,
                found: other.components,
            });
        }
        if self.level != other.level {
            return Err(Error::Level {
                operation,
                wanted: self.level,
                level: other.level,
            });
        }
        if scales_agree(self.scale, other.scale) {
            return Ok(());
        }
        Err(Error::ScaleMismatch {
            operation,
            left: self.scale,
            right: other.scale,
        })
    }
}
