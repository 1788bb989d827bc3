//! Names and colours of what the studies compare: one activation has one colour in every chart.

use plotters::style::RGBColor;

use crate::style::{ENCRYPTED, INK, MARGIN, MUTED, ORIGINAL, OTHER, POLYNOMIAL, WRONG};

/// The colour of an activation.
pub(super) fn activation_color(function: &str) -> RGBColor {
    match function {
        "relu" => WRONG,
        "sigmoid" => MARGIN,
        "tanh" => OTHER,
        "softplus" => ORIGINAL,
        "silu" => ENCRYPTED,
        "gelu" => POLYNOMIAL,
        "square" => MUTED,
        _ => INK,
    }
}

/// The name of an activation for people.
pub(super) fn activation_name(function: &str) -> &str {
    match function {
        "relu" => "ReLU",
        "sigmoid" => "sigmoid",
        "tanh" => "tanh",
        "softplus" => "softplus",
        "silu" => "SiLU",
        "gelu" => "GELU",
        "square" => "square",
        other => other,
    }
}

/// The name of a data set for people.
pub(super) fn dataset_name(dataset: &str) -> &str {
    match dataset {
        "mnist" => "MNIST",
        "fashion-mnist" => "Fashion-MNIST",
        "cifar10" => "CIFAR-10",
        "digits" => "built-in digits",
        other => other,
    }
}

/// The name of a method for people.
pub(super) fn method_name(method: &str) -> String {
    method.parse().map_or_else(
        |_| method.to_owned(),
        |method| crate::study::method_name(method).to_owned(),
    )
}
