//! Where the components of a product are brought back to two.

use serde::{Deserialize, Serialize};

use super::program::is_square;
use super::types::{Circuit, CircuitLayer};
use cryptodl_spec::Relinearization;

/// Most squares in a row without a relinearisation: components go 2, 3, 5, and the engine carries no 9.
const MAX_KEYLESS_SQUARES: usize = 2;

/// What the circuit alone does not say about its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// When products are relinearised.
    pub relinearization: Relinearization,
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
