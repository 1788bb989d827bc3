//! The one interpreter of a circuit's operations, on anything that has them: ciphertexts, levels and scales with their noise, the noise of
//! one image, integers in the clear.

use super::program::{Op, Operation};
use ckks::{HomomorphicOps, evaluate_polynomial};

/// Is told of every operation and may correct what is known of the values.
pub(super) trait Observer<V> {
    /// Before the operation at `index`.
    fn before(&mut self, _index: usize, _value: &mut V) {}
    /// After it.
    fn after(&mut self, _index: usize, _value: &mut V) {}
}

impl<V> Observer<V> for () {}

/// Runs `operations` on `input` (one value per input feature) and returns the logits, neither rescaled nor relinearised after the last
/// layer.
///
/// # Errors
/// Those of the machine.
pub(super) fn execute<M: HomomorphicOps>(
    ops: &M,
    operations: &[Operation<'_>],
    input: M::Value,
    observer: &mut dyn Observer<M::Value>,
) -> Result<M::Value, M::Error> {
    let mut value = input;
    for (index, operation) in operations.iter().enumerate() {
        observer.before(index, &mut value);
        value = apply(ops, operation.op, value)?;
        observer.after(index, &mut value);
    }
    Ok(value)
}

/// One operation. The input is dropped as soon as nothing needs it: a set of ciphertexts can be gigabytes.
pub(super) fn apply<M: HomomorphicOps>(
    ops: &M,
    op: Op<'_>,
    input: M::Value,
) -> Result<M::Value, M::Error> {
    match op {
        Op::Linear(layer) => {
            let output = ops.linear(&input, &layer.map, layer.weight_scale)?;
            drop(input);
            if layer.bias.is_empty() {
                Ok(output)
            } else {
                ops.add_constants(output, &layer.bias)
            }
        }
        Op::TensorSquare => ops.tensor_square(&input),
        Op::Relinearize => ops.relinearize(input),
        Op::Rescale => ops.rescale(input),
        Op::RelinearizeRescale => ops.relinearize_rescale(input),
        Op::Polynomial(polynomial) => evaluate_polynomial(ops, &input, polynomial),
    }
}
