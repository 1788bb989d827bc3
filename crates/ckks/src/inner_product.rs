//! The inner products of key switching: digits times both halves of the key, summed, reduced once.

use crate::isa::{Isa, Kind};
use crate::modulus::Modulus;
use crate::pointwise;

/// One digit and what it is multiplied with.
pub(crate) type Term<'a> = (&'a [u64], [&'a [u64]; 2]);

/// `out[k] = sum_j x_j * y_j[k]`, residue by residue: every digit is read once for both. All slices
/// have the same length.
pub(crate) fn inner_products(isa: Isa, p: Modulus, terms: &[Term<'_>], out: [&mut [u64]; 2]) {
    match isa.kind() {
        // SAFETY: an `Isa` exists only where its features were detected.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512Ifma => unsafe { ifma::inner_products(p, terms, out) },
        _ => {
            for (k, out) in out.into_iter().enumerate() {
                out.fill(0);
                for (x, y) in terms {
                    pointwise::multiply_accumulate(isa, p, out, x, y[k]);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod ifma {
    use std::arch::x86_64::*;

    use super::{Modulus, Term};

    const LANES: usize = 8;
    /// Low halves of products are below 2^52, so this many of them stay below 2^58.
    const MOST_TERMS: usize = 64;

    /// Sums of 104-bit products in two words, low and high 52 bits apart.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub fn inner_products(p: Modulus, terms: &[Term<'_>], out: [&mut [u64]; 2]) {
        let [first, second] = out;
        let length = first.len();
        assert!(terms.len() <= MOST_TERMS && length.is_multiple_of(LANES));
        assert!(second.len() == length);
        assert!(
            terms
                .iter()
                .all(|(x, [y, z])| x.len() == length && y.len() == length && z.len() == length)
        );
        for place in (0..length).step_by(LANES) {
            let zero = _mm512_setzero_si512();
            let (mut low, mut high) = ([zero; 2], [zero; 2]);
            for (x, y) in terms {
                // SAFETY: eight words from `place` on lie within slices of that length.
                let load =
                    |from: &[u64]| unsafe { _mm512_loadu_si512(from.as_ptr().add(place).cast()) };
                let x = load(x);
                for k in 0..2 {
                    let y = load(y[k]);
                    low[k] = _mm512_madd52lo_epu64(low[k], x, y);
                    high[k] = _mm512_madd52hi_epu64(high[k], x, y);
                }
            }
            for (k, out) in [&mut *first, &mut *second].into_iter().enumerate() {
                let sum = reduce(p, low[k], high[k]);
                // SAFETY: as above.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(place).cast(), sum) };
            }
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
                    let triples: Vec<[Vec<u64>; 3]> = (0..count)
                        .map(|j| [3 * j, 3 * j + 1, 3 * j + 2].map(residues))
                        .collect();
                    let terms: Vec<Term<'_>> = triples
                        .iter()
                        .map(|[x, y, z]| (&x[..], [&y[..], &z[..]]))
                        .collect();
                    let expected = [1, 2].map(|k| -> Vec<u64> {
                        let product = |triple: &[Vec<u64>; 3], i: usize| {
                            i128::from(triple[0][i]) * i128::from(triple[k][i])
                        };
                        let sum = |i| triples.iter().map(|triple| product(triple, i)).sum();
                        (0..64).map(|i| p.reduce_wide(sum(i))).collect()
                    });
                    for isa in Isa::available() {
                        let (mut first, mut second) = (vec![u64::MAX; 64], vec![u64::MAX; 64]);
                        inner_products(isa, p, &terms, [&mut first, &mut second]);
                        assert_eq!([first, second], expected, "{isa:?}, {count} terms");
                    }
                }
            }
        }
    }
}
