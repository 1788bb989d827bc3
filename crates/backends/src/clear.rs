//! No encryption: circuits of polynomials in the simulator, planned as for the batched engine.

use std::path::Path;

use cryptodl_circuit::CostTable;
use cryptodl_spec::Experiment;

use crate::ckks::Batched;
use crate::{Backend, CompiledNetwork, EncryptedError, Engine, PlanText, Trained};

/// The simulator alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulator;

impl Backend for Simulator {
    fn check(&self, _: &Experiment) -> Result<String, EncryptedError> {
        Ok("backend clear".into())
    }

    fn plan(
        &self,
        _: &Experiment,
        _: &dyn Fn() -> CostTable,
    ) -> Result<Option<PlanText>, EncryptedError> {
        Ok(None)
    }

    fn evaluate_seconds(
        &self,
        _: &Experiment,
        _: &CostTable,
    ) -> Result<Option<f64>, EncryptedError> {
        Ok(None)
    }

    fn compile(
        &self,
        trained: &Trained<'_>,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        Batched.compile(trained, costs)
    }

    fn read(&self, folder: &Path) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        Batched.read(folder)
    }

    fn engine(&self) -> Option<&dyn Engine> {
        None
    }
}
