//! What a linear layer is to the engine: shared integer weights and gather lists.

use serde::{Deserialize, Serialize};

/// The input index that stands for a zero (the padding of a convolution).
pub const PADDING: u32 = u32::MAX;

/// Largest sum of absolute weights that one output may have.
///
/// The residue kernels add products of weights and digits of 25 bits in 51 bits, exactly, and this
/// bound makes that safe. It is reached by 32,768 taps at the full size of a 13-bit weight.
pub const MAX_ABS_ROW_SUM: i64 = (1 << 27) - 1;

/// Most inputs or outputs of a map, and most taps of a group.
const MAX_FEATURES: usize = 1 << 22;

/// A linear map that is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinearMapError {
    /// A size that is zero or beyond what the engine takes.
    #[error("linear map: {name} is {value}; 1 to {maximum} are possible")]
    Size {
        /// Which size.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The largest allowed.
        maximum: usize,
    },
    /// A list whose length contradicts the sizes.
    #[error("linear map: {name} has {found} entries where {expected} are wanted")]
    Length {
        /// Which list.
        name: &'static str,
        /// The length that the sizes ask for.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// A gather list names an input that does not exist.
    #[error("linear map: group {group}, gather entry {entry} names input {index} of {inputs}")]
    Gather {
        /// The group.
        group: usize,
        /// Position in the gather list.
        entry: usize,
        /// The input named.
        index: u32,
        /// The number of inputs.
        inputs: usize,
    },
    /// An output is written by no group, by two, or does not exist.
    #[error("linear map: output {output} of {outputs} is written {times} times")]
    Coverage {
        /// The output.
        output: usize,
        /// The number of outputs.
        outputs: usize,
        /// How many groups write it.
        times: usize,
    },
    /// The weights of one output are too large together.
    #[error(
        "linear map: group {group}, row {row}: the absolute weights sum to {sum}, over {maximum}"
    )]
    RowSum {
        /// The group.
        group: usize,
        /// The row.
        row: usize,
        /// The sum.
        sum: i64,
        /// The bound, [`MAX_ABS_ROW_SUM`].
        maximum: i64,
    },
    /// A window that does not fit its padded input.
    #[error("a window of {window} with stride {stride} does not fit an input of {extent}")]
    Window {
        /// Extent of the window.
        window: usize,
        /// Its stride.
        stride: usize,
        /// Extent of the (padded) input.
        extent: usize,
    },
}

/// Weights shared by many positions.
///
/// Output `out_start + row * positions + position` is
/// `sum over taps of weights[row][tap] * input[gather[position][tap]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub(super) out_start: usize,
    pub(super) rows: usize,
    pub(super) taps: usize,
    pub(super) positions: usize,
    pub(super) weights: Vec<i16>,
    pub(super) gather: Vec<u32>,
}

impl Group {
    /// A group of `rows` outputs at each of `gather.len() / taps` positions.
    ///
    /// `weights` is `[rows, taps]`, `gather` is `[positions, taps]` with [`PADDING`] for a zero.
    ///
    /// # Errors
    /// If a size is zero or a list has the wrong length. Indices are checked by
    /// [`LinearMap::from_groups`].
    pub fn new(
        out_start: usize,
        rows: usize,
        taps: usize,
        weights: Vec<i16>,
        gather: Vec<u32>,
    ) -> Result<Self, LinearMapError> {
        check_size("taps", taps)?;
        let group = Self {
            out_start,
            rows,
            taps,
            positions: gather.len() / taps,
            weights,
            gather,
        };
        group.check_sizes()?;
        Ok(group)
    }

    fn check_sizes(&self) -> Result<(), LinearMapError> {
        check_size("rows", self.rows)?;
        check_size("taps", self.taps)?;
        check_size("positions", self.positions)?;
        check_length("weights", self.rows * self.taps, self.weights.len())?;
        check_length("gather", self.positions * self.taps, self.gather.len())
    }

    /// Index of the group's first output.
    pub fn out_start(&self) -> usize {
        self.out_start
    }

    /// Outputs at each position.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Weights of each output.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Positions that share the weights.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// The weights, `[rows, taps]`.
    pub fn weights(&self) -> &[i16] {
        &self.weights
    }

    /// The input indices, `[positions, taps]`; [`PADDING`] stands for a zero.
    pub fn gather(&self) -> &[u32] {
        &self.gather
    }

    fn abs_row_sums(&self) -> impl Iterator<Item = i64> + '_ {
        self.weights
            .chunks_exact(self.taps)
            .map(|row| row.iter().map(|&w| i64::from(w).abs()).sum())
    }

    /// The largest sum of absolute weights of a row.
    pub fn max_abs_row_sum(&self) -> i64 {
        self.abs_row_sums().max().unwrap_or(0)
    }
}

/// An integer linear map from `inputs` features to `outputs` features.
///
/// It is a list of [`Group`]s that together write every output once. Outputs of the layer
/// constructors are laid out `[channel, y, x]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedMap")]
pub struct LinearMap {
    inputs: usize,
    outputs: usize,
    groups: Vec<Group>,
}

/// What is read from a file, before [`LinearMap::from_groups`] has looked at it.
#[derive(Deserialize)]
struct UncheckedMap {
    inputs: usize,
    outputs: usize,
    groups: Vec<Group>,
}

impl TryFrom<UncheckedMap> for LinearMap {
    type Error = LinearMapError;

    fn try_from(raw: UncheckedMap) -> Result<Self, Self::Error> {
        Self::from_groups(raw.inputs, raw.outputs, raw.groups)
    }
}

impl LinearMap {
    /// A map of one group: output `row * positions + position`, `weights` `[rows, taps]`, `gather`
    /// `[positions, taps]` with [`PADDING`] for a zero.
    ///
    /// # Errors
    /// Sizes, lengths, indices and row sums are all checked.
    pub fn new(
        inputs: usize,
        outputs: usize,
        taps: usize,
        rows: usize,
        weights: Vec<i16>,
        gather: Vec<u32>,
    ) -> Result<Self, LinearMapError> {
        let group = Group::new(0, rows, taps, weights, gather)?;
        Self::from_groups(inputs, outputs, vec![group])
    }

    /// A map of several groups.
    ///
    /// # Errors
    /// If a size is out of range, a list has the wrong length, an index names no input, an output
    /// is not written exactly once, or the weights of an output sum (absolutely) over
    /// [`MAX_ABS_ROW_SUM`].
    pub fn from_groups(
        inputs: usize,
        outputs: usize,
        groups: Vec<Group>,
    ) -> Result<Self, LinearMapError> {
        let map = Self {
            inputs,
            outputs,
            groups,
        };
        map.check()?;
        Ok(map)
    }

    fn check(&self) -> Result<(), LinearMapError> {
        check_size("inputs", self.inputs)?;
        check_size("outputs", self.outputs)?;
        let mut written = 0;
        for (index, group) in self.groups.iter().enumerate() {
            group.check_sizes()?;
            let in_range = |&input: &u32| input == PADDING || (input as usize) < self.inputs;
            if let Some(entry) = group.gather.iter().position(|input| !in_range(input)) {
                return Err(LinearMapError::Gather {
                    group: index,
                    entry,
                    index: group.gather[entry],
                    inputs: self.inputs,
                });
            }
            if let Some((row, sum)) = group
                .abs_row_sums()
                .enumerate()
                .find(|(_, sum)| *sum > MAX_ABS_ROW_SUM)
            {
                return Err(LinearMapError::RowSum {
                    group: index,
                    row,
                    sum,
                    maximum: MAX_ABS_ROW_SUM,
                });
            }
            written += group.rows * group.positions;
        }
        self.check_coverage(written)
    }

    /// Groups write ranges: sorted by their start, the ranges have to follow each other without gap
    /// or overlap.
    fn check_coverage(&self, written: usize) -> Result<(), LinearMapError> {
        let mut ranges: Vec<(usize, usize)> = self
            .groups
            .iter()
            .map(|g| (g.out_start, g.rows * g.positions))
            .collect();
        ranges.sort_unstable();
        let mut next = 0;
        for (start, length) in ranges {
            if start != next {
                return Err(LinearMapError::Coverage {
                    output: start.min(next),
                    outputs: self.outputs,
                    times: if start < next { 2 } else { 0 },
                });
            }
            next += length;
        }
        if next != self.outputs {
            return Err(LinearMapError::Coverage {
                output: next.min(self.outputs),
                outputs: self.outputs,
                times: usize::from(written > self.outputs),
            });
        }
        Ok(())
    }

    /// Number of input features.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output features.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The groups, in no particular order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Multiply-accumulates for one slot, padding left out.
    pub fn macs(&self) -> u64 {
        let per_group = |g: &Group| {
            let taps = g.gather.iter().filter(|&&input| input != PADDING).count();
            taps as u64 * g.rows as u64
        };
        self.groups.iter().map(per_group).sum()
    }

    /// The largest sum of absolute weights of one output: how much a bound on the inputs grows.
    pub fn max_abs_row_sum(&self) -> i64 {
        let sums = self.groups.iter().map(Group::max_abs_row_sum);
        sums.max().unwrap_or(0)
    }

    /// The largest sum of squared weights of one output: how much an independent variance grows.
    pub fn max_row_sum_of_squares(&self) -> f64 {
        let square = |&w: &i16| f64::from(w) * f64::from(w);
        self.groups
            .iter()
            .flat_map(|g| g.weights.chunks_exact(g.taps))
            .map(|row| row.iter().map(square).sum())
            .fold(0.0, f64::max)
    }

    /// The map on clear integers: one value per input feature in, one per output feature out.
    ///
    /// Magnitudes times [`max_abs_row_sum`](Self::max_abs_row_sum) have to fit an `i64`.
    ///
    /// # Errors
    /// If the number of values is not [`inputs`](Self::inputs).
    pub fn apply(&self, values: &[i64]) -> Result<Vec<i64>, LinearMapError> {
        check_length("values", self.inputs, values.len())?;
        let mut out = vec![0; self.outputs];
        for group in &self.groups {
            let rows = group.weights.chunks_exact(group.taps);
            for (row, weights) in rows.enumerate() {
                let positions = group.gather.chunks_exact(group.taps);
                for (position, gather) in positions.enumerate() {
                    let products = weights.iter().zip(gather).map(|(&weight, &input)| {
                        let value = values.get(input as usize).copied().unwrap_or(0);
                        i64::from(weight) * value
                    });
                    out[group.out_start + row * group.positions + position] = products.sum();
                }
            }
        }
        Ok(out)
    }
}

pub(super) fn check_size(name: &'static str, value: usize) -> Result<(), LinearMapError> {
    if (1..=MAX_FEATURES).contains(&value) {
        return Ok(());
    }
    Err(LinearMapError::Size {
        name,
        value,
        maximum: MAX_FEATURES,
    })
}

pub(super) fn check_length(
    name: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), LinearMapError> {
    if expected == found {
        return Ok(());
    }
    Err(LinearMapError::Length {
        name,
        expected,
        found,
    })
}
