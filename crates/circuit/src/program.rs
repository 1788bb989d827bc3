//! A circuit under a schedule, operation by operation: the one list that ciphertexts, the planner, the noise estimate and the simulator run.

use std::mem::{Discriminant, discriminant};

use ckks::MonicPolynomial;

use super::schedule::Schedule;
use super::types::{Circuit, CircuitLayer, LinearLayer, PolynomialLayer};
use cryptodl_spec::Relinearization;

/// One operation on all features.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// An integer linear map, on however many components there are, and its biases.
    Linear(&'a LinearLayer),
    /// A square that leaves its components open.
    TensorSquare,
    /// Three components back to two, dropping a prime.
    RelinearizeRescale,
    /// A polynomial that relinearises and rescales on its own.
    Polynomial(&'a MonicPolynomial),
}

/// An [`Op`] and the index of the layer that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Index among the circuit's layers.
    pub layer: usize,
    /// What is done.
    pub op: Op<'a>,
}

impl Op<'_> {
    /// Whether every coefficient is computed on its own, without a key: such operations run together, block by block of coefficients.
    pub fn is_pointwise(self) -> bool {
        matches!(self, Self::Linear(_) | Self::TensorSquare)
    }

    /// Primes that it drops.
    pub fn levels(self) -> usize {
        match self {
            Self::Linear(_) | Self::TensorSquare => 0,
            Self::RelinearizeRescale => 1,
            Self::Polynomial(polynomial) => polynomial.depth(),
        }
    }
}

impl Schedule {
    /// What happens to the features, in order.
    ///
    /// Only pure squares can leave their components open. A polynomial with lower terms, or of a higher degree, multiplies ciphertexts of
    /// two components only: what is open before it is closed, and it relinearises on its own.
    pub(super) fn operations(self, circuit: &Circuit) -> Vec<Operation<'_>> {
        let mut open = false;
        let mut operations = Vec::new();
        for (layer, what) in circuit.layers.iter().enumerate() {
            let mut push = |op| operations.push(Operation { layer, op });
            match what {
                CircuitLayer::Linear(linear) => push(Op::Linear(linear)),
                CircuitLayer::Polynomial(polynomial) => {
                    if open && self.relinearization == Relinearization::Lazy {
                        push(Op::RelinearizeRescale);
                    }
                    open = self.relinearization != Relinearization::Eager && is_square(polynomial);
                    push(if open {
                        Op::TensorSquare
                    } else {
                        Op::Polynomial(&polynomial.polynomial)
                    });
                }
            }
        }
        operations
    }

    /// What tells schedules of one circuit apart: the layer and the kind of every operation.
    pub(super) fn outline(self, circuit: &Circuit) -> Vec<(usize, Discriminant<Op<'_>>)> {
        let operations = self.operations(circuit).into_iter();
        operations
            .map(|operation| (operation.layer, discriminant(&operation.op)))
            .collect()
    }

    /// Rescalings from the first layer to the last.
    pub fn levels(self, circuit: &Circuit) -> usize {
        let operations = self.operations(circuit).into_iter();
        operations.map(|operation| operation.op.levels()).sum()
    }
}

/// Whether the activation is x² alone.
pub(super) fn is_square(layer: &PolynomialLayer) -> bool {
    let lower = layer.polynomial.lower().iter().flatten();
    layer.polynomial.degree() == 2 && lower.into_iter().all(|value| *value == 0.0)
}
