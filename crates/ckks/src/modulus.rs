//! Arithmetic modulo one prime below 2^50.
//!
//! Products are reduced with the quotient taken in floating point: for `a, b < p < 2^50` the
//! rounded `a * b / p` is off by less than 7/8, so one conditional addition finishes. No
//! instruction of it is wider than 64 bits, so the same source vectorises on every machine.

/// Adding this to an integer-valued double of magnitude below 2^51 puts the integer into the low
/// mantissa bits.
pub const MAGIC: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// What is added to an integer, of magnitude at most 2^49 or a little more, to hold it as a *word*: a number below 2^52 that is never
/// negative. Polynomials with small centred coefficients are kept so between transforms.
pub const CENTRE: u64 = 1 << 50;

/// `a * b mod p` for any modulus.
pub fn multiply_modulo(a: u64, b: u64, p: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(p)) as u64
}

/// `base^exponent mod p` for any modulus.
pub fn power_modulo(base: u64, mut exponent: u64, p: u64) -> u64 {
    let (mut square, mut result) = (base % p, 1 % p);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply_modulo(result, square, p);
        }
        square = multiply_modulo(square, square, p);
        exponent >>= 1;
    }
    result
}

/// The integer nearest to `x`, for `|x| < 2^51`.
#[inline(always)]
pub fn round_to_i64(x: f64) -> i64 {
    ((x + MAGIC).to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64)
}

/// An integer of magnitude below 2^51 as a double, exactly.
#[inline(always)]
pub fn exact_f64(x: i64) -> f64 {
    f64::from_bits(x.wrapping_add(MAGIC.to_bits() as i64) as u64) - MAGIC
}

/// A prime below 2^50 and what its arithmetic needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modulus {
    value: u64,
    inverse: f64,
}

impl Modulus {
    /// Arithmetic modulo `value`, which has to be a prime below 2^50.
    pub fn new(value: u64) -> Self {
        debug_assert!(value > 1 && value < 1 << 50);
        Self {
            value,
            inverse: 1.0 / value as f64,
        }
    }

    /// The prime.
    #[inline(always)]
    pub fn value(self) -> u64 {
        self.value
    }

    /// 1/p, rounded.
    #[inline(always)]
    pub fn reciprocal(self) -> f64 {
        self.inverse
    }

    /// Bits that hold one residue.
    pub fn bits(self) -> u32 {
        u64::BITS - self.value.leading_zeros()
    }

    /// Bytes that hold one residue.
    pub fn bytes(self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    /// A remainder in (-p, p) brought to [0, p).
    #[inline(always)]
    pub fn canonical(self, remainder: i64) -> u64 {
        let remainder = remainder as u64;
        remainder.min(remainder.wrapping_add(self.value))
    }

    /// `a + b mod p` of residues.
    #[inline(always)]
    pub fn add(self, a: u64, b: u64) -> u64 {
        let sum = a + b;
        sum.min(sum.wrapping_sub(self.value))
    }

    /// `a - b mod p` of residues.
    #[inline(always)]
    pub fn subtract(self, a: u64, b: u64) -> u64 {
        let difference = a.wrapping_sub(b);
        difference.min(difference.wrapping_add(self.value))
    }

    /// `a * b mod p` of residues.
    #[inline(always)]
    pub fn multiply(self, a: u64, b: u64) -> u64 {
        let quotient = exact_f64(a as i64) * exact_f64(b as i64) * self.inverse;
        let quotient = round_to_i64(quotient) as u64;
        let product = a.wrapping_mul(b);
        self.canonical(product.wrapping_sub(quotient.wrapping_mul(self.value)) as i64)
    }

    /// `x mod p` for `|x| < 2^50`.
    #[inline(always)]
    pub fn reduce(self, x: i64) -> u64 {
        let quotient = round_to_i64(exact_f64(x) * self.inverse);
        self.canonical(x.wrapping_sub(quotient.wrapping_mul(self.value as i64)))
    }

    /// The representative of a residue in [-p/2, p/2].
    #[inline(always)]
    pub fn centred(self, a: u64) -> i64 {
        let negative = a.wrapping_sub(self.value) as i64;
        if a > self.value / 2 {
            negative
        } else {
            a as i64
        }
    }

    /// A residue's representative in [-p/2, p/2] as a word ([`CENTRE`]).
    #[inline(always)]
    pub fn word(self, a: u64) -> u64 {
        CENTRE.wrapping_add(self.centred(a) as u64)
    }

    /// The residue of a word ([`CENTRE`]).
    #[inline(always)]
    pub fn of_word(self, word: u64) -> u64 {
        self.reduce(word.wrapping_sub(CENTRE) as i64)
    }

    /// `x mod p` for any integer; not for inner loops.
    pub fn reduce_wide(self, x: i128) -> u64 {
        x.rem_euclid(i128::from(self.value)) as u64
    }

    /// The inverse of a residue that is not zero.
    pub fn invert(self, a: u64) -> u64 {
        power_modulo(a, self.value - 2, self.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest prime that the engine can use, one of 40 bits and one of 20.
    const PRIMES: [u64; 3] = [1_125_899_906_826_241, 1_099_511_480_321, 1_032_193];

    fn residues() -> impl Strategy<Value = (Modulus, u64, u64)> {
        (0..3usize, any::<u64>(), any::<u64>(), 0..4u8).prop_map(|(i, a, b, extreme)| {
            let p = PRIMES[i];
            let a = if extreme & 1 == 1 {
                p - 1 - a % 3
            } else {
                a % p
            };
            let b = if extreme & 2 == 2 {
                p - 1 - b % 3
            } else {
                b % p
            };
            (Modulus::new(p), a, b)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn arithmetic_agrees_with_wide_integers((p, a, b) in residues()) {
            let wide = |x: i128| p.reduce_wide(x);
            let (x, y) = (i128::from(a), i128::from(b));
            prop_assert_eq!(p.multiply(a, b), wide(x * y));
            prop_assert_eq!(p.add(a, b), wide(x + y));
            prop_assert_eq!(p.subtract(a, b), wide(x - y));
            prop_assert_eq!(wide(i128::from(p.centred(a))), a);
            prop_assert!(p.centred(a).unsigned_abs() <= p.value() / 2);
            if a != 0 {
                prop_assert_eq!(p.multiply(a, p.invert(a)), 1);
            }
        }

        #[test]
        fn reduction_takes_everything_below_50_bits(i in 0..3usize, x in -(1i64 << 50) + 1..1i64 << 50) {
            let p = Modulus::new(PRIMES[i]);
            prop_assert_eq!(p.reduce(x), p.reduce_wide(i128::from(x)));
        }

        #[test]
        fn conversions_are_exact(x in -(1i64 << 51) + 1..1i64 << 51) {
            prop_assert_eq!(exact_f64(x), x as f64);
            prop_assert_eq!(round_to_i64(x as f64), x);
        }
    }
}
