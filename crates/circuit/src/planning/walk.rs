//! One circuit through the planner, on either of its runs.

use super::{Planner, SimulatedFeatures};
use crate::error::CircuitError;
use crate::execute::{Observer, execute};
use crate::program::{Op, Operation};
use crate::types::{Circuit, CircuitLayer};

/// Largest |input| of the circuit.
pub(crate) fn input_bound(circuit: &Circuit) -> f64 {
    let ends = circuit.pixel_bounds().into_iter();
    ends.fold(0.0, |bound, (low, high)| {
        bound.max(low.abs()).max(high.abs())
    })
}

/// Runs `operations` of the circuit on the planner; `record` is told of every layer and what leaves it.
pub(crate) fn walk(
    planner: &Planner<'_>,
    circuit: &Circuit,
    operations: &[Operation<'_>],
    input: SimulatedFeatures,
    record: &mut dyn FnMut(&CircuitLayer, &SimulatedFeatures),
) -> Result<SimulatedFeatures, CircuitError> {
    let mut recorder = Recorder {
        planner,
        circuit,
        operations,
        record,
    };
    let value = execute(planner, operations, input, &mut recorder)?;
    planner.demand(&value)?;
    Ok(value)
}

/// Keeps time by layer, and replaces what the planner can only bound by row sums with the bounds of the training data.
struct Recorder<'w, 'p, 'c> {
    planner: &'w Planner<'p>,
    circuit: &'c Circuit,
    operations: &'w [Operation<'c>],
    record: &'w mut dyn FnMut(&CircuitLayer, &SimulatedFeatures),
}

impl<'c> Recorder<'_, '_, 'c> {
    fn layer(&self, index: usize) -> Option<&'c CircuitLayer> {
        let operation = self.operations.get(index)?;
        self.circuit.layers.get(operation.layer)
    }

    /// Whether another layer begins with the operation at `index`.
    fn begins(&self, index: usize) -> bool {
        let layer = |index: usize| Some(self.operations.get(index)?.layer);
        index == 0 || layer(index) != layer(index - 1)
    }

    /// Whether what enters the operation at `index` comes from memory: at the ends of the circuit, and where coefficients meet (see
    /// [`crate::streaming`]). Reading what a relinearisation leaves is counted with the relinearisation.
    fn opens(&self, index: usize) -> bool {
        let op = |index: usize| self.operations.get(index).map(|operation| operation.op);
        let before = index.checked_sub(1).and_then(op);
        match (before, op(index)) {
            (None, _) | (_, None) | (Some(Op::Polynomial(_)), _) => true,
            (Some(before), Some(op)) => !op.is_pointwise() && before.is_pointwise(),
        }
    }
}

impl Observer<SimulatedFeatures> for Recorder<'_, '_, '_> {
    fn before(&mut self, index: usize, value: &mut SimulatedFeatures) {
        let Some(layer) = self.layer(index) else {
            return;
        };
        let begins = self.begins(index);
        if begins {
            self.planner.begin(layer.name());
        }
        if self.opens(index) {
            self.planner.cross_memory(value);
        }
        if let (true, CircuitLayer::Polynomial(layer)) = (begins, layer) {
            value.bound = layer.bound;
            let typical = layer.typical.iter().copied().cycle();
            value.typical = typical.take(value.features).collect();
        }
    }

    fn after(&mut self, index: usize, value: &mut SimulatedFeatures) {
        let Some(layer) = self.layer(index) else {
            return;
        };
        if let CircuitLayer::Linear(layer) = layer {
            value.bound = layer.bound;
            for typical in &mut value.typical {
                *typical = typical.min(layer.bound);
            }
        }
        if self.opens(index + 1) {
            self.planner.cross_memory(value);
        }
        if self.begins(index + 1) {
            (self.record)(layer, value);
        }
    }
}
