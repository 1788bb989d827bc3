//! `cryptodl`: deep networks over encrypted images, as declarative experiments.
//!
//! A TOML spec becomes a checked [`spec::Experiment`]; [`pipeline::run`] trains its network with polynomial activations, folds it into
//! an integer [`circuit`], evaluates it on [`encrypted`] images, and writes [`results`] and a [`report`].

pub mod circuit;
pub mod cli;
pub mod data;
pub mod encrypted;
mod files;
pub mod model;
pub mod pipeline;
mod progress;
pub mod report;
pub mod results;
pub mod spec;
pub mod train;
