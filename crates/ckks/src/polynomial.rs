//! Monic polynomials in minimal multiplicative depth, on any [`HomomorphicOps`].
//!
//! A polynomial of degree n with h = 2^(d-1) < n <= 2^d is `x^h * q + r`, q monic of degree n - h
//! <= h and r of degree below h (Paterson and Stockmeyer, SIAM J. Comput. 1973, with powers of two
//! as giant steps). q needs depth d - 1 at most, r is brought to the product's scale by its own
//! constants, and one rescaling ends the sum: depth `ceil(log2 n)`. Constants are added before a
//! rescaling, where the scale is squared and rounding them costs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ops::HomomorphicOps;

/// The highest degree that [`MonicPolynomial`] takes.
pub const MAX_DEGREE: usize = 16;

/// A polynomial that is not well formed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolynomialError {
    /// A degree outside what can be evaluated.
    #[error("polynomial: degree {degree} is outside 1 to {MAX_DEGREE}")]
    Degree {
        /// The degree.
        degree: usize,
    },
    /// The number of lower coefficients is not the degree.
    #[error("polynomial of degree {degree}: {found} lower coefficients, of x^0 to x^(degree - 1)")]
    Length {
        /// The degree.
        degree: usize,
        /// The number of coefficient lists.
        found: usize,
    },
    /// A constant term, which belongs to the layer after.
    #[error("polynomial: the constant term {value} belongs to the next layer")]
    ConstantTerm {
        /// Its value.
        value: f64,
    },
    /// A coefficient that is no number.
    #[error("polynomial: a coefficient of x^{power} is {value}")]
    NotFinite {
        /// The power.
        power: usize,
        /// The value.
        value: f64,
    },
    /// Per-feature lists of different lengths.
    #[error("polynomial: {found} coefficients of x^{power} where one or {expected} are wanted")]
    Features {
        /// The power.
        power: usize,
        /// The number of features that another power has.
        expected: usize,
        /// The length found.
        found: usize,
    },
}

/// `p(x) = x^n + c[n-1] x^(n-1) + ... + c[1] x`, each coefficient one value or one per feature.
///
/// There is no constant term: it belongs to the next layer.
///
/// ```
/// use ckks::{MonicPolynomial, polynomial_depth};
/// let p = MonicPolynomial::new(3, vec![vec![], vec![0.25], vec![-1.5]])?;
/// assert_eq!(p.value(0, 2.0), 8.0 - 1.5 * 4.0 + 0.25 * 2.0);
/// assert_eq!(polynomial_depth(p.degree()), 2);
/// # Ok::<(), ckks::PolynomialError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedPolynomial")]
pub struct MonicPolynomial {
    degree: usize,
    lower: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct UncheckedPolynomial {
    degree: usize,
    lower: Vec<Vec<f64>>,
}

impl TryFrom<UncheckedPolynomial> for MonicPolynomial {
    type Error = PolynomialError;

    fn try_from(raw: UncheckedPolynomial) -> Result<Self, PolynomialError> {
        Self::new(raw.degree, raw.lower)
    }
}

impl MonicPolynomial {
    /// The polynomial of that degree; `lower[k]` holds the coefficient of `x^k` for every feature,
    /// one per feature, or nothing for zero. `lower[0]` has to be zero or empty.
    ///
    /// # Errors
    /// If the degree is 0 or over [`MAX_DEGREE`], if `lower` does not hold exactly `degree` lists,
    /// if a value is not finite, if there is a constant term, or if per-feature lists differ in
    /// length.
    pub fn new(degree: usize, lower: Vec<Vec<f64>>) -> Result<Self, PolynomialError> {
        if !(1..=MAX_DEGREE).contains(&degree) {
            return Err(PolynomialError::Degree { degree });
        }
        if lower.len() != degree {
            let found = lower.len();
            return Err(PolynomialError::Length { degree, found });
        }
        let mut features = None;
        for (power, list) in lower.iter().enumerate() {
            if let Some(&value) = list.iter().find(|value| !value.is_finite()) {
                return Err(PolynomialError::NotFinite { power, value });
            }
            if list.len() > 1 && *features.get_or_insert(list.len()) != list.len() {
                return Err(PolynomialError::Features {
                    power,
                    expected: features.unwrap_or(1),
                    found: list.len(),
                });
            }
        }
        if let Some(&value) = lower[0].iter().find(|&&value| value != 0.0) {
            return Err(PolynomialError::ConstantTerm { value });
        }
        Ok(Self { degree, lower })
    }

    /// The degree, 1 to [`MAX_DEGREE`].
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The coefficients of `x^0` to `x^(degree - 1)`: nothing (zero), one for all features, or one
    /// per feature.
    pub fn lower(&self) -> &[Vec<f64>] {
        &self.lower
    }

    /// The number of features that per-feature coefficients are made for; `None` where they fit any
    /// number.
    pub fn features(&self) -> Option<usize> {
        self.lower.iter().map(Vec::len).find(|&length| length > 1)
    }

    /// The coefficient of `x^power` for one feature (zero where there is none).
    pub fn coefficient(&self, power: usize, feature: usize) -> f64 {
        if power == self.degree {
            return 1.0;
        }
        match self.lower.get(power).map(Vec::as_slice) {
            None | Some([]) => 0.0,
            Some([all]) => *all,
            Some(list) => list.get(feature).copied().unwrap_or(0.0),
        }
    }

    /// The value for one feature, by Horner's rule.
    pub fn value(&self, feature: usize, x: f64) -> f64 {
        (0..=self.degree)
            .rev()
            .fold(0.0, |sum, power| sum * x + self.coefficient(power, feature))
    }

    /// Levels that [`evaluate_polynomial`] consumes.
    pub fn depth(&self) -> usize {
        polynomial_depth(self.degree)
    }
}

/// Levels that a monic polynomial of that degree consumes: `ceil(log2 degree)`.
pub fn polynomial_depth(degree: usize) -> usize {
    degree.max(1).next_power_of_two().ilog2() as usize
}

/// Evaluates `p` at every feature of `x`; the result is [`polynomial_depth`] levels below `x`,
/// rescaled.
///
/// Terms whose coefficients are exactly zero for every feature cost nothing.
///
/// # Errors
/// What the machine's operations fail with: no level left, no key, coefficient lists of another
/// length.
pub fn evaluate_polynomial<M: HomomorphicOps>(
    ops: &M,
    x: &M::Value,
    p: &MonicPolynomial,
) -> Result<M::Value, M::Error> {
    let mut evaluation = Evaluation {
        ops,
        x,
        level: ops.level(x),
        powers: BTreeMap::new(),
        squared: None,
        keep_squared: wants_square_twice(p),
    };
    evaluation.monic(p.degree, &p.lower)
}

/// Whether `x^2` is needed both rescaled, as a power, and unrescaled, under lower terms of its own.
fn wants_square_twice(p: &MonicPolynomial) -> bool {
    let mut degree = p.degree;
    while degree > 2 {
        degree -= leading_power(degree);
        if all_zero(&p.lower[p.degree - degree..]) {
            return false;
        }
    }
    p.degree > 2 && degree == 2
}

/// The largest power of two below `degree`.
fn leading_power(degree: usize) -> usize {
    degree.next_power_of_two() / 2
}

fn is_zero(list: &[f64]) -> bool {
    list.iter().all(|&value| value == 0.0)
}

fn all_zero(lists: &[Vec<f64>]) -> bool {
    lists.iter().all(|list| is_zero(list))
}

/// One run of [`evaluate_polynomial`]: the powers of x computed so far.
struct Evaluation<'a, M: HomomorphicOps> {
    ops: &'a M,
    x: &'a M::Value,
    /// Level of x.
    level: usize,
    /// Rescaled powers from x^2 on; x^k is at depth `ceil(log2 k)`.
    powers: BTreeMap<usize, M::Value>,
    /// x^2 before its rescaling, kept only where it is wanted again.
    squared: Option<M::Value>,
    keep_squared: bool,
}

impl<M: HomomorphicOps> Evaluation<'_, M> {
    /// The monic polynomial `x^degree + sum lower[k] x^k`, rescaled, at depth `ceil(log2 degree)`
    /// of x.
    fn monic(&mut self, degree: usize, lower: &[Vec<f64>]) -> Result<M::Value, M::Error> {
        if degree == 1 {
            let x = self.ops.drop_to(self.x, self.level)?;
            return self.add_constant(x, &lower[0]);
        }
        let product = self.leading_product(degree, lower)?;
        let sum = self.add_terms(product, &lower[..leading_power(degree).max(2)])?;
        self.ops.rescale(sum)
    }

    /// `x^h * q`, not rescaled, where q is the monic polynomial of the terms from x^h on.
    fn leading_product(&mut self, degree: usize, lower: &[Vec<f64>]) -> Result<M::Value, M::Error> {
        if degree == 2 {
            // x * (x + c1) would do, but x^2 + c1 x shares its square with the power x^2
            return self.square_of_x();
        }
        let half = leading_power(degree);
        let rest = degree - half;
        self.prepare_power(half)?;
        if !all_zero(&lower[half..]) {
            let quotient = self.monic(rest, &lower[half..])?;
            return self.ops.multiply(self.power(half), &quotient);
        }
        self.prepare_power(rest)?;
        self.product_of_powers(half, rest)
    }

    /// Adds `sum terms[k] x^k` to an unrescaled value, at that value's level and scale.
    ///
    /// The terms stop below the largest power of two whose power is at the sum's level, so every
    /// power needed has a level at least as high.
    fn add_terms(&mut self, sum: M::Value, terms: &[Vec<f64>]) -> Result<M::Value, M::Error> {
        let Some(degree) = (1..terms.len()).rfind(|&k| !is_zero(&terms[k])) else {
            return self.add_constant(sum, &terms[0]);
        };
        let ops = self.ops;
        let (level, scale) = (ops.level(&sum), ops.scale(&sum));
        let giant = 1 << degree.ilog2();
        if giant < 4 || degree == giant {
            // a constant multiplication of a power that is there, or costs one product
            let term = self.scaled_power(degree, &terms[degree], level, scale)?;
            let sum = ops.add(sum, &term)?;
            return self.add_terms(sum, &terms[..degree]);
        }
        let product = self.giant_step(level, scale, giant, &terms[giant..=degree])?;
        let sum = ops.add(sum, &product)?;
        self.add_terms(sum, &terms[..giant])
    }

    /// `x^giant * (sum terms[k] x^k)`, not rescaled, at a level and scale; the last term is not
    /// zero.
    fn giant_step(
        &mut self,
        level: usize,
        scale: f64,
        giant: usize,
        terms: &[Vec<f64>],
    ) -> Result<M::Value, M::Error> {
        let ops = self.ops;
        self.prepare_power(giant)?;
        // the inner sum is made one level up, at a scale that its rescaling turns into the wanted
        // one
        let scale_above = scale / ops.scale(self.power(giant)) * self.prime_above(level)?;
        let top = terms.len() - 1;
        let mut inner = self.scaled_power(top, &terms[top], level + 1, scale_above)?;
        for k in (1..top).filter(|&k| !is_zero(&terms[k])) {
            let term = self.scaled_power(k, &terms[k], level + 1, scale_above)?;
            inner = ops.add(inner, &term)?;
        }
        let inner = ops.rescale(self.add_constant(inner, &terms[0])?)?;
        ops.multiply(self.power(giant), &inner)
    }

    /// The prime that a rescaling from `level + 1` to `level` divides by, learnt from the power
    /// that was rescaled there.
    fn prime_above(&mut self, level: usize) -> Result<f64, M::Error> {
        let depth = self.level - level;
        let power = 1 << depth;
        self.prepare_power(power)?;
        let below = self.ops.scale(self.power(power / 2));
        Ok(below * below / self.ops.scale(self.power(power)))
    }

    fn add_constant(&self, value: M::Value, constants: &[f64]) -> Result<M::Value, M::Error> {
        if is_zero(constants) {
            return Ok(value);
        }
        self.ops.add_constants(value, constants)
    }

    /// `constants * x^power` at a level and scale.
    fn scaled_power(
        &mut self,
        power: usize,
        constants: &[f64],
        level: usize,
        scale: f64,
    ) -> Result<M::Value, M::Error> {
        self.prepare_power(power)?;
        let value = self.power(power);
        if self.ops.level(value) == level {
            return self.ops.multiply_constants(value, constants, scale);
        }
        let dropped = self.ops.drop_to(value, level)?;
        self.ops.multiply_constants(&dropped, constants, scale)
    }

    /// Computes `x^power` and the powers it is made of, unless they are there.
    fn prepare_power(&mut self, power: usize) -> Result<(), M::Error> {
        if power == 1 || self.powers.contains_key(&power) {
            return Ok(());
        }
        let product = if power == 2 {
            self.square_of_x()?
        } else {
            let giant = leading_power(power);
            self.prepare_power(giant)?;
            self.prepare_power(power - giant)?;
            self.product_of_powers(giant, power - giant)?
        };
        let value = self.ops.rescale(product)?;
        self.powers.insert(power, value);
        Ok(())
    }

    /// A prepared power, or x itself.
    fn power(&self, power: usize) -> &M::Value {
        self.powers.get(&power).unwrap_or(self.x)
    }

    /// The product of two prepared powers, not rescaled.
    fn product_of_powers(&self, a: usize, b: usize) -> Result<M::Value, M::Error> {
        if a == b {
            return self.ops.square(self.power(a));
        }
        self.ops.multiply(self.power(a), self.power(b))
    }

    /// x^2 before its rescaling.
    fn square_of_x(&mut self) -> Result<M::Value, M::Error> {
        if let Some(squared) = self.squared.take() {
            return Ok(squared);
        }
        let squared = self.ops.square(self.x)?;
        if self.keep_squared {
            // wanted exactly twice
            self.keep_squared = false;
            self.squared = Some(self.ops.drop_to(&squared, self.level)?);
        }
        Ok(squared)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
