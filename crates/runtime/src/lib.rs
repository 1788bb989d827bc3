//! What a long-running command needs from its process: files that are written whole or not at all, and progress that is shown.

mod files;
mod progress;

pub use files::{write_secret, write_whole};
pub use progress::Progress;
