//! The bootstrapped engine: one ciphertext a value, one bootstrap a neuron. [`Client`] has the secret key, [`Server`] has none, and
//! [`Bootstrapped`] plays both in one process for `cryptodl run`.
//!
//! Sums are integer combinations of raw ciphertexts. A look-up is a key switch to the short secret and a blind rotation of the neuron's
//! table. One table a bootstrap: several look-ups of one input (`ManyLut`) would cost a bit of the message space each, and a neuron
//! needs one function of its own sum only.

mod bootstrap;
mod client;
mod key_file;
mod keys;
mod package;
mod parameters;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use bootstrap::measure_bootstrap;
pub use client::{Client, Reply, Upload};
pub use key_file::{KeyFolder, new_key_files, read_client_key, read_server_key};
pub use keys::{ClientKey, ServerKey};
pub use package::{ClientPackage, ServerPackage, export};
pub use server::Server;
pub use wire::MAX_IMAGES;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::exported::read_json;
use super::{
    Backend, ClientSide, Decrypted, EncryptedError, Job, KeyFiles, LOOKUP_FILE, Outcome, PLAN_FILE,
    ServerSide, Work,
};
use cryptodl_circuit::CircuitError;
use cryptodl_circuit::pbs::{ParameterSet, PbsCircuit, PbsPlan};
use cryptodl_data::{ImageRange, Images};
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_runtime::Progress;
use cryptodl_spec::{BackendName, Shape};

/// Bootstrapped TFHE.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrapped;

/// Images that are evaluated side by side: enough that no core waits for the last neurons of one.
pub const TOGETHER: usize = 4;

impl Backend for Bootstrapped {
    fn name(&self) -> BackendName {
        BackendName::Tfhe
    }

    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError> {
        let Work::Lookups { circuit, plan } = job.work else {
            return Err(EncryptedError::Mismatch {
                what: "the work of the backend `tfhe`",
                found: "a circuit of polynomials".into(),
                wanted: "a circuit of look-ups".into(),
            });
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(job.threads)
            .build()
            .map_err(|source| EncryptedError::Threads {
                threads: job.threads,
                source,
            })?;
        pool.install(|| evaluate(job, circuit, plan, rayon::current_num_threads()))
    }

    fn export(&self, run: &Path, images: ImageRange, folder: &Path) -> Result<(), EncryptedError> {
        let circuit: PbsCircuit = read_json(&run.join(LOOKUP_FILE))?;
        circuit.check().map_err(CircuitError::from)?;
        let plan: PbsPlan = read_json(&run.join(PLAN_FILE))?;
        export(&circuit, &plan, images, folder)
    }

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
        let images = self.receive(path, &upload)?;
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
        for together in images.chunks(TOGETHER) {
            replies.extend(self.evaluate(together, &done)?);
        }
        Ok(self.reply(&replies))
    }
}

fn evaluate(
    job: &Job<'_>,
    circuit: &PbsCircuit,
    plan: &PbsPlan,
    threads: usize,
) -> Result<Outcome, EncryptedError> {
    let set = plan.set().map_err(cryptodl_circuit::CircuitError::from)?;
    let start = Instant::now();
    let folder = KeyFolder::open(job.key_dir)?;
    let (client_key, server_key, made) = folder.load_or_generate(job.name, set)?;
    let keygen = start.elapsed();
    let evaluation_key_bytes = folder.server_key_bytes(job.name, set)?;
    tracing::info!(
        set = set.name,
        made,
        seconds = keygen.as_secs_f64(),
        "keys {}",
        if made { "generated" } else { "read" }
    );
    let client = Client::new(
        client_key,
        ClientPackage::new(circuit, set, ImageRange::ANY),
    )?;
    let server = Server::new(server_key, circuit.clone())?;
    let bootstrap_s = measure_bootstrap(set)?;

    let progress = Progress::start(
        "encrypted evaluation",
        (job.count * circuit.bootstraps()) as u64,
        "bootstraps",
    );
    let (mut encrypt, mut evaluate, mut decrypt) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut logits = Vec::with_capacity(job.count * circuit.logits.outputs());
    let mut upload_bytes = 0;
    let mut first = 0;
    while first < job.count {
        let count = TOGETHER.min(job.count - first);
        progress.message(&format!("image {} of {}", first + 1, job.count));
        let begun = Instant::now();
        let uploads: Vec<Upload> = (first..first + count)
            .map(|index| client.encrypt(job.images, index))
            .collect::<Result<_, _>>()?;
        encrypt += begun.elapsed();
        upload_bytes = uploads.first().map_or(0, Upload::bytes);

        let begun = Instant::now();
        let replies = server.evaluate(&uploads, &|bootstraps| {
            progress.advance(bootstraps);
            !job.stop.load(Ordering::Relaxed)
        })?;
        evaluate += begun.elapsed();

        let begun = Instant::now();
        let decrypted = client.logits(&replies)?;
        logits.extend(decrypted.logits);
        decrypt += begun.elapsed();
        if !decrypted.verdict.is_good() {
            tracing::warn!(
                image = first + 1,
                "the noise of these logits is none that can be"
            );
        }
        first += count;
    }
    let spent = server.spent();
    let per_image = |time: Duration| time.as_secs_f64() / job.count.max(1) as f64;
    let hourly = |time: Duration| job.count as f64 * 3600.0 / time.as_secs_f64().max(1e-9);
    Ok(Outcome {
        evaluation: Evaluation {
            classes: circuit.logits.outputs(),
            logits,
        },
        one_view: None,
        layers: layer_rows(plan, set, &spent, threads),
        encryption: summary(plan, set, evaluation_key_bytes, upload_bytes, bootstrap_s),
        timing: Timing {
            train_s: None,
            keygen_s: made.then_some(keygen.as_secs_f64()),
            setup_s: None,
            encrypt_s: Some(encrypt.as_secs_f64()),
            evaluate_s: Some(evaluate.as_secs_f64()),
            decrypt_s: Some(decrypt.as_secs_f64()),
            images: job.count as u64,
            batch: 1,
            threads,
            predictions_per_hour: Some(hourly(evaluate)),
            images_per_hour: Some(hourly(evaluate)),
            predictions_per_hour_end_to_end: Some(hourly(encrypt + evaluate + decrypt)),
            latency_s: Some(per_image(evaluate)),
        },
    })
}

/// Core-seconds over threads: the layers of neighbouring images overlap, so that a layer has no wall-clock time of its own.
fn layer_rows(
    plan: &PbsPlan,
    set: &ParameterSet,
    spent: &[Duration],
    threads: usize,
) -> Vec<LayerRow> {
    plan.layers
        .iter()
        .zip(spent)
        .enumerate()
        .map(|(index, (layer, time))| LayerRow {
            index,
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            macs: layer.macs,
            ciphertexts: layer.ciphertexts,
            limbs: 1,
            scale_bits: 64.0 - f64::from(layer.bits),
            precision_bits: f64::from(layer.bits),
            seconds: time.as_secs_f64() / threads.max(1) as f64,
            predicted_seconds: None,
            bytes: layer.ciphertexts as u64 * set.ciphertext_bytes(),
        })
        .collect()
}

fn summary(
    plan: &PbsPlan,
    set: &ParameterSet,
    evaluation_key_bytes: u64,
    upload_bytes: u64,
    bootstrap_s: f64,
) -> EncryptionSummary {
    EncryptionSummary {
        backend: "tfhe".into(),
        scheme: "TFHE, integer sums and one look-up a neuron".into(),
        security_bits: ParameterSet::SECURITY_BITS,
        security_source: ParameterSet::SECURITY_SOURCE.into(),
        evaluation_key_bytes,
        ciphertext_bytes: set.ciphertext_bytes(),
        input_bytes_per_image: upload_bytes as f64,
        parameter_set: Some(set.name.into()),
        lwe_dimension: Some(set.lwe_dimension),
        glwe_dimension: Some(set.glwe_dimension),
        polynomial_size: Some(set.polynomial_size),
        message_bits: Some(plan.message_bits),
        pixel_bits: plan.pixel_bits,
        logit_bits: plan.logit_bits,
        failure_probability_log2: Some(plan.lookup_failure_log2),
        logit_failure_probability_log2: plan.logit_failure_log2,
        bootstraps_per_image: Some(plan.bootstraps as u64),
        bootstrap_s: Some(bootstrap_s),
        ..EncryptionSummary::default()
    }
}
