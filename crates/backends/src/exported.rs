//! What the exported folders of all backends have in common: JSON files that say what they are and close with a digest.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::EncryptedError;
use crate::error::{file_error, stranger};
use cryptodl_spec::Shape;

const VERSION: u32 = 3;
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
    /// The name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Client => CLIENT_FILE,
            Self::Server => SERVER_FILE,
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

    /// What the file of the folder says it is: of which side and backend.
    ///
    /// # Errors
    /// [`EncryptedError::File`] where the folder is not one of ours, and [`EncryptedError::Stranger`] for the server's folder where the
    /// client's is needed, or the other way round.
    pub(crate) fn kind_of(self, folder: &Path) -> Result<String, EncryptedError> {
        if self.is_other(folder) {
            return Err(stranger(
                folder,
                match self {
                    Self::Client => "this is a server's folder: a server holds no secret and cannot encrypt or decrypt\nhint: give the client's folder, written beside it by `cryptodl export`".into(),
                    Self::Server => "this is a client's folder, which holds no network\nhint: give the server's folder, written beside it by `cryptodl export`".into(),
                },
            ));
        }
        Ok(read_any(&folder.join(self.file()))?.kind)
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

/// Writes a JSON file into a run's folder.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EncryptedError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| file_error(path, error))?;
    fs::write(path, text).map_err(|error| file_error(path, error))
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
