//! Trained network to integers between look-up tables, calibrated on training images.
//!
//! The walk carries, per image, the integers that ciphertexts will hold, and what they stand for: `true = alpha carried + shift`, alpha per
//! channel, shift per feature. Batch norm and pooling change those two alone; a weighted layer takes them up into its weights and its
//! constant; an activation ends the sum, whose integer weights are as fine as its values on the calibration images leave room for.

use rayon::prelude::*;

use super::error::LookupError;
use super::table::{Activation, Levels, half_turn};
use super::types::{IntegerSum, LookupCircuit, LookupLayer};
use crate::circuit::error::CircuitError;
use crate::circuit::float_layer::{FloatLayer, Window};
use crate::circuit::integer_map::apply_map;
use crate::data::Images;
use crate::model::{TrainedLayer, TrainedNetwork};
use crate::spec::Shape;
use ckks::{Group, LinearMap, PADDING};

/// How many bits everything gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Of a pixel.
    pub pixel: u32,
    /// Of a look-up's index: a table has `2^message` entries.
    pub message: u32,
    /// Of what a table gives to the logits.
    pub activation: u32,
    /// Of what a table gives to another sum with look-ups.
    pub hidden: u32,
    /// Of the last layer's weights, sign included.
    pub weight: u32,
}

/// Times that a layer's steps are widened before they are taken as they are; each time fits better.
const ROUNDS: usize = 12;
/// Room at both ends of a table, as a share of it: test images reach a little further than the calibration images.
const GUARD: f64 = 0.05;
/// The logits get this much more room than the calibration images needed.
const LOGIT_MARGIN: f64 = 1.25;
/// Shares of the largest weight of the last layer that are tried as its reach.
const CLIPS: [f64; 10] = [1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.22, 0.16, 0.1];
/// How near to a grid weights must lie to be taken as trained on it, as a share of its step.
const ON_GRID: f64 = 2e-3;
/// The most steps of a grid that training is taken to have used.
const MAX_GRID: i64 = 64;

/// Quantises `network`; `images` are training images.
///
/// # Errors
/// [`LookupError`] for networks without a place for look-ups.
pub fn quantise(
    network: &TrainedNetwork,
    images: &Images,
    bits: Bits,
) -> Result<LookupCircuit, CircuitError> {
    crate::model::shapes(network)?;
    if images.is_empty() {
        return Err(LookupError::NoImages.into());
    }
    let mut circuit = LookupCircuit {
        input: network.input,
        pixel_bits: bits.pixel,
        message_bits: bits.message,
        layers: Vec::new(),
        logits: IntegerSum {
            name: String::new(),
            kind: crate::circuit::LinearKind::Dense,
            maps: Vec::new(),
            constants: Vec::new(),
        },
        logit_bits: 0,
        logit_step: 1.0,
    };
    let levels = f64::from((1_u32 << bits.pixel) - 1);
    let plane = network.input.height * network.input.width;
    let channels = network.mean.iter().zip(&network.std);
    let mut walk = Walk {
        bits,
        shape: network.input,
        alpha: network
            .std
            .iter()
            .map(|std| 1.0 / (levels * f64::from(*std)))
            .collect(),
        shift: channels
            .flat_map(|(mean, std)| std::iter::repeat_n(-f64::from(*mean) / f64::from(*std), plane))
            .collect(),
        chain: Vec::new(),
        weighted: None,
        values: (0..images.len())
            .map(|index| circuit.pixels(images.image(index)))
            .collect(),
        names: 0,
        activations: network
            .layers
            .iter()
            .filter(|layer| Activation::of(layer).is_some())
            .count(),
    };
    for (index, layer) in network.layers.iter().enumerate() {
        if let Some(activation) = Activation::of(layer) {
            circuit.layers.push(walk.activation(&activation)?);
        } else {
            walk.linear(index, layer)?;
        }
    }
    walk.logits(&mut circuit)?;
    circuit.check()?;
    Ok(circuit)
}

/// The state of the walk.
struct Walk {
    bits: Bits,
    shape: Shape,
    alpha: Vec<f64>,
    shift: Vec<f64>,
    /// Linear layers since the last activation.
    chain: Vec<FloatLayer>,
    /// Which of them has the weights.
    weighted: Option<usize>,
    /// `[images][features]`
    values: Vec<Vec<i64>>,
    names: usize,
    /// Activations to come.
    activations: usize,
}

impl Walk {
    fn linear(&mut self, index: usize, layer: &TrainedLayer) -> Result<(), LookupError> {
        match layer {
            TrainedLayer::Conv {
                kernel,
                stride,
                padding,
                weight,
                bias,
                ..
            } => {
                let window = Window {
                    size: *kernel,
                    stride: *stride,
                    padding: *padding,
                };
                let name = self.name("conv");
                self.weights(
                    index,
                    FloatLayer::conv(name, self.shape, window, weight, bias),
                )
            }
            TrainedLayer::Dense {
                inputs,
                weight,
                bias,
                ..
            } => {
                let name = self.name("dense");
                self.weights(index, FloatLayer::dense(name, *inputs, weight, bias))
            }
            TrainedLayer::BatchNorm {
                gamma,
                beta,
                mean,
                variance,
                epsilon,
            } => {
                let plane = self.shape.height * self.shape.width;
                for channel in 0..self.shape.channels {
                    let factor =
                        f64::from(gamma[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
                    let offset = f64::from(beta[channel]) - factor * f64::from(mean[channel]);
                    self.alpha[channel] *= factor;
                    for value in &mut self.shift[channel * plane..(channel + 1) * plane] {
                        *value = factor * *value + offset;
                    }
                }
                Ok(())
            }
            TrainedLayer::AvgPool { size, stride } => {
                let window = Window {
                    size: *size,
                    stride: *stride,
                    padding: 0,
                };
                let pool = FloatLayer::sum(format!("pool{index}"), self.shape, window);
                let count = (size * size) as f64;
                self.alpha.iter_mut().for_each(|alpha| *alpha /= count);
                self.shift = apply(&pool, &self.shift);
                self.shift.iter_mut().for_each(|shift| *shift /= count);
                self.shape = pool.shape;
                self.chain.push(pool);
                Ok(())
            }
            TrainedLayer::MaxPool { .. } => Err(LookupError::Network {
                layer: index,
                what: "max-pool",
                wanted: "average pooling",
            }),
            // `Activation::of` knows the rest, but for a polynomial that is none.
            TrainedLayer::Polynomial { .. } | TrainedLayer::Function(_) => {
                Err(LookupError::Network {
                    layer: index,
                    what: "an activation without coefficients",
                    wanted: "a polynomial",
                })
            }
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn weights(&mut self, index: usize, mut layer: FloatLayer) -> Result<(), LookupError> {
        if self.weighted.is_some() {
            return Err(LookupError::Network {
                layer: index,
                what: "two layers with weights and no activation between them",
                wanted: "an activation there, or one layer in their place",
            });
        }
        let plane = self.shape.height * self.shape.width;
        let mut shift = apply(&layer, &self.shift);
        for (value, bias) in shift.iter_mut().zip(&layer.bias) {
            *value += bias;
        }
        layer.bias.clear();
        layer.absorb(&self.alpha, &vec![0.0; self.alpha.len()], plane);
        self.shift = shift;
        self.shape = layer.shape;
        self.alpha = vec![1.0; self.shape.channels];
        self.weighted = Some(self.chain.len());
        self.chain.push(layer);
        Ok(())
    }

    /// Ends the sum with look-ups.
    fn activation(&mut self, activation: &Activation) -> Result<LookupLayer, CircuitError> {
        if self.weighted.is_none() {
            // Two activations in a row: the integers go through as they are.
            let name = self.name("scale");
            let window = Window {
                size: 1,
                stride: 1,
                padding: 0,
            };
            self.weighted = Some(self.chain.len());
            self.chain.push(FloatLayer::sum(name, self.shape, window));
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
        let mut layer = LookupLayer {
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

    /// The chain with integer weights, those of channel `c` being `round(weight / steps[c])`.
    fn maps(&self, weighted: usize, steps: &[f64]) -> Result<Vec<LinearMap>, CircuitError> {
        self.chain
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let mut start = 0;
                let mut groups = Vec::with_capacity(layer.groups.len());
                for group in &layer.groups {
                    let weights = group
                        .weights
                        .iter()
                        .enumerate()
                        .map(|(at, weight)| {
                            let step = if index == weighted && !layer.is_plain_sum() {
                                steps[at / group.taps]
                            } else {
                                1.0
                            };
                            (weight / step).round() as i16
                        })
                        .collect();
                    let positions = group.gather.len() / group.taps;
                    groups.push(
                        Group::new(start, group.rows, group.taps, weights, group.gather.clone())
                            .map_err(ckks::Error::from)?,
                    );
                    start += group.rows * positions;
                }
                Ok(
                    LinearMap::from_groups(layer.inputs, layer.shape.len(), groups)
                        .map_err(ckks::Error::from)?,
                )
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

    /// The last sum.
    fn logits(&mut self, circuit: &mut LookupCircuit) -> Result<(), CircuitError> {
        let Some(weighted) = self.weighted else {
            return Err(LookupError::Network {
                layer: self.names,
                what: "no weights after the last activation",
                wanted: "a dense layer there",
            }
            .into());
        };
        let weights = self.chain[weighted].groups.iter();
        let extreme = weights
            .flat_map(|group| &group.weights)
            .fold(0.0, |extreme: f64, weight| extreme.max(weight.abs()));
        if extreme == 0.0 {
            return Err(LookupError::ZeroWeights {
                layer: self.weighted_name(),
            }
            .into());
        }
        let largest = f64::from((1_u32 << (self.bits.weight - 1)) - 1);
        let step = self.last_step(weighted, extreme, largest);
        let reach = largest * step;
        let before = self.chain.clone();
        for group in &mut self.chain[weighted].groups {
            for weight in &mut group.weights {
                *weight = weight.clamp(-reach, reach);
            }
        }
        let steps = vec![step; self.shape.channels];
        let maps = self.maps(weighted, &steps)?;
        for (shift, moved) in self
            .shift
            .iter_mut()
            .zip(moved(&before, &maps, &steps, &self.values))
        {
            *shift += moved;
        }
        circuit.logits = IntegerSum {
            name: self.weighted_name(),
            kind: self.weighted_kind(),
            maps,
            constants: self
                .shift
                .iter()
                .map(|shift| (shift / step).round() as i64)
                .collect(),
        };
        circuit.logit_step = step;
        let largest = self
            .values
            .par_iter()
            .map(|values| {
                let logits = circuit.logits.evaluate(values)?;
                Ok(logits.iter().map(|value| value.abs()).max().unwrap_or(0))
            })
            .collect::<Result<Vec<i64>, CircuitError>>()?
            .into_iter()
            .max()
            .unwrap_or(0);
        let needed = (largest.max(1) as f64 * LOGIT_MARGIN).log2().ceil() as u32 + 1;
        circuit.logit_bits = needed.max(circuit.message_bits + 1);
        Ok(())
    }

    /// The step of the last weights, of at most `largest` steps each, that moves the logits least: rounding counts with the variance of
    /// what it multiplies, and so does clipping, which is cheap where a large weight reads a neuron that hardly ever changes.
    fn last_step(&self, weighted: usize, extreme: f64, largest: f64) -> f64 {
        let layer = &self.chain[weighted];
        let count = self.values.len() as f64;
        let mut variances = vec![0.0; layer.inputs];
        // Behind a pooling, inputs of the weights are not values of the tables: all count the same.
        if weighted == 0 {
            for (feature, variance) in variances.iter_mut().enumerate() {
                let values = || self.values.iter().map(|values| values[feature] as f64);
                let mean = values().sum::<f64>() / count;
                *variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            }
        } else {
            variances.fill(1.0);
        }
        let cost = |step: f64| -> f64 {
            let groups = layer.groups.iter();
            groups
                .flat_map(|group| {
                    let rows = group.weights.chunks_exact(group.taps);
                    rows.flat_map(|row| row.iter().zip(&group.gather))
                })
                .map(|(weight, input)| {
                    let place = (weight / step).round().clamp(-largest, largest);
                    let variance = variances.get(*input as usize).copied().unwrap_or(0.0);
                    (place * step - weight).powi(2) * variance
                })
                .sum()
        };
        CLIPS
            .iter()
            .map(|clip| clip * extreme / largest)
            .min_by(|one, other| cost(*one).total_cmp(&cost(*other)))
            .unwrap_or(extreme / largest)
    }

    fn weighted_name(&self) -> String {
        self.chain[self.weighted.unwrap_or_default()].name.clone()
    }

    fn weighted_kind(&self) -> crate::circuit::LinearKind {
        self.chain[self.weighted.unwrap_or_default()].kind
    }
}

/// What rounding the weights took from the mean of every sum, in the units of the chain: a constant gives it back.
fn moved(chain: &[FloatLayer], maps: &[LinearMap], steps: &[f64], values: &[Vec<i64>]) -> Vec<f64> {
    let mut means = vec![0.0; values.first().map_or(0, Vec::len)];
    for image in values {
        for (mean, value) in means.iter_mut().zip(image) {
            *mean += *value as f64 / values.len() as f64;
        }
    }
    let mut exact = means.clone();
    for layer in chain {
        exact = apply(layer, &exact);
    }
    let mut rounded = means;
    for map in maps {
        rounded = apply_map(map, &rounded, |sum, value, weight| {
            sum + value * f64::from(weight)
        });
    }
    let plane = exact.len() / steps.len().max(1);
    exact
        .iter()
        .zip(&rounded)
        .enumerate()
        .map(|(feature, (exact, rounded))| exact - steps[feature / plane.max(1)] * rounded)
        .collect()
}

/// Per channel, the grid that its weights were trained on; `None` where they lie on none.
fn grids(layer: &FloatLayer) -> Vec<Option<f64>> {
    layer
        .groups
        .iter()
        .flat_map(|group| group.weights.chunks_exact(group.taps))
        .map(|row| {
            let extreme = row.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            if extreme == 0.0 {
                return None;
            }
            (1..=MAX_GRID)
                .map(|steps| extreme / steps as f64)
                .find(|step| {
                    row.iter().all(|weight| {
                        let place = weight / step;
                        (place - place.round()).abs() < ON_GRID
                    })
                })
        })
        .collect()
}

/// `W x` in floating point, without the bias.
fn apply(layer: &FloatLayer, x: &[f64]) -> Vec<f64> {
    let positions = layer.shape.height * layer.shape.width;
    let mut out = Vec::with_capacity(layer.shape.len());
    for group in &layer.groups {
        for weights in group.weights.chunks_exact(group.taps) {
            out.extend(
                group
                    .gather
                    .chunks_exact(group.taps)
                    .take(positions)
                    .map(|gather| {
                        weights
                            .iter()
                            .zip(gather)
                            .filter(|(_, input)| **input != PADDING)
                            .map(|(weight, input)| weight * x[*input as usize])
                            .sum::<f64>()
                    }),
            );
        }
    }
    out
}
