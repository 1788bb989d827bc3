//! Integer linear maps and the kernels that apply them to residues.

mod build;
mod kernel;
mod map;
mod vector;

pub use build::{Convolution, SumPool};
pub(crate) use kernel::{PreparedMap, Scratch};
pub use map::{Group, LinearMap, LinearMapError, MAX_ABS_ROW_SUM, PADDING};
