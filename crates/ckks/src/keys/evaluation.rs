//! The evaluation key: what relinearisation needs.

use std::fmt;
use std::io::{Read, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use super::SecretKey;
use crate::aligned::Aligned;
use crate::error::Result;
use crate::isa::Isa;
use crate::modulus::CENTRE;
use crate::params::Parameters;
use crate::pointwise;
use crate::residues::{BLOCK, Block};
use crate::sampling::{Mask, SecretStream, Seed, public_seed, secret_seed};
use crate::wire::{Kind, ObjectReader, ObjectWriter};

/// A relinearisation key: for every digit, a group of as many primes of the chain as there are
/// special primes, an encryption, under s and modulo all primes and the special ones, of `P g_j s^2`,
/// where P is the product of the special primes and g_j is 1 modulo the primes of the digit and 0
/// modulo every other one.
///
/// It is public: the evaluator has it, and it decrypts nothing.
#[derive(Clone)]
pub struct EvaluationKey {
    parameters: Parameters,
    seed: Seed,
    /// `[prime][digit]`, the special primes last.
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

impl EvaluationKey {
    /// Makes the key of a secret.
    ///
    /// # Errors
    /// If the parameters have no special prime, or the operating system gives no entropy.
    pub fn generate(key: &SecretKey) -> Result<Self> {
        let parameters = key.parameters();
        let special = parameters.special_indices()?;
        let degree = parameters.ring_degree();
        let seed = public_seed()?;
        let noise = secret_seed()?;
        let isa = Isa::detect();
        let digits: Vec<Range<usize>> = parameters.digits(parameters.max_level()).collect();
        let errors: Vec<Zeroizing<Vec<u64>>> = (0..digits.len())
            .map(|digit| {
                let mut error = Zeroizing::new(vec![CENTRE; degree]);
                SecretStream::new(&noise, digit).add_errors(parameters.ring(), &mut error);
                error
            })
            .collect();
        let mut factor = Zeroizing::new(vec![0; degree]);
        let mut rows = Vec::with_capacity(special.end);
        for prime in 0..special.end {
            let p = parameters.modulus(prime);
            let secret = key.values(prime);
            let mut row = Vec::with_capacity(digits.len());
            for (digit, (primes, error)) in digits.iter().zip(&errors).enumerate() {
                let a = mask(parameters, &seed, digit, prime);
                let mut b = vec![0; degree];
                parameters.transform(prime).forward(error, &[], &mut b);
                // b = e - a s, and P s^2 more for a prime of this digit: b = e + (P s - a) s
                pointwise::scale_into(isa, p, &mut factor, &a, p.value() - 1);
                if primes.contains(&prime) {
                    let special = parameters.special_product(prime);
                    let mut lifted = Zeroizing::new(secret.to_vec());
                    pointwise::scale_assign(isa, p, &mut lifted, special);
                    pointwise::add_assign(isa, p, &mut factor, &lifted);
                }
                pointwise::multiply_accumulate(isa, p, &mut b, &factor, secret);
                row.push(KeyRow::new(&b, &a, digit));
            }
            rows.push(row);
        }
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            rows,
        })
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Bytes of memory that the key takes.
    pub fn bytes(&self) -> usize {
        let rows = self.rows.iter().flatten();
        rows.map(|row| size_of_val(&row.b[..]) + size_of_val(&row.a[..]))
            .sum()
    }

    /// The digits' polynomials modulo a prime; the special primes follow the chain.
    pub(crate) fn rows(&self, prime: usize) -> &[KeyRow] {
        &self.rows[prime]
    }

    /// Writes the key in the wire format, masks as their seed.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::EvaluationKey, &self.parameters)?;
        object.bytes(&self.seed)?;
        for (prime, digits) in self.rows.iter().enumerate() {
            for row in digits {
                let chunks = row.b.as_chunks::<BLOCK>().0;
                let blocks: Vec<Block> = chunks.iter().map(|&chunk| Block(chunk)).collect();
                object.blocks(self.parameters.modulus(prime), &blocks)?;
            }
        }
        Ok(object.finish()?)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If reading fails, if the parameters have no special prime, or if the input is anything but a
    /// whole, unaltered evaluation key of these parameters.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        let special = parameters.special_indices()?;
        let count = parameters.digits(parameters.max_level()).count();
        let degree = parameters.ring_degree();
        let mut object = ObjectReader::begin(reader, Kind::EvaluationKey, parameters)?;
        let seed = object.array()?;
        let mut rows = Vec::new();
        for prime in 0..special.end {
            let mut digits = Vec::new();
            for digit in 0..count {
                let mut blocks = vec![Block::ZERO; degree / BLOCK];
                object.blocks(parameters.modulus(prime), &mut blocks)?;
                let b: Vec<u64> = blocks.iter().flat_map(|block| block.0).collect();
                let a = mask(parameters, &seed, digit, prime);
                digits.push(KeyRow::new(&b, &a, digit));
            }
            rows.push(digits);
        }
        object.finish()?;
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            rows,
        })
    }
}

fn mask(parameters: &Parameters, seed: &Seed, digit: usize, prime: usize) -> Vec<u64> {
    let mut a = vec![0; parameters.ring_degree()];
    Mask::new(seed, digit, prime, parameters.modulus(prime)).fill(&mut a);
    a
}

impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKey")
            .field("digits", &self.rows.first().map_or(0, Vec::len))
            .finish_non_exhaustive()
    }
}
