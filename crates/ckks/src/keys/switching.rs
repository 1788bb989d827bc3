//! Switching keys: what brings a polynomial that is multiplied with one secret under another.

use std::io::{Read, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::aligned::Aligned;
use crate::error::Result;
use crate::isa::Isa;
use crate::modulus::CENTRE;
use crate::params::Parameters;
use crate::pointwise;
use crate::residues::{BLOCK, Block};
use crate::sampling::{Mask, SecretStream, Seed};
use crate::wire::{ObjectReader, ObjectWriter, WireError};

/// Streams of masks and errors that one key has to itself: more than a chain has digits.
const STREAMS: usize = 64;

/// The values of a secret modulo a prime; the special primes follow the chain.
pub(super) type Values<'a> = dyn Fn(usize) -> Zeroizing<Vec<u64>> + 'a;

/// For every digit, a group of as many primes of the chain as there are special primes, an encryption under `to` of `P g_j from`, where P
/// is the product of the special primes and g_j is 1 modulo the primes of the digit and 0 modulo every other one.
///
/// A key for a level has the primes and digits that are left there, and serves every level up to it.
#[derive(Clone)]
pub(crate) struct SwitchingKey {
    parameters: Parameters,
    level: usize,
    /// `[prime][digit]`, the primes of the level and then the special ones.
    rows: Vec<Vec<KeyRow>>,
}

/// The two polynomials of one digit modulo one prime, in the evaluation domain.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub b: Aligned,
    pub a: Aligned,
}

impl KeyRow {
    /// Each digit's polynomials at places of their own: those of a prime are read side by side.
    fn new(b: &[u64], a: &[u64], digit: usize) -> Self {
        Self {
            b: Aligned::of(b, 2 * digit),
            a: Aligned::of(a, 2 * digit + 1),
        }
    }
}

/// Which streams of a seed a key draws from.
#[derive(Clone, Copy)]
pub(super) struct Streams<'a> {
    pub seed: &'a Seed,
    /// Keys that share a seed are numbered.
    pub number: usize,
}

impl Streams<'_> {
    fn mask(self, parameters: &Parameters, digit: usize, prime: usize) -> Vec<u64> {
        let mut a = vec![0; parameters.ring_degree()];
        let index = self.number * STREAMS + digit;
        Mask::new(self.seed, index, prime, parameters.modulus(prime)).fill(&mut a);
        a
    }
}

impl SwitchingKey {
    /// Makes a key for a level; `noise` is a secret seed.
    pub(super) fn generate(
        parameters: &Parameters,
        level: usize,
        streams: Streams<'_>,
        noise: &[u8; 32],
        from: &Values<'_>,
        to: &Values<'_>,
    ) -> Result<Self> {
        let primes = primes(parameters, level)?;
        let (degree, isa) = (parameters.ring_degree(), Isa::detect());
        let digits: Vec<Range<usize>> = parameters.digits(level).collect();
        let errors: Vec<Zeroizing<Vec<u64>>> = (0..digits.len())
            .map(|digit| {
                let mut error = Zeroizing::new(vec![CENTRE; degree]);
                let index = streams.number * STREAMS + digit;
                SecretStream::new(noise, index).add_errors(parameters.ring(), &mut error);
                error
            })
            .collect();
        let mut rows = Vec::with_capacity(primes.len());
        for prime in primes {
            let p = parameters.modulus(prime);
            let to = to(prime);
            let mut lifted = from(prime);
            pointwise::scale_assign(isa, p, &mut lifted, parameters.special_product(prime));
            let mut row = Vec::with_capacity(digits.len());
            for (digit, (primes, error)) in digits.iter().zip(&errors).enumerate() {
                let a = streams.mask(parameters, digit, prime);
                let mut b = vec![0; degree];
                parameters.transform(prime).forward(error, &[], &mut b);
                // b = e - a to, and P from more for a prime of this digit
                let mut negated = a.clone();
                pointwise::scale_assign(isa, p, &mut negated, p.value() - 1);
                pointwise::multiply_accumulate(isa, p, &mut b, &negated, &to);
                if primes.contains(&prime) {
                    pointwise::add_assign(isa, p, &mut b, &lifted);
                }
                row.push(KeyRow::new(&b, &a, digit));
            }
            rows.push(row);
        }
        Ok(Self {
            parameters: parameters.clone(),
            level,
            rows,
        })
    }

    /// The highest level that the key serves.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Number of digits.
    pub fn digits(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Bytes of memory that the key takes.
    pub fn bytes(&self) -> usize {
        let rows = self.rows.iter().flatten();
        rows.map(|row| size_of_val(&row.b[..]) + size_of_val(&row.a[..]))
            .sum()
    }

    /// The digits' polynomials modulo a prime of the level, or a special one.
    pub fn rows(&self, prime: usize) -> &[KeyRow] {
        let chain = self.parameters.primes().len();
        let place = if prime < chain {
            prime
        } else {
            prime - chain + self.level + 1
        };
        &self.rows[place]
    }

    /// Writes the residues; masks are their seed's.
    pub fn write<W: Write>(&self, object: &mut ObjectWriter<'_, W>) -> Result<()> {
        for (prime, digits) in primes(&self.parameters, self.level)?.zip(&self.rows) {
            for row in digits {
                let chunks = row.b.as_chunks::<BLOCK>().0;
                let blocks: Vec<Block> = chunks.iter().map(|&chunk| Block(chunk)).collect();
                object.blocks(self.parameters.modulus(prime), &blocks)?;
            }
        }
        Ok(())
    }

    /// Reads the residues of a key for a level.
    pub(super) fn read<R: Read>(
        object: &mut ObjectReader<'_, R>,
        parameters: &Parameters,
        level: usize,
        streams: Streams<'_>,
    ) -> Result<Self> {
        let digits = parameters.digits(level).count();
        let degree = parameters.ring_degree();
        let row = |prime: usize, digit: usize, object: &mut ObjectReader<'_, R>| {
            let mut blocks = vec![Block::ZERO; degree / BLOCK];
            object.blocks(parameters.modulus(prime), &mut blocks)?;
            let b: Vec<u64> = blocks.iter().flat_map(|block| block.0).collect();
            let a = streams.mask(parameters, digit, prime);
            Ok::<_, WireError>(KeyRow::new(&b, &a, digit))
        };
        let mut rows = Vec::new();
        for prime in primes(parameters, level)? {
            let digits = (0..digits).map(|digit| row(prime, digit, object));
            rows.push(digits.collect::<Result<_, _>>()?);
        }
        Ok(Self {
            parameters: parameters.clone(),
            level,
            rows,
        })
    }
}

/// Bytes of a key for a level in the wire format, masks as a seed that is not counted.
pub(super) fn wire_bytes(parameters: &Parameters, level: usize) -> usize {
    let special = parameters.special_primes().len();
    let chain = parameters.primes().len();
    let bits: usize = (0..=level)
        .chain(chain..chain + special)
        .map(|prime| parameters.modulus(prime).bits() as usize)
        .sum();
    bits * parameters.digits(level).count() * parameters.ring_degree() / 8
}

/// The primes of a level and the special ones.
fn primes(parameters: &Parameters, level: usize) -> Result<impl ExactSizeIterator<Item = usize>> {
    let special = parameters.special_indices()?;
    let indices: Vec<usize> = (0..=level).chain(special).collect();
    Ok(indices.into_iter())
}
