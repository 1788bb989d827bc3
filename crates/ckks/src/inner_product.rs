//! The inner product of key switching: digits times keys, summed, reduced once.

use crate::isa::{Isa, Kind};
use crate::modulus::Modulus;
use crate::pointwise;

/// `out = sum_j x_j * y_j`, residue by residue. All slices have the length of `out`.
pub(crate) fn inner_product(isa: Isa, p: Modulus, terms: &[(&[u64], &[u64])], out: &mut [u64]) {
    match isa.kind() {
        // SAFETY: an `Isa` exists only where its features were detected.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512Ifma => unsafe { ifma::inner_product(p, terms, out) },
        _ => {
            out.fill(0);
            for (x, y) in terms {
                pointwise::multiply_accumulate(isa, p, out, x, y);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod ifma {
    use std::arch::x86_64::*;

    use super::Modulus;

    const LANES: usize = 8;
    /// Low halves of products are below 2^52, so this many of them stay below 2^58.
    const MOST_TERMS: usize = 64;

    /// Sums of 104-bit products in two words, low and high 52 bits apart.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub fn inner_product(p: Modulus, terms: &[(&[u64], &[u64])], out: &mut [u64]) {
        let length = out.len();
        assert!(terms.len() <= MOST_TERMS && length.is_multiple_of(LANES));
        assert!(
            terms
                .iter()
                .all(|(x, y)| x.len() == length && y.len() == length)
        );
        for place in (0..length).step_by(LANES) {
            let mut low = _mm512_setzero_si512();
            let mut high = _mm512_setzero_si512();
            for (x, y) in terms {
                // SAFETY: eight words from `place` on lie within slices of that length.
                let (x, y) = unsafe {
                    (
                        _mm512_loadu_si512(x.as_ptr().add(place).cast()),
                        _mm512_loadu_si512(y.as_ptr().add(place).cast()),
                    )
                };
                low = _mm512_madd52lo_epu64(low, x, y);
                high = _mm512_madd52hi_epu64(high, x, y);
            }
            // SAFETY: as above.
            unsafe {
                _mm512_storeu_si512(out.as_mut_ptr().add(place).cast(), reduce(p, low, high))
            };
        }
    }

    /// `(low + high * 2^52) mod p`. The quotient, below 2^56, is off by a few units in floating
    /// point; a second one, of what the first leaves, is off by less than one.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn reduce(p: Modulus, low: __m512i, high: __m512i) -> __m512i {
        let prime = _mm512_set1_epi64(p.value() as i64);
        let reciprocal = _mm512_set1_pd(p.reciprocal());
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<52>(low));
        let low = _mm512_and_si512(low, _mm512_set1_epi64((1 << 52) - 1));
        let sum = _mm512_fmadd_pd(
            _mm512_cvtepi64_pd(high),
            _mm512_set1_pd((1u64 << 52) as f64),
            _mm512_cvtepi64_pd(low),
        );
        let value = _mm512_add_epi64(low, _mm512_slli_epi64::<52>(high));
        let quotient = _mm512_cvtpd_epi64(_mm512_mul_pd(sum, reciprocal));
        let rest = _mm512_sub_epi64(value, _mm512_mullo_epi64(quotient, prime));
        let quotient = _mm512_cvtpd_epi64(_mm512_mul_pd(_mm512_cvtepi64_pd(rest), reciprocal));
        let rest = _mm512_sub_epi64(rest, _mm512_mullo_epi64(quotient, prime));
        _mm512_min_epu64(rest, _mm512_add_epi64(rest, prime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up to the longest chain, all residues the largest or scrambled.
    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for prime in [1_125_899_906_826_241, 1_099_511_480_321, 1_032_193] {
            let p = Modulus::new(prime);
            for count in [0usize, 1, 2, 3, 7, 60] {
                for extreme in [0, 1, 2] {
                    let residues = |seed: usize| -> Vec<u64> {
                        (0..64usize)
                            .map(|i| match (extreme, (i + seed) % 3) {
                                (1, _) => prime - 1,
                                (2, 0) => prime - 1,
                                (2, 1) => 0,
                                _ => {
                                    ((i + 64 * seed + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                                        % prime
                                }
                            })
                            .collect()
                    };
                    let pairs: Vec<[Vec<u64>; 2]> = (0..count)
                        .map(|j| [residues(2 * j), residues(2 * j + 1)])
                        .collect();
                    let terms: Vec<(&[u64], &[u64])> =
                        pairs.iter().map(|[x, y]| (&x[..], &y[..])).collect();
                    let expected: Vec<u64> = (0..64)
                        .map(|i| {
                            let product =
                                |[x, y]: &[Vec<u64>; 2]| i128::from(x[i]) * i128::from(y[i]);
                            p.reduce_wide(pairs.iter().map(product).sum())
                        })
                        .collect();
                    for isa in Isa::available() {
                        let mut out = vec![u64::MAX; 64];
                        inner_product(isa, p, &terms, &mut out);
                        assert_eq!(out, expected, "{isa:?}, {count} terms");
                    }
                }
            }
        }
    }
}
