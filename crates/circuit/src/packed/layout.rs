//! Where features lie in the slots, and the steps from one layout to the next.
//!
//! Two layouts take turns. In [`Layout::Periodic`] the features repeat with a period: a dense layer multiplies each period by rows of its
//! own and sums within it, which leaves [`Layout::Windows`]: some outputs at the beginning of each period, partial sums elsewhere. From
//! there every output is a product with the windows alone, moved to a place of its own and summed over a window and over the periods,
//! which leaves a periodic layout again.

use super::diagonals::Diagonals;
use super::matrix::Matrix;
use super::program::{Program, SlotOp, Step};
use crate::error::CircuitError;
use crate::types::{Circuit, CircuitLayer, LinearLayer};
use ckks::{Group, PADDING};

/// Values that all diagonals of a layer may have together.
const MAX_VALUES: usize = 1 << 24;

/// Why a circuit has no packed layout.
pub(super) fn unfit(why: String) -> CircuitError {
    CircuitError::Unpackable { why }
}

/// Where features are. Everything else may hold partial sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Feature f is in every slot that is `stride f` modulo the period.
    Periodic { period: usize, stride: usize },
    /// Feature f is in slot `period (f / rows) + f % rows`.
    Windows { period: usize, rows: usize },
}

impl Layout {
    /// The first slot of a feature.
    pub fn slot(self, feature: usize) -> usize {
        match self {
            Self::Periodic { stride, .. } => stride * feature,
            Self::Windows { period, rows } => period * (feature / rows) + feature % rows,
        }
    }

    /// A value for each feature, zero in other slots.
    fn spread(self, slots: usize, values: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; slots];
        for (feature, &value) in values.iter().enumerate() {
            match self {
                Self::Periodic { period, .. } => {
                    let places = (self.slot(feature)..slots).step_by(period);
                    places.for_each(|slot| out[slot] = value);
                }
                Self::Windows { .. } => out[self.slot(feature)] = value,
            }
        }
        out
    }
}

/// What a linear layer becomes.
struct Laid {
    diagonals: Diagonals,
    sums: Vec<usize>,
    layout: Layout,
}

impl Laid {
    fn key_switches(&self) -> usize {
        self.diagonals.key_switches() + self.sums.len()
    }
}

/// Lays a circuit out in so many slots.
pub(super) fn lay_out(circuit: &Circuit, slots: usize) -> Result<Program, CircuitError> {
    let mut steps = Vec::new();
    let mut input = None;
    let mut layout: Option<(Layout, usize)> = None;
    let mut run: Vec<&LinearLayer> = Vec::new();
    let last = circuit.layers.len() - 1;
    // Later layers have room in the periods of the first one.
    let widest = |layer: &CircuitLayer| match layer {
        CircuitLayer::Linear(layer) => layer.map.outputs(),
        CircuitLayer::Polynomial(_) => 0,
    };
    let widest = circuit.layers.iter().skip(1).map(widest).max().unwrap_or(0);
    for (index, layer) in circuit.layers.iter().enumerate() {
        match layer {
            CircuitLayer::Linear(linear) => run.push(linear),
            CircuitLayer::Polynomial(layer) => {
                let degree = layer.polynomial.degree();
                if degree != 2 {
                    return Err(unfit(format!(
                        "`{}` has degree {degree}: a packed ciphertext takes activations of degree 2",
                        layer.name
                    )));
                }
                let Some((layout, features)) = layout else {
                    return Err(unfit(format!("nothing precedes `{}`", layer.name)));
                };
                let linear = (0..features).map(|feature| layer.polynomial.coefficient(1, feature));
                let linear: Vec<f64> = linear.collect();
                let needed = linear.iter().any(|&value| value != 0.0);
                steps.push(Step {
                    layer: index,
                    op: SlotOp::Square(needed.then(|| layout.spread(slots, &linear))),
                });
                continue;
            }
        }
        let ends = index == last
            || matches!(
                circuit.layers.get(index + 1),
                Some(CircuitLayer::Polynomial(_))
            );
        if !ends {
            continue;
        }
        let run = std::mem::take(&mut run);
        let matrix = Matrix::of(&run)?;
        let laid = match layout {
            None => {
                let (laid, places) = first(&run, &matrix, slots, widest)?;
                input = Some(places);
                laid
            }
            Some((Layout::Periodic { period, stride }, _)) => {
                from_periodic(&matrix, slots, period, stride)?
            }
            Some((Layout::Windows { period, rows }, _)) => {
                from_windows(&matrix, slots, period, rows)?
            }
        };
        let bias = laid.layout.spread(slots, &matrix.bias);
        let mut push = |op| steps.push(Step { layer: index, op });
        push(SlotOp::Diagonals(laid.diagonals));
        push(SlotOp::Sums(laid.sums));
        push(SlotOp::Add(bias));
        layout = Some((laid.layout, matrix.outputs));
    }
    let (Some(input), Some((layout, _))) = (input, layout) else {
        return Err(unfit("there is no linear layer".into()));
    };
    Ok(Program {
        slots,
        input,
        steps,
        output: (0..circuit.classes)
            .map(|logit| layout.slot(logit))
            .collect(),
    })
}

/// The first layer, whose input the client lays out: the way with fewer key switches.
fn first(
    run: &[&LinearLayer],
    matrix: &Matrix,
    slots: usize,
    widest: usize,
) -> Result<(Laid, Vec<u32>), CircuitError> {
    let windows = match run {
        [layer] => match layer.map.groups() {
            [group] => windows(group, layer.weight_scale, slots, widest),
            _ => None,
        },
        _ => None,
    };
    match (windows, dense(matrix, slots, widest)) {
        (Some(windows), Ok(dense)) if dense.0.key_switches() < windows.0.key_switches() => {
            Ok(dense)
        }
        (Some(windows), _) => Ok(windows),
        (None, dense) => dense,
    }
}

/// A convolution whose windows the client writes side by side. With positions in blocks of their number, tap m of a block's share is at
/// block m of a period, moved to the right by as many blocks as there are channels but one, and channel c at block c: they meet after a
/// rotation by `m - c` blocks.
fn windows(
    group: &Group,
    weight_scale: f64,
    slots: usize,
    widest: usize,
) -> Option<(Laid, Vec<u32>)> {
    let (channels, taps, positions) = (group.rows(), group.taps(), group.positions());
    let period = (channels * positions).max(widest).next_power_of_two();
    let periods = slots.checked_div(period).filter(|periods| *periods > 0)?;
    let share = taps.div_ceil(periods);
    let count = channels + share - 1;
    if share * positions > period || count * slots > MAX_VALUES {
        return None;
    }
    let mut input = vec![PADDING; slots];
    for tap in 0..taps {
        let block = tap % share + channels - 1;
        let start = period * (tap / share) + positions * block;
        for (position, gather) in group.gather().chunks_exact(taps).enumerate() {
            input[(start + position) % slots] = gather[tap];
        }
    }
    let diagonal = |count: usize| {
        let mut diagonal = vec![0.0; slots];
        for channel in 0..channels {
            // count = m - c + channels - 1
            let Some(of_share) = (count + channel + 1).checked_sub(channels) else {
                continue;
            };
            for part in 0..periods {
                let tap = share * part + of_share;
                if of_share < share && tap < taps {
                    let weight = f64::from(group.weights()[channel * taps + tap]) / weight_scale;
                    let start = period * part + positions * channel;
                    diagonal[start..start + positions].fill(weight);
                }
            }
        }
        diagonal
    };
    let laid = Laid {
        diagonals: Diagonals::horner(slots, positions, (0..count).map(diagonal).collect()),
        sums: doubling(period, slots),
        layout: Layout::Periodic { period, stride: 1 },
    };
    Some((laid, input))
}

/// A dense first layer: slot s holds input `s / copies`, and row `s mod period`.
fn dense(matrix: &Matrix, slots: usize, widest: usize) -> Result<(Laid, Vec<u32>), CircuitError> {
    let period = matrix.outputs.max(widest).next_power_of_two();
    let columns = matrix.inputs.next_power_of_two();
    if period.max(columns) > slots {
        return Err(no_room(matrix, slots));
    }
    let copies = slots / columns;
    let count = (period / copies).max(1);
    check_values(matrix, count, slots)?;
    let place = |slot: usize| match slot / copies {
        input if input < matrix.inputs => input as u32,
        _ => PADDING,
    };
    let diagonal = |count: usize| {
        let value = |slot: usize| {
            let row = slot % period;
            // Where an input has more copies than there are rows, the first of them take part.
            if period < copies && slot % copies >= period {
                return 0.0;
            }
            matrix.weight(row, (slot / copies + count) % columns)
        };
        (0..slots).map(value).collect()
    };
    let laid = Laid {
        diagonals: Diagonals::horner(slots, copies, (0..count).map(diagonal).collect()),
        sums: doubling(period, slots),
        layout: Layout::Periodic { period, stride: 1 },
    };
    Ok((laid, (0..slots).map(place).collect()))
}

/// Every period computes some rows.
fn from_periodic(
    matrix: &Matrix,
    slots: usize,
    period: usize,
    stride: usize,
) -> Result<Laid, CircuitError> {
    let rows = matrix.outputs.div_ceil(slots / period).next_power_of_two();
    if rows > period {
        return Err(no_room(matrix, slots));
    }
    check_values(matrix, rows, slots)?;
    let diagonal = |count: usize| -> Vec<f64> {
        let value = |slot: usize| {
            let place = (slot + count) % period;
            if !place.is_multiple_of(stride) {
                return 0.0;
            }
            matrix.weight(rows * (slot / period) + slot % rows, place / stride)
        };
        (0..slots).map(value).collect()
    };
    let diagonals: Vec<Vec<f64>> = (0..rows).map(diagonal).collect();
    Ok(Laid {
        diagonals: Diagonals::baby_giant(&diagonals),
        sums: doubling(rows, period),
        layout: Layout::Windows { period, rows },
    })
}

/// Every output is moved to a window of its own.
fn from_windows(
    matrix: &Matrix,
    slots: usize,
    period: usize,
    rows: usize,
) -> Result<Laid, CircuitError> {
    if rows * matrix.outputs > period {
        return Err(no_room(matrix, slots));
    }
    check_values(matrix, matrix.outputs, slots)?;
    let layout = Layout::Windows { period, rows };
    let products = |output: usize| {
        let mut diagonal = vec![0.0; slots];
        for input in 0..matrix.inputs {
            diagonal[layout.slot(input)] = matrix.weight(output, input);
        }
        vec![diagonal]
    };
    let mut sums = doubling(1, rows);
    sums.extend(doubling(period, slots));
    Ok(Laid {
        diagonals: Diagonals {
            babies: 1,
            giant: slots - rows,
            weights: (0..matrix.outputs).map(products).collect(),
        },
        sums,
        layout: Layout::Periodic {
            period,
            stride: rows,
        },
    })
}

/// from, 2 from, 4 from, ... below `to`.
fn doubling(from: usize, to: usize) -> Vec<usize> {
    let places = std::iter::successors(Some(from), |places| Some(places * 2));
    places.take_while(|places| *places < to).collect()
}

fn check_values(matrix: &Matrix, diagonals: usize, slots: usize) -> Result<(), CircuitError> {
    if diagonals.saturating_mul(slots) <= MAX_VALUES {
        return Ok(());
    }
    Err(no_room(matrix, slots))
}

fn no_room(matrix: &Matrix, slots: usize) -> CircuitError {
    unfit(format!(
        "a layer from {} to {} features has no room in a ciphertext of {slots} slots",
        matrix.inputs, matrix.outputs
    ))
}
