//! From a trained network to a circuit that ciphertexts can run: folding, integer weights, the plan of levels and scales, and the clear
//! simulator.
//!
//! ```text
//! TrainedNetwork + measured ranges -> fold -> Circuit -> plan -> Plan (parameters, levels, scales, bounds, noise, cost)
//!                                              |                  |
//!                                              +---- simulate ----+-> logits, on clear integers
//! ```
//! [`execute`] walks a circuit on any [`ckks::Machine`]; the planner, the simulator and the encrypted engine are three of them, so what
//! is planned is what is run.

mod choose;
mod cost;
mod disk;
mod error;
mod execute;
mod file;
mod float_layer;
mod fold;
mod integers;
mod monic;
mod plan;
mod planning;
mod quantize;
mod ranges;
mod shape;
mod simulate;
mod table;
mod types;
mod walk;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use error::CircuitError;
pub use execute::{execute, execute_while};
pub use fold::fold;
pub use plan::{LayerPlan, Plan, plan, plan_in};
pub use ranges::RANGE_MARGIN;
pub use shape::plan_shape;
pub use simulate::{Simulation, simulate, simulate_checked};
pub use types::{Circuit, CircuitLayer, LinearKind, LinearLayer, MAX_DEGREE, PolynomialLayer};
