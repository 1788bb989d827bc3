//! What a long-running command needs from its process: files that are written whole or not at all, progress that is shown, an answer to
//! signals, and the machine it runs on.

mod bytes;
pub mod files;
pub mod interrupt;
mod progress;
mod system;

pub use bytes::format_bytes;
pub use files::{write_private, write_whole};
pub use progress::Progress;
pub use system::{available_memory_bytes, memory_bytes, processor};
