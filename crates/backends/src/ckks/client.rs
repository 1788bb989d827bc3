//! The side that owns the secret key: it encrypts images and decrypts logits, and never sees the circuit.

use std::path::{Path, PathBuf};

use ckks::{CiphertextSet, EvaluationKey, Parameters, SecretKey};
use zeroize::Zeroizing;

use super::package::{ClientPackage, parameters_digest};
use super::server::ServerKey;
use crate::error::{file_error, nothing_left};
use crate::sealed::{FileKind, KeyId, Label, UploadId, read_secret};
use crate::{Decrypted, EncryptedError, Verdict};
use cryptodl_data::Images;

/// Slots that hold no image, at the end of every batch that leaves as many: they tell whether the batch was spoilt.
pub const IDLE_SLOTS: usize = 16;

/// A key's owner.
#[derive(Debug)]
pub struct Client {
    package: ClientPackage,
    parameters: Parameters,
    secret: SecretKey,
    id: KeyId,
    /// Where the key came from, for messages.
    origin: PathBuf,
}

impl Client {
    /// Fresh keys: the client, and what the server needs to multiply (nothing for a circuit that only needs additions).
    ///
    /// # Errors
    /// If the parameters are not secure, or the operating system gives no randomness.
    pub fn generate(package: ClientPackage) -> Result<(Self, Option<ServerKey>), EncryptedError> {
        let parameters = package.parameters()?;
        let secret = SecretKey::generate(&parameters)?;
        let id = KeyId::new()?;
        let server_key = match parameters.special_primes() {
            [] => None,
            _ => Some(ServerKey::new(EvaluationKey::generate(&secret)?, id)),
        };
        let client = Self {
            package,
            parameters,
            secret,
            id,
            origin: "the secret key".into(),
        };
        Ok((client, server_key))
    }

    /// With a key made before.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a file that is not a whole secret key, [`EncryptedError::Stranger`] for another kind of file or
    /// parameter set.
    pub fn open(package: ClientPackage, key: &Path) -> Result<Self, EncryptedError> {
        let parameters = package.parameters()?;
        let bytes = read_secret(key)?;
        let (label, mut content) = Label::read(
            key,
            &bytes,
            FileKind::SecretKey,
            parameters_digest(&parameters),
        )?;
        let secret =
            SecretKey::read(&parameters, &mut content).map_err(|error| file_error(key, error))?;
        nothing_left(key, content)?;
        Ok(Self {
            package,
            parameters,
            secret,
            id: label.key,
            origin: key.to_path_buf(),
        })
    }

    /// The secret key as the bytes of a file of its owner.
    ///
    /// # Errors
    /// None that a key in memory has.
    pub fn secret_bytes(&self) -> Result<Zeroizing<Vec<u8>>, EncryptedError> {
        let label = Label {
            kind: FileKind::SecretKey,
            parameters: parameters_digest(&self.parameters),
            key: self.id,
            circuit: None,
            upload: None,
        };
        let mut bytes = Zeroizing::new(label.begin(SecretKey::wire_bytes(&self.parameters)));
        self.secret.write(&mut *bytes)?;
        Ok(bytes)
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the client knows.
    pub fn package(&self) -> &ClientPackage {
        &self.package
    }

    /// Images in one upload at most: every view of an image takes a slot.
    pub fn images_per_upload(&self) -> usize {
        self.parameters.slots() / self.package.views
    }

    /// Encrypts `count` images from `first` on, at most [`Self::images_per_upload`], as the bytes of one upload. Unused slots hold zeros.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] for images of another shape, or more than there are or fit.
    pub fn encrypt(
        &self,
        images: &Images,
        first: usize,
        count: usize,
    ) -> Result<Vec<u8>, EncryptedError> {
        if images.shape != self.package.input {
            return Err(EncryptedError::Mismatch {
                what: "the shape of the images",
                found: format!("{:?}", images.shape),
                wanted: format!("{:?}", self.package.input),
            });
        }
        if count == 0 || count > self.images_per_upload() || first + count > images.len() {
            return Err(EncryptedError::Mismatch {
                what: "the number of images in the batch",
                found: format!("{count} from {first} on, of {}", images.len()),
                wanted: format!("between 1 and {}", self.images_per_upload()),
            });
        }
        let mut features = self.package.features(images, first, count);
        if self.package.views > 1 {
            let mirrored = images.range(first..first + count).mirrored();
            let mirrored = self.package.features(&mirrored, 0, count);
            let gap = self.images_per_upload() - count;
            let rows = features
                .chunks_exact(count)
                .zip(mirrored.chunks_exact(count));
            features = rows
                .flat_map(|(image, mirrored)| {
                    let between = std::iter::repeat_n(&0.0, gap);
                    image.iter().chain(between).chain(mirrored).copied()
                })
                .collect();
        }
        let set = self
            .secret
            .encrypt(&features, images.shape.len(), self.package.input_scale)?;
        let label = Label {
            kind: FileKind::Upload,
            parameters: parameters_digest(&self.parameters),
            key: self.id,
            circuit: Some(self.package.circuit),
            upload: Some(UploadId::new()?),
        };
        let mut bytes = label.begin(0);
        set.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Decrypts a reply, the file `path`: the logits of the first `count` images, `[count, classes]`, averaged over the views, and what
    /// speaks against them.
    ///
    /// # Errors
    /// As [`Self::decrypt_views`].
    pub fn decrypt(
        &self,
        path: &Path,
        reply: &[u8],
        count: usize,
    ) -> Result<Decrypted, EncryptedError> {
        let (views, verdict) = self.decrypt_views(path, reply, count)?;
        Ok(Decrypted {
            logits: mean(&views),
            verdict,
        })
    }

    /// As [`Self::decrypt`], with the logits of every view of the images, `[views][count, classes]`. An image is as plausible as the least
    /// plausible of its views.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole reply, [`EncryptedError::Stranger`] for one of another key, parameter set or circuit,
    /// [`EncryptedError::Mismatch`] for another number of logits.
    pub fn decrypt_views(
        &self,
        path: &Path,
        reply: &[u8],
        count: usize,
    ) -> Result<(Vec<Vec<f32>>, Verdict), EncryptedError> {
        let parameters = parameters_digest(&self.parameters);
        let (label, mut content) = Label::read(path, reply, FileKind::Reply, parameters)?;
        label.of_key(path, self.id, &self.origin)?;
        label.of_circuit(path, self.package.circuit)?;
        let set = CiphertextSet::read(&self.parameters, &mut content)
            .map_err(|error| file_error(path, error))?;
        nothing_left(path, content)?;
        let (classes, slots) = (self.package.classes, self.parameters.slots());
        if set.features() != classes || count > self.images_per_upload() {
            return Err(EncryptedError::Mismatch {
                what: "the number of logits in the reply",
                found: set.features().to_string(),
                wanted: classes.to_string(),
            });
        }
        let values = Zeroizing::new(self.secret.decrypt(&set)?);
        let of_slot = |slot: usize| (0..classes).map(move |class| (class, slot));
        let value = |(class, slot): (usize, usize)| values[class * slots + slot];
        let first_of = |view: usize| view * self.images_per_upload();
        let views: Vec<Vec<f32>> = (0..self.package.views)
            .map(|view| {
                (first_of(view)..first_of(view) + count)
                    .flat_map(of_slot)
                    .map(|place| value(place) as f32)
                    .collect()
            })
            .collect();
        let used = first_of(self.package.views - 1) + count;
        let first_idle = slots.saturating_sub(IDLE_SLOTS).max(1);
        let idle: Vec<f64> = if used <= first_idle {
            (first_idle..slots).flat_map(of_slot).map(value).collect()
        } else {
            Vec::new()
        };
        let mut verdict = self
            .package
            .promise
            .judge(&views.concat(), idle.chunks_exact(classes));
        for image in &mut verdict.implausible {
            *image %= count;
        }
        verdict.implausible.sort_unstable();
        verdict.implausible.dedup();
        Ok((views, verdict))
    }
}

/// The mean over the views of each logit.
pub(super) fn mean(views: &[Vec<f32>]) -> Vec<f32> {
    let share = 1.0 / views.len().max(1) as f32;
    let mut views = views.iter();
    let mut sum = views.next().cloned().unwrap_or_default();
    for view in views {
        sum.iter_mut()
            .zip(view)
            .for_each(|(sum, value)| *sum += value);
    }
    sum.iter_mut().for_each(|value| *value *= share);
    sum
}
