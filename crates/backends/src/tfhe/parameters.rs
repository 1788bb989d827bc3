//! The circuit's parameter sets as the crate's types.

use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DynamicDistribution,
    GlweDimension, LweDimension, PolynomialSize, StandardDev,
};

use crate::sealed::Digest;
use cryptodl_circuit::pbs::ParameterSet;

/// Identifies a set in files.
pub(super) fn set_digest(set: &ParameterSet) -> Digest {
    let sizes = [
        set.lwe_dimension,
        set.glwe_dimension,
        set.polynomial_size,
        set.pbs_base_log,
        set.pbs_levels,
        set.ks_base_log,
        set.ks_levels,
        set.message_bits as usize,
    ];
    let sizes: Vec<u8> = sizes
        .iter()
        .flat_map(|size| (*size as u64).to_le_bytes())
        .collect();
    let noise = [set.lwe_noise, set.glwe_noise].map(f64::to_le_bytes);
    Digest::of(
        "cryptodl tfhe parameters 1",
        &[set.name.as_bytes(), &sizes, noise.as_flattened()],
    )
}

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
