//! Names and colours: one thing has one name and one colour on every page.

use plotters::style::RGBColor;
use polyapprox::{Function, Method};

use crate::plot::style::{ENCRYPTED, INK, MARGIN, MUTED, ORIGINAL, OTHER, POLYNOMIAL, WRONG};

/// The name of an activation as papers write it, and its colour beside others.
pub(crate) fn function(name: &str) -> (&str, RGBColor) {
    match name.parse() {
        Ok(Function::Relu) => ("ReLU", WRONG),
        Ok(Function::Sigmoid) => ("sigmoid", MARGIN),
        Ok(Function::Tanh) => ("tanh", OTHER),
        Ok(Function::Softplus) => ("softplus", ORIGINAL),
        Ok(Function::Silu) => ("SiLU", ENCRYPTED),
        Ok(Function::Gelu) => ("GELU", POLYNOMIAL),
        Ok(Function::Square) => ("square", MUTED),
        Err(_) => (name, INK),
    }
}

/// The name of a method, and its colour beside others.
pub(crate) fn method(name: &str) -> (&str, RGBColor) {
    match name.parse() {
        Ok(Method::Numerical) => ("least squares", OTHER),
        Ok(Method::Taylor) => ("Taylor", MUTED),
        Ok(Method::Chebyshev) => ("Chebyshev", MARGIN),
        Ok(Method::ModifiedChebyshev) => ("modified Chebyshev", ORIGINAL),
        Ok(Method::Derivative) => ("derivative", POLYNOMIAL),
        Ok(Method::Minimax) => ("minimax", WRONG),
        Ok(Method::Hermite) => ("Hermite", ENCRYPTED),
        Ok(Method::Data) => ("data", INK),
        Err(_) => (name, INK),
    }
}

/// The name of a data set.
pub(crate) fn dataset(name: &str) -> &str {
    match name {
        "mnist" => "MNIST",
        "fashion-mnist" => "Fashion-MNIST",
        "cifar10" => "CIFAR-10",
        "digits" => "built-in digits",
        other => other,
    }
}

/// An evaluation inside a sentence.
pub(crate) fn evaluation(name: &str) -> &'static str {
    match name {
        "original" => "the network with the original activation",
        "polynomial" => "the polynomial network in f32",
        "circuit" => "the integer circuit in the clear",
        "simulated" => "the circuit with simulated noise",
        _ => "the encrypted evaluation",
    }
}

/// With a capital letter, as a title begins.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// `1 thread`, `2 threads`; with a plural that is no `s`, the words themselves.
pub(crate) fn counted(count: usize, one: &str) -> String {
    let several = match one.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{one}s"),
    };
    format!(
        "{} {}",
        crate::format::count(count as u64),
        if count == 1 { one } else { &several }
    )
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
