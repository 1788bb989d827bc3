//! `cryptodl`: deep networks over encrypted images, as declarative experiments.
//!
//! A TOML spec becomes a checked [`spec::Experiment`]; [`pipeline::run`] trains its network with polynomial activations, folds it into
//! an integer [`circuit`], evaluates it on encrypted images by one of the [`backends`], and writes [`results`] and a [`report`].

pub use cryptodl_backends as backends;
pub use cryptodl_circuit as circuit;
pub use cryptodl_data as data;
pub use cryptodl_model as model;
pub use cryptodl_report as report;
pub use cryptodl_results as results;
pub use cryptodl_spec as spec;
pub use cryptodl_training as training;

pub mod cli;
pub mod pipeline;
