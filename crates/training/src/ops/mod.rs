//! The differentiable pieces of a forward pass.
//!
//! A feature map is a matrix `[images * height * width, channels]` in memory order: one row a pixel (NHWC), so that batch norm and
//! activations are the same code after a convolution and after a dense layer. Its entries are f32 or bf16.

mod activation;
mod conv;
mod kernel;
mod memory;
mod pool;
mod windows;

pub(crate) use activation::{
    IDENTITY, activate, fixed_norm, function, identity, original, polynomial, row,
};
pub(crate) use conv::conv;
pub(crate) use memory::release;
pub(crate) use nhwc::Moments;
pub(crate) use pool::avg_pool;
pub(crate) use windows::Windows;
