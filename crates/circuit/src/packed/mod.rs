//! One image in one ciphertext: the same circuit with features in slots of a rotation order, rotated and multiplied with plaintexts.
//!
//! ```text
//! Circuit -> lay out -> Program (plaintext diagonals, sums over rotations, squares)
//!                         |
//!                         +-- trace on images -> Trace -> search -> PackedPlan -> PackedExecutor, on ciphertexts
//! ```
//! The fresh, low-scale ciphertext is never rotated: it is multiplied by the diagonals first, and what is rotated is the accumulator,
//! `acc = rotate(acc) + x * d` (Horner's rule in the rotation), so that the noise of switching keys lands at the product's scale.
//!
//! The client writes the windows of a first convolution side by side (im2col). Every later linear layer is a dense matrix; what has no
//! room in a ciphertext is refused, and the batched plan is the way out.

mod clear;
mod design;
mod diagonals;
mod execute;
mod layout;
mod matrix;
mod noise;
mod plan;
mod program;
mod search;

#[cfg(test)]
mod tests;

pub use clear::pack;
pub use design::Design;
pub use execute::PackedExecutor;
pub use plan::{PackedLayerPlan, PackedPlan, plan_packed};
