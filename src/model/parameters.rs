//! Every trained number of a network as one flat vector, so that optimiser, average, clipping and checkpoint are one loop each.

use super::network::{TrainedLayer, TrainedNetwork};
use std::ops::Range;

/// What a run of numbers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Weights of a convolution or dense layer: the only numbers that decay.
    Weight,
    /// Bias of a convolution or dense layer.
    Bias,
    /// Batch norm's factor.
    Gamma,
    /// Batch norm's offset.
    Beta,
    /// Ascending polynomial coefficients, `[rows, degree + 1]`.
    Coefficients,
}

/// One run of numbers in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Index of the layer.
    pub layer: usize,
    /// What it is.
    pub role: Role,
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether training moves it.
    pub trainable: bool,
}

/// Where each trained number of a network lies in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    segments: Vec<Segment>,
    len: usize,
}

impl Parameters {
    /// The layout of `network`; polynomial coefficients are trained only where `coefficients` says so.
    pub fn of(network: &TrainedNetwork, coefficients: bool) -> Self {
        let (mut segments, mut len) = (Vec::new(), 0);
        for (layer, numbers) in network.layers.iter().enumerate() {
            for (role, values) in lists(numbers) {
                let range = len..len + values.len();
                len = range.end;
                segments.push(Segment {
                    layer,
                    role,
                    range,
                    trainable: coefficients || role != Role::Coefficients,
                });
            }
        }
        Self { segments, len }
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
        for (_, values) in network.layers.iter().flat_map(lists) {
            flat.extend_from_slice(values);
        }
        flat
    }

    /// Puts flat numbers into the network that this layout was made of.
    pub fn scatter(&self, flat: &[f32], network: &mut TrainedNetwork) {
        let mut rest = flat;
        for (_, values) in network.layers.iter_mut().flat_map(lists_mut) {
            let (head, tail) = rest.split_at(values.len());
            values.copy_from_slice(head);
            rest = tail;
        }
    }
}

/// The trained lists of a layer. Batch norm's mean and variance are measured, not trained, and not among them.
fn lists(layer: &TrainedLayer) -> Vec<(Role, &[f32])> {
    match layer {
        TrainedLayer::Conv { weight, bias, .. } | TrainedLayer::Dense { weight, bias, .. } => {
            let mut lists = vec![(Role::Weight, weight.as_slice())];
            if !bias.is_empty() {
                lists.push((Role::Bias, bias));
            }
            lists
        }
        TrainedLayer::BatchNorm { gamma, beta, .. } => {
            vec![(Role::Gamma, gamma), (Role::Beta, beta)]
        }
        TrainedLayer::Polynomial { coefficients, .. } => vec![(Role::Coefficients, coefficients)],
        TrainedLayer::Function(_) | TrainedLayer::AvgPool { .. } | TrainedLayer::MaxPool { .. } => {
            Vec::new()
        }
    }
}

/// [`lists`], to be written to.
fn lists_mut(layer: &mut TrainedLayer) -> Vec<(Role, &mut [f32])> {
    match layer {
        TrainedLayer::Conv { weight, bias, .. } | TrainedLayer::Dense { weight, bias, .. } => {
            let mut lists = vec![(Role::Weight, weight.as_mut_slice())];
            if !bias.is_empty() {
                lists.push((Role::Bias, bias));
            }
            lists
        }
        TrainedLayer::BatchNorm { gamma, beta, .. } => {
            vec![(Role::Gamma, gamma), (Role::Beta, beta)]
        }
        TrainedLayer::Polynomial { coefficients, .. } => vec![(Role::Coefficients, coefficients)],
        TrainedLayer::Function(_) | TrainedLayer::AvgPool { .. } | TrainedLayer::MaxPool { .. } => {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference;

    #[test]
    fn gather_and_scatter_are_inverse_and_frozen_coefficients_are_marked() {
        let network = reference::network(3);
        let parameters = Parameters::of(&network, false);
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
            assert_eq!(segment.trainable, segment.role != Role::Coefficients);
        }
        assert!(
            Parameters::of(&network, true)
                .segments()
                .iter()
                .all(|segment| segment.trainable)
        );
    }
}
