//! What can be wrong with a look-up circuit.

/// Why a network cannot be quantised, planned or simulated.
#[derive(Debug, thiserror::Error)]
pub enum PbsError {
    /// A circuit that contradicts itself.
    #[error("not a valid look-up circuit: in {place}, {what} is {found}, but it must be {wanted}")]
    Invalid {
        /// Where.
        place: String,
        /// Which part.
        what: &'static str,
        /// What is there.
        found: String,
        /// What may be there.
        wanted: String,
    },
    /// A network that has no place for look-ups.
    #[error("layer {layer}: {what}; a look-up circuit needs {wanted}")]
    Network {
        /// Index among the network's layers.
        layer: usize,
        /// What is there.
        what: &'static str,
        /// What would do.
        wanted: &'static str,
    },
    /// All weights of an output are zero.
    #[error("layer `{layer}` has no weight that is not zero")]
    ZeroWeights {
        /// Its name.
        layer: String,
    },
    /// No images to calibrate on.
    #[error("there are no training images to calibrate on")]
    NoImages,
    /// Nothing fits.
    #[error(
        "no parameter set carries this network{}\nhint: fewer units, `encryption.message_bits` of 4 to 6, or fewer layers",
        listed(.reasons)
    )]
    NoSet {
        /// What was tried, and why it will not do.
        reasons: Vec<String>,
    },
}

impl PbsError {
    pub(super) fn invalid(
        place: &str,
        what: &'static str,
        found: impl ToString,
        wanted: impl ToString,
    ) -> Self {
        Self::Invalid {
            place: place.to_owned(),
            what,
            found: found.to_string(),
            wanted: wanted.to_string(),
        }
    }
}

/// One line each.
fn listed(reasons: &[String]) -> String {
    reasons
        .iter()
        .map(|reason| format!("\n  - {reason}"))
        .collect()
}
