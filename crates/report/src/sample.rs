//! A run as it could have been, for tests: deterministic, plausible in its sizes, and free of any training.

use std::collections::BTreeMap;

use polyapprox::Interval;

use crate::{ActivationPlot, Inputs, PlanRow, RunReport, SAMPLES, Sample};
use cryptodl_results::{
    Accuracies, ActivationSummary, AgreementSummary, Compared, ComparedBits, DataDigest,
    EncryptionSummary, EpochRow, Evaluation, LayerRow, Machine, Manifest, Memory, NetworkSummary,
    Prediction, PredictionTable, Predictions, Program, StageRecord, Summary, Timing,
};

/// A small generator (SplitMix64), uniform in 0..1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

const CLASSES: usize = 10;

/// A run on `images` test images, all of them encrypted.
pub(crate) fn run(images: usize) -> RunReport {
    let predictions = PredictionTable::from(&predictions(images));
    let class_names: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    let summary = Summary {
        name: "mnist_relu_deg2".into(),
        dataset: "mnist".into(),
        activation: ActivationSummary {
            function: "relu".into(),
            method: "derivative".into(),
            degree: Some(2),
            interval: [-4.0, 4.0],
            coefficients: vec![0.468_75, 0.5, 0.117_187_5],
        },
        network: NetworkSummary {
            depth: 2,
            parameters: 88_490,
            macs: 1_043_200,
            activations: 3_776,
        },
        accuracy: Accuracies::of(&predictions),
        agreement: AgreementSummary::of(&predictions),
        encryption: Some(EncryptionSummary {
            backend: "ckks".into(),
            scheme: "leveled RNS-CKKS".into(),
            ring: Some("conjugate-invariant".into()),
            ring_degree: Some(8192),
            slots: Some(8192),
            log_q: Some(182.0),
            log_qp: Some(217.9),
            security_bits: 128,
            security_source: "Bossuat et al. 2024, ternary secrets".into(),
            multiplicative_depth: Some(3),
            evaluation_key_bytes: 12_582_912,
            ciphertext_bytes: 655_360,
            input_bytes_per_image: 31_360.0,
            min_precision_bits: Some(11.4),
            ..EncryptionSummary::default()
        }),
        timing: Timing {
            train_s: Some(912.3),
            keygen_s: Some(0.0412),
            setup_s: Some(0.31),
            encrypt_s: Some(8.31),
            evaluate_s: Some(36.74),
            decrypt_s: Some(0.92),
            images: images as u64,
            batch: 8192,
            threads: 2,
            predictions_per_hour: Some(1_605_400.0),
            images_per_hour: Some(979_858.0),
            predictions_per_hour_end_to_end: Some(1_282_900.0),
            latency_s: Some(18.2),
            evaluations: Some(3),
            evaluate_min_s: Some(35.9),
            evaluate_max_s: Some(39.2),
        },
        memory: Memory {
            peak_rss_bytes: Some(5_234_491_392),
        },
        tails: None,
        prediction: Some(Prediction {
            evaluate_s: Compared::new(41.2, 36.74),
            precision_bits: ComparedBits::of_errors(3.7e-4, 3.5e-4),
            error_bound_bits: ComparedBits::of_errors(4.1e-3, 1.6e-3),
            peak_bytes: Some(Compared::new(4.9e9, 5_234_491_392.0)),
        }),
    };
    RunReport {
        summary,
        manifest: manifest(),
        epochs: [("polynomial", 0.0), ("original", 0.0006)]
            .iter()
            .flat_map(|(name, lead)| epochs(name, *lead))
            .collect(),
        layers: layers(),
        plan: layers()
            .iter()
            .map(|row| PlanRow {
                level: row.limbs - 1,
                bound_bits: 9.5 + row.index as f64,
            })
            .collect(),
        misclassified: RunReport::misclassified_indices(&predictions)
            .into_iter()
            .take(SAMPLES)
            .map(|(index, label, predicted)| Sample {
                index,
                label,
                predicted,
                shape: [1, 28, 28],
                pixels: ring(index),
            })
            .collect(),
        predictions,
        activations: ["square1", "square2", "square3"]
            .iter()
            .enumerate()
            .map(|(index, name)| activation(index, name))
            .collect(),
        class_names,
        watermark: None,
        spec_toml: "name = \"mnist_relu_deg2\"\nseed = 7\n\n[dataset]\nname = \"mnist\"\n".into(),
    }
}

fn manifest() -> Manifest {
    let digest = "4f2a81c09d3be6f5708f9a1f5d0e6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5";
    let stage = |name: &str, reused, seconds| StageRecord {
        name: name.into(),
        key: digest.chars().rev().collect(),
        reused,
        seconds,
        commit: Some("89abcdef0123456789abcdef0123456789abcdef".into()),
        dirty: Some(false),
    };
    Manifest {
        program: Program {
            version: "0.1.0".into(),
            git_commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            git_dirty: Some(false),
            rustc: Some("rustc 1.95.0".into()),
            crates: BTreeMap::from([
                ("burn".into(), "0.22.1".into()),
                ("polars".into(), "0.55.2".into()),
            ]),
        },
        machine: Machine {
            cpu: Some("An Eight-Core Processor".into()),
            logical_cpus: 2,
            features: vec!["avx2".into(), "avx512f".into(), "avx512ifma".into()],
            memory_bytes: Some(33_554_432_000),
            os: "linux".into(),
            arch: "x86_64".into(),
        },
        threads: BTreeMap::from([("train".into(), 2), ("encrypted".into(), 2)]),
        seeds: BTreeMap::from([("experiment".into(), 7)]),
        weights: None,
        stages: vec![
            stage("train", true, 0.0),
            stage("circuit", false, 12.4),
            stage("encrypted", false, 47.1),
        ],
        data: vec![DataDigest {
            name: "train-images-idx3-ubyte.gz".into(),
            algorithm: "blake3".into(),
            digest: digest.into(),
        }],
        outputs: Vec::new(),
        started: "2026-03-01T12:00:00Z".into(),
        finished: "2026-03-01T12:01:07Z".into(),
        command: vec![
            "cryptodl".into(),
            "run".into(),
            "configs/mnist_relu_deg2.toml".into(),
        ],
    }
}

fn epochs(network: &str, lead: f64) -> Vec<EpochRow> {
    (1..=20)
        .map(|epoch| {
            let rest = (-0.22 * epoch as f64).exp();
            let wobble = 0.0006 * (epoch as f64 * 2.3).sin() * rest.sqrt();
            EpochRow {
                network: network.into(),
                epoch,
                train_loss: 0.31 + 0.62 * rest - 20.0 * lead,
                train_accuracy: 0.985 - 0.2 * rest + lead,
                validation_accuracy: 0.9942 - 0.045 * rest + wobble + lead,
                learning_rate: 0.003 * (1.0 - epoch as f64 / 20.0),
                outside: 0.02 * rest + 0.0011,
                seconds: 44.0,
            }
        })
        .collect()
}

fn layers() -> Vec<LayerRow> {
    let layer =
        |index, name: &str, kind: &str, macs, ciphertexts, limbs, precision_bits, seconds| {
            LayerRow {
                index,
                name: name.into(),
                kind: kind.into(),
                macs,
                ciphertexts,
                limbs,
                scale_bits: 36.0,
                precision_bits,
                seconds,
                predicted_seconds: Some(1.1 * seconds),
                bytes: (ciphertexts * limbs * 131_072) as u64,
            }
        };
    vec![
        layer(0, "conv1", "linear", 451_584, 2_304, 5, 16.2, 9.81),
        layer(1, "square1", "polynomial", 0, 2_304, 4, 14.9, 13.2),
        layer(2, "conv2", "linear", 519_168, 800, 4, 13.6, 8.4),
        layer(3, "square2", "polynomial", 0, 800, 3, 12.7, 3.9),
        layer(4, "dense1", "linear", 51_200, 64, 3, 12.1, 1.12),
        layer(5, "square3", "polynomial", 0, 64, 2, 11.8, 0.27),
        layer(6, "dense2", "linear", 640, 10, 1, 11.4, 0.04),
    ]
}

fn activation(index: usize, name: &str) -> ActivationPlot {
    let mut random = Random(index as u64 + 11);
    let mut histogram = vec![0_u64; 80];
    let (low, high) = (-5.0, 5.0);
    for _ in 0..20_000 {
        let value = (0.8 + 0.25 * index as f64) * random.normal() - 0.1;
        let bin = ((value - low) / (high - low) * 80.0).clamp(0.0, 79.0) as usize;
        histogram[bin] += 1;
    }
    ActivationPlot {
        name: name.into(),
        function: polyapprox::Function::Relu,
        interval: Interval::new(-4.0, 4.0).unwrap(),
        polynomials: (0..16)
            .map(|_| {
                vec![
                    0.3 + 0.05 * random.normal(),
                    0.5 + 0.06 * random.normal(),
                    0.15 + 0.03 * random.normal(),
                ]
            })
            .collect(),
        inputs: Inputs {
            ends: (-5.31, 6.02),
            mean: -0.1,
            deviation: 0.8 + 0.25 * index as f64,
            outside: 0.0004 * (index + 1) as f64,
            range: (low, high),
            counts: histogram,
        },
    }
}

fn predictions(images: usize) -> Predictions {
    let mut random = Random(1);
    let labels: Vec<u16> = (0..images)
        .map(|_| (random.next() * CLASSES as f64) as u16)
        .collect();
    let mut float = Vec::with_capacity(images * CLASSES);
    for label in &labels {
        let hard = random.next() < 0.015;
        for class in 0..CLASSES {
            let own = if class == usize::from(*label) {
                if hard { 2.4 } else { 9.0 }
            } else {
                0.0
            };
            float.push((own + 1.3 * random.normal()) as f32);
        }
    }
    let mut noisy = |from: &[f32], size: f64| -> Vec<f32> {
        from.iter()
            .map(|logit| (f64::from(*logit) + size * random.normal()) as f32)
            .collect()
    };
    let original = noisy(&float, 0.8);
    let circuit = noisy(&float, 0.02);
    let (simulated, encrypted) = (noisy(&circuit, 0.0004), noisy(&circuit, 0.0004));
    let evaluation = |name: &str, logits| {
        (
            name.to_owned(),
            Evaluation {
                classes: CLASSES,
                logits,
            },
        )
    };
    Predictions {
        labels,
        evaluations: vec![
            evaluation("original", original),
            evaluation("polynomial", float),
            evaluation("circuit", circuit),
            evaluation("simulated", simulated),
            evaluation("encrypted", encrypted),
        ],
    }
}

/// A ring of varying size: looks enough like a digit.
fn ring(index: usize) -> Vec<u8> {
    let radius = 5.0 + (index % 6) as f64;
    (0..28 * 28)
        .map(|pixel| {
            let (x, y) = ((pixel % 28) as f64 - 13.5, (pixel / 28) as f64 - 13.5);
            let distance = (x.hypot(1.2 * y) - radius).abs();
            (255.0 * (1.0 - distance / 2.5).clamp(0.0, 1.0)) as u8
        })
        .collect()
}
