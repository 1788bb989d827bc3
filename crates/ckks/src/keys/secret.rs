//! The secret key.

use std::fmt;
use std::io::{Read, Write};

use zeroize::Zeroizing;

use crate::error::Result;
use crate::modulus::CENTRE;
use crate::params::Parameters;
use crate::sampling::{SecretStream, secret_seed};
use crate::wire::{FRAME_BYTES, Kind, ObjectReader, ObjectWriter, WireError};

/// A uniform ternary secret. It encrypts and decrypts; whoever evaluates must not have it.
///
/// Wiped when dropped; prints as nothing.
pub struct SecretKey {
    parameters: Parameters,
    coefficients: Zeroizing<Vec<i8>>,
    /// Values modulo every prime, the special ones last.
    values: Vec<Zeroizing<Vec<u64>>>,
}

impl SecretKey {
    /// Draws a key from the operating system's entropy.
    ///
    /// # Errors
    /// If the operating system gives no entropy.
    pub fn generate(parameters: &Parameters) -> Result<Self> {
        let seed = secret_seed()?;
        let mut coefficients = Zeroizing::new(vec![0; parameters.ring_degree()]);
        SecretStream::new(&seed, 0).ternary(&mut coefficients);
        Ok(Self::from_coefficients(parameters, coefficients))
    }

    fn from_coefficients(parameters: &Parameters, coefficients: Zeroizing<Vec<i8>>) -> Self {
        let words = coefficients
            .iter()
            .map(|&s| CENTRE.wrapping_add_signed(s.into()));
        let words = Zeroizing::new(words.collect::<Vec<u64>>());
        let count = parameters.primes().len() + parameters.special_primes().len();
        let values = (0..count)
            .map(|prime| {
                let mut values = Zeroizing::new(vec![0; coefficients.len()]);
                parameters
                    .transform(prime)
                    .forward(&words, &[], &mut values);
                values
            })
            .collect();
        Self {
            parameters: parameters.clone(),
            coefficients,
            values,
        }
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The secret itself, for the reference that decrypts by the definition.
    #[cfg(test)]
    pub(crate) fn coefficients(&self) -> &[i8] {
        &self.coefficients
    }

    /// The secret's values modulo a prime; the special primes follow the chain.
    pub(super) fn values(&self, prime: usize) -> &[u64] {
        &self.values[prime]
    }

    /// Bytes of a key in the wire format: whoever writes one to memory takes them beforehand, so that no copy stays behind when it grows.
    pub fn wire_bytes(parameters: &Parameters) -> usize {
        FRAME_BYTES + parameters.ring_degree()
    }

    /// Writes the key in the wire format. **Whoever reads it can decrypt.**
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::SecretKey, &self.parameters)?;
        let bytes = self.coefficients.iter().map(|&s| (s + 1) as u8);
        object.bytes(&Zeroizing::new(bytes.collect::<Vec<u8>>()))?;
        Ok(object.finish()?)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If reading fails, or the input is anything but a whole, unaltered secret key of these
    /// parameters.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        let mut object = ObjectReader::begin(reader, Kind::SecretKey, parameters)?;
        let mut bytes = Zeroizing::new(vec![0; parameters.ring_degree()]);
        object.bytes(&mut bytes)?;
        object.finish()?;
        if bytes.iter().any(|&byte| byte > 2) {
            return Err(WireError::Secret.into());
        }
        let coefficients = bytes.iter().map(|&byte| byte as i8 - 1).collect();
        Ok(Self::from_coefficients(
            parameters,
            Zeroizing::new(coefficients),
        ))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}
