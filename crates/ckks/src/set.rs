//! Sets of ciphertexts: one ciphertext per feature, one image per slot.

use std::fmt;
use std::io::{Read, Write};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory::Buffer;
use crate::params::Parameters;
use crate::residues::Residues;
use crate::sampling::{Mask, Seed};
use crate::wire::{Kind, MAX_COMPONENTS, MAX_FEATURES, ObjectReader, ObjectWriter, WireError};

/// Ciphertexts that share level, scale and number of components; slot j of each belongs to image j.
///
/// A ciphertext `(c_0, c_1, ...)` decrypts to `c_0 + c_1 s + c_2 s^2 + ...`.
#[derive(Clone)]
pub struct CiphertextSet {
    pub(crate) parameters: Parameters,
    pub(crate) scale: f64,
    pub(crate) residues: Residues,
}

/// A fresh encryption whose masks are given by their seed: half the size of what it expands to.
#[derive(Clone)]
pub struct SeededSet {
    pub(crate) parameters: Parameters,
    pub(crate) scale: f64,
    pub(crate) seed: Seed,
    /// The first components.
    pub(crate) residues: Residues,
}

/// Some features of a [`SeededSet`], so that they can be expanded and dropped on their own.
pub struct SeededPart {
    set: SeededSet,
    /// Which of the whole set's features they are: masks are drawn by that number.
    features: Vec<u32>,
}

impl CiphertextSet {
    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Primes left, minus one.
    pub fn level(&self) -> usize {
        self.residues.level()
    }

    /// The factor between values and the integers that stand for them.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Number of ciphertexts.
    pub fn features(&self) -> usize {
        self.residues.features()
    }

    /// Polynomials of each ciphertext.
    pub fn components(&self) -> usize {
        self.residues.components()
    }

    /// Bytes of memory that the residues take.
    pub fn bytes(&self) -> usize {
        self.residues.bytes()
    }

    /// Writes the set in the wire format.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::CiphertextSet, &self.parameters)?;
        object.size(self.level())?;
        object.size(self.components())?;
        object.size(self.features())?;
        object.scale(self.scale)?;
        write_residues(&mut object, &self.parameters, &self.residues)?;
        Ok(object.finish()?)
    }

    /// Reads a set.
    ///
    /// # Errors
    /// If reading fails, or the input is anything but a whole, unaltered ciphertext set of these
    /// parameters.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        let mut object = ObjectReader::begin(reader, Kind::CiphertextSet, parameters)?;
        let level = object.size("level", 0..=parameters.max_level())?;
        let components = object.size("components", 1..=MAX_COMPONENTS)?;
        let features = object.size("features", 1..=MAX_FEATURES)?;
        let scale = object.scale()?;
        let residues = read_residues(&mut object, parameters, level, components, features)?;
        object.finish()?;
        Ok(Self {
            parameters: parameters.clone(),
            scale,
            residues,
        })
    }
}

impl SeededSet {
    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The factor between values and the integers that stand for them.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Number of ciphertexts.
    pub fn features(&self) -> usize {
        self.residues.features()
    }

    /// Bytes of memory that the residues take.
    pub fn bytes(&self) -> usize {
        self.residues.bytes()
    }

    /// Computes the masks from their seed.
    pub fn expand(&self) -> CiphertextSet {
        self.expand_as(|feature| feature)
    }

    /// Takes the set apart; `parts` names the features of each. One limb after the other changes
    /// its owner, so that little more than the set itself is in memory at any time.
    ///
    /// # Errors
    /// If a feature does not exist.
    pub fn into_parts(self, parts: &[Vec<u32>]) -> Result<Vec<SeededPart>> {
        let features = self.features();
        let largest = parts
            .iter()
            .flatten()
            .max()
            .map_or(0, |&last| last as usize);
        if largest >= features {
            return Err(Error::Features {
                operation: "take a set apart",
                expected: features,
                found: largest + 1,
            });
        }
        let degree = self.parameters.ring_degree();
        let mut taken: Vec<Vec<Buffer>> = parts.iter().map(|_| Vec::new()).collect();
        for limb in self.residues.into_limbs() {
            for (part, taken) in parts.iter().zip(&mut taken) {
                let blocks = Residues::blocks(degree, 1, part.len());
                let mut buffer = self.parameters.arena().take(blocks);
                let rows = buffer.par_chunks_mut(part.len().max(1));
                rows.zip(limb.par_chunks(features)).for_each(|(out, row)| {
                    for (out, &feature) in out.iter_mut().zip(part) {
                        *out = row[feature as usize];
                    }
                });
                taken.push(buffer);
            }
        }
        let part = |(part, limbs): (&Vec<u32>, Vec<Buffer>)| SeededPart {
            set: Self {
                parameters: self.parameters.clone(),
                scale: self.scale,
                seed: self.seed,
                residues: Residues::from_limbs(degree, 1, part.len(), limbs),
            },
            features: part.clone(),
        };
        Ok(parts.iter().zip(taken).map(part).collect())
    }

    /// Computes the masks; `name` is the number by which a feature's mask is drawn.
    fn expand_as(&self, name: impl Fn(usize) -> usize + Sync) -> CiphertextSet {
        let (degree, features) = (self.parameters.ring_degree(), self.features());
        let (arena, level) = (self.parameters.arena(), self.residues.level());
        let mut residues = Residues::unwritten(arena, degree, level + 1, 2, features);
        for limb in 0..=level {
            let rows = residues.limb_mut(limb).par_chunks_mut(2 * features);
            let first = self.residues.limb(limb).par_chunks(features);
            rows.zip(first)
                .for_each(|(row, first)| row[..features].copy_from_slice(first));
        }
        self.write_masks(1, name, &mut residues);
        CiphertextSet {
            parameters: self.parameters.clone(),
            scale: self.scale,
            residues,
        }
    }

    /// The masks alone, as sets of one component.
    pub(crate) fn masks(&self) -> Residues {
        let degree = self.parameters.ring_degree();
        let (arena, limbs) = (self.parameters.arena(), self.residues.level() + 1);
        let mut residues = Residues::unwritten(arena, degree, limbs, 1, self.features());
        self.write_masks(0, |feature| feature, &mut residues);
        residues
    }

    fn write_masks(
        &self,
        component: usize,
        name: impl Fn(usize) -> usize + Sync,
        residues: &mut Residues,
    ) {
        let (degree, limbs) = (self.parameters.ring_degree(), self.residues.level() + 1);
        residues.for_each_feature(
            || vec![0; degree],
            |values, mut polynomials| {
                let feature = name(polynomials.index());
                for limb in 0..limbs {
                    let p = self.parameters.modulus(limb);
                    Mask::new(&self.seed, feature, limb, p).fill(values);
                    polynomials.scatter(limb, component, values);
                }
            },
        );
    }

    /// Writes the set in the wire format.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write(&self, writer: &mut impl Write) -> Result<()> {
        let mut object = ObjectWriter::begin(writer, Kind::SeededSet, &self.parameters)?;
        object.size(self.features())?;
        object.scale(self.scale)?;
        object.bytes(&self.seed)?;
        write_residues(&mut object, &self.parameters, &self.residues)?;
        Ok(object.finish()?)
    }

    /// Reads a set.
    ///
    /// # Errors
    /// If reading fails, or the input is anything but a whole, unaltered seeded set of these
    /// parameters.
    pub fn read(parameters: &Parameters, reader: &mut impl Read) -> Result<Self> {
        let mut object = ObjectReader::begin(reader, Kind::SeededSet, parameters)?;
        let features = object.size("features", 1..=MAX_FEATURES)?;
        let scale = object.scale()?;
        let seed = object.array()?;
        let residues = read_residues(&mut object, parameters, parameters.max_level(), 1, features)?;
        object.finish()?;
        Ok(Self {
            parameters: parameters.clone(),
            scale,
            seed,
            residues,
        })
    }
}

impl SeededPart {
    /// Computes the masks from their seed.
    pub fn expand(&self) -> CiphertextSet {
        self.set.expand_as(|place| {
            self.features
                .get(place)
                .map_or(place, |&name| name as usize)
        })
    }
}

fn write_residues<W: Write>(
    object: &mut ObjectWriter<'_, W>,
    parameters: &Parameters,
    residues: &Residues,
) -> Result<(), WireError> {
    for limb in 0..=residues.level() {
        object.blocks(parameters.modulus(limb), residues.limb(limb))?;
    }
    Ok(())
}

fn read_residues<R: Read>(
    object: &mut ObjectReader<'_, R>,
    parameters: &Parameters,
    level: usize,
    components: usize,
    features: usize,
) -> Result<Residues, WireError> {
    let degree = parameters.ring_degree();
    let blocks = Residues::blocks(degree, components, features);
    let mut limbs = Vec::with_capacity(level + 1);
    for limb in 0..=level {
        let buffer = parameters.arena().try_take(blocks);
        let mut buffer = buffer.ok_or(WireError::Memory { blocks })?;
        object.blocks(parameters.modulus(limb), &mut buffer)?;
        limbs.push(buffer);
    }
    Ok(Residues::from_limbs(degree, components, features, limbs))
}

impl fmt::Debug for CiphertextSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CiphertextSet")
            .field("features", &self.features())
            .field("components", &self.components())
            .field("level", &self.level())
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SeededSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededSet")
            .field("features", &self.features())
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SeededPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set.fmt(f)
    }
}
