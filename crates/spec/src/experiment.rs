//! The checked experiment: what the rest of the program works on. Built by [`super::check`] alone, never changed afterwards.

use crate::{DatasetSpec, Shape};
use polyapprox::{Function, Interval, Method, Polynomial};
use serde::Serialize;

/// A whole experiment, every default filled in and every value checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Experiment {
    /// Letters, digits, `-` and `_`; at most 64 characters.
    pub name: String,
    /// Seeds data generation, initial weights, shuffling and augmentation. Never reaches a key, a mask or a noise sample.
    pub seed: u64,
    /// Which images.
    pub dataset: DatasetSpec,
    /// The activation and its polynomial.
    pub activation: ActivationSpec,
    /// The layers.
    pub network: NetworkSpec,
    /// How to train.
    pub train: TrainSpec,
    /// How to encrypt.
    pub encryption: EncryptionSpec,
    /// What to write.
    pub output: OutputSpec,
}

/// What is done to the pixels of each image after the data set's normalisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standardize {
    /// Nothing.
    #[default]
    None,
    /// The image's own mean over all of its values is subtracted, and they are divided by its own standard deviation.
    PerImage,
}

/// How an activation is written while it is trained. Whatever the form, a trained network has polynomials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationForm {
    /// By its coefficients.
    #[default]
    Polynomial,
    /// In the basis of Hermite polynomials up to degree 2, the quadratic one with a batch norm of its own (HerPN; Park et al. 2022,
    /// arXiv 2201.06699): `gain (a z + c norm((z^2 - 1) / sqrt 2)) + offset` per channel.
    HermiteNormalized,
}

/// Whether the polynomial's coefficients are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trainable {
    /// The method's polynomial, as it is.
    Fixed,
    /// One polynomial per layer, learned.
    Layer,
    /// One polynomial per channel, learned.
    Channel,
}

/// The activation function and the polynomial in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivationSpec {
    /// What the polynomial stands for.
    pub function: Function,
    /// How the polynomial is found; unused when `coefficients` are given.
    pub method: Method,
    /// 2 to 15.
    pub degree: usize,
    /// Where the polynomial is fitted; inputs outside it are counted and penalised in training.
    pub interval: Interval,
    /// Whether training moves the coefficients; per channel unless the spec says otherwise.
    pub trainable: Trainable,
    /// Explicit ascending coefficients, instead of a method.
    pub coefficients: Option<Vec<f64>>,
    /// How the polynomial is written while it is trained.
    #[serde(skip_serializing_if = "ActivationForm::is_polynomial")]
    pub form: ActivationForm,
    /// Train and evaluate the function itself, by look-ups: no polynomial anywhere. The backend `tfhe` alone can.
    #[serde(skip_serializing_if = "is_false")]
    pub exact: bool,
}

impl ActivationSpec {
    /// The polynomial that training starts from: the given coefficients, or the one that the method finds.
    ///
    /// # Errors
    /// As [`polyapprox::approximate`] and [`Polynomial::new`].
    pub fn starting_polynomial(&self) -> Result<Polynomial, polyapprox::Error> {
        match &self.coefficients {
            Some(coefficients) => Polynomial::new(coefficients.clone()),
            None => {
                let fit = polyapprox::approximate(
                    self.function,
                    self.method,
                    self.degree,
                    self.interval,
                )?;
                Ok(fit.polynomial)
            }
        }
    }
}

/// Keeps a switch that is off out of content keys: specs from before it have the keys that they had.
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// As [`is_false`], for a count.
fn is_single(value: &usize) -> bool {
    *value == 1
}

/// As [`is_false`], for a share.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// As [`is_false`], for a factor.
fn is_one(value: &f64) -> bool {
    *value == 1.0
}

/// One layer of the network as the spec has it, shapes checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LayerSpec {
    /// Two-dimensional convolution with a square kernel, zero padding.
    Conv {
        /// Output channels.
        channels: usize,
        /// Rows and columns of the kernel.
        kernel: usize,
        /// Step between windows.
        stride: usize,
        /// Zeros added on each side.
        padding: usize,
    },
    /// Batch normalisation (written out before every activation unless the spec turns it off).
    BatchNorm,
    /// The experiment's activation.
    Activation,
    /// Average pooling.
    AvgPool {
        /// Rows and columns of the window.
        size: usize,
        /// Step between windows.
        stride: usize,
    },
    /// The mean of every channel over the whole map.
    GlobalAvgPool,
    /// Fully connected layer; flattens `[channels, height, width]` first where needed.
    Dense {
        /// Output features.
        units: usize,
    },
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkSpec {
    /// Convolutions among the layers.
    pub depth: usize,
    /// Input shape, from the data set.
    pub input: Shape,
    /// Output classes, from the data set.
    pub classes: usize,
    /// Every layer, the closing dense layer with `classes` units included.
    pub layers: Vec<LayerSpec>,
    /// `shapes[i]` is the output shape of `layers[i]`; dense layers give `[units, 1, 1]`.
    pub shapes: Vec<Shape>,
}

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Adam with decoupled weight decay.
    Adamw,
    /// Adam.
    Adam,
    /// Stochastic gradient descent with Nesterov momentum.
    Sgd,
    /// Orthogonalised momentum for the filters of convolutions, which keep a fixed norm; SGD for everything else.
    Muon,
}

/// How the learning rate falls after its peak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// As a cosine, to zero.
    #[default]
    Cosine,
    /// Along a line, to zero.
    Linear,
}

/// How feature maps are stored and multiplied while a network is trained. Statistics, the loss, dense layers and all numbers of the
/// network are f32, and so is every network that is not being trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// The upper halves of 32-bit floats: 8 significant bits. About twice as fast where the processor multiplies them.
    Bf16,
}

/// What training by Muon needs besides the filters' learning rate and momentum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MuonSpec {
    /// Peak learning rate of everything but the filters.
    pub sgd_learning_rate: f64,
    /// Nesterov momentum of everything but the filters.
    pub sgd_momentum: f64,
}

/// A penalty on one number of each image and layer: the mean over the images of the squared excess over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImagePenalty {
    /// Its weight in the loss.
    pub weight: f64,
    /// The most that costs nothing.
    pub limit: f64,
}

/// Learning from the outputs of the experiment's own original network (Hinton et al., arXiv 1503.02531).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DistillSpec {
    /// Share of the loss that compares with that network's outputs; the labels have the rest.
    pub weight: f64,
    /// What the logits of both networks are divided by before they are compared.
    pub temperature: f64,
}

/// Which training images are mirrored left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flip {
    /// None.
    Off,
    /// Half of them, drawn anew in every epoch.
    Random,
    /// Half of them in every epoch, and the other half in the next.
    Alternating,
}

/// What stands where a moved image leaves pixels empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// Black.
    #[default]
    Black,
    /// The image's own pixels, mirrored at its border.
    Reflect,
}

/// Random changes of the training images. Zero turns a change off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AugmentSpec {
    /// Largest rotation, degrees.
    pub rotation: f64,
    /// Largest relative change of size (0.12: 88 % to 112 %).
    pub scale: f64,
    /// Largest shift, as a fraction of the image's side.
    pub shift: f64,
    /// Largest shear, radians.
    pub shear: f64,
    /// Largest displacement of the elastic field (a 5x5 grid, bilinear), pixels.
    pub elastic: f64,
    /// Random crop after padding by this many pixels.
    pub crop: usize,
    /// What a crop shows from outside the image.
    #[serde(skip_serializing_if = "Border::is_black")]
    pub border: Border,
    /// Which images are mirrored left to right.
    pub flip: Flip,
    /// Side of the square that is blanked, pixels.
    pub cutout: usize,
}

/// How the network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainSpec {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step.
    pub batch: usize,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Momentum of SGD, and of Muon.
    pub momentum: f64,
    /// What Muon needs besides; `Some` with [`Optimizer::Muon`] alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonSpec>,
    /// How the learning rate falls to zero after its peak.
    #[serde(skip_serializing_if = "Schedule::is_cosine")]
    pub schedule: Schedule,
    /// Precision of feature maps.
    #[serde(skip_serializing_if = "MapPrecision::is_f32")]
    pub precision: MapPrecision,
    /// Share of all steps in which the learning rate rises linearly.
    pub warmup: f64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Decay of the moving average of the weights; 0 turns it off.
    pub ema: f64,
    /// Largest norm of the gradient (with Muon: of everything but the filters); 0 turns clipping off.
    pub clip_norm: f64,
    /// Weight of the penalty on pre-activations outside the interval.
    pub range_penalty: f64,
    /// The penalty on each image's largest |pre-activation|.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_penalty: Option<ImagePenalty>,
    /// The penalty on the mean square of each image's pre-activations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_penalty: Option<ImagePenalty>,
    /// How many times larger all penalties are at the end of training than at its start; they grow by the same factor in every step.
    #[serde(skip_serializing_if = "is_one")]
    pub penalty_growth: f64,
    /// Whether the first layer's filters start by whitening the training images' patches.
    #[serde(skip_serializing_if = "is_false")]
    pub whiten: bool,
    /// Largest |input| that polynomials see in training; what is larger is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp: Option<f64>,
    /// Share of the epochs, at the end, in which batch norm's statistics are fixed ones, measured at the start of each.
    #[serde(skip_serializing_if = "is_zero")]
    pub freeze_statistics: f64,
    /// Share of the steps, at the start, over which the original function gives way to the polynomial.
    #[serde(skip_serializing_if = "is_zero")]
    pub blend: f64,
    /// Whether the polynomial network starts from the weights of the trained original one.
    #[serde(skip_serializing_if = "is_false")]
    pub start_from_original: bool,
    /// Learning from the original network's outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distill: Option<DistillSpec>,
    /// Training images held out to choose epochs and hyper-parameters.
    pub validation: usize,
    /// Training images used to recalibrate batch norm at the end.
    pub recalibrate: usize,
    /// Also train the same network with the original activation (accuracy `original`).
    pub baseline: bool,
    /// Threads; 0: all cores. One thread gives bit-equal reruns.
    pub threads: usize,
    /// Changes of the training images.
    pub augment: AugmentSpec,
    /// Train on the integers that look-ups will read; `None`: in floating point alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantize: Option<QuantizeSpec>,
}

/// Training with quantised pixels and weights: the forward pass rounds, the gradient goes straight through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuantizeSpec {
    /// Bits of a pixel.
    pub pixel_bits: u32,
    /// Bits of the sums that look-ups read: weights are as fine as that leaves room for.
    pub sum_bits: u32,
    /// Whether the sums use the whole torus, around the kink of an exact ReLU (see `circuit::lookup`).
    pub whole_torus: bool,
}

/// Which engine evaluates the encrypted images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendName {
    /// Batched leveled CKKS.
    Ckks,
    /// Bootstrapped TFHE.
    Tfhe,
    /// No encryption: the integer simulator alone.
    Clear,
}

/// How images are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EncryptionSpec {
    /// The engine.
    pub backend: BackendName,
    /// Classical security in bits: 128, 192 or 256.
    pub security_bits: u32,
    /// How many test images are really encrypted (at most all of them).
    pub images: usize,
    /// Threads of the encrypted evaluation; 0: all cores.
    pub threads: usize,
    /// The ring that messages live in; `None`: the planner chooses.
    pub ring: Option<ckks::Ring>,
    /// When products go back to two components; `None`: the planner chooses.
    pub relinearization: Option<Relinearization>,
    /// Signed bits of the integer weights, 4 to 12; `None`: the planner chooses.
    pub weight_bits: Option<u32>,
    /// log2 of the scale that rescaling returns to, 8 to 30; `None`: the planner chooses.
    pub scale_bits: Option<u32>,
    /// The least predicted precision of the logits: -log2 of the standard deviation of their noise. `None`:
    /// [`EncryptionSpec::DEFAULT_PRECISION_BITS`].
    pub precision_bits: Option<f64>,
    /// The most memory that one batch on the server may take, GiB; `None`: half of what the machine has.
    pub memory_gib: Option<f64>,
    /// How many views of an image the client encrypts, 1 or 2: the image, and its mirror image. It averages their logits.
    #[serde(skip_serializing_if = "is_single")]
    pub views: usize,
    /// How often the images are encrypted, evaluated and decrypted: the times are those of the median evaluation.
    #[serde(skip_serializing_if = "is_single")]
    pub repetitions: usize,
    /// Bits of a look-up's index (`tfhe` alone), 3 to 7; `None`: a search on held-out training images chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bits: Option<u32>,
    /// Bits of a pixel that the client encrypts (`tfhe` alone): 1, 2, 4 or 8; `None`: the search chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_bits: Option<u32>,
}

/// When the product of two ciphertexts, which has more components than they have, goes back to two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relinearization {
    /// After every product, before the next linear layer.
    Eager,
    /// A square keeps its three components through the linear layers after it, up to the next activation; after the last one the client
    /// decrypts three.
    Lazy,
    /// Not at all: no evaluation key, no rescaling. Every square doubles the components, less one, and the client decrypts them.
    Never,
    /// Where the planner finds it cheapest for each square: directly, after one of the linear layers that follow (a pool leaves fewer
    /// ciphertexts), or right before the next activation; rescaled at once or as late as can be.
    PerSquare,
}

/// What a run writes besides the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutputSpec {
    /// Write charts (SVG and PNG).
    pub charts: bool,
    /// Write `report.md` and `report.html`.
    pub report: bool,
    /// Keep the logits in `predictions.parquet`.
    pub logits: bool,
}

impl EncryptionSpec {
    /// Noise of 2^-5 in a logit: it decides between two classes only where the network itself does not. On trained MNIST networks, at
    /// least 999 of 1000 encrypted predictions are then those of the polynomial network.
    pub const DEFAULT_PRECISION_BITS: f64 = 5.0;
}

impl Relinearization {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Lazy => "lazy",
            Self::Never => "never",
            Self::PerSquare => "per-square",
        }
    }
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Eager, Self::Lazy, Self::Never, Self::PerSquare];
}

impl Optimizer {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adamw => "adamw",
            Self::Adam => "adam",
            Self::Sgd => "sgd",
            Self::Muon => "muon",
        }
    }
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Adamw, Self::Adam, Self::Sgd, Self::Muon];
}

impl TrainSpec {
    /// Whether the polynomial network learns from the trained original one, which must then be trained first.
    pub const fn needs_original(&self) -> bool {
        self.start_from_original || self.distill.is_some()
    }

    /// What training the original network depends on: nothing of what is only about polynomials.
    pub const fn of_original(self) -> Self {
        Self {
            peak_penalty: None,
            energy_penalty: None,
            penalty_growth: 1.0,
            clamp: None,
            blend: 0.0,
            start_from_original: false,
            distill: None,
            ..self
        }
    }
}

impl Standardize {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PerImage => "per-image",
        }
    }
    /// All of them.
    pub const ALL: [Self; 2] = [Self::None, Self::PerImage];

    /// Whether nothing is done.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl ActivationForm {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polynomial => "polynomial",
            Self::HermiteNormalized => "hermite-normalized",
        }
    }
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Polynomial, Self::HermiteNormalized];

    const fn is_polynomial(&self) -> bool {
        matches!(self, Self::Polynomial)
    }
}

impl Schedule {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Linear => "linear",
        }
    }
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Cosine, Self::Linear];

    const fn is_cosine(&self) -> bool {
        matches!(self, Self::Cosine)
    }
}

impl MapPrecision {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    const fn is_f32(&self) -> bool {
        matches!(self, Self::F32)
    }
}

impl Border {
    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Reflect => "reflect",
        }
    }
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Black, Self::Reflect];

    const fn is_black(&self) -> bool {
        matches!(self, Self::Black)
    }
}

impl Flip {
    /// The name of the third choice in specs, where the other two are a switch.
    pub const ALTERNATING: &'static str = "alternating";
}

/// Off and random are a switch, as they were before there was a third choice: content keys stay what they were.
impl Serialize for Flip {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::Random => serializer.serialize_bool(true),
            Self::Alternating => serializer.serialize_str(Self::ALTERNATING),
        }
    }
}

/// What the backends differ in where a spec is checked.
impl BackendName {
    /// Whether images are encrypted at all.
    pub const fn encrypts(self) -> bool {
        !matches!(self, Self::Clear)
    }

    /// Whether its ciphertexts have levels, which bound the depth of a circuit and the degree of its polynomials.
    pub const fn has_levels(self) -> bool {
        matches!(self, Self::Ckks)
    }

    /// Whether it bootstraps every neuron by a table: any function, on pixels and messages of a few bits.
    pub const fn bootstraps(self) -> bool {
        matches!(self, Self::Tfhe)
    }

    /// The name in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ckks => "ckks",
            Self::Tfhe => "tfhe",
            Self::Clear => "clear",
        }
    }
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ckks, Self::Tfhe, Self::Clear];
}
