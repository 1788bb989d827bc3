//! `[activation]`: the function, and the polynomial in its place.

use super::encryption::Backend;
use super::field::{choice, finite, flag, label, unknown, whole};
use crate::error::Problem;
use crate::raw::{Field, RawActivation, RawTrainable, Real};
use crate::{ActivationForm, ActivationSpec, LayerSpec, NetworkSpec, Trainable};
use polyapprox::{Function, Interval, Method};
use std::ops::Range;
use toml::Spanned;

const MIN_DEGREE: usize = 2;
const MAX_DEGREE: usize = 15;
/// The highest degree that the encrypted evaluation has schedules for.
const MAX_ENCRYPTED_DEGREE: usize = 9;
/// The paper's widest interval is [-300, 300].
const MAX_INPUT: f64 = 1000.0;
/// Narrower intervals make every polynomial a line.
const MIN_WIDTH: f64 = 1e-3;
const MAX_COEFFICIENT: f64 = 1e6;

pub(super) fn check(raw: &RawActivation, backend: &Backend) -> Result<ActivationSpec, Problem> {
    let function = choice(&raw.function, "activation.function", Function::Relu)?;
    let method = choice(&raw.method, "activation.method", Method::Derivative)?;
    let interval = interval(&raw.interval)?;
    let trainable = trainable(&raw.trainable)?;
    let coefficients = raw
        .coefficients
        .as_ref()
        .map(|list| coefficients(list, raw))
        .transpose()?;
    let (degree, place) = match (&coefficients, &raw.coefficients) {
        (Some(numbers), Some(list)) => (numbers.len() - 1, Some(list.span())),
        _ => (degree(raw)?, label(&raw.degree)),
    };
    let exact = flag(&raw.exact, false);
    if exact {
        exactly(raw, backend)?;
    }
    if degree > MAX_ENCRYPTED_DEGREE && backend.name.has_levels() {
        return Err(Problem::new(format!("degree {degree} runs in the clear only"))
            .at_some(place, format!("encrypted, the degree is {MIN_DEGREE} to {MAX_ENCRYPTED_DEGREE}"))
            .at_some(backend.label.clone(), "this backend encrypts")
            .help(format!("choose a degree up to {MAX_ENCRYPTED_DEGREE}, or backend = \"clear\" in [encryption]")));
    }
    Ok(ActivationSpec {
        function,
        method,
        degree,
        interval,
        trainable,
        coefficients,
        form: choice(&raw.form, "activation.form", ActivationForm::Polynomial)?,
        exact,
    })
}

/// What `form = "hermite-normalized"` goes together with: it is a basis of degree 2 for numbers of mean 0 and variance 1, trained per
/// channel.
pub(super) fn normalised(
    raw: &RawActivation,
    activation: &ActivationSpec,
    network: &NetworkSpec,
) -> Result<(), Problem> {
    if activation.form != ActivationForm::HermiteNormalized {
        return Ok(());
    }
    let refuse = |message: &str| {
        Problem::new(message.to_owned()).at_some(label(&raw.form), "this form is asked for here")
    };
    if activation.exact {
        return Err(refuse("an exact activation has no polynomial")
            .at_some(label(&raw.exact), "this asks for the function itself")
            .help("remove one of them"));
    }
    if activation.degree != 2 {
        return Err(refuse("the normalised Hermite form has degree 2")
            .at_some(
                label(&raw.degree).or_else(|| label(&raw.coefficients)),
                format!("this is of degree {}", activation.degree),
            )
            .help("write degree = 2, or form = \"polynomial\""));
    }
    if activation.trainable != Trainable::Channel {
        return Err(refuse("the normalised Hermite form is trained per channel")
            .at_some(label(&raw.trainable), "this says otherwise")
            .help("leave `trainable` out, or write form = \"polynomial\""));
    }
    let bare = network.layers.windows(2).any(
        |pair| matches!(pair, [before, LayerSpec::Activation] if *before != LayerSpec::BatchNorm),
    );
    if bare {
        return Err(
            refuse("the normalised Hermite form needs batch norm before every activation")
                .help("leave `network.batch_norm` out, or write the batch norms among the layers"),
        );
    }
    Ok(())
}

/// What `exact = true` goes together with.
fn exactly(raw: &RawActivation, backend: &Backend) -> Result<(), Problem> {
    if !backend.name.bootstraps() {
        return Err(Problem::new("an exact activation runs by look-ups only")
            .at_some(label(&raw.exact), "this asks for the function itself")
            .at_some(
                backend.label.clone(),
                format!(
                    "the backend `{}` has polynomials only",
                    backend.name.as_str()
                ),
            )
            .help("write backend = \"tfhe\" in [encryption], or leave `exact` out"));
    }
    let others = [
        (label(&raw.coefficients), "these are a polynomial's"),
        (label(&raw.method), "this finds a polynomial"),
        (label(&raw.degree), "this is a polynomial's"),
        (label(&raw.trainable), "this is about a polynomial"),
    ];
    match others.into_iter().find(|(span, _)| span.is_some()) {
        Some((span, what)) => Err(Problem::new("an exact activation has no polynomial")
            .at_some(label(&raw.exact), "this asks for the function itself")
            .at_some(span, what)
            .help("remove one of them")),
        None => Ok(()),
    }
}

fn degree(raw: &RawActivation) -> Result<usize, Problem> {
    whole(&raw.degree, "activation.degree", 2, MIN_DEGREE..=MAX_DEGREE).map_err(|problem| {
        let help = match raw.degree.as_ref().map(|value| value.get_ref().0) {
            Some(0) => "a polynomial of degree 0 is a constant: nothing of the image would pass it".to_owned(),
            Some(1) => "a polynomial of degree 1 is linear: the network would be one linear map".to_owned(),
            _ => format!("{MIN_DEGREE} to {MAX_ENCRYPTED_DEGREE} run encrypted, up to {MAX_DEGREE} with backend = \"clear\""),
        };
        problem.help(help)
    })
}

fn interval(field: &Field<Vec<Spanned<Real>>>) -> Result<Interval, Problem> {
    let (ends, span) = match field {
        None => ([-4.0, 4.0], None),
        Some(list) => {
            let [low, high] = list.get_ref().as_slice() else {
                let label = format!("this has {} numbers", list.get_ref().len());
                return Err(bad_interval(list.span(), "an interval has two ends", label));
            };
            for (index, end) in [low, high].into_iter().enumerate() {
                let number = finite(end, &format!("activation.interval[{index}]"))?;
                if number.abs() > MAX_INPUT {
                    return Err(bad_interval(
                        end.span(),
                        "this interval is too wide",
                        format!("the largest end is {MAX_INPUT}"),
                    ));
                }
            }
            ([low.get_ref().0, high.get_ref().0], Some(list.span()))
        }
    };
    let [low, high] = ends;
    if let Some(span) = &span {
        if low > high {
            return Err(bad_interval(
                span.clone(),
                "this interval is reversed",
                format!("{low} is above {high}"),
            )
            .help(format!("write [{high:?}, {low:?}]")));
        }
        if high - low < MIN_WIDTH {
            return Err(bad_interval(
                span.clone(),
                "this interval is empty",
                format!("its width is below {MIN_WIDTH}"),
            ));
        }
    }
    Interval::new(low, high)
        .map_err(|error| Problem::new("this interval cannot be").at_some(span, error.to_string()))
}

fn bad_interval(span: Range<usize>, message: &str, label: String) -> Problem {
    Problem::new(message)
        .at(span, label)
        .help("write the low end and the high end, like [-4.0, 4.0]")
}

/// The default is to learn the coefficients, per channel: starting from the method's polynomial, that is what reaches the accuracy
/// of the original activation.
fn trainable(field: &Field<RawTrainable>) -> Result<Trainable, Problem> {
    let Some(value) = field else {
        return Ok(Trainable::Channel);
    };
    match value.get_ref() {
        RawTrainable::Switch(true) => Ok(Trainable::Channel),
        RawTrainable::Switch(false) => Ok(Trainable::Fixed),
        RawTrainable::Per(what) => match what.as_str() {
            "channel" => Ok(Trainable::Channel),
            "layer" => Ok(Trainable::Layer),
            _ => Err(unknown(
                &Spanned::new(value.span(), what.clone()),
                "activation.trainable",
                vec!["layer", "channel"],
            )
            .help("there is true (per channel), false (fixed), \"layer\", \"channel\"")),
        },
    }
}

fn coefficients(
    list: &Spanned<Vec<Spanned<Real>>>,
    raw: &RawActivation,
) -> Result<Vec<f64>, Problem> {
    if let Some(method) = &raw.method {
        return Err(
            Problem::new("`coefficients` and `method` exclude each other")
                .at(method.span(), "a method finds coefficients")
                .at(list.span(), "these are given outright")
                .help("remove one of them"),
        );
    }
    let ascending = "coefficients ascend: [c0, c1, c2] is c0 + c1 x + c2 x^2";
    let mut numbers = Vec::new();
    for (index, value) in list.get_ref().iter().enumerate() {
        let number = finite(value, &format!("activation.coefficients[{index}]"))?;
        if number.abs() > MAX_COEFFICIENT {
            return Err(Problem::new("this coefficient is too large")
                .at(value.span(), format!("the largest is {MAX_COEFFICIENT}"))
                .help(ascending));
        }
        numbers.push(number + 0.0);
    }
    let degree = numbers.len().saturating_sub(1);
    if !(MIN_DEGREE..=MAX_DEGREE).contains(&degree) {
        return Err(Problem::new(format!(
            "`activation.coefficients` must have {} to {} numbers",
            MIN_DEGREE + 1,
            MAX_DEGREE + 1
        ))
        .at(list.span(), format!("this has {}", numbers.len()))
        .help(ascending));
    }
    if let (Some(last), false) = (
        list.get_ref().last(),
        numbers.last().is_some_and(|number| number.is_normal()),
    ) {
        return Err(Problem::new("the leading coefficient is zero")
            .at(
                last.span(),
                format!("x^{degree} has no part in this polynomial"),
            )
            .help(format!("leave trailing zeros out; {ascending}")));
    }
    if let Some(given) = raw
        .degree
        .as_ref()
        .filter(|given| given.get_ref().0 != degree as i128)
    {
        return Err(Problem::new("`degree` and `coefficients` disagree")
            .at(given.span(), format!("{} here", given.get_ref().0))
            .at(
                list.span(),
                format!("{} numbers make degree {degree}", numbers.len()),
            )
            .help("leave `degree` out: it follows from the coefficients"));
    }
    Ok(numbers)
}
