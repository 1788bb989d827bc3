//! How large values get: the measured ranges of the training data, and what a polynomial makes of them.

use super::error::CircuitError;
use super::monic::Monic;
use cryptodl_model::{PreActivation, TrainedNetwork};
use cryptodl_records::Evaluation;

/// How far past the measured range a value may go before the plan no longer covers it: each end moves out by half of the largest
/// |value| that the channel had. One image past q/2 ruins its whole batch, so this is generous; it costs about half a bit of modulus.
pub const RANGE_MARGIN: f64 = 1.5;

/// A channel that was (nearly) silent in the training data may still speak in a test image: its range is at least this share of the layer's.
const SILENT_CHANNEL: f64 = 0.125;

/// The range of the logits as one more entry of the measured ranges: that of the layer after the network's last.
pub fn output_range(network: &TrainedNetwork, logits: &Evaluation) -> PreActivation {
    let classes = logits.classes.max(1);
    let mut channel_abs_max = vec![0.0_f64; classes];
    let (mut min, mut max, mut sum, mut squares) = (0.0_f64, 0.0_f64, 0.0, 0.0);
    for (index, logit) in logits.logits.iter().enumerate() {
        let logit = f64::from(*logit);
        let largest = &mut channel_abs_max[index % classes];
        *largest = largest.max(logit.abs());
        (min, max) = (min.min(logit), max.max(logit));
        (sum, squares) = (sum + logit, squares + logit * logit);
    }
    let count = logits.logits.len().max(1) as f64;
    let mean: f64 = sum / count;
    PreActivation {
        layer: network.layers.len(),
        min,
        max,
        mean,
        std: (squares / count - mean * mean).max(0.0).sqrt(),
        outside: 0.0,
        channel_abs_max,
        histogram_low: min,
        histogram_high: max,
        histogram: Vec::new(),
    }
}

/// What is known of the size of the logits, margin included; infinite where they were not measured.
pub(super) fn output_bound(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
) -> Result<f64, CircuitError> {
    let layer = network.layers.len();
    let Some(measured) = ranges.iter().find(|range| range.layer == layer) else {
        return Ok(f64::INFINITY);
    };
    let (low, high) = widest(&channel_ranges(measured, network.classes)?);
    Ok(RANGE_MARGIN * high.max(-low))
}

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
