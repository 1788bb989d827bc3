//! What client and server take with them as separate processes: two folders that share a parameter set and nothing secret.
//!
//! `client/client.json` says how an image becomes integers and integers logits, `server/server.json` holds the quantised network.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::parameters::set_digest;
use crate::EncryptedError;
use crate::exported::{
    CLIENT_FILE, SERVER_FILE, check_classes, check_shape, make_sides, read_envelope, write_envelope,
};
use crate::registry::TFHE_KINDS;
use crate::sealed::Digest;
use cryptodl_circuit::CircuitError;
use cryptodl_circuit::pbs::{ParameterSet, PbsCircuit, PbsPlan};
use cryptodl_data::ImageRange;
use cryptodl_spec::Shape;

/// What a client must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPackage {
    /// Name of the parameter set.
    pub set: String,
    /// Shape of one image.
    pub input: Shape,
    /// Bits of a pixel.
    pub pixel_bits: u32,
    /// log2 of the steps of the torus for pixels.
    pub pixel_step_bits: u32,
    /// The same for logits.
    pub logit_bits: u32,
    /// A logit is its integer times this.
    pub logit_step: f64,
    /// Largest |integer| of a logit of an image like those of the training.
    pub logit_bound: i64,
    /// Logits in a reply.
    pub classes: usize,
    /// Which circuit it is.
    pub circuit: Digest,
    /// What images are like that the network was trained on.
    pub images: ImageRange,
}

/// What a server must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPackage {
    /// Name of the parameter set.
    pub set: String,
    /// The quantised network.
    pub circuit: PbsCircuit,
}

/// Identifies a circuit under a set.
pub(super) fn circuit_digest(circuit: &PbsCircuit, set: &ParameterSet) -> Digest {
    // A plain value: its JSON cannot fail.
    let text = serde_json::to_vec(circuit).unwrap_or_default();
    Digest::of("cryptodl tfhe circuit 1", &[&set_digest(set).0, &text])
}

fn named(set: &str) -> Result<&'static ParameterSet, String> {
    ParameterSet::named(set).ok_or_else(|| format!("`{set}` is no parameter set of this program"))
}

impl ClientPackage {
    /// The client's part of a circuit, for images like those of the training.
    pub fn new(circuit: &PbsCircuit, set: &ParameterSet, images: ImageRange) -> Self {
        Self {
            set: set.name.to_owned(),
            input: circuit.input,
            pixel_bits: circuit.pixel_bits,
            pixel_step_bits: circuit.step_bits(None),
            logit_bits: circuit.logit_bits,
            logit_step: circuit.logit_step,
            logit_bound: circuit.largest_logit(),
            classes: circuit.logits.outputs(),
            circuit: circuit_digest(circuit, set),
            images,
        }
    }

    /// Reads a client folder.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for one that is damaged, or another's.
    pub fn read(folder: &Path) -> Result<(Self, &'static ParameterSet), EncryptedError> {
        let path = folder.join(CLIENT_FILE);
        let package: Self = read_envelope(&path, TFHE_KINDS[0])?;
        let set = package.check();
        let set = set.map_err(|what| EncryptedError::File { path, what })?;
        Ok((package, set))
    }

    fn check(&self) -> Result<&'static ParameterSet, String> {
        let set = named(&self.set)?;
        check_shape(self.input)?;
        check_classes(self.classes)?;
        self.images.check()?;
        let bits = [
            ("pixels", self.pixel_bits, 1..=8),
            ("the pixels' steps", self.pixel_step_bits, 2..=40),
            ("logits", self.logit_bits, 2..=40),
        ];
        if let Some((what, found, _)) = bits
            .iter()
            .find(|(_, found, wanted)| !wanted.contains(found))
        {
            return Err(format!("{found} bits for {what} are not possible"));
        }
        if !(1..=1 << (self.logit_bits - 1)).contains(&self.logit_bound) {
            return Err(format!(
                "a largest logit of {} is not possible with {} bits",
                self.logit_bound, self.logit_bits
            ));
        }
        if !(self.logit_step.is_finite() && self.logit_step > 0.0) {
            return Err(format!(
                "a logit's step of {} is not possible",
                self.logit_step
            ));
        }
        Ok(set)
    }
}

impl ServerPackage {
    /// Reads a server folder.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for one that is damaged, or another's; [`EncryptedError::Circuit`] for a network that contradicts itself.
    pub fn read(folder: &Path) -> Result<(Self, &'static ParameterSet), EncryptedError> {
        let path = folder.join(SERVER_FILE);
        let package: Self = read_envelope(&path, TFHE_KINDS[1])?;
        let set = named(&package.set).map_err(|what| EncryptedError::File { path, what })?;
        package.circuit.check().map_err(CircuitError::from)?;
        Ok((package, set))
    }
}

/// Writes `folder/client/` and `folder/server/` for a planned circuit.
///
/// # Errors
/// [`EncryptedError::Circuit`] where the plan names an unknown set, [`EncryptedError::File`] where nothing can be written.
pub fn export(
    circuit: &PbsCircuit,
    plan: &PbsPlan,
    images: ImageRange,
    folder: &Path,
) -> Result<(), EncryptedError> {
    let set = plan.set().map_err(CircuitError::from)?;
    let [client, server] = make_sides(folder)?;
    write_envelope(
        &client.join(CLIENT_FILE),
        TFHE_KINDS[0],
        &ClientPackage::new(circuit, set, images),
    )?;
    let package = ServerPackage {
        set: set.name.to_owned(),
        circuit: circuit.clone(),
    };
    write_envelope(&server.join(SERVER_FILE), TFHE_KINDS[1], &package)
}
