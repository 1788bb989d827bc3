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

/// Declares a table of the spec: all keys optional, unknown ones refused.
macro_rules! raw_table {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, expecting = "a table of `key = value`")]
        pub(super) struct $name { $($(#[$attribute])* pub $key: Field<$kind>,)* }
    };
}

raw_table!(
    /// The whole file.
    RawSpec {
        name: String,
        seed: Whole,
        dataset: RawDataset,
        activation: RawActivation,
        network: RawNetwork,
        train: RawTrain,
        encryption: RawEncryption,
        output: RawOutput,
    }
);

raw_table!(
    /// `[dataset]`
    RawDataset {
        name: String,
        train: Whole,
        test: Whole,
        standardize: String,
        zca: Whole,
        local_contrast: bool,
        soft_clamp: Real,
    }
);

raw_table!(
    /// `[activation]`
    RawActivation {
        function: String,
        form: String,
        method: String,
        degree: Whole,
        interval: Vec<Spanned<Real>>,
        trainable: RawTrainable,
        coefficients: Vec<Spanned<Real>>,
        exact: bool,
    }
);

raw_table!(
    /// `[network]`
    RawNetwork {
        depth: Whole,
        width: Whole,
        layers: Vec<Spanned<RawLayer>>,
        batch_norm: bool,
    }
);

raw_table!(
    /// One entry of `network.layers`. Which keys belong depends on `type`, and is checked later: serde's tagged enums lose the spans.
    RawLayer {
        #[serde(rename = "type")]
        kind: String,
        channels: Whole,
        kernel: Whole,
        stride: Whole,
        padding: Whole,
        size: Whole,
        units: Whole,
    }
);

raw_table!(
    /// `[train]`
    RawTrain {
        epochs: Whole,
        batch: Whole,
        optimizer: String,
        learning_rate: Real,
        weight_decay: Real,
        momentum: Real,
        sgd_learning_rate: Real,
        sgd_momentum: Real,
        schedule: String,
        precision: String,
        warmup: Real,
        label_smoothing: Real,
        ema: Real,
        clip_norm: Real,
        range_penalty: Real,
        peak_penalty: Real,
        peak_limit: Real,
        energy_penalty: Real,
        energy_limit: Real,
        penalty_growth: Real,
        whiten: bool,
        clamp: Real,
        freeze_statistics: Real,
        blend: Real,
        start_from_original: bool,
        distill: Real,
        distill_temperature: Real,
        validation: Whole,
        recalibrate: Whole,
        baseline: bool,
        threads: Whole,
        augment: RawAugment,
        quantize: bool,
    }
);

raw_table!(
    /// `[train.augment]`
    RawAugmentTable {
        rotation: Real,
        scale: Real,
        shift: Real,
        shear: Real,
        elastic: Real,
        crop: Whole,
        border: String,
        flip: RawFlip,
        cutout: Whole,
    }
);

raw_table!(
    /// `[encryption]`
    RawEncryption {
        backend: String,
        security_bits: Whole,
        images: Whole,
        threads: Whole,
        ring: String,
        relinearization: String,
        weight_bits: OrAuto<Whole>,
        scale_bits: OrAuto<Whole>,
        precision_bits: OrAuto<Real>,
        memory_gib: OrAuto<Real>,
        views: Whole,
        message_bits: OrAuto<Whole>,
        pixel_bits: OrAuto<Whole>,
    }
);

raw_table!(
    /// `[output]`
    RawOutput {
        charts: bool,
        report: bool,
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
