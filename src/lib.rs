//! Declarative experiments.
