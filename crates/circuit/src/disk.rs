//! Circuit files on disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::CircuitError;
use super::types::Circuit;

/// Far more than any circuit that can run; keeps a wrong file from filling the memory.
const MAX_BYTES: u64 = 1 << 32;

impl Circuit {
    /// Writes [`Circuit::to_bytes`] to a file, whole or not at all.
    ///
    /// # Errors
    /// [`CircuitError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), CircuitError> {
        cryptodl_runtime::write_whole(path, &self.to_bytes()).map_err(io_error(path))
    }

    /// Reads and checks what [`Circuit::write`] wrote.
    ///
    /// # Errors
    /// [`CircuitError::Io`] where the file cannot be read, and those of [`Circuit::from_bytes`].
    pub fn read(path: &Path) -> Result<Self, CircuitError> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
            .map_err(io_error(path))?;
        Self::from_bytes(&bytes)
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CircuitError {
    move |source| CircuitError::Io {
        path: path.to_path_buf(),
        source,
    }
}
