//! The transforms of both rings on machines with IFMA.
//!
//! The values are those of `tfhe-ntt`, at the same points in the same order, so that either may be used. Against it:
//!
//! - several stages run while their values are in registers, and blocks that fit the nearest cache are finished one by one: a polynomial
//!   of 2^14 residues passes through the caches three times, not fourteen;
//! - residues are brought below the prime once, at the end. Until then they have the room that words of 52 bits leave: a product by
//!   Shoup's method (Harvey, J. Symb. Comput. 2014) takes any word and is below 2p. The instructions that multiply read 52 bits, so that
//!   what carries into the bits above stays there unharmed until numbers are compared;
//! - the twist of the conjugate-invariant ring is part of the factors: the points are roots of `X^N = iota` themselves.
//!
//! Factors form a binary tree. The node of a block of 2t residues has a factor S with `S = x^t` for every point x of its left half (and
//! `-S` for the right one): the children of node v are 2v and 2v + 1, and the root is node 1.

mod ends;
mod registers;
mod stages;

use self::registers::Wide;
use crate::modulus::{CENTRE, Modulus};

/// Residues of a register.
const LANES: usize = 8;
/// Residues that the last six stages of a forward transform (the first of an inverse one) mix: a square of registers.
const SQUARE: usize = LANES * LANES;
/// Registers of the factors of the three stages within a register, of one square.
const INNER: usize = 7;
/// Stages that run on registers at once: one more would take more lines of the nearest cache at equal distances than it has places.
const MOST_STAGES: usize = 3;
const WORD_BITS: u32 = 52;
/// Primes below this leave room for the growth over a pass of stages.
const ROOMY: u64 = 1 << 45;

/// A factor and the quotient that its products are reduced with, `floor(factor 2^52 / p)`.
#[derive(Clone, Copy, Default)]
struct Factor {
    value: u64,
    quotient: u64,
}

impl Factor {
    fn new(p: Modulus, value: u64) -> Self {
        let quotient = (u128::from(value) << WORD_BITS) / u128::from(p.value());
        Self {
            value,
            quotient: quotient as u64,
        }
    }
}

/// Eight factors of neighbouring blocks.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Factors {
    values: [u64; LANES],
    quotients: [u64; LANES],
}

/// The factors of one direction.
struct Tree {
    /// By node, for blocks of more than a register.
    outer: Vec<Factor>,
    /// Of every square, for blocks of a register and less: of eight residues, then of four (first and second of every register), then of
    /// two.
    inner: Vec<[Factors; INNER]>,
}

/// Polynomials whose sum is transformed: the first, and others times factors. All of them hold words ([`CENTRE`]), and `constant` is what
/// that adds, the other way.
struct Sum<'a> {
    first: &'a [u64],
    more: &'a [(Factor, &'a [u64])],
    constant: u64,
}

/// Both directions for one prime. A value proves that the machine has the features.
pub(super) struct Butterflies {
    p: Modulus,
    log_degree: u32,
    forward: Tree,
    inverse: Tree,
    ends: Ends,
}

/// What is done to coefficients before the first and after the last stage.
enum Ends {
    /// The inverse transform divides by N.
    Standard { normalisation: Factor },
    /// Coefficients i and N - i meet: `x_i - iota x_(N-i)` before, and after the inverse of that, divided by N: `x_0 / N` and `(x_i + iota
    /// x_(N-i)) / 2N`, of which the sum of a pair has the factor `sum` and its difference the factor `difference`.
    ConjugateInvariant {
        iota: Factor,
        normalisation: Factor,
        sum: Factor,
        difference: Factor,
    },
}

impl Butterflies {
    /// The transform whose values are those at `points`, in this order; `iota` is the square root of -1 that a conjugate-invariant ring
    /// has. `None` where the machine lacks the instructions, or where the points are not in the order of such a tree.
    pub fn new(p: Modulus, points: &[u64], iota: Option<u64>) -> Option<Self> {
        let available = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512ifma");
        let degree = points.len();
        if !available || degree < SQUARE || !degree.is_power_of_two() {
            return None;
        }
        let mut nodes = vec![0; degree];
        for (node, pair) in nodes[degree / 2..]
            .iter_mut()
            .zip(points.as_chunks::<2>().0)
        {
            if p.add(pair[0], pair[1]) != 0 {
                return None;
            }
            *node = pair[0];
        }
        for node in (1..degree / 2).rev() {
            let [left, right] = [nodes[2 * node], nodes[2 * node + 1]].map(|x| p.multiply(x, x));
            if p.add(left, right) != 0 {
                return None;
            }
            nodes[node] = left;
        }
        let mut inverses = vec![0; degree];
        inverses[1] = p.invert(nodes[1]);
        for node in 2..degree {
            // S^2 is the parent's factor, or its negative
            let inverse = p.multiply(nodes[node], inverses[node / 2]);
            inverses[node] = if node % 2 == 0 {
                inverse
            } else {
                p.subtract(0, inverse)
            };
        }
        let normalisation = p.invert(degree as u64 % p.value());
        let ends = match iota {
            None => Ends::Standard {
                normalisation: Factor::new(p, normalisation),
            },
            Some(iota) => {
                // (1 + iota) / 4N and (1 - iota) / 4N
                let quarter = p.multiply(normalisation, p.invert(4));
                let of = |factor| Factor::new(p, p.multiply(quarter, factor));
                Ends::ConjugateInvariant {
                    iota: Factor::new(p, iota),
                    normalisation: Factor::new(p, normalisation),
                    sum: of(p.add(1, iota)),
                    difference: of(p.subtract(1, iota)),
                }
            }
        };
        Some(Self {
            p,
            log_degree: degree.ilog2(),
            forward: Tree::new(p, &nodes),
            inverse: Tree::new(p, &inverses),
            ends,
        })
    }

    /// The values of a sum of polynomials: canonical, or with OPEN as words of which the lower 52 bits are below 2^52 and congruent.
    pub fn forward<const OPEN: bool>(
        &self,
        first: &[u64],
        more: &[(u64, &[u64])],
        out: &mut [u64],
    ) {
        let p = self.p;
        let length = 1 << self.log_degree;
        assert!(out.len() == length && first.len() == length);
        assert!(more.iter().all(|(_, words)| words.len() == length));
        let more: Vec<(Factor, &[u64])> = more
            .iter()
            .map(|&(factor, words)| (Factor::new(p, factor), words))
            .collect();
        let centre = more
            .iter()
            .fold(1, |sum, (factor, _)| p.add(sum, factor.value));
        let sum = Sum {
            first,
            more: &more,
            constant: p.subtract(0, p.multiply(centre, CENTRE % p.value())),
        };
        // SAFETY: a value of this type proves the features.
        unsafe {
            if p.value() < ROOMY {
                self.forward_with::<true, OPEN>(&sum, out);
            } else {
                self.forward_with::<false, OPEN>(&sum, out);
            }
        }
    }

    /// Canonical values to centred coefficients, as words.
    pub fn inverse(&self, values: &[u64], out: &mut [u64]) {
        let length = 1 << self.log_degree;
        assert!(values.len() == length && out.len() == length);
        // SAFETY: a value of this type proves the features.
        unsafe {
            if self.p.value() < ROOMY {
                self.inverse_with::<true>(values, out);
            } else {
                self.inverse_with::<false>(values, out);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn forward_with<const ROOM: bool, const OPEN: bool>(&self, sum: &Sum<'_>, x: &mut [u64]) {
        let wide = Wide::new(self.p);
        match self.ends {
            Ends::Standard { .. } => wide.begin::<ROOM>(sum, x),
            Ends::ConjugateInvariant { iota, .. } => wide.begin_pairs::<ROOM>(sum, iota, x),
        }
        self.descend::<ROOM, OPEN>(wide, x, 1);
    }

    /// All stages of the block of a node.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn descend<const ROOM: bool, const OPEN: bool>(&self, wide: Wide, x: &mut [u64], node: usize) {
        let Tree { outer, inner } = &self.forward;
        let stages = stages(x.len());
        match stages {
            0 => {}
            1 => wide.forward_pass::<2, ROOM>(x, outer, node),
            2 => wide.forward_pass::<4, ROOM>(x, outer, node),
            _ => wide.forward_pass::<8, ROOM>(x, outer, node),
        }
        let (part, first) = (x.len() >> stages, node << stages);
        if part > SQUARE {
            for (x, child) in x.chunks_exact_mut(part).zip(first..) {
                self.descend::<ROOM, OPEN>(wide, x, child);
            }
        } else if let [single] = x.as_chunks_mut::<SQUARE>().0 {
            let inner = &inner[first - inner.len()];
            wide.forward_squares::<1, ROOM, OPEN>([single], outer, first, [inner]);
        } else {
            let squares = x.as_chunks_mut::<SQUARE>().0.as_chunks_mut::<2>().0;
            let inner = inner[first - inner.len()..].as_chunks::<2>().0;
            for ((squares, inner), node) in squares.iter_mut().zip(inner).zip((first..).step_by(2))
            {
                wide.forward_squares::<2, ROOM, OPEN>(
                    squares.each_mut(),
                    outer,
                    node,
                    inner.each_ref(),
                );
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn inverse_with<const ROOM: bool>(&self, values: &[u64], x: &mut [u64]) {
        let wide = Wide::new(self.p);
        self.ascend::<ROOM>(wide, values, x, 1);
        match self.ends {
            Ends::Standard { normalisation } => wide.scale(x, normalisation),
            Ends::ConjugateInvariant {
                normalisation,
                sum,
                difference,
                ..
            } => wide.end_pairs(x, normalisation, sum, difference),
        }
    }

    /// All stages of the block of a node.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    fn ascend<const ROOM: bool>(&self, wide: Wide, values: &[u64], x: &mut [u64], node: usize) {
        let Tree { outer, inner } = &self.inverse;
        let stages = stages(x.len());
        let (part, first) = (x.len() >> stages, node << stages);
        if part > SQUARE {
            let parts = values.chunks_exact(part).zip(x.chunks_exact_mut(part));
            for ((values, x), child) in parts.zip(first..) {
                self.ascend::<ROOM>(wide, values, x, child);
            }
        } else {
            let values = values.as_chunks::<SQUARE>().0;
            let squares = x.as_chunks_mut::<SQUARE>().0;
            let inner = &inner[first - inner.len()..];
            if let ([values], [x], [inner, ..]) = (values, &mut *squares, inner) {
                wide.inverse_squares::<1, ROOM>([values], [x], outer, first, [inner]);
            } else {
                let values = values.as_chunks::<2>().0.iter();
                let squares = squares.as_chunks_mut::<2>().0.iter_mut();
                let inner = inner.as_chunks::<2>().0.iter();
                for (((values, x), inner), node) in
                    values.zip(squares).zip(inner).zip((first..).step_by(2))
                {
                    let (values, x) = (values.each_ref(), x.each_mut());
                    wide.inverse_squares::<2, ROOM>(values, x, outer, node, inner.each_ref());
                }
            }
        }
        match stages {
            0 => {}
            1 => wide.inverse_pass::<2, ROOM>(x, outer, node),
            2 => wide.inverse_pass::<4, ROOM>(x, outer, node),
            _ => wide.inverse_pass::<8, ROOM>(x, outer, node),
        }
    }
}

/// Stages of the next pass over a block of so many residues, before its squares: as many as registers hold, and passes of about the same
/// length.
fn stages(length: usize) -> usize {
    let left = (length / SQUARE).ilog2() as usize;
    left.div_ceil(left.div_ceil(MOST_STAGES).max(1))
}

impl Tree {
    fn new(p: Modulus, nodes: &[u64]) -> Self {
        let degree = nodes.len();
        let squares = degree / SQUARE;
        let factor = |node: usize| Factor::new(p, nodes[node]);
        let inner = |square: usize| {
            // the nodes of registers of this square, and those below them
            let first = degree / LANES + LANES * square;
            std::array::from_fn(|register| {
                let (depth, place) = match register {
                    0 => (0, 0),
                    1..3 => (1, register - 1),
                    _ => (2, register - 3),
                };
                let factors: [Factor; LANES] =
                    std::array::from_fn(|lane| factor(((first + lane) << depth) + place));
                Factors {
                    values: factors.map(|factor| factor.value),
                    quotients: factors.map(|factor| factor.quotient),
                }
            })
        };
        Self {
            outer: (0..degree / LANES).map(factor).collect(),
            inner: (0..squares).map(inner).collect(),
        }
    }
}
