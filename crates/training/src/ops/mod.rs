//! The differentiable pieces of a forward pass.
//!
//! A feature map is a matrix `[images * height * width, channels]` in memory order: one row a pixel (NHWC), so that batch norm and
//! activations are the same code after a convolution and after a dense layer, and a convolution is one matrix product.

mod activation;
mod conv;
mod kernel;
mod memory;
mod pool;
mod range;
mod windows;

pub(crate) use activation::{batch_norm, fixed_norm, function, polynomial};
pub(crate) use conv::conv;
pub(crate) use memory::release;
pub(crate) use nhwc::Moments;
pub(crate) use pool::{avg_pool, max_pool};
pub(crate) use range::{energy_penalty, peak_penalty, range_penalty};
pub(crate) use windows::Windows;
