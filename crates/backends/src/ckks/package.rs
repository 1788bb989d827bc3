//! What client and server take with them as separate processes: two folders that share a parameter set and nothing secret.
//!
//! `client/client.json` holds the parameters and the preprocessing, `server/server.json` the parameters, `server/circuit.bin` the
//! folded network. Each JSON file closes with the BLAKE3 digest of its content: an integrity check, not an authentication.

use std::path::Path;

use ckks::{Parameters, ParametersLiteral};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{file_error, stranger};
use crate::exported::{
    CLIENT_FILE, SERVER_FILE, check_classes, check_shape, make_sides, read_envelope, write_envelope,
};
use crate::registry::CKKS_KINDS;
use crate::sealed::Digest;
use crate::{CIRCUIT_FILE, EncryptedError, Promise};
use cryptodl_circuit::{Circuit, Execution, Plan, Schedule, idle_slot};
use cryptodl_data::{ImageRange, Images, Preprocessing};
use cryptodl_spec::Shape;

/// What a client must know: how to turn an image into numbers, and the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPackage {
    /// The parameter set.
    pub parameters: ParametersLiteral,
    /// Scale of the encrypted pixels.
    pub input_scale: f64,
    /// Shape of one image.
    pub input: Shape,
    /// A pixel enters as `(byte / 255 - mean[channel]) / std[channel]`.
    pub mean: Vec<f32>,
    /// See `mean`.
    pub std: Vec<f32>,
    /// What is done to the values of each image after that.
    #[serde(default, skip_serializing_if = "Preprocessing::is_plain")]
    pub preprocessing: Preprocessing,
    /// Logits in a reply.
    pub classes: usize,
    /// What a reply must keep to.
    pub promise: Promise,
    /// Which circuit it is.
    pub circuit: Digest,
    /// What images are like that the network was trained on.
    pub images: ImageRange,
    /// Views of an image that are encrypted: the image alone, or its mirror image as well. Their logits are averaged.
    #[serde(default = "one_view", skip_serializing_if = "is_one_view")]
    pub views: usize,
}

const fn one_view() -> usize {
    1
}

/// Keeps what every folder once had out of the file.
const fn is_one_view(views: &usize) -> bool {
    *views == 1
}

/// What a server must know: the circuit and the parameters.
#[derive(Clone, Debug)]
pub struct ServerPackage {
    /// The parameter set.
    pub literal: ParametersLiteral,
    /// Scale that uploads must have.
    pub input_scale: f64,
    /// Where values are relinearised and rescaled.
    pub schedule: Schedule,
    /// Layer by layer, or in chunks where memory is short.
    pub execution: Execution,
    /// The folded network.
    pub circuit: Circuit,
    /// Which circuit it is.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    parameters: ParametersLiteral,
    input_scale: f64,
    schedule: Schedule,
    execution: Execution,
    circuit: Digest,
}

/// Identifies a parameter set in files.
pub(super) fn parameters_digest(parameters: &Parameters) -> Digest {
    Digest(parameters.fingerprint())
}

/// Identifies a circuit with all that the meaning of an upload and of a reply depends on.
fn circuit_digest(
    circuit: &Circuit,
    parameters: &Parameters,
    input_scale: f64,
    schedule: &Schedule,
) -> Digest {
    Digest::of(
        "cryptodl ckks circuit 1",
        &[
            &parameters.fingerprint(),
            &input_scale.to_le_bytes(),
            // A plain value: its JSON cannot fail.
            &serde_json::to_vec(schedule).unwrap_or_default(),
            &circuit.to_bytes(),
        ],
    )
}

impl ClientPackage {
    /// The client's part of a planned circuit, for images like those of `range`.
    ///
    /// # Errors
    /// If the plan's parameters are not secure, or the circuit cannot be evaluated.
    pub fn new(circuit: &Circuit, plan: &Plan, images: ImageRange) -> Result<Self, EncryptedError> {
        let parameters = Parameters::new(plan.parameters.clone())?;
        let idle = idle_slot(circuit, plan)?;
        let promise = Promise {
            logit_bound: circuit.logit_bound() + plan.logit_error_bound(),
            idle: idle.logits,
            idle_error_bound: idle.error_bound,
        };
        Ok(Self {
            parameters: plan.parameters.clone(),
            input_scale: plan.input_scale,
            input: circuit.input,
            mean: circuit.mean.clone(),
            std: circuit.std.clone(),
            preprocessing: circuit.preprocessing.clone(),
            classes: circuit.classes,
            promise,
            circuit: circuit_digest(circuit, &parameters, plan.input_scale, &plan.schedule),
            images,
            views: plan.views,
        })
    }

    /// The checked parameter set.
    pub fn parameters(&self) -> Result<Parameters, EncryptedError> {
        Ok(Parameters::new(self.parameters.clone())?)
    }

    /// Normalised pixels of `count` images, `[features, count]`: one row a feature, as the slots of one ciphertext.
    pub fn features(&self, images: &Images, first: usize, count: usize) -> Vec<f64> {
        let (length, plane) = (self.input.len(), self.input.height * self.input.width);
        if !self.preprocessing.is_plain() {
            let normalisation = (self.mean.as_slice(), self.std.as_slice());
            let prepared: Vec<Vec<f32>> = (first..first + count)
                .into_par_iter()
                .map(|image| {
                    let bytes = images.image(image);
                    self.preprocessing.apply(self.input, normalisation, bytes)
                })
                .collect();
            return (0..length)
                .flat_map(|feature| prepared.iter().map(move |image| f64::from(image[feature])))
                .collect();
        }
        let mut values = Vec::with_capacity(length * count);
        for feature in 0..length {
            let (mean, std) = (
                f64::from(self.mean[feature / plane]),
                f64::from(self.std[feature / plane]),
            );
            values.extend((first..first + count).map(|image| {
                let byte = images.pixels[image * length + feature];
                (f64::from(byte) / 255.0 - mean) / std
            }));
        }
        values
    }

    /// Reads a client folder.
    pub fn read(folder: &Path) -> Result<Self, EncryptedError> {
        let path = folder.join(CLIENT_FILE);
        let package: Self = read_envelope(&path, CKKS_KINDS[0])?;
        package
            .check()
            .map_err(|what| EncryptedError::File { path, what })?;
        Ok(package)
    }

    fn check(&self) -> Result<(), String> {
        check_shape(self.input)?;
        let channels = self.input.channels;
        if self.mean.len() != channels || self.std.len() != channels {
            return Err(format!(
                "{channels} means and deviations are needed, one a channel"
            ));
        }
        if !self.mean.iter().all(|mean| mean.is_finite())
            || !self.std.iter().all(|std| std.is_finite() && *std > 0.0)
        {
            return Err("means must be finite and deviations positive".into());
        }
        if let Some(fault) = self.preprocessing.fault(channels) {
            return Err(format!("the preprocessing has {fault}"));
        }
        if !(1..=2).contains(&self.views) {
            return Err(format!("{} views of an image are not possible", self.views));
        }
        check_classes(self.classes)?;
        self.promise.check(self.classes)?;
        self.images.check()?;
        check_scale(self.input_scale)
    }
}

impl ServerPackage {
    /// The server's part of a planned circuit.
    ///
    /// # Errors
    /// If the plan's parameters are not secure.
    pub fn new(circuit: &Circuit, plan: &Plan) -> Result<Self, EncryptedError> {
        let parameters = Parameters::new(plan.parameters.clone())?;
        Ok(Self {
            literal: plan.parameters.clone(),
            input_scale: plan.input_scale,
            schedule: plan.schedule.clone(),
            execution: plan.execution,
            circuit: circuit.clone(),
            digest: circuit_digest(circuit, &parameters, plan.input_scale, &plan.schedule),
        })
    }

    /// The checked parameter set.
    pub fn parameters(&self) -> Result<Parameters, EncryptedError> {
        Ok(Parameters::new(self.literal.clone())?)
    }

    /// Reads a server folder.
    pub fn read(folder: &Path) -> Result<Self, EncryptedError> {
        let path = folder.join(SERVER_FILE);
        let file: ServerFile = read_envelope(&path, CKKS_KINDS[1])?;
        check_scale(file.input_scale).map_err(|what| file_error(&path, what))?;
        let parameters =
            Parameters::new(file.parameters.clone()).map_err(|error| file_error(&path, error))?;
        let circuit_path = folder.join(CIRCUIT_FILE);
        let circuit =
            Circuit::read(&circuit_path).map_err(|error| file_error(&circuit_path, error))?;
        let digest = circuit_digest(&circuit, &parameters, file.input_scale, &file.schedule);
        if digest != file.circuit {
            return Err(stranger(
                &circuit_path,
                format!(
                    "this is another circuit ({digest}) than the one that {SERVER_FILE} beside it is for ({})",
                    file.circuit
                ),
            ));
        }
        file.schedule.check(&circuit)?;
        Ok(Self {
            literal: file.parameters,
            input_scale: file.input_scale,
            schedule: file.schedule,
            execution: file.execution,
            circuit,
            digest,
        })
    }
}

fn check_scale(scale: f64) -> Result<(), String> {
    if scale.is_finite() && (1.0..=2f64.powi(50)).contains(&scale) {
        Ok(())
    } else {
        Err(format!("the scale {scale} is outside 1 to 2^50"))
    }
}

/// Writes `folder/client/` and `folder/server/` for a planned circuit and images like those of the training.
///
/// # Errors
/// As [`ClientPackage::new`], and [`EncryptedError::File`] where nothing can be written.
pub fn export(
    circuit: &Circuit,
    plan: &Plan,
    images: ImageRange,
    folder: &Path,
) -> Result<(), EncryptedError> {
    let package = ClientPackage::new(circuit, plan, images)?;
    let [client, server] = make_sides(folder)?;
    write_envelope(&client.join(CLIENT_FILE), CKKS_KINDS[0], &package)?;
    circuit.write(&server.join(CIRCUIT_FILE))?;
    let file = ServerFile {
        parameters: plan.parameters.clone(),
        input_scale: plan.input_scale,
        schedule: plan.schedule.clone(),
        execution: plan.execution,
        circuit: package.circuit,
    };
    write_envelope(&server.join(SERVER_FILE), CKKS_KINDS[1], &file)
}
