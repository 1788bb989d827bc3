//! The evaluation key: what relinearisation needs.

use std::fmt;
use std::io::{Read, Write};

use zeroize::Zeroizing;

use super::SecretKey;
use super::switching::{Streams, SwitchingKey};
use crate::error::Result;
use crate::isa::Isa;
use crate::params::Parameters;
use crate::pointwise;
use crate::sampling::{Seed, public_seed, secret_seed};
use crate::wire::{Kind, ObjectReader, ObjectWriter};

/// A relinearisation key: it switches from s^2 to s, at every level.
///
/// It is public: the evaluator has it, and it decrypts nothing.
#[derive(Clone)]
pub struct EvaluationKey {
    parameters: Parameters,
    seed: Seed,
    key: SwitchingKey,
}

impl EvaluationKey {
    /// Makes the key of a secret.
    ///
    /// # Errors
    /// If the parameters have no special prime, or the operating system gives no entropy.
    pub fn generate(key: &SecretKey) -> Result<Self> {
        let parameters = key.parameters();
        let seed = public_seed()?;
        let noise = secret_seed()?;
        let isa = Isa::detect();
        let secret = |prime: usize| Zeroizing::new(key.values(prime).to_vec());
        let square = |prime: usize| {
            let mut square = secret(prime);
            let p = parameters.modulus(prime);
            pointwise::multiply_assign(isa, p, &mut square, key.values(prime));
            square
        };
        let streams = Streams {
            seed: &seed,
            number: 0,
        };
        let level = parameters.max_level();
        let key = SwitchingKey::generate(parameters, level, streams, &noise, &square, &secret)?;
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            key,
        })
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Bytes of memory that the key takes.
    pub fn bytes(&self) -> usize {
        self.key.bytes()
    }

    pub(crate) fn switching(&self) -> &SwitchingKey {
        &self.key
    }

    /// Writes the key in the wire format, masks as their seed.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::EvaluationKey, &self.parameters)?;
        object.bytes(&self.seed)?;
        self.key.write(&mut object)?;
        Ok(object.finish()?)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If reading fails, if the parameters have no special prime, or if the input is anything but a
    /// whole, unaltered evaluation key of these parameters.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        parameters.special_indices()?;
        let mut object = ObjectReader::begin(reader, Kind::EvaluationKey, parameters)?;
        let seed = object.array()?;
        let streams = Streams {
            seed: &seed,
            number: 0,
        };
        let level = parameters.max_level();
        let key = SwitchingKey::read(&mut object, parameters, level, streams)?;
        object.finish()?;
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            key,
        })
    }
}

impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKey")
            .field("digits", &self.key.digits())
            .finish_non_exhaustive()
    }
}
