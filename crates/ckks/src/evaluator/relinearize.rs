//! Products of ciphertexts and their relinearisation.

use rayon::prelude::*;

use super::arithmetic::check_features;
use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::keys::EvaluationKey;
use crate::pointwise;
use crate::residues::{PolynomialMut, Residues};
use crate::set::CiphertextSet;

impl Evaluator {
    /// The product of two sets, or the square of one, back at two components.
    ///
    /// `(b + a s)(d + c s)` has a term in s^2, whose coefficient is replaced by an encryption under
    /// s: its residues modulo the primes left, as small polynomials, are multiplied with the key's
    /// encryptions of `P g_j s^2`, and the sum is divided by P. Everything of one feature is done
    /// by one thread while it is in the cache.
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
            if set.components() != 2 {
                return Err(Error::Components {
                    operation,
                    expected: 2,
                    found: set.components(),
                });
            }
        }
        let special = self.parameters.special_index()?;
        let key = self.key.as_deref();
        let key = key.ok_or(Error::NoEvaluationKey { operation })?;
        let scale = check_scale(operation, a.scale * other.scale)?;
        let level = a.level().min(other.level());
        let degree = self.parameters.ring_degree();
        let mut residues = Residues::zeroed(degree, level + 1, 2, a.features());
        let polynomials = residues.by_feature().into_par_iter().enumerate();
        polynomials.for_each_init(
            || Workspace::new(self, key, special, level),
            |work, (feature, limbs)| {
                work.tensor(a, b, feature);
                work.switch_key();
                work.divide(limbs);
            },
        );
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        })
    }
}

/// One thread's buffers; `limbs` are those of the level.
struct Workspace<'a> {
    evaluator: &'a Evaluator,
    key: &'a EvaluationKey,
    special: usize,
    level: usize,
    /// The product's three components, `[limb]`.
    constant: Vec<Vec<u64>>,
    linear: Vec<Vec<u64>>,
    quadratic: Vec<Vec<u64>>,
    /// The quadratic component's coefficients modulo every prime, centred: the digits.
    digits: Vec<Vec<i64>>,
    /// The digits times the key, modulo every prime left and the special one last.
    switched: Vec<[Vec<u64>; 2]>,
    buffers: [Vec<u64>; 2],
    remainder: Vec<i64>,
    fold: Vec<u64>,
}

impl<'a> Workspace<'a> {
    fn new(evaluator: &'a Evaluator, key: &'a EvaluationKey, special: usize, level: usize) -> Self {
        let degree = evaluator.parameters.ring_degree();
        let zeros = || vec![0; degree];
        let limbs = || vec![zeros(); level + 1];
        Self {
            evaluator,
            key,
            special,
            level,
            constant: limbs(),
            linear: limbs(),
            quadratic: limbs(),
            digits: vec![vec![0; degree]; level + 1],
            switched: vec![[zeros(), zeros()]; level + 2],
            buffers: [zeros(), zeros()],
            remainder: vec![0; degree],
            fold: Vec::new(),
        }
    }

    /// The components of the product of one feature, and the digits of the quadratic one.
    fn tensor(&mut self, a: &CiphertextSet, b: Option<&CiphertextSet>, feature: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        for limb in 0..=self.level {
            let transform = parameters.transform(limb);
            let p = transform.modulus();
            let constant = &mut self.constant[limb];
            let linear = &mut self.linear[limb];
            let quadratic = &mut self.quadratic[limb];
            a.residues.gather(limb, 0, feature, constant);
            a.residues.gather(limb, 1, feature, linear);
            match b {
                None => pointwise::square_components(*isa, p, constant, linear, quadratic),
                Some(b) => {
                    let [d, c] = &mut self.buffers;
                    b.residues.gather(limb, 0, feature, d);
                    b.residues.gather(limb, 1, feature, c);
                    pointwise::multiply_components(*isa, p, constant, linear, d, c, quadratic);
                }
            }
            let coefficients = &mut self.buffers[0];
            coefficients.copy_from_slice(quadratic);
            transform.inverse(coefficients, &mut self.fold);
            pointwise::centre(*isa, p, coefficients, &mut self.digits[limb]);
        }
    }

    /// The sum of the digits times the key, modulo every prime.
    fn switch_key(&mut self) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        for (place, [sum_b, sum_a]) in self.switched.iter_mut().enumerate() {
            let prime = if place <= self.level {
                place
            } else {
                self.special
            };
            let transform = parameters.transform(prime);
            let p = transform.modulus();
            sum_b.fill(0);
            sum_a.fill(0);
            let rows = self.key.rows(prime);
            for (digit, (coefficients, row)) in self.digits.iter().zip(rows).enumerate() {
                // modulo its own prime a digit's values are at hand
                let values = if digit == prime {
                    &self.quadratic[digit]
                } else {
                    let values = &mut self.buffers[0];
                    pointwise::reduce(*isa, p, coefficients, values);
                    transform.forward(values, &mut self.fold);
                    values
                };
                pointwise::multiply_accumulate(*isa, p, sum_b, values, &row.b);
                pointwise::multiply_accumulate(*isa, p, sum_a, values, &row.a);
            }
        }
    }

    /// Divides by the special prime, rounded, and adds the product's other components.
    fn divide(&mut self, mut limbs: Vec<Vec<PolynomialMut<'_>>>) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let special = parameters.transform(self.special);
        for component in 0..2 {
            let (kept, last) = self.switched.split_at_mut(self.level + 1);
            let last = &mut last[0][component];
            special.inverse(last, &mut self.fold);
            pointwise::centre(*isa, special.modulus(), last, &mut self.remainder);
            for (limb, kept) in kept.iter_mut().enumerate() {
                let transform = parameters.transform(limb);
                let p = transform.modulus();
                let remainder = &mut self.buffers[0];
                pointwise::reduce(*isa, p, &self.remainder, remainder);
                transform.forward(remainder, &mut self.fold);
                let rest = [&self.constant[limb], &self.linear[limb]][component];
                let inverse = parameters.inverse(self.special, limb);
                let out = &mut kept[component];
                pointwise::subtract_scale_add(*isa, p, out, remainder, inverse, rest);
                limbs[limb][component].scatter(out);
            }
        }
    }
}
