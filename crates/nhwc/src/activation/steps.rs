//! The passes that an activation is made of.

use super::Function;
use crate::passes::Step;
use crate::vector::Vector;
use std::ops::Range;

/// Per channel, from an entry x to a polynomial's argument: `u = scale x + shift`, `z = gamma u + beta`, and z between bounds.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub bounds: [f32; 2],
}

/// [`Argument`] for 16 channels.
#[derive(Clone, Copy)]
pub(super) struct ArgumentVectors<V> {
    scale: V,
    shift: V,
    gamma: V,
    beta: V,
    low: V,
    high: V,
}

impl Argument {
    /// u of one entry.
    pub fn u(&self, x: f32, channel: usize) -> f32 {
        x * self.scale[channel] + self.shift[channel]
    }

    /// z of one entry, before the bounds.
    pub fn z(&self, x: f32, channel: usize) -> f32 {
        self.u(x, channel) * self.gamma[channel] + self.beta[channel]
    }

    #[inline(always)]
    pub fn vectors<V: Vector>(&self, channels: Range<usize>) -> ArgumentVectors<V> {
        let [low, high] = self.bounds;
        ArgumentVectors {
            scale: V::load(&self.scale[channels.clone()]),
            shift: V::load(&self.shift[channels.clone()]),
            gamma: V::load(&self.gamma[channels.clone()]),
            beta: V::load(&self.beta[channels]),
            low: V::splat(low),
            high: V::splat(high),
        }
    }
}

impl<V: Vector> ArgumentVectors<V> {
    #[inline(always)]
    pub fn unit(&self, x: V) -> V {
        x.multiply_add(self.scale, self.shift)
    }

    #[inline(always)]
    pub fn normal(&self, unit: V) -> V {
        unit.multiply_add(self.gamma, self.beta)
    }

    #[inline(always)]
    fn bounded(&self, z: V) -> V {
        z.clamp(self.low, self.high)
    }
}

/// A polynomial with `N` coefficients a channel, those of low powers first.
#[derive(Clone, Debug)]
pub(super) struct Polynomial<const N: usize>(pub [Vec<f32>; N]);

impl<const N: usize> Polynomial<N> {
    /// Missing coefficients are zero.
    pub fn new(channels: usize, coefficients: &[Vec<f64>]) -> Self {
        Self(std::array::from_fn(|power| match coefficients.get(power) {
            Some(row) => row.iter().map(|value| *value as f32).collect(),
            None => vec![0.0; channels],
        }))
    }

    #[inline(always)]
    fn vectors<V: Vector>(&self, channels: &Range<usize>) -> [V; N] {
        let mut vectors = [V::splat(0.0); N];
        for (vector, row) in vectors.iter_mut().zip(&self.0) {
            *vector = V::load(&row[channels.clone()]);
        }
        vectors
    }
}

/// Horner's rule.
#[inline(always)]
fn horner<V: Vector, const N: usize>(coefficients: &[V; N], x: V) -> V {
    let mut sum = coefficients[N - 1];
    for coefficient in coefficients.iter().rev().skip(1) {
        sum = sum.multiply_add(x, *coefficient);
    }
    sum
}

/// Sums of `x - centre` and of its square.
pub(super) struct Centred(pub Vec<f32>);

impl Step<2> for Centred {
    type Constants<V: Vector> = V;

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> V {
        V::load(&self.0[channels])
    }

    #[inline(always)]
    fn step<V: Vector>(centre: &V, x: V, _: V, [first, second]: [V; 2]) -> (V, [V; 2]) {
        let x = x.subtract(*centre);
        (x, [first.add(x), x.multiply_add(x, second)])
    }
}

/// Sums of the second and fourth powers of the bounded argument.
pub(super) struct EvenPowers<'a>(pub &'a Argument);

impl Step<2> for EvenPowers<'_> {
    type Constants<V: Vector> = ArgumentVectors<V>;

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> ArgumentVectors<V> {
        self.0.vectors(channels)
    }

    #[inline(always)]
    fn step<V: Vector>(
        constants: &ArgumentVectors<V>,
        x: V,
        _: V,
        [second, fourth]: [V; 2],
    ) -> (V, [V; 2]) {
        let c = constants.bounded(constants.normal(constants.unit(x)));
        let square = c.multiply(c);
        (c, [second.add(square), square.multiply_add(square, fourth)])
    }
}

/// Writes the polynomial and, where `F`, the weighted function; sums of the squared distance of z from `limits`, and of the entries outside of them.
pub(super) struct Apply<'a, const N: usize, const F: bool> {
    pub argument: &'a Argument,
    pub polynomial: Polynomial<N>,
    pub function: Option<(Function, f32)>,
    pub limits: [f32; 2],
}

impl<const N: usize, const F: bool> Step<2> for Apply<'_, N, F> {
    type Constants<V: Vector> = (ArgumentVectors<V>, [V; N], Option<(Function, V)>, [V; 2]);

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> Self::Constants<V> {
        (
            self.argument.vectors(channels.clone()),
            self.polynomial.vectors(&channels),
            self.function
                .map(|(function, weight)| (function, V::splat(weight))),
            self.limits.map(V::splat),
        )
    }

    #[inline(always)]
    fn step<V: Vector>(
        (argument, polynomial, function, [low, high]): &Self::Constants<V>,
        x: V,
        _: V,
        [squares, outside]: [V; 2],
    ) -> (V, [V; 2]) {
        let z = argument.normal(argument.unit(x));
        let inside = z.clamp(*low, *high);
        let excess = z.subtract(inside);
        let one = V::splat(1.0);
        let sums = [
            excess.multiply_add(excess, squares),
            outside.add(one.subtract(one.where_equal(z, inside))),
        ];
        let c = argument.bounded(z);
        let mut y = horner(polynomial, c);
        if F && let Some((function, weight)) = function {
            y = function.at(c).0.multiply_add(*weight, y);
        }
        (y, sums)
    }
}

/// Sums of the gradient times the powers 0 to N - 1 of the bounded argument.
pub(super) struct WeightedPowers<'a, const N: usize>(pub &'a Argument);

impl<const N: usize> Step<N> for WeightedPowers<'_, N> {
    type Constants<V: Vector> = ArgumentVectors<V>;

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> ArgumentVectors<V> {
        self.0.vectors(channels)
    }

    #[inline(always)]
    fn step<V: Vector>(
        constants: &ArgumentVectors<V>,
        x: V,
        g: V,
        mut sums: [V; N],
    ) -> (V, [V; N]) {
        let c = constants.bounded(constants.normal(constants.unit(x)));
        let mut term = g;
        for sum in &mut sums {
            *sum = sum.add(term);
            term = term.multiply(c);
        }
        (c, sums)
    }
}

/// The gradient of z: `g (slope(c) + weight f'(c)) + rest(c)` where c = z, plus `pull` times the distance of z from `limits`. Rests have odd powers up to
/// the third, with one coefficient for each.
#[derive(Clone, Debug)]
pub(super) struct Slope<'a, const N: usize, const F: bool> {
    pub argument: &'a Argument,
    pub slope: Polynomial<N>,
    pub rest: Polynomial<2>,
    pub function: Option<(Function, f32)>,
    pub limits: [f32; 2],
    pub pull: f32,
}

/// [`Slope`] for 16 channels.
#[derive(Clone, Copy)]
pub(super) struct SlopeVectors<V, const N: usize, const F: bool> {
    argument: ArgumentVectors<V>,
    slope: [V; N],
    rest: [V; 2],
    function: Option<(Function, V)>,
    low: V,
    high: V,
    pull: V,
}

impl<const N: usize, const F: bool> Slope<'_, N, F> {
    #[inline(always)]
    fn vectors<V: Vector>(&self, channels: &Range<usize>) -> SlopeVectors<V, N, F> {
        let [low, high] = self.limits.map(V::splat);
        SlopeVectors {
            argument: self.argument.vectors(channels.clone()),
            slope: self.slope.vectors(channels),
            rest: self.rest.vectors(channels),
            function: self
                .function
                .map(|(function, weight)| (function, V::splat(weight))),
            low,
            high,
            pull: V::splat(self.pull),
        }
    }
}

impl<V: Vector, const N: usize, const F: bool> SlopeVectors<V, N, F> {
    /// u, and the gradient of z.
    #[inline(always)]
    fn at(&self, x: V, g: V) -> (V, V) {
        let unit = self.argument.unit(x);
        let z = self.argument.normal(unit);
        let c = self.argument.bounded(z);
        let rest = horner(&self.rest, c.multiply(c)).multiply(c);
        let mut slope = horner(&self.slope, c);
        if F && let Some((function, weight)) = self.function {
            slope = function.at(c).1.multiply_add(weight, slope);
        }
        let inner = slope.multiply_add(g, rest);
        let excess = z.subtract(z.clamp(self.low, self.high));
        (
            unit,
            excess.multiply_add(self.pull, inner.where_equal(z, c)),
        )
    }
}

/// Sums of the gradient of z, and of its product with u.
pub(super) struct SlopeSums<'a, const N: usize, const F: bool>(pub &'a Slope<'a, N, F>);

impl<const N: usize, const F: bool> Step<2> for SlopeSums<'_, N, F> {
    type Constants<V: Vector> = SlopeVectors<V, N, F>;

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> Self::Constants<V> {
        self.0.vectors(&channels)
    }

    #[inline(always)]
    fn step<V: Vector>(
        constants: &Self::Constants<V>,
        x: V,
        g: V,
        [first, second]: [V; 2],
    ) -> (V, [V; 2]) {
        let (unit, dz) = constants.at(x, g);
        (dz, [first.add(dz), dz.multiply_add(unit, second)])
    }
}

/// Writes the gradient of x: `factor dz + (line[0] + line[1] u)`.
pub(super) struct WriteGradient<'a, const N: usize, const F: bool> {
    pub slope: &'a Slope<'a, N, F>,
    pub factor: Vec<f32>,
    pub line: Polynomial<2>,
}

impl<const N: usize, const F: bool> Step<0> for WriteGradient<'_, N, F> {
    type Constants<V: Vector> = (SlopeVectors<V, N, F>, V, [V; 2]);

    #[inline(always)]
    fn constants<V: Vector>(&self, channels: Range<usize>) -> Self::Constants<V> {
        (
            self.slope.vectors(&channels),
            V::load(&self.factor[channels.clone()]),
            self.line.vectors(&channels),
        )
    }

    #[inline(always)]
    fn step<V: Vector>(
        (slope, factor, line): &Self::Constants<V>,
        x: V,
        g: V,
        sums: [V; 0],
    ) -> (V, [V; 0]) {
        let (unit, dz) = slope.at(x, g);
        (dz.multiply_add(*factor, horner(line, unit)), sums)
    }
}
