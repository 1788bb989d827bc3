//! The batched engine: [`Client`] has the secret key, [`Server`] has none, and [`Batched`] plays both in one process for `cryptodl run`.

mod client;
mod package;
mod server;

pub use client::{Client, IDLE_SLOTS};
pub use package::{ClientPackage, ServerPackage, export};
pub use server::{Received, Server, ServerKey};

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::exported::{file_error, read_json};
use super::{
    Backend, CIRCUIT_FILE, ClientSide, Decrypted, EncryptedError, Job, KeyFiles, Outcome,
    PLAN_FILE, ServerSide, Work,
};
use cryptodl_circuit::{Circuit, Plan};
use cryptodl_data::{ImageRange, Images};
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_runtime::Progress;
use cryptodl_spec::{BackendName, Shape};

/// Batched leveled CKKS.
#[derive(Clone, Copy, Debug)]
pub struct Batched;

impl Backend for Batched {
    fn name(&self) -> BackendName {
        BackendName::Ckks
    }

    fn evaluate(&self, job: &Job<'_>) -> Result<Outcome, EncryptedError> {
        let Work::Polynomials { circuit, plan } = job.work else {
            return Err(EncryptedError::Mismatch {
                what: "the work of the backend `ckks`",
                found: "a circuit of look-ups".into(),
                wanted: "a circuit of polynomials".into(),
            });
        };
        let batched = BatchedJob {
            circuit,
            plan,
            images: job.images,
            count: job.count,
            stop: job.stop,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(job.threads)
            .build()
            .map_err(|source| EncryptedError::Threads {
                threads: job.threads,
                source,
            })?;
        pool.install(|| evaluate(&batched, rayon::current_num_threads()))
    }

    fn export(&self, run: &Path, images: ImageRange, folder: &Path) -> Result<(), EncryptedError> {
        let path = run.join(CIRCUIT_FILE);
        let circuit = Circuit::read(&path).map_err(|error| file_error(&path, error))?;
        let plan: Plan = read_json(&run.join(PLAN_FILE))?;
        export(&circuit, &plan, images, folder)
    }

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
        Client::encrypt(self, images, from, to.saturating_sub(from))
    }

    fn decrypt(
        &self,
        path: &Path,
        reply: &[u8],
        count: Option<usize>,
    ) -> Result<Decrypted, EncryptedError> {
        let most = self.images_per_upload();
        let count = count.unwrap_or(ClientSide::capacity(self));
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
        self.evaluate(received, &mut |layer, time| {
            tracing::info!(layer, seconds = time.as_secs_f64(), "layer done");
            go_on()
        })
    }
}

/// A [`Job`] of the kind that this engine takes.
struct BatchedJob<'a> {
    circuit: &'a Circuit,
    plan: &'a Plan,
    images: &'a Images,
    count: usize,
    stop: &'a AtomicBool,
}

fn evaluate(job: &BatchedJob<'_>, threads: usize) -> Result<Outcome, EncryptedError> {
    // The run compares what it decrypts with the circuit in the clear: any image will do.
    let client_package = ClientPackage::new(job.circuit, job.plan, ImageRange::ANY)?;
    let server_package = ServerPackage::new(job.circuit, job.plan)?;

    let start = Instant::now();
    let (client, evaluation_key) = Client::generate(client_package)?;
    let keygen = start.elapsed();
    let evaluation_key_bytes = match &evaluation_key {
        Some(key) => key.to_bytes()?.len() as u64,
        None => 0,
    };
    let server =
        Server::with_parameters(server_package, client.parameters().clone(), evaluation_key)?;

    // A server that is up has its memory: the system gives fresh pages more slowly than the arithmetic fills them.
    let start = Instant::now();
    server.reserve(job.plan.ciphertext_memory_bytes());
    let setup = start.elapsed();

    let slots = client.images_per_upload();
    let batches = job.count.div_ceil(slots);
    let layer_count = job.circuit.layers.len();
    let progress = Progress::start(
        "encrypted evaluation",
        (batches * server.reports()) as u64,
        "steps",
    );
    let mut seconds = vec![Duration::ZERO; layer_count];
    let (mut encrypt, mut evaluate, mut decrypt) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut views: Vec<Vec<f32>> = vec![Vec::new(); job.plan.views];
    let mut upload_bytes = 0;
    for batch in 0..batches {
        let first = batch * slots;
        let count = slots.min(job.count - first);
        progress.message(&format!("batch {} of {batches}", batch + 1));

        let start = Instant::now();
        let upload = client.encrypt(job.images, first, count)?;
        encrypt += start.elapsed();
        upload_bytes = upload.len();

        let start = Instant::now();
        let received = server.receive(Path::new("the upload"), &upload)?;
        drop(upload);
        let reply = server.evaluate(received, &mut |layer, time| {
            seconds[layer] += time;
            progress.advance(1);
            !job.stop.load(Ordering::Relaxed)
        })?;
        evaluate += start.elapsed();

        let start = Instant::now();
        let (of_views, verdict) = client.decrypt_views(Path::new("the reply"), &reply, count)?;
        for (all, view) in views.iter_mut().zip(of_views) {
            all.extend(view);
        }
        decrypt += start.elapsed();
        if verdict.is_spoilt() {
            tracing::warn!(
                batch = batch + 1,
                "the slots without an image say that this batch is spoilt: noise or a value past half the modulus"
            );
        }
        tracing::info!(
            batch = batch + 1,
            batches,
            images = count,
            "encrypted batch evaluated"
        );
    }

    let classes = job.circuit.classes;
    let predictions = (batches * slots) as f64;
    let hourly = |count: f64, time: Duration| count * 3600.0 / time.as_secs_f64().max(1e-9);
    Ok(Outcome {
        evaluation: Evaluation {
            classes,
            logits: mean(&views),
        },
        one_view: match &views[..] {
            [first, _, ..] => Some(Evaluation {
                classes,
                logits: first.clone(),
            }),
            _ => None,
        },
        layers: layer_rows(job, &seconds, threads),
        encryption: summary(job.plan, &client, evaluation_key_bytes, upload_bytes)?,
        timing: Timing {
            train_s: None,
            keygen_s: Some(keygen.as_secs_f64()),
            setup_s: Some(setup.as_secs_f64()),
            encrypt_s: Some(encrypt.as_secs_f64()),
            evaluate_s: Some(evaluate.as_secs_f64()),
            decrypt_s: Some(decrypt.as_secs_f64()),
            images: job.count as u64,
            batch: slots as u64,
            threads,
            predictions_per_hour: Some(hourly(predictions, evaluate)),
            images_per_hour: Some(hourly(job.count as f64, evaluate)),
            predictions_per_hour_end_to_end: Some(hourly(
                predictions,
                encrypt + evaluate + decrypt,
            )),
            // A batch costs the same however many of its slots are filled.
            latency_s: Some(evaluate.as_secs_f64() / batches.max(1) as f64),
        },
    })
}

/// The mean over the views of each logit.
fn mean(views: &[Vec<f32>]) -> Vec<f32> {
    let share = 1.0 / views.len().max(1) as f32;
    let mut views = views.iter();
    let mut sum = views.next().cloned().unwrap_or_default();
    for view in views {
        sum.iter_mut()
            .zip(view)
            .for_each(|(sum, value)| *sum += value);
    }
    sum.iter_mut().for_each(|value| *value *= share);
    sum
}

fn layer_rows(job: &BatchedJob<'_>, seconds: &[Duration], threads: usize) -> Vec<LayerRow> {
    job.plan
        .layers
        .iter()
        .zip(seconds)
        .enumerate()
        .map(|(index, (layer, time))| LayerRow {
            index,
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            macs: layer.macs,
            ciphertexts: layer.ciphertexts,
            limbs: layer.level + 1,
            scale_bits: layer.scale_bits,
            precision_bits: layer.precision_bits,
            seconds: time.as_secs_f64(),
            predicted_seconds: Some(job.plan.layer_seconds(layer, job.count, threads)),
            bytes: layer.bytes,
        })
        .collect()
}

fn summary(
    plan: &Plan,
    client: &Client,
    evaluation_key_bytes: u64,
    upload_bytes: usize,
) -> Result<EncryptionSummary, EncryptedError> {
    let parameters = client.parameters();
    let precision = plan
        .layers
        .iter()
        .map(|layer| layer.precision_bits)
        .fold(f64::INFINITY, f64::min);
    let limbs = parameters.max_level() + 1;
    Ok(EncryptionSummary {
        backend: "ckks".into(),
        scheme: "leveled RNS-CKKS, integer weights, one image a slot".into(),
        ring: Some(match parameters.ring() {
            ::ckks::Ring::Standard => "standard".into(),
            ::ckks::Ring::ConjugateInvariant => "conjugate-invariant".into(),
        }),
        ring_degree: Some(parameters.ring_degree()),
        slots: Some(parameters.slots()),
        log_q: Some(parameters.log_q()),
        log_qp: Some(parameters.log_qp()),
        security_bits: plan.security_bits,
        security_source: parameters.security_source().into(),
        multiplicative_depth: Some(plan.multiplicative_depth),
        evaluation_key_bytes,
        ciphertext_bytes: (2 * limbs * parameters.ring_degree() * size_of::<u64>()) as u64,
        input_bytes_per_image: upload_bytes as f64 / client.images_per_upload() as f64,
        views: (plan.views > 1).then_some(plan.views),
        min_precision_bits: Some(precision),
        ..EncryptionSummary::default()
    })
}
