//! A run's encrypted evaluation: client and server in one process, some images at a time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cryptodl_circuit::CircuitError;
use cryptodl_circuit::pbs::{ParameterSet, PbsPlan};
use cryptodl_data::ImageRange;
use cryptodl_records::{EncryptionSummary, Evaluation, LayerRow, Timing};
use cryptodl_runtime::Progress;

use super::{
    Client, ClientPackage, IMAGES_IN_FLIGHT, KeyFolder, Network, Server, Upload, measure_bootstrap,
};
use crate::{EncryptedError, Job, Outcome};

/// Client and server in one process, on the threads of the pool that this is called in.
pub(super) fn evaluate(
    network: &Network,
    job: &Job<'_>,
    threads: usize,
) -> Result<Outcome, EncryptedError> {
    let Network { circuit, plan } = network;
    let set = plan.set().map_err(CircuitError::from)?;
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
        let count = IMAGES_IN_FLIGHT.min(job.count - first);
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
                "the logits of some of these images are out of range, or their noise is none that can be"
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
            ..Timing::default()
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
