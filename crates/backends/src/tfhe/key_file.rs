//! Keys on disk: a folder of their own, private to their owner, one pair of files for every spec and parameter set.
//!
//! ```text
//! client = short secret, long secret: a bit a byte
//! server = pair: 32 bytes | seeds: 2 x u128 | bootstrapping key, key-switching key: u64
//! ```
//! Each in a [`Form`]. The pair is the digest of the client's file: a folder with evaluation keys of another secret is refused.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tfhe::core_crypto::prelude::*;
use zeroize::Zeroizing;

use super::keys::{ClientKey, SeededServerKey, ServerKey};
use super::parameters::Typed;
use super::sealed::{DIGEST, Form, sealed, wrong};
use crate::EncryptedError;
use cryptodl_circuit::pbs::ParameterSet;
use cryptodl_runtime::write_secret;

const MAGIC: &[u8] = b"CRYPTODL TFHE KEY";
const CLIENT: Form = Form {
    magic: MAGIC,
    kind: 0,
    what: "key file",
    hint: "remove it to have new keys made",
};
const SERVER: Form = Form { kind: 1, ..CLIENT };

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
    /// [`EncryptedError::File`] for a file that is damaged or does not belong there. It is never replaced on its own.
    pub fn load_or_generate(
        &self,
        name: &str,
        set: &'static ParameterSet,
    ) -> Result<(ClientKey, ServerKey, bool), EncryptedError> {
        let (client_path, server_path) = self.paths(name, set);
        if let Some(bytes) = read(&client_path)? {
            let bytes = Zeroizing::new(bytes);
            let client = client_from(&client_path, &bytes, set)?;
            let pair = *blake3::hash(&bytes).as_bytes();
            if let Some(bytes) = read(&server_path)? {
                let server = server_from(&server_path, &bytes, set, Some(&pair))?;
                drop(bytes);
                return Ok((client, server.expand(), false));
            }
            // Lost or never written: they can always be made from the secret.
            let seeded = client.evaluation_keys();
            write(&server_path, &server_bytes(&seeded, &pair))?;
            return Ok((client, seeded.expand(), true));
        }
        let client = ClientKey::generate(set);
        let bytes = Zeroizing::new(client_bytes(&client));
        let pair = *blake3::hash(&bytes).as_bytes();
        let seeded = client.evaluation_keys();
        // The secret last: where it is, evaluation keys are or can be made.
        write(&server_path, &server_bytes(&seeded, &pair))?;
        write(&client_path, &bytes)?;
        Ok((client, seeded.expand(), true))
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

/// Makes a key pair: the secret in one file, what a server needs in another.
///
/// # Errors
/// [`EncryptedError::File`] where they cannot be written.
pub fn write_new_keys(
    set: &'static ParameterSet,
    secret: &Path,
    evaluation: &Path,
) -> Result<(), EncryptedError> {
    let client = ClientKey::generate(set);
    let bytes = Zeroizing::new(client_bytes(&client));
    let pair = *blake3::hash(&bytes).as_bytes();
    let seeded = client.evaluation_keys();
    cryptodl_runtime::write_whole(evaluation, &server_bytes(&seeded, &pair))
        .map_err(|error| wrong(evaluation, &format!("cannot be written: {error}")))?;
    write(secret, &bytes)
}

/// The secret key of a file.
///
/// # Errors
/// [`EncryptedError::File`] for one that is not there, damaged, or of another set.
pub fn read_client_key(
    path: &Path,
    set: &'static ParameterSet,
) -> Result<ClientKey, EncryptedError> {
    let bytes = Zeroizing::new(whole(path)?);
    client_from(path, &bytes, set)
}

/// The evaluation keys of a file, of whatever secret: a server knows none.
///
/// # Errors
/// As [`read_client_key`].
pub fn read_server_key(
    path: &Path,
    set: &'static ParameterSet,
) -> Result<ServerKey, EncryptedError> {
    let bytes = whole(path)?;
    Ok(server_from(path, &bytes, set, None)?.expand())
}

fn whole(path: &Path) -> Result<Vec<u8>, EncryptedError> {
    fs::read(path).map_err(|error| wrong(path, &error.to_string()))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, EncryptedError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(path, &error.to_string())),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), EncryptedError> {
    write_secret(path, bytes).map_err(|error| wrong(path, &format!("cannot be written: {error}")))
}

pub(super) fn client_bytes(key: &ClientKey) -> Vec<u8> {
    let mut bytes = CLIENT.head(key.set);
    // Room for all of it from the start: no copy of a secret stays behind in freed memory.
    bytes.reserve_exact(key.set.lwe_dimension + key.set.long_dimension() + DIGEST);
    bytes.extend(key.short.as_ref().iter().map(|bit| *bit as u8));
    bytes.extend(key.long.as_ref().iter().map(|bit| *bit as u8));
    sealed(bytes)
}

fn client_from(
    path: &Path,
    bytes: &[u8],
    set: &'static ParameterSet,
) -> Result<ClientKey, EncryptedError> {
    let bits = CLIENT.content(path, bytes, set)?;
    let wanted = set.lwe_dimension + set.long_dimension();
    if bits.len() != wanted || bits.iter().any(|bit| *bit > 1) {
        return Err(wrong(path, "the secret is not one of this parameter set"));
    }
    let (short, long) = bits.split_at(set.lwe_dimension);
    let words = |bits: &[u8]| bits.iter().map(|bit| u64::from(*bit)).collect::<Vec<u64>>();
    Ok(ClientKey {
        set,
        short: LweSecretKey::from_container(words(short)),
        long: GlweSecretKey::from_container(words(long), Typed::from(set).size),
    })
}

fn server_bytes(key: &SeededServerKey, pair: &[u8; DIGEST]) -> Vec<u8> {
    let mut bytes = SERVER.head(key.set);
    bytes.extend(pair);
    bytes.extend(key.seeds.iter().flat_map(|seed| seed.to_le_bytes()));
    let words = key.bootstrap.as_ref().iter().chain(key.switch.as_ref());
    bytes.extend(words.flat_map(|word| word.to_le_bytes()));
    sealed(bytes)
}

fn server_from(
    path: &Path,
    bytes: &[u8],
    set: &'static ParameterSet,
    pair: Option<&[u8; DIGEST]>,
) -> Result<SeededServerKey, EncryptedError> {
    let rest = SERVER.content(path, bytes, set)?;
    let typed = Typed::from(set);
    let (of, rest) = rest
        .split_at_checked(DIGEST)
        .ok_or_else(|| wrong(path, "the evaluation keys are cut short"))?;
    if pair.is_some_and(|pair| of != pair) {
        return Err(wrong(
            path,
            "these evaluation keys belong to another secret key\nhint: remove them to have new ones made",
        ));
    }
    let (seeds, rest) = rest
        .split_at_checked(32)
        .ok_or_else(|| wrong(path, "the evaluation keys are cut short"))?;
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
        return Err(wrong(
            path,
            "the evaluation keys are not of this parameter set",
        ));
    }
    let mut words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let switched = words.split_off(bootstrap);
    Ok(SeededServerKey {
        set,
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
    })
}
