//! How large values get: the measured ranges of the training data, and what a polynomial makes of them.

use super::error::CircuitError;
use super::monic::Monic;
use crate::model::PreActivation;

/// How far past the measured range a value may go before the plan no longer covers it: each end moves out by half of the largest
/// |value| that the channel had. One image past q/2 ruins its whole batch, so this is generous; it costs about half a bit of modulus.
pub const RANGE_MARGIN: f64 = 1.5;

/// A channel that was (nearly) silent in the training data may still speak in a test image: its range is at least this share of the layer's.
const SILENT_CHANNEL: f64 = 0.125;

/// Smallest and largest input of every channel, as measured; a silent channel gets a share of the layer's range.
pub(super) fn channel_ranges(
    measured: &PreActivation,
    channels: usize,
) -> Result<Vec<(f64, f64)>, CircuitError> {
    let layer = measured.layer;
    let found = measured.channel_abs_max.len();
    let all = measured
        .channel_abs_max
        .iter()
        .chain([&measured.min, &measured.max]);
    if found != channels
        || measured.min > measured.max
        || all.clone().any(|value| !value.is_finite())
    {
        return Err(CircuitError::Range {
            layer,
            found,
            wanted: channels,
        });
    }
    let reach = all.fold(0.0, |reach: f64, value| reach.max(value.abs()));
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let ends = measured.channel_abs_max.iter().map(|largest| {
        let largest = largest.max(SILENT_CHANNEL * reach);
        let (low, high) = (measured.min.max(-largest), measured.max.min(largest));
        if low < high {
            (low, high)
        } else {
            (-largest, largest)
        }
    });
    Ok(ends.collect())
}

/// From the lowest end of any channel to the highest.
pub(super) fn widest(ends: &[(f64, f64)]) -> (f64, f64) {
    ends.iter()
        .fold((0.0, 0.0), |(low, high): (f64, f64), end| {
            (low.min(end.0), high.max(end.1))
        })
}

/// Smallest and largest value of the monic polynomial between `low` and `high`, by sampling, with a little to spare.
pub(super) fn image(monic: &Monic, (low, high): (f64, f64)) -> (f64, f64) {
    const STEPS: u32 = 512;
    let (mut smallest, mut largest) = (0.0_f64, 0.0_f64);
    for step in 0..=STEPS {
        let value = monic.value(low + (high - low) * f64::from(step) / f64::from(STEPS));
        (smallest, largest) = (smallest.min(value), largest.max(value));
    }
    let spare = 0.01 * (largest - smallest);
    (
        if smallest < 0.0 {
            smallest - spare
        } else {
            0.0
        },
        largest + spare,
    )
}
