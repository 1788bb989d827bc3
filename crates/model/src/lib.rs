//! Networks as plain numbers: from the spec's layers to first weights, their shapes, and their file.
//!
//! A network is plain data, [`TrainedNetwork`], from its first random weights to its last. The differentiation engine sees it only for
//! the length of one forward or backward pass (in `cryptodl-training`), so there is nothing to convert when training ends.
//!
//! ```text
//! Experiment -> initial -> TrainedNetwork -> (training) -> TrainedNetwork -> (folding) -> circuit
//!                                    save <-> model.safetensors <-> load
//! ```
//!
//! ```
//! use cryptodl_model::{Activations, Precision, from_bytes, initial, shapes, to_bytes};
//! use cryptodl_spec::Experiment;
//!
//! let text = "name = \"small\"\ndataset.name = \"digits\"\n";
//! let experiment = Experiment::from_str_named(text, "small.toml", &[])?;
//! let network = initial(&experiment, Activations::Original, &[0.1], &[0.3]);
//! assert_eq!(shapes(&network)?, experiment.network.shapes);
//! // The file holds the same network to the bit.
//! assert_eq!(from_bytes(&to_bytes(&network, Precision::Single)?)?, network);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod check;
mod error;
mod file;
mod network;
mod random;

pub use build::{Activations, initial, take_over};
pub use check::{difference, shapes};
pub use error::ModelError;
pub use file::{Precision, from_bytes, load, save, save_as, to_bytes};
pub use network::{
    BatchNorm, Conv, Dense, PolynomialActivation, PreActivation, Role, TrainedLayer, TrainedNetwork,
};
pub use random::{Purpose, generator, unit};
