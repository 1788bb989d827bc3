//! Whose costs the planner goes by, as an option of every command that plans.

use clap::Args;

use crate::pipeline::CostSource;

/// Options of commands that plan circuits.
#[derive(Clone, Copy, Debug, Args)]
pub struct CostArguments {
    /// Plan by the costs of a reference machine, not of this one: the same plan everywhere
    #[arg(long)]
    fixed_costs: bool,
}

impl CostArguments {
    /// What is asked for.
    pub fn source(self) -> CostSource {
        if self.fixed_costs {
            CostSource::Fixed
        } else {
            CostSource::Measured
        }
    }
}
