//! Keys and ciphertexts in files, and what they say of themselves: what they are, and which parameters, key and circuit they belong to.
//!
//! ```text
//! "CRYPTODL" | version: u8 | kind: u8 | parameters: 32 bytes | key: 16 | circuit: 32 | upload: 16 | BLAKE3 digest of all that: 32 | content
//! ```
//! A key belongs to no circuit: zeros stand there; and to no upload: it is of version 1, which has no such field. A reply has the name of the
//! upload that it answers. The content closes with a digest, its own or that of the whole file ([`close`]). Digests
//! guard against damage and mix-ups, not against an author.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
#[cfg(feature = "tfhe")]
use zeroize::Zeroize;
use zeroize::Zeroizing;

use crate::EncryptedError;
use crate::error::{file_error, stranger};

const MAGIC: &[u8; 8] = b"CRYPTODL";
/// Of files without the name of an upload: keys, and ciphertexts from before uploads had names.
const UNNAMED: u8 = 1;
/// Of files with the name of an upload.
const NAMED: u8 = 2;
const UPLOAD: usize = 16;
/// What files began with whose keys did not know each other.
const EARLIER: [&[u8]; 2] = [b"CKKS-RNS", b"CRYPTODL TFHE"];
/// Bytes in front of the content, in a file without the name of an upload.
const HEADER: usize = MAGIC.len() + 2 + 32 + 16 + 32 + blake3::OUT_LEN;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileKind {
    SecretKey = 1,
    EvaluationKey = 2,
    Upload = 3,
    Reply = 4,
}

impl FileKind {
    const ALL: [Self; 4] = [
        Self::SecretKey,
        Self::EvaluationKey,
        Self::Upload,
        Self::Reply,
    ];

    /// With its article.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretKey => "a secret key",
            Self::EvaluationKey => "an evaluation key",
            Self::Upload => "an upload",
            Self::Reply => "a reply",
        }
    }
}

/// The public name of a secret key: random, and made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// A name that no other key has.
    ///
    /// # Errors
    /// [`EncryptedError::Randomness`].
    pub fn new() -> Result<Self, EncryptedError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(EncryptedError::Randomness)?;
        Ok(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// The name of an upload: random, and the same in its reply, so that the client knows which images a reply is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadId([u8; UPLOAD]);

impl UploadId {
    /// A name that no other upload has.
    ///
    /// # Errors
    /// [`EncryptedError::Randomness`].
    pub fn new() -> Result<Self, EncryptedError> {
        let mut id = [0; UPLOAD];
        getrandom::fill(&mut id).map_err(EncryptedError::Randomness)?;
        Ok(Self(id))
    }

    /// The name of the upload that a file is or answers; none where it has no such name, or is no file of this program.
    pub fn of(file: &[u8]) -> Option<Self> {
        Label::parse(file).ok()?.upload
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// The digest of a parameter set, or of a circuit with all that its evaluation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Of some bytes; `context` keeps digests of different things apart.
    pub(crate) fn of(context: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = blake3::Hash::from_hex(&text).map_err(de::Error::custom)?;
        Ok(Self(*digest.as_bytes()))
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub kind: FileKind,
    pub parameters: Digest,
    pub key: KeyId,
    /// None for a key.
    pub circuit: Option<Digest>,
    /// None for a key.
    pub upload: Option<UploadId>,
}

impl Label {
    /// The head of a file, with room for `content` bytes after it: what is appended is not moved, and leaves no copy behind.
    pub fn begin(&self, content: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + UPLOAD + content);
        bytes.extend(MAGIC);
        let version = if self.upload.is_some() {
            NAMED
        } else {
            UNNAMED
        };
        bytes.extend([version, self.kind as u8]);
        bytes.extend(self.parameters.0);
        bytes.extend(self.key.0);
        bytes.extend(self.circuit.map_or([0; 32], |circuit| circuit.0));
        bytes.extend(self.upload.iter().flat_map(|upload| upload.0));
        let digest = blake3::hash(&bytes);
        bytes.extend(digest.as_bytes());
        bytes
    }

    /// Splits a file of the kind and parameter set that are wanted.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is damaged or no such file at all, [`EncryptedError::Stranger`] for another kind or set.
    pub fn read<'a>(
        path: &Path,
        bytes: &'a [u8],
        kind: FileKind,
        parameters: Digest,
    ) -> Result<(Self, &'a [u8]), EncryptedError> {
        let label = Self::parse(bytes).map_err(|what| {
            file_error(
                path,
                what.unwrap_or_else(|| format!("this is not {} but something else", kind.as_str())),
            )
        })?;
        if label.kind != kind {
            let found = label.kind.as_str();
            return Err(stranger(
                path,
                format!("this is {found}, where {} is needed", kind.as_str()),
            ));
        }
        if label.parameters != parameters {
            return Err(stranger(
                path,
                format!(
                    "this is {} of another parameter set ({}) than the one needed ({parameters})",
                    kind.as_str(),
                    label.parameters
                ),
            ));
        }
        Ok((label, bytes.get(head_bytes(bytes)..).unwrap_or_default()))
    }

    /// What speaks against a label; nothing where it is no file of this program.
    fn parse(bytes: &[u8]) -> Result<Self, Option<String>> {
        if EARLIER.iter().any(|magic| bytes.starts_with(magic)) {
            return Err(Some(
                "this file is of an earlier version of the program, in which keys did not know each other\nhint: make new keys and encrypt again"
                    .into(),
            ));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(None);
        }
        let cut = || Some("the file is cut short".to_owned());
        let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
        let [version, kind] = take(&mut rest).ok_or_else(cut)?;
        if ![UNNAMED, NAMED].contains(&version) {
            return Err(Some(format!(
                "the file's format is version {version}; this program reads versions {UNNAMED} and {NAMED}"
            )));
        }
        let parameters = Digest(take(&mut rest).ok_or_else(cut)?);
        let key = KeyId(take(&mut rest).ok_or_else(cut)?);
        let circuit: [u8; 32] = take(&mut rest).ok_or_else(cut)?;
        let upload = match version {
            NAMED => Some(UploadId(take(&mut rest).ok_or_else(cut)?)),
            _ => None,
        };
        let digest: [u8; blake3::OUT_LEN] = take(&mut rest).ok_or_else(cut)?;
        let before = head_bytes(bytes) - blake3::OUT_LEN;
        let named = bytes.get(..before).unwrap_or_default();
        if blake3::hash(named) != blake3::Hash::from_bytes(digest) {
            return Err(Some(
                "the digest of the file's head does not match: it was damaged".into(),
            ));
        }
        let kind = FileKind::ALL.into_iter().find(|known| *known as u8 == kind);
        Ok(Self {
            kind: kind.ok_or_else(|| Some("the file is of an unknown kind".to_owned()))?,
            parameters,
            key,
            circuit: (circuit != [0; 32]).then_some(Digest(circuit)),
            upload,
        })
    }

    /// Refuses a file of another key than that of `owner`.
    ///
    /// # Errors
    /// [`EncryptedError::Stranger`].
    pub fn of_key(&self, path: &Path, key: KeyId, owner: &Path) -> Result<(), EncryptedError> {
        if self.key == key {
            return Ok(());
        }
        Err(stranger(
            path,
            format!(
                "this is {} of another key ({}) than {} ({key})",
                self.kind.as_str(),
                self.key,
                owner.display()
            ),
        ))
    }

    /// Refuses a file that was made for another circuit.
    ///
    /// # Errors
    /// [`EncryptedError::Stranger`].
    pub fn of_circuit(&self, path: &Path, circuit: Digest) -> Result<(), EncryptedError> {
        if self.circuit == Some(circuit) {
            return Ok(());
        }
        let found = self
            .circuit
            .map_or("none".to_owned(), |found| found.to_string());
        Err(stranger(
            path,
            format!(
                "this is {} for another circuit ({found}) than the exported one ({circuit})",
                self.kind.as_str()
            ),
        ))
    }
}

/// Bytes in front of the content of a file.
fn head_bytes(file: &[u8]) -> usize {
    match file.get(MAGIC.len()) {
        Some(&NAMED) => HEADER + UPLOAD,
        _ => HEADER,
    }
}

/// Closes a file whose content has no digest of its own: with that of everything in it.
#[cfg(feature = "tfhe")]
pub(crate) fn close(bytes: &mut Vec<u8>) {
    let digest = digest(bytes);
    bytes.extend(digest.as_bytes());
}

/// The content of a file that [`close`] closed, `bytes` from its head on.
///
/// # Errors
/// [`EncryptedError::File`] for one that was damaged, cut short or made longer.
#[cfg(feature = "tfhe")]
pub(crate) fn closed<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], EncryptedError> {
    let (whole, found) = bytes
        .split_last_chunk::<{ blake3::OUT_LEN }>()
        .filter(|(whole, _)| whole.len() >= head_bytes(bytes))
        .ok_or_else(|| file_error(path, "the file is cut short"))?;
    if digest(whole) != blake3::Hash::from_bytes(*found) {
        return Err(file_error(
            path,
            "the closing digest does not match: the file was damaged, cut short or made longer",
        ));
    }
    Ok(whole.get(head_bytes(bytes)..).unwrap_or_default())
}

/// The digest of what may be a secret: the state that it leaves behind is wiped.
#[cfg(feature = "tfhe")]
fn digest(bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    let digest = hasher.finalize();
    hasher.zeroize();
    digest
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// The bytes of a file, which are wiped when they are dropped and were never anywhere else in memory.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, EncryptedError> {
    /// Far more than any secret key has.
    const MAX_BYTES: u64 = 1 << 24;
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len().min(MAX_BYTES);
        // Room for a byte more than there should be: reading into it finds the end without a larger buffer.
        let mut bytes = Zeroizing::new(vec![0; length as usize + 1]);
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok::<_, std::io::Error>(bytes)
    };
    read().map_err(|error| file_error(path, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            kind: FileKind::Upload,
            parameters: Digest::of("tests", &[b"parameters"]),
            key: KeyId::new().unwrap(),
            circuit: Some(Digest::of("tests", &[b"circuit"])),
            upload: Some(UploadId::new().unwrap()),
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_of_a_head_is_refused() {
        let named = label();
        let unnamed = Label {
            upload: None,
            ..named
        };
        let path = Path::new("x");
        for (label, length) in [(named, HEADER + UPLOAD), (unnamed, HEADER)] {
            let read = |bytes: &[u8]| {
                let (found, content) = Label::read(path, bytes, label.kind, label.parameters)?;
                Ok::<_, EncryptedError>((found, content.len()))
            };
            let whole = label.begin(0);
            assert_eq!(whole.len(), length);
            assert_eq!(read(&whole).unwrap(), (label, 0));
            assert_eq!(UploadId::of(&whole), label.upload);
            for bit in 0..8 * length {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&changed).is_err(), "bit {bit}");
            }
            for end in 0..length {
                assert!(read(&whole[..end]).is_err(), "cut at {end}");
            }
        }
    }

    #[test]
    fn strangers_are_named() {
        let (one, other) = (label(), label());
        let path = Path::new("x.ct");
        assert!(one.of_key(path, one.key, path).is_ok());
        let error = one.of_key(path, other.key, Path::new("y.key")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("x.ct") && text.contains("y.key"), "{text}");
        assert!(text.contains(&one.key.to_string()) && text.contains(&other.key.to_string()));
        assert!(matches!(error, EncryptedError::Stranger { .. }));
        assert!(one.of_circuit(path, Digest([7; 32])).is_err());
    }

    #[test]
    fn earlier_files_are_known_as_such() {
        for magic in EARLIER {
            let error = Label::read(Path::new("x"), magic, FileKind::SecretKey, Digest([0; 32]));
            assert!(error.unwrap_err().to_string().contains("earlier version"));
        }
    }
}
