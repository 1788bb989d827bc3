//! `summary.json` and the typed rows of a run's tables. Keys are a contract: they are added to, never renamed; absent means not asked for.

use serde::{Deserialize, Serialize};

/// The machine-readable result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The spec's name.
    pub name: String,
    /// The data set's name.
    pub dataset: String,
    /// The activation.
    pub activation: ActivationSummary,
    /// The network.
    pub network: NetworkSummary,
    /// The accuracies.
    pub accuracy: Accuracies,
    /// How often neighbours agree on the encrypted images.
    pub agreement: AgreementSummary,
    /// The encryption; absent with the `clear` backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSummary>,
    /// Wall-clock times.
    pub timing: Timing,
    /// Memory.
    pub memory: Memory,
    /// What the planner foretold and what came; absent where nothing was encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// How far single images go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tails: Option<TailSummary>,
}

/// How far single images go: quantiles over images of their largest values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tails {
    /// Images looked at.
    pub images: u64,
    /// Those that passed, somewhere, what the circuit was planned for.
    pub past_bound: u64,
    /// One for each activation's input, in order, and one for the logits.
    pub layers: Vec<LayerTail>,
}

/// Quantiles over images of the largest absolute value of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerTail {
    /// `activation 1`, ..., `logits`.
    pub name: String,
    /// Of half of the images.
    pub median: f64,
    /// Of 999 images in 1,000.
    pub p999: f64,
    /// Of all.
    pub max: f64,
}

/// The tails of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailSummary {
    /// Of the held-out training images and their mirror images; absent where none were held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<Tails>,
    /// Of the test images.
    pub test: Tails,
}

/// The activation of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivationSummary {
    /// Name of the original function.
    pub function: String,
    /// Name of the method (`explicit` where coefficients were given).
    pub method: String,
    /// Degree; absent where there is no polynomial (`method` is `exact` then).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degree: Option<usize>,
    /// Interval.
    pub interval: [f64; 2],
    /// Ascending coefficients that training started from; absent where there is no polynomial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coefficients: Vec<f64>,
}

/// The network of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSummary {
    /// Convolution blocks.
    pub depth: usize,
    /// Trained numbers.
    pub parameters: usize,
    /// Multiply-accumulates of the folded circuit, for one image.
    pub macs: u64,
    /// Activations of one image.
    pub activations: u64,
}

/// A proportion with its 95 % Wilson interval. Fractions, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// correct / n.
    pub value: f64,
    /// Images classified correctly.
    pub correct: u64,
    /// Images.
    pub n: u64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The five accuracies. All but `encrypted` are on the whole test set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracies {
    /// The network with the original activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Accuracy>,
    /// The network with the polynomial, f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polynomial: Option<Accuracy>,
    /// The integer circuit in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<Accuracy>,
    /// The integer circuit with sampled ciphertext noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Accuracy>,
    /// Real ciphertexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<Accuracy>,
    /// The network with the polynomial on one view of each image, where the others average over two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polynomial_one_view: Option<Accuracy>,
    /// Real ciphertexts of one view of each image, where the others average over two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_one_view: Option<Accuracy>,
}

/// A share of equal predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Fraction of equal predictions.
    pub value: f64,
    /// Images compared.
    pub n: u64,
}

/// Agreement of neighbours on the encrypted images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgreementSummary {
    /// Real ciphertexts against the f32 polynomial network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_vs_polynomial: Option<Agreement>,
    /// Real ciphertexts against the integer circuit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_vs_circuit: Option<Agreement>,
    /// Polynomial network against the original activation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polynomial_vs_original: Option<Agreement>,
    /// Integer circuit against the f32 polynomial network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_vs_polynomial: Option<Agreement>,
    /// Simulated noise against the integer circuit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated_vs_circuit: Option<Agreement>,
    /// Largest difference of a logit between ciphertexts and the integer circuit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_logit_error: Option<f64>,
}

/// What was encrypted, with what. Where a scheme has no such thing, a field is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncryptionSummary {
    /// `ckks` or `tfhe`.
    pub backend: String,
    /// The scheme, in words.
    pub scheme: String,
    /// `standard` or `conjugate-invariant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// Rank over Z, the length of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_degree: Option<usize>,
    /// Images per ciphertext.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<usize>,
    /// log2 of the ciphertext modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_q: Option<f64>,
    /// The same with special primes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_qp: Option<f64>,
    /// Claimed security.
    pub security_bits: u32,
    /// Where the claim comes from.
    pub security_source: String,
    /// Ciphertext-ciphertext multiplications in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplicative_depth: Option<usize>,
    /// Bytes of the evaluation keys on disk.
    pub evaluation_key_bytes: u64,
    /// Bytes of one fresh, unseeded ciphertext.
    pub ciphertext_bytes: u64,
    /// Bytes uploaded for one image of a full batch.
    pub input_bytes_per_image: f64,
    /// Views of an image that were encrypted, their logits averaged; absent where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<usize>,
    /// Smallest predicted precision of any layer, bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_precision_bits: Option<f64>,
    /// The engine's name for its parameter set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_set: Option<String>,
    /// Length of the secret that look-ups read under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lwe_dimension: Option<usize>,
    /// Polynomials of the other secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glwe_dimension: Option<usize>,
    /// Coefficients of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polynomial_size: Option<usize>,
    /// Bits of a look-up's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bits: Option<u32>,
    /// Bits of a pixel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_bits: Option<u32>,
    /// Bits of a logit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bits: Option<u32>,
    /// log2 of the predicted probability that one look-up is not the simulator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_probability_log2: Option<f64>,
    /// The same of one decrypted logit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_failure_probability_log2: Option<f64>,
    /// Look-ups of one image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstraps_per_image: Option<u64>,
    /// Seconds of one look-up alone on one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_s: Option<f64>,
}

/// Wall-clock seconds on `threads` threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Training (of the polynomial network), from a fresh start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_s: Option<f64>,
    /// Key generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keygen_s: Option<f64>,
    /// The server's memory taken from the system, once, before the first upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_s: Option<f64>,
    /// Encryption of all batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt_s: Option<f64>,
    /// The server's evaluation of all batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_s: Option<f64>,
    /// Decryption of all replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decrypt_s: Option<f64>,
    /// Encrypted images.
    pub images: u64,
    /// Slots of one batch.
    pub batch: u64,
    /// Threads.
    pub threads: usize,
    /// batches x slots x 3600 / evaluate_s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictions_per_hour: Option<f64>,
    /// images x 3600 / evaluate_s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_hour: Option<f64>,
    /// batches x slots x 3600 / (encrypt + evaluate + decrypt).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictions_per_hour_end_to_end: Option<f64>,
    /// Evaluation of one batch, as long for one image as for many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// How often the images were encrypted, evaluated and decrypted; all times are those of the median evaluation. Absent where it was once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
    /// The shortest of these evaluations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_min_s: Option<f64>,
    /// The longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_max_s: Option<f64>,
}

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Largest resident set of the process during the encrypted evaluation (the client's part, too), bytes; of the whole run where nothing
    /// is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
}

/// The planner's predictions of the encrypted evaluation, each with what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The server's evaluation of all batches, seconds.
    pub evaluate_s: Compared,
    /// Precision of the logits, -log2 of the root mean square of what the noise changes: decrypted logits against the integer circuit's, over
    /// the encrypted images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_bits: Option<ComparedBits>,
    /// -log2 of the largest error of any logit: the bound, and the largest over the encrypted images. The difference is what the bound has to
    /// spare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bound_bits: Option<ComparedBits>,
    /// Most memory, bytes: of the server's values and key, and of the whole process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<Compared>,
}

/// A prediction and its measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Before.
    pub predicted: f64,
    /// After.
    pub measured: f64,
    /// measured / predicted.
    pub ratio: f64,
}

/// A prediction in bits and its measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedBits {
    /// Before.
    pub predicted: f64,
    /// After.
    pub measured: f64,
    /// measured - predicted.
    pub difference: f64,
}

impl Compared {
    /// Puts a measurement beside its prediction.
    pub fn new(predicted: f64, measured: f64) -> Self {
        Self {
            predicted,
            measured,
            ratio: measured / predicted,
        }
    }
}

impl ComparedBits {
    /// Puts errors beside each other as bits; nothing where one of them is no positive number.
    pub fn of_errors(predicted: f64, measured: f64) -> Option<Self> {
        let (predicted, measured) = (-predicted.log2(), -measured.log2());
        let difference = measured - predicted;
        difference.is_finite().then_some(Self {
            predicted,
            measured,
            difference,
        })
    }
}

/// One row of `epochs.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// `polynomial` or `original`.
    pub network: String,
    /// From 1.
    pub epoch: usize,
    /// Mean training loss.
    pub train_loss: f64,
    /// Training accuracy (on the augmented images as trained on).
    pub train_accuracy: f64,
    /// Accuracy on the held-out images, of the averaged weights where averaging is on.
    pub validation_accuracy: f64,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Share of pre-activations outside the interval during the epoch.
    pub outside: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// One row of `layers.csv`: one layer of the circuit, all batches together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// Position in the circuit.
    pub index: usize,
    /// `conv1`, `square2`, ...
    pub name: String,
    /// `linear`, `polynomial`, `pool`.
    pub kind: String,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Ciphertexts that leave the layer.
    pub ciphertexts: usize,
    /// Limbs (primes) of those ciphertexts.
    pub limbs: usize,
    /// log2 of their scale.
    pub scale_bits: f64,
    /// Predicted precision after the layer, bits after the binary point of a unit value.
    pub precision_bits: f64,
    /// Wall-clock seconds over all batches.
    pub seconds: f64,
    /// What the planner predicted them to be; absent in tables from before it was kept.
    #[serde(default)]
    pub predicted_seconds: Option<f64>,
    /// Bytes that leave the layer, one batch.
    pub bytes: u64,
}

/// One evaluation of the test images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Number of logits per image.
    pub classes: usize,
    /// `[images, classes]`, row major; the first `images` test images.
    pub logits: Vec<f32>,
}

impl Evaluation {
    /// Images evaluated.
    pub fn images(&self) -> usize {
        self.logits.len().checked_div(self.classes).unwrap_or(0)
    }
    /// The predicted class of each image: the largest logit, the first of equals.
    pub fn predicted(&self) -> Vec<u16> {
        self.logits
            .chunks_exact(self.classes.max(1))
            .map(|row| {
                let mut best = 0;
                for (class, value) in row.iter().enumerate() {
                    if *value > row[best] {
                        best = class;
                    }
                }
                best as u16
            })
            .collect()
    }
}

/// What `predictions.parquet` holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// True class of every test image.
    pub labels: Vec<u16>,
    /// The evaluations that were made, by name (`original`, `polynomial`, `circuit`, `simulated`, `encrypted`), in that order.
    pub evaluations: Vec<(String, Evaluation)>,
}

impl Accuracy {
    /// From counts, with the 95 % Wilson score interval (Wilson 1927). `n` = 0 gives the interval [0, 1].
    pub fn wilson(correct: u64, n: u64) -> Self {
        const Z: f64 = crate::statistics::NORMAL;
        if n == 0 {
            return Self {
                value: 0.0,
                correct,
                n,
                low: 0.0,
                high: 1.0,
            };
        }
        let (count, p) = (n as f64, correct as f64 / n as f64);
        let centre = p + Z * Z / (2.0 * count);
        let spread = Z * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
        let denominator = 1.0 + Z * Z / count;
        Self {
            value: p,
            correct,
            n,
            // At 0 and n correct the ends are p itself; rounding must not put them on its other side.
            low: ((centre - spread) / denominator).clamp(0.0, p),
            high: ((centre + spread) / denominator).clamp(p, 1.0),
        }
    }
}
