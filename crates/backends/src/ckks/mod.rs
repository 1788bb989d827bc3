//! The batched engine: [`Client`] has the secret key, [`Server`] has none, and [`Network`] lets both work in one process for
//! `cryptodl run`.

mod client;
mod evaluate;
mod network;
mod package;
mod plan_text;
mod server;

pub use client::{Client, IDLE_SLOTS};
pub use network::Network;
pub use package::{ClientPackage, ServerPackage, export};
pub use plan_text::facts;
pub use server::{Received, Server, ServerKey};

use std::path::Path;

use super::error::file_error;
use super::exported::read_json;
use super::{
    Backend, CIRCUIT_FILE, ClientSide, CompiledNetwork, Decrypted, EncryptedError, Engine,
    KeyFiles, PLAN_FILE, PlanText, ServerSide, Trained,
};
use cryptodl_circuit::{Circuit, CostTable, plan_shape, plan_shape_with};
use cryptodl_data::{ImageRange, Images};
use cryptodl_runtime::Progress;
use cryptodl_spec::{Experiment, Shape};

/// Batched leveled CKKS.
#[derive(Clone, Copy, Debug)]
pub struct Batched;

impl Backend for Batched {
    fn check(&self, experiment: &Experiment) -> Result<String, EncryptedError> {
        let plan = plan_shape(experiment)?;
        Ok(format!(
            "ring degree {}, log2 QP {:.0}, depth {}",
            plan.ring_degree, plan.log_qp, plan.multiplicative_depth
        ))
    }

    fn plan(
        &self,
        experiment: &Experiment,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Option<PlanText>, EncryptedError> {
        let plan = plan_shape_with(experiment, &costs())?;
        let encryption = &experiment.encryption;
        Ok(Some(PlanText {
            facts: facts(&plan, encryption.images, encryption.threads),
            table: plan_text::table(&plan),
            legend: Some(
                "scale, bound and precision in bits; weights are not trained yet, so bounds and precision are estimates",
            ),
        }))
    }

    fn evaluate_seconds(
        &self,
        experiment: &Experiment,
        costs: &CostTable,
    ) -> Result<Option<f64>, EncryptedError> {
        let encryption = &experiment.encryption;
        let plan = plan_shape_with(experiment, costs)?;
        Ok(Some(
            plan.evaluate_seconds(encryption.images, encryption.threads),
        ))
    }

    fn compile(
        &self,
        trained: &Trained<'_>,
        costs: &dyn Fn() -> CostTable,
    ) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        Ok(Box::new(Network::compile(trained, &costs())?))
    }

    fn read(&self, folder: &Path) -> Result<Box<dyn CompiledNetwork>, EncryptedError> {
        let path = folder.join(CIRCUIT_FILE);
        Ok(Box::new(Network {
            circuit: Circuit::read(&path).map_err(|error| file_error(&path, error))?,
            plan: read_json(&folder.join(PLAN_FILE))?,
        }))
    }

    fn engine(&self) -> Option<&dyn Engine> {
        Some(self)
    }
}

impl Engine for Batched {
    fn generate_keys(&self, client: &Path) -> Result<KeyFiles, EncryptedError> {
        let (client, key) = Client::generate(ClientPackage::read(client)?)?;
        Ok(KeyFiles {
            secret: client.secret_bytes()?,
            evaluation: key.map(|key| key.to_bytes()).transpose()?,
        })
    }

    fn open_client(
        &self,
        folder: &Path,
        key: &Path,
    ) -> Result<Box<dyn ClientSide>, EncryptedError> {
        Ok(Box::new(Client::open(ClientPackage::read(folder)?, key)?))
    }

    fn open_server(
        &self,
        folder: &Path,
        key: &Path,
    ) -> Result<Box<dyn ServerSide>, EncryptedError> {
        let package = ServerPackage::read(folder)?;
        let parameters = package.parameters()?;
        let key = match parameters.special_primes() {
            [] => None,
            _ => Some(ServerKey::open(&parameters, key)?),
        };
        Ok(Box::new(Server::with_parameters(package, parameters, key)?))
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
        self.images_per_upload().saturating_sub(IDLE_SLOTS).max(1)
    }

    fn encrypt(&self, images: &Images, from: usize, to: usize) -> Result<Vec<u8>, EncryptedError> {
        let (count, most) = (to.saturating_sub(from), ClientSide::capacity(self));
        if count > most {
            return Err(EncryptedError::Mismatch {
                what: "the number of images in the upload",
                found: count.to_string(),
                wanted: format!("at most {most}"),
            });
        }
        Client::encrypt(self, images, from, count)
    }

    fn decrypt(
        &self,
        path: &Path,
        reply: &[u8],
        count: Option<usize>,
    ) -> Result<Decrypted, EncryptedError> {
        // Never a slot more: those behind hold no image, and tell whether the batch was spoilt.
        let most = ClientSide::capacity(self);
        let count = count.unwrap_or(most);
        if !(1..=most).contains(&count) {
            return Err(EncryptedError::Count { count, most });
        }
        Client::decrypt(self, path, reply, count)
    }
}

impl ServerSide for Server {
    fn answer(
        &self,
        path: &Path,
        upload: Vec<u8>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>, EncryptedError> {
        let received = self.receive(path, &upload)?;
        drop(upload);
        let progress = Progress::start("encrypted evaluation", self.reports() as u64, "steps");
        self.evaluate(received, &mut |layer, time| {
            progress.advance(1);
            tracing::debug!(layer, seconds = time.as_secs_f64(), "layer done");
            go_on()
        })
    }
}
