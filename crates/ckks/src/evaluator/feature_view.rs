//! Features of several sets, read as one set.
//!
//! A circuit that runs piece by piece finds the inputs of a piece in several earlier ones. They are
//! brought together one block at a time, on the way to the cache: no set of them is ever made.

use super::arithmetic::check_features;
use crate::error::{Error, Result};
use crate::ops::scales_agree;
use crate::residues::Block;
use crate::set::CiphertextSet;

/// Features of sets that share parameters, level, scale and number of components.
#[derive(Clone, Debug)]
pub struct FeatureView<'a> {
    sets: Vec<&'a CiphertextSet>,
    runs: Vec<Run>,
    features: usize,
}

/// Neighbouring features of one set.
#[derive(Clone, Copy, Debug)]
struct Run {
    set: usize,
    first: usize,
    length: usize,
}

impl<'a> FeatureView<'a> {
    /// `places` names the features in their order: which set, and which of its features.
    ///
    /// # Errors
    /// If there is no set, if the sets do not share level, components and scale, or if a place does
    /// not exist.
    pub fn new(sets: Vec<&'a CiphertextSet>, places: &[(usize, usize)]) -> Result<Self> {
        let operation = "gather";
        let Some(first) = sets.first() else {
            return Err(Error::Features {
                operation,
                expected: 1,
                found: 0,
            });
        };
        for set in &sets {
            first.parameters.check_same(&set.parameters, operation)?;
            if set.level() != first.level() {
                return Err(Error::Level {
                    operation,
                    wanted: first.level(),
                    level: set.level(),
                });
            }
            if set.components() != first.components() {
                return Err(Error::Components {
                    operation,
                    expected: first.components(),
                    found: set.components(),
                });
            }
            if !scales_agree(set.scale, first.scale) {
                return Err(Error::ScaleMismatch {
                    operation,
                    left: first.scale,
                    right: set.scale,
                });
            }
        }
        let mut runs: Vec<Run> = Vec::new();
        for &(set, feature) in places {
            let features = sets.get(set).map_or(0, |set| set.features());
            check_features(operation, features, features.max(feature + 1))?;
            match runs.last_mut() {
                Some(run) if run.set == set && run.first + run.length == feature => run.length += 1,
                _ => runs.push(Run {
                    set,
                    first: feature,
                    length: 1,
                }),
            }
        }
        Ok(Self {
            sets,
            runs,
            features: places.len(),
        })
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// What stands for level, scale and components of all of them; there is always one.
    pub(super) fn first(&self) -> &'a CiphertextSet {
        self.sets[0]
    }

    /// The blocks of one row, `[component][feature]`.
    pub(super) fn copy(&self, limb: usize, row: usize, out: &mut Vec<Block>) {
        out.clear();
        for component in 0..self.first().components() {
            for run in &self.runs {
                let set = self.sets[run.set];
                let panel = &set.residues.row(limb, row)[component * set.features()..];
                out.extend_from_slice(&panel[run.first..][..run.length]);
            }
        }
    }
}
