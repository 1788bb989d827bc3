//! The operations on real ciphertexts.

mod arithmetic;
mod feature_view;
mod fused;
mod key_switch;
mod linear;
mod plaintext;
mod product;
mod relinearize;
mod rescale;
mod rotate;

use std::sync::Arc;

pub use feature_view::FeatureView;
pub use fused::{FusedInput, FusedStep};
pub use plaintext::Products;
pub use rotate::Addend;

use self::key_switch::Division;
use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::keys::{EvaluationKey, GaloisKeys, SwitchingKey};
use crate::linear::LinearMap;
use crate::ops::HomomorphicOps;
use crate::params::Parameters;
use crate::set::CiphertextSet;

/// Evaluates circuits on ciphertexts. It holds no secret.
///
/// Work is spread over the threads of the rayon pool that it is called in.
///
/// ```
/// use std::sync::Arc;
/// use ckks::{EvaluationKey, Evaluator, HomomorphicOps, Parameters, ParametersLiteral, Ring, SecretKey};
///
/// let parameters = Parameters::new(ParametersLiteral {
///     ring: Ring::Standard,
///     log_n: 12,
///     prime_bits: vec![33, 28], // values of 22 bits have 10 bits of room at the end
///     special_bits: vec![40],
/// })?;
/// let secret = SecretKey::generate(&parameters)?;
/// let key = Arc::new(EvaluationKey::generate(&secret)?);
///
/// // one feature, three images
/// let scale = (1u64 << 25) as f64;
/// let upload = secret.encrypt(&[0.5, -1.25, 3.0], 1, scale)?;
///
/// let server = Evaluator::new(parameters, Some(key))?;
/// let squares = server.rescale(server.square(&upload.expand())?)?;
///
/// let values = secret.decrypt(&squares)?;
/// assert!((values[1] - 1.5625).abs() < 1e-2);
/// # Ok::<(), ckks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator {
    parameters: Parameters,
    key: Option<Arc<EvaluationKey>>,
    galois: Option<Arc<GaloisKeys>>,
    isa: Isa,
}

impl Evaluator {
    /// An evaluator; without a key it cannot relinearise, and so only
    /// [`tensor_square`](HomomorphicOps::tensor_square) multiplies.
    ///
    /// # Errors
    /// If the key was made with another parameter set.
    pub fn new(parameters: Parameters, key: Option<Arc<EvaluationKey>>) -> Result<Self> {
        if let Some(key) = &key {
            parameters.check_same(key.parameters(), "evaluator")?;
        }
        parameters.prepare_transforms();
        Ok(Self {
            parameters,
            key,
            galois: None,
            isa: Isa::detect(),
        })
    }

    /// The same, with keys for rotations.
    ///
    /// # Errors
    /// If the keys were made with another parameter set.
    pub fn with_galois_keys(self, keys: Arc<GaloisKeys>) -> Result<Self> {
        self.parameters.check_same(keys.parameters(), "evaluator")?;
        Ok(Self {
            galois: Some(keys),
            ..self
        })
    }

    /// Takes memory for so many bytes of ciphertexts from the system now, on all threads: the first
    /// use of a page takes longer than the arithmetic on it. Where there is not so much, nothing
    /// happens.
    pub fn reserve(&self, bytes: usize) {
        let block = size_of::<crate::residues::Block>();
        self.parameters.arena().reserve(bytes / block);
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn relinearization_key(&self, operation: &'static str) -> Result<&SwitchingKey> {
        self.parameters.special_indices()?;
        let key = self.key.as_deref();
        let key = key.ok_or(Error::NoEvaluationKey { operation })?;
        Ok(key.switching())
    }

    fn check_parameters(&self, set: &CiphertextSet, operation: &'static str) -> Result<()> {
        self.parameters.check_same(&set.parameters, operation)
    }
}

/// A scale that an operation is about to produce.
fn check_scale(operation: &'static str, scale: f64) -> Result<f64> {
    if scale.is_finite() && scale >= 1.0 {
        return Ok(scale);
    }
    Err(Error::Scale { operation, scale })
}

impl HomomorphicOps for Evaluator {
    type Value = CiphertextSet;
    type Error = Error;

    fn level(&self, v: &CiphertextSet) -> usize {
        v.level()
    }

    fn scale(&self, v: &CiphertextSet) -> f64 {
        v.scale()
    }

    fn features(&self, v: &CiphertextSet) -> usize {
        v.features()
    }

    fn components(&self, v: &CiphertextSet) -> usize {
        v.components()
    }

    fn linear(
        &self,
        v: &CiphertextSet,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<CiphertextSet> {
        self.linear_set(v, map, weight_scale)
    }

    fn add_constants(&self, v: CiphertextSet, constants: &[f64]) -> Result<CiphertextSet> {
        self.add_constants_set(v, constants)
    }

    fn multiply_constants(
        &self,
        v: &CiphertextSet,
        constants: &[f64],
        target_scale: f64,
    ) -> Result<CiphertextSet> {
        self.multiply_constants_set(v, constants, target_scale)
    }

    fn add(&self, a: CiphertextSet, b: &CiphertextSet) -> Result<CiphertextSet> {
        self.add_sets(a, b)
    }

    fn square(&self, v: &CiphertextSet) -> Result<CiphertextSet> {
        self.product("square", v, None)
    }

    fn tensor_square(&self, v: &CiphertextSet) -> Result<CiphertextSet> {
        self.tensor_square_set(v)
    }

    fn relinearize(&self, v: CiphertextSet) -> Result<CiphertextSet> {
        self.relinearize_set("relinearize", v, Division::Special)
    }

    fn relinearize_rescale(&self, v: CiphertextSet) -> Result<CiphertextSet> {
        self.relinearize_set("relinearize and rescale", v, Division::SpecialAndLast)
    }

    fn multiply(&self, a: &CiphertextSet, b: &CiphertextSet) -> Result<CiphertextSet> {
        self.product("multiply", a, Some(b))
    }

    fn rescale(&self, v: CiphertextSet) -> Result<CiphertextSet> {
        self.rescale_set(v)
    }

    fn drop_to(&self, v: &CiphertextSet, level: usize) -> Result<CiphertextSet> {
        self.drop_set(v, level)
    }
}
