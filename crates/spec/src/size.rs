//! How big a checked network is: weights, multiply-accumulates, multiplicative depth.

use super::{Experiment, LayerSpec, NetworkSpec, Shape};

impl LayerSpec {
    /// The name in a spec.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::BatchNorm => "batch-norm",
            Self::Activation => "activation",
            Self::AvgPool { .. } => "avg-pool",
            Self::GlobalAvgPool => "global-avg-pool",
            Self::Dense { .. } => "dense",
        }
    }

    /// Weights, biases, and batch norm's scales and shifts, given the input's shape. Activation coefficients are not counted.
    pub fn parameters(&self, input: Shape) -> u64 {
        let product = |factors: &[usize]| {
            factors.iter().fold(1_u64, |product, &factor| {
                product.saturating_mul(factor as u64)
            })
        };
        match *self {
            Self::Conv {
                channels, kernel, ..
            } => {
                product(&[channels, input.channels, kernel, kernel]).saturating_add(channels as u64)
            }
            Self::Dense { units } => product(&[units, input.channels, input.height, input.width])
                .saturating_add(units as u64),
            Self::BatchNorm => product(&[2, input.channels]),
            Self::Activation | Self::AvgPool { .. } | Self::GlobalAvgPool => 0,
        }
    }

    /// Multiply-accumulates for one image, given both shapes; zero padding counts as weight 0.
    pub fn macs(&self, input: Shape, output: Shape) -> u64 {
        let positions = output.len() as u64;
        match *self {
            Self::Conv { kernel, .. } => positions * (input.channels * kernel * kernel) as u64,
            Self::Dense { .. } => positions * input.len() as u64,
            Self::AvgPool { size, .. } => positions * (size * size) as u64,
            Self::GlobalAvgPool => input.len() as u64,
            Self::BatchNorm | Self::Activation => 0,
        }
    }
}

impl NetworkSpec {
    /// Each layer with its input and output shape.
    pub fn steps(&self) -> impl Iterator<Item = (&LayerSpec, Shape, Shape)> {
        let inputs = std::iter::once(self.input).chain(self.shapes.iter().copied());
        self.layers
            .iter()
            .zip(inputs)
            .zip(&self.shapes)
            .map(|((layer, input), output)| (layer, input, *output))
    }

    /// Trainable numbers, activation coefficients left out.
    pub fn parameters(&self) -> u64 {
        self.steps()
            .map(|(layer, input, _)| layer.parameters(input))
            .sum()
    }

    /// Multiply-accumulates of one image's linear layers.
    pub fn macs(&self) -> u64 {
        self.steps()
            .map(|(layer, input, output)| layer.macs(input, output))
            .sum()
    }

    /// Number of activation layers.
    pub fn activations(&self) -> usize {
        self.layers
            .iter()
            .filter(|layer| **layer == LayerSpec::Activation)
            .count()
    }
}

impl Experiment {
    /// Ciphertext-ciphertext multiplications in a row: `ceil(log2 degree)` for each activation.
    pub fn multiplicative_depth(&self) -> usize {
        self.network.activations() * levels(self.activation.degree)
    }
}

/// `ceil(log2 degree)`: what a power of that degree costs, and with it the whole polynomial.
pub(super) const fn levels(degree: usize) -> usize {
    degree.next_power_of_two().trailing_zeros() as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_a_polynomial() {
        assert_eq!([2, 3, 4, 5, 8, 9].map(levels), [1, 2, 2, 3, 3, 4]);
    }

    #[test]
    fn sizes_of_the_mnist_network() {
        let experiment = Experiment::from_str_named(
            "name = \"a\"\ndataset.name = \"mnist\"\nnetwork.batch_norm = false",
            "a.toml",
            &[],
        )
        .unwrap();
        let network = &experiment.network;
        // conv 1 -> 16, conv 16 -> 32, dense 512 -> 64, dense 64 -> 10, each with its biases.
        assert_eq!(
            network.parameters(),
            (25 * 16 + 16) + (16 * 25 * 32 + 32) + (512 * 64 + 64) + (64 * 10 + 10)
        );
        assert_eq!(
            network.macs(),
            144 * 16 * 25 + 16 * 32 * 16 * 25 + 512 * 64 + 64 * 10
        );
        assert_eq!(network.activations(), 3);
        assert_eq!(experiment.multiplicative_depth(), 3);
    }
}
