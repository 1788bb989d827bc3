//! The circuit's parameter sets as the crate's types.

use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DynamicDistribution,
    GlweDimension, LweDimension, PolynomialSize, StandardDev,
};

use cryptodl_circuit::pbs::ParameterSet;

/// A set, in types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed {
    pub lwe: LweDimension,
    pub glwe: GlweDimension,
    pub size: PolynomialSize,
    pub pbs_base: DecompositionBaseLog,
    pub pbs_levels: DecompositionLevelCount,
    pub ks_base: DecompositionBaseLog,
    pub ks_levels: DecompositionLevelCount,
    pub lwe_noise: DynamicDistribution<u64>,
    pub glwe_noise: DynamicDistribution<u64>,
    pub modulus: CiphertextModulus<u64>,
}

impl From<&ParameterSet> for Typed {
    fn from(set: &ParameterSet) -> Self {
        let gaussian =
            |deviation: f64| DynamicDistribution::new_gaussian_from_std_dev(StandardDev(deviation));
        Self {
            lwe: LweDimension(set.lwe_dimension),
            glwe: GlweDimension(set.glwe_dimension),
            size: PolynomialSize(set.polynomial_size),
            pbs_base: DecompositionBaseLog(set.pbs_base_log),
            pbs_levels: DecompositionLevelCount(set.pbs_levels),
            ks_base: DecompositionBaseLog(set.ks_base_log),
            ks_levels: DecompositionLevelCount(set.ks_levels),
            lwe_noise: gaussian(set.lwe_noise),
            glwe_noise: gaussian(set.glwe_noise),
            modulus: CiphertextModulus::new_native(),
        }
    }
}
