//! Trained network to integers between look-up tables, calibrated on training images.
//!
//! The walk carries, per image, the integers that ciphertexts will hold, and what they stand for: `true = alpha carried + shift`, alpha per
//! channel, shift per feature. Batch norm and pooling change those two alone; a weighted layer takes them up into its weights and its
//! constant; an activation ends the sum, whose integer weights are as fine as its values on the calibration images leave room for.

mod hidden;
mod last;
mod weights;

use super::error::PbsError;
use super::table::Activation;
use super::types::{IntegerSum, PbsCircuit};
use crate::error::CircuitError;
use crate::float_layer::FloatLayer;
use cryptodl_data::Images;
use cryptodl_model::{TrainedLayer, TrainedNetwork};
use cryptodl_spec::{Shape, Window};
use weights::apply;

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

/// Quantises `network`; `images` are training images.
///
/// # Errors
/// [`PbsError`] for networks without a place for look-ups.
pub fn quantise(
    network: &TrainedNetwork,
    images: &Images,
    bits: Bits,
) -> Result<PbsCircuit, CircuitError> {
    cryptodl_model::shapes(network)?;
    if images.is_empty() {
        return Err(PbsError::NoImages.into());
    }
    let mut circuit = PbsCircuit {
        input: network.input,
        pixel_bits: bits.pixel,
        message_bits: bits.message,
        layers: Vec::new(),
        logits: IntegerSum {
            name: String::new(),
            kind: crate::LinearKind::Dense,
            maps: Vec::new(),
            constants: Vec::new(),
        },
        logit_bits: 0,
        logit_step: 1.0,
        logit_bound: None,
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
    fn linear(&mut self, index: usize, layer: &TrainedLayer) -> Result<(), PbsError> {
        match layer {
            TrainedLayer::Conv(conv) => {
                let name = self.name("conv");
                self.weights(index, FloatLayer::conv(name, self.shape, conv))
            }
            TrainedLayer::Dense(dense) => {
                let name = self.name("dense");
                self.weights(index, FloatLayer::dense(name, dense))
            }
            TrainedLayer::BatchNorm(norm) => {
                let plane = self.shape.plane();
                for (channel, (factor, offset)) in norm.affine().enumerate() {
                    self.alpha[channel] *= factor;
                    for value in &mut self.shift[channel * plane..(channel + 1) * plane] {
                        *value = factor * *value + offset;
                    }
                }
                Ok(())
            }
            TrainedLayer::AvgPool { size, stride } => {
                let window = Window::unpadded(*size, *stride);
                let pool = FloatLayer::pool(format!("pool{index}"), self.shape, window);
                let count = (size * size) as f64;
                self.alpha.iter_mut().for_each(|alpha| *alpha /= count);
                self.shift = apply(&pool, &self.shift);
                self.shift.iter_mut().for_each(|shift| *shift /= count);
                self.shape = pool.shape;
                self.chain.push(pool);
                Ok(())
            }
            // `Activation::of` knows the rest, but for a polynomial that is none.
            TrainedLayer::Polynomial(_) | TrainedLayer::Function { .. } => Err(PbsError::Network {
                layer: index,
                what: "an activation without coefficients",
                wanted: "a polynomial",
            }),
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn weights(&mut self, index: usize, mut layer: FloatLayer) -> Result<(), PbsError> {
        if self.weighted.is_some() {
            return Err(PbsError::Network {
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

    fn weighted_name(&self) -> String {
        self.chain[self.weighted.unwrap_or_default()].name.clone()
    }

    fn weighted_kind(&self) -> crate::LinearKind {
        self.chain[self.weighted.unwrap_or_default()].kind
    }
}
