//! Integer linear maps and the kernels that apply them to residues.

mod build;
#[cfg(target_arch = "x86_64")]
mod bytes;
mod kernel;
mod map;
mod slice;
mod vector;
#[cfg(target_arch = "x86_64")]
mod words;

pub use build::{Convolution, SumPool};
pub use kernel::PreparedMap;
pub(crate) use kernel::{Kernel, Scratch};
pub use map::{Group, LinearMap, LinearMapError, MAX_ABS_ROW_SUM, PADDING};
pub use slice::MapSlice;
