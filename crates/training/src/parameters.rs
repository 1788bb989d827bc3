//! Every trained number of a network as one flat vector, so that optimiser, average, clipping and checkpoint are one loop each.

use cryptodl_model::{Role, TrainedLayer, TrainedNetwork};
use polyapprox::Interval;
use std::ops::Range;

/// How polynomial coefficients stand in the flat vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Coefficients {
    /// As they are, and not trained.
    Frozen,
    /// Trained, the coefficient of `x^k` in units of `2^(-k exponent)`.
    ///
    /// On an interval that reaches to about `2^exponent` a unit then means the same for every power. Without this, steps of equal
    /// size that hardly move a constant term throw the polynomial off at the interval's ends: the higher the degree, the further.
    /// The units are powers of two, so that going from one form to the other and back loses no bit.
    Trained {
        /// log2 of the interval's reach, rounded.
        exponent: i32,
    },
    /// Trained in the form of [`super::hermite`]: the rows hold offset, gain and quadratic part, and batch norm has no trained numbers.
    HermiteNormalized {
        /// The fixed linear part.
        linear: f32,
    },
}

impl Coefficients {
    /// Trained, in units that fit the interval.
    pub fn trained_on(interval: Interval) -> Self {
        let reach = interval.low().abs().max(interval.high().abs());
        Self::Trained {
            exponent: reach.log2().round() as i32,
        }
    }

    /// The units of the coefficients of a polynomial, in ascending powers.
    fn units(self, degree: usize) -> Vec<f32> {
        match self {
            Self::Frozen | Self::HermiteNormalized { .. } => vec![1.0; degree + 1],
            Self::Trained { exponent } => (0..=degree as i32)
                .map(|power| (-power * exponent) as f32)
                .map(f32::exp2)
                .collect(),
        }
    }
}

/// One run of numbers in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    /// Index of the layer.
    pub layer: usize,
    /// What it is.
    pub role: Role,
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether training moves it.
    pub trainable: bool,
    /// For the weights of a convolution, how many filters they are; 0 for everything else.
    pub filters: usize,
    /// What the flat numbers are multiplied by to get the network's, over and over from the first on.
    pub units: Vec<f32>,
}

impl Segment {
    /// The unit of every number of the run.
    pub fn every_unit(&self) -> impl Iterator<Item = f32> {
        self.units.iter().copied().cycle().take(self.range.len())
    }
}

/// Where each trained number of a network lies in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    segments: Vec<Segment>,
    len: usize,
    coefficients: Coefficients,
}

impl Parameters {
    /// The layout of `network`.
    pub fn of(network: &TrainedNetwork, coefficients: Coefficients) -> Self {
        let (mut segments, mut len) = (Vec::new(), 0);
        for (layer, numbers) in network.layers.iter().enumerate() {
            for (role, _, values) in numbers.tensors() {
                if !role.is_trained() {
                    continue;
                }
                let range = len..len + values.len();
                len = range.end;
                let units = match numbers {
                    TrainedLayer::Polynomial(numbers) => coefficients.units(numbers.degree),
                    _ => vec![1.0],
                };
                let filters = match (numbers, role) {
                    (TrainedLayer::Conv(conv), Role::Weight) => conv.out_channels,
                    _ => 0,
                };
                let trainable = match coefficients {
                    Coefficients::Frozen => role != Role::Coefficients,
                    Coefficients::Trained { .. } => true,
                    // A norm with a factor could evade every penalty on its outputs by making it small.
                    Coefficients::HermiteNormalized { .. } => {
                        !matches!(role, Role::Gamma | Role::Beta)
                    }
                };
                segments.push(Segment {
                    layer,
                    role,
                    range,
                    trainable,
                    filters,
                    units,
                });
            }
        }
        Self {
            segments,
            len,
            coefficients,
        }
    }

    /// How polynomial coefficients stand in the flat vector.
    pub const fn coefficients(&self) -> Coefficients {
        self.coefficients
    }

    /// The runs, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Numbers in the flat vector.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The network's numbers, flat.
    pub fn gather(&self, network: &TrainedNetwork) -> Vec<f32> {
        let mut flat = Vec::with_capacity(self.len);
        let tensors = network.layers.iter().flat_map(TrainedLayer::tensors);
        let trained = tensors.filter(|(role, ..)| role.is_trained());
        for ((_, _, values), segment) in trained.zip(&self.segments) {
            flat.extend(
                values
                    .iter()
                    .zip(segment.every_unit())
                    .map(|(value, unit)| value / unit),
            );
        }
        flat
    }

    /// Puts flat numbers into the network that this layout was made of.
    pub fn scatter(&self, flat: &[f32], network: &mut TrainedNetwork) {
        let layers = network.layers.iter_mut();
        let tensors = layers.flat_map(TrainedLayer::tensors_mut);
        let trained = tensors.filter(|(role, ..)| role.is_trained());
        for ((_, _, values), segment) in trained.zip(&self.segments) {
            let flat = flat[segment.range.clone()].iter().zip(segment.every_unit());
            for (value, (flat, unit)) in values.iter_mut().zip(flat) {
                *value = flat * unit;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    #[test]
    fn gather_and_scatter_are_inverse_and_frozen_coefficients_are_marked() {
        let network = reference::network(3);
        for coefficients in [Coefficients::Frozen, Coefficients::Trained { exponent: 2 }] {
            let parameters = Parameters::of(&network, coefficients);
            let flat = parameters.gather(&network);
            assert_eq!(flat.len(), parameters.len());
            let mut other = network.clone();
            let doubled: Vec<f32> = flat.iter().map(|value| 2.0 * value).collect();
            parameters.scatter(&doubled, &mut other);
            assert_ne!(other, network);
            assert_eq!(parameters.gather(&other), doubled);
            parameters.scatter(&flat, &mut other);
            assert_eq!(other, network);
            for segment in parameters.segments() {
                let frozen =
                    coefficients == Coefficients::Frozen && segment.role == Role::Coefficients;
                assert_eq!(segment.trainable, !frozen);
            }
        }
    }

    #[test]
    fn a_unit_of_a_trained_coefficient_weighs_the_same_at_the_end_of_the_interval() {
        let coefficients = Coefficients::trained_on(Interval::new(-4.5, 1.0).unwrap());
        assert_eq!(coefficients, Coefficients::Trained { exponent: 2 });
        assert_eq!(coefficients.units(3), [1.0, 0.25, 0.0625, 0.015625]);
        assert_eq!(Coefficients::Frozen.units(1), [1.0, 1.0]);
    }
}
