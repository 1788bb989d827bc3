//! SHA-256 of files, each file hashed once a process.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// A data file and its digest, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Its official name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A file's identity as far as the file system tells: when one of these changes, the file is hashed again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

static HASHED: Mutex<Option<HashMap<Stamp, [u8; 32]>>> = Mutex::new(None);

/// Length and SHA-256 of a file. A file that has not changed since it was last asked for is not read again.
///
/// # Errors
/// Whatever reading it gives; a folder is an error too.
pub fn sha256_of_file(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let metadata = fs::metadata(path)?;
    let stamp = Stamp {
        path: fs::canonicalize(path)?,
        bytes: metadata.len(),
        modified: metadata.modified()?,
    };
    if let Some(&known) = HASHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .and_then(|map| map.get(&stamp))
    {
        return Ok((stamp.bytes, known));
    }
    let (bytes, digest) = sha256_of(File::open(path)?)?;
    if bytes == stamp.bytes {
        let mut hashed = HASHED.lock().unwrap_or_else(PoisonError::into_inner);
        hashed.get_or_insert_default().insert(stamp, digest);
    }
    Ok((bytes, digest))
}

/// Length and SHA-256 of everything a reader gives.
///
/// # Errors
/// Whatever reading gives.
pub fn sha256_of(mut reader: impl Read) -> io::Result<(u64, [u8; 32])> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hasher.finalize().into())),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_digest_is_sha256() {
        let (bytes, digest) = sha256_of(&b"abc"[..]).unwrap();
        assert_eq!((bytes, hex(&digest).as_str()), (3, ABC));
    }

    #[test]
    fn a_changed_file_is_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let first = sha256_of_file(&path).unwrap();
        assert_eq!(hex(&first.1), ABC);
        assert_eq!(sha256_of_file(&path).unwrap(), first);
        fs::write(&path, "abcd").unwrap();
        assert_ne!(sha256_of_file(&path).unwrap(), first);
    }

    #[test]
    fn folders_and_missing_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sha256_of_file(folder.path()).is_err());
        assert_eq!(
            sha256_of_file(&folder.path().join("none"))
                .unwrap_err()
                .kind(),
            io::ErrorKind::NotFound
        );
    }
}
