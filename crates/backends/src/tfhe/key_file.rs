//! Keys on disk: a folder of their own, private to their owner, one pair of files for every spec and parameter set.
//!
//! ```text
//! client = short secret, long secret: a bit a byte
//! server = seeds: 2 x u128 | bootstrapping key, key-switching key: u64
//! ```
//! Each behind a [`Label`], which says whose pair it is: a folder with evaluation keys of another secret is refused.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::keys::{ClientKey, SeededServerKey, ServerKey};
use super::parameters::{Typed, set_digest};
use crate::EncryptedError;
use crate::error::file_error;
use crate::sealed::{FileKind, KeyId, Label, close, closed, read_secret};
use cryptodl_circuit::pbs::ParameterSet;
use cryptodl_runtime::write_private;

/// The environment variable that names the folder.
pub const KEY_DIR_VARIABLE: &str = "CRYPTODL_KEY_DIR";

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The folder given, else the one in `CRYPTODL_KEY_DIR`, else `cryptodl/keys` among the user's state files. Made where it is missing,
    /// for its owner alone.
    ///
    /// # Errors
    /// [`EncryptedError::File`] where it cannot be made, or the system names no folder for state files.
    pub fn open(given: Option<&Path>) -> Result<Self, EncryptedError> {
        let variable = std::env::var_os(KEY_DIR_VARIABLE).filter(|value| !value.is_empty());
        let folder = match (given, variable) {
            (Some(folder), _) => folder.to_path_buf(),
            (None, Some(folder)) => folder.into(),
            (None, None) => dirs::state_dir()
                .or_else(dirs::data_local_dir)
                .map(|folder| folder.join("cryptodl").join("keys"))
                .ok_or_else(|| EncryptedError::File {
                    path: "keys".into(),
                    what: format!(
                        "there is no folder for keys\nhint: name one in {KEY_DIR_VARIABLE}"
                    ),
                })?,
        };
        let failed = |source: std::io::Error| EncryptedError::File {
            path: folder.clone(),
            what: format!("cannot make the folder for keys: {source}"),
        };
        if !folder.is_dir() {
            fs::create_dir_all(&folder).map_err(failed)?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
            }
        }
        Ok(Self(folder))
    }

    /// The keys of that name under that set, and whether they were made now.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for a file that is damaged, [`EncryptedError::Stranger`] for one that does not belong there. It is never
    /// replaced on its own.
    pub fn load_or_generate(
        &self,
        name: &str,
        set: &'static ParameterSet,
    ) -> Result<(ClientKey, ServerKey, bool), EncryptedError> {
        let (client_path, server_path) = self.paths(name, set);
        // Two runs of one name would each make a pair and mix them.
        let _alone = self.alone()?;
        if is_there(&client_path)? {
            let client = read_client_key(&client_path, set)?;
            if is_there(&server_path)? {
                let (label, server) = read_seeded(&server_path, set)?;
                label.of_key(&server_path, client.id, &client_path)?;
                return Ok((client, server.expand(), false));
            }
            // Lost or never written: they can always be made from the secret.
            let seeded = client.evaluation_keys();
            write(&server_path, &server_bytes(&seeded))?;
            return Ok((client, seeded.expand(), true));
        }
        let client = ClientKey::generate(set)?;
        let seeded = client.evaluation_keys();
        // The secret last: where it is, evaluation keys are or can be made.
        write(&server_path, &server_bytes(&seeded))?;
        write(&client_path, &client_bytes(&client))?;
        Ok((client, seeded.expand(), true))
    }

    /// Waits until no other process makes keys in the folder.
    fn alone(&self) -> Result<File, EncryptedError> {
        let path = self.0.join("lock");
        File::create(&path)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|error| file_error(&path, format!("cannot be locked: {error}")))
    }

    /// Bytes of the evaluation keys on disk.
    ///
    /// # Errors
    /// [`EncryptedError::File`] where they are not there.
    pub fn server_key_bytes(&self, name: &str, set: &ParameterSet) -> Result<u64, EncryptedError> {
        let (_, path) = self.paths(name, set);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(EncryptedError::File {
                path,
                what: error.to_string(),
            }),
        }
    }

    /// The client's and the server's file.
    pub(super) fn paths(&self, name: &str, set: &ParameterSet) -> (PathBuf, PathBuf) {
        let at = |side: &str| self.0.join(format!("{name}-{}.{side}.key", set.name));
        (at("client"), at("server"))
    }
}

/// A fresh pair as the bytes of two files: the secret, and what a server needs.
///
/// # Errors
/// [`EncryptedError::Randomness`].
pub fn new_key_files(
    set: &'static ParameterSet,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), EncryptedError> {
    let client = ClientKey::generate(set)?;
    let seeded = client.evaluation_keys();
    Ok((client_bytes(&client), server_bytes(&seeded)))
}

/// The secret key of a file.
///
/// # Errors
/// [`EncryptedError::File`] for one that is not there or damaged, [`EncryptedError::Stranger`] for another kind of file or set.
pub fn read_client_key(
    path: &Path,
    set: &'static ParameterSet,
) -> Result<ClientKey, EncryptedError> {
    let bytes = read_secret(path)?;
    let (label, _) = Label::read(path, &bytes, FileKind::SecretKey, set_digest(set))?;
    let bits = closed(path, &bytes)?;
    let wanted = set.lwe_dimension + set.long_dimension();
    if bits.len() != wanted || bits.iter().any(|bit| *bit > 1) {
        return Err(file_error(
            path,
            "the secret is not one of its parameter set",
        ));
    }
    let (short, long) = bits.split_at(set.lwe_dimension);
    let words = |bits: &[u8]| bits.iter().map(|bit| u64::from(*bit)).collect::<Vec<u64>>();
    Ok(ClientKey {
        set,
        id: label.key,
        origin: path.to_path_buf(),
        short: LweSecretKey::from_container(words(short)),
        long: GlweSecretKey::from_container(words(long), Typed::from(set).size),
    })
}

/// The evaluation keys of a file.
///
/// # Errors
/// As [`read_client_key`].
pub fn read_server_key(
    path: &Path,
    set: &'static ParameterSet,
) -> Result<ServerKey, EncryptedError> {
    Ok(read_seeded(path, set)?.1.expand())
}

fn is_there(path: &Path) -> Result<bool, EncryptedError> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error(path, error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), EncryptedError> {
    write_private(path, bytes)
        .map_err(|error| file_error(path, format!("cannot be written: {error}")))
}

fn label(kind: FileKind, set: &ParameterSet, key: KeyId) -> Label {
    Label {
        kind,
        parameters: set_digest(set),
        key,
        circuit: None,
        upload: None,
    }
}

pub(super) fn client_bytes(key: &ClientKey) -> Zeroizing<Vec<u8>> {
    let room = key.set.lwe_dimension + key.set.long_dimension() + blake3::OUT_LEN;
    let mut bytes = Zeroizing::new(label(FileKind::SecretKey, key.set, key.id).begin(room));
    bytes.extend(key.short.as_ref().iter().map(|bit| *bit as u8));
    bytes.extend(key.long.as_ref().iter().map(|bit| *bit as u8));
    close(&mut bytes);
    bytes
}

fn server_bytes(key: &SeededServerKey) -> Vec<u8> {
    let words = || key.bootstrap.as_ref().iter().chain(key.switch.as_ref());
    let room = 8 * words().count() + 2 * size_of::<u128>() + blake3::OUT_LEN;
    let mut bytes = label(FileKind::EvaluationKey, key.set, key.id).begin(room);
    bytes.extend(key.seeds.iter().flat_map(|seed| seed.to_le_bytes()));
    bytes.extend(words().flat_map(|word| word.to_le_bytes()));
    close(&mut bytes);
    bytes
}

fn read_seeded(
    path: &Path,
    set: &'static ParameterSet,
) -> Result<(Label, SeededServerKey), EncryptedError> {
    let bytes = fs::read(path).map_err(|error| file_error(path, error))?;
    let (label, _) = Label::read(path, &bytes, FileKind::EvaluationKey, set_digest(set))?;
    let content = closed(path, &bytes)?;
    let (seeds, rest) = content
        .split_at_checked(32)
        .ok_or_else(|| file_error(path, "the evaluation keys are cut short"))?;
    let mut drawn = [0_u128; 2];
    for (seed, bytes) in drawn.iter_mut().zip(seeds.as_chunks::<16>().0) {
        *seed = u128::from_le_bytes(*bytes);
    }
    let (words, left) = rest.as_chunks::<8>();
    // A body of every row alone: the masks are seeds.
    let bootstrap =
        set.lwe_dimension * (set.glwe_dimension + 1) * set.pbs_levels * set.polynomial_size;
    let switch = set.long_dimension() * set.ks_levels;
    if words.len() != bootstrap + switch || !left.is_empty() {
        return Err(file_error(
            path,
            "the evaluation keys are not of their parameter set",
        ));
    }
    let mut words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let switched = words.split_off(bootstrap);
    let typed = Typed::from(set);
    let key = SeededServerKey {
        set,
        id: label.key,
        origin: path.to_path_buf(),
        bootstrap: SeededLweBootstrapKey::from_container(
            words,
            typed.glwe.to_glwe_size(),
            typed.size,
            typed.pbs_base,
            typed.pbs_levels,
            tfhe::core_crypto::commons::math::random::Seed(drawn[0]).into(),
            typed.modulus,
        ),
        switch: SeededLweKeyswitchKey::from_container(
            switched,
            typed.ks_base,
            typed.ks_levels,
            typed.lwe.to_lwe_size(),
            tfhe::core_crypto::commons::math::random::Seed(drawn[1]).into(),
            typed.modulus,
        ),
        seeds: drawn,
    };
    Ok((label, key))
}
