//! The circuit: linear layers with integer weights and monic polynomials, and the check that every circuit read from outside must pass.

use serde::{Deserialize, Serialize};

use super::error::CircuitError;
use ckks::{LinearMap, MonicPolynomial};
use cryptodl_data::Preprocessing;
use cryptodl_spec::Shape;

/// The largest degree of an activation. The spec lets 2 to 9 run encrypted, the rest in the clear.
pub const MAX_DEGREE: usize = 15;
/// The most features that one layer may have: a bound on what a hostile file can ask for, far above any network here.
pub const MAX_FEATURES: usize = 1 << 22;
/// The most layers of a circuit.
pub const MAX_LAYERS: usize = 256;
/// Weights have this many signed bits or more.
pub const MIN_WEIGHT_BITS: u32 = 4;
/// Weights have this many signed bits or fewer.
pub const MAX_WEIGHT_BITS: u32 = 12;

/// A trained network as ciphertexts compute it.
///
/// Inputs are `(byte / 255 - mean[c]) / std[c]`, then as `preprocessing` says, flattened `[channels, height, width]`; outputs are the logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circuit {
    /// Shape of one image.
    pub input: Shape,
    /// Per input channel.
    pub mean: Vec<f32>,
    /// Per input channel.
    pub std: Vec<f32>,
    /// What the client does to the values of each image after that.
    #[serde(default, skip_serializing_if = "Preprocessing::is_plain")]
    pub preprocessing: Preprocessing,
    /// Number of logits.
    pub classes: usize,
    /// In order; the last one is linear.
    pub layers: Vec<CircuitLayer>,
}

/// One step of a circuit. While a network is folded, its linear layers `L` have weights in floating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CircuitLayer<L = LinearLayer> {
    /// Integer weights and real biases. Grows the scale, spends no level.
    Linear(L),
    /// A monic polynomial on every feature. Spends `ceil(log2(degree))` levels and brings the scale back.
    Polynomial(PolynomialLayer),
}

/// What a linear layer was in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinearKind {
    /// Convolution.
    Conv,
    /// Fully connected.
    Dense,
    /// Average pooling, as a sum.
    Pool,
    /// One factor a channel, where two activations follow each other.
    Scale,
}

/// `y = W x / weight_scale + bias` with integer W.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearLayer {
    /// `conv1`, `dense3`, ...
    pub name: String,
    /// What it was in the network.
    pub kind: LinearKind,
    /// The integer weights.
    pub map: LinearMap,
    /// What one unit is in the weights; the scale of the values grows by it.
    pub weight_scale: f64,
    /// One per output feature, in real units; empty for none.
    pub bias: Vec<f64>,
    /// Largest |output| to plan for, in real units, margin included.
    pub bound: f64,
}

/// `m(x)` on every feature, m monic and without a constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolynomialLayer {
    /// `square1`, `poly2`, ...
    pub name: String,
    /// The polynomial.
    pub polynomial: MonicPolynomial,
    /// Largest |input| to plan for, margin included.
    pub bound: f64,
    /// Root mean square of the inputs, for the noise estimate: one for all features, or one per feature where channels differ.
    pub typical: Vec<f64>,
}

impl LinearKind {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::Dense => "dense",
            Self::Pool => "pool",
            Self::Scale => "scale",
        }
    }
}

impl CircuitLayer {
    /// `conv1`, `square1`, ...
    pub fn name(&self) -> &str {
        match self {
            Self::Linear(layer) => &layer.name,
            Self::Polynomial(layer) => &layer.name,
        }
    }

    /// `linear`, `pool` or `polynomial`, as in `layers.csv`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear(LinearLayer {
                kind: LinearKind::Pool,
                ..
            }) => "pool",
            Self::Linear(_) => "linear",
            Self::Polynomial(_) => "polynomial",
        }
    }

    /// Multiply-accumulates for one image; none in a polynomial.
    pub fn macs(&self) -> u64 {
        match self {
            Self::Linear(layer) => layer.map.macs(),
            Self::Polynomial(_) => 0,
        }
    }

    /// Features that leave the layer, given those that enter.
    pub fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Linear(layer) => layer.map.outputs(),
            Self::Polynomial(_) => inputs,
        }
    }
}

impl Circuit {
    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(CircuitLayer::macs).sum()
    }

    /// Polynomials evaluated for one image.
    pub fn activations(&self) -> u64 {
        let mut features = self.input.len();
        let mut sum = 0;
        for layer in &self.layers {
            features = layer.outputs(features);
            if matches!(layer, CircuitLayer::Polynomial(_)) {
                sum += features as u64;
            }
        }
        sum
    }

    /// Ciphertext-ciphertext multiplications in a row.
    pub fn multiplicative_depth(&self) -> usize {
        let depth = |layer: &CircuitLayer| match layer {
            CircuitLayer::Polynomial(layer) => ckks::polynomial_depth(layer.polynomial.degree()),
            CircuitLayer::Linear(_) => 0,
        };
        self.layers.iter().map(depth).sum()
    }

    /// Largest |logit| that the circuit was planned for, margin included.
    pub fn logit_bound(&self) -> f64 {
        match self.layers.last() {
            Some(CircuitLayer::Linear(layer)) => layer.bound,
            Some(CircuitLayer::Polynomial(layer)) => layer.bound,
            None => 0.0,
        }
    }

    /// One image's bytes `[channels, height, width]` as the circuit's inputs, appended to `out`.
    pub fn normalise(&self, pixels: &[u8], out: &mut Vec<f64>) {
        if !self.preprocessing.is_plain() {
            let normalisation = (self.mean.as_slice(), self.std.as_slice());
            let values = self.preprocessing.apply(self.input, normalisation, pixels);
            out.extend(values.into_iter().map(f64::from));
            return;
        }
        let plane = (self.input.height * self.input.width).max(1);
        for (channel, (mean, std)) in pixels.chunks(plane).zip(self.mean.iter().zip(&self.std)) {
            let (mean, std) = (f64::from(*mean), f64::from(*std));
            out.extend(
                channel
                    .iter()
                    .map(|byte| (f64::from(*byte) / 255.0 - mean) / std),
            );
        }
    }

    /// The smallest and largest value that a pixel of each channel can enter with.
    pub(crate) fn pixel_bounds(&self) -> Vec<(f64, f64)> {
        self.preprocessing.bounds(self.input, &self.mean, &self.std)
    }

    /// Checks that the circuit is one: whatever was read from outside must pass before it is planned or run.
    ///
    /// # Errors
    /// [`CircuitError::Invalid`] saying which part contradicts what.
    pub fn check(&self) -> Result<(), CircuitError> {
        let sides = [self.input.channels, self.input.height, self.input.width];
        let features = sides
            .iter()
            .try_fold(1_usize, |product, side| product.checked_mul(*side))
            .unwrap_or(usize::MAX);
        within("the number of input features", features, 1, MAX_FEATURES)?;
        within(
            "the number of channel means",
            self.mean.len(),
            self.input.channels,
            self.input.channels,
        )?;
        within(
            "the number of channel deviations",
            self.std.len(),
            self.input.channels,
            self.input.channels,
        )?;
        all("a channel mean", &self.mean, "finite", |mean| {
            mean.is_finite()
        })?;
        all(
            "a channel deviation",
            &self.std,
            "positive and finite",
            |std| std.is_finite() && *std > 0.0,
        )?;
        if let Some(fault) = self.preprocessing.fault(self.input.channels) {
            return Err(invalid(
                "the preprocessing",
                fault,
                "steps that images can take",
            ));
        }
        within("the number of classes", self.classes, 1, 1000)?;
        within("the number of layers", self.layers.len(), 1, MAX_LAYERS)?;
        let mut current = features;
        for (index, layer) in self.layers.iter().enumerate() {
            let name = layer.name();
            let shown: String = name.chars().take(40).collect();
            if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
                return Err(invalid(
                    format!("the name of layer {index}"),
                    format!("{shown:?}"),
                    "1 to 64 printable characters",
                ));
            }
            match layer {
                CircuitLayer::Linear(linear) => linear.check(current)?,
                CircuitLayer::Polynomial(polynomial) => polynomial.check(current)?,
            }
            current = layer.outputs(current);
        }
        if let Some(CircuitLayer::Polynomial(layer)) = self.layers.last() {
            return Err(invalid(
                "the last layer",
                format!("`{}`, a polynomial", layer.name),
                "linear",
            ));
        }
        within("the number of outputs", current, self.classes, self.classes)
    }
}

impl LinearLayer {
    fn check(&self, inputs: usize) -> Result<(), CircuitError> {
        let of = |what: &str| format!("{what} of `{}`", self.name);
        within(of("the inputs"), self.map.inputs(), inputs, inputs)?;
        within(of("the outputs"), self.map.outputs(), 1, MAX_FEATURES)?;
        positive(of("the weight scale"), self.weight_scale)?;
        positive(of("the bound"), self.bound)?;
        if !self.bias.is_empty() {
            within(
                of("the number of biases"),
                self.bias.len(),
                self.map.outputs(),
                self.map.outputs(),
            )?;
        }
        all(of("a bias"), &self.bias, "finite", |value| {
            value.is_finite()
        })
    }
}

impl PolynomialLayer {
    fn check(&self, features: usize) -> Result<(), CircuitError> {
        let of = |what: &str| format!("{what} of `{}`", self.name);
        let lower = self.polynomial.lower();
        within(of("the degree"), self.polynomial.degree(), 2, MAX_DEGREE)?;
        within(
            of("the number of lower coefficients"),
            lower.len(),
            0,
            self.polynomial.degree(),
        )?;
        for (power, values) in lower.iter().enumerate() {
            if values.len() > 1 {
                within(
                    of("the number of coefficients"),
                    values.len(),
                    features,
                    features,
                )?;
            }
            all(of("a coefficient"), values, "finite", |value| {
                value.is_finite()
            })?;
            if power == 0 {
                all(of("the constant"), values, "zero", |value| *value == 0.0)?;
            }
        }
        positive(of("the bound"), self.bound)?;
        let count = self.typical.len();
        if count != 1 {
            within(
                of("the number of typical values"),
                count,
                features,
                features,
            )?;
        }
        self.typical
            .iter()
            .try_for_each(|value| positive(of("a typical value"), *value))
    }
}

fn invalid(
    what: impl Into<String>,
    found: impl Into<String>,
    wanted: impl Into<String>,
) -> CircuitError {
    CircuitError::Invalid {
        what: what.into(),
        found: found.into(),
        wanted: wanted.into(),
    }
}

fn within(
    what: impl Into<String>,
    found: usize,
    low: usize,
    high: usize,
) -> Result<(), CircuitError> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    let wanted = if low == high {
        low.to_string()
    } else {
        format!("{low} to {high}")
    };
    Err(invalid(what, found.to_string(), wanted))
}

/// Positive, and far from the ends of what f64 holds, so that squares and products of a few of them stay finite.
fn positive(what: impl Into<String>, found: f64) -> Result<(), CircuitError> {
    const LARGEST: f64 = 1e15;
    if (1.0 / LARGEST..=LARGEST).contains(&found) {
        return Ok(());
    }
    Err(invalid(
        what,
        format!("{found:e}"),
        format!("between {:e} and {LARGEST:e}", 1.0 / LARGEST),
    ))
}

fn all<T: std::fmt::Display>(
    what: impl Into<String>,
    values: &[T],
    wanted: &str,
    holds: impl Fn(&T) -> bool,
) -> Result<(), CircuitError> {
    match values.iter().find(|value| !holds(value)) {
        None => Ok(()),
        Some(value) => Err(invalid(what, value.to_string(), wanted)),
    }
}
