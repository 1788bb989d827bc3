//! Real vectors to polynomials and back: the canonical embedding.

mod fft;

use std::f64::consts::PI;

use zeroize::Zeroizing;

use crate::params::Ring;
use fft::{Complex, Fft};

/// The embedding of one ring.
///
/// Slot j of the standard ring is the value at `zeta^(4j+1)`, zeta a primitive 2N-th root of unity:
/// those points are one of every conjugate pair, and one complex transform of size N/2 goes between
/// them and the coefficients, `sum_k (m_k + i m_(k+N/2)) zeta^k e^(2 pi i jk / (N/2))`. (There are
/// no rotations, so no order of slots is special.)
///
/// Slot j of the conjugate-invariant ring is the value at the angle `(2j+1) pi / 2N`, `m_0 + 2 sum
/// m_i cos(..)`, so encoding is a DCT-II, `m_i = 1/N sum_j z_j cos((2j+1) i pi / 2N)`, done by a
/// complex transform of size N on the reordered input (Makhoul, IEEE Trans. ASSP 28, 1980).
pub(crate) struct Encoder {
    ring: Ring,
    degree: usize,
    fft: Fft,
    /// `e^(i pi k / 2N)` (conjugate-invariant) or `e^(i pi k / N)` (standard) for every point of
    /// the transform.
    twist: Vec<Complex>,
    /// Wiped: it holds what is encrypted or decrypted.
    buffer: Zeroizing<Vec<Complex>>,
}

impl Encoder {
    pub fn new(ring: Ring, degree: usize) -> Self {
        let (points, step) = match ring {
            Ring::Standard => (degree / 2, PI / degree as f64),
            Ring::ConjugateInvariant => (degree, PI / (2 * degree) as f64),
        };
        Self {
            ring,
            degree,
            fft: Fft::new(points),
            twist: (0..points).map(|k| Complex::cis(k as f64 * step)).collect(),
            buffer: Zeroizing::new(vec![Complex::ZERO; points]),
        }
    }

    /// Coefficients (real, unrounded) of the polynomial with these slot values times `scale`;
    /// missing slots are zero.
    pub fn encode(&mut self, values: &[f64], scale: f64, coefficients: &mut [f64]) {
        let points = self.buffer.len();
        self.buffer.fill(Complex::ZERO);
        for (j, &value) in values.iter().enumerate() {
            let place = self.place(j);
            self.buffer[place] = Complex::new(value, 0.0);
        }
        self.fft.forward(&mut self.buffer);
        let factor = scale / points as f64;
        match self.ring {
            Ring::Standard => {
                let (low, high) = coefficients.split_at_mut(self.degree / 2);
                for (k, (value, twist)) in self.buffer.iter().zip(&self.twist).enumerate() {
                    let m = value.times(twist.conjugate());
                    low[k] = m.re * factor;
                    high[k] = m.im * factor;
                }
            }
            Ring::ConjugateInvariant => {
                let terms = self.buffer.iter().zip(&self.twist);
                for (m, (value, twist)) in coefficients.iter_mut().zip(terms) {
                    *m = value.times(twist.conjugate()).re * factor;
                }
            }
        }
    }

    /// Slot values of a polynomial, divided by `scale`.
    pub fn decode(&mut self, coefficients: &[f64], scale: f64, values: &mut [f64]) {
        match self.ring {
            Ring::Standard => {
                let (low, high) = coefficients.split_at(self.degree / 2);
                for (k, value) in self.buffer.iter_mut().enumerate() {
                    *value = Complex::new(low[k], high[k]).times(self.twist[k]);
                }
            }
            Ring::ConjugateInvariant => {
                self.buffer[0] = Complex::new(coefficients[0], 0.0);
                for k in 1..self.degree {
                    let m = Complex::new(coefficients[k], -coefficients[self.degree - k]);
                    self.buffer[k] = m.times(self.twist[k]);
                }
            }
        }
        self.fft.inverse(&mut self.buffer);
        for (j, value) in values.iter_mut().enumerate() {
            *value = self.buffer[self.place(j)].re / scale;
        }
    }

    /// Where slot j stands in the complex transform: in Makhoul's order even slots rise and odd
    /// ones fall.
    fn place(&self, slot: usize) -> usize {
        match self.ring {
            Ring::Standard => slot,
            Ring::ConjugateInvariant if slot.is_multiple_of(2) => slot / 2,
            Ring::ConjugateInvariant => self.degree - 1 - slot / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RINGS: [Ring; 2] = [Ring::Standard, Ring::ConjugateInvariant];

    fn slots(ring: Ring, degree: usize) -> usize {
        if ring == Ring::Standard {
            degree / 2
        } else {
            degree
        }
    }

    /// Slot values from the definition of the embedding.
    fn slow_decode(ring: Ring, coefficients: &[f64]) -> Vec<f64> {
        let degree = coefficients.len();
        let value = |j: usize| -> f64 {
            let terms = coefficients.iter().enumerate();
            match ring {
                Ring::Standard => {
                    let angle = PI / degree as f64 * (4 * j + 1) as f64;
                    terms.map(|(k, m)| m * (angle * k as f64).cos()).sum()
                }
                Ring::ConjugateInvariant => {
                    let angle = PI / (2 * degree) as f64 * (2 * j + 1) as f64;
                    let weight = |k| if k == 0 { 1.0 } else { 2.0 };
                    terms
                        .map(|(k, m)| weight(k) * m * (angle * k as f64).cos())
                        .sum()
                }
            }
        };
        (0..slots(ring, degree)).map(value).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn encoding_inverts_the_definition(values in prop::collection::vec(-10.0..10.0f64, 1..64), log_n in 6..9u32) {
            for ring in RINGS {
                let degree = 1 << log_n;
                let mut encoder = Encoder::new(ring, degree);
                let mut coefficients = vec![0.0; degree];
                let values = &values[..values.len().min(slots(ring, degree))];
                encoder.encode(values, 1000.0, &mut coefficients);
                prop_assert!(coefficients.iter().all(|m| m.abs() <= 10_000.0));
                let slow = slow_decode(ring, &coefficients);
                let mut fast = vec![0.0; slots(ring, degree)];
                encoder.decode(&coefficients, 1000.0, &mut fast);
                for j in 0..slow.len() {
                    let expected = values.get(j).copied().unwrap_or(0.0);
                    prop_assert!((slow[j] / 1000.0 - expected).abs() < 1e-10);
                    prop_assert!((fast[j] - expected).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_constant_is_the_constant_polynomial() {
        for ring in RINGS {
            let degree = 128;
            let mut coefficients = vec![1.0; degree];
            let values = vec![2.5; slots(ring, degree)];
            Encoder::new(ring, degree).encode(&values, 4.0, &mut coefficients);
            assert!((coefficients[0] - 10.0).abs() < 1e-12);
            assert!(coefficients[1..].iter().all(|m| m.abs() < 1e-12));
        }
    }

    #[test]
    fn products_of_slots_are_products_of_polynomials() {
        let degree = 64;
        let polynomial = |seed: usize| -> Vec<f64> {
            (0..degree)
                .map(|k| ((k * seed) % 17) as f64 - 8.0)
                .collect()
        };
        let (a, b) = (polynomial(5), polynomial(7));
        // in the conjugate-invariant ring 2 cos x cos y = cos(x+y) + cos(x-y)
        let mut product = vec![0.0; degree];
        for i in 0..degree {
            for j in 0..degree {
                let term = a[i] * b[j];
                if i + j < degree {
                    product[i + j] += term;
                } else if i + j > degree {
                    product[2 * degree - i - j] -= term;
                }
                if i > 0 && j > 0 {
                    product[i.abs_diff(j)] += if i == j { 2.0 * term } else { term };
                }
            }
        }
        let [a, b, product] = [&a, &b, &product].map(|m| slow_decode(Ring::ConjugateInvariant, m));
        for ((a, b), product) in a.iter().zip(&b).zip(&product) {
            assert!((product - a * b).abs() < 1e-9 * (a * b).abs().max(1e4));
        }
    }
}
