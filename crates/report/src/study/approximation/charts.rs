//! The charts of a study of approximations: polynomials, errors against degree, shapes of errors.

use cryptodl_results::Table as Data;

use super::{ApproximationReport, Case};
use crate::ReportError;
use crate::format::significant;
use crate::names::{self, capital};
use crate::page::or_none;
use crate::plot::axes::{Scale, decades, ends};
use crate::plot::style::{AXIS, MEASURED, ORIGINAL, POLYNOMIAL, WRONG};
use crate::plot::{Body, Figure, Labels, Mark, Panel, Point, Shape};
use crate::run::{curve, evaluate, steps};

/// Opacity of the lowest, the middle and the highest degree.
const SHADES: [f64; 3] = [0.4, 0.68, 1.0];

/// Errors below this are rounding.
const FLOOR: f64 = 1e-9;

/// The frame of the errors' shapes shows up to so many times the smallest of the largest errors.
const FRAME: f64 = 3.0;

fn figure(
    kind: &str,
    case: &Case,
    title: String,
    subtitle: &str,
    body: Body,
    data: &Data,
) -> Result<Figure, ReportError> {
    Ok(Figure {
        name: format!("{kind}_{}", case.function.as_str()),
        title,
        subtitle: subtitle.to_owned(),
        watermark: None,
        body,
        data: Some(data.without_empty_columns()?.csv()?),
    })
}

/// A small panel of a method, with the ends of the interval.
fn panel(case: &Case, method: &str, note: String, x: Scale, y: Scale, marks: Vec<Mark>) -> Panel {
    let edges = [case.low, case.high].map(|edge| Mark::new(Shape::Upright(edge), AXIS));
    Panel {
        title: names::method(method).0.to_owned(),
        note,
        x,
        ticks: x.ticks(4),
        x_name: String::new(),
        y,
        marks: edges.into_iter().chain(marks).collect(),
        labels: Labels::AtEnd,
    }
}

/// The function and its polynomials, one panel a method.
pub(super) fn polynomials(
    report: &ApproximationReport,
    case: &Case,
) -> Result<Option<Figure>, ReportError> {
    let degrees = case.telling(&report.degrees());
    let margin = 0.15 * (case.high - case.low);
    let (from, to) = (case.low - margin, case.high + margin);
    let exact = curve(from, to, |x| case.function.value(x));
    let (bottom, top) = ends(exact.iter().map(|(_, y)| *y).chain([0.0]));
    let space = 0.12 * (top - bottom);
    let mut panels = Vec::new();
    for method in case.rows.distinct("method") {
        let mut marks = vec![Mark::new(Shape::Line(exact.clone(), 2.5), ORIGINAL)];
        for (degree, shade) in degrees.iter().zip(SHADES) {
            if let Some(coefficients) = case.coefficients(&method, *degree)? {
                let line = Shape::Line(curve(from, to, |x| evaluate(&coefficients, x)), 1.8);
                marks.push(
                    Mark::new(line, POLYNOMIAL)
                        .faint(shade)
                        .labelled(degree.to_string()),
                );
            }
        }
        if marks.len() > 1 {
            panels.push(panel(
                case,
                &method,
                String::new(),
                Scale::Linear(from, to),
                Scale::Linear(bottom - space, top + space),
                marks,
            ));
        }
    }
    let words: Vec<String> = degrees.iter().map(usize::to_string).collect();
    let title = format!(
        "{} and its polynomials of degree {}",
        capital(case.name()),
        words.join(", ")
    );
    let subtitle = "Orange: the function. Blue: the polynomials, each with its degree at the right. Upright lines: the interval they were made for.";
    match panels.is_empty() {
        true => Ok(None),
        false => {
            let terms = (0..=polyapprox::MAX_DEGREE).map(|power| format!("c{power}"));
            let columns: Vec<String> = ["method", "degree", "low", "high"]
                .map(str::to_owned)
                .into_iter()
                .chain(terms)
                .collect();
            let data = case
                .rows
                .select(&columns.iter().map(String::as_str).collect::<Vec<_>>())?;
            figure(
                "polynomials",
                case,
                title,
                subtitle,
                Body::Panels(panels, 4, 228.0),
                &data,
            )
            .map(Some)
        }
    }
}

/// Error against degree, one line a method; a degree that repeats a lower one is no point.
pub(super) fn errors_by_degree(
    report: &ApproximationReport,
    case: &Case,
) -> Result<Option<Figure>, ReportError> {
    let degrees = report.degrees();
    let measured = report.inputs.is_some();
    let second = if measured {
        ("RMS error on a network’s own inputs", "l2_inputs_inside")
    } else {
        ("RMS error, all points alike", "l2_uniform")
    };
    let mut panels = Vec::new();
    for (title, column) in [("Largest error on the interval", "max"), second] {
        let mut marks = Vec::new();
        let mut values = Vec::new();
        for method in case.rows.distinct("method") {
            let mut points = Vec::new();
            for degree in &degrees {
                let coefficients = case.coefficients(&method, *degree)?;
                let repeats = coefficients.is_some_and(|all| is_repeated(&all, case.high));
                let error = case.row(&method, *degree)?.real(column);
                points.extend(
                    error
                        .filter(|_| !repeats)
                        .map(|error| (*degree as f64, error.max(FLOOR))),
                );
            }
            values.extend(points.iter().map(|(_, error)| *error));
            let (name, color) = names::method(&method);
            let dots = points
                .iter()
                .map(|&(x, y)| Point {
                    x,
                    y,
                    interval: None,
                })
                .collect();
            marks.push(Mark::new(Shape::Points(dots, 2.6), color));
            marks.push(Mark::new(Shape::Line(points, 2.0), color).labelled(name));
        }
        let (Some(first), Some(last)) = (degrees.first(), degrees.last()) else {
            return Ok(None);
        };
        panels.push(Panel {
            title: title.to_owned(),
            note: String::new(),
            x: Scale::Linear(*first as f64, *last as f64),
            ticks: degrees
                .iter()
                .map(|degree| (*degree as f64, degree.to_string()))
                .collect(),
            x_name: "Degree".to_owned(),
            y: decades(values.into_iter()),
            marks,
            labels: Labels::AtEnd,
        });
    }
    let title = format!(
        "{}: error against degree on {}",
        capital(case.name()),
        case.bounds()
    );
    let subtitle = "Logarithmic; lower is better. One line a method; a degree whose leading coefficient is zero repeats a lower one and is left out.";
    let data = case
        .rows
        .select(&["method", "degree", "max", "l2_uniform", "l2_inputs_inside"])?;
    match degrees.len() > 1 {
        true => figure(
            "degrees",
            case,
            title,
            subtitle,
            Body::Panels(panels, 2, 330.0),
            &data,
        )
        .map(Some),
        false => Ok(None),
    }
}

/// Whether the leading term adds nothing on the interval.
fn is_repeated(coefficients: &[f64], reach: f64) -> bool {
    let degree = coefficients.len().saturating_sub(1);
    degree > 0
        && coefficients
            .last()
            .is_some_and(|leading| (leading * reach.abs().powi(degree as i32)).abs() < 1e-9)
}

/// Polynomial minus function, one panel a method.
pub(super) fn shapes(
    report: &ApproximationReport,
    case: &Case,
) -> Result<Option<Figure>, ReportError> {
    // The middle one of the degrees that the other chart shows.
    let degrees = case.telling(&report.degrees());
    let Some(degree) = degrees.get(1).or(degrees.first()).copied() else {
        return Ok(None);
    };
    let rows = case.rows.with("degree", &degree.to_string())?;
    let (least, most) = ends(rows.numbers("max").into_iter());
    if !most.is_finite() {
        return Ok(None);
    }
    let reach = 1.08 * most.min(FRAME * least).max(1e-12);
    let mut panels = Vec::new();
    for method in rows.distinct("method") {
        let Some(coefficients) = case.coefficients(&method, degree)? else {
            continue;
        };
        let mut marks = Vec::new();
        if let Some(inputs) = &report.inputs {
            let outline = steps(
                (inputs.low, inputs.high),
                &inputs.counts,
                -reach,
                2.0 * reach / 3.0,
            );
            marks.push(Mark::new(Shape::Area(outline), MEASURED).faint(0.75));
        }
        marks.push(Mark::new(
            Shape::Line(vec![(case.low, 0.0), (case.high, 0.0)], 1.0),
            AXIS,
        ));
        let error = curve(case.low, case.high, |x| {
            evaluate(&coefficients, x) - case.function.value(x)
        });
        let note = match error.iter().all(|(_, error)| error.abs() > reach) {
            true => "larger everywhere".to_owned(),
            false => or_none(case.row(&method, degree)?.real("max"), |max| {
                format!("at most {}", significant(max))
            }),
        };
        marks.push(Mark::new(Shape::Line(error, 2.0), WRONG));
        panels.push(panel(
            case,
            &method,
            note,
            Scale::Linear(case.low, case.high),
            Scale::Linear(-reach, reach),
            marks,
        ));
    }
    let title = format!(
        "Shape of the error: polynomial of degree {degree} minus {}",
        case.name()
    );
    let subtitle = match report.inputs {
        Some(_) => {
            "All panels have the same axes; what is larger is cut. Grey: how often a network’s activation receives an input."
        }
        None => "All panels have the same axes; what is larger is cut.",
    };
    figure(
        "shape",
        case,
        title,
        subtitle,
        Body::Panels(panels, 4, 228.0),
        &rows.select(&["method", "degree", "max", "l2_uniform", "l2_inputs_inside"])?,
    )
    .map(Some)
}
