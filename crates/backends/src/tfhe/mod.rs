//! The bootstrapped engine: one ciphertext a value, one bootstrap a neuron. [`Client`] has the secret key, [`Server`] has none, and
//! [`Network`] lets both work in one process for `cryptodl run`.
//!
//! Sums are integer combinations of raw ciphertexts. A look-up is a key switch to the short secret and a blind rotation of the neuron's
//! table. One table a bootstrap: several look-ups of one input (`ManyLut`) would cost a bit of the message space each, and a neuron
//! needs one function of its own sum only.

mod bootstrap;
mod client;
mod evaluate;
mod key_file;
mod keys;
mod network;
mod package;
mod parameters;
mod plan_text;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use bootstrap::measure_bootstrap;
pub use client::Client;
pub use key_file::{KeyFolder, new_key_files, read_client_key, read_server_key};
pub use keys::{ClientKey, ServerKey};
pub use network::Network;
pub use package::{ClientPackage, ServerPackage, export};
pub use server::Server;
pub use wire::{MAX_IMAGES, Reply, Upload};

use std::path::Path;

use super::exported::read_json;
use super::{
    Backend, ClientSide, CompiledNetwork, Decrypted, EncryptedError, Engine, KeyFiles, PBS_FILE,
    PLAN_FILE, PlanText, ServerSide, Trained,
};
use cryptodl_circuit::pbs::{PbsCircuit, plan_shape};
use cryptodl_circuit::{CircuitError, CostTable};
use cryptodl_data::{ImageRange, Images};
use cryptodl_runtime::Progress;
use cryptodl_spec::{Experiment, Shape};

/// Bootstrapped TFHE.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrapped;

/// Images that are evaluated side by side: enough that no core waits for the last neurons of one.
pub const IMAGES_IN_FLIGHT: usize = 4;

impl Backend for Bootstrapped {
    fn check(&self, experiment: &Experiment) -> Result<String, EncryptedError> {
        let plan = plan_shape(experiment)?;
        Ok(format!(
            "backend tfhe, {} bootstraps an image, tables of 2^{} entries",
            plan.bootstraps, plan.message_bits
        ))
    }

    fn plan(
        &self,
        experiment: &Experiment,
        _: &dyn Fn() -> CostTable,
    ) -> Result<Option<PlanText>, EncryptedError> {
        let plan = plan_shape(experiment)?;
        let set = plan.set().map_err(CircuitError::from)?;
        let bootstrap = measure_bootstrap(set)?;
        let text = plan_text::text(&plan, set, bootstrap, &experiment.encryption);
        Ok(Some(text))
    }

    fn evaluate_seconds(
        &self,
        _: &Experiment,
        _: &CostTable,
    ) -> Result<Option<f64>, EncryptedError> {
        Ok(None)
    }

    fn compile(
        &self,
        trained: &Trained<'_>,
        _: &dyn Fn() -> CostTable,
    ) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        Ok(Box::new(Network::compile(trained)?))
    }

    fn read(&self, folder: &Path) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        let circuit: PbsCircuit = read_json(&folder.join(PBS_FILE))?;
        circuit.check().map_err(CircuitError::from)?;
        let plan = read_json(&folder.join(PLAN_FILE))?;
        Ok(Box::new(Network { circuit, plan }))
    }

    fn engine(&self) -> Option<&dyn Engine> {
        Some(self)
    }
}

impl Engine for Bootstrapped {
    fn generate_keys(&self, client: &Path) -> Result<KeyFiles, EncryptedError> {
        let (_, set) = ClientPackage::read(client)?;
        let (secret, evaluation) = new_key_files(set)?;
        Ok(KeyFiles {
            secret,
            evaluation: Some(evaluation),
        })
    }

    fn open_client(
        &self,
        folder: &Path,
        key: &Path,
    ) -> Result<Box<dyn ClientSide>, EncryptedError> {
        let (package, set) = ClientPackage::read(folder)?;
        Ok(Box::new(Client::new(read_client_key(key, set)?, package)?))
    }

    fn open_server(
        &self,
        folder: &Path,
        key: &Path,
    ) -> Result<Box<dyn ServerSide>, EncryptedError> {
        let (package, set) = ServerPackage::read(folder)?;
        Ok(Box::new(Server::new(
            read_server_key(key, set)?,
            package.circuit,
        )?))
    }
}

impl ClientSide for Client {
    fn input(&self) -> Shape {
        self.package().input
    }

    fn image_range(&self) -> ImageRange {
        self.package().images
    }

    fn classes(&self) -> usize {
        self.package().classes
    }

    fn capacity(&self) -> usize {
        MAX_IMAGES
    }

    fn encrypt(&self, images: &Images, from: usize, to: usize) -> Result<Vec<u8>, EncryptedError> {
        self.upload(images, from, to)
    }

    fn decrypt(
        &self,
        path: &Path,
        reply: &[u8],
        count: Option<usize>,
    ) -> Result<Decrypted, EncryptedError> {
        let replies = self.open_reply(path, reply)?;
        let (count, most) = (count.unwrap_or(replies.len()), replies.len());
        let asked = replies.get(..count).filter(|asked| !asked.is_empty());
        self.logits(asked.ok_or(EncryptedError::Count { count, most })?)
    }
}

impl ServerSide for Server {
    fn answer(
        &self,
        path: &Path,
        upload: Vec<u8>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>, EncryptedError> {
        let (images, name) = self.receive(path, &upload)?;
        drop(upload);
        let progress = Progress::start(
            "encrypted evaluation",
            (images.len() * self.bootstraps()) as u64,
            "bootstraps",
        );
        let done = |bootstraps| {
            progress.advance(bootstraps);
            go_on()
        };
        let mut replies = Vec::with_capacity(images.len());
        for together in images.chunks(IMAGES_IN_FLIGHT) {
            replies.extend(self.evaluate(together, &done)?);
        }
        Ok(self.reply(&replies, name))
    }
}
