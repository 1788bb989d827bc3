//! Polynomial activations with the batch norm before them, as one function of a map.
//!
//! Each is computed in as few passes over memory as its sums allow: statistics, then values; backwards the gradients of the polynomial's
//! numbers, those of the norm's, then that of the input. What a pass needs besides the input is worked out again rather than kept.

mod form;
mod moments;
mod peaks;
mod steps;

#[cfg(test)]
mod tests;

use crate::arithmetic::Processor;
use crate::entry::Entry;
use crate::passes::{map, sum};
use form::{derivative, inner_moments};
use moments::rows;
use peaks::Peak;
use steps::{
    Apply, Argument, EvenPowers, Polynomial, Slope, SlopeSums, WeightedPowers, WriteGradient,
};

pub use form::Form;
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

/// A penalty on each image's largest |z|: `weight` times the mean over the images of the squared excess over `limit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    /// What is free.
    pub limit: f64,
    /// Factor.
    pub weight: f64,
    /// Rows of an image.
    pub rows: usize,
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
    /// Values of z outside of these bounds enter the polynomial as the nearest bound.
    pub bounds: [f64; 2],
    /// Values of z outside of these limits are counted and penalised.
    pub limits: [f64; 2],
    /// Factor of the mean over all entries of the squared distance of z from the limits.
    pub range_weight: f64,
    /// The penalty on images' largest values.
    pub peaks: Option<Peaks>,
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
    peaks: Vec<Peak>,
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

/// Calls the function with the smallest supported number of coefficients that `count` fits into.
macro_rules! with_coefficients {
    ($count:expr, $name:ident => $call:expr) => {
        match $count {
            0..=3 => {
                const $name: usize = 3;
                $call
            }
            4..=6 => {
                const $name: usize = 6;
                $call
            }
            _ => {
                const $name: usize = 16;
                $call
            }
        }
    };
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
        let [squares, outside] = with_coefficients!(coefficients.len(), N => {
            let step = Apply::<N> {
                argument: &argument,
                polynomial: Polynomial::new(channels, &coefficients),
                limits: self.limits.map(|limit| limit as f32),
            };
            map(processor, channels, x, None, y, &step)
        });
        let entries = x.len().max(1) as f64;
        let mut penalty = self.range_weight * squares.iter().sum::<f64>() / entries;
        let mut found = Vec::new();
        if let Some(peaks) = self.peaks {
            found = peaks::find(processor, x, &argument, channels, peaks);
            penalty += peaks::penalty(&found, count, peaks);
        }
        Forward {
            moments,
            inner,
            outside: Outside {
                share: outside.iter().sum::<f64>() / entries,
                penalty,
            },
            argument,
            coefficients,
            peaks: found,
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
        with_coefficients!(coefficients.len(), N => {
            let sums: [Vec<f64>; N] =
                sum(processor, channels, x, Some(y_gradient), &WeightedPowers::<N>(argument));
            let (numbers, rest) = self.form.number_gradients((channels, self.epsilon), numbers, &forward.inner, count, &sums);
            let slope = derivative(coefficients);
            let slope = Slope::<N> {
                argument,
                slope: Polynomial::new(channels, &slope),
                rest: Polynomial::new(channels, &rest),
                limits: self.limits.map(|limit| limit as f32),
                pull: (2.0 * self.range_weight / x.len().max(1) as f64) as f32,
            };
            let [mut first, mut second] =
                sum(processor, channels, x, Some(y_gradient), &SlopeSums(&slope));
            for peak in &forward.peaks {
                let channel = peak.index % channels;
                let unit = x[peak.index].to_f32() * argument.scale[channel] + argument.shift[channel];
                first[channel] += peak.gradient;
                second[channel] += peak.gradient * f64::from(unit);
            }
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
            for peak in &forward.peaks {
                let entry = &mut x_gradient[peak.index];
                *entry = T::from_f32(
                    entry.to_f32() + (peak.gradient * factor[peak.index % channels]) as f32,
                );
            }
            Backward {
                gamma: second.iter().map(|value| *value as f32).collect(),
                beta: first.iter().map(|value| *value as f32).collect(),
                numbers,
            }
        })
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
