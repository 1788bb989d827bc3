//! The training loop.

use super::average::follow;
use super::batch::{Batch, Loader, steps};
use super::checkpoint::Checkpoint;
use super::error::TrainError;
use super::fingerprint::fingerprint;
use super::floor::Floors;
use super::loss;
use super::optimizer::{self, Memory, Rates};
use super::quantise::{Grid, Quantiser};
use super::recalibrate::{measure, recalibrate};
use super::schedule::Schedule;
use super::state::{State, Validated};
use super::whiten::whiten;
use crate::graph::{Graph, LayerStatistics, Normalisation, Penalties, values};
use crate::hermite;
use crate::infer::{Inputs, tensor};
use crate::logits;
use crate::ops::release;
use crate::parameters::{Coefficients, Parameters};
use burn::tensor::{Device, Tensor, TensorData};
use cryptodl_data::{Dataset, Images, Preprocessing};
use cryptodl_model::{Activations, ModelError, TrainedNetwork, initial, shapes, take_over};
use cryptodl_records::EpochRow;
use cryptodl_runtime::Progress;
use cryptodl_spec::{
    ActivationForm, Experiment, ImagePenalty, MapPrecision, Shape, TrainSpec, Trainable,
};
use nhwc::Precision;
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

/// Trains the experiment's network on the training images of `dataset`, with `activations` in its activation layers. `original` is the
/// trained original network, where the polynomial one learns from it ([`TrainSpec::needs_original`]).
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
    original: Option<&TrainedNetwork>,
    checkpoint_dir: &Path,
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(experiment.train.threads)
        .build();
    threads
        .map_err(|error| TrainError::Threads(error.to_string()))?
        .install(|| {
            let outcome = train_here(
                experiment,
                dataset,
                (activations, original),
                checkpoint_dir,
                stop,
            );
            release();
            outcome
        })
}

fn train_here(
    experiment: &Experiment,
    dataset: &Dataset,
    (activations, original): (Activations<'_>, Option<&TrainedNetwork>),
    checkpoint_dir: &Path,
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let (train, validation) = dataset.train.hold_out(experiment.train.validation);
    let session = Session::new(
        experiment,
        dataset,
        (activations, original),
        &train,
        &validation,
    )?;
    let checkpoint = Checkpoint::new(
        checkpoint_dir,
        session.name,
        fingerprint(experiment, dataset, activations, original)?,
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
    /// With Muon, the learning rate of everything but the filters.
    sgd_schedule: Schedule,
    device: Device,
    /// Whether there are polynomials, whose inputs are penalised.
    polynomial: bool,
    /// Where training is on integers.
    quantiser: Option<Quantiser>,
    /// The trained original network, where this one learns from its outputs.
    teacher: Option<&'a TrainedNetwork>,
}

/// What stays the same over an epoch. It depends on the weights at its start alone, so that a resumed run has it again.
struct EpochContext {
    /// From 1.
    number: usize,
    /// Where training is on integers and has begun to round.
    grid: Option<Grid>,
    /// Where the statistics of batch norm are fixed.
    statistics: Option<Vec<LayerStatistics>>,
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
        (activations, original): (Activations<'_>, Option<&'a TrainedNetwork>),
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
        let mut network = initial(experiment, activations, &dataset.mean, &dataset.std);
        network.preprocessing =
            Preprocessing::fit(&experiment.dataset, images, &dataset.mean, &dataset.std);
        if spec.whiten {
            let inputs = Inputs::new(&network, images)?;
            whiten(&mut network, &inputs)?;
        }
        let polynomial = matches!(activations, Activations::Polynomial(_));
        let original = original.filter(|_| polynomial && spec.needs_original());
        if polynomial && spec.needs_original() && original.is_none() {
            return Err(ModelError::Network("there is no trained original network".into()).into());
        }
        if let (Some(original), true) = (original, spec.start_from_original) {
            take_over(&mut network, original);
        }
        let name = if polynomial { "polynomial" } else { "original" };
        let coefficients = match (activations, experiment.activation.form) {
            (Activations::Polynomial(start), ActivationForm::HermiteNormalized) => {
                hermite::begin(&mut network);
                let linear = start.coefficients().get(1).copied().unwrap_or_default() as f32;
                Coefficients::HermiteNormalized { linear }
            }
            _ => match experiment.activation.trainable {
                Trainable::Fixed => Coefficients::Frozen,
                Trainable::Layer | Trainable::Channel => {
                    Coefficients::trained_on(experiment.activation.interval)
                }
            },
        };
        let parameters = Parameters::of(&network, coefficients);
        let schedule = |peak: f64| {
            Schedule::new(
                peak,
                spec.schedule,
                spec.warmup,
                spec.epochs * steps(images.len(), spec.batch),
            )
        };
        Ok(Self {
            name,
            experiment,
            spec,
            shapes: shapes(&network)?,
            floors: Floors::of(&network, &parameters, experiment.activation.interval),
            schedule: schedule(spec.learning_rate),
            sgd_schedule: schedule(spec.muon.map_or(0.0, |muon| muon.sgd_learning_rate)),
            device: Device::flex().autodiff(),
            polynomial,
            teacher: original.filter(|_| spec.distill.is_some()),
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
        let grid = match &self.quantiser {
            Some(quantiser) if quantiser.rounds(number, self.spec.epochs) => {
                Some(self.grid(quantiser, &state.weights)?)
            }
            _ => None,
        };
        let statistics = if self.frozen(number) {
            let inputs = Inputs::new(&self.network, self.images)?;
            Some(measure(
                &self.network,
                &self.shapes,
                &self.parameters,
                &state.weights,
                &inputs,
                self.spec.recalibrate,
            )?)
        } else {
            None
        };
        let context = EpochContext {
            number,
            grid,
            statistics,
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
                || self.step(state, batch, &context, step + 1, &mut sums),
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
        context: &EpochContext,
        step: usize,
        sums: &mut Sums,
    ) -> Result<(), TrainError> {
        let classes = self.network.classes;
        let taken = state.memory.step as usize;
        let rates = Rates {
            main: self.schedule.rate(taken),
            sgd: self.sgd_schedule.rate(taken),
        };
        // The gradient of the rounded weights is taken for that of the weights themselves.
        let rounded = context
            .grid
            .as_ref()
            .map(|grid| grid.rounded(&state.weights));
        let graph = Graph::new(
            &self.network,
            &self.shapes,
            &self.parameters,
            rounded.as_deref().unwrap_or(&state.weights),
            &self.device,
        );
        let graph = self
            .softened(graph, taken)
            .penalised(self.penalties(taken))
            .in_precision(match self.spec.precision {
                MapPrecision::F32 => Precision::F32,
                MapPrecision::Bf16 => Precision::Bf16,
            });
        let taught = match self.teacher {
            Some(teacher) => Some(self.teach(teacher, batch.pixels.clone())?),
            None => None,
        };
        let pixels = tensor(batch.pixels, self.network.input.channels, &self.device);
        let normalisation = match &context.statistics {
            Some(statistics) => Normalisation::Fixed(statistics),
            None => Normalisation::Batch,
        };
        let pass = graph.forward(pixels, normalisation);
        let targets = loss::targets(&batch.labels, classes, self.spec.label_smoothing);
        let targets = Tensor::from_data(
            TensorData::new(targets, [batch.labels.len(), classes]),
            &self.device,
        );
        let mut loss = loss::cross_entropy(pass.logits.clone(), targets);
        if let (Some(taught), Some(distill)) = (taught, self.spec.distill) {
            let close = loss::distillation(pass.logits.clone(), taught, distill.temperature);
            loss = loss.mul_scalar(1.0 - distill.weight) + close.mul_scalar(distill.weight);
        }
        let activations = pass.outside.len().max(1) as f64;
        let outside = pass
            .outside
            .iter()
            .map(|outside| outside.share)
            .sum::<f64>()
            / activations;
        let penalty: f64 = pass.outside.iter().map(|outside| outside.penalty).sum();
        let value = single(loss.clone().inner())? + penalty;
        let diverged = TrainError::Diverged {
            epoch: context.number,
            step,
            loss: value,
            outside,
        };
        if !value.is_finite() {
            return Err(diverged);
        }
        let mut gradient = graph.gradients(&self.parameters, loss.backward())?;
        if !optimizer::clip(self.spec, &self.parameters, &mut gradient).is_finite() {
            return Err(diverged);
        }
        optimizer::step(
            self.spec,
            rates,
            &self.parameters,
            &mut state.weights,
            &gradient,
            &mut state.memory,
        )?;
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

    /// The penalties in the step after `taken` others. They are for polynomials; what leaves the interval is counted before the original
    /// function, too.
    fn penalties(&self, taken: usize) -> Penalties {
        let growth = self.spec.penalty_growth.powf(self.progress(taken));
        let image = |penalty: Option<ImagePenalty>| {
            penalty
                .filter(|_| self.polynomial)
                .map(|penalty| nhwc::ImagePenalty {
                    limit: penalty.limit,
                    weight: growth * penalty.weight,
                })
        };
        Penalties {
            interval: self.experiment.activation.interval,
            range: if self.polynomial {
                growth * self.spec.range_penalty
            } else {
                0.0
            },
            peak: image(self.spec.peak_penalty),
            energy: image(self.spec.energy_penalty),
        }
    }

    /// Whether the statistics of epoch `number` (from 1) are fixed ones.
    fn frozen(&self, number: usize) -> bool {
        let epochs = self.spec.epochs as f64;
        number as f64 > epochs * (1.0 - self.spec.freeze_statistics)
    }

    /// The middle of the step after `taken` others, as a share of all steps.
    fn progress(&self, taken: usize) -> f64 {
        let steps = self.spec.epochs * steps(self.images.len(), self.spec.batch);
        (taken as f64 + 0.5) / steps as f64
    }

    /// The graph with what makes its polynomials gentler in the step after `taken` others.
    fn softened<'n>(&self, mut graph: Graph<'n>, taken: usize) -> Graph<'n> {
        let activation = &self.experiment.activation;
        let share = self.progress(taken) / self.spec.blend;
        if self.polynomial && share < 1.0 {
            graph = graph.blended(activation.function, share);
        }
        match self.spec.clamp {
            Some(most) if self.polynomial => graph.clamped(most),
            _ => graph,
        }
    }

    /// The teacher's logits `[images, classes]` of a batch.
    fn teach(&self, teacher: &TrainedNetwork, pixels: Vec<f32>) -> Result<Tensor<2>, ModelError> {
        let device = Device::flex();
        let parameters = Parameters::of(teacher, Coefficients::Frozen);
        let weights = parameters.gather(teacher);
        let graph = Graph::new(teacher, &self.shapes, &parameters, &weights, &device);
        let pixels = tensor(pixels, teacher.input.channels, &device);
        let logits = graph.forward(pixels, Normalisation::Stored).logits;
        Ok(Tensor::from_data(logits.into_data(), &self.device))
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
