//! Several stages of a transform while residues are in registers.

use std::arch::x86_64::*;

use super::registers::{Wide, load, store, transposed};
use super::{Factor, Factors, INNER, LANES, SQUARE};

/// Columns of registers that a pass works on at a time.
const COLUMNS: usize = 2;

impl Wide {
    /// Stages of a forward transform on registers that go together, of COUNT blocks at a time: one waits for its products while the other
    /// multiplies. `factor` says which one a stage's group has, and in which of the blocks.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[expect(
        clippy::needless_range_loop,
        reason = "two places of an array change together"
    )]
    fn forward_stages<const REGISTERS: usize, const COUNT: usize, const ROOM: bool>(
        self,
        v: &mut [[__m512i; REGISTERS]; COUNT],
        factor: impl Fn(usize, usize, usize) -> [__m512i; 2],
    ) {
        for stage in 0..REGISTERS.ilog2() as usize {
            let half = REGISTERS >> (stage + 1);
            for group in 0..1 << stage {
                for low in 2 * half * group..2 * half * group + half {
                    for k in 0..COUNT {
                        let [value, quotient] = factor(stage, group, k);
                        [v[k][low], v[k][low + half]] =
                            self.forward::<ROOM>(v[k][low], v[k][low + half], value, quotient);
                    }
                }
            }
        }
    }

    /// The same of an inverse transform, on numbers below `bound`; the bound of the results.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[expect(
        clippy::needless_range_loop,
        reason = "two places of an array change together"
    )]
    fn inverse_stages<const REGISTERS: usize, const COUNT: usize, const ROOM: bool>(
        self,
        v: &mut [[__m512i; REGISTERS]; COUNT],
        mut bound: __m512i,
        factor: impl Fn(usize, usize, usize) -> [__m512i; 2],
    ) -> __m512i {
        for stage in (0..REGISTERS.ilog2() as usize).rev() {
            let half = REGISTERS >> (stage + 1);
            for group in 0..1 << stage {
                for low in 2 * half * group..2 * half * group + half {
                    for k in 0..COUNT {
                        let [value, quotient] = factor(stage, group, k);
                        let (x, y) = (v[k][low], v[k][low + half]);
                        [v[k][low], v[k][low + half]] =
                            self.inverse::<ROOM>(x, y, value, quotient, bound);
                    }
                }
            }
            if ROOM {
                bound = _mm512_add_epi64(bound, bound);
            }
        }
        bound
    }

    /// The stages of a node's block in which REGISTERS registers at equal distances go together, COLUMNS of them at a time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn forward_pass<const REGISTERS: usize, const ROOM: bool>(
        self,
        x: &mut [u64],
        outer: &[Factor],
        node: usize,
    ) {
        let stride = x.len() / REGISTERS;
        assert!(stride.is_multiple_of(LANES * COLUMNS));
        let outer: [&[Factor]; 3] = factors(outer, node, REGISTERS);
        let x = x.as_mut_ptr();
        for place in (0..stride).step_by(LANES * COLUMNS) {
            // SAFETY: eight words from each of these places on lie within the block.
            let at = |k: usize, i: usize| unsafe { x.add(i * stride + place + LANES * k) };
            let mut v = [[_mm512_setzero_si512(); REGISTERS]; COLUMNS];
            for (k, v) in v.iter_mut().enumerate() {
                for (i, v) in v.iter_mut().enumerate() {
                    *v = load(at(k, i));
                }
            }
            self.forward_stages::<REGISTERS, COLUMNS, ROOM>(&mut v, |stage, group, _| {
                outer[stage][group].broadcast()
            });
            for (k, v) in v.into_iter().enumerate() {
                for (i, v) in v.into_iter().enumerate() {
                    store(at(k, i), v);
                }
            }
        }
    }

    /// As [`Self::forward_pass`], the other way.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn inverse_pass<const REGISTERS: usize, const ROOM: bool>(
        self,
        x: &mut [u64],
        outer: &[Factor],
        node: usize,
    ) {
        let stride = x.len() / REGISTERS;
        assert!(stride.is_multiple_of(LANES * COLUMNS));
        let outer: [&[Factor]; 3] = factors(outer, node, REGISTERS);
        let x = x.as_mut_ptr();
        for place in (0..stride).step_by(LANES * COLUMNS) {
            // SAFETY: eight words from each of these places on lie within the block.
            let at = |k: usize, i: usize| unsafe { x.add(i * stride + place + LANES * k) };
            let mut v = [[_mm512_setzero_si512(); REGISTERS]; COLUMNS];
            for (k, v) in v.iter_mut().enumerate() {
                for (i, v) in v.iter_mut().enumerate() {
                    *v = load(at(k, i));
                    if ROOM {
                        *v = self.reduce(*v);
                    }
                }
            }
            self.inverse_stages::<REGISTERS, COLUMNS, ROOM>(
                &mut v,
                self.twice,
                |stage, group, _| outer[stage][group].broadcast(),
            );
            for (k, v) in v.into_iter().enumerate() {
                for (i, v) in v.into_iter().enumerate() {
                    store(at(k, i), v);
                }
            }
        }
    }

    /// The last six stages of a forward transform, on neighbouring nodes' blocks; canonical residues come out unless OPEN.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn forward_squares<const COUNT: usize, const ROOM: bool, const OPEN: bool>(
        self,
        x: [&mut [u64; SQUARE]; COUNT],
        outer: &[Factor],
        node: usize,
        inner: [&[Factors; INNER]; COUNT],
    ) {
        let outer: [[&[Factor]; 3]; COUNT] =
            std::array::from_fn(|k| factors(outer, node + k, LANES));
        let x = x.map(|x| x.as_mut_ptr());
        // SAFETY: eight words from each of these places on lie within a square.
        let at = |k: usize, i: usize| unsafe { x[k].add(LANES * i) };
        let mut v = [[_mm512_setzero_si512(); LANES]; COUNT];
        for (k, v) in v.iter_mut().enumerate() {
            for (i, v) in v.iter_mut().enumerate() {
                *v = load(at(k, i));
            }
        }
        self.forward_stages::<LANES, COUNT, ROOM>(&mut v, |stage, group, k| {
            outer[k][stage][group].broadcast()
        });
        for v in &mut v {
            *v = transposed(*v);
        }
        self.forward_stages::<LANES, COUNT, ROOM>(&mut v, |stage, group, k| {
            inner[k][(1 << stage) - 1 + group].load()
        });
        for (k, mut v) in v.into_iter().enumerate() {
            if !OPEN {
                for v in &mut v {
                    let below = if ROOM {
                        _mm512_and_si512(self.reduce(*v), self.word)
                    } else {
                        self.halve(*v)
                    };
                    *v = self.canonical(below);
                }
            }
            for (i, v) in transposed(v).into_iter().enumerate() {
                store(at(k, i), v);
            }
        }
    }

    /// The first six stages of an inverse transform, on neighbouring nodes' blocks: from canonical residues to words.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub fn inverse_squares<const COUNT: usize, const ROOM: bool>(
        self,
        values: [&[u64; SQUARE]; COUNT],
        x: [&mut [u64; SQUARE]; COUNT],
        outer: &[Factor],
        node: usize,
        inner: [&[Factors; INNER]; COUNT],
    ) {
        let outer: [[&[Factor]; 3]; COUNT] =
            std::array::from_fn(|k| factors(outer, node + k, LANES));
        let mut v = [[_mm512_setzero_si512(); LANES]; COUNT];
        for (v, values) in v.iter_mut().zip(values) {
            for (v, row) in v.iter_mut().zip(values.as_chunks::<LANES>().0) {
                *v = load(row.as_ptr());
            }
            *v = transposed(*v);
        }
        let bound = if ROOM { self.p } else { self.twice };
        let bound = self.inverse_stages::<LANES, COUNT, ROOM>(&mut v, bound, |stage, group, k| {
            inner[k][(1 << stage) - 1 + group].load()
        });
        for v in &mut v {
            *v = transposed(*v);
        }
        self.inverse_stages::<LANES, COUNT, ROOM>(&mut v, bound, |stage, group, k| {
            outer[k][stage][group].broadcast()
        });
        for (x, v) in x.into_iter().zip(v) {
            for (row, v) in x.as_chunks_mut::<LANES>().0.iter_mut().zip(v) {
                store(row.as_mut_ptr(), v);
            }
        }
    }
}

/// The factors of the stages from a node on in which so many registers go together.
#[inline]
fn factors(outer: &[Factor], node: usize, registers: usize) -> [&[Factor]; 3] {
    std::array::from_fn(|stage| {
        let count = if 1 << stage < registers {
            1 << stage
        } else {
            0
        };
        &outer[node << stage..][..count]
    })
}
