//! Rotations of the slots, and sums with what is rotated.
//!
//! A ciphertext is switched from s to `g^-1(s)` and then permuted by the automorphism g, which takes that secret back to s. What is added
//! to the result is added while it is written.

use super::Evaluator;
use super::arithmetic::check_features;
use super::key_switch::{Division, Input, KeySwitch};
use super::plaintext::{Products, Shape};
use super::product::check_components;
use crate::error::{Error, Result};
use crate::keys::GaloisKey;
use crate::memory::Polynomial;
use crate::pointwise;
use crate::residues::{BLOCK, Residues};
use crate::set::CiphertextSet;

/// What is added to rotated ciphertexts.
#[derive(Clone, Copy, Debug)]
pub enum Addend<'a> {
    /// Nothing.
    Nothing,
    /// The ciphertexts before their rotation.
    Itself,
    /// As [`Evaluator::multiply_plaintexts`].
    Products(&'a [Products<'a>]),
}

impl Evaluator {
    /// Rotates every ciphertext to the left: slot i becomes what slot `i + places` was, in [`RotationOrder`](crate::RotationOrder); and adds
    /// something to the result.
    ///
    /// # Errors
    /// If there is no Galois key for that rotation at that level, if the set has other than two components, or if the addend does not have
    /// its level, number of features and scale.
    pub fn rotate_add(
        &self,
        v: &CiphertextSet,
        places: usize,
        addend: Addend<'_>,
    ) -> Result<CiphertextSet> {
        let operation = "rotate and add";
        if let Addend::Products(products) = addend {
            let shape = self.check_products(operation, products)?;
            Shape::of(v).check(operation, &shape)?;
        }
        self.switch_rotations(operation, v, &[places], addend)
    }

    /// Several rotations of every ciphertext, `[feature][rotation]`: the digits of a ciphertext are computed once (hoisting: Halevi and
    /// Shoup, CRYPTO 2018, eprint 2018/244).
    ///
    /// # Errors
    /// As [`Self::rotate_add`].
    pub fn rotate_each(&self, v: &CiphertextSet, places: &[usize]) -> Result<CiphertextSet> {
        let operation = "rotate";
        if places.is_empty() {
            check_features(operation, 1, 0)?;
        }
        self.switch_rotations(operation, v, places, Addend::Nothing)
    }

    fn switch_rotations(
        &self,
        operation: &'static str,
        v: &CiphertextSet,
        places: &[usize],
        addend: Addend<'_>,
    ) -> Result<CiphertextSet> {
        self.check_parameters(v, operation)?;
        check_components(operation, v, 2)?;
        let level = v.level();
        let key = |&rotation: &usize| {
            let missing = || Error::NoGaloisKey { rotation, level };
            let keys = self.galois.as_deref().ok_or_else(missing)?;
            keys.key(rotation, level)
        };
        let keys = places.iter().map(key).collect::<Result<Vec<_>>>()?;
        let switching = keys.iter().map(|key| &key.key).collect();
        let switch = KeySwitch::new(self, switching, level, Division::Special)?;
        let rotation = Rotation {
            evaluator: self,
            set: &v.residues,
            keys,
            addend,
        };
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale: v.scale,
            residues: switch.run(v.features(), &rotation),
        })
    }
}

/// Ciphertexts, and the automorphisms that follow the switching.
struct Rotation<'a> {
    evaluator: &'a Evaluator,
    set: &'a Residues,
    keys: Vec<&'a GaloisKey>,
    addend: Addend<'a>,
}

impl Input for Rotation<'_> {
    fn switched(&self, limb: usize, feature: usize, out: &mut [u64], _: &mut [u64]) {
        self.set.gather(limb, 1, feature, out);
    }

    fn rest(&self, limb: usize, component: usize, feature: usize, out: &mut [u64], _: &mut [u64]) {
        match component {
            0 => self.set.gather(limb, 0, feature, out),
            _ => out.fill(0),
        }
    }

    fn finish(
        &self,
        limb: usize,
        component: usize,
        output: usize,
        result: &mut Polynomial,
        [permuted, _]: &mut [Polynomial; 2],
    ) {
        let key = self.keys[output % self.keys.len()];
        key.automorphism.apply(limb, result, permuted);
        std::mem::swap(result, permuted);
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        match self.addend {
            Addend::Nothing => {}
            Addend::Itself => {
                let p = parameters.modulus(limb);
                let feature = output / self.keys.len();
                let blocks = self.set.polynomial(limb, component, feature);
                let sums = result.as_chunks_mut::<BLOCK>().0.iter_mut();
                for (sum, block) in sums.zip(blocks) {
                    pointwise::add_assign(*isa, p, sum, &block.0);
                }
            }
            Addend::Products(products) => {
                for product in products {
                    product.add(self.evaluator, limb, component, output, result);
                }
            }
        }
    }
}
