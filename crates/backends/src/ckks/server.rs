//! The side that computes: it owns the circuit and evaluation keys, and no secret.

use std::sync::Arc;
use std::time::Duration;

use ckks::{EvaluationKey, Evaluator, Parameters, SeededSet};

use super::package::ServerPackage;
use crate::EncryptedError;
use cryptodl_circuit::Executor;

/// The owner of the network.
#[derive(Debug)]
pub struct Server {
    package: ServerPackage,
    parameters: Parameters,
    evaluator: Evaluator,
}

impl Server {
    /// A server for one circuit and one client's evaluation key.
    pub fn new(package: ServerPackage, key: Option<EvaluationKey>) -> Result<Self, EncryptedError> {
        let parameters = package.parameters()?;
        Self::with_parameters(package, parameters, key)
    }

    /// The same with parameters that were made before: what others of the process do not use any more of their memory is used again.
    pub fn with_parameters(
        package: ServerPackage,
        parameters: Parameters,
        key: Option<EvaluationKey>,
    ) -> Result<Self, EncryptedError> {
        if *parameters.literal() != package.literal {
            return Err(EncryptedError::Mismatch {
                what: "the parameter set of the server",
                found: format!("{:?}", parameters.literal()),
                wanted: format!("{:?}", package.literal),
            });
        }
        let evaluator = Evaluator::new(parameters.clone(), key.map(Arc::new))?;
        Ok(Self {
            package,
            parameters,
            evaluator,
        })
    }

    /// Reads the bytes of an upload, which are not needed any more then.
    pub fn receive(&self, upload: &[u8]) -> Result<SeededSet, EncryptedError> {
        let seeded = SeededSet::read(&self.parameters, &mut &upload[..])?;
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
        Ok(seeded)
    }

    /// From an upload to the bytes of the reply. `observe` is told what a part of a layer took, [`Self::reports`] times, and says whether
    /// to go on.
    pub fn evaluate(
        &self,
        upload: SeededSet,
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Vec<u8>, EncryptedError> {
        let Some(output) = self.executor().run(upload, observe)? else {
            return Err(EncryptedError::Interrupted);
        };
        let mut bytes = Vec::new();
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
