//! The side that owns the secret key: it encrypts pixels and decrypts logits, and never sees the circuit.

use std::path::Path;

use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::keys::{ClientKey, seeder};
use super::package::ClientPackage;
use super::parameters::{Typed, set_digest};
use super::wire::{self, Reply, Upload};
use crate::sealed::{FileKind, Label, UploadId};
use crate::{Decrypted, EncryptedError, Verdict};
use cryptodl_data::Images;

/// A key's owner, and how it turns images into integers and replies into logits.
#[derive(Debug)]
pub struct Client {
    key: ClientKey,
    package: ClientPackage,
}

impl Client {
    /// With a key, for the images and logits that `package` tells of.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] for a key of another parameter set.
    pub fn new(key: ClientKey, package: ClientPackage) -> Result<Self, EncryptedError> {
        if key.set.name != package.set {
            return Err(EncryptedError::Mismatch {
                what: "the parameter set of the key",
                found: key.set.name.to_owned(),
                wanted: package.set,
            });
        }
        Ok(Self { key, package })
    }

    /// What the client knows.
    pub fn package(&self) -> &ClientPackage {
        &self.package
    }

    /// Encrypts images `from..to`, at most [`wire::MAX_IMAGES`], as the bytes of one upload.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn upload(
        &self,
        images: &Images,
        from: usize,
        to: usize,
    ) -> Result<Vec<u8>, EncryptedError> {
        let uploads = (from..to).map(|image| self.encrypt(images, image));
        let uploads: Vec<Upload> = uploads.collect::<Result<_, _>>()?;
        let label = Label {
            kind: FileKind::Upload,
            parameters: set_digest(self.key.set),
            key: self.key.id,
            circuit: Some(self.package.circuit),
            upload: Some(UploadId::new()?),
        };
        Ok(wire::upload_bytes(label, &uploads))
    }

    /// The images of a reply, the file `path`.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole reply, [`EncryptedError::Stranger`] for one of another key, parameter set or circuit.
    pub fn open_reply(&self, path: &Path, bytes: &[u8]) -> Result<Vec<Reply>, EncryptedError> {
        let parameters = set_digest(self.key.set);
        let (label, _) = Label::read(path, bytes, FileKind::Reply, parameters)?;
        label.of_key(path, self.key.id, &self.key.origin)?;
        label.of_circuit(path, self.package.circuit)?;
        wire::read_replies(path, bytes, self.key.set, self.package.classes)
    }

    /// Encrypts image `index`.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] for images of another shape, or where there is no such image.
    pub fn encrypt(&self, images: &Images, index: usize) -> Result<Upload, EncryptedError> {
        if images.shape != self.package.input || index >= images.len() {
            return Err(EncryptedError::Mismatch {
                what: "the image",
                found: format!("number {index} of {} of {:?}", images.len(), images.shape),
                wanted: format!("one of {:?}", self.package.input),
            });
        }
        let pixels =
            cryptodl_circuit::pbs::pixel_integers(images.image(index), self.package.pixel_bits);
        Ok(self.encrypt_integers(&pixels))
    }

    /// Encrypts integers at the pixels' place on the torus.
    pub(super) fn encrypt_integers(&self, values: &[i64]) -> Upload {
        let typed = Typed::from(self.key.set);
        let shift = u64::BITS - self.package.pixel_step_bits;
        let plain = values.iter().map(|value| (*value as u64) << shift);
        // Wiped: these are the client's pixels.
        let plain = Zeroizing::new(plain.collect::<Vec<u64>>());
        let plain = PlaintextList::from_container(plain.as_slice());
        let long = self.key.long.as_lwe_secret_key();
        let mut seeder = seeder();
        let seed = seeder.seed();
        let mut list = SeededLweCiphertextList::new(
            0,
            long.lwe_dimension().to_lwe_size(),
            LweCiphertextCount(values.len()),
            seed.into(),
            typed.modulus,
        );
        encrypt_seeded_lwe_ciphertext_list(
            &long,
            &mut list,
            &plain,
            typed.glwe_noise,
            seeder.as_mut(),
        );
        Upload {
            seed: seed.0,
            bodies: list.into_container(),
        }
    }

    /// The integers of the logits, and whether all of them can be those of an image like those of the training: within the range that the
    /// circuit was made for, with a noise that can be.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] for a reply to another circuit.
    pub fn decrypt(&self, reply: &Reply) -> Result<(Vec<i64>, bool), EncryptedError> {
        let typed = Typed::from(self.key.set);
        let long = self.key.long.as_lwe_secret_key();
        let size = long.lwe_dimension().to_lwe_size().0;
        if reply.0.len() != self.package.classes || reply.0.iter().any(|logit| logit.len() != size)
        {
            return Err(EncryptedError::Mismatch {
                what: "the number of logits in the reply",
                found: reply.0.len().to_string(),
                wanted: self.package.classes.to_string(),
            });
        }
        let shift = u64::BITS - self.package.logit_bits;
        let mut plausible = true;
        let logits = reply
            .0
            .iter()
            .map(|logit| {
                let ciphertext = LweCiphertext::from_container(logit.as_slice(), typed.modulus);
                let phase = decrypt_lwe_ciphertext(&long, &ciphertext).0;
                // Rounded to a step of the torus; the shift keeps the sign.
                let integer = (phase.wrapping_add(1 << (shift - 1)) as i64) >> shift;
                let noise = phase.wrapping_sub((integer as u64) << shift) as i64;
                plausible &= noise.unsigned_abs() <= (1 << shift) / 8 * 3
                    && integer.unsigned_abs() <= self.package.logit_bound.unsigned_abs();
                integer
            })
            .collect();
        Ok((logits, plausible))
    }

    /// The logits of replies, image by image, and what speaks against them. Where a step of the logits is so long that noise crosses half of
    /// it once in 2^128, three eighths of it are crossed by what is no noise.
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn logits(&self, replies: &[Reply]) -> Result<Decrypted, EncryptedError> {
        let mut logits = Vec::with_capacity(replies.len() * self.package.classes);
        let mut verdict = Verdict::default();
        for (image, reply) in replies.iter().enumerate() {
            let (integers, plausible) = self.decrypt(reply)?;
            let step = self.package.logit_step;
            logits.extend(
                integers
                    .iter()
                    .map(|integer| (*integer as f64 * step) as f32),
            );
            if !plausible {
                verdict.implausible.push(image);
            }
        }
        Ok(Decrypted { logits, verdict })
    }
}
