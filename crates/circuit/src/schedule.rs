//! Where the components of a product are brought back to two: one rule for every machine.

use serde::{Deserialize, Serialize};

use super::types::{Circuit, CircuitLayer, PolynomialLayer};
use cryptodl_spec::Relinearization;

/// Most squares in a row without a relinearisation: components go 2, 3, 5, and the engine carries no 9.
const MAX_KEYLESS_SQUARES: usize = 2;

/// What the circuit alone does not say about its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// When products are relinearised.
    pub relinearization: Relinearization,
}

/// How one layer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An integer linear map on however many components there are.
    Linear,
    /// An activation.
    Polynomial {
        /// First back to two components, dropping a prime.
        relinearize: bool,
        /// A square that only tensors, instead of a polynomial that relinearises and rescales on its own.
        tensor: bool,
    },
}

impl Step {
    /// Levels that the layer spends.
    pub fn levels(self, layer: &CircuitLayer) -> usize {
        match (self, layer) {
            (
                Self::Polynomial {
                    relinearize,
                    tensor,
                },
                CircuitLayer::Polynomial(layer),
            ) => usize::from(relinearize) + if tensor { 0 } else { layer.polynomial.depth() },
            _ => 0,
        }
    }
}

impl Schedule {
    /// Relinearise and rescale within every activation.
    pub const EAGER: Self = Self::new(Relinearization::Eager);
    /// Relinearise the outputs of the linear layer after a square.
    pub const LAZY: Self = Self::new(Relinearization::Lazy);
    /// No key, no rescaling.
    pub const KEYLESS: Self = Self::new(Relinearization::Never);

    /// A schedule.
    pub const fn new(relinearization: Relinearization) -> Self {
        Self { relinearization }
    }

    /// How every layer runs.
    ///
    /// Only pure squares can leave their components open. A polynomial with lower terms, or of a higher degree, multiplies ciphertexts of
    /// two components only: it closes what is open before it and relinearises on its own.
    pub(super) fn steps(self, circuit: &Circuit) -> Vec<Step> {
        let mut open = false;
        let step = |layer: &CircuitLayer| match layer {
            CircuitLayer::Linear(_) => Step::Linear,
            CircuitLayer::Polynomial(layer) => {
                let lazy = self.relinearization == Relinearization::Lazy;
                let tensor = self.relinearization != Relinearization::Eager && is_square(layer);
                let relinearize = lazy && open;
                open = tensor;
                Step::Polynomial {
                    relinearize,
                    tensor,
                }
            }
        };
        circuit.layers.iter().map(step).collect()
    }

    /// Rescalings from the first layer to the last.
    pub fn levels(self, circuit: &Circuit) -> usize {
        let steps = self.steps(circuit).into_iter().zip(&circuit.layers);
        steps.map(|(step, layer)| step.levels(layer)).sum()
    }

    /// Whether the server needs an evaluation key: whether anything is relinearised.
    pub fn needs_key(self, circuit: &Circuit) -> bool {
        self.levels(circuit) > 0
    }

    /// Why the circuit cannot run so, where it cannot.
    pub(super) fn obstacle(self, circuit: &Circuit) -> Option<String> {
        if self.relinearization != Relinearization::Never {
            return None;
        }
        let polynomials = || {
            circuit.layers.iter().filter_map(|layer| match layer {
                CircuitLayer::Polynomial(layer) => Some(layer),
                CircuitLayer::Linear(_) => None,
            })
        };
        if let Some(layer) = polynomials().find(|layer| !is_square(layer)) {
            return Some(format!(
                "`{}` is not a pure square, and nothing else runs without a key",
                layer.name
            ));
        }
        let squares = polynomials().count();
        (squares > MAX_KEYLESS_SQUARES)
            .then(|| format!("{squares} squares; at most {MAX_KEYLESS_SQUARES} run without a key"))
    }
}

/// Whether the activation is x² alone.
fn is_square(layer: &PolynomialLayer) -> bool {
    let lower = layer.polynomial.lower().iter().flatten();
    layer.polynomial.degree() == 2 && lower.into_iter().all(|value| *value == 0.0)
}
