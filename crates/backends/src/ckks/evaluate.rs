//! A run's encrypted evaluation: client and server in one process, batch after batch.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cryptodl_circuit::Plan;
use cryptodl_data::ImageRange;
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_runtime::Progress;

use super::client::mean;
use super::{Client, ClientPackage, Network, Server, ServerPackage};
use crate::{EncryptedError, Job, Outcome};

/// Client and server in one process, on the threads of the pool that this is called in.
pub(super) fn evaluate(
    network: &Network,
    job: &Job<'_>,
    threads: usize,
) -> Result<Outcome, EncryptedError> {
    let Network { circuit, plan } = network;
    // The run compares what it decrypts with the circuit in the clear: any image will do.
    let client_package = ClientPackage::new(circuit, plan, ImageRange::ANY)?;
    let server_package = ServerPackage::new(circuit, plan)?;

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
    server.reserve(plan.ciphertext_memory_bytes());
    let setup = start.elapsed();

    let slots = client.images_per_upload();
    let batches = job.count.div_ceil(slots);
    let layer_count = circuit.layers.len();
    let progress = Progress::start(
        "encrypted evaluation",
        (batches * server.reports()) as u64,
        "steps",
    );
    let mut seconds = vec![Duration::ZERO; layer_count];
    let (mut encrypt, mut evaluate, mut decrypt) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut views: Vec<Vec<f32>> = vec![Vec::new(); plan.views];
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

    let classes = circuit.classes;
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
        layers: layer_rows(plan, &seconds, job.count, threads),
        encryption: summary(plan, &client, evaluation_key_bytes, upload_bytes)?,
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
            ..Timing::default()
        },
    })
}

fn layer_rows(plan: &Plan, seconds: &[Duration], images: usize, threads: usize) -> Vec<LayerRow> {
    plan.layers
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
            predicted_seconds: Some(plan.layer_seconds(layer, images, threads)),
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
        ring: Some(parameters.ring().as_str().into()),
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
