//! The side that computes: it owns the circuit and evaluation keys, and no secret.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ckks::{EvaluationKey, Evaluator, Parameters, SeededSet};

use super::package::{ServerPackage, parameters_digest};
use crate::EncryptedError;
use crate::error::{file_error, nothing_left};
use crate::sealed::{FileKind, KeyId, Label, UploadId};
use cryptodl_circuit::Executor;

/// What a server needs of a client's keys. There is no secret in it.
#[derive(Debug)]
pub struct ServerKey {
    key: EvaluationKey,
    id: KeyId,
    /// Where the key came from, for messages.
    origin: PathBuf,
}

/// The owner of the network.
#[derive(Debug)]
pub struct Server {
    package: ServerPackage,
    parameters: Parameters,
    evaluator: Evaluator,
    /// Whose ciphertexts it can evaluate, and where that is known from; none where no key is needed.
    key: Option<(KeyId, PathBuf)>,
}

/// An upload that was read, the key that it is under, and its name.
#[derive(Debug)]
pub struct Received {
    set: SeededSet,
    key: KeyId,
    upload: Option<UploadId>,
}

impl ServerKey {
    pub(super) fn new(key: EvaluationKey, id: KeyId) -> Self {
        Self {
            key,
            id,
            origin: "the evaluation key".into(),
        }
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole evaluation key, [`EncryptedError::Stranger`] for another kind of file or parameter
    /// set.
    pub fn open(parameters: &Parameters, path: &Path) -> Result<Self, EncryptedError> {
        let bytes = fs::read(path).map_err(|error| file_error(path, error))?;
        let digest = parameters_digest(parameters);
        let (label, mut content) = Label::read(path, &bytes, FileKind::EvaluationKey, digest)?;
        let key = EvaluationKey::read(parameters, &mut content)
            .map_err(|error| file_error(path, error))?;
        nothing_left(path, content)?;
        Ok(Self {
            key,
            id: label.key,
            origin: path.to_path_buf(),
        })
    }

    /// The key as the bytes of a file.
    ///
    /// # Errors
    /// None that a key in memory has.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncryptedError> {
        let label = Label {
            kind: FileKind::EvaluationKey,
            parameters: parameters_digest(self.key.parameters()),
            key: self.id,
            circuit: None,
            upload: None,
        };
        let mut bytes = label.begin(0);
        self.key.write(&mut bytes)?;
        Ok(bytes)
    }
}

impl Server {
    /// A server for one circuit and one client's evaluation key.
    pub fn new(package: ServerPackage, key: Option<ServerKey>) -> Result<Self, EncryptedError> {
        let parameters = package.parameters()?;
        Self::with_parameters(package, parameters, key)
    }

    /// The same with parameters that were made before: what others of the process do not use any more of their memory is used again.
    pub fn with_parameters(
        package: ServerPackage,
        parameters: Parameters,
        key: Option<ServerKey>,
    ) -> Result<Self, EncryptedError> {
        if *parameters.literal() != package.literal {
            return Err(EncryptedError::Mismatch {
                what: "the parameter set of the server",
                found: format!("{:?}", parameters.literal()),
                wanted: format!("{:?}", package.literal),
            });
        }
        let (key, owner) = match key {
            Some(ServerKey { key, id, origin }) => (Some(Arc::new(key)), Some((id, origin))),
            None => (None, None),
        };
        let evaluator = Evaluator::new(parameters.clone(), key)?;
        Ok(Self {
            package,
            parameters,
            evaluator,
            key: owner,
        })
    }

    /// Reads the bytes of an upload, the file `path`, which are not needed any more then.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole upload, [`EncryptedError::Stranger`] for one of another key, parameter set or
    /// circuit, [`EncryptedError::Mismatch`] for other images.
    pub fn receive(&self, path: &Path, upload: &[u8]) -> Result<Received, EncryptedError> {
        let digest = parameters_digest(&self.parameters);
        let (label, mut content) = Label::read(path, upload, FileKind::Upload, digest)?;
        if let Some((id, owner)) = &self.key {
            label.of_key(path, *id, owner)?;
        }
        label.of_circuit(path, self.package.digest)?;
        let seeded = SeededSet::read(&self.parameters, &mut content)
            .map_err(|error| file_error(path, error))?;
        nothing_left(path, content)?;
        let wanted = self.package.circuit.input.len();
        if seeded.features() != wanted {
            return Err(EncryptedError::Mismatch {
                what: "the number of ciphertexts in the upload",
                found: seeded.features().to_string(),
                wanted: wanted.to_string(),
            });
        }
        let scale = self.package.input_scale;
        if (seeded.scale() / scale - 1.0).abs() > 1e-9 {
            return Err(EncryptedError::Mismatch {
                what: "the scale of the upload",
                found: format!("2^{:.3}", seeded.scale().log2()),
                wanted: format!("2^{:.3}", scale.log2()),
            });
        }
        Ok(Received {
            set: seeded,
            key: label.key,
            upload: label.upload,
        })
    }

    /// From an upload to the bytes of the reply. `observe` is told what a part of a layer took, [`Self::reports`] times, and says whether
    /// to go on.
    pub fn evaluate(
        &self,
        upload: Received,
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Vec<u8>, EncryptedError> {
        let Received { set, key, upload } = upload;
        let Some(output) = self.executor().run(set, observe)? else {
            return Err(EncryptedError::Interrupted);
        };
        let label = Label {
            kind: FileKind::Reply,
            parameters: parameters_digest(&self.parameters),
            key,
            circuit: Some(self.package.digest),
            upload,
        };
        let mut bytes = label.begin(0);
        output.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes memory for so many bytes of ciphertexts before the first upload comes.
    pub fn reserve(&self, bytes: u64) {
        self.evaluator
            .reserve(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// How often an evaluation tells of a layer.
    pub fn reports(&self) -> usize {
        self.executor().reports()
    }

    fn executor(&self) -> Executor<'_> {
        let package = &self.package;
        Executor::new(
            &self.evaluator,
            &package.circuit,
            &package.schedule,
            package.execution,
        )
    }
}
