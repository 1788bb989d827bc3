//! Relinearisation: three components back to two.
//!
//! The coefficient of s^2 is replaced by an encryption under s: its residues modulo the primes
//! left, as small polynomials (digits), are multiplied with the key's encryptions of `P g_j s^2`,
//! and the sum is divided by P, rounded. A rescaling that follows divides by the last prime q as
//! well. Done at once, the division by P needs no transforms of its own: what it subtracts meets
//! what the division by q subtracts in the coefficients of one polynomial. Every residue comes out
//! as from the two divisions one after the other.

use super::product::check_components;
use super::{Evaluator, check_scale};
use crate::aligned::{Aligned, Word};
use crate::error::{Error, Result};
use crate::inner_product::{Term, inner_products};
use crate::keys::EvaluationKey;
use crate::modulus::Modulus;
use crate::pointwise;
use crate::residues::{FeatureMut, Residues};
use crate::set::CiphertextSet;

/// What a relinearisation divides by at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// The special prime.
    Special,
    /// The special prime and the last one left, which is dropped.
    SpecialAndLast,
}

/// The key and the place of its special prime.
#[derive(Clone, Copy)]
pub(super) struct SwitchingKey<'a> {
    key: &'a EvaluationKey,
    special: usize,
}

impl Evaluator {
    pub(super) fn switching_key(&self, operation: &'static str) -> Result<SwitchingKey<'_>> {
        let special = self.parameters.special_index()?;
        let key = self.key.as_deref();
        let key = key.ok_or(Error::NoEvaluationKey { operation })?;
        Ok(SwitchingKey { key, special })
    }

    pub(super) fn relinearize_set(
        &self,
        operation: &'static str,
        v: CiphertextSet,
        division: Division,
    ) -> Result<CiphertextSet> {
        self.check_parameters(&v, operation)?;
        check_components(operation, &v, 3)?;
        let key = self.switching_key(operation)?;
        let level = v.level();
        let (scale, limbs) = match division {
            Division::Special => (v.scale, level + 1),
            Division::SpecialAndLast if level == 0 => {
                return Err(Error::NoLevelLeft { operation });
            }
            Division::SpecialAndLast => {
                let prime = self.parameters.primes()[level];
                (check_scale(operation, v.scale / prime as f64)?, level)
            }
        };
        let degree = self.parameters.ring_degree();
        let mut residues =
            Residues::unwritten(self.parameters.arena(), degree, limbs, 2, v.features());
        residues.for_each_feature(
            || Workspace::new(self, key, level),
            |work, mut polynomials| {
                let feature = polynomials.index();
                work.load(|limb, _, components| {
                    for (component, out) in components.into_iter().enumerate() {
                        v.residues.gather(limb, component, feature, out);
                    }
                });
                work.relinearize(division, &mut polynomials);
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
pub(super) struct Workspace<'a> {
    evaluator: &'a Evaluator,
    key: SwitchingKey<'a>,
    level: usize,
    /// The three components of the input, `[limb]`.
    constant: Vec<Aligned<u64>>,
    linear: Vec<Aligned<u64>>,
    quadratic: Vec<Aligned<u64>>,
    /// The quadratic component's coefficients modulo every prime, centred: the digits.
    digits: Vec<Aligned<i64>>,
    /// The digits' values modulo one prime.
    values: Vec<Aligned<u64>>,
    /// The digits times the key, modulo every prime left and the special one last.
    switched: Vec<[Aligned<u64>; 2]>,
    buffer: Aligned<u64>,
    remainder: Aligned<i64>,
    last: Aligned<i64>,
}

impl<'a> Workspace<'a> {
    pub fn new(evaluator: &'a Evaluator, key: SwitchingKey<'a>, level: usize) -> Self {
        let degree = evaluator.parameters.ring_degree();
        // What an inner product reads side by side has neighbouring places.
        fn zeros<T: Word>(degree: usize, place: usize) -> Aligned<T> {
            Aligned::zeros(degree, place)
        }
        let limbs = || (0..=level).map(|limb| zeros(degree, limb)).collect();
        Self {
            evaluator,
            key,
            level,
            constant: limbs(),
            linear: limbs(),
            quadratic: limbs(),
            digits: (0..=level).map(|limb| zeros(degree, limb)).collect(),
            values: limbs(),
            switched: (0..level + 2)
                .map(|limb| [limb, limb + 1].map(|place| zeros(degree, place)))
                .collect(),
            buffer: zeros(degree, 1),
            remainder: zeros(degree, 2),
            last: zeros(degree, 3),
        }
    }

    /// Fills in the three components, limb by limb, and takes the digits of the quadratic one.
    pub fn load(&mut self, mut components: impl FnMut(usize, Modulus, [&mut [u64]; 3])) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        for limb in 0..=self.level {
            let transform = parameters.transform(limb);
            let p = transform.modulus();
            let quadratic = &mut self.quadratic[limb];
            components(
                limb,
                p,
                [&mut self.constant[limb], &mut self.linear[limb], quadratic],
            );
            self.buffer.copy_from_slice(quadratic);
            transform.inverse(&mut self.buffer);
            pointwise::centre(*isa, p, &self.buffer, &mut self.digits[limb]);
        }
    }

    /// Relinearises what was loaded.
    pub fn relinearize(&mut self, division: Division, out: &mut FeatureMut<'_>) {
        self.switch_key();
        for component in 0..2 {
            self.take_special(component);
            match division {
                Division::Special => self.divide(component, out),
                Division::SpecialAndLast => self.divide_twice(component, out),
            }
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
                self.key.special
            };
            let transform = parameters.transform(prime);
            let p = transform.modulus();
            let digits = self.digits.iter().zip(&mut self.values).enumerate();
            for (digit, (coefficients, values)) in digits {
                // modulo its own prime a digit's values are at hand
                if digit != prime {
                    pointwise::reduce(*isa, p, coefficients, values);
                    transform.forward(values);
                }
            }
            let values = self.values.iter().enumerate().map(|(digit, values)| {
                if digit == prime {
                    &self.quadratic[digit][..]
                } else {
                    &values[..]
                }
            });
            let rows = values.zip(self.key.key.rows(prime));
            let terms: Vec<Term<'_>> = rows
                .map(|(values, row)| (values, [&row.b[..], &row.a[..]]))
                .collect();
            inner_products(*isa, p, &terms, [sum_b, sum_a]);
        }
    }

    /// What the division by the special prime subtracts: its remainder, as centred coefficients.
    fn take_special(&mut self, component: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let special = parameters.transform(self.key.special);
        let values = &mut self.switched[self.level + 1][component];
        special.inverse(values);
        pointwise::centre(*isa, special.modulus(), values, &mut self.remainder);
    }

    /// Divides by the special prime and adds the input's component: `(switched - remainder) / P +
    /// rest`.
    fn divide(&mut self, component: usize, polynomials: &mut FeatureMut<'_>) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        for limb in 0..=self.level {
            let transform = parameters.transform(limb);
            let p = transform.modulus();
            pointwise::reduce(*isa, p, &self.remainder, &mut self.buffer);
            transform.forward(&mut self.buffer);
            let rest = [&self.constant[limb], &self.linear[limb]][component];
            let inverse = parameters.inverse(self.key.special, limb);
            let out = &mut self.switched[limb][component];
            pointwise::subtract_scale_add(*isa, p, out, &self.buffer, inverse, rest);
            polynomials.scatter(limb, component, out);
        }
    }

    /// Divides by the special and the last prime: with `w = switched / P + rest` and `t =
    /// remainder / P`, the sum so far is `w - t`, and the result is `(w - t - [w - t]_q) / q`. Only
    /// `t + [w - t]_q` has to be transformed for every prime that stays.
    fn divide_twice(&mut self, component: usize, polynomials: &mut FeatureMut<'_>) {
        let Evaluator {
            parameters, isa, ..
        } = self.evaluator;
        let (special, last) = (self.key.special, self.level);
        let rest = |limb: usize| [&self.constant[limb], &self.linear[limb]][component];

        let transform = parameters.transform(last);
        let p = transform.modulus();
        let inverse = parameters.inverse(special, last);
        let values = &mut self.switched[last][component];
        pointwise::scale_add(*isa, p, values, inverse, rest(last));
        transform.inverse(values);
        pointwise::subtract_scaled(*isa, p, values, &self.remainder, inverse);
        pointwise::centre(*isa, p, values, &mut self.last);

        for limb in 0..last {
            let transform = parameters.transform(limb);
            let p = transform.modulus();
            let inverse = parameters.inverse(special, limb);
            let subtracted = &mut self.buffer;
            pointwise::scale_add_integers(
                *isa,
                p,
                subtracted,
                &self.remainder,
                inverse,
                &self.last,
            );
            transform.forward(subtracted);
            let out = &mut self.switched[limb][component];
            let factor = parameters.inverse(last, limb);
            pointwise::scale_add_subtract_scale(
                *isa,
                p,
                out,
                inverse,
                rest(limb),
                subtracted,
                factor,
            );
            polynomials.scatter(limb, component, out);
        }
    }
}
