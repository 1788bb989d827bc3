//! What the images of an upload are called, in files beside the secret key: the server never has them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::exit::Failure;
use crate::backends::UploadId;
use cryptodl_runtime::files;

/// The folder beside the secret key.
const FOLDER: &str = "uploads";

/// The images of one upload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Their names, in order.
    images: Vec<String>,
}

fn path(key: &Path, upload: UploadId) -> PathBuf {
    let folder = key.parent().unwrap_or(Path::new(""));
    folder.join(FOLDER).join(format!("{upload}.json"))
}

/// Keeps the names of an upload's images for the one who decrypts the reply.
pub(super) fn remember(key: &Path, upload: UploadId, names: &[String]) -> Result<(), Failure> {
    let path = path(key, upload);
    let record = Record {
        images: names.to_vec(),
    };
    let write = || {
        let bytes = serde_json::to_vec_pretty(&record).map_err(io::Error::other)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        files::write_private(&path, &bytes)
    };
    write().map_err(|error| Failure::io(format!("write {}", path.display()), error))
}

/// The names of an upload's images; none where the key's folder does not know the upload.
pub(super) fn recall(key: &Path, upload: UploadId) -> Result<Option<Vec<String>>, Failure> {
    let path = path(key, upload);
    let failed = |error| Failure::io(format!("read {}", path.display()), error);
    match fs::read(&path) {
        Ok(bytes) => {
            let record: Record = serde_json::from_slice(&bytes)
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
            Ok(Some(record.images))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// A text as a cell of CSV.
pub(super) fn cell(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_that_would_break_a_row_are_quoted() {
        assert_eq!(cell("a b.png"), "a b.png");
        assert_eq!(cell("a,b \"c\".png"), "\"a,b \"\"c\"\".png\"");
    }
}
