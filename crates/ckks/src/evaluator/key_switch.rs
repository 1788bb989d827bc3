//! Key switching: a polynomial that is multiplied with one secret (s^2 in a relinearisation, s in a
//! rotation) becomes two that belong to another.
//!
//! Its residues modulo the primes left are taken in groups of as many primes as there are special
//! ones. The number with the residues of a group, centred, is a small polynomial: a digit. Digits
//! are multiplied with the key's encryptions of `P g_j s'`, s' the secret before, and the sum is divided by the product P
//! of the special primes, rounded (hybrid key switching: Han and Ki, CT-RSA 2020, eprint 2019/688;
//! with one special prime a digit has one prime).
//!
//! Primes are taken one after the other, and for each some ciphertexts: the part of the key that
//! belongs to a prime is read from memory once for all of them. With several keys (rotations of one
//! ciphertext) the digits and their values are computed once for all keys.

use std::ops::Range;

use super::Evaluator;
use crate::error::Result;
use crate::inner_product::{Term, inner_products};
use crate::keys::SwitchingKey;
use crate::memory::Polynomial;
use crate::pointwise;
use crate::residues::{FeatureMut, Residues};

/// Ciphertexts that share a pass over the key. What is kept of them stays in the outer caches.
const CIPHERTEXTS_PER_PASS: usize = 4;

/// What a key switch divides by at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// The special primes.
    Special,
    /// The special primes and the last one left, which is dropped.
    SpecialAndLast,
}

/// Where a key switch reads: values modulo the primes left, by feature of the input; and what it does with a result.
pub(super) trait Input: Sync {
    /// The polynomial that is switched. The last argument is room to work in.
    fn switched(&self, limb: usize, feature: usize, out: &mut [u64], room: &mut [u64]);

    /// What is added to a component of the result, before the last prime is divided by.
    fn rest(
        &self,
        limb: usize,
        component: usize,
        feature: usize,
        out: &mut [u64],
        room: &mut [u64],
    );

    /// Changes a limb of a component of a result, feature `output` of the set that is made.
    fn finish(
        &self,
        _limb: usize,
        _component: usize,
        _output: usize,
        _result: &mut Polynomial,
        _room: &mut [Polynomial; 2],
    ) {
    }
}

/// A key switch at a level.
pub(super) struct KeySwitch<'a> {
    evaluator: &'a Evaluator,
    /// Every feature of the input gives as many of the output, one a key.
    keys: Vec<&'a SwitchingKey>,
    level: usize,
    division: Division,
    /// Indices of the special primes.
    special: Range<usize>,
    digits: Vec<Digit>,
}

/// Primes that are one digit.
struct Digit {
    primes: Range<usize>,
}

impl<'a> KeySwitch<'a> {
    pub fn new(
        evaluator: &'a Evaluator,
        keys: Vec<&'a SwitchingKey>,
        level: usize,
        division: Division,
    ) -> Result<Self> {
        let special = evaluator.parameters.special_indices()?;
        let digits = evaluator.parameters.digits(level);
        Ok(Self {
            evaluator,
            keys,
            level,
            division,
            special,
            digits: digits.map(|primes| Digit { primes }).collect(),
        })
    }

    /// Switches all features of the input: the output's are `[feature][key]`.
    pub fn run(&self, features: usize, input: &impl Input) -> Residues {
        let keys = self.keys.len();
        let parameters = &self.evaluator.parameters;
        let limbs = match self.division {
            Division::Special => self.level + 1,
            Division::SpecialAndLast => self.level,
        };
        let (arena, degree) = (parameters.arena(), parameters.ring_degree());
        let mut residues = Residues::unwritten(arena, degree, limbs, 2, features * keys);
        // every thread has something to do before ciphertexts are put together
        let together = features.div_ceil(2 * rayon::current_num_threads());
        residues.for_each_batch(
            together.clamp(1, CIPHERTEXTS_PER_PASS) * keys,
            || Workspace::new(self),
            |work, mut batch| work.run(input, &mut batch),
        );
        residues
    }

    fn polynomial(&self, place: usize) -> Polynomial {
        let parameters = &self.evaluator.parameters;
        let degree = parameters.ring_degree();
        parameters.arena().polynomial(degree, place)
    }

    fn polynomials(&self, place: usize, count: usize) -> Vec<Polynomial> {
        let places = place..place + count;
        places.map(|place| self.polynomial(place)).collect()
    }

    fn remainders(&self) -> Remainders {
        let count = self.special.len() + 1;
        [0, 4].map(|place| self.polynomials(place, count))
    }
}

/// What is kept of one ciphertext.
struct Kept {
    /// The polynomial's values, by prime left.
    values: Vec<Polynomial>,
    /// The digits, by prime left: those of a group in mixed radix, as words.
    digits: Vec<Polynomial>,
}

/// By component of one result: what is subtracted before the division by every special prime, in mixed radix, and by the last one; words.
type Remainders = [Vec<Polynomial>; 2];

/// One thread's buffers.
struct Workspace<'a> {
    switch: &'a KeySwitch<'a>,
    kept: Vec<Kept>,
    /// Of every result.
    remainders: Vec<Remainders>,
    /// The digits' values modulo one prime.
    values: Vec<Polynomial>,
    /// The digits times the key, modulo one prime.
    sums: [Polynomial; 2],
    room: [Polynomial; 2],
}

impl<'a> Workspace<'a> {
    fn new(switch: &'a KeySwitch<'a>) -> Self {
        // what an inner product reads side by side has neighbouring places
        Self {
            switch,
            kept: Vec::new(),
            remainders: Vec::new(),
            values: switch.polynomials(0, switch.digits.len()),
            sums: [0, 1].map(|place| switch.polynomial(place)),
            room: [2, 3].map(|place| switch.polynomial(place)),
        }
    }

    /// Switches the ciphertexts that a batch of results comes from.
    fn run(&mut self, input: &impl Input, batch: &mut [FeatureMut<'_>]) {
        let Range { start, end } = self.switch.special;
        let (last, keys) = (self.switch.level, self.switch.keys.len());
        let count = batch.len() / keys;
        while self.kept.len() < count {
            self.kept.push(Kept::new(self.switch));
        }
        while self.remainders.len() < batch.len() {
            self.remainders.push(self.switch.remainders());
        }
        let first = batch.first().map_or(0, |result| result.index() / keys);
        for place in 0..count {
            self.take_digits(input, place, first + place);
        }
        for special in start..end {
            for place in 0..count {
                self.transform_digits(place, special);
                for key in 0..keys {
                    self.multiply(place, key, special);
                    self.take_special(place * keys + key, special);
                }
            }
        }
        let kept = match self.switch.division {
            Division::Special => 0..last + 1,
            Division::SpecialAndLast => {
                for place in 0..count {
                    self.transform_digits(place, last);
                    for key in 0..keys {
                        self.multiply(place, key, last);
                        self.take_last(input, place * keys + key, first + place);
                    }
                }
                0..last
            }
        };
        for limb in kept {
            for (place, results) in batch.chunks_exact_mut(keys).enumerate() {
                self.transform_digits(place, limb);
                for (key, result) in results.iter_mut().enumerate() {
                    self.multiply(place, key, limb);
                    for component in 0..2 {
                        let remainders = place * keys + key;
                        self.divide(input, remainders, limb, component, first + place);
                        let sum = &mut self.sums[component];
                        input.finish(limb, component, result.index(), sum, &mut self.room);
                        result.scatter(limb, component, &self.sums[component]);
                    }
                }
            }
        }
    }

    /// Loads the polynomial and takes its digits: the residues of a group in mixed radix, centred, `d_0 + q_0 d_1 + ...`.
    fn take_digits(&mut self, input: &impl Input, place: usize, feature: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.switch.evaluator;
        let kept = &mut self.kept[place];
        for (limb, values) in kept.values.iter_mut().enumerate() {
            input.switched(limb, feature, values, &mut self.room[0]);
            let transform = parameters.transform(limb);
            transform.inverse(values, &mut kept.digits[limb]);
        }
        for digit in &self.switch.digits {
            for upper in digit.primes.clone() {
                let (done, rest) = kept.digits.split_at_mut(upper);
                let p = parameters.modulus(upper);
                for (lower, done) in done.iter().enumerate().skip(digit.primes.start) {
                    let inverse = parameters.inverse(lower, upper);
                    pointwise::garner(*isa, p, &mut rest[0], done, inverse);
                }
            }
        }
    }

    /// The digits' values modulo a prime.
    fn transform_digits(&mut self, place: usize, prime: usize) {
        let parameters = &self.switch.evaluator.parameters;
        let kept = &self.kept[place];
        let transform = parameters.transform(prime);
        let p = transform.modulus();
        for (digit, values) in self.switch.digits.iter().zip(&mut self.values) {
            // modulo its own primes a digit's values are at hand
            if digit.primes.contains(&prime) {
                continue;
            }
            let mut radix = 1;
            let mut more = Vec::with_capacity(digit.primes.len());
            for upper in digit.primes.clone().skip(1) {
                let below = parameters.primes()[upper - 1] % p.value();
                radix = p.multiply(radix, below);
                more.push((radix, &kept.digits[upper][..]));
            }
            transform.forward_open(&kept.digits[digit.primes.start], &more, values);
        }
    }

    /// The sum of the digits times a key, modulo a prime.
    fn multiply(&mut self, place: usize, key: usize, prime: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.switch.evaluator;
        let kept = &self.kept[place];
        let digits = self.switch.digits.iter().zip(&self.values);
        let values = digits.map(|(digit, values)| {
            if digit.primes.contains(&prime) {
                &kept.values[prime][..]
            } else {
                &values[..]
            }
        });
        let rows = self.switch.keys[key].rows(prime);
        let terms: Vec<Term<'_>> = values
            .zip(rows)
            .map(|(values, row)| (values, [&row.b[..], &row.a[..]]))
            .collect();
        let [sum_b, sum_a] = &mut self.sums;
        inner_products(*isa, parameters.modulus(prime), &terms, [sum_b, sum_a]);
    }

    /// What the division by the special primes subtracts: the sums modulo a special prime, in mixed radix with those before it.
    fn take_special(&mut self, result: usize, special: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.switch.evaluator;
        let transform = parameters.transform(special);
        let first = self.switch.special.start;
        for (sum, remainders) in self.sums.iter().zip(&mut self.remainders[result]) {
            let (done, rest) = remainders.split_at_mut(special - first);
            transform.inverse(sum, &mut rest[0]);
            for (lower, done) in done.iter().enumerate() {
                let inverse = parameters.inverse(first + lower, special);
                pointwise::garner(*isa, transform.modulus(), &mut rest[0], done, inverse);
            }
        }
    }

    /// What the division by the last prime q subtracts: with `w = sum / P + rest` and `t = remainder / P` the division by P leaves `w - t`,
    /// and this is `[w - t]_q`.
    fn take_last(&mut self, input: &impl Input, result: usize, feature: usize) {
        let Evaluator {
            parameters, isa, ..
        } = self.switch.evaluator;
        let last = self.switch.level;
        let transform = parameters.transform(last);
        let p = transform.modulus();
        let inverse = parameters.special_inverse(last);
        let radices = self.radices(last);
        for (component, sum) in self.sums.iter_mut().enumerate() {
            let [rest, room] = &mut self.room;
            input.rest(last, component, feature, rest, room);
            pointwise::scale_add(*isa, p, sum, inverse, rest);
            if let Some((value, remainders)) = self.remainders[result][component].split_last_mut() {
                transform.inverse(sum, value);
                for (remainder, radix) in remainders.iter().zip(&radices) {
                    let factor = p.multiply(*radix, inverse);
                    pointwise::subtract_scaled(*isa, p, value, remainder, factor);
                }
            }
        }
    }

    /// Divides a limb of a component, adding the rest.
    fn divide(
        &mut self,
        input: &impl Input,
        result: usize,
        limb: usize,
        component: usize,
        feature: usize,
    ) {
        let Evaluator {
            parameters, isa, ..
        } = self.switch.evaluator;
        let transform = parameters.transform(limb);
        let p = transform.modulus();
        let inverse = parameters.special_inverse(limb);
        let radices = self.radices(limb);
        let remainders = &self.remainders[result][component];
        let count = radices.len();
        let [rest, subtracted] = &mut self.room;
        input.rest(limb, component, feature, rest, subtracted);
        let sum = &mut self.sums[component];
        match self.switch.division {
            // (sum - remainder) / P + rest
            Division::Special => {
                let more = remainders[1..count].iter().zip(&radices[1..]);
                let more: Vec<(u64, &[u64])> = more
                    .map(|(remainder, radix)| (*radix, &remainder[..]))
                    .collect();
                transform.forward(&remainders[0], &more, subtracted);
                pointwise::subtract_scale_add(*isa, p, sum, subtracted, inverse, rest);
            }
            // (sum / P + rest - (remainder / P + last)) / q
            Division::SpecialAndLast => {
                let more = remainders.iter().zip(&radices);
                let more: Vec<(u64, &[u64])> = more
                    .map(|(remainder, radix)| (p.multiply(*radix, inverse), &remainder[..]))
                    .collect();
                transform.forward(&remainders[count], &more, subtracted);
                let factor = parameters.inverse(self.switch.level, limb);
                pointwise::scale_add_subtract_scale(
                    *isa, p, sum, inverse, rest, subtracted, factor,
                );
            }
        }
    }

    /// What the places of the special primes' mixed radix stand for modulo a prime: 1, p_0, p_0 p_1, ...
    fn radices(&self, limb: usize) -> Vec<u64> {
        let parameters = &self.switch.evaluator.parameters;
        let p = parameters.modulus(limb);
        let special = parameters.special_primes().iter();
        special
            .scan(1, |radix, special| {
                let next = p.multiply(*radix, special % p.value());
                Some(std::mem::replace(radix, next))
            })
            .collect()
    }
}

impl Kept {
    fn new(switch: &KeySwitch<'_>) -> Self {
        let limbs = || switch.polynomials(0, switch.level + 1);
        Self {
            values: limbs(),
            digits: limbs(),
        }
    }
}
