//! Polynomial activations with the batch norm before them, as one function of a map.
//!
//! Each is computed in as few passes over memory as its sums allow: statistics, then values; backwards the gradients of the polynomial's
//! numbers, those of the norm's, then that of the input. What a pass needs besides the input is worked out again rather than kept.

mod form;
mod function;
mod images;
mod moments;
mod steps;

#[cfg(test)]
mod tests;

use crate::arithmetic::Processor;
use crate::entry::Entry;
use crate::passes::{map, sum};
use form::{derivative, inner_moments};
use images::Penalised;
use moments::rows;
use steps::{
    Apply, Argument, EvenPowers, Polynomial, Slope, SlopeSums, WeightedPowers, WriteGradient,
};

pub use form::Form;
pub use function::Function;
pub use images::ImagePenalty;
pub use moments::Moments;

/// What is subtracted and divided by before the polynomial.
#[derive(Clone, Debug, PartialEq)]
pub enum Norm {
    /// Nothing: `z = x`.
    None,
    /// The batch's own mean and deviation (Ioffe and Szegedy 2015): `z = gamma (x - mean) / sqrt(variance + epsilon) + beta`.
    Batch,
    /// Given ones, which do not depend on the batch.
    Fixed(Moments),
}

/// An activation with the norm before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// Channels of the map.
    pub channels: usize,
    /// What stands before the polynomial.
    pub norm: Norm,
    /// Added to variances, those of [`Form::Hermite`] included.
    pub epsilon: f64,
    /// The polynomial.
    pub form: Form,
    /// A function that is mixed with the polynomial, and its weight, 0 to 1; the polynomial has the rest.
    pub function: Option<(Function, f64)>,
    /// Values of z outside of these bounds enter the polynomial as the nearest bound.
    pub bounds: [f64; 2],
    /// Values of z outside of these limits are counted and penalised.
    pub limits: [f64; 2],
    /// Factor of the mean over all entries of the squared distance of z from the limits.
    pub range_weight: f64,
    /// Rows of an image.
    pub image_rows: usize,
    /// The penalty on each image's largest |z|.
    pub peaks: Option<ImagePenalty>,
    /// The penalty on each image's mean square of z.
    pub energies: Option<ImagePenalty>,
}

/// What lay outside of an activation's limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// Share of the entries, 0 to 1.
    pub share: f64,
    /// All penalties with their weights.
    pub penalty: f64,
}

/// What the forward pass leaves for the backward pass, beside the input.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Of the input; those that were given, or zeros, where the batch's own are not used.
    pub moments: Moments,
    /// Of `(z^2 - 1) / sqrt 2` for [`Form::Hermite`].
    pub inner: Moments,
    /// For the log and the loss.
    pub outside: Outside,
    argument: Argument,
    /// Ascending, `[power][channel]`.
    coefficients: Vec<Vec<f64>>,
    penalised: Vec<Penalised>,
}

/// Gradients of the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Backward {
    /// `[channels]`
    pub gamma: Vec<f32>,
    /// `[channels]`
    pub beta: Vec<f32>,
    /// Of the shape of the form's numbers.
    pub numbers: Vec<f32>,
}

/// Makes the call for the smallest supported number of coefficients that `count` fits into, with or without a function.
macro_rules! with_coefficients {
    ($count:expr, $function:expr, $n:ident, $f:ident => $call:expr) => {
        match ($count <= 3, $function) {
            (true, false) => with_coefficients!(3, false; $n, $f => $call),
            (false, false) => with_coefficients!(16, false; $n, $f => $call),
            (true, true) => with_coefficients!(3, true; $n, $f => $call),
            (false, true) => with_coefficients!(16, true; $n, $f => $call),
        }
    };
    ($count:literal, $function:literal; $n:ident, $f:ident => $call:expr) => {{
        const $n: usize = $count;
        const $f: bool = $function;
        $call
    }};
}

impl Activation {
    /// Fills `y` from `x`.
    ///
    /// # Shapes
    /// - `x` and `y`: `[rows, channels]`
    /// - `gamma`, `beta`: `[channels]`, not looked at without a norm
    /// - `numbers`: as [`Form`] says
    ///
    /// # Panics
    /// When a slice does not have its shape, or a polynomial has more than 16 coefficients.
    pub fn forward<T: Entry>(
        &self,
        x: &[T],
        (gamma, beta): (&[f32], &[f32]),
        numbers: &[f32],
        y: &mut [T],
    ) -> Forward {
        self.forward_on(Processor::here(), x, (gamma, beta), numbers, y)
    }

    fn forward_on<T: Entry>(
        &self,
        processor: Processor,
        x: &[T],
        (gamma, beta): (&[f32], &[f32]),
        numbers: &[f32],
        y: &mut [T],
    ) -> Forward {
        let channels = self.channels;
        let count = rows(x, channels);
        let moments = match &self.norm {
            Norm::None => Moments {
                mean: vec![0.0; channels],
                variance: vec![1.0; channels],
            },
            Norm::Batch => Moments::on(processor, x, channels),
            Norm::Fixed(moments) => moments.clone(),
        };
        let argument = self.argument(&moments, gamma, beta);
        let inner = match &self.form {
            Form::Polynomial { .. } => Moments::default(),
            Form::Hermite {
                fixed: Some(moments),
                ..
            } => moments.clone(),
            Form::Hermite { fixed: None, .. } => {
                let [second, fourth] = sum(processor, channels, x, None, &EvenPowers(&argument));
                inner_moments(count, &second, &fourth)
            }
        };
        let coefficients = self
            .form
            .coefficients((channels, self.epsilon), numbers, &inner);
        let [squares, outside] = with_coefficients!(coefficients.len(), self.function.is_some(), N, F => {
            let step = Apply::<N, F> {
                argument: &argument,
                polynomial: Polynomial::new(channels, &self.weighted(&coefficients)),
                function: self.function_weight(),
                limits: self.limits.map(|limit| limit as f32),
            };
            map(processor, channels, x, None, y, &step)
        });
        let entries = x.len().max(1) as f64;
        let penalised = images::find(processor, self, &argument, x);
        let penalty = self.range_weight * squares.iter().sum::<f64>() / entries
            + penalised.iter().map(|image| image.penalty).sum::<f64>();
        Forward {
            moments,
            inner,
            outside: Outside {
                share: outside.iter().sum::<f64>() / entries,
                penalty,
            },
            argument,
            coefficients,
            penalised,
        }
    }

    /// Fills `x_gradient` from `y_gradient`, the gradient of the loss without this activation's penalties, whose own it adds.
    ///
    /// # Shapes
    /// As in [`Self::forward`], whose `x` and other arguments must be given again.
    ///
    /// # Panics
    /// When a slice does not have its shape.
    pub fn backward<T: Entry>(
        &self,
        x: &[T],
        numbers: &[f32],
        forward: &Forward,
        y_gradient: &[T],
        x_gradient: &mut [T],
    ) -> Backward {
        self.backward_on(
            Processor::here(),
            x,
            numbers,
            forward,
            y_gradient,
            x_gradient,
        )
    }

    fn backward_on<T: Entry>(
        &self,
        processor: Processor,
        x: &[T],
        numbers: &[f32],
        forward: &Forward,
        y_gradient: &[T],
        x_gradient: &mut [T],
    ) -> Backward {
        let channels = self.channels;
        let count = rows(x, channels).max(1) as f64;
        assert_eq!(x.len(), y_gradient.len());
        let argument = &forward.argument;
        let coefficients = &forward.coefficients;
        with_coefficients!(coefficients.len(), self.function.is_some(), N, F => {
            let sums: [Vec<f64>; N] =
                sum(processor, channels, x, Some(y_gradient), &WeightedPowers::<N>(argument));
            let (numbers, rest) = self.form.number_gradients((channels, self.epsilon), numbers, &forward.inner, count, &sums);
            let slope = self.weighted(&derivative(coefficients));
            let slope = Slope::<N, F> {
                argument,
                slope: Polynomial::new(channels, &slope),
                rest: Polynomial::new(channels, &self.weighted(&rest)),
                function: self.function_weight(),
                limits: self.limits.map(|limit| limit as f32),
                pull: (2.0 * self.range_weight / x.len().max(1) as f64) as f32,
            };
            let [mut first, mut second] =
                sum(processor, channels, x, Some(y_gradient), &SlopeSums(&slope));
            images::add_sums(self, argument, &forward.penalised, x, &mut first, &mut second);
            let factor: Vec<f64> =
                (0..channels).map(|c| f64::from(argument.scale[c]) * f64::from(argument.gamma[c])).collect();
            // What the batch's own statistics take away.
            let line = |sums: &[f64]| -> Vec<f64> {
                let share = if self.norm == Norm::Batch { 1.0 / count } else { 0.0 };
                sums.iter().zip(&factor).map(|(sum, factor)| -factor * sum * share).collect()
            };
            let write = WriteGradient {
                slope: &slope,
                factor: factor.iter().map(|value| *value as f32).collect(),
                line: Polynomial::new(channels, &[line(&first), line(&second)]),
            };
            let [] = map(processor, channels, x, Some(y_gradient), x_gradient, &write);
            images::add_gradients(self, argument, &forward.penalised, x, &factor, x_gradient);
            Backward {
                gamma: second.iter().map(|value| *value as f32).collect(),
                beta: first.iter().map(|value| *value as f32).collect(),
                numbers: numbers.iter().map(|value| (self.polynomial_weight() * value) as f32).collect(),
            }
        })
    }

    /// Entries of an image.
    fn image_len(&self) -> usize {
        (self.image_rows * self.channels).max(self.channels)
    }

    /// The polynomial's share of the activation.
    fn polynomial_weight(&self) -> f64 {
        self.function.map_or(1.0, |(_, weight)| 1.0 - weight)
    }

    fn function_weight(&self) -> Option<(Function, f32)> {
        self.function
            .map(|(function, weight)| (function, weight as f32))
    }

    /// A polynomial's coefficients, times its share.
    fn weighted(&self, coefficients: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let weight = self.polynomial_weight();
        let row = |row: &Vec<f64>| row.iter().map(|value| weight * value).collect();
        coefficients.iter().map(row).collect()
    }

    fn argument(&self, moments: &Moments, gamma: &[f32], beta: &[f32]) -> Argument {
        let channels = self.channels;
        let bounds = self.bounds.map(|bound| bound as f32);
        if self.norm == Norm::None {
            return Argument {
                scale: vec![1.0; channels],
                shift: vec![0.0; channels],
                gamma: vec![1.0; channels],
                beta: vec![0.0; channels],
                bounds,
            };
        }
        assert_eq!((gamma.len(), beta.len()), (channels, channels));
        assert_eq!(
            (moments.mean.len(), moments.variance.len()),
            (channels, channels)
        );
        let scale: Vec<f64> = moments
            .variance
            .iter()
            .map(|variance| (variance + self.epsilon).sqrt().recip())
            .collect();
        let shift = scale
            .iter()
            .zip(&moments.mean)
            .map(|(scale, mean)| (-scale * mean) as f32);
        Argument {
            shift: shift.collect(),
            scale: scale.iter().map(|value| *value as f32).collect(),
            gamma: gamma.to_vec(),
            beta: beta.to_vec(),
            bounds,
        }
    }
}
