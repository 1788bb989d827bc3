//! The ChaCha20 streams that masks are read from, sixteen blocks at a time where registers are wide.
//!
//! The stream is that of `rand_chacha` (a 64-bit block counter and a 64-bit stream number), bit by
//! bit, on every instruction set.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::isa::{Isa, Kind};

/// Bytes that are made at a time.
pub(crate) const STEP: usize = 1024;

/// One stream of a public seed. Not for secrets: nothing is wiped.
pub(crate) enum Stream {
    /// The generator of the library.
    Library(Box<ChaCha20Rng>),
    /// Sixteen blocks at a time.
    #[cfg(target_arch = "x86_64")]
    Wide(wide::Blocks),
}

impl Stream {
    /// Stream number `stream` of a seed.
    pub fn new(isa: Isa, seed: &[u8; 32], stream: u64) -> Self {
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Isa` exists only where its features were detected.
            Kind::Avx512 | Kind::Avx512Ifma => {
                Self::Wide(unsafe { wide::Blocks::new(seed, stream) })
            }
            _ => {
                let mut library = ChaCha20Rng::from_seed(*seed);
                library.set_stream(stream);
                Self::Library(Box::new(library))
            }
        }
    }

    /// The next bytes of the stream.
    pub fn fill(&mut self, out: &mut [[u8; STEP]]) {
        match self {
            Self::Library(library) => {
                for out in out {
                    library.fill_bytes(out);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Wide(blocks) => {
                for out in out {
                    blocks.fill(out);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;
    use std::array::from_fn;

    use super::STEP;

    /// "expand 32-byte k"
    const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

    /// Where a stream is. A value proves that the machine has AVX-512 F.
    pub(crate) struct Blocks {
        key: [u32; 8],
        stream: u64,
        /// The next block.
        counter: u64,
    }

    impl Blocks {
        /// # Safety
        /// The machine has AVX-512 F.
        pub unsafe fn new(seed: &[u8; 32], stream: u64) -> Self {
            let (words, _) = seed.as_chunks::<4>();
            Self {
                key: from_fn(|i| u32::from_le_bytes(words[i])),
                stream,
                counter: 0,
            }
        }

        /// The next sixteen blocks.
        pub fn fill(&mut self, out: &mut [u8; STEP]) {
            let counters: [u64; 16] = from_fn(|i| self.counter.wrapping_add(i as u64));
            self.counter = self.counter.wrapping_add(16);
            // SAFETY: a value of this type proves the feature.
            unsafe { sixteen_blocks(&self.key, &counters, self.stream, out) }
        }
    }

    /// Sixteen blocks of ChaCha20 (RFC 8439, with the 64-bit counter of the original): register i
    /// holds word i of every block until the end, where they are transposed.
    #[target_feature(enable = "avx512f")]
    fn sixteen_blocks(key: &[u32; 8], counters: &[u64; 16], stream: u64, out: &mut [u8; STEP]) {
        let all = |word: u32| _mm512_set1_epi32(word as i32);
        let lanes = |words: [u32; 16]| {
            // SAFETY: sixteen words are read.
            unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
        };
        let mut start = [_mm512_setzero_si512(); 16];
        for (i, register) in start.iter_mut().enumerate() {
            *register = match i {
                0..4 => all(CONSTANTS[i]),
                4..12 => all(key[i - 4]),
                12 => lanes(from_fn(|lane| counters[lane] as u32)),
                13 => lanes(from_fn(|lane| (counters[lane] >> 32) as u32)),
                14 => all(stream as u32),
                _ => all((stream >> 32) as u32),
            };
        }
        let mut v = start;
        macro_rules! quarter_round {
            ($a:literal, $b:literal, $c:literal, $d:literal) => {
                v[$a] = _mm512_add_epi32(v[$a], v[$b]);
                v[$d] = _mm512_rol_epi32::<16>(_mm512_xor_si512(v[$d], v[$a]));
                v[$c] = _mm512_add_epi32(v[$c], v[$d]);
                v[$b] = _mm512_rol_epi32::<12>(_mm512_xor_si512(v[$b], v[$c]));
                v[$a] = _mm512_add_epi32(v[$a], v[$b]);
                v[$d] = _mm512_rol_epi32::<8>(_mm512_xor_si512(v[$d], v[$a]));
                v[$c] = _mm512_add_epi32(v[$c], v[$d]);
                v[$b] = _mm512_rol_epi32::<7>(_mm512_xor_si512(v[$b], v[$c]));
            };
        }
        for _ in 0..10 {
            quarter_round!(0, 4, 8, 12);
            quarter_round!(1, 5, 9, 13);
            quarter_round!(2, 6, 10, 14);
            quarter_round!(3, 7, 11, 15);
            quarter_round!(0, 5, 10, 15);
            quarter_round!(1, 6, 11, 12);
            quarter_round!(2, 7, 8, 13);
            quarter_round!(3, 4, 9, 14);
        }
        for (register, start) in v.iter_mut().zip(start) {
            *register = _mm512_add_epi32(*register, start);
        }
        // quads[g][j]: words 4g.. of block 4 * lane + j in every 128-bit lane
        let mut quads = [[_mm512_setzero_si512(); 4]; 4];
        for (quad, words) in quads.iter_mut().zip(v.as_chunks::<4>().0) {
            let [a, b, c, d] = *words;
            let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            *quad = [
                _mm512_unpacklo_epi64(ab_low, cd_low),
                _mm512_unpackhi_epi64(ab_low, cd_low),
                _mm512_unpacklo_epi64(ab_high, cd_high),
                _mm512_unpackhi_epi64(ab_high, cd_high),
            ];
        }
        let blocks = out.as_chunks_mut::<64>().0;
        for j in 0..4 {
            let even_low = _mm512_shuffle_i32x4::<0x88>(quads[0][j], quads[1][j]);
            let odd_low = _mm512_shuffle_i32x4::<0xdd>(quads[0][j], quads[1][j]);
            let even_high = _mm512_shuffle_i32x4::<0x88>(quads[2][j], quads[3][j]);
            let odd_high = _mm512_shuffle_i32x4::<0xdd>(quads[2][j], quads[3][j]);
            let lanes = [
                _mm512_shuffle_i32x4::<0x88>(even_low, even_high),
                _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high),
                _mm512_shuffle_i32x4::<0xdd>(even_low, even_high),
                _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high),
            ];
            for (lane, words) in lanes.into_iter().enumerate() {
                let block = &mut blocks[4 * lane + j];
                // SAFETY: a block has 64 bytes.
                unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), words) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_stream_of_the_library() {
        for (seed, stream) in [
            ([0; 32], 0),
            ([7; 32], 1),
            (std::array::from_fn(|i| i as u8), u64::MAX - 5),
        ] {
            let mut library = ChaCha20Rng::from_seed(seed);
            library.set_stream(stream);
            let mut expected = vec![0; 5 * STEP];
            library.fill_bytes(&mut expected);
            for isa in Isa::available() {
                let mut out = [[0; STEP]; 5];
                let mut made = Stream::new(isa, &seed, stream);
                made.fill(&mut out[..2]);
                made.fill(&mut out[2..]);
                assert!(out.as_flattened() == expected, "{isa:?}");
            }
        }
    }
}
