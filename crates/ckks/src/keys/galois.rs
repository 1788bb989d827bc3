//! Galois keys: what rotations need.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};

use zeroize::Zeroizing;

use super::SecretKey;
use super::switching::{Streams, SwitchingKey, wire_bytes};
use crate::automorphism::Automorphism;
use crate::error::{Error, Result};
use crate::params::Parameters;
use crate::sampling::{Seed, public_seed, secret_seed};
use crate::wire::{FRAME_BYTES, Kind, ObjectReader, ObjectWriter, WireError};

/// Bytes of an entry on the wire besides its residues: rotation and level.
const ENTRY_BYTES: usize = 8;

/// Keys for some rotations of the slots, each up to a level: the lower it is, the smaller the key.
///
/// The key of the automorphism g switches from s to `g^-1(s)`: a ciphertext is switched first and permuted last, so that only results are
/// permuted, and rotations of one ciphertext share its digits.
///
/// They are public: the evaluator has them, and they decrypt nothing.
#[derive(Clone)]
pub struct GaloisKeys {
    parameters: Parameters,
    seed: Seed,
    keys: BTreeMap<usize, GaloisKey>,
}

/// The key of one rotation.
#[derive(Clone)]
pub(crate) struct GaloisKey {
    pub automorphism: Automorphism,
    pub key: SwitchingKey,
}

impl GaloisKeys {
    /// Makes keys of a secret: for rotations to the left by 1 to `slots - 1` places, each with the highest level at which it is used.
    ///
    /// # Errors
    /// If a rotation or a level does not exist, if the parameters have no special prime, or the operating system gives no entropy.
    pub fn generate(secret: &SecretKey, rotations: &BTreeMap<usize, usize>) -> Result<Self> {
        let parameters = secret.parameters();
        let seed = public_seed()?;
        let noise = secret_seed()?;
        let mut keys = BTreeMap::new();
        for (number, (&rotation, &level)) in rotations.iter().enumerate() {
            if !(1..parameters.slots()).contains(&rotation) {
                return Err(Error::Rotation {
                    rotation,
                    slots: parameters.slots(),
                });
            }
            if level > parameters.max_level() {
                return Err(Error::Level {
                    operation: "Galois key",
                    wanted: level,
                    level: parameters.max_level(),
                });
            }
            let automorphism = Automorphism::rotation(parameters, rotation);
            let inverse = Automorphism::rotation(parameters, parameters.slots() - rotation);
            let from = |prime: usize| Zeroizing::new(secret.values(prime).to_vec());
            let to = |prime: usize| {
                let mut image = Zeroizing::new(vec![0; parameters.ring_degree()]);
                inverse.apply(prime, secret.values(prime), &mut image);
                image
            };
            let streams = Streams {
                seed: &seed,
                number,
            };
            let key = SwitchingKey::generate(parameters, level, streams, &noise, &from, &to)?;
            keys.insert(rotation, GaloisKey { automorphism, key });
        }
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            keys,
        })
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rotations that there are keys for, and the highest level of each.
    pub fn rotations(&self) -> BTreeMap<usize, usize> {
        let keys = self.keys.iter();
        keys.map(|(&rotation, key)| (rotation, key.key.level()))
            .collect()
    }

    /// Bytes of memory that the keys take.
    pub fn bytes(&self) -> usize {
        self.keys.values().map(|key| key.key.bytes()).sum()
    }

    /// Bytes in the wire format of keys for these rotations.
    pub fn wire_bytes(parameters: &Parameters, rotations: &BTreeMap<usize, usize>) -> usize {
        let keys = rotations.values();
        let keys = keys.map(|&level| ENTRY_BYTES + wire_bytes(parameters, level));
        FRAME_BYTES + size_of::<u32>() + size_of::<Seed>() + keys.sum::<usize>()
    }

    /// The key of a rotation, if it serves a level.
    pub(crate) fn key(&self, rotation: usize, level: usize) -> Result<&GaloisKey> {
        let key = self.keys.get(&rotation);
        key.filter(|key| key.key.level() >= level)
            .ok_or(Error::NoGaloisKey { rotation, level })
    }

    /// Writes the keys in the wire format, masks as their seed.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::GaloisKeys, &self.parameters)?;
        object.bytes(&self.seed)?;
        object.size(self.keys.len())?;
        for (&rotation, key) in &self.keys {
            object.size(rotation)?;
            object.size(key.key.level())?;
            key.key.write(&mut object)?;
        }
        Ok(object.finish()?)
    }

    /// Reads keys.
    ///
    /// # Errors
    /// If reading fails, if the parameters have no special prime, or if the input is anything but whole, unaltered Galois keys of these
    /// parameters, in ascending order of their rotations.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        parameters.special_indices()?;
        let mut object = ObjectReader::begin(reader, Kind::GaloisKeys, parameters)?;
        let seed = object.array()?;
        let count = object.size("Galois keys", 0..=parameters.slots() - 1)?;
        let mut read = Vec::new();
        let mut lowest = 1;
        for number in 0..count {
            if lowest >= parameters.slots() {
                return Err(WireError::Rotations.into());
            }
            let rotation = object.size("rotation", lowest..=parameters.slots() - 1)?;
            lowest = rotation + 1;
            let level = object.size("level", 0..=parameters.max_level())?;
            let streams = Streams {
                seed: &seed,
                number,
            };
            let key = SwitchingKey::read(&mut object, parameters, level, streams)?;
            read.push((rotation, key));
        }
        object.finish()?;
        let key = |(rotation, key)| {
            let automorphism = Automorphism::rotation(parameters, rotation);
            (rotation, GaloisKey { automorphism, key })
        };
        Ok(Self {
            parameters: parameters.clone(),
            seed,
            keys: read.into_iter().map(key).collect(),
        })
    }
}

impl fmt::Debug for GaloisKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaloisKeys")
            .field("rotations", &self.rotations())
            .finish_non_exhaustive()
    }
}
