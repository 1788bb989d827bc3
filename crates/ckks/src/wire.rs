//! The wire format of keys and ciphertexts.
//!
//! Every object is
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | the magic `CKKS-RNS` |
//! | 1 | version of the format |
//! | 1 | kind of the object |
//! | 32 | fingerprint of the parameter set |
//! | ... | the body: sizes, then residues in as many bits as the prime has |
//! | 32 | BLAKE3 digest of everything before it |
//!
//! in little-endian order; residues are packed 64 at a time. Readers check every size against its bound before using it. What they
//! reserve for residues is memory that the system provides when it is first written, which is when
//! the bytes arrive, so a wrong size cannot make them use more than the input holds. The digest finds accidents; it authenticates nobody.

use std::io::{self, Read, Write};

use rayon::prelude::*;
use zeroize::Zeroize;

use crate::modulus::Modulus;
use crate::params::Parameters;
use crate::residues::Block;

const MAGIC: [u8; 8] = *b"CKKS-RNS";
const VERSION: u8 = 2;
/// Blocks that are read or written at a time, and blocks that one thread packs or unpacks.
const CHUNK: usize = 4096;
const STEP: usize = 64;

/// Bytes of an object without its body.
pub(crate) const FRAME_BYTES: usize = MAGIC.len() + 2 + 32 + blake3::OUT_LEN;

/// The most features that a set on the wire may have.
pub(crate) const MAX_FEATURES: usize = 1 << 22;
/// The most components that a ciphertext on the wire may have.
pub(crate) const MAX_COMPONENTS: usize = 8;

/// Something that was read is not what it should be, or could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input does not begin like one of this crate's objects.
    #[error("not a key or ciphertext of this engine (wrong first bytes)")]
    Magic,
    /// A version that this program does not know.
    #[error(
        "format version {found}; this program reads version {VERSION}: make keys and ciphertexts again"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Another kind of object.
    #[error("this is {}, where {} is wanted", kind_name(*found), kind_name(*expected))]
    Kind {
        /// The kind wanted.
        expected: u8,
        /// The kind found.
        found: u8,
    },
    /// An object of another parameter set.
    #[error("the {} was made with another parameter set", kind_name(*kind))]
    Parameters {
        /// The kind of the object.
        kind: u8,
    },
    /// A size outside its bounds.
    #[error("{name} is {value}, outside {minimum} to {maximum}")]
    Size {
        /// Which size.
        name: &'static str,
        /// The value found.
        value: u64,
        /// The smallest allowed.
        minimum: u64,
        /// The largest allowed.
        maximum: u64,
    },
    /// A scale that is not a finite number of at least one.
    #[error("the scale {scale} is not usable")]
    Scale {
        /// The value found.
        scale: f64,
    },
    /// A number that is not below its prime.
    #[error("a residue is {value}, not below its prime {prime}")]
    Residue {
        /// The value found.
        value: u64,
        /// The prime.
        prime: u64,
    },
    /// The system has no room for as many residues as the input promises.
    #[error("there is no memory for an object of {blocks} blocks of residues")]
    Memory {
        /// Blocks of 64 residues that were asked for at once.
        blocks: usize,
    },
    /// A coefficient of a secret that is not ternary.
    #[error("a coefficient of the secret key is not ternary")]
    Secret,
    /// More Galois keys than there are rotations left.
    #[error("the Galois keys are not in ascending order of their rotations")]
    Rotations,
    /// The input ends early.
    #[error("the input ends before the object does")]
    Truncated,
    /// The closing digest does not match.
    #[error("the closing BLAKE3 digest does not match: the content was altered")]
    Digest,
    /// Reading or writing failed.
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    SecretKey = 1,
    EvaluationKey = 2,
    SeededSet = 3,
    CiphertextSet = 4,
    GaloisKeys = 5,
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        1 => "secret key",
        2 => "evaluation key",
        3 => "seeded ciphertext set",
        4 => "ciphertext set",
        5 => "set of Galois keys",
        _ => "object of an unknown kind",
    }
}

/// Writes one object and its digest.
pub(crate) struct ObjectWriter<'a, W> {
    inner: &'a mut W,
    hasher: blake3::Hasher,
    packed: Vec<u8>,
}

impl<'a, W: Write> ObjectWriter<'a, W> {
    /// Begins an object.
    pub fn begin(inner: &'a mut W, kind: Kind, parameters: &Parameters) -> Result<Self, WireError> {
        let mut writer = Self {
            inner,
            hasher: blake3::Hasher::new(),
            packed: Vec::new(),
        };
        writer.bytes(&MAGIC)?;
        writer.bytes(&[VERSION, kind as u8])?;
        writer.bytes(&parameters.fingerprint())?;
        Ok(writer)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        update(&mut self.hasher, bytes);
        Ok(self.inner.write_all(bytes)?)
    }

    /// A count; the bounds are the reader's.
    pub fn size(&mut self, value: usize) -> Result<(), WireError> {
        self.bytes(&(value as u32).to_le_bytes())
    }

    pub fn scale(&mut self, scale: f64) -> Result<(), WireError> {
        self.bytes(&scale.to_le_bytes())
    }

    pub fn blocks(&mut self, p: Modulus, blocks: &[Block]) -> Result<(), WireError> {
        let width = packed_bytes(p);
        let mut packed = std::mem::take(&mut self.packed);
        for blocks in blocks.chunks(CHUNK) {
            packed.resize(blocks.len() * width, 0);
            let rows = blocks.par_chunks(STEP);
            let bytes = packed.par_chunks_mut(STEP * width);
            rows.zip(bytes).for_each(|(blocks, bytes)| {
                for (block, bytes) in blocks.iter().zip(bytes.chunks_exact_mut(width)) {
                    pack(p, block, bytes);
                }
            });
            self.bytes(&packed)?;
        }
        self.packed = packed;
        Ok(())
    }

    /// Ends the object with its digest.
    pub fn finish(self) -> Result<(), WireError> {
        let digest = self.hasher.finalize();
        Ok(self.inner.write_all(digest.as_bytes())?)
    }
}

/// Reads one object and checks its digest.
pub(crate) struct ObjectReader<'a, R> {
    inner: &'a mut R,
    hasher: blake3::Hasher,
    packed: Vec<u8>,
}

impl<'a, R: Read> ObjectReader<'a, R> {
    /// Begins an object, which has to be of that kind and parameter set.
    pub fn begin(inner: &'a mut R, kind: Kind, parameters: &Parameters) -> Result<Self, WireError> {
        let mut reader = Self {
            inner,
            hasher: blake3::Hasher::new(),
            packed: Vec::new(),
        };
        if reader.array()? != MAGIC {
            return Err(WireError::Magic);
        }
        let [version, found] = reader.array()?;
        if version != VERSION {
            return Err(WireError::Version { found: version });
        }
        if found != kind as u8 {
            return Err(WireError::Kind {
                expected: kind as u8,
                found,
            });
        }
        if reader.array()? != parameters.fingerprint() {
            return Err(WireError::Parameters { kind: found });
        }
        Ok(reader)
    }

    pub fn bytes(&mut self, bytes: &mut [u8]) -> Result<(), WireError> {
        read_exact(self.inner, bytes)?;
        update(&mut self.hasher, bytes);
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut bytes = [0; N];
        self.bytes(&mut bytes)?;
        Ok(bytes)
    }

    /// A count within bounds.
    pub fn size(
        &mut self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, WireError> {
        let value = u32::from_le_bytes(self.array()?);
        if bounds.contains(&(value as usize)) {
            return Ok(value as usize);
        }
        Err(WireError::Size {
            name,
            value: value.into(),
            minimum: *bounds.start() as u64,
            maximum: *bounds.end() as u64,
        })
    }

    pub fn scale(&mut self) -> Result<f64, WireError> {
        let scale = f64::from_le_bytes(self.array()?);
        if scale.is_finite() && scale >= 1.0 {
            return Ok(scale);
        }
        Err(WireError::Scale { scale })
    }

    /// Residues of one prime, to every block of `out`.
    pub fn blocks(&mut self, p: Modulus, out: &mut [Block]) -> Result<(), WireError> {
        let width = packed_bytes(p);
        let mut packed = std::mem::take(&mut self.packed);
        for blocks in out.chunks_mut(CHUNK) {
            packed.resize(blocks.len() * width, 0);
            read_exact(self.inner, &mut packed)?;
            let hash = || update(&mut self.hasher, &packed);
            let unpack = || {
                let rows = blocks.par_chunks_mut(STEP);
                let bytes = packed.par_chunks(STEP * width);
                rows.zip(bytes).try_for_each(|(blocks, bytes)| {
                    let blocks = blocks.iter_mut().zip(bytes.chunks_exact(width));
                    for (block, bytes) in blocks {
                        unpack(p, bytes, block)?;
                    }
                    Ok::<_, WireError>(())
                })
            };
            rayon::join(hash, unpack).1?;
        }
        self.packed = packed;
        Ok(())
    }

    /// Checks the closing digest.
    pub fn finish(self) -> Result<(), WireError> {
        let mut digest = [0; blake3::OUT_LEN];
        read_exact(self.inner, &mut digest)?;
        // compared in constant time by blake3, though nothing here is secret
        if self.hasher.finalize() == blake3::Hash::from_bytes(digest) {
            return Ok(());
        }
        Err(WireError::Digest)
    }
}

/// Below this length a digest is computed faster by one thread.
const LARGE_BYTES: usize = 1 << 18;

fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() < LARGE_BYTES {
        hasher.update(bytes);
    } else {
        hasher.update_rayon(bytes);
    }
}

/// Bytes of a packed block: 64 residues of so many bits are so many words.
fn packed_bytes(p: Modulus) -> usize {
    p.bits() as usize * size_of::<u64>()
}

/// Of a secret key the state of the digest knows the last bytes.
impl<W> Drop for ObjectWriter<'_, W> {
    fn drop(&mut self) {
        self.hasher.zeroize();
    }
}

impl<R> Drop for ObjectReader<'_, R> {
    fn drop(&mut self) {
        self.hasher.zeroize();
    }
}

/// Residue i begins at bit i times the size of the prime.
fn pack(p: Modulus, block: &Block, bytes: &mut [u8]) {
    let bits = p.bits();
    let (mut word, mut filled) = (0, 0);
    let mut words = bytes.as_chunks_mut::<8>().0.iter_mut();
    for &residue in &block.0 {
        word |= residue << filled;
        filled += bits;
        if filled >= u64::BITS {
            filled -= u64::BITS;
            if let Some(bytes) = words.next() {
                *bytes = word.to_le_bytes();
            }
            // the bits that did not fit; none where the residue ended the word
            word = residue >> (bits - filled);
        }
    }
}

fn unpack(p: Modulus, bytes: &[u8], block: &mut Block) -> Result<(), WireError> {
    let bits = p.bits();
    let mask = u64::MAX >> (u64::BITS - bits);
    let mut words = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|&word| u64::from_le_bytes(word));
    let (mut word, mut left) = (0, 0);
    let mut largest = 0;
    for residue in &mut block.0 {
        let mut value = word;
        if left < bits {
            // fewer than 50 bits are left, so that every shift is by less than a word
            word = words.next().unwrap_or(0);
            value |= word << left;
            word >>= bits - left;
            left += u64::BITS - bits;
        } else {
            word >>= bits;
            left -= bits;
        }
        *residue = value & mask;
        largest = largest.max(*residue);
    }
    if largest < p.value() {
        return Ok(());
    }
    Err(WireError::Residue {
        value: largest,
        prime: p.value(),
    })
}

fn read_exact(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), WireError> {
    reader
        .read_exact(bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => WireError::Truncated,
            _ => WireError::Io(error),
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::primes::primes_below;

    /// Every size of prime, residues as large as they can be and scrambled, against bits written one by one.
    #[test]
    fn residues_travel_in_their_bits() {
        for bits in 20..=50 {
            let p = Modulus::new(primes_below(bits, 1 << 8).next().unwrap());
            for extreme in [true, false] {
                let residue = |i: usize| match (extreme, i % 3) {
                    (true, 0) => p.value() - 1,
                    (true, 1) => 0,
                    _ => (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % p.value(),
                };
                let block = Block(std::array::from_fn(residue));
                let mut packed = vec![0xAA; packed_bytes(p)];
                pack(p, &block, &mut packed);
                let bit = |at: usize| packed[at / 8] >> (at % 8) & 1;
                for (i, residue) in block.0.iter().enumerate() {
                    for place in 0..bits as usize {
                        let at = i * bits as usize + place;
                        assert_eq!(u64::from(bit(at)), residue >> place & 1, "{bits} bits");
                    }
                }
                let mut back = Block::ZERO;
                unpack(p, &packed, &mut back).unwrap();
                assert!(back == block);
            }
            let mut block = Block::ZERO;
            block.0[17] = p.value();
            let mut packed = vec![0; packed_bytes(p)];
            pack(p, &block, &mut packed);
            let refused = unpack(p, &packed, &mut { Block::ZERO });
            assert!(matches!(refused, Err(WireError::Residue { value, .. }) if value == p.value()));
        }
    }
}
