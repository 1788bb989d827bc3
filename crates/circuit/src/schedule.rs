//! Where the components of a product are brought back to two, and where it loses a prime.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::CircuitError;
use super::program::{Op, is_square};
use super::types::{Circuit, CircuitLayer, LinearKind};
use cryptodl_spec::Relinearization;

/// Most squares in a row without a relinearisation: components go 2, 3, 5, and the engine carries no 9.
const MAX_KEYLESS_SQUARES: usize = 2;

/// What the circuit alone does not say about its execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// When products are relinearised.
    pub relinearization: Relinearization,
    /// The same of every pure square in order, where that is [`Relinearization::PerSquare`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub squares: Vec<Placement>,
}

/// Where the product of one square goes back to two components, and where it loses a prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Linear layers between the square and its relinearisation. Where no more follow: right before the next activation; after the last
    /// square not at all, and the client decrypts three components.
    pub after: usize,
    /// Whether the prime is dropped only right before the next activation (after the last square not at all), though the relinearisation
    /// comes sooner: the values are larger until then, the primes smaller.
    pub rescale_late: bool,
}

impl Placement {
    /// Before the next linear layer.
    pub const DIRECT: Self = Self {
        after: 0,
        rescale_late: false,
    };
    /// Right before the next activation.
    pub const LAST: Self = Self {
        after: usize::MAX,
        rescale_late: false,
    };
}

impl Schedule {
    /// Relinearise and rescale within every activation.
    pub const EAGER: Self = Self::new(Relinearization::Eager);
    /// Relinearise the outputs of the linear layer after a square.
    pub const LAZY: Self = Self::new(Relinearization::Lazy);
    /// No key, no rescaling.
    pub const KEYLESS: Self = Self::new(Relinearization::Never);

    /// The same for every product.
    pub const fn new(relinearization: Relinearization) -> Self {
        Self {
            relinearization,
            squares: Vec::new(),
        }
    }

    /// Every pure square in its own way.
    pub const fn per_square(squares: Vec<Placement>) -> Self {
        Self {
            relinearization: Relinearization::PerSquare,
            squares,
        }
    }

    /// Where the product of a square is relinearised; `None`: not at all.
    pub(super) fn placement(&self, square: usize) -> Option<Placement> {
        match self.relinearization {
            Relinearization::Never => None,
            Relinearization::Eager => Some(Placement::DIRECT),
            Relinearization::Lazy => Some(Placement::LAST),
            Relinearization::PerSquare => {
                Some(self.squares.get(square).copied().unwrap_or(Placement::LAST))
            }
        }
    }

    /// Checks that a schedule read from outside is one of this circuit.
    ///
    /// # Errors
    /// [`CircuitError::Invalid`] where it does not say one placement for every pure square, or says some that nothing asks for.
    pub fn check(&self, circuit: &Circuit) -> Result<(), CircuitError> {
        let wanted = match self.relinearization {
            Relinearization::PerSquare => Stretch::all(circuit).len(),
            _ => 0,
        };
        if self.squares.len() == wanted {
            return Ok(());
        }
        Err(CircuitError::Invalid {
            what: "the number of squares in the schedule".into(),
            found: self.squares.len().to_string(),
            wanted: wanted.to_string(),
        })
    }

    /// Whether the server needs an evaluation key: whether anything is relinearised.
    pub fn needs_key(&self, circuit: &Circuit) -> bool {
        let operations = self.operations(circuit);
        operations.iter().any(|operation| operation.op.needs_key())
    }

    /// Why the circuit cannot run so, where it cannot.
    pub(super) fn obstacle(&self, circuit: &Circuit) -> Option<String> {
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

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.relinearization.as_str())?;
        if self.squares.is_empty() {
            return Ok(());
        }
        let of = |square: &Placement| match (square.after, square.rescale_late) {
            (0, false) => "directly".to_owned(),
            (usize::MAX, _) => "last".to_owned(),
            (layers, false) => format!("after {layers}"),
            (layers, true) => format!("after {layers}, rescaled last"),
        };
        let squares: Vec<String> = self.squares.iter().map(of).collect();
        write!(f, " ({})", squares.join("; "))
    }
}

/// The linear layers between a pure square and the next activation, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// All of them.
    pub layers: usize,
    /// Pools right after the square.
    pub pools: usize,
}

impl Stretch {
    /// That of every pure square, in order.
    pub fn all(circuit: &Circuit) -> Vec<Self> {
        let layers = circuit.layers.iter().enumerate();
        let squares = layers.filter(
            |(_, layer)| matches!(layer, CircuitLayer::Polynomial(layer) if is_square(layer)),
        );
        let after = |index: usize| {
            let rest = circuit.layers.iter().skip(index + 1);
            rest.map_while(|layer| match layer {
                CircuitLayer::Linear(layer) => Some(layer.kind),
                CircuitLayer::Polynomial(_) => None,
            })
        };
        squares
            .map(|(index, _)| Self {
                layers: after(index).count(),
                pools: after(index)
                    .take_while(|kind| *kind == LinearKind::Pool)
                    .count(),
            })
            .collect()
    }

    /// All placements that differ after this square.
    pub fn placements(self) -> Vec<Placement> {
        let mut placements = vec![Placement::LAST];
        for after in 0..self.layers {
            for rescale_late in [false, true] {
                placements.push(Placement {
                    after,
                    rescale_late,
                });
            }
        }
        placements
    }
}

impl Op<'_> {
    /// Whether it uses the evaluation key.
    fn needs_key(self) -> bool {
        matches!(
            self,
            Self::Relinearize | Self::RelinearizeRescale | Self::Polynomial(_)
        )
    }
}
