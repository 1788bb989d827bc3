//! A linear map on one image's integers.

use ckks::LinearMap;

/// `map` on one image, `add(sum, value, weight)` being one multiply-accumulate.
pub(super) fn apply_map<T: Copy + Default>(
    map: &LinearMap,
    inputs: &[T],
    add: impl Fn(T, T, i16) -> T,
) -> Vec<T> {
    let mut outputs = vec![T::default(); map.outputs()];
    let mut window = Vec::new();
    for group in map.groups() {
        let positions = group.positions();
        for (position, gather) in group.gather().chunks_exact(group.taps()).enumerate() {
            window.clear();
            // The padding's index is none of the inputs: it reads zero.
            window.extend(
                gather
                    .iter()
                    .map(|input| inputs.get(*input as usize).copied().unwrap_or_default()),
            );
            for (row, weights) in group.weights().chunks_exact(group.taps()).enumerate() {
                let sum = window
                    .iter()
                    .zip(weights)
                    .fold(T::default(), |sum, (value, weight)| {
                        add(sum, *value, *weight)
                    });
                outputs[group.out_start() + row * positions + position] = sum;
            }
        }
    }
    outputs
}
