//! A circuit under a schedule, operation by operation: the one list that ciphertexts, the planner, the noise estimate and the simulator run.

use std::mem::{Discriminant, discriminant};

use ckks::MonicPolynomial;

use super::schedule::{Placement, Schedule};
use super::types::{Circuit, CircuitLayer, LinearLayer, PolynomialLayer};

/// One operation on all features.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// An integer linear map, on however many components there are, and its biases.
    Linear(&'a LinearLayer),
    /// A square that leaves its components open.
    TensorSquare,
    /// Three components back to two.
    Relinearize,
    /// Drops a prime.
    Rescale,
    /// Three components back to two, dropping a prime: faster than one after the other.
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
            Self::Linear(_) | Self::TensorSquare | Self::Relinearize => 0,
            Self::Rescale | Self::RelinearizeRescale => 1,
            Self::Polynomial(polynomial) => polynomial.depth(),
        }
    }
}

/// A product that is not yet what the next activation needs.
struct Open {
    placement: Placement,
    /// Linear layers since.
    passed: usize,
    relinearized: bool,
}

impl Schedule {
    /// What happens to the features, in order.
    ///
    /// Only pure squares can leave their components open. A polynomial with lower terms, or of a higher degree, multiplies ciphertexts of
    /// two components only: what is open before it is closed, and it relinearises on its own. What closes a product right before an
    /// activation belongs to that activation's layer, what closes it sooner to the layer after which it happens.
    pub(super) fn operations<'c>(&self, circuit: &'c Circuit) -> Vec<Operation<'c>> {
        let mut squares = 0;
        let mut open: Option<Open> = None;
        let mut operations = Vec::new();
        for (layer, what) in circuit.layers.iter().enumerate() {
            let mut push = |op| operations.push(Operation { layer, op });
            match what {
                CircuitLayer::Linear(linear) => {
                    push(Op::Linear(linear));
                    let goes_on =
                        matches!(circuit.layers.get(layer + 1), Some(CircuitLayer::Linear(_)));
                    if let Some(product) = &mut open {
                        product.passed += 1;
                        if product.passed == product.placement.after && goes_on {
                            push(product.relinearize());
                        }
                    }
                }
                CircuitLayer::Polynomial(polynomial) => {
                    if let Some(op) = open.take().and_then(|product| product.close()) {
                        push(op);
                    }
                    if !is_square(polynomial) {
                        push(Op::Polynomial(&polynomial.polynomial));
                        continue;
                    }
                    let placement = self.placement(squares);
                    squares += 1;
                    if placement == Some(Placement::DIRECT) {
                        push(Op::Polynomial(&polynomial.polynomial));
                        continue;
                    }
                    push(Op::TensorSquare);
                    open = placement.map(|placement| Open {
                        placement,
                        passed: 0,
                        relinearized: false,
                    });
                    if let Some(product) = open.as_mut().filter(|open| open.placement.after == 0) {
                        push(product.relinearize());
                    }
                }
            }
        }
        operations
    }

    /// What tells schedules of one circuit apart: the layer and the kind of every operation.
    pub(super) fn outline<'c>(&self, circuit: &'c Circuit) -> Vec<(usize, Discriminant<Op<'c>>)> {
        let operations = self.operations(circuit).into_iter();
        operations
            .map(|operation| (operation.layer, discriminant(&operation.op)))
            .collect()
    }

    /// Rescalings from the first layer to the last.
    pub fn levels(&self, circuit: &Circuit) -> usize {
        let operations = self.operations(circuit).into_iter();
        operations.map(|operation| operation.op.levels()).sum()
    }
}

impl Open {
    fn relinearize(&mut self) -> Op<'static> {
        self.relinearized = true;
        if self.placement.rescale_late {
            Op::Relinearize
        } else {
            Op::RelinearizeRescale
        }
    }

    /// What is left to do before the next activation.
    fn close(self) -> Option<Op<'static>> {
        match (self.relinearized, self.placement.rescale_late) {
            (false, _) => Some(Op::RelinearizeRescale),
            (true, true) => Some(Op::Rescale),
            (true, false) => None,
        }
    }
}

/// Whether the activation is x² alone.
pub(super) fn is_square(layer: &PolynomialLayer) -> bool {
    let lower = layer.polynomial.lower().iter().flatten();
    layer.polynomial.degree() == 2 && lower.into_iter().all(|value| *value == 0.0)
}
