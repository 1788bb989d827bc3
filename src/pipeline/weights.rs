//! Networks that were trained before: `--weights`.

use std::fs;
use std::path::Path;

use super::PipelineError;
use crate::data::Preprocessing;
use crate::model::{self, Activations, TrainedNetwork};
use crate::results::WeightsRecord;
use crate::spec::Experiment;
use polyapprox::Polynomial;

/// A trained network from a file, and what the manifest says of it.
#[derive(Debug)]
pub(super) struct GivenWeights {
    pub network: TrainedNetwork,
    pub record: WeightsRecord,
}

impl GivenWeights {
    /// Reads the network and compares it with the one that the spec describes, layer by layer. `start` is the spec's polynomial.
    pub fn read(
        path: &Path,
        experiment: &Experiment,
        start: &Polynomial,
    ) -> Result<Self, PipelineError> {
        let bytes = fs::read(path).map_err(PipelineError::io("read", path))?;
        let unusable = |what: String| PipelineError::Weights {
            path: path.to_path_buf(),
            what,
        };
        let network = model::from_bytes(&bytes).map_err(|error| unusable(error.to_string()))?;
        let activations = if experiment.activation.exact {
            Activations::Original
        } else {
            Activations::Polynomial(start)
        };
        let wanted = model::initial(experiment, activations, &network.mean, &network.std);
        if let Some(what) = model::difference(&wanted, &network) {
            return Err(unusable(what));
        }
        if let Some(what) = preprocessing_difference(experiment, &network.preprocessing) {
            return Err(unusable(what));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            network,
            record: WeightsRecord {
                file: name.to_string_lossy().into_owned(),
                bytes: bytes.len() as u64,
                blake3: blake3::hash(&bytes).to_hex().to_string(),
            },
        })
    }
}

/// Where the steps that the network was trained behind are not those of the spec.
fn preprocessing_difference(experiment: &Experiment, found: &Preprocessing) -> Option<String> {
    let wanted = Preprocessing::unfitted(&experiment.dataset);
    let size = found.filter.as_ref().map(|filter| filter.size);
    let same = size == experiment.dataset.zca
        && *found
            == Preprocessing {
                filter: found.filter.clone(),
                ..wanted
            };
    (!same).then(|| {
        "it was trained on images that were preprocessed in another way than [dataset] says".into()
    })
}
