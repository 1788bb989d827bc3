//! Relinearisation: three components back to two.
//!
//! The coefficient of s^2 is replaced by an encryption under s: see [`KeySwitch`]. A rescaling that
//! follows divides by the last prime q as well. Done at once, the division by the special primes
//! needs no transforms of its own: what it subtracts meets what the division by q subtracts in the
//! coefficients of one polynomial. Every residue comes out as from the two divisions one after the
//! other.

use super::key_switch::{Division, Input, KeySwitch};
use super::product::check_components;
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::residues::Residues;
use crate::set::CiphertextSet;

/// Three components that are there.
struct Components<'a>(&'a Residues);

impl Input for Components<'_> {
    fn switched(&self, limb: usize, feature: usize, out: &mut [u64], _: &mut [u64]) {
        self.0.gather(limb, 2, feature, out);
    }

    fn rest(&self, limb: usize, component: usize, feature: usize, out: &mut [u64], _: &mut [u64]) {
        self.0.gather(limb, component, feature, out);
    }
}

impl Evaluator {
    pub(super) fn relinearize_set(
        &self,
        operation: &'static str,
        v: CiphertextSet,
        division: Division,
    ) -> Result<CiphertextSet> {
        self.check_parameters(&v, operation)?;
        check_components(operation, &v, 3)?;
        let level = v.level();
        let scale = match division {
            Division::Special => v.scale,
            Division::SpecialAndLast if level == 0 => {
                return Err(Error::NoLevelLeft { operation });
            }
            Division::SpecialAndLast => {
                let prime = self.parameters.primes()[level];
                check_scale(operation, v.scale / prime as f64)?
            }
        };
        let key = self.relinearization_key(operation)?;
        let switch = KeySwitch::new(self, vec![key], level, division)?;
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues: switch.run(v.features(), &Components(&v.residues)),
        })
    }
}
