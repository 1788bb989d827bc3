//! The side that owns the secret key: it encrypts images and decrypts logits, and never sees the circuit.

use ckks::{CiphertextSet, EvaluationKey, Parameters, SecretKey};

use super::package::ClientPackage;
use crate::EncryptedError;
use cryptodl_data::Images;

/// A key's owner.
#[derive(Debug)]
pub struct Client {
    package: ClientPackage,
    parameters: Parameters,
    secret: SecretKey,
}

impl Client {
    /// Fresh keys: the client, and what the server needs to multiply (nothing for a circuit that only needs additions).
    pub fn generate(
        package: ClientPackage,
    ) -> Result<(Self, Option<EvaluationKey>), EncryptedError> {
        let parameters = package.parameters()?;
        let secret = SecretKey::generate(&parameters)?;
        let evaluation_key = match parameters.special_primes() {
            [] => None,
            _ => Some(EvaluationKey::generate(&secret)?),
        };
        Ok((
            Self {
                package,
                parameters,
                secret,
            },
            evaluation_key,
        ))
    }

    /// With a key made before.
    pub fn with_key(package: ClientPackage, secret: SecretKey) -> Result<Self, EncryptedError> {
        let parameters = package.parameters()?;
        if secret.parameters().fingerprint() != parameters.fingerprint() {
            return Err(EncryptedError::Mismatch {
                what: "the secret key",
                found: "of another parameter set".into(),
                wanted: "one made from the same client folder".into(),
            });
        }
        Ok(Self {
            package,
            parameters,
            secret,
        })
    }

    /// The secret key, to be written to a file of its owner.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Shape of the images.
    pub fn input(&self) -> cryptodl_spec::Shape {
        self.package.input
    }

    /// Images in one upload.
    pub fn slots(&self) -> usize {
        self.parameters.slots()
    }

    /// Encrypts `count` images from `first` on, at most [`Self::slots`], as the bytes of one upload. Unused slots hold zeros.
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
        if count == 0 || count > self.slots() || first + count > images.len() {
            return Err(EncryptedError::Mismatch {
                what: "the number of images in the batch",
                found: format!("{count} from {first} on, of {}", images.len()),
                wanted: format!("between 1 and {}", self.slots()),
            });
        }
        let features = self.package.features(images, first, count);
        let set = self
            .secret
            .encrypt(&features, images.shape.len(), self.package.input_scale)?;
        let mut bytes = Vec::new();
        set.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Decrypts a reply: the logits of the first `count` images, `[count, classes]`.
    pub fn decrypt(&self, reply: &[u8], count: usize) -> Result<Vec<f32>, EncryptedError> {
        let classes = self.package.classes;
        let set = CiphertextSet::read(&self.parameters, &mut &reply[..])?;
        if set.features() != classes || count > self.slots() {
            return Err(EncryptedError::Mismatch {
                what: "the number of logits in the reply",
                found: set.features().to_string(),
                wanted: classes.to_string(),
            });
        }
        let values = self.secret.decrypt(&set)?;
        let slots = self.slots();
        let mut logits = Vec::with_capacity(count * classes);
        for image in 0..count {
            logits.extend((0..classes).map(|class| values[class * slots + image] as f32));
        }
        Ok(logits)
    }
}
