//! `[encryption]`: engine, security, precision.

use super::field::{choice, choice_or_auto, real_or_auto, whole, whole_or_auto};
use crate::spec::error::Problem;
use crate::spec::raw::RawEncryption;
use crate::spec::{BackendName, DatasetSpec, EncryptionSpec};
use std::ops::{Range, RangeInclusive};

/// The engine, and where the spec names it: some activations and layers run on some engines only.
pub(super) struct Backend {
    pub name: BackendName,
    pub label: Option<Range<usize>>,
}

/// The only level with a parameter table (eprint 2024/463, Table 5.2).
const SECURITY_BITS: u32 = 128;
const MAX_THREADS: usize = 1024;
/// Below, the noise is as large as the logits; above, it is beyond what decrypting to `f32` keeps.
const PRECISION_BITS: RangeInclusive<f64> = 0.0..=24.0;
const MEMORY_GIB: RangeInclusive<f64> = 0.25..=65536.0;

pub(super) fn check(raw: &RawEncryption, dataset: &DatasetSpec) -> Result<EncryptionSpec, Problem> {
    let backend = choice(&raw.backend, "encryption.backend", BackendName::Ckks)?;
    let security_bits = whole(
        &raw.security_bits,
        "encryption.security_bits",
        SECURITY_BITS,
        0..=u32::MAX,
    )?;
    if let Some(value) = &raw.security_bits
        && !ckks::SECURITY_LEVELS.contains(&security_bits)
    {
        let levels = ckks::SECURITY_LEVELS.map(|level| level.to_string());
        return Err(Problem::new(format!("there are no parameters for {security_bits} bits of security"))
            .at(value.span(), format!("one of {} is wanted", levels.join(", ")))
            .help("the table in use (eprint 2024/463, Table 5.2, classical) is the one the engine enforces"));
    }
    let test = dataset.test.unwrap_or_else(|| dataset.name.counts().1);
    let images = whole(&raw.images, "encryption.images", test, 1..=test).map_err(|problem| {
        problem.help(format!(
            "there are {test} test images; leave `images` out to encrypt them all"
        ))
    })?;
    Ok(EncryptionSpec {
        backend,
        security_bits,
        images,
        threads: whole(&raw.threads, "encryption.threads", 0, 0..=MAX_THREADS)?,
        ring: choice_or_auto(&raw.ring, "encryption.ring")?,
        relinearization: choice_or_auto(&raw.relinearization, "encryption.relinearization")?,
        weight_bits: whole_or_auto(&raw.weight_bits, "encryption.weight_bits", 4..=12)?,
        scale_bits: whole_or_auto(&raw.scale_bits, "encryption.scale_bits", 8..=30)?,
        precision_bits: real_or_auto(
            &raw.precision_bits,
            "encryption.precision_bits",
            PRECISION_BITS,
        )?,
        memory_gib: real_or_auto(&raw.memory_gib, "encryption.memory_gib", MEMORY_GIB)?,
    })
}
