//! From a trained network to a circuit and its plan in one call.

use super::cost::CostTable;
use super::error::CircuitError;
use super::fold::fold;
use super::plan::{Plan, plan_with};
use super::types::Circuit;
use cryptodl_model::{PreActivation, TrainedNetwork};
use cryptodl_spec::EncryptionSpec;

/// Bits of the weights that are tried where the spec leaves them open.
const WEIGHT_BITS: [u32; 3] = [8, 9, 10];
/// Bits by which the predicted rounding has to be better than what is asked for: on trained networks it was up to one and a half too
/// hopeful, and rounding, unlike noise, is the same in every batch.
const MARGIN: f64 = 1.0;

/// Folds and plans `network`, by the fixed costs; with [`EncryptionSpec::weight_bits`] open, the fewest of 8 to 10 bits at which the rounding
/// of the weights is predicted to change the logits by less than half of what the noise may.
///
/// Rounding is predicted, not measured, so no images are needed: every weight off by its variance, values of their root mean square.
///
/// # Errors
/// As [`fold`] and [`plan`](super::plan()).
pub fn compile(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
    encryption: &EncryptionSpec,
) -> Result<(Circuit, Plan), CircuitError> {
    compile_with(network, ranges, encryption, &CostTable::default())
}

/// As [`compile`], by the costs of this machine.
///
/// # Errors
/// As [`compile`].
pub fn compile_with(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
    encryption: &EncryptionSpec,
    costs: &CostTable,
) -> Result<(Circuit, Plan), CircuitError> {
    let attempt = |bits: u32| -> Result<(Circuit, Plan), CircuitError> {
        let circuit = fold(network, ranges, bits)?;
        let plan = plan_with(&circuit, encryption, costs)?;
        Ok((circuit, plan))
    };
    if let Some(bits) = encryption.weight_bits {
        return attempt(bits);
    }
    let wanted = encryption
        .precision_bits
        .unwrap_or(EncryptionSpec::DEFAULT_PRECISION_BITS);
    let mut best = attempt(WEIGHT_BITS[0])?;
    for bits in &WEIGHT_BITS[1..] {
        if best.1.rounding_bits >= wanted + MARGIN {
            break;
        }
        // More bits may not fit where fewer did.
        match attempt(*bits) {
            Ok(finer) => best = finer,
            Err(CircuitError::TooDeep { .. } | CircuitError::NoPlan { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(best)
}
