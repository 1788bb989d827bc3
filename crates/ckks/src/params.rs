//! Parameter sets: a plain literal, checked once, immutable from then on.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::memory::Arena;
use crate::modulus::Modulus;
use crate::primes::primes_below;
use crate::residues::BLOCK;
use crate::security::{SECURITY_BITS, SECURITY_SOURCE, level_of, max_log_qp};
use crate::transform::Transform;

/// Sizes of primes that can be asked for: above 50 bits the transforms are silently wrong on some
/// machines.
const PRIME_BITS: std::ops::RangeInclusive<u32> = 20..=50;
/// Ring degrees of secure sets.
const LOG_N: std::ops::RangeInclusive<u32> = 10..=16;
/// The smallest ring of the test constructor holds one block of residues.
const MIN_TEST_LOG_N: u32 = BLOCK.ilog2();
/// Longest modulus chain, so that a level fits in a byte of the wire format.
const MAX_PRIMES: usize = 60;
/// Most special primes.
const MAX_SPECIAL_PRIMES: usize = 4;

/// The ring that messages live in. Its rank over Z is the ring degree N in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ring {
    /// `Z[X]/(X^N + 1)`: N/2 real slots (the imaginary parts are zero).
    Standard,
    /// `Z[X + 1/X]` inside `Z[X]/(X^2N + 1)`: N real slots (Kim and Song, eprint 2018/952).
    ConjugateInvariant,
}

impl Ring {
    /// The name in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::ConjugateInvariant => "conjugate-invariant",
        }
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a parameter set is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParametersLiteral {
    /// The ring.
    pub ring: Ring,
    /// log2 of the ring degree (the rank over Z, the length of the secret).
    pub log_n: u32,
    /// Sizes of the primes in bits. The first is the last one left; rescaling drops from the end.
    pub prime_bits: Vec<u32>,
    /// Sizes of the special primes in bits; none for a set without relinearisation. With more than one, key switching takes so many primes
    /// of the chain together as one digit (hybrid key switching: Han and Ki, CT-RSA 2020, eprint 2019/688): fewer transforms and a
    /// smaller key for a modulus that is longer. Their product should be no smaller than that of so many primes of the chain.
    #[serde(default)]
    pub special_bits: Vec<u32>,
}

/// A checked parameter set. Clones share one allocation.
#[derive(Clone)]
pub struct Parameters(Arc<Inner>);

struct Inner {
    literal: ParametersLiteral,
    primes: Vec<u64>,
    special: Vec<u64>,
    /// Of every prime, the special ones last; made when first used, because a planner looks at hundreds of sets and transforms nothing.
    transforms: Vec<OnceLock<Transform>>,
    /// Of every prime, the special ones last.
    moduli: Vec<Modulus>,
    /// `inverses[i][j]`: the inverse of prime j modulo prime i.
    inverses: Vec<Vec<u64>>,
    insecure: bool,
    fingerprint: [u8; 32],
    /// Where the residues of this set's ciphertexts live.
    arena: Arc<Arena>,
}

impl Parameters {
    /// Checks a literal and chooses its primes. Their transforms are made when they are first used.
    ///
    /// Primes are deterministic: in the order of the chain, special primes last, each is the largest
    /// one of its size that is 1 modulo 2N (4N in the conjugate-invariant ring) and not taken yet.
    ///
    /// # Errors
    /// [`Error::Insecure`] if log2(QP) of these primes, special ones included, is over the 128-bit
    /// table ([`max_log_qp`]); and if a size is out of range, or there are not enough primes of a
    /// size.
    pub fn new(literal: ParametersLiteral) -> Result<Self> {
        if !LOG_N.contains(&literal.log_n) {
            return Err(Error::RingDegree {
                log_n: literal.log_n,
                minimum: *LOG_N.start(),
                maximum: *LOG_N.end(),
            });
        }
        let parameters = Self::build(literal, false)?;
        parameters.check_security()?;
        Ok(parameters)
    }

    /// A set that may be **insecure**, and may be small: for tests alone.
    ///
    /// [`is_insecure`](Self::is_insecure) is true of it whatever its size, and nothing made with
    /// one is interchangeable with a secure set.
    ///
    /// # Errors
    /// As [`Parameters::new`], without the security table and down to a ring degree of 64.
    pub fn insecure_for_tests(literal: ParametersLiteral) -> Result<Self> {
        if !(MIN_TEST_LOG_N..=*LOG_N.end()).contains(&literal.log_n) {
            return Err(Error::RingDegree {
                log_n: literal.log_n,
                minimum: MIN_TEST_LOG_N,
                maximum: *LOG_N.end(),
            });
        }
        Self::build(literal, true)
    }

    fn build(literal: ParametersLiteral, insecure: bool) -> Result<Self> {
        let count = literal.prime_bits.len();
        if !(1..=MAX_PRIMES).contains(&count) {
            return Err(Error::ChainLength {
                count,
                maximum: MAX_PRIMES,
            });
        }
        let special = literal.special_bits.len();
        if special > MAX_SPECIAL_PRIMES {
            return Err(Error::SpecialPrimes {
                count: special,
                maximum: MAX_SPECIAL_PRIMES,
            });
        }
        let mut primes = choose_primes(&literal)?;
        let moduli: Vec<Modulus> = primes.iter().map(|&p| Modulus::new(p)).collect();
        let inverses = moduli
            .iter()
            .map(|p| primes.iter().map(|&q| p.invert(q % p.value())).collect())
            .collect();
        let special = primes.split_off(count);
        let fingerprint = fingerprint(&literal, &primes, &special, insecure);
        Ok(Self(Arc::new(Inner {
            literal,
            primes,
            special,
            transforms: moduli.iter().map(|_| OnceLock::new()).collect(),
            moduli,
            inverses,
            insecure,
            fingerprint,
            arena: Arc::default(),
        })))
    }

    fn check_security(&self) -> Result<()> {
        let (log_qp, log_n) = (self.log_qp(), self.0.literal.log_n);
        let maximum = max_log_qp(SECURITY_BITS, log_n).unwrap_or(0.0);
        if log_qp <= maximum {
            return Ok(());
        }
        Err(Error::Insecure {
            log_qp,
            maximum,
            log_n,
            security_bits: SECURITY_BITS,
        })
    }

    /// The literal that this set was made from.
    pub fn literal(&self) -> &ParametersLiteral {
        &self.0.literal
    }

    /// The ring.
    pub fn ring(&self) -> Ring {
        self.0.literal.ring
    }

    /// The rank over Z, which is the length of the secret.
    pub fn ring_degree(&self) -> usize {
        1 << self.0.literal.log_n
    }

    /// Real values that one ciphertext holds: N/2 in the standard ring, N in the
    /// conjugate-invariant one.
    pub fn slots(&self) -> usize {
        match self.ring() {
            Ring::Standard => self.ring_degree() / 2,
            Ring::ConjugateInvariant => self.ring_degree(),
        }
    }

    /// The level of a fresh ciphertext: the number of primes minus one.
    pub fn max_level(&self) -> usize {
        self.0.primes.len() - 1
    }

    /// The modulus chain; rescaling drops from the end.
    pub fn primes(&self) -> &[u64] {
        &self.0.primes
    }

    /// The special primes of relinearisation; none where there is none.
    pub fn special_primes(&self) -> &[u64] {
        &self.0.special
    }

    /// The primes of the chain that key switching takes together as one digit at a level, from the first to the last left: as many as
    /// there are special primes each.
    pub fn digits(&self, level: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        digits(self.0.special.len(), level)
    }

    /// log2 of the modulus of a fresh ciphertext.
    pub fn log_q(&self) -> f64 {
        self.log_q_at(self.max_level())
    }

    /// log2 of the modulus at a level.
    pub fn log_q_at(&self, level: usize) -> f64 {
        let left = self.0.primes.iter().take(level + 1);
        left.map(|&p| (p as f64).log2()).sum()
    }

    /// log2 of the largest modulus that anything is published under: that of the keys, special
    /// primes included.
    pub fn log_qp(&self) -> f64 {
        let special = self.0.special.iter().map(|&p| (p as f64).log2());
        self.log_q() + special.sum::<f64>()
    }

    /// Bytes of memory of one ciphertext at a level.
    pub fn memory_bytes(&self, level: usize, components: usize) -> usize {
        let limbs = self.0.primes.iter().take(level + 1).count();
        limbs * components * self.ring_degree() * size_of::<u64>()
    }

    /// Bytes of one ciphertext at a level in the wire format, headers left out. A fresh encryption,
    /// whose masks are a seed, has one component.
    pub fn wire_bytes(&self, level: usize, components: usize) -> usize {
        let limbs = 0..=level.min(self.max_level());
        let bits: usize = limbs.map(|limb| self.modulus(limb).bits() as usize).sum();
        bits * components * self.ring_degree() / 8
    }

    /// Classical security in bits by [`security_source`](Self::security_source): the highest level of the table that this set meets,
    /// [`SECURITY_BITS`] at least; 0 for a set made for tests.
    pub fn security_bits(&self) -> u32 {
        if self.0.insecure {
            return 0;
        }
        level_of(self.log_qp(), self.0.literal.log_n).unwrap_or(0)
    }

    /// Where the security figure comes from.
    pub fn security_source(&self) -> &'static str {
        if self.0.insecure {
            return "INSECURE: made for tests";
        }
        SECURITY_SOURCE
    }

    /// Whether the set comes from [`insecure_for_tests`](Self::insecure_for_tests).
    pub fn is_insecure(&self) -> bool {
        self.0.insecure
    }

    /// Identifies the set on the wire: the BLAKE3 digest of ring, degree, actual primes and the
    /// test mark.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint
    }

    /// Gives memory back to the system that ciphertexts of this set have used and do not use any
    /// more. It is kept for the next ones otherwise, up to twice as much as was ever used at once,
    /// until the last clone of the set is gone.
    pub fn release_memory(&self) {
        self.0.arena.release();
    }

    /// Where residues live.
    pub(crate) fn arena(&self) -> &Arc<Arena> {
        &self.0.arena
    }

    /// The transform of a prime; the special primes follow the chain.
    #[expect(
        clippy::expect_used,
        reason = "every prime is chosen so that the ring has a transform modulo it"
    )]
    pub(crate) fn transform(&self, prime: usize) -> &Transform {
        self.0.transforms[prime].get_or_init(|| {
            Transform::new(self.ring(), self.ring_degree(), self.0.moduli[prime])
                .expect("a prime with roots of unity")
        })
    }

    /// Makes every transform now, so that no evaluation waits for one.
    pub(crate) fn prepare_transforms(&self) {
        for prime in 0..self.0.transforms.len() {
            self.transform(prime);
        }
    }

    /// The arithmetic of a prime; the special primes follow the chain.
    pub(crate) fn modulus(&self, prime: usize) -> Modulus {
        self.0.moduli[prime]
    }

    /// Indices of the special primes among the transforms.
    pub(crate) fn special_indices(&self) -> Result<Range<usize>> {
        let (first, count) = (self.0.primes.len(), self.0.special.len());
        if count == 0 {
            return Err(Error::NoSpecialPrime);
        }
        Ok(first..first + count)
    }

    /// The inverse of prime `of` modulo prime `modulo`.
    pub(crate) fn inverse(&self, of: usize, modulo: usize) -> u64 {
        self.0.inverses[modulo][of]
    }

    /// The product of the special primes modulo a prime of the chain.
    pub(crate) fn special_product(&self, modulo: usize) -> u64 {
        let p = self.modulus(modulo);
        let residues = self.0.special.iter().map(|special| special % p.value());
        residues.fold(1, |product, special| p.multiply(product, special))
    }

    /// Its inverse.
    pub(crate) fn special_inverse(&self, modulo: usize) -> u64 {
        let (p, first) = (self.modulus(modulo), self.0.primes.len());
        let inverses = (first..first + self.0.special.len()).map(|of| self.inverse(of, modulo));
        inverses.fold(1, |product, inverse| p.multiply(product, inverse))
    }

    /// An error unless the other set is the same.
    pub(crate) fn check_same(&self, other: &Self, operation: &'static str) -> Result<()> {
        if Arc::ptr_eq(&self.0, &other.0) || self.0.fingerprint == other.0.fingerprint {
            return Ok(());
        }
        Err(Error::ParameterMismatch { operation })
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for Parameters {}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("literal", &self.0.literal)
            .field("log_qp", &self.log_qp())
            .field("security_bits", &self.security_bits())
            .finish_non_exhaustive()
    }
}

/// The primes of a chain that are one digit at a level, for so many special primes.
pub(crate) fn digits(special: usize, level: usize) -> impl Iterator<Item = Range<usize>> {
    let (width, limbs) = (special.max(1), level + 1);
    let starts = (0..limbs).step_by(width);
    starts.map(move |start| start..limbs.min(start + width))
}

/// The chain and the special primes after it.
fn choose_primes(literal: &ParametersLiteral) -> Result<Vec<u64>> {
    let modulo = match literal.ring {
        Ring::Standard => 2u64 << literal.log_n,
        Ring::ConjugateInvariant => 4u64 << literal.log_n,
    };
    let mut primes = Vec::new();
    let sizes = literal.prime_bits.iter().chain(&literal.special_bits);
    for (index, &bits) in sizes.enumerate() {
        if !PRIME_BITS.contains(&bits) {
            return Err(Error::PrimeBits {
                index,
                bits,
                minimum: *PRIME_BITS.start(),
                maximum: *PRIME_BITS.end(),
            });
        }
        let free = primes_below(bits, modulo).find(|p| !primes.contains(p));
        primes.push(free.ok_or(Error::PrimeNotFound { bits, modulo })?);
    }
    Ok(primes)
}

fn fingerprint(
    literal: &ParametersLiteral,
    primes: &[u64],
    special: &[u64],
    insecure: bool,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("cryptodl ckks parameters 2");
    hasher.update(literal.ring.as_str().as_bytes());
    let counts = [primes.len() as u8, special.len() as u8];
    hasher.update(&[0, u8::from(insecure), counts[0], counts[1]]);
    hasher.update(&literal.log_n.to_le_bytes());
    for prime in primes.iter().chain(special) {
        hasher.update(&prime.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
