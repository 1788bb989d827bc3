//! The side that computes: it owns the circuit and evaluation keys, and no secret.

use std::sync::Arc;
use std::time::Duration;

use ckks::{EvaluationKey, Evaluator, Machine, Parameters, SeededSet};

use super::package::ServerPackage;
use crate::circuit::execute_fused;
use crate::encrypted::EncryptedError;

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
        let evaluator = Evaluator::new(parameters.clone(), key.map(Arc::new))?;
        Ok(Self {
            package,
            parameters,
            evaluator,
        })
    }

    /// From the bytes of an upload to the bytes of the reply. `observe` is told each layer's time and says whether to go on.
    pub fn evaluate(
        &self,
        upload: &[u8],
        observe: &mut dyn FnMut(usize, Duration) -> bool,
    ) -> Result<Vec<u8>, EncryptedError> {
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
        let input = seeded.expand();
        drop(seeded);
        if self.evaluator.level(&input) != self.parameters.max_level() {
            return Err(EncryptedError::Mismatch {
                what: "the level of the upload",
                found: self.evaluator.level(&input).to_string(),
                wanted: self.parameters.max_level().to_string(),
            });
        }
        let output = execute_fused(
            &self.evaluator,
            &self.package.circuit,
            &self.package.schedule,
            input,
            observe,
        )?;
        let Some(output) = output else {
            return Err(EncryptedError::Interrupted);
        };
        let mut bytes = Vec::new();
        output.write(&mut bytes)?;
        Ok(bytes)
    }
}
