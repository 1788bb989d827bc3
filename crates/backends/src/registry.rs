//! All backends, a line each.

use std::path::Path;

use cryptodl_spec::BackendName;

use crate::backend::{Backend, CompiledNetwork, Engine};
use crate::error::{EncryptedError, file_error};
use crate::exported::Side;
use crate::{CIRCUIT_FILE, PBS_FILE, ckks, clear};

/// A backend, and by what its files are known.
struct Entry {
    name: BackendName,
    /// `None` where it is not part of this build.
    backend: Option<&'static dyn Backend>,
    /// Its circuit in a run's folder.
    circuit_file: &'static str,
    /// What the files of an exported client's and server's folder say of themselves.
    kinds: [&'static str; 2],
}

pub(crate) const CKKS_KINDS: [&str; 2] = ["client", "server"];
pub(crate) const TFHE_KINDS: [&str; 2] = ["tfhe client", "tfhe server"];

static BACKENDS: [Entry; 3] = [
    entry(
        BackendName::Ckks,
        Some(&ckks::Batched),
        CIRCUIT_FILE,
        CKKS_KINDS,
    ),
    entry(BackendName::Tfhe, TFHE, PBS_FILE, TFHE_KINDS),
    // Its runs are exported for the engine whose circuits they have.
    entry(
        BackendName::Clear,
        Some(&clear::Simulator),
        CIRCUIT_FILE,
        CKKS_KINDS,
    ),
];

#[cfg(feature = "tfhe")]
const TFHE: Option<&dyn Backend> = Some(&crate::tfhe::Bootstrapped);
#[cfg(not(feature = "tfhe"))]
const TFHE: Option<&dyn Backend> = None;

const fn entry(
    name: BackendName,
    backend: Option<&'static dyn Backend>,
    circuit_file: &'static str,
    kinds: [&'static str; 2],
) -> Entry {
    Entry {
        name,
        backend,
        circuit_file,
        kinds,
    }
}

impl Entry {
    fn backend(&self) -> Result<&'static dyn Backend, EncryptedError> {
        self.backend
            .ok_or(EncryptedError::BackendMissing(self.name.as_str()))
    }
}

/// The backend of that name.
///
/// # Errors
/// [`EncryptedError::BackendMissing`] for one that is not part of this build.
pub fn backend(name: BackendName) -> Result<&'static dyn Backend, EncryptedError> {
    let mut entries = BACKENDS.iter();
    let entry = entries.find(|entry| entry.name == name);
    entry
        .ok_or(EncryptedError::BackendMissing(name.as_str()))?
        .backend()
}

/// The circuit and plan of a finished run.
///
/// # Errors
/// [`EncryptedError::BackendMissing`], and [`EncryptedError::File`] for files that are not there or damaged.
pub fn compiled_of_run(run: &Path) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
    let has_circuit = |entry: &&Entry| run.join(entry.circuit_file).is_file();
    let entry = BACKENDS.iter().find(has_circuit).unwrap_or(&BACKENDS[0]);
    entry.backend()?.read(run)
}

/// The engine that the exported folder of a side is for.
///
/// # Errors
/// [`EncryptedError::File`] where the folder is not one of ours, [`EncryptedError::BackendMissing`], and [`EncryptedError::Stranger`] for the
/// server's folder where the client's is needed, or the other way round.
pub fn engine_of(side: Side, folder: &Path) -> Result<&'static dyn Engine, EncryptedError> {
    let kind = side.kind_of(folder)?;
    let is_of_kind = |entry: &&Entry| entry.kinds[side as usize] == kind;
    let entry = BACKENDS.iter().find(is_of_kind);
    let engine = entry
        .map(Entry::backend)
        .transpose()?
        .and_then(Backend::engine);
    engine.ok_or_else(|| {
        file_error(
            &folder.join(side.file()),
            format!("this is a {kind} file, not one of a {}", side.name()),
        )
    })
}
