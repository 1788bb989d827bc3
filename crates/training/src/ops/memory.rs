//! Memory of feature maps, used again from step to step.
//!
//! A step of training needs the same maps as the one before it. Memory that is new costs a page fault for every 4 KiB, and the zeros that
//! the system fills it with: for large batches more than a pass of arithmetic over it.

use burn::backend::flex::FlexTensor;
use burn::tensor::Element;
use nhwc::{Entry, bf16};
use std::sync::{Mutex, PoisonError};

/// Maps below this many entries come from the allocator's own lists.
const LEAST_ENTRIES: usize = 1 << 14;

/// Maps that are kept, at most.
const MOST_MAPS: usize = 64;

/// Maps that nobody uses.
pub(crate) struct Shelf<T>(Mutex<Vec<Vec<T>>>);

impl<T> Shelf<T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn with<R>(&self, change: impl FnOnce(&mut Vec<Vec<T>>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

static F32: Shelf<f32> = Shelf::new();
static BF16: Shelf<bf16> = Shelf::new();

/// An entry of a map that the engine can hold.
pub(crate) trait MapEntry: Entry + Element {
    /// Where unused maps of such entries lie.
    fn shelf() -> &'static Shelf<Self>;
}

impl MapEntry for f32 {
    fn shelf() -> &'static Shelf<Self> {
        &F32
    }
}

impl MapEntry for bf16 {
    fn shelf() -> &'static Shelf<Self> {
        &BF16
    }
}

/// A map of `len` entries of any value, which the caller must overwrite.
pub(super) fn take<T: MapEntry>(len: usize) -> Vec<T> {
    let found = T::shelf().with(|maps| {
        let at = maps.iter().rposition(|map| map.len() == len)?;
        Some(maps.swap_remove(at))
    });
    found.unwrap_or_else(|| vec![T::default(); len])
}

/// Keeps the memory of a map for later, unless another tensor still uses it.
pub(super) fn give<T: MapEntry>(map: FlexTensor) {
    if !map.is_unique() || map.layout().num_elements() < LEAST_ENTRIES {
        return;
    }
    if let Ok(map) = map.into_data().try_into_vec::<T>() {
        T::shelf().with(|maps| {
            if maps.len() == MOST_MAPS {
                maps.remove(0);
            }
            maps.push(map);
        });
    }
}

/// Hands all unused memory back to the system.
pub(crate) fn release() {
    F32.with(std::mem::take);
    BF16.with(std::mem::take);
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn memory_comes_back_unless_a_tensor_uses_it() {
        // A length that no other test uses.
        let len = LEAST_ENTRIES + 7;
        let map = vec![<bf16 as Entry>::from_f32(3.0); len];
        let place = map.as_ptr();
        let tensor = FlexTensor::from_data(TensorData::new(map, [len]));
        let other = tensor.clone();
        give::<bf16>(tensor);
        let another = take::<bf16>(len);
        assert_ne!(another.as_ptr(), place);
        give::<bf16>(other);
        let again = take::<bf16>(len);
        assert_eq!(again.as_ptr(), place);
    }
}
