//! `[encryption]`: engine, security, precision.

use super::field::{choice, choice_or_auto, label, real_or_auto, whole, whole_or_auto};
use crate::error::Problem;
use crate::raw::RawEncryption;
use crate::{BackendName, DatasetSpec, EncryptionSpec};
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
/// Below, a sum has no room; above, one bootstrap takes a second.
const MESSAGE_BITS: RangeInclusive<u32> = 3..=7;
/// How many images are encrypted one at a time unless the spec says otherwise.
const TFHE_IMAGES: usize = 100;
const MEMORY_GIB: RangeInclusive<f64> = 0.25..=65536.0;

pub(super) fn check(raw: &RawEncryption, dataset: &DatasetSpec) -> Result<EncryptionSpec, Problem> {
    let backend = choice(&raw.backend, "encryption.backend", BackendName::Ckks)?;
    let security_bits = whole(
        &raw.security_bits,
        "encryption.security_bits",
        SECURITY_BITS,
        SECURITY_BITS..=256,
    )?;
    if let Some(value) = &raw.security_bits
        && !ckks::SECURITY_LEVELS.contains(&security_bits)
    {
        let levels = ckks::SECURITY_LEVELS.map(|level| level.to_string());
        return Err(Problem::new(format!("there are no parameters for {security_bits} bits of security"))
            .at(value.span(), format!("one of {} is wanted", levels.join(", ")))
            .help("the table in use (eprint 2024/463, Table 5.2, classical) is the one the engine enforces"));
    }
    let (_, test) = dataset.counts();
    // One image at a time, seconds each: nobody waits for ten thousand unless they say so.
    let all = if backend.bootstraps() {
        TFHE_IMAGES.min(test)
    } else {
        test
    };
    for (name, place) in [
        ("message_bits", label(&raw.message_bits)),
        ("pixel_bits", label(&raw.pixel_bits)),
    ] {
        if place.is_some() && !backend.bootstraps() {
            return Err(
                Problem::new(format!("`encryption.{name}` is about look-ups"))
                    .at_some(place, "only the backend `tfhe` has them")
                    .at_some(
                        label(&raw.backend),
                        format!("this is `{}`", backend.as_str()),
                    )
                    .help("write backend = \"tfhe\", or leave it out"),
            );
        }
    }
    let views = whole(&raw.views, "encryption.views", 1, 1..=2)?;
    if views > 1 && backend.bootstraps() {
        return Err(
            Problem::new("look-ups evaluate one view of an image at a time")
                .at_some(label(&raw.views), "this asks for two")
                .at_some(label(&raw.backend), "this backend has one")
                .help("leave `views` out, or write backend = \"ckks\""),
        );
    }
    let pixel_bits = whole_or_auto(&raw.pixel_bits, "encryption.pixel_bits", 1..=8)?;
    if pixel_bits.is_some_and(|bits: u32| !bits.is_power_of_two()) {
        return Err(Problem::new("`encryption.pixel_bits` is 1, 2, 4 or 8")
            .at_some(label(&raw.pixel_bits), "not a divisor of 8")
            .help("then the steps of a pixel divide 255, and black and white stay what they are"));
    }
    let images = whole(&raw.images, "encryption.images", all, 1..=test).map_err(|problem| {
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
        views,
        repetitions: whole(&raw.repetitions, "encryption.repetitions", 1, 1..=100)?,
        message_bits: whole_or_auto(&raw.message_bits, "encryption.message_bits", MESSAGE_BITS)?,
        pixel_bits,
    })
}
