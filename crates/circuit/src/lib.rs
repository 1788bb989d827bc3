//! From a trained network to a circuit that ciphertexts can run: folding, integer weights, the plan of levels and scales, and the clear
//! simulator.
//!
//! ```text
//! TrainedNetwork + measured ranges -> fold -> Circuit -> plan -> Plan (schedule, parameters, levels, scales, bounds, noise, cost)
//!                                              |                  |
//!                                              +---- simulate ----+-> logits, on clear integers
//! ```
//! [`compile`] does both and chooses what the spec leaves open. The plan is searched for: every ring, [`Schedule`] and scale, by a
//! [`CostTable`] of this machine or a fixed one.
//!
//! A circuit under a [`Schedule`] is one list of operations, with one interpreter for every [`ckks::HomomorphicOps`]: the planner, the estimate of
//! an image's noise, the simulator and the ciphertexts, so what is planned is what is run. An [`Executor`] runs it on ciphertexts, all at
//! once or [streamed](Execution), as memory allows; run on sizes alone, it says how much memory that takes.
//!
//! ```
//! use cryptodl_circuit::plan_shape;
//! use cryptodl_spec::Experiment;
//!
//! let spec = r#"
//! name = "one_square"
//! dataset.name = "mnist"
//! activation = { function = "relu", method = "hermite", degree = 2, interval = [-4.0, 4.0] }
//! network.layers = [{ type = "dense", units = 20 }, { type = "activation" }]
//! encryption = { weight_bits = 5, precision_bits = 3.0 }
//! "#;
//! // Planned before training: the shape, with random weights.
//! let plan = plan_shape(&Experiment::from_str_named(spec, "one_square.toml", &[])?)?;
//! assert!(plan.log_qp <= plan.max_log_qp);
//! assert_eq!(plan.key_switches(), 0); // one square needs no evaluation key
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alternative;
mod balance;
mod calibrate;
mod choose;
mod compile;
mod cost;
mod disk;
mod error;
mod execute;
mod file;
mod float_layer;
mod fold;
mod integer_map;
mod integers;
mod map_facts;
mod memory;
mod monic;
mod packed;
pub mod pbs;
mod per_image_noise;
mod plan;
mod planning;
mod program;
mod quantize;
mod ranges;
mod schedule;
mod search;
mod select;
mod shape;
mod simulate;
mod streaming;
mod types;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use alternative::{Alternative, Reason, Sketch};
pub use compile::{compile, compile_with};
pub use cost::CostTable;
pub use cryptodl_spec::Relinearization;
pub use error::CircuitError;
pub use fold::fold;
pub use packed::{Design, PackedExecutor, PackedLayerPlan, PackedPlan, pack, plan_packed};
pub use per_image_noise::{IdleSlot, NoiseEstimate, estimate_noise, idle_slot};
pub use plan::{LayerPlan, Plan, plan, plan_with};
pub use ranges::{RANGE_MARGIN, output_range};
pub use schedule::{Placement, Schedule};
pub use shape::{ASSUMED_LOGITS, assumed_polynomial, plan_shape, plan_shape_with};
pub use simulate::{Simulation, simulate, simulate_checked};
pub use streaming::{Execution, Executor};
pub use types::{Circuit, CircuitLayer, LinearKind, LinearLayer, MAX_DEGREE, PolynomialLayer};
