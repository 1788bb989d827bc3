//! `[encryption]`: engine, security, precision.

use super::field::{choice, whole};
use crate::spec::error::Problem;
use crate::spec::raw::RawEncryption;
use crate::spec::{BackendName, DatasetSpec, EncryptionSpec};
use std::ops::Range;

/// The engine, and where the spec names it: some activations and layers run on some engines only.
pub(super) struct Backend {
    pub name: BackendName,
    pub label: Option<Range<usize>>,
}

/// The only level with a parameter table (eprint 2024/463, Table 5.2).
const SECURITY_BITS: u32 = 128;
const MAX_THREADS: usize = 1024;

pub(super) fn check(raw: &RawEncryption, dataset: &DatasetSpec) -> Result<EncryptionSpec, Problem> {
    let backend = choice(&raw.backend, "encryption.backend", BackendName::Ckks)?;
    let security_bits = whole(
        &raw.security_bits,
        "encryption.security_bits",
        SECURITY_BITS,
        0..=u32::MAX,
    )?;
    if let (Some(value), true) = (&raw.security_bits, security_bits != SECURITY_BITS) {
        return Err(Problem::new(format!("there are no parameters for {security_bits} bits of security"))
            .at(value.span(), format!("only {SECURITY_BITS} is supported"))
            .help("the table in use (eprint 2024/463, Table 5.2, 128-bit classical) is the one the engine enforces"));
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
        weight_bits: whole(&raw.weight_bits, "encryption.weight_bits", 9, 4..=12)?,
        scale_bits: whole(&raw.scale_bits, "encryption.scale_bits", 22, 12..=30)?,
    })
}
