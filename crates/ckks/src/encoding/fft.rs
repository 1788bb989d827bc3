//! A complex Fourier transform, small and accurate: every twiddle factor is computed on its own.

use std::f64::consts::PI;

use zeroize::DefaultIsZeroes;

use crate::isa::{Isa, per_isa};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub re: f64,
    pub im: f64,
}

impl DefaultIsZeroes for Complex {}

impl Complex {
    pub const ZERO: Self = Self::new(0.0, 0.0);

    pub const fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// `e^(i angle)`.
    pub fn cis(angle: f64) -> Self {
        let (im, re) = angle.sin_cos();
        Self { re, im }
    }

    #[inline(always)]
    pub fn conjugate(self) -> Self {
        Self::new(self.re, -self.im)
    }

    #[inline(always)]
    pub fn times(self, other: Self) -> Self {
        Self::new(
            self.re * other.re - self.im * other.im,
            self.re * other.im + self.im * other.re,
        )
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

/// Radix-2 transforms of one size, a power of two. Neither direction divides by the size.
pub(super) struct Fft {
    /// For every stage the factors `e^(-i pi k / half)`, k below half = 1, 2, 4, ...
    stages: Vec<Vec<Complex>>,
}

impl Fft {
    pub fn new(size: usize) -> Self {
        debug_assert!(size.is_power_of_two());
        let stage = |half: usize| {
            let factor = |k| Complex::cis(-PI * k as f64 / half as f64);
            (0..half).map(factor).collect()
        };
        Self {
            stages: (0..size.ilog2()).map(|log| stage(1 << log)).collect(),
        }
    }

    /// `X_j = sum_k x_k e^(-2 pi i jk / size)`, in place.
    pub fn forward(&self, data: &mut [Complex]) {
        reverse_bits(data);
        let isa = Isa::detect();
        for factors in &self.stages {
            butterflies(isa, data, factors);
        }
    }

    /// `x_k = sum_j X_j e^(+2 pi i jk / size)`, in place.
    pub fn inverse(&self, data: &mut [Complex]) {
        for value in data.iter_mut() {
            *value = value.conjugate();
        }
        self.forward(data);
        for value in data.iter_mut() {
            *value = value.conjugate();
        }
    }
}

per_isa! {
    /// One stage.
    fn butterflies(data: &mut [Complex], factors: &[Complex]) {
        for pair in data.chunks_exact_mut(2 * factors.len()) {
            let (low, high) = pair.split_at_mut(factors.len());
            for ((a, b), factor) in low.iter_mut().zip(high).zip(factors) {
                let t = b.times(*factor);
                *b = a.minus(t);
                *a = a.plus(t);
            }
        }
    }
}

fn reverse_bits(data: &mut [Complex]) {
    let bits = data.len().ilog2();
    for i in 0..data.len() {
        let j = i
            .reverse_bits()
            .checked_shr(usize::BITS - bits)
            .unwrap_or(0);
        if i < j {
            data.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_in_both_directions() {
        for size in [1usize, 2, 8, 64] {
            let x: Vec<Complex> = (0..size)
                .map(|k| Complex::new((k as f64).sin(), (3.0 * k as f64).cos()))
                .collect();
            let slow = |sign: f64| -> Vec<Complex> {
                let point = |j: usize| {
                    let angle = |k: usize| sign * 2.0 * PI * (j * k % size) as f64 / size as f64;
                    let terms = x
                        .iter()
                        .enumerate()
                        .map(|(k, v)| v.times(Complex::cis(angle(k))));
                    terms.fold(Complex::ZERO, Complex::plus)
                };
                (0..size).map(point).collect()
            };
            let fft = Fft::new(size);
            let (mut forward, mut inverse) = (x.clone(), x.clone());
            fft.forward(&mut forward);
            fft.inverse(&mut inverse);
            for (fast, slow) in [(forward, slow(-1.0)), (inverse, slow(1.0))] {
                for (a, b) in fast.iter().zip(&slow) {
                    let d = a.minus(*b);
                    assert!(d.re.hypot(d.im) < 1e-12, "{size}");
                }
            }
        }
    }
}
