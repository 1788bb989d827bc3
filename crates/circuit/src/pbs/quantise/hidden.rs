//! A sum that look-ups end: integer weights as fine as its values on the calibration images leave room for, and the tables.

use rayon::prelude::*;

use super::Walk;
use super::weights::{apply, grids, moved};
use crate::error::CircuitError;
use crate::float_layer::FloatLayer;
use crate::pbs::table::{Activation, Levels, half_turn};
use crate::pbs::types::{IntegerSum, PbsLayer};
use ckks::LinearMap;

/// Times that a layer's steps are widened before they are taken as they are; each time fits better.
const ROUNDS: usize = 12;
/// Room at both ends of a table, as a share of it: test images reach a little further than the calibration images.
const GUARD: f64 = 0.05;

impl Walk {
    /// Ends the sum with look-ups.
    pub(super) fn activation(&mut self, activation: &Activation) -> Result<PbsLayer, CircuitError> {
        if self.weighted.is_none() {
            // Two activations in a row: the integers go through as they are.
            let name = self.name("scale");
            self.weighted = Some(self.chain.len());
            self.chain.push(FloatLayer::identity(name, self.shape));
        }
        self.activations -= 1;
        let messages = 1_usize << self.bits.message;
        let last = self.activations == 0;
        // Only pixels come with so little noise that a sum of them may pass the look-up by.
        let half = activation.is_relu() && last && self.names == 1;
        let (maps, steps, ranges) = self.fit(half, messages)?;
        let plane = self.shape.height * self.shape.width;
        let outputs = self.shape.len();
        let moved = moved(&self.chain, &maps, &steps, &self.values);
        for (feature, moved) in moved.into_iter().enumerate() {
            self.shift[feature] += self.alpha[feature / plane] * moved;
        }
        let mut layer = PbsLayer {
            sum: IntegerSum {
                name: self.weighted_name(),
                kind: self.weighted_kind(),
                maps,
                constants: vec![0; outputs],
            },
            name: format!("{}{}", activation.name(), self.names),
            tables: Vec::new(),
            table_of: Vec::with_capacity(outputs),
            through: i64::from(half),
        };
        let levels = if last {
            (1_i64 << self.bits.activation) - 1
        } else {
            (1_i64 << self.bits.hidden) - 1
        };
        let mut shift = vec![0.0; outputs];
        let mut alpha = vec![1.0; self.shape.channels];
        for channel in 0..self.shape.channels {
            let slope = self.alpha[channel] * steps[channel];
            let (low, high) = ranges[channel];
            let features = channel * plane..(channel + 1) * plane;
            // Neighbours in a channel mostly share their table: with padding alone, the offset depends on the position.
            let mut offsets: Vec<f64> = self.shift[features.clone()].to_vec();
            offsets.sort_by(f64::total_cmp);
            offsets.dedup();
            let first = layer.tables.len();
            let constant = (messages as i64 - 1 - high - low).div_euclid(2);
            if low == high {
                // Always the same: a constant of the next sum, and an entry that nothing reads.
                layer.tables.push(vec![0; messages]);
                alpha[channel] = 0.0;
                for feature in features {
                    shift[feature] =
                        activation.value(channel, slope * low as f64 + self.shift[feature]);
                    layer.table_of.push(first as u32);
                }
                continue;
            }
            if half {
                for offset in &offsets {
                    layer.tables.push(half_turn(messages, -offset / slope));
                }
                alpha[channel] = slope / 2.0;
            } else {
                let x =
                    |sum: i64, offset: f64| activation.value(channel, slope * sum as f64 + offset);
                let levels = Levels::over(
                    levels,
                    (low..=high)
                        .flat_map(|sum| offsets.iter().map(move |offset| (sum, *offset)))
                        .map(|(sum, offset)| x(sum, offset)),
                );
                for offset in &offsets {
                    layer
                        .tables
                        .push(levels.table(messages, |index| x(index as i64 - constant, *offset)));
                }
                alpha[channel] = levels.step;
                shift[features.clone()].fill(levels.middle);
            }
            for feature in features {
                let offset = self.shift[feature];
                let table = offsets.partition_point(|other| other.total_cmp(&offset).is_lt());
                layer.table_of.push((first + table) as u32);
                if half {
                    // relu = slope / 2 (sum + entry + messages / 2 - kink), the sum without a constant
                    shift[feature] = slope / 2.0 * (messages as f64 / 2.0 + offset / slope);
                } else {
                    layer.sum.constants[feature] = constant;
                }
            }
        }
        let message_bits = self.bits.message;
        self.values = self
            .values
            .par_iter()
            .map(|values| layer.evaluate(values, message_bits))
            .collect::<Result<_, CircuitError>>()?;
        (self.alpha, self.shift) = (alpha, shift);
        (self.chain, self.weighted) = (Vec::new(), None);
        Ok(layer)
    }

    /// Integer weights as fine as the calibration images leave room for: the maps, the step of every channel's weights (negative where the
    /// slope of the channel is, so that look-ups rise with their index), and every channel's smallest and largest sum.
    #[allow(clippy::type_complexity)]
    fn fit(
        &self,
        half: bool,
        messages: usize,
    ) -> Result<(Vec<LinearMap>, Vec<f64>, Vec<(i64, i64)>), CircuitError> {
        let weighted = self.weighted.unwrap_or_default();
        let (channels, plane) = (self.shape.channels, self.shape.height * self.shape.width);
        let signs: Vec<f64> = self.alpha.iter().map(|alpha| alpha.signum()).collect();
        // Where the sum of every channel should lie at most: a width, or a distance from the kink.
        let room = if half {
            messages as f64 - 1.0
        } else {
            ((messages as f64 - 1.0) * (1.0 - 2.0 * GUARD)).floor()
        };
        let is_sum = self.chain[weighted].is_plain_sum();
        let grid = grids(&self.chain[weighted]);
        let mut steps: Vec<f64> = vec![1.0; channels];
        let mut fixed = vec![is_sum; channels];
        if !is_sum {
            let reach = self.float_reach(half, plane);
            for channel in 0..channels {
                // Half a step of rounding in every weight widens the sum a little; the rounds below find out how much.
                steps[channel] = reach[channel] / room;
                if let Some(step) = grid[channel] {
                    steps[channel] = step;
                }
            }
        }
        let mut rounds = 0;
        loop {
            let signed: Vec<f64> = steps
                .iter()
                .zip(&signs)
                .map(|(step, sign)| step * sign)
                .collect();
            let maps = self.maps(weighted, &signed)?;
            let ranges = self.ranges(&maps, channels, plane)?;
            rounds += 1;
            let mut all = true;
            for channel in 0..channels {
                let (low, high) = ranges[channel];
                let width = if half {
                    let first = channel * plane;
                    let kink = -self.shift[first] / (self.alpha[channel] * signed[channel]);
                    (low as f64 - kink).abs().max((high as f64 - kink).abs())
                } else {
                    (high - low) as f64
                };
                if width > room && !fixed[channel] {
                    // Weights that were trained on a grid stay on it as long as they fit the table without a guard.
                    let hard = messages as f64 - 1.0;
                    if grid[channel].is_some() && (half || width <= hard) {
                        fixed[channel] = true;
                        continue;
                    }
                    steps[channel] *= (width / room).max(1.02);
                    all = false;
                }
            }
            if all || rounds == ROUNDS {
                return Ok((maps, signed, ranges));
            }
        }
    }

    /// What every channel's sum takes in floating point: its width, or its largest distance from the kink.
    fn float_reach(&self, half: bool, plane: usize) -> Vec<f64> {
        let channels = self.shape.channels;
        let ranges: Vec<Vec<(f64, f64)>> = self
            .values
            .par_iter()
            .map(|values| {
                let mut values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
                for layer in &self.chain {
                    values = apply(layer, &values);
                }
                values
                    .chunks(plane)
                    .map(|values| {
                        values
                            .iter()
                            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                                (low.min(*value), high.max(*value))
                            })
                    })
                    .collect()
            })
            .collect();
        (0..channels)
            .map(|channel| {
                let (low, high) = ranges
                    .iter()
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), image| {
                        (low.min(image[channel].0), high.max(image[channel].1))
                    });
                let kink = -self.shift[channel * plane] / self.alpha[channel];
                let reach = if half {
                    (low - kink).abs().max((high - kink).abs())
                } else {
                    high - low
                };
                // A channel that never changes is a constant, whatever its weights: the coarsest step makes them zero.
                if high > low { reach } else { f64::MAX.sqrt() }
            })
            .collect()
    }

    fn ranges(
        &self,
        maps: &[LinearMap],
        channels: usize,
        plane: usize,
    ) -> Result<Vec<(i64, i64)>, CircuitError> {
        let images: Result<Vec<Vec<(i64, i64)>>, CircuitError> = self
            .values
            .par_iter()
            .map(|values| {
                let mut values = values.clone();
                for map in maps {
                    values = map.apply(&values).map_err(ckks::Error::from)?;
                }
                Ok(values
                    .chunks(plane)
                    .map(|values| {
                        values
                            .iter()
                            .fold((i64::MAX, i64::MIN), |(low, high), value| {
                                (low.min(*value), high.max(*value))
                            })
                    })
                    .collect())
            })
            .collect();
        let images = images?;
        Ok((0..channels)
            .map(|channel| {
                images
                    .iter()
                    .fold((i64::MAX, i64::MIN), |(low, high), image| {
                        (low.min(image[channel].0), high.max(image[channel].1))
                    })
            })
            .collect())
    }
}
