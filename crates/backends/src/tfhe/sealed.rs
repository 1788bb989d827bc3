//! Binary files that say what they are, for which parameter set, and end with a digest.
//!
//! ```text
//! magic | version: u8 | kind: u8 | set: u8 length + name | content | BLAKE3 digest: 32 bytes
//! ```
//! The digest guards against damage and mix-ups, not against an author.

use std::path::Path;

use crate::EncryptedError;
use cryptodl_circuit::pbs::ParameterSet;

const VERSION: u8 = 1;
/// Bytes of a digest.
pub(super) const DIGEST: usize = blake3::OUT_LEN;

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub magic: &'static [u8],
    pub kind: u8,
    /// `key file`.
    pub what: &'static str,
    /// What to do where one is damaged.
    pub hint: &'static str,
}

impl Form {
    /// What stands before the content.
    pub fn head(&self, set: &ParameterSet) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend([VERSION, self.kind, set.name.len() as u8]);
        bytes.extend(set.name.as_bytes());
        bytes
    }

    /// The content of a file under `set`.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a file that is damaged, another one, or of another set.
    pub fn content<'a>(
        &self,
        path: &Path,
        bytes: &'a [u8],
        set: &ParameterSet,
    ) -> Result<&'a [u8], EncryptedError> {
        let Self {
            magic, what, hint, ..
        } = self;
        if !bytes.starts_with(magic) {
            return Err(wrong(path, &format!("this is no {what}\nhint: {hint}")));
        }
        let Some((body, digest)) = bytes.split_last_chunk::<DIGEST>() else {
            return Err(wrong(
                path,
                &format!("the {what} is cut short\nhint: {hint}"),
            ));
        };
        if blake3::hash(body).as_bytes() != digest {
            return Err(wrong(
                path,
                &format!(
                    "the {what}'s BLAKE3 digest is wrong: it was damaged or cut short\nhint: {hint}"
                ),
            ));
        }
        body.strip_prefix(self.head(set).as_slice()).ok_or_else(|| {
            wrong(
                path,
                &format!(
                    "the {what} is of another kind, version or parameter set than {}\nhint: {hint}",
                    set.name
                ),
            )
        })
    }
}

/// The whole file: what was written so far, and its digest.
pub(super) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

pub(super) fn wrong(path: &Path, what: &str) -> EncryptedError {
    EncryptedError::File {
        path: path.to_path_buf(),
        what: what.to_owned(),
    }
}
