//! A trained network on disk: safetensors, the architecture as JSON in the file's metadata.
//!
//! A file is written under a temporary name and renamed once whole. Reading trusts nothing: sizes, shapes and every number are
//! checked, and what is allocated is bounded by the length of the file.

use super::check::shapes;
use super::error::ModelError;
use super::network::{Role, TrainedLayer, TrainedNetwork};
use cryptodl_data::Preprocessing;
use cryptodl_runtime::write_whole;
use cryptodl_spec::Shape;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// The metadata key; a single one, so that equal networks give equal bytes.
const KEY: &str = "cryptodl";
/// Version of the architecture's JSON.
const VERSION: u32 = 1;
/// Longest file that is read, bytes.
const LONGEST: u64 = 1 << 32;

/// The architecture: a network without its numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    version: u32,
    input: Shape,
    #[serde(default, skip_serializing_if = "Preprocessing::is_plain")]
    preprocessing: Preprocessing,
    classes: usize,
    layers: Cow<'a, [TrainedLayer]>,
}

/// How the weights of convolutions and dense layers are stored. All other numbers are few, and always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    Single,
    /// Rounded to f16: half the size, for published networks.
    Half,
}

/// Writes a network with f32 weights.
///
/// # Errors
/// When the network is not usable or the file cannot be written.
pub fn save(network: &TrainedNetwork, path: &Path) -> Result<(), ModelError> {
    save_as(network, path, Precision::Single)
}

/// Writes a network.
///
/// # Errors
/// When the network is not usable or the file cannot be written.
pub fn save_as(
    network: &TrainedNetwork,
    path: &Path,
    precision: Precision,
) -> Result<(), ModelError> {
    let bytes = to_bytes(network, precision)?;
    write_whole(path, &bytes).map_err(|source| ModelError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Reads a network.
///
/// # Errors
/// When the file cannot be read, or holds anything but a sound network.
pub fn load(path: &Path) -> Result<TrainedNetwork, ModelError> {
    let io = |source| ModelError::Io {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > LONGEST {
        return Err(ModelError::File(format!(
            "{} is {length} bytes long",
            path.display()
        )));
    }
    from_bytes(&std::fs::read(path).map_err(io)?).map_err(|error| match error {
        ModelError::File(problem) => ModelError::File(format!("{}: {problem}", path.display())),
        other => other,
    })
}

/// A network as the bytes of a safetensors file.
///
/// # Errors
/// When the network is not usable.
pub fn to_bytes(network: &TrainedNetwork, precision: Precision) -> Result<Vec<u8>, ModelError> {
    shapes(network)?;
    let header = Header {
        version: VERSION,
        input: network.input,
        preprocessing: network.preprocessing.clone(),
        classes: network.classes,
        layers: Cow::Borrowed(&network.layers),
    };
    let refuse = |error: &dyn std::fmt::Display| ModelError::File(error.to_string());
    let header = serde_json::to_string(&header).map_err(|error| refuse(&error))?;
    let mut tensors = vec![
        (
            "input.mean".to_owned(),
            vec![network.mean.len()],
            Dtype::F32,
            single(&network.mean),
        ),
        (
            "input.std".to_owned(),
            vec![network.std.len()],
            Dtype::F32,
            single(&network.std),
        ),
    ];
    for (index, layer) in network.layers.iter().enumerate() {
        for (role, shape, values) in layer.tensors() {
            let (kind, bytes) = match precision {
                Precision::Half if role == Role::Weight => {
                    if let Some(value) = values
                        .iter()
                        .find(|value| f16::from_f32(**value).is_infinite())
                    {
                        let value = f64::from(*value);
                        return Err(ModelError::Value {
                            layer: index,
                            kind: layer.kind(),
                            what: "weight in f16",
                            value,
                        });
                    }
                    (Dtype::F16, halves(values))
                }
                _ => (Dtype::F32, single(values)),
            };
            tensors.push((name(index, role), shape, kind, bytes));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, kind, bytes)| {
            Ok((name.as_str(), TensorView::new(*kind, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| refuse(&error))?;
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), header)])))
        .map_err(|error| refuse(&error))
}

/// A network from the bytes of a safetensors file.
///
/// # Errors
/// When the bytes are anything but a sound network.
pub fn from_bytes(bytes: &[u8]) -> Result<TrainedNetwork, ModelError> {
    let refuse = |error: &dyn std::fmt::Display| ModelError::File(error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| refuse(&error))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY));
    let Some(header) = header else {
        return Err(ModelError::File(format!(
            "its metadata has no `{KEY}` entry"
        )));
    };
    let header: Header<'_> = serde_json::from_str(header).map_err(|error| refuse(&error))?;
    if header.version != VERSION {
        return Err(ModelError::File(format!(
            "version {} where {VERSION} is read",
            header.version
        )));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| refuse(&error))?;
    let mut reader = Reader {
        tensors: &tensors,
        taken: 0,
    };
    let mean = reader.take("input.mean".to_owned(), &[header.input.channels])?;
    let std = reader.take("input.std".to_owned(), &[header.input.channels])?;
    let mut layers = header.layers.into_owned();
    for (index, layer) in layers.iter_mut().enumerate() {
        reader.fill(index, layer)?;
    }
    if reader.taken != tensors.len() {
        return Err(ModelError::File(format!(
            "{} tensors, of which {} belong to no layer",
            tensors.len(),
            tensors.len() - reader.taken
        )));
    }
    let network = TrainedNetwork {
        input: header.input,
        mean,
        std,
        preprocessing: header.preprocessing,
        classes: header.classes,
        layers,
    };
    shapes(&network)?;
    Ok(network)
}

fn name(layer: usize, role: Role) -> String {
    format!("layers.{layer}.{}", role.as_str())
}

fn single(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn halves(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect()
}

struct Reader<'a> {
    tensors: &'a SafeTensors<'a>,
    taken: usize,
}

impl Reader<'_> {
    /// Reads the numbers of a layer, which has those of the architecture alone.
    fn fill(&mut self, index: usize, layer: &mut TrainedLayer) -> Result<(), ModelError> {
        if let TrainedLayer::BatchNorm(norm) = layer {
            // The file says how many channels; `shapes` compares it with the layer's input.
            let gamma = self.tensors.tensor(&name(index, Role::Gamma));
            let channels = gamma.map_or(0, |gamma| gamma.shape().iter().product());
            norm.gamma = vec![0.0; channels];
        }
        for (role, shape, values) in layer.tensors_mut() {
            *values = self.take(name(index, role), &shape)?;
        }
        Ok(())
    }

    fn take(&mut self, name: String, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let view = self
            .tensors
            .tensor(&name)
            .map_err(|error| ModelError::File(format!("{name}: {error}")))?;
        if view.shape() != shape {
            return Err(ModelError::File(format!(
                "{name} has the shape {:?} where {shape:?} belongs",
                view.shape()
            )));
        }
        self.taken += 1;
        match view.dtype() {
            Dtype::F32 => Ok(view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect()),
            Dtype::F16 => Ok(view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                .collect()),
            other => Err(ModelError::File(format!(
                "{name} is {other:?} where F32 or F16 belongs"
            ))),
        }
    }
}
