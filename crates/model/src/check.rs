//! The one check of a network's numbers: whatever passes here can be evaluated without a panic.

use super::error::ModelError;
use super::network::{BatchNorm, Conv, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork};
use cryptodl_spec::{Shape, Window};

/// Most values that one feature map or weight may hold; a hostile file cannot ask for more.
const MOST_VALUES: usize = 1 << 30;

/// The output shape of every layer, once every length, shape and number of the network was found right.
///
/// # Errors
/// The first thing that is wrong, with the layer's index and the values.
pub fn shapes(network: &TrainedNetwork) -> Result<Vec<Shape>, ModelError> {
    let whole = |message: String| Err(ModelError::Network(message));
    let input = network.input;
    if size(&[input.channels, input.height, input.width]).is_none_or(|values| values == 0) {
        return whole(format!(
            "its input shape is {} x {} x {}",
            input.channels, input.height, input.width
        ));
    }
    if network.mean.len() != input.channels || network.std.len() != input.channels {
        return whole(format!(
            "{} means and {} standard deviations for {} input channels",
            network.mean.len(),
            network.std.len(),
            input.channels
        ));
    }
    if network.mean.iter().any(|value| !value.is_finite())
        || network
            .std
            .iter()
            .any(|value| !value.is_finite() || *value <= 0.0)
    {
        return whole("its pixel normalisation is not finite and positive".to_owned());
    }
    if let Some(fault) = network.preprocessing.fault(input.channels) {
        return whole(format!("its preprocessing has {fault}"));
    }
    let mut shape = input;
    let mut outputs = Vec::with_capacity(network.layers.len());
    for (index, layer) in network.layers.iter().enumerate() {
        shape = Checker {
            index,
            kind: layer.kind(),
            input: shape,
        }
        .layer(layer)?;
        outputs.push(shape);
    }
    if !matches!(network.layers.last(), Some(TrainedLayer::Dense(_)))
        || shape.len() != network.classes
        || network.classes == 0
    {
        return whole(format!(
            "it has {} classes, but its last layer gives {} values",
            network.classes,
            shape.len()
        ));
    }
    Ok(outputs)
}

/// The product, if it is small enough to be a number of values.
fn size(factors: &[usize]) -> Option<usize> {
    factors
        .iter()
        .try_fold(1_usize, |product, factor| product.checked_mul(*factor))
        .filter(|values| *values <= MOST_VALUES)
}

/// The first thing in which the architecture of `found` is not that of `wanted`, in words; numbers are not compared.
pub fn difference(wanted: &TrainedNetwork, found: &TrainedNetwork) -> Option<String> {
    let shape = |shape: Shape| format!("{} x {} x {}", shape.channels, shape.height, shape.width);
    if wanted.input != found.input || wanted.classes != found.classes {
        return Some(format!(
            "it takes images of {} and gives {} logits, but the spec has {} and {}",
            shape(found.input),
            found.classes,
            shape(wanted.input),
            wanted.classes
        ));
    }
    let both = wanted.layers.iter().zip(&found.layers).enumerate();
    for (index, (wanted, found)) in both {
        let (wanted, found) = (described(wanted), described(found));
        if wanted != found {
            return Some(format!(
                "its layer {index} is {found}, but the spec has {wanted} there"
            ));
        }
    }
    (wanted.layers.len() != found.layers.len()).then(|| {
        format!(
            "it has {} layers, but the spec has {}",
            found.layers.len(),
            wanted.layers.len()
        )
    })
}

/// A layer without its numbers, in words.
fn described(layer: &TrainedLayer) -> String {
    let biased = |bias: &[f32]| if bias.is_empty() { "no bias" } else { "a bias" };
    match layer {
        TrainedLayer::Conv(conv) => format!(
            "conv {0}x{0} from {1} to {2} channels with stride {3}, padding {4} and {5}",
            conv.kernel,
            conv.in_channels,
            conv.out_channels,
            conv.stride,
            conv.padding,
            biased(&conv.bias)
        ),
        TrainedLayer::Dense(dense) => format!(
            "dense from {} to {} with {}",
            dense.inputs,
            dense.outputs,
            biased(&dense.bias)
        ),
        TrainedLayer::BatchNorm(norm) => format!("batch-norm of {}", norm.gamma.len()),
        TrainedLayer::Polynomial(PolynomialActivation { degree, rows, .. }) => {
            format!("polynomial of degree {degree} in {rows} rows")
        }
        TrainedLayer::Function { function } => format!("the function {}", function.as_str()),
        TrainedLayer::AvgPool { size, stride } => {
            format!("avg-pool of {size} with stride {stride}")
        }
    }
}

struct Checker {
    index: usize,
    kind: &'static str,
    input: Shape,
}

impl Checker {
    fn layer(&self, layer: &TrainedLayer) -> Result<Shape, ModelError> {
        match layer {
            TrainedLayer::Conv(conv) => self.conv(conv),
            TrainedLayer::Dense(dense) => self.dense(dense),
            TrainedLayer::BatchNorm(norm) => self.batch_norm(norm),
            TrainedLayer::Polynomial(polynomial) => self.polynomial(polynomial),
            TrainedLayer::Function { .. } => Ok(self.input),
            TrainedLayer::AvgPool { size, stride } => {
                let window = Window::unpadded(*size, *stride);
                window.over(self.input).map_or_else(
                    || self.refuse(format!("no window of {size} with stride {stride} fits")),
                    Ok,
                )
            }
        }
    }

    fn conv(&self, conv: &Conv) -> Result<Shape, ModelError> {
        let Conv {
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            ..
        } = *conv;
        if in_channels != self.input.channels {
            return self.refuse(format!("it has {in_channels} input channels"));
        }
        let Some(expected) =
            size(&[out_channels, in_channels, kernel, kernel]).filter(|values| *values > 0)
        else {
            return self.refuse("its kernel is empty or beyond all bounds".to_owned());
        };
        if padding >= kernel {
            return self.refuse(format!("padding {padding} with a kernel of {kernel}"));
        }
        self.numbers("weight", &conv.weight, expected)?;
        self.bias(&conv.bias, out_channels)?;
        let Some(shape) = conv.window().over(self.input) else {
            return self.refuse(format!(
                "no window of {kernel} with stride {stride} and padding {padding} fits"
            ));
        };
        if size(&[out_channels, shape.height, shape.width]).is_none() {
            return self.refuse("its output is beyond all bounds".to_owned());
        }
        Ok(Shape {
            channels: out_channels,
            ..shape
        })
    }

    fn dense(&self, dense: &Dense) -> Result<Shape, ModelError> {
        let (inputs, outputs) = (dense.inputs, dense.outputs);
        if inputs != self.input.len() {
            return self.refuse(format!("it has {inputs} inputs"));
        }
        let Some(expected) = size(&[inputs, outputs]).filter(|values| *values > 0) else {
            return self.refuse("its weight is empty or beyond all bounds".to_owned());
        };
        self.numbers("weight", &dense.weight, expected)?;
        self.bias(&dense.bias, outputs)?;
        Ok(Shape {
            channels: outputs,
            height: 1,
            width: 1,
        })
    }

    fn batch_norm(&self, norm: &BatchNorm) -> Result<Shape, ModelError> {
        for (what, values) in [
            ("gamma", &norm.gamma),
            ("beta", &norm.beta),
            ("mean", &norm.mean),
            ("variance", &norm.variance),
        ] {
            self.numbers(what, values, self.input.channels)?;
        }
        if let Some(value) = norm.variance.iter().find(|value| **value < 0.0) {
            return Err(self.value("variance", f64::from(*value)));
        }
        if !norm.epsilon.is_finite() || norm.epsilon <= 0.0 {
            return Err(self.value("epsilon", norm.epsilon));
        }
        Ok(self.input)
    }

    fn polynomial(&self, polynomial: &PolynomialActivation) -> Result<Shape, ModelError> {
        let (degree, rows) = (polynomial.degree, polynomial.rows);
        if rows != 1 && rows != self.input.channels {
            return self.refuse(format!("it has {rows} rows of coefficients"));
        }
        if degree == 0 || degree > 64 {
            return self.refuse(format!("a polynomial of degree {degree}"));
        }
        self.numbers(
            "coefficients",
            &polynomial.coefficients,
            rows * (degree + 1),
        )?;
        Ok(self.input)
    }

    fn bias(&self, bias: &[f32], outputs: usize) -> Result<(), ModelError> {
        if bias.is_empty() {
            Ok(())
        } else {
            self.numbers("bias", bias, outputs)
        }
    }

    fn numbers(
        &self,
        what: &'static str,
        values: &[f32],
        expected: usize,
    ) -> Result<(), ModelError> {
        if values.len() != expected {
            return Err(ModelError::Length {
                layer: self.index,
                kind: self.kind,
                what,
                found: values.len(),
                expected,
            });
        }
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(self.value(what, f64::from(*value))),
            None => Ok(()),
        }
    }

    const fn value(&self, what: &'static str, value: f64) -> ModelError {
        ModelError::Value {
            layer: self.index,
            kind: self.kind,
            what,
            value,
        }
    }

    fn refuse<T>(&self, reason: String) -> Result<T, ModelError> {
        Err(ModelError::Input {
            layer: self.index,
            kind: self.kind,
            input: self.input,
            reason,
        })
    }
}
