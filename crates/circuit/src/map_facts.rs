//! What the planner needs to know of a linear map, worked out once for all the parameter sets that are tried.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ckks::{Group, LinearMap};

/// Sizes of one linear map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MapFacts {
    /// Multiply-accumulates of groups that are dense (one position), convolutions, and channel by channel (one row).
    pub dense_macs: f64,
    pub conv_macs: f64,
    pub pool_macs: f64,
    /// Inputs brought into place, of dense groups and of windows.
    pub dense_gathers: f64,
    pub conv_gathers: f64,
    /// Outputs.
    pub outputs: f64,
    /// Largest |weight|.
    pub largest: u16,
    /// Most weights of an output.
    pub taps: f64,
    /// Largest sum of absolute weights of an output.
    pub row_sum: f64,
    rows: Vec<Rows>,
}

/// One group's weights, at the position that takes most inputs and stands for all of them.
#[derive(Clone, Debug, PartialEq)]
struct Rows {
    start: usize,
    positions: usize,
    taps: usize,
    /// Squared weights, `[rows, taps]`.
    squares: Vec<f64>,
    /// The inputs of that position; padding is no input's index.
    gather: Vec<u32>,
}

impl MapFacts {
    /// Looks at every weight.
    pub fn of(map: &LinearMap) -> Self {
        let mut facts = Self {
            dense_macs: 0.0,
            conv_macs: 0.0,
            pool_macs: 0.0,
            dense_gathers: 0.0,
            conv_gathers: 0.0,
            outputs: map.outputs() as f64,
            largest: 0,
            taps: 0.0,
            row_sum: map.max_abs_row_sum() as f64,
            rows: map.groups().iter().map(Rows::of).collect(),
        };
        for group in map.groups() {
            let taken = group.gather().iter().filter(|&&tap| tap != ckks::PADDING);
            let (taken, rows) = (taken.count() as f64, group.rows() as f64);
            let weights = group.weights().iter().map(|weight| weight.unsigned_abs());
            facts.largest = facts.largest.max(weights.max().unwrap_or(0));
            facts.taps = facts.taps.max(group.taps() as f64);
            if group.positions() == 1 {
                facts.dense_macs += taken * rows;
                facts.dense_gathers += taken;
            } else if group.rows() == 1 {
                facts.pool_macs += taken;
            } else {
                facts.conv_macs += taken * rows;
                facts.conv_gathers += taken;
            }
        }
        facts
    }

    /// All multiply-accumulates.
    pub fn macs(&self) -> f64 {
        self.dense_macs + self.conv_macs + self.pool_macs
    }

    /// All inputs brought into place.
    pub fn gathers(&self) -> f64 {
        self.dense_gathers + self.conv_gathers
    }

    /// Standard deviations of the outputs, for those of independent inputs.
    pub fn spread(&self, inputs: &[f64]) -> Vec<f64> {
        let mut outputs = vec![
            0.0;
            if inputs.is_empty() {
                0
            } else {
                self.outputs as usize
            }
        ];
        if outputs.is_empty() {
            return outputs;
        }
        let mut window = Vec::new();
        for group in &self.rows {
            let taken = group.gather.iter().map(|input| {
                inputs
                    .get(*input as usize)
                    .map_or(0.0, |deviation| deviation * deviation)
            });
            window.clear();
            window.extend(taken);
            let rows = group.squares.chunks_exact(group.taps);
            let places = outputs[group.start..].chunks_exact_mut(group.positions);
            for (row, place) in rows.zip(places) {
                let products = row
                    .iter()
                    .zip(&window)
                    .map(|(weight, input)| weight * input);
                place.fill(products.sum::<f64>().sqrt());
            }
        }
        outputs
    }
}

impl Rows {
    fn of(group: &Group) -> Self {
        let taken = |gather: &&[u32]| gather.iter().filter(|&&tap| tap != ckks::PADDING).count();
        let fullest = group.gather().chunks_exact(group.taps()).max_by_key(taken);
        let square = |weight: &i16| f64::from(*weight) * f64::from(*weight);
        Self {
            start: group.out_start(),
            positions: group.positions(),
            taps: group.taps(),
            squares: group.weights().iter().map(square).collect(),
            gather: fullest.unwrap_or_default().to_vec(),
        }
    }
}

/// The facts of a circuit's maps, by their place in memory: a table must not outlive a change of its circuit.
#[derive(Debug, Default)]
pub(crate) struct Facts(RefCell<HashMap<*const LinearMap, Rc<MapFacts>>>);

impl Facts {
    /// The facts of a map.
    pub fn of(&self, map: &LinearMap) -> Rc<MapFacts> {
        let mut known = self.0.borrow_mut();
        let facts = known.entry(std::ptr::from_ref(map));
        Rc::clone(facts.or_insert_with(|| Rc::new(MapFacts::of(map))))
    }
}
