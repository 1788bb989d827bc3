//! Look-up tables: what a bootstrap holds for one neuron.

use cryptodl_model::TrainedLayer;
use polyapprox::{Function, Polynomial};

/// What stands at an activation layer, per channel.
#[derive(Clone, Debug)]
pub(super) enum Activation {
    Function(Function),
    /// One polynomial for all channels, or one each.
    Polynomials(Vec<Polynomial>),
}

impl Activation {
    /// The activation of `layer`; `None` where it is another kind of layer.
    pub fn of(layer: &TrainedLayer) -> Option<Self> {
        match layer {
            TrainedLayer::Function { function } => Some(Self::Function(*function)),
            TrainedLayer::Polynomial(polynomial) => {
                let polynomials: Result<Vec<Polynomial>, _> =
                    polynomial.polynomials().map(Polynomial::new).collect();
                polynomials.ok().map(Self::Polynomials)
            }
            _ => None,
        }
    }

    /// The value at `x` in `channel`.
    pub fn value(&self, channel: usize, x: f64) -> f64 {
        match self {
            Self::Function(function) => function.value(x),
            Self::Polynomials(rows) => rows[if rows.len() == 1 { 0 } else { channel }].value(x),
        }
    }

    /// `relu`, `poly`
    pub fn name(&self) -> &'static str {
        match self {
            Self::Function(function) => function.as_str(),
            Self::Polynomials(_) => "poly",
        }
    }

    /// Whether [`half_turn`] holds it exactly.
    pub fn is_relu(&self) -> bool {
        matches!(self, Self::Function(Function::Relu))
    }
}

/// What the integers of a channel's tables mean: `value = step entry + middle`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    pub step: f64,
    pub middle: f64,
    count: i64,
}

impl Levels {
    /// `count` steps over all `values`. Entries are centred: the logits that they sum up to need the fewest bits then.
    pub fn over(count: i64, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let width = high - low;
        let step = if width > 0.0 {
            width / count as f64
        } else {
            1.0
        };
        Self {
            step,
            middle: (low + high) / 2.0,
            count,
        }
    }

    /// The table of `f`. Where the training images never came, an entry goes on for as far again and then stays.
    pub fn table(&self, messages: usize, f: impl Fn(usize) -> f64) -> Vec<i64> {
        (0..messages)
            .map(|index| ((f(index) - self.middle) / self.step).round() as i64)
            .map(|entry| entry.clamp(-self.count, self.count))
            .collect()
    }
}

/// The triangle wave `|z - kink| - messages / 2`, of period `2 messages`, at `z` in `0..messages`.
///
/// It changes its sign after half a period, as every table does on the negacyclic torus, so it needs no padding bit: all
/// `2 messages` values of the torus carry a sum. Added to the sum itself it is a ReLU,
/// `(z - kink) + |z - kink| = 2 relu(z - kink)`, and beyond the torus, up to half a turn further, the two together stay what they were at
/// its end: sums that are too large saturate, they do not wrap.
pub(super) fn half_turn(messages: usize, kink: f64) -> Vec<i64> {
    let (half, period) = (messages as f64, 2.0 * messages as f64);
    (0..messages)
        .map(|z| {
            let turned = (z as f64 - kink + half).rem_euclid(period) - half;
            (turned.abs() - half / 2.0).round() as i64
        })
        .collect()
}
