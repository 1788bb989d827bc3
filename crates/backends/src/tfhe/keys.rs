//! Keys: two binary secrets on the client's side, and what the server needs to bootstrap.

use std::fmt;
use std::path::PathBuf;

use tfhe::core_crypto::prelude::*;
use zeroize::Zeroize;

use super::parameters::Typed;
use crate::{EncryptedError, KeyId};
use cryptodl_circuit::pbs::ParameterSet;

/// The client's secrets, zeroised when they are dropped.
pub struct ClientKey {
    pub(super) set: &'static ParameterSet,
    pub(super) id: KeyId,
    /// Where the key came from, for messages.
    pub(super) origin: PathBuf,
    /// What look-ups read under.
    pub(super) short: LweSecretKeyOwned<u64>,
    /// What everything else is encrypted under.
    pub(super) long: GlweSecretKeyOwned<u64>,
}

/// Evaluation keys in the form that is kept and sent: masks as seeds.
pub struct SeededServerKey {
    pub(super) set: &'static ParameterSet,
    pub(super) id: KeyId,
    /// Where the keys came from, for messages.
    pub(super) origin: PathBuf,
    pub(super) bootstrap: SeededLweBootstrapKeyOwned<u64>,
    pub(super) switch: SeededLweKeyswitchKeyOwned<u64>,
    /// The seeds of the masks.
    pub(super) seeds: [u128; 2],
}

/// Evaluation keys ready to use. There is no secret in them.
pub struct ServerKey {
    pub(super) set: &'static ParameterSet,
    /// That of the secret.
    pub(super) id: KeyId,
    /// Where the keys came from, for messages.
    pub(super) origin: PathBuf,
    pub(super) bootstrap: FourierLweBootstrapKeyOwned,
    pub(super) switch: LweKeyswitchKeyOwned<u64>,
}

impl Drop for ClientKey {
    fn drop(&mut self) {
        self.short.as_mut().zeroize();
        self.long.as_mut().zeroize();
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("set", &self.set.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey")
            .field("set", &self.set.name)
            .finish_non_exhaustive()
    }
}

/// The operating system's randomness; nothing of an experiment's seed comes near it.
pub(super) fn seeder() -> Box<dyn Seeder> {
    #[cfg(unix)]
    {
        Box::new(tfhe::core_crypto::seeders::UnixSeeder::new(0))
    }
    #[cfg(not(unix))]
    {
        tfhe::core_crypto::seeders::new_seeder()
    }
}

impl ClientKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`EncryptedError::Randomness`].
    pub fn generate(set: &'static ParameterSet) -> Result<Self, EncryptedError> {
        let typed = Typed::from(set);
        let mut secrets =
            SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder().as_mut().seed());
        Ok(Self {
            set,
            id: KeyId::new()?,
            origin: "the secret key".into(),
            short: allocate_and_generate_new_binary_lwe_secret_key(typed.lwe, &mut secrets),
            long: allocate_and_generate_new_binary_glwe_secret_key(
                typed.glwe,
                typed.size,
                &mut secrets,
            ),
        })
    }

    /// The evaluation keys that belong to it, on all threads.
    pub fn evaluation_keys(&self) -> SeededServerKey {
        let typed = Typed::from(self.set);
        let mut seeder = seeder();
        let seeds = [seeder.seed(), seeder.seed()];
        let mut bootstrap = SeededLweBootstrapKey::new(
            0,
            typed.glwe.to_glwe_size(),
            typed.size,
            typed.pbs_base,
            typed.pbs_levels,
            typed.lwe,
            seeds[0].into(),
            typed.modulus,
        );
        par_generate_seeded_lwe_bootstrap_key(
            &self.short,
            &self.long,
            &mut bootstrap,
            typed.glwe_noise,
            seeder.as_mut(),
        );
        let mut switch = SeededLweKeyswitchKey::new(
            0,
            typed.ks_base,
            typed.ks_levels,
            LweDimension(self.set.long_dimension()),
            typed.lwe,
            seeds[1].into(),
            typed.modulus,
        );
        generate_seeded_lwe_keyswitch_key(
            &self.long.as_lwe_secret_key(),
            &self.short,
            &mut switch,
            typed.lwe_noise,
            seeder.as_mut(),
        );
        SeededServerKey {
            set: self.set,
            id: self.id,
            origin: "the evaluation keys".into(),
            bootstrap,
            switch,
            seeds: seeds.map(|seed| seed.0),
        }
    }
}

impl SeededServerKey {
    /// Draws the masks and transforms the bootstrapping key.
    pub fn expand(self) -> ServerKey {
        let typed = Typed::from(self.set);
        let standard = self.bootstrap.par_decompress_into_lwe_bootstrap_key();
        let mut bootstrap = FourierLweBootstrapKey::new(
            typed.lwe,
            typed.glwe.to_glwe_size(),
            typed.size,
            typed.pbs_base,
            typed.pbs_levels,
        );
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        ServerKey {
            set: self.set,
            id: self.id,
            origin: self.origin,
            bootstrap,
            switch: self.switch.par_decompress_into_lwe_keyswitch_key(),
        }
    }
}
