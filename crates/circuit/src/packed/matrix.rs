//! Linear layers that follow each other without an activation, as one real matrix.

use super::layout::unfit;
use crate::error::CircuitError;
use crate::types::LinearLayer;

/// Entries that a matrix may have.
const MAX_ENTRIES: usize = 1 << 24;

/// `y = W x + b` in real units.
pub(super) struct Matrix {
    pub inputs: usize,
    pub outputs: usize,
    /// `[outputs, inputs]`.
    pub weights: Vec<f64>,
    pub bias: Vec<f64>,
}

impl Matrix {
    /// The product of layers that follow each other, at least one.
    pub fn of(layers: &[&LinearLayer]) -> Result<Self, CircuitError> {
        let Some((first, rest)) = layers.split_first() else {
            return Err(unfit("an activation that no linear layer precedes".into()));
        };
        rest.iter()
            .try_fold(Self::of_layer(first)?, |product, layer| {
                Self::of_layer(layer)?.after(&product)
            })
    }

    fn of_layer(layer: &LinearLayer) -> Result<Self, CircuitError> {
        let (inputs, outputs) = (layer.map.inputs(), layer.map.outputs());
        check_size(&layer.name, inputs, outputs)?;
        let mut weights = vec![0.0; inputs * outputs];
        for group in layer.map.groups() {
            let (taps, positions) = (group.taps(), group.positions());
            for (position, gather) in group.gather().chunks_exact(taps).enumerate() {
                for (row, values) in group.weights().chunks_exact(taps).enumerate() {
                    let output = group.out_start() + row * positions + position;
                    for (&input, &weight) in gather.iter().zip(values) {
                        // The padding's index is none of the inputs.
                        if (input as usize) < inputs {
                            let place = output * inputs + input as usize;
                            weights[place] += f64::from(weight) / layer.weight_scale;
                        }
                    }
                }
            }
        }
        let mut bias = layer.bias.clone();
        bias.resize(outputs, 0.0);
        Ok(Self {
            inputs,
            outputs,
            weights,
            bias,
        })
    }

    /// This matrix applied to what another gives.
    fn after(&self, first: &Self) -> Result<Self, CircuitError> {
        let (inputs, outputs) = (first.inputs, self.outputs);
        check_size("layers without an activation between them", inputs, outputs)?;
        let mut weights = vec![0.0; inputs * outputs];
        let mut bias = self.bias.clone();
        let rows = self.weights.chunks_exact(self.inputs.max(1));
        for ((row, sums), bias) in rows.zip(weights.chunks_exact_mut(inputs)).zip(&mut bias) {
            for (middle, &weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                *bias += weight * first.bias[middle];
                let others = &first.weights[middle * inputs..][..inputs];
                for (sum, other) in sums.iter_mut().zip(others) {
                    *sum += weight * other;
                }
            }
        }
        Ok(Self {
            inputs,
            outputs,
            weights,
            bias,
        })
    }

    /// A weight; zero outside the matrix.
    pub fn weight(&self, output: usize, input: usize) -> f64 {
        if output < self.outputs && input < self.inputs {
            self.weights[output * self.inputs + input]
        } else {
            0.0
        }
    }
}

fn check_size(name: &str, inputs: usize, outputs: usize) -> Result<(), CircuitError> {
    if inputs.saturating_mul(outputs) <= MAX_ENTRIES {
        return Ok(());
    }
    Err(unfit(format!(
        "`{name}` is a matrix of {outputs} x {inputs}, too large for a packed ciphertext"
    )))
}
