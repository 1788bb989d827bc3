//! By which costs circuits are planned: this machine's, or fixed ones.

use std::path::{Path, PathBuf};

use crate::circuit::CostTable;

/// Whose costs the planner goes by.
///
/// The plan that was made is kept with the circuit in the store, and the key of that stage does not know the costs: the first plan stays
/// until the stage is forced, whatever is measured later, so that a run that goes on or is repeated uses the same parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostSource {
    /// Those of this machine, measured once and kept in the store.
    #[default]
    Measured,
    /// Those of a reference machine, the same everywhere.
    Fixed,
}

/// A cost table and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownCosts {
    /// The table.
    pub table: CostTable,
    /// Whether it is of this machine.
    pub measured: bool,
}

impl CostSource {
    /// The table for planning a circuit, measured now where it has to be.
    pub fn table(self, out: &Path) -> CostTable {
        match self {
            Self::Measured => CostTable::calibrated(&folder(out)),
            Self::Fixed => CostTable::default(),
        }
    }

    /// The table as far as it is known: nothing is measured and nothing written.
    pub fn known(self, out: &Path) -> KnownCosts {
        let kept = match self {
            Self::Measured => CostTable::kept(&folder(out)),
            Self::Fixed => None,
        };
        KnownCosts {
            table: kept.unwrap_or_default(),
            measured: kept.is_some(),
        }
    }
}

/// Where an output folder keeps the costs of the machine.
fn folder(out: &Path) -> PathBuf {
    out.join("store").join("machine")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_known_from_then_on_and_fixed_costs_leave_no_trace() {
        let out = tempfile::tempdir().unwrap();
        assert_eq!(CostSource::Fixed.table(out.path()), CostTable::default());
        assert!(!CostSource::Measured.known(out.path()).measured);
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
        let table = CostSource::Measured.table(out.path());
        let known = CostSource::Measured.known(out.path());
        // On a machine that is too busy to be measured nothing is kept.
        assert!(known.table == table || !known.measured);
        assert!(!CostSource::Fixed.known(out.path()).measured);
    }
}
