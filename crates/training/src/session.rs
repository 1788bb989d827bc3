//! The training loop.

use super::average::follow;
use super::batch::{Batch, Loader, steps};
use super::checkpoint::Checkpoint;
use super::error::TrainError;
use super::fingerprint::fingerprint;
use super::floor::Floors;
use super::loss;
use super::optimizer::{self, Memory};
use super::quantise::{Grid, Quantiser};
use super::recalibrate::recalibrate;
use super::schedule::Schedule;
use super::state::{State, Validated};
use crate::graph::{Graph, Normalisation, values};
use crate::infer::{Inputs, tensor};
use crate::logits;
use crate::ops::range_penalty;
use crate::parameters::{Coefficients, Parameters};
use burn::tensor::{Device, Tensor, TensorData};
use cryptodl_data::{Dataset, Images};
use cryptodl_model::{Activations, ModelError, TrainedNetwork, initial, shapes};
use cryptodl_records::EpochRow;
use cryptodl_runtime::Progress;
use cryptodl_spec::{Experiment, Shape, TrainSpec, Trainable};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Images per forward pass where no gradient is wanted.
const EVALUATION_BATCH: usize = 500;

/// What training gives.
#[derive(Clone, Debug)]
pub struct TrainOutcome {
    /// The trained network: averaged weights, recalibrated batch norm.
    pub network: TrainedNetwork,
    /// The epoch it is from; the last one, unless an earlier one was clearly better on the held-out images.
    pub epoch: usize,
    /// One row for each epoch, those before a resume included.
    pub epochs: Vec<EpochRow>,
    /// Wall-clock seconds of all epochs, those before a resume included.
    pub seconds: f64,
    /// How many epochs a checkpoint already held.
    pub resumed_from: Option<usize>,
}

/// Trains the experiment's network on the training images of `dataset`, with `activations` in its activation layers.
///
/// The last `train.validation` training images are held out. A checkpoint is written to `checkpoint_dir` after every epoch (one
/// file each for the polynomial and the original network), and a call with the same experiment and data goes on from it. `stop` is
/// looked at before every step.
///
/// With `train.threads = 1` equal calls give equal bits, whether or not they were interrupted in between.
///
/// # Errors
/// [`TrainError`]; after [`TrainError::Interrupted`] the same call can be made again.
pub fn train(
    experiment: &Experiment,
    dataset: &Dataset,
    activations: Activations<'_>,
    checkpoint_dir: &Path,
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(experiment.train.threads)
        .build();
    threads
        .map_err(|error| TrainError::Threads(error.to_string()))?
        .install(|| train_here(experiment, dataset, activations, checkpoint_dir, stop))
}

fn train_here(
    experiment: &Experiment,
    dataset: &Dataset,
    activations: Activations<'_>,
    checkpoint_dir: &Path,
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let (train, validation) = dataset.train.hold_out(experiment.train.validation);
    let session = Session::new(experiment, dataset, activations, &train, &validation)?;
    let checkpoint = Checkpoint::new(
        checkpoint_dir,
        session.name,
        fingerprint(experiment, dataset, activations)?,
    );
    let saved = checkpoint.load();
    let resumed_from = saved.as_ref().map(State::epochs);
    let mut state = saved.unwrap_or_else(|| session.start());
    if let Some(epochs) = resumed_from {
        tracing::info!(
            network = session.name,
            epochs,
            "training goes on from a checkpoint"
        );
    }
    while state.epochs() < session.spec.epochs {
        let row = session.epoch(&mut state, stop)?;
        tracing::info!(
            network = session.name,
            epoch = row.epoch,
            loss = rounded(row.train_loss, 4),
            train_accuracy = rounded(row.train_accuracy, 4),
            validation_accuracy = rounded(row.validation_accuracy, 4),
            learning_rate = rounded(row.learning_rate, 6),
            outside = rounded(row.outside, 5),
            images_per_second = (train.len() as f64 / row.seconds).round(),
            "epoch"
        );
        state.rows.push(row);
        checkpoint.save(&state)?;
    }
    let chosen = state.chosen(validation.len());
    Ok(TrainOutcome {
        network: chosen.network.clone(),
        epoch: chosen.epoch,
        seconds: state.seconds(),
        resumed_from,
        epochs: state.rows,
    })
}

/// What stays the same over all epochs.
struct Session<'a> {
    name: &'static str,
    experiment: &'a Experiment,
    spec: &'a TrainSpec,
    network: TrainedNetwork,
    shapes: Vec<Shape>,
    parameters: Parameters,
    floors: Floors,
    images: &'a Images,
    validation: &'a Images,
    schedule: Schedule,
    device: Device,
    /// Whether the loss holds the range penalty.
    penalised: bool,
    /// Where training is on integers.
    quantiser: Option<Quantiser>,
}

/// Running sums of an epoch.
#[derive(Default)]
struct Sums {
    steps: usize,
    images: usize,
    correct: usize,
    loss: f64,
    outside: f64,
}

impl<'a> Session<'a> {
    fn new(
        experiment: &'a Experiment,
        dataset: &Dataset,
        activations: Activations<'_>,
        images: &'a Images,
        validation: &'a Images,
    ) -> Result<Self, TrainError> {
        let spec = &experiment.train;
        let classes = experiment.network.classes;
        if images.is_empty() {
            let held_out = validation.len();
            return Err(TrainError::Images(format!(
                "all {held_out} of them are held out for validation"
            )));
        }
        if let Some(label) = dataset
            .train
            .labels
            .iter()
            .find(|label| usize::from(**label) >= classes)
        {
            return Err(TrainError::Images(format!(
                "label {label} with {classes} classes"
            )));
        }
        let network = initial(experiment, activations, &dataset.mean, &dataset.std);
        let polynomial = matches!(activations, Activations::Polynomial(_));
        let name = if polynomial { "polynomial" } else { "original" };
        let coefficients = match experiment.activation.trainable {
            Trainable::Fixed => Coefficients::Frozen,
            Trainable::Layer | Trainable::Channel => {
                Coefficients::trained_on(experiment.activation.interval)
            }
        };
        let parameters = Parameters::of(&network, coefficients);
        Ok(Self {
            name,
            experiment,
            spec,
            shapes: shapes(&network)?,
            floors: Floors::of(&network, &parameters, experiment.activation.interval),
            schedule: Schedule::new(
                spec.learning_rate,
                spec.warmup,
                spec.epochs * steps(images.len(), spec.batch),
            ),
            device: Device::flex().autodiff(),
            penalised: polynomial && spec.range_penalty > 0.0,
            quantiser: spec
                .quantize
                .map(|bits| Quantiser::new(bits, images, validation, spec.recalibrate)),
            parameters,
            network,
            images,
            validation,
        })
    }

    /// The state before the first step.
    fn start(&self) -> State {
        let mut weights = self.parameters.gather(&self.network);
        self.floors.enforce(&mut weights);
        let untrained = Validated {
            epoch: 0,
            accuracy: 0.0,
            network: self.network.clone(),
        };
        State {
            average: weights.clone(),
            memory: Memory::new(self.spec.optimizer, weights.len()),
            weights,
            last: untrained.clone(),
            best: untrained,
            rows: Vec::new(),
        }
    }

    /// One pass over the training images, then validation of the averaged weights.
    fn epoch(&self, state: &mut State, stop: &AtomicBool) -> Result<EpochRow, TrainError> {
        let started = Instant::now();
        let number = state.epochs() + 1;
        let loader = Loader::new(
            &self.network,
            self.images,
            self.spec.augment,
            self.experiment.seed,
        )?;
        let loader = match self.spec.quantize {
            Some(bits) => loader.coarse(bits.pixel_bits),
            None => loader,
        };
        // One grid an epoch: it depends on the weights at its start alone, so that a resumed run has it again.
        let grid = match &self.quantiser {
            Some(quantiser) if quantiser.rounds(number, self.spec.epochs) => {
                Some(self.grid(quantiser, &state.weights)?)
            }
            _ => None,
        };
        let batches = loader.epoch(number, self.spec.batch);
        let progress = Progress::start(
            &format!("{} {number}/{}", self.name, self.spec.epochs),
            self.images.len() as u64,
            "images",
        );
        let mut sums = Sums::default();
        let mut next = batches.first().map(|indices| loader.batch(number, indices));
        for step in 0..batches.len() {
            if stop.load(Ordering::Relaxed) {
                return Err(TrainError::Interrupted {
                    epoch: number,
                    saved: number > 1,
                });
            }
            let Some(batch) = next.take() else { break };
            // The next batch is made on another thread, where there is one, while this one is learned from.
            let images = batch.labels.len() as u64;
            let (learned, prepared) = rayon::join(
                || self.step(state, batch, grid.as_ref(), (number, step + 1), &mut sums),
                || {
                    batches
                        .get(step + 1)
                        .map(|indices| loader.batch(number, indices))
                },
            );
            learned?;
            next = prepared;
            progress.advance(images);
        }
        let steps = sums.steps.max(1) as f64;
        let validated = self.validate(state, number).map_err(|error| match error {
            // A network that left the numbers only now.
            ModelError::Value { .. } => TrainError::Diverged {
                epoch: number,
                step: sums.steps,
                loss: sums.loss / steps,
                outside: sums.outside / steps,
            },
            other => other.into(),
        })?;
        state.validated(validated);
        Ok(EpochRow {
            network: self.name.to_owned(),
            epoch: number,
            train_loss: sums.loss / steps,
            train_accuracy: sums.correct as f64 / sums.images.max(1) as f64,
            validation_accuracy: state.last.accuracy,
            learning_rate: self
                .schedule
                .rate((state.memory.step as usize).saturating_sub(1)),
            outside: sums.outside / steps,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// One step of the optimiser.
    fn step(
        &self,
        state: &mut State,
        batch: Batch,
        grid: Option<&Grid>,
        (epoch, step): (usize, usize),
        sums: &mut Sums,
    ) -> Result<(), TrainError> {
        let classes = self.network.classes;
        let rate = self.schedule.rate(state.memory.step as usize);
        // The gradient of the rounded weights is taken for that of the weights themselves.
        let rounded = grid.map(|grid| grid.rounded(&state.weights));
        let graph = Graph::new(
            &self.network,
            &self.shapes,
            &self.parameters,
            rounded.as_deref().unwrap_or(&state.weights),
            &self.device,
        );
        let pixels = tensor(batch.pixels, self.network.input.channels, &self.device);
        let pass = graph.forward(pixels, Normalisation::Batch);
        let targets = loss::targets(&batch.labels, classes, self.spec.label_smoothing);
        let targets = Tensor::from_data(
            TensorData::new(targets, [batch.labels.len(), classes]),
            &self.device,
        );
        let mut loss = loss::cross_entropy(pass.logits.clone(), targets);
        let activations = pass.inputs.len().max(1) as f64;
        let mut outside = 0.0;
        for input in pass.inputs {
            let range = range_penalty(input.values, self.experiment.activation.interval);
            let share = values(range.clone().inner())?
                .last()
                .copied()
                .map_or(f64::NAN, f64::from);
            outside += share / activations;
            if self.penalised {
                let penalty = range.slice([0..1, 0..1]).reshape([1]);
                loss = loss + penalty.mul_scalar(self.spec.range_penalty);
            }
        }
        let value = single(loss.clone().inner())?;
        let diverged = TrainError::Diverged {
            epoch,
            step,
            loss: value,
            outside,
        };
        if !value.is_finite() {
            return Err(diverged);
        }
        let mut gradient = graph.gradients(&self.parameters, loss.backward())?;
        if !optimizer::clip(&mut gradient, self.spec.clip_norm).is_finite() {
            return Err(diverged);
        }
        optimizer::step(
            self.spec,
            rate,
            &self.parameters,
            &mut state.weights,
            &gradient,
            &mut state.memory,
        );
        self.floors.enforce(&mut state.weights);
        follow(
            &mut state.average,
            &state.weights,
            self.spec.ema,
            state.memory.step,
        );
        sums.steps += 1;
        sums.images += batch.labels.len();
        sums.correct += loss::correct(&values(pass.logits.inner())?, &batch.labels, classes);
        sums.loss += value;
        sums.outside += outside;
        Ok(())
    }

    fn grid(&self, quantiser: &Quantiser, weights: &[f32]) -> Result<Grid, ModelError> {
        quantiser.grid(&self.network, &self.shapes, &self.parameters, weights)
    }

    /// The averaged weights as a network, recalibrated, with its accuracy on the held-out images.
    fn validate(&self, state: &State, epoch: usize) -> Result<Validated, ModelError> {
        let mut network = self.network.clone();
        let (images, validation) = match &self.quantiser {
            Some(quantiser) => (&quantiser.images, &quantiser.validation),
            None => (self.images, self.validation),
        };
        match &self.quantiser {
            // Rounded from the first epoch on: networks are compared, and kept, as they will be used.
            Some(quantiser) => {
                let grid = self.grid(quantiser, &state.average)?;
                self.parameters
                    .scatter(&grid.rounded(&state.average), &mut network);
            }
            None => self.parameters.scatter(&state.average, &mut network),
        }
        let inputs = Inputs::new(&network, images)?;
        recalibrate(
            &mut network,
            &self.shapes,
            &self.parameters,
            &inputs,
            self.spec.recalibrate,
        )?;
        let evaluation = logits(&network, validation, EVALUATION_BATCH)?;
        let correct = loss::correct(&evaluation.logits, &validation.labels, network.classes);
        let accuracy = correct as f64 / validation.len().max(1) as f64;
        Ok(Validated {
            epoch,
            accuracy,
            network,
        })
    }
}

/// For the log, where all digits of a double only hide the first ones; tables keep them all.
fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

/// The value of a tensor that holds one.
fn single(tensor: Tensor<1>) -> Result<f64, ModelError> {
    Ok(values(tensor)?.first().copied().map_or(f64::NAN, f64::from))
}
