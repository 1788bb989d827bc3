//! What the exported folders of all backends have in common: JSON files that say what they are and close with a digest.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sealed::stranger;
use crate::{Backend, EncryptedError, backend};
use cryptodl_spec::{BackendName, Shape};

const VERSION: u32 = 2;
const MAX_BYTES: u64 = 1 << 26;
/// In a client's folder.
pub(super) const CLIENT_FILE: &str = "client.json";
/// In a server's folder.
pub(super) const SERVER_FILE: &str = "server.json";

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The owner of the secret key.
    Client,
    /// The owner of the network.
    Server,
}

impl Side {
    const fn file(self) -> &'static str {
        match self {
            Self::Client => CLIENT_FILE,
            Self::Server => SERVER_FILE,
        }
    }

    /// What a file says of itself.
    pub(super) const fn kind(self, backend: BackendName) -> &'static str {
        match (self, backend) {
            (Self::Client, BackendName::Tfhe) => "tfhe client",
            (Self::Server, BackendName::Tfhe) => "tfhe server",
            (Self::Client, _) => "client",
            (Self::Server, _) => "server",
        }
    }

    /// Whether `folder` is the other side's.
    fn is_other(self, folder: &Path) -> bool {
        let other = match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        };
        !folder.join(self.file()).exists() && folder.join(other.file()).exists()
    }

    /// The backend that an exported folder is for.
    ///
    /// # Errors
    /// [`EncryptedError::File`] where the folder is not one of ours, [`EncryptedError::BackendMissing`], and [`EncryptedError::Stranger`]
    /// for the server's folder where the client's is needed, or the other way round.
    pub fn backend(self, folder: &Path) -> Result<Box<dyn Backend>, EncryptedError> {
        if self.is_other(folder) {
            return Err(stranger(
                folder,
                match self {
                    Self::Client => "this is a server's folder: a server holds no secret and cannot encrypt or decrypt\nhint: give the client's folder, written beside it by `cryptodl export`".into(),
                    Self::Server => "this is a client's folder, which holds no network\nhint: give the server's folder, written beside it by `cryptodl export`".into(),
                },
            ));
        }
        let path = folder.join(self.file());
        let envelope = read_any(&path)?;
        let known = [BackendName::Ckks, BackendName::Tfhe];
        let found = known
            .into_iter()
            .find(|backend| self.kind(*backend) == envelope.kind);
        let found = found.map(backend).transpose()?.flatten();
        found.ok_or_else(|| {
            file_error(
                &path,
                format!(
                    "this is a {} file, not one of a {}",
                    envelope.kind,
                    self.kind(BackendName::Ckks)
                ),
            )
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    version: u32,
    kind: String,
    content: serde_json::Value,
    blake3: String,
}

/// A JSON file of a finished run.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EncryptedError> {
    let bytes = fs::read(path).map_err(|error| file_error(path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| file_error(path, error))
}

/// What speaks against the shape of an image.
pub(super) fn check_shape(input: Shape) -> Result<(), String> {
    let Shape {
        channels,
        height,
        width,
    } = input;
    let sides = 1..=4096;
    if [channels, height, width]
        .iter()
        .all(|side| sides.contains(side))
    {
        Ok(())
    } else {
        Err(format!(
            "an image of {channels}x{height}x{width} is not possible"
        ))
    }
}

/// What speaks against the number of logits.
pub(super) fn check_classes(classes: usize) -> Result<(), String> {
    if (1..=65_536).contains(&classes) {
        Ok(())
    } else {
        Err(format!("{classes} classes are not possible"))
    }
}

/// Makes `folder/client` and `folder/server`.
pub(super) fn make_sides(folder: &Path) -> Result<[std::path::PathBuf; 2], EncryptedError> {
    let sides = [folder.join("client"), folder.join("server")];
    for folder in &sides {
        fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
    }
    Ok(sides)
}

pub(crate) fn file_error(path: &Path, error: impl std::fmt::Display) -> EncryptedError {
    EncryptedError::File {
        path: path.to_path_buf(),
        what: error.to_string(),
    }
}

fn content_digest(content: &serde_json::Value) -> String {
    // `Value` keeps its keys sorted: the text is the same however the file was laid out.
    blake3::hash(content.to_string().as_bytes())
        .to_hex()
        .to_string()
}

pub(super) fn write_envelope(
    path: &Path,
    kind: &str,
    content: &impl Serialize,
) -> Result<(), EncryptedError> {
    let content = serde_json::to_value(content).map_err(|error| file_error(path, error))?;
    let envelope = Envelope {
        version: VERSION,
        kind: kind.into(),
        blake3: content_digest(&content),
        content,
    };
    let text = serde_json::to_string_pretty(&envelope).map_err(|error| file_error(path, error))?;
    cryptodl_runtime::write_whole(path, text.as_bytes()).map_err(|error| file_error(path, error))
}

pub(super) fn read_envelope<T: DeserializeOwned>(
    path: &Path,
    kind: &str,
) -> Result<T, EncryptedError> {
    let envelope = read_any(path)?;
    if envelope.kind != kind {
        return Err(file_error(
            path,
            format!("this is a {} file, not a {kind} file", envelope.kind),
        ));
    }
    serde_json::from_value(envelope.content).map_err(|error| file_error(path, error))
}

fn read_any(path: &Path) -> Result<Envelope, EncryptedError> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| file_error(path, error))?;
    let length = file
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| file_error(path, error))?;
    if length as u64 > MAX_BYTES {
        return Err(file_error(
            path,
            io::Error::other("the file is too large to be one of ours"),
        ));
    }
    let envelope: Envelope =
        serde_json::from_str(&text).map_err(|error| file_error(path, error))?;
    if envelope.version != VERSION {
        return Err(file_error(
            path,
            format!(
                "this is a {} file of version {}, not of version {VERSION}\nhint: export the run again",
                envelope.kind, envelope.version
            ),
        ));
    }
    if content_digest(&envelope.content) != envelope.blake3 {
        return Err(file_error(
            path,
            "the digest does not match: the file was changed or cut short",
        ));
    }
    Ok(envelope)
}
