//! The stages of a run and their keys.
//!
//! key = BLAKE3(stage, version of its code, its checked inputs, keys of the stages before it, digest of the data). The git commit is
//! recorded in the manifest, not hashed: a stage's version is raised by hand when its meaning changes.

use serde::Serialize;
use serde_json::{Value, json};

use super::PipelineError;
use crate::spec::{ActivationForm, ContentKey, EncryptionSpec, Experiment, TrainSpec};

/// A stage that the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Training with the polynomial.
    Train,
    /// Training with the original activation.
    Original,
    /// Logits in the clear, and the ranges of the pre-activations.
    Plaintext,
    /// Folding, planning and the clear simulator.
    Circuit,
    /// Real ciphertexts.
    Encrypted,
}

/// How one stage came to its result.
#[derive(Clone, Debug, Serialize)]
pub struct Finished {
    /// Which.
    pub stage: Stage,
    /// Its key.
    pub key: String,
    /// Whether the store had it.
    pub reused: bool,
    /// Seconds it took when it ran.
    pub seconds: f64,
    /// Commit of the program that computed it, where that was recorded.
    pub commit: Option<String>,
    /// Whether that program differed from its commit.
    pub dirty: Option<bool>,
}

impl Stage {
    /// The name in the store and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Original => "original",
            Self::Plaintext => "plaintext",
            Self::Circuit => "circuit",
            Self::Encrypted => "encrypted",
        }
    }

    /// What a signal waits for while the stage runs: the others are ended at once, and begin again from the start.
    pub(super) const fn finishes(self) -> Option<&'static str> {
        match self {
            Self::Train | Self::Original => {
                Some("the current step of the training, and a checkpoint")
            }
            Self::Encrypted => Some("the current layer on ciphertexts"),
            Self::Plaintext | Self::Circuit => None,
        }
    }

    /// Raised when the stage's code changes what it computes.
    const fn version(self) -> u32 {
        match self {
            Self::Train | Self::Original => 1,
            Self::Plaintext => 2,
            Self::Circuit => 7,
            Self::Encrypted => 5,
        }
    }

    fn key(self, inputs: Value) -> Result<String, PipelineError> {
        content_key(&json!({ "stage": self.as_str(), "version": self.version(), "inputs": inputs }))
    }
}

fn content_key(value: &Value) -> Result<String, PipelineError> {
    let key = ContentKey::of(value).map_err(|error| PipelineError::Malformed {
        path: "the stage's inputs".into(),
        what: error.to_string(),
    })?;
    Ok(key.to_string())
}

/// The keys of all stages of one experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// See [`Stage::Train`]; none where the activation is exact.
    pub train: Option<String>,
    /// See [`Stage::Original`]; none without a baseline, unless the activation is exact or the polynomial network learns from it.
    pub original: Option<String>,
    /// See [`Stage::Plaintext`].
    pub plaintext: String,
    /// See [`Stage::Circuit`].
    pub circuit: String,
    /// See [`Stage::Encrypted`].
    pub encrypted: String,
}

impl Keys {
    /// For an experiment on data of that digest, starting from that polynomial; or on a trained network in a file with the BLAKE3 digest
    /// `weights`.
    pub fn new(
        experiment: &Experiment,
        data: &[u8; 32],
        coefficients: &[f64],
        weights: Option<&str>,
    ) -> Result<Self, PipelineError> {
        let data = blake3::Hash::from_bytes(*data).to_hex().to_string();
        // What the baseline flag asks for is a stage of its own and does not change the polynomial's training.
        let recipe = TrainSpec {
            baseline: false,
            ..experiment.train
        };
        let seeded = |recipe: TrainSpec| json!({ "recipe": recipe, "seed": experiment.seed });
        let mut dataset = json!(experiment.dataset);
        // The digest says what images in files are, wherever they lie.
        if let Some(keys) = dataset.as_object_mut() {
            keys.remove("files");
        }
        let images = json!({ "dataset": dataset, "data": data });
        let interval = experiment.activation.interval;
        let activation = &experiment.activation;
        let mut polynomial_start = json!({
            "coefficients": coefficients,
            "degree": activation.degree,
            "interval": interval,
            "trainable": activation.trainable,
        });
        // Plain polynomials had keys before there was another form.
        if activation.form != ActivationForm::Polynomial {
            polynomial_start["form"] = json!(activation.form);
        }
        let needs_original = experiment.train.needs_original();
        let trains_original = experiment.train.baseline || activation.exact || needs_original;
        let original = match (weights, trains_original) {
            // The network of an exact activation is the original one.
            (Some(digest), _) if activation.exact => {
                Some(Stage::Original.key(json!({ "weights": digest }))?)
            }
            (Some(_), _) => None,
            (None, true) => Some(Stage::Original.key(json!([
                images,
                experiment.network,
                seeded(recipe.of_original()),
                experiment.activation.function,
                interval
            ]))?),
            (None, false) => None,
        };
        if needs_original {
            polynomial_start["original"] = json!(original);
        }
        let polynomial = || {
            Stage::Train.key(json!([
                images,
                experiment.network,
                seeded(recipe),
                polynomial_start,
            ]))
        };
        let trained = match (weights, activation.exact) {
            (Some(digest), false) => Some(Stage::Train.key(json!({ "weights": digest }))?),
            (_, true) => None,
            (None, false) => Some(polynomial()?),
        };
        let encryption = &experiment.encryption;
        let mut measured = vec![json!(trained), json!(original), json!(interval)];
        // One view had keys before there could be two.
        if encryption.views > 1 {
            measured.push(json!(encryption.views));
        }
        let plaintext = Stage::Plaintext.key(json!(measured))?;
        // How many images are encrypted on how many threads, and how often, does not change the circuit and its plan.
        let plan = EncryptionSpec {
            images: 0,
            threads: 0,
            repetitions: 1,
            ..*encryption
        };
        let network = trained.as_ref().or(original.as_ref());
        let circuit = Stage::Circuit.key(json!([network, plan, experiment.seed]))?;
        let encrypted = Stage::Encrypted.key(json!([circuit, encryption]))?;
        Ok(Self {
            train: trained,
            original,
            plaintext,
            circuit,
            encrypted,
        })
    }

    /// Eight characters that tell runs apart: of everything that a run's folder depends on.
    pub fn run_id(&self, experiment: &Experiment) -> Result<String, PipelineError> {
        Ok(content_key(&json!([self, experiment]))?
            .chars()
            .take(8)
            .collect())
    }
}
