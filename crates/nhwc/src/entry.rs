//! The entries of a feature map.

use half::bf16;

/// How the entries of feature maps are stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// The upper half of a 32-bit float: 8 significant bits, the same range. Products are added up in f32.
    Bf16,
}

/// An entry of a feature map: `f32` or [`bf16`].
///
/// Kernels see operands as 32-bit words: one f32, or two bf16 that stand next to each other along the sum.
pub trait Entry:
    Send + Sync + Default + PartialEq + std::fmt::Debug + bytemuck::Pod + sealed::Sealed + 'static
{
    /// The precision that this type stands for.
    const PRECISION: Precision;

    /// Entries in a 32-bit word.
    const PER_WORD: usize;

    /// The entry nearest to `value`, ties to even.
    fn from_f32(value: f32) -> Self;

    /// The entry's value.
    fn to_f32(self) -> f32;

    /// A word of `first` and, where a word holds two entries, `second`, in the order of memory.
    fn word(first: Self, second: Self) -> u32;
}

impl Entry for f32 {
    const PRECISION: Precision = Precision::F32;
    const PER_WORD: usize = 1;

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn word(first: Self, _: Self) -> u32 {
        first.to_bits()
    }
}

impl Entry for bf16 {
    const PRECISION: Precision = Precision::Bf16;
    const PER_WORD: usize = 2;

    /// Branch-free, so that loops become vector code. A NaN stays one: those that arithmetic makes have a zero lower half.
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
        Self::from_bits((rounded >> 16) as u16)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn word(first: Self, second: Self) -> u32 {
        bytemuck::cast([first, second])
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_half_crate() {
        for bits in (0..=u32::MAX).step_by(65_521 / 7) {
            let value = f32::from_bits(bits);
            if !value.is_nan() {
                assert_eq!(
                    <bf16 as Entry>::from_f32(value),
                    bf16::from_f32(value),
                    "{value}"
                );
            }
        }
        assert!(<bf16 as Entry>::from_f32(f32::NAN).is_nan());
        assert!(<bf16 as Entry>::from_f32(f32::INFINITY - f32::INFINITY).is_nan());
    }
}
