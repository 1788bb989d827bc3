//! Kernels that train convolutional networks on the CPU.
//!
//! A feature map is a slice in the order `[image, row, column, channel]` (NHWC) with entries in f32 or in bf16 ([`Entry`]). The type
//! of the entries chooses the arithmetic: f32 maps are multiplied in f32, bf16 maps in pairs of bf16 products that are added up in
//! f32. Weights, statistics and gradients of parameters are f32 always.
//!
//! Kernels run on the caller's rayon pool. How the work is divided depends on the shapes alone, never on the number of threads, so
//! the same call gives the same bits on any number of them.

mod activation;
mod arithmetic;
mod conv;
mod entry;
mod passes;
mod vector;

pub use activation::{
    Activation, Backward, Form, Forward, Function, ImagePenalty, Moments, Norm, Outside,
};
pub use conv::{Conv, ShapeError};
pub use entry::{Entry, Precision};
pub use half::bf16;
