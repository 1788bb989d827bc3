//! The checkpoint: the whole [`State`] after an epoch, in one file.
//!
//! A safetensors file with the BLAKE3 digest of its bytes behind it. It names, by digest, everything that the result depends on, so
//! that the checkpoint of another experiment is never taken for this one's. It is written under a temporary name and renamed.

use super::error::TrainError;
use super::optimizer::Memory;
use super::state::{State, Validated};
use cryptodl_model::{Precision, from_bytes, to_bytes};
use cryptodl_records::EpochRow;
use cryptodl_runtime::write_whole;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Version of the layout; another one is no checkpoint of ours.
const VERSION: &str = "1";
/// Length of the closing digest.
const DIGEST: usize = blake3::OUT_LEN;
/// Numbers in a row of the table of epochs.
const COLUMNS: usize = 6;

/// Where the checkpoint of one training lies, and what it must belong to.
pub(super) struct Checkpoint {
    path: PathBuf,
    fingerprint: String,
    network: &'static str,
}

impl Checkpoint {
    /// The checkpoint of the network called `network` in `folder`, for the training with this fingerprint.
    pub fn new(folder: &Path, network: &'static str, fingerprint: blake3::Hash) -> Self {
        Self {
            path: folder.join(format!("{network}.checkpoint")),
            fingerprint: fingerprint.to_string(),
            network,
        }
    }

    /// Writes the state, in place of the one before.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, state: &State) -> Result<(), TrainError> {
        let io = |source| TrainError::Io {
            path: self.path.clone(),
            source,
        };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let mut bytes = self.encode(state)?;
        let digest = blake3::hash(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        write_whole(&self.path, &bytes).map_err(io)
    }

    /// The saved state, if there is one of this training. One that is damaged or belongs to another training is reported in the
    /// log and left out of account: training starts over.
    pub fn load(&self) -> Option<State> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return self.start_over(&error.to_string()),
        };
        match self.decode(&bytes) {
            Ok(state) => Some(state),
            Err(problem) => self.start_over(&problem),
        }
    }

    fn start_over(&self, problem: &str) -> Option<State> {
        tracing::warn!(file = %self.path.display(), problem, "the checkpoint is of no use; training starts over");
        None
    }

    fn encode(&self, state: &State) -> Result<Vec<u8>, TrainError> {
        let bytes = |values: &[f32]| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<_>>()
        };
        let rows: Vec<u8> = state
            .rows
            .iter()
            .flat_map(columns)
            .flat_map(f64::to_le_bytes)
            .collect();
        let mut tensors: Vec<(&str, Dtype, usize, Vec<u8>)> = [
            ("weights", &state.weights),
            ("average", &state.average),
            ("memory.first", &state.memory.first),
            ("memory.second", &state.memory.second),
        ]
        .map(|(name, values)| (name, Dtype::F32, values.len(), bytes(values)))
        .to_vec();
        tensors.push(("rows", Dtype::F64, COLUMNS * state.rows.len(), rows));
        for (name, validated) in [("last", &state.last), ("best", &state.best)] {
            let network = to_bytes(&validated.network, Precision::Single)?;
            tensors.push((name, Dtype::U8, network.len(), network));
        }
        let numbers = [
            state.memory.step,
            state.last.epoch as u64,
            state.best.epoch as u64,
        ];
        tensors.push((
            "numbers",
            Dtype::U64,
            numbers.len(),
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect(),
        ));
        let accuracies = [state.last.accuracy, state.best.accuracy];
        tensors.push((
            "accuracies",
            Dtype::F64,
            2,
            accuracies
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ));
        let views = tensors
            .iter()
            .map(|(name, kind, count, bytes)| {
                Ok((*name, TensorView::new(*kind, vec![*count], bytes)?))
            })
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        let metadata = HashMap::from([(
            "cryptodl-checkpoint".to_owned(),
            format!("{VERSION} {}", self.fingerprint),
        )]);
        views
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|error| TrainError::Io {
                path: self.path.clone(),
                source: std::io::Error::other(error.to_string()),
            })
    }

    fn decode(&self, bytes: &[u8]) -> Result<State, String> {
        let Some(body) = bytes.len().checked_sub(DIGEST) else {
            return Err("it is too short".to_owned());
        };
        let (body, digest) = bytes.split_at(body);
        if blake3::hash(body).as_bytes() != digest {
            return Err("its digest does not match".to_owned());
        }
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let (_, metadata) = SafeTensors::read_metadata(body).map_err(|error| text(&error))?;
        let label = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("cryptodl-checkpoint"));
        if label != Some(&format!("{VERSION} {}", self.fingerprint)) {
            return Err("it belongs to another training".to_owned());
        }
        let tensors = SafeTensors::deserialize(body).map_err(|error| text(&error))?;
        let data = |name: &str| {
            tensors
                .tensor(name)
                .map(|view| view.data())
                .map_err(|error| text(&error))
        };
        let floats = |name: &str| -> Result<Vec<f32>, String> {
            Ok(data(name)?
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect())
        };
        let doubles = |name: &str| -> Result<Vec<f64>, String> {
            Ok(data(name)?
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| f64::from_le_bytes(*bytes))
                .collect())
        };
        let numbers: Vec<u64> = data("numbers")?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .collect();
        let (&[step, last, best], &[last_accuracy, best_accuracy]) =
            (numbers.as_slice(), doubles("accuracies")?.as_slice())
        else {
            return Err("its numbers are not all there".to_owned());
        };
        let network = |name| from_bytes(data(name)?).map_err(|error| text(&error));
        let rows = doubles("rows")?
            .as_chunks::<COLUMNS>()
            .0
            .iter()
            .enumerate()
            .map(|(index, row)| self.row(index, row))
            .collect();
        Ok(State {
            weights: floats("weights")?,
            average: floats("average")?,
            memory: Memory {
                step,
                first: floats("memory.first")?,
                second: floats("memory.second")?,
            },
            last: Validated {
                epoch: last as usize,
                accuracy: last_accuracy,
                network: network("last")?,
            },
            best: Validated {
                epoch: best as usize,
                accuracy: best_accuracy,
                network: network("best")?,
            },
            rows,
        })
    }

    fn row(&self, index: usize, row: &[f64; COLUMNS]) -> EpochRow {
        let [
            train_loss,
            train_accuracy,
            validation_accuracy,
            learning_rate,
            outside,
            seconds,
        ] = *row;
        EpochRow {
            network: self.network.to_owned(),
            epoch: index + 1,
            train_loss,
            train_accuracy,
            validation_accuracy,
            learning_rate,
            outside,
            seconds,
        }
    }
}

fn columns(row: &EpochRow) -> [f64; COLUMNS] {
    [
        row.train_loss,
        row.train_accuracy,
        row.validation_accuracy,
        row.learning_rate,
        row.outside,
        row.seconds,
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use cryptodl_reference as reference;

    fn state() -> State {
        let row = EpochRow {
            network: "polynomial".to_owned(),
            epoch: 1,
            train_loss: 0.1 + 0.2,
            train_accuracy: 1.0 / 3.0,
            validation_accuracy: 0.7,
            learning_rate: 1e-3,
            outside: 0.01,
            seconds: 2.5,
        };
        let validated = |epoch| Validated {
            epoch,
            accuracy: 0.1 * epoch as f64,
            network: reference::network(epoch),
        };
        State {
            weights: vec![1.0, f32::MIN_POSITIVE, -0.0],
            average: vec![0.1, 0.2, 0.3],
            memory: Memory {
                step: 42,
                first: vec![1.0; 3],
                second: Vec::new(),
            },
            last: validated(2),
            best: validated(1),
            rows: vec![row.clone(), EpochRow { epoch: 2, ..row }],
        }
    }

    #[test]
    fn comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint =
            Checkpoint::new(&folder.path().join("new"), "polynomial", blake3::hash(b"a"));
        assert_eq!(checkpoint.load(), None);
        checkpoint.save(&state()).unwrap();
        assert_eq!(checkpoint.load(), Some(state()));
        let other = Checkpoint::new(&folder.path().join("new"), "polynomial", blake3::hash(b"b"));
        assert_eq!(other.load(), None, "another training's");
    }

    #[test]
    fn every_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::new(folder.path(), "polynomial", blake3::hash(b"a"));
        checkpoint.save(&state()).unwrap();
        let path = folder.path().join("polynomial.checkpoint");
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(37) {
            let mut broken = bytes.clone();
            broken[at] ^= 4;
            assert!(checkpoint.decode(&broken).is_err(), "flip at {at}");
            assert!(checkpoint.decode(&bytes[..at]).is_err(), "cut at {at}");
        }
        std::fs::write(&path, &bytes[..100]).unwrap();
        assert_eq!(checkpoint.load(), None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let checkpoint = Checkpoint::new(&file, "polynomial", blake3::hash(b"a"));
        assert!(matches!(
            checkpoint.save(&state()),
            Err(TrainError::Io { .. })
        ));
    }
}
