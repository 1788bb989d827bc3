//! Trained network to circuit: batch norm, scales, shifts, signs and constants of the activations move into integer linear layers.
//!
//! The walk keeps, per channel, what the circuit carries in place of the network's value: `true = alpha carried + beta`. Batch norm and
//! pooling only change alpha and beta; a weighted layer absorbs them into its weights and biases; an activation asks the linear layer
//! before it for `u = scale true + shift` and leaves its factor and constant behind as the next alpha and beta.

use super::balance::stretches;
use super::error::CircuitError;
use super::float_layer::FloatLayer;
use super::monic::{Monic, effective_degree, monic};
use super::quantize::Quantizer;
use super::ranges::{RANGE_MARGIN, channel_ranges, image, output_bound, widest};
use super::types::{Circuit, CircuitLayer, MAX_DEGREE, PolynomialLayer};
use ckks::MonicPolynomial;
use cryptodl_model::{PreActivation, TrainedLayer, TrainedNetwork};
use cryptodl_spec::{Shape, Window};

/// Folds `network`. `ranges` are the measured inputs of every activation layer (training data; the test images stay unseen) and, where given,
/// the logits ([`output_range`](super::output_range)), which the weights alone bound several bits too high. The largest weight of
/// every layer fills `weight_bits` signed bits, 4 to 12.
///
/// # Errors
/// [`CircuitError`] where the network does not pass [`cryptodl_model::shapes`], where a layer is no polynomial (an original activation other
/// than the square), where a range is missing, or where a layer has no weight but zero.
pub fn fold(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
    weight_bits: u32,
) -> Result<Circuit, CircuitError> {
    let mut quantizer = Quantizer::new(weight_bits, network)?;
    let layers = fold_layers(network, ranges)?.into_iter();
    let layers = layers.map(|layer| match layer {
        CircuitLayer::Linear(layer) => quantizer.quantize(layer).map(CircuitLayer::Linear),
        CircuitLayer::Polynomial(layer) => Ok(CircuitLayer::Polynomial(layer)),
    });
    let layers = layers.collect::<Result<_, CircuitError>>()?;
    let circuit = Circuit {
        input: network.input,
        mean: network.mean.clone(),
        std: network.std.clone(),
        preprocessing: network.preprocessing.clone(),
        classes: network.classes,
        layers,
    };
    circuit.check()?;
    Ok(circuit)
}

/// The fold without its last step, the rounding of the weights.
pub(super) fn fold_layers(
    network: &TrainedNetwork,
    ranges: &[PreActivation],
) -> Result<Vec<CircuitLayer<FloatLayer>>, CircuitError> {
    cryptodl_model::shapes(network)?;
    let mut folder = Folder {
        shape: network.input,
        alpha: vec![1.0; network.input.channels],
        beta: vec![0.0; network.input.channels],
        open: Vec::new(),
        intervals: None,
        layers: Vec::new(),
        weighted: 0,
        pools: 0,
    };
    for (index, layer) in network.layers.iter().enumerate() {
        folder.step(index, layer, &network.layers[index + 1..], ranges)?;
    }
    // The last layer is dense, so that nothing is left in alpha and beta: the logits are carried as they are.
    folder.flush(output_bound(network, ranges)?);
    Ok(folder.layers)
}

/// The state of the walk.
struct Folder {
    /// Shape of the current values.
    shape: Shape,
    /// Per channel: `true = alpha carried + beta`.
    alpha: Vec<f64>,
    beta: Vec<f64>,
    /// Linear layers whose weights may still change: one of any kind, then plain sums only.
    open: Vec<FloatLayer>,
    /// The intervals of the features that leave the last polynomial, until a linear layer reads them.
    intervals: Option<Vec<(f64, f64)>>,
    layers: Vec<CircuitLayer<FloatLayer>>,
    /// Weighted layers and poolings so far, for names.
    weighted: usize,
    pools: usize,
}

impl Folder {
    fn step(
        &mut self,
        index: usize,
        layer: &TrainedLayer,
        after: &[TrainedLayer],
        ranges: &[PreActivation],
    ) -> Result<(), CircuitError> {
        match layer {
            TrainedLayer::Conv(conv) => {
                let name = self.next_name("conv");
                self.weighted_layer(FloatLayer::conv(name, self.shape, conv));
            }
            TrainedLayer::Dense(dense) => {
                let name = self.next_name("dense");
                self.weighted_layer(FloatLayer::dense(name, dense));
            }
            TrainedLayer::BatchNorm(norm) => {
                let carried = self.alpha.iter_mut().zip(&mut self.beta);
                for ((alpha, beta), (factor, offset)) in carried.zip(norm.affine()) {
                    *alpha *= factor;
                    *beta = factor * *beta + offset;
                }
            }
            TrainedLayer::AvgPool { size, stride } => {
                self.pools += 1;
                let name = format!("pool{}", self.pools);
                let pool = FloatLayer::pool(name, self.shape, Window::unpadded(*size, *stride));
                self.shape = pool.shape;
                self.open.push(pool);
                let count = (size * size) as f64;
                self.alpha.iter_mut().for_each(|alpha| *alpha /= count);
            }
            TrainedLayer::Polynomial(polynomial) => {
                let rows: Vec<Vec<f64>> = polynomial.polynomials().collect();
                self.activation(index, &rows, after, ranges)?;
            }
            TrainedLayer::Function {
                function: polyapprox::Function::Square,
            } => self.activation(index, &[vec![0.0, 0.0, 1.0]], after, ranges)?,
            TrainedLayer::Function { function } => {
                return Err(CircuitError::NotPolynomial {
                    layer: index,
                    kind: function.as_str(),
                });
            }
        }
        Ok(())
    }

    fn next_name(&mut self, kind: &str) -> String {
        self.weighted += 1;
        format!("{kind}{}", self.weighted)
    }

    /// A convolution or dense layer absorbs alpha and beta and starts a new chain.
    fn weighted_layer(&mut self, mut layer: FloatLayer) {
        self.flush(f64::INFINITY);
        layer.absorb(
            &self.alpha,
            &self.beta,
            self.shape.height * self.shape.width,
        );
        self.shape = layer.shape;
        self.alpha = vec![1.0; self.shape.channels];
        self.beta = vec![0.0; self.shape.channels];
        self.open.push(layer);
    }

    /// Makes the circuit carry `gain true + shift` per channel, by changing the first layer of the open chain.
    fn carry(&mut self, gain: &[f64], shift: &[f64]) {
        if self.open.is_empty() {
            let name = self.next_name("scale");
            self.open.push(FloatLayer::identity(name, self.shape));
        }
        let summed: usize = self.open[1..]
            .iter()
            .map(|pool| pool.groups[0].taps)
            .product();
        let outer: Vec<f64> = gain
            .iter()
            .zip(&self.alpha)
            .map(|(gain, alpha)| gain * alpha)
            .collect();
        // Every later sum adds `taps` copies of the shift.
        let inner: Vec<f64> = gain
            .iter()
            .zip(&self.beta)
            .zip(shift)
            .map(|((gain, beta), shift)| (gain * beta + shift) / summed as f64)
            .collect();
        self.open[0].scale_outputs(&outer);
        self.open[0].shift_outputs(&inner);
        self.alpha.fill(1.0);
        self.beta.fill(0.0);
    }

    /// An activation with the ascending coefficients of `rows` (one, or one a channel).
    fn activation(
        &mut self,
        layer: usize,
        rows: &[Vec<f64>],
        after: &[TrainedLayer],
        ranges: &[PreActivation],
    ) -> Result<(), CircuitError> {
        let channels = self.shape.channels;
        let measured = ranges.iter().find(|range| range.layer == layer);
        let measured = measured.ok_or(CircuitError::NoRange { layer })?;
        let ends = channel_ranges(measured, channels)?;
        let reach: Vec<f64> = ends
            .iter()
            .map(|(low, high)| low.abs().max(high.abs()))
            .collect();
        let row_of = |channel: usize| rows[if rows.len() == 1 { 0 } else { channel }].clone();
        let per_channel: Vec<Vec<f64>> = (0..channels).map(row_of).collect();
        let degree = effective_degree(&per_channel, &reach);
        if degree > MAX_DEGREE {
            return Err(CircuitError::Degree {
                layer,
                degree,
                largest: MAX_DEGREE,
            });
        }
        let mut folded: Vec<Monic> = (0..channels)
            .map(|channel| {
                // One polynomial for all channels stays one: folded for the widest range.
                let (low, high) = if rows.len() == 1 {
                    widest(&ends)
                } else {
                    ends[channel]
                };
                monic(&per_channel[channel], degree, low, high)
            })
            .collect();
        self.balance(&mut folded, degree, after);
        normalise(&mut folded, degree, measured);
        let gain: Vec<f64> = folded.iter().map(|monic| monic.scale).collect();
        let shift: Vec<f64> = folded.iter().map(|monic| monic.shift).collect();
        self.carry(&gain, &shift);

        let carried: Vec<(f64, f64)> = folded
            .iter()
            .zip(&ends)
            .map(|(monic, (low, high))| {
                let spread = (RANGE_MARGIN - 1.0) * low.abs().max(high.abs());
                let ends = [low - spread, high + spread].map(|end| monic.scale * end + monic.shift);
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            })
            .collect();
        let bound = carried.iter().fold(0.0, |bound: f64, (low, high)| {
            bound.max(low.abs()).max(high.abs())
        });
        let typical: Vec<f64> = folded
            .iter()
            .map(|monic| monic.typical(measured.mean, measured.std, bound))
            .collect();
        self.flush(bound);

        let positions = self.shape.height * self.shape.width;
        let name = if degree == 2 {
            format!("square{}", self.weighted)
        } else {
            format!("poly{}", self.weighted)
        };
        let polynomial =
            MonicPolynomial::new(degree, lower_coefficients(&folded, degree, positions))
                .map_err(ckks::Error::from)?;
        let images = folded
            .iter()
            .zip(&carried)
            .map(|(monic, ends)| image(monic, *ends));
        let intervals = images.flat_map(|ends| std::iter::repeat_n(ends, positions));
        self.intervals = Some(intervals.collect());
        let layer = PolynomialLayer {
            name,
            polynomial,
            bound,
            typical: by_feature(&typical, positions),
        };
        self.layers.push(CircuitLayer::Polynomial(layer));
        self.alpha = folded.iter().map(|monic| monic.factor).collect();
        self.beta = folded.iter().map(|monic| monic.constant).collect();
        Ok(())
    }

    /// Stretches the channels of a completed square so that the layers around it lose little when they become integers. Other polynomials
    /// have lower coefficients, which the channels share at best, and stay as they are.
    fn balance(&self, folded: &mut [Monic], degree: usize, after: &[TrainedLayer]) {
        let plain = |monic: &Monic| monic.lower.iter().all(|value| *value == 0.0);
        let Some(before) = self.open.first().filter(|_| folded.iter().all(plain)) else {
            return;
        };
        let scales: Vec<f64> = folded
            .iter()
            .zip(&self.alpha)
            .map(|(monic, alpha)| monic.scale * alpha)
            .collect();
        for (monic, factor) in folded.iter_mut().zip(
            stretches(before, &scales, after, degree)
                .into_iter()
                .flatten(),
        ) {
            monic.stretch(factor);
        }
    }

    /// Ends the open chain. `bound`: what is known about the size of its outputs from the training data.
    fn flush(&mut self, bound: f64) {
        if let Some(last) = self.open.last_mut() {
            last.bound = bound;
        }
        for mut layer in self.open.drain(..) {
            layer.input_intervals = self.intervals.take();
            self.layers.push(CircuitLayer::Linear(layer));
        }
    }
}

/// Stretches the polynomials so that what they give has a standard deviation of about one. Ciphertext noise is absolute: this makes a bit of
/// scale a bit of precision in every layer, and keeps the weights' scale, and with it the primes, as small as that precision allows.
fn normalise(folded: &mut [Monic], degree: usize, measured: &PreActivation) {
    let variances = folded
        .iter()
        .map(|monic| monic.variance(measured.mean, measured.std));
    let variance = variances.sum::<f64>() / folded.len() as f64;
    let stretch = variance.powf(-0.5 / degree as f64);
    // Where nothing was measured to vary, the polynomial stays as it is.
    if stretch.is_finite() && (1e-6..=1e6).contains(&stretch) {
        folded.iter_mut().for_each(|monic| monic.stretch(stretch));
    }
}

/// The lower coefficients by power, index 0 empty: none where all are zero, one where all channels agree, else one per feature.
fn lower_coefficients(folded: &[Monic], degree: usize, positions: usize) -> Vec<Vec<f64>> {
    let mut lower = vec![Vec::new()];
    for power in 0..degree - 1 {
        let values: Vec<f64> = folded.iter().map(|monic| monic.lower[power]).collect();
        lower.push(if values.iter().all(|value| *value == 0.0) {
            Vec::new()
        } else {
            by_feature(&values, positions)
        });
    }
    lower
}

/// One value for all where the channels agree, else one per feature.
fn by_feature(channels: &[f64], positions: usize) -> Vec<f64> {
    match channels {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => vec![*first],
        _ => {
            let values = channels.iter();
            values
                .flat_map(|value| std::iter::repeat_n(*value, positions))
                .collect()
        }
    }
}
