//! The spec as written: every key optional, every value with its place in the text. [`super::check`] makes an
//! [`Experiment`](super::Experiment) of it.

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, Deserialize, Deserializer, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use std::fmt;
use std::marker::PhantomData;
use toml::Spanned;

/// A value that may be absent.
pub(super) type Field<T> = Option<Spanned<T>>;

/// What is written in a spec for a key, before its value is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawKey {
    /// The name of the field.
    pub name: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Declares a table of the spec: all keys optional, unknown ones refused. The comment of a key is what the reference says of it.
macro_rules! raw_table {
    ($(#[$doc:meta])* $name:ident {
        $(#[doc = $meaning:literal] $(#[serde($($attribute:tt)*)])? $key:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, expecting = "a table of `key = value`")]
        pub(super) struct $name {
            $(#[doc = $meaning] $(#[serde($($attribute)*)])? pub $key: Field<$kind>,)*
        }

        impl $name {
            /// The keys, in order.
            pub const KEYS: &'static [RawKey] = &[
                $(RawKey { name: stringify!($key), kind: stringify!($kind), meaning: $meaning },)*
            ];
        }
    };
}

raw_table!(
    /// The whole file.
    RawSpec {
        /// What runs, folders and reports are called: letters, digits, `-` and `_`, at most 64 of them.
        name: String,
        /// Seeds data, first weights, shuffling, augmentation and splits; never a key.
        seed: Whole,
        /// Which images.
        dataset: RawDataset,
        /// The activation and its polynomial.
        activation: RawActivation,
        /// The layers.
        network: RawNetwork,
        /// How to train.
        train: RawTrain,
        /// How to encrypt.
        encryption: RawEncryption,
        /// What to write.
        output: RawOutput,
    }
);

raw_table!(
    /// `[dataset]`
    RawDataset {
        /// A data set that the program knows.
        name: String,
        /// Images of your own in place of `name`: a folder or file, relative to the current folder (docs/own-data.md).
        path: String,
        /// The column of a table that holds the label; with `path` alone.
        label: String,
        /// `[channels, height, width]` of images whose values stand in a row; with `path` alone.
        shape: Vec<Spanned<Whole>>,
        /// Names of the classes, in order; with `path` alone.
        classes: Vec<Spanned<String>>,
        /// How many training images are used, those held out for validation included.
        train: Whole,
        /// How many test images are used.
        test: Whole,
        /// What the client does to each image after the normalisation: nothing, or mean 0 and deviation 1 for every image.
        standardize: String,
        /// Rows and columns of a filter that whitens patches, fitted to training images; odd.
        zca: Whole,
        /// Whether values are divided by their local deviation.
        local_contrast: bool,
        /// The bound c of `c tanh(x / c)`, by which the client limits every value.
        soft_clamp: Real,
    }
);

raw_table!(
    /// `[activation]`
    RawActivation {
        /// The function that the polynomial stands for.
        function: String,
        /// How the polynomial is written while it is trained.
        form: String,
        /// How the polynomial is found.
        method: String,
        /// Degree of the polynomial; 2 to 9 run encrypted by CKKS.
        degree: Whole,
        /// `[low, high]`, where the polynomial is fitted.
        interval: Vec<Spanned<Real>>,
        /// Whether training moves the coefficients: `false`, `"layer"` or `"channel"` (`true` is that, too).
        trainable: RawTrainable,
        /// Ascending coefficients in place of `method` and `degree`.
        coefficients: Vec<Spanned<Real>>,
        /// The function itself, by look-ups; backend `tfhe` alone.
        exact: bool,
    }
);

raw_table!(
    /// `[network]`
    RawNetwork {
        /// Convolutions of the usual network; in place of `layers`.
        depth: Whole,
        /// Channels of its first convolution.
        width: Whole,
        /// The layers one by one; a dense layer with one unit a class is put at the end unless it is there.
        layers: Vec<Spanned<RawLayer>>,
        /// Whether every activation gets a batch norm before it.
        batch_norm: bool,
    }
);

raw_table!(
    /// One entry of `network.layers`. Which keys belong depends on `type`, and is checked later: serde's tagged enums lose the spans.
    RawLayer {
        /// What the layer is.
        #[serde(rename = "type")]
        kind: String,
        /// Output channels of a convolution.
        channels: Whole,
        /// Rows and columns of a convolution's kernel.
        kernel: Whole,
        /// Step between windows.
        stride: Whole,
        /// Zeros on each side; fewer than the kernel is wide.
        padding: Whole,
        /// Rows and columns of a pooling window.
        size: Whole,
        /// Outputs of a dense layer.
        units: Whole,
    }
);

raw_table!(
    /// `[train]`
    RawTrain {
        /// Passes over the training images.
        epochs: Whole,
        /// Images in a step.
        batch: Whole,
        /// The optimiser.
        optimizer: String,
        /// Peak learning rate (with Muon: of the filters).
        learning_rate: Real,
        /// Weight decay.
        weight_decay: Real,
        /// Momentum of SGD and of Muon.
        momentum: Real,
        /// Peak learning rate of everything but the filters; with Muon alone.
        sgd_learning_rate: Real,
        /// Momentum of everything but the filters; with Muon alone.
        sgd_momentum: Real,
        /// How the learning rate falls after its peak.
        schedule: String,
        /// How feature maps are stored and multiplied while training.
        precision: String,
        /// Share of the steps in which the learning rate rises.
        warmup: Real,
        /// Label smoothing.
        label_smoothing: Real,
        /// Decay of the moving average of the weights; 0: none.
        ema: Real,
        /// Largest norm of the gradient; 0: any.
        clip_norm: Real,
        /// Weight of the penalty on inputs of activations outside the interval.
        range_penalty: Real,
        /// Weight of the penalty on the largest input of each image.
        peak_penalty: Real,
        /// The most of it that costs nothing.
        peak_limit: Real,
        /// Weight of the penalty on the mean square of the inputs of each image.
        energy_penalty: Real,
        /// The most of it that costs nothing.
        energy_limit: Real,
        /// How many times larger the penalties are at the end than at the start.
        penalty_growth: Real,
        /// Whether the first filters start by whitening patches of the training images.
        whiten: bool,
        /// Largest input of a polynomial in training; what is larger is cut off.
        clamp: Real,
        /// Share of the epochs, at the end, with fixed statistics of batch norm.
        freeze_statistics: Real,
        /// Share of the steps, at the start, over which the function gives way to the polynomial.
        blend: Real,
        /// Whether training starts from the trained network with the original activation.
        start_from_original: bool,
        /// Share of the loss that compares with that network's outputs.
        distill: Real,
        /// What logits are divided by before they are compared.
        distill_temperature: Real,
        /// Training images held out for validation.
        validation: Whole,
        /// Training images on which batch norm is measured at the end.
        recalibrate: Whole,
        /// Whether the same network is trained with the original activation, too.
        baseline: bool,
        /// Threads; 0: all cores. One thread gives bit-equal reruns.
        threads: Whole,
        /// Changes of the training images: `true` for the data set's own, `false`, or a table.
        augment: RawAugment,
        /// Training on the integers that look-ups read; backend `tfhe` alone.
        quantize: bool,
    }
);

raw_table!(
    /// `[train.augment]`
    RawAugmentTable {
        /// Largest rotation, degrees.
        rotation: Real,
        /// Largest relative change of size.
        scale: Real,
        /// Largest shift, as a share of the side.
        shift: Real,
        /// Largest shear, radians.
        shear: Real,
        /// Largest elastic displacement, pixels.
        elastic: Real,
        /// Pixels of padding before a random crop.
        crop: Whole,
        /// What a crop shows from outside the image.
        border: String,
        /// Whether images are mirrored left to right: `true`, `false` or `"alternating"`.
        flip: RawFlip,
        /// Side of a blanked square, pixels.
        cutout: Whole,
    }
);

raw_table!(
    /// `[encryption]`
    RawEncryption {
        /// The engine: batched CKKS, bootstrapped TFHE, or the simulator in the clear.
        backend: String,
        /// 128, 192 or 256 bits of security.
        security_bits: Whole,
        /// How many test images are really encrypted.
        images: Whole,
        /// Threads of the encrypted evaluation; 0: all cores.
        threads: Whole,
        /// The ring of the messages.
        ring: String,
        /// When products of ciphertexts go back to two components.
        relinearization: String,
        /// Signed bits of integer weights.
        weight_bits: OrAuto<Whole>,
        /// log2 of the scale that rescaling returns to.
        scale_bits: OrAuto<Whole>,
        /// Least predicted precision of the logits, bits after the binary point.
        precision_bits: OrAuto<Real>,
        /// The most memory of one batch on the server, GiB; `"auto"`: half of the machine's.
        memory_gib: OrAuto<Real>,
        /// Views of an image that the client encrypts: 2 adds the mirror image.
        views: Whole,
        /// How often the encrypted evaluation is made; the median is kept.
        repetitions: Whole,
        /// Bits of a look-up's index; `tfhe` alone.
        message_bits: OrAuto<Whole>,
        /// Bits of a pixel, 1, 2, 4 or 8; `tfhe` alone.
        pixel_bits: OrAuto<Whole>,
    }
);

raw_table!(
    /// `[output]`
    RawOutput {
        /// Whether charts are written.
        charts: bool,
        /// Whether `report.md` and `report.html` are written.
        report: bool,
        /// Whether the logits are kept in `predictions.parquet`.
        logits: bool,
    }
);

/// A whole number of any size; the check narrows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub i128);

/// A number: `3` is as good as `3.0`. May be NaN or infinite here; the check refuses that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Real(pub f64);

/// A number, or a word that should be `auto`.
#[derive(Debug)]
pub(super) enum OrAuto<T> {
    Number(T),
    Word(String),
}

/// `activation.trainable`: a switch, or how finely.
#[derive(Debug)]
pub(super) enum RawTrainable {
    Switch(bool),
    Per(String),
}

/// `train.augment`: a switch, or a table.
#[derive(Debug)]
pub(super) enum RawAugment {
    Switch(bool),
    Table(Box<RawAugmentTable>),
}

/// `train.augment.flip`: a switch, or how.
#[derive(Debug)]
pub(super) enum RawFlip {
    Switch(bool),
    How(String),
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, like 3")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Whole, E> {
                Ok(Whole(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
                Ok(Whole(value.into()))
            }
            fn visit_i128<E: de::Error>(self, value: i128) -> Result<Whole, E> {
                Ok(Whole(value))
            }
            fn visit_u128<E: de::Error>(self, value: u128) -> Result<Whole, E> {
                Ok(Whole(value.try_into().unwrap_or(i128::MAX)))
            }
        }
        deserializer.deserialize_any(WholeVisitor)
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RealVisitor;
        impl Visitor<'_> for RealVisitor {
            type Value = Real;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, like 0.5")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Real, E> {
                Ok(Real(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }
        }
        deserializer.deserialize_any(RealVisitor)
    }
}

/// Reads a number, or a word in its place.
impl<'de, T: Deserialize<'de> + Number> Deserialize<'de> for OrAuto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrAutoVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Number> Visitor<'de> for OrAutoVisitor<T> {
            type Value = OrAuto<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"auto\" or {}", T::EXAMPLE)
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(OrAuto::Word(word.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OrAuto::Number)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OrAuto::Number)
            }
            fn visit_i128<E: de::Error>(self, value: i128) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OrAuto::Number)
            }
            fn visit_u128<E: de::Error>(self, value: u128) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(OrAuto::Number)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                if T::WHOLE {
                    return Err(E::invalid_type(Unexpected::Float(value), &self));
                }
                T::deserialize(value.into_deserializer()).map(OrAuto::Number)
            }
        }
        deserializer.deserialize_any(OrAutoVisitor(PhantomData))
    }
}

/// What an [`OrAuto`] can hold.
pub(super) trait Number {
    /// For messages.
    const EXAMPLE: &'static str;
    /// Whether a point is refused.
    const WHOLE: bool;
}

impl Number for Whole {
    const EXAMPLE: &'static str = "a whole number, like 9";
    const WHOLE: bool = true;
}

impl Number for Real {
    const EXAMPLE: &'static str = "a number, like 4.5";
    const WHOLE: bool = false;
}

impl<'de> Deserialize<'de> for RawTrainable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TrainableVisitor;
        impl Visitor<'_> for TrainableVisitor {
            type Value = RawTrainable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, \"layer\" or \"channel\"")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawTrainable, E> {
                Ok(RawTrainable::Switch(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<RawTrainable, E> {
                Ok(RawTrainable::Per(value.to_owned()))
            }
        }
        deserializer.deserialize_any(TrainableVisitor)
    }
}

impl<'de> Deserialize<'de> for RawFlip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlipVisitor;
        impl Visitor<'_> for FlipVisitor {
            type Value = RawFlip;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or \"alternating\"")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawFlip, E> {
                Ok(RawFlip::Switch(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<RawFlip, E> {
                Ok(RawFlip::How(value.to_owned()))
            }
        }
        deserializer.deserialize_any(FlipVisitor)
    }
}

impl<'de> Deserialize<'de> for RawAugment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AugmentVisitor;
        impl<'de> Visitor<'de> for AugmentVisitor {
            type Value = RawAugment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a [train.augment] table")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawAugment, E> {
                Ok(RawAugment::Switch(value))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAugment, A::Error> {
                RawAugmentTable::deserialize(MapAccessDeserializer::new(map))
                    .map(|table| RawAugment::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(AugmentVisitor)
    }
}
