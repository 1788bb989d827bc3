//! The charts of a study: lines with points over a number, else a row a case.

use cryptodl_results::{Estimate, Spread, Table as Data};
use plotters::style::RGBColor;

use super::plan::{figure_words, key_words, value_words};
use super::{ACCURACY, COLORS, Group, Plan, Series};
use crate::format::{self, percent};
use crate::names::capital;
use crate::plot::axes::{Scale, accuracy_scale, decades, ends};
use crate::plot::style::{ORIGINAL, POLYNOMIAL};
use crate::plot::{Body, Dot, Figure, Labels, Mark, Panel, Point, Rows, RowsRow, Shape};

/// The most rows that a chart has room for.
const MAX_ROWS: usize = 20;

pub(super) fn draw(plan: &Plan, series: &[Series]) -> Option<Figure> {
    let on_axis =
        plan.rows.is_number(&plan.x) && series.iter().any(|series| series.groups.len() > 1);
    let count: usize = series.iter().map(|series| series.groups.len()).sum();
    // One point is no chart.
    if count < 2 {
        return None;
    }
    let body = match on_axis {
        true => lines(plan, series),
        false => rows(plan, series),
    };
    let subtitle = match plan.y.starts_with("accuracy.") {
        true => {
            "Each point is a network trained with the polynomial in place of the activation, or the mean over its seeds. Thin lines: the original activation."
        }
        false => "Medians; bars from the smallest to the largest of the evaluations made.",
    };
    Some(Figure {
        name: plan.name.clone(),
        title: plan.title.clone(),
        subtitle: subtitle.to_owned(),
        watermark: None,
        body,
        data: data(plan, series),
    })
}

fn data(plan: &Plan, series: &[Series]) -> Option<String> {
    let cells = series.iter().flat_map(|series| {
        series.groups.iter().filter_map(|group| {
            let value = group.value?;
            let numbers = [value.value, value.low, value.high].map(|number| number.to_string());
            let words = [series.name.clone(), group.x.clone()]
                .into_iter()
                .chain(numbers);
            Some(
                words
                    .chain([value.seeds.to_string(), value.n.to_string()])
                    .collect(),
            )
        })
    });
    Some(format::csv(
        &[
            "series",
            &plan.x_key,
            &plan.y,
            "low",
            "high",
            "seeds_or_evaluations",
            "n",
        ],
        cells,
    ))
}

/// What the bars of a chart are over.
pub(super) fn bars(plan: &Plan, series: &[Series]) -> String {
    let all: Vec<f64> = series
        .iter()
        .flat_map(|series| &series.groups)
        .filter_map(|group| group.value)
        .map(|value| value.value)
        .collect();
    let failed = series
        .iter()
        .flat_map(|series| series.groups.iter().map(move |group| (series, group)));
    let failed = failed.filter_map(|(series, group)| {
        let value = group.value?.value;
        is_failed(value, &all).then(|| {
            format!(
                "{} at {} {}: {}",
                series.name,
                key_words(&plan.x_key),
                group.x,
                percent(value)
            )
        })
    });
    let failed: Vec<String> = failed.collect();
    let off = match (plan.y.starts_with("accuracy."), failed.is_empty()) {
        (true, false) => format!(
            " Arrows at the edge are off the scale ({}); degree 1 is a linear network.",
            failed.join("; ")
        ),
        _ => String::new(),
    };
    let estimates = series
        .iter()
        .flat_map(|series| series.groups.iter().filter_map(|group| group.value));
    let (seeds, n) = estimates.fold((1, 0), |(seeds, n), one| {
        (one.seeds.max(seeds), one.n.max(n))
    });
    match (plan.y.starts_with("accuracy."), seeds) {
        (false, _) => String::new(),
        (true, 1) => format!(
            "Bars: 95 % interval (Wilson) over n = {} test images; one seed, so nothing is said about other seeds.{off}",
            format::count(n)
        ),
        (true, seeds) => format!(
            "Bars: 95 % interval over test images (n = {}) and, where there are several, up to {seeds} seeds.{off}",
            format::count(n)
        ),
    }
}

pub(super) fn lines(plan: &Plan, series: &[Series]) -> Body {
    let is_share = plan.y.starts_with("accuracy.");
    let place_x = |group: &Group| group.x.parse::<f64>().unwrap_or(0.0);
    let all = || series.iter().flat_map(|series| &series.groups);
    let values: Vec<f64> = all()
        .filter_map(|group| group.value)
        .map(|value| value.value)
        .collect();
    let kept = |value: f64| !is_share || !is_failed(value, &values);
    let shares = all()
        .filter_map(|group| group.value)
        .filter(|value| kept(value.value))
        .flat_map(|value| [value.low, value.high]);
    let (y, place): (Scale, fn(f64) -> f64) = if is_share {
        accuracy_scale(shares.map(|share| share.clamp(0.0, 1.0)))
    } else {
        (decades(shares), |value| value)
    };
    let (from, to) = ends(all().map(place_x));
    let wide = from > 0.0 && to / from > 50.0;
    let air = 0.06 * (to - from).max(1.0);
    let x = if wide {
        Scale::Log(from / 1.3, to * 1.3)
    } else {
        Scale::Linear(from - air, to + air)
    };
    let mut ticks: Vec<(f64, String)> = Vec::new();
    let mut places: Vec<f64> = all().map(place_x).collect();
    places.sort_by(f64::total_cmp);
    for value in places {
        // Ticks that would write over each other are left out.
        if ticks
            .last()
            .is_none_or(|(last, _)| x.at(value) - x.at(*last) > 0.07)
        {
            ticks.push((value, format::plain(value)));
        }
    }
    let mut marks = Vec::new();
    let mut outside = Vec::new();
    for (index, one) in series.iter().enumerate() {
        // Points of several series at one place stand beside each other.
        let shift = if wide {
            0.0
        } else {
            0.012 * (to - from) * (index as f64 - (series.len() - 1) as f64 / 2.0)
        };
        let mut points = Vec::new();
        for group in &one.groups {
            let Some(value) = group.value else { continue };
            points.push(Point {
                x: place_x(group) + shift,
                y: place(value.value),
                interval: Some((place(value.low), place(value.high))),
            });
        }
        let originals = one.groups.iter().filter_map(|group| {
            let shares = group.rows.numbers("accuracy.original.value");
            Some((place_x(group), place(Spread::of(&shares)?.median)))
        });
        let originals: Vec<(f64, f64)> = originals.collect();
        if plan.y == ACCURACY && originals.len() > 1 {
            let label = format!("{} original", one.name).trim().to_owned();
            marks.push(
                Mark::new(Shape::Line(originals, 1.0), one.color)
                    .faint(0.9)
                    .labelled(label),
            );
        }
        let line = points
            .iter()
            .filter(|point| kept_place(y, point.y))
            .map(|point| (point.x, point.y))
            .collect();
        marks.push(Mark::new(Shape::Line(line, 2.0), one.color));
        let label = if one.name.is_empty() {
            String::new()
        } else {
            one.name.clone()
        };
        marks.push(Mark::new(Shape::Points(points, 3.6), one.color).labelled(label));
        let shares = one.groups.iter().filter_map(|group| {
            Some((
                place_x(group),
                100.0 * Spread::of(&group.rows.numbers("outside"))?.median.max(1e-5),
            ))
        });
        let shares: Vec<(f64, f64)> = shares.collect();
        let dots = shares
            .iter()
            .map(|&(x, y)| Point {
                x,
                y,
                interval: None,
            })
            .collect();
        outside.push(Mark::new(Shape::Line(shares, 2.0), one.color));
        outside.push(Mark::new(Shape::Points(dots, 3.0), one.color).labelled(one.name.clone()));
    }
    let x_name = match plan.x.as_str() {
        "degree" => "Degree (of the polynomial, not the one asked for)".to_owned(),
        _ => capital(&key_words(&plan.x_key)),
    };
    let y_name = if is_share {
        "Test accuracy, %".to_owned()
    } else {
        format!("{} (log)", figure_words(&plan.y))
    };
    let panel = |title: String, y: Scale, marks: Vec<Mark>| Panel {
        title,
        note: String::new(),
        x,
        ticks: ticks.clone(),
        x_name: x_name.clone(),
        y,
        marks,
        labels: Labels::AtEnd,
    };
    let mut panels = vec![panel(y_name, y, marks)];
    let drawn = outside
        .iter()
        .any(|mark| matches!(&mark.shape, Shape::Line(points, _) if points.len() > 1));
    if is_share && drawn {
        let values = outside.iter().filter_map(|mark| {
            if let Shape::Line(points, _) = &mark.shape {
                Some(points.clone())
            } else {
                None
            }
        });
        let scale = decades(values.flatten().map(|point| point.1));
        panels.push(panel(
            "Inputs outside the interval, % (log)".to_owned(),
            scale,
            outside,
        ));
    }
    let columns = panels.len();
    Body::Panels(panels, columns, 350.0)
}

fn kept_place(scale: Scale, value: f64) -> bool {
    (-0.001..=1.001).contains(&scale.at(value))
}

/// A network that did not learn: far below the others, which its point must not flatten.
pub(super) fn is_failed(value: f64, all: &[f64]) -> bool {
    let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = cryptodl_results::median(all).unwrap_or(best);
    best - value > 0.05 && best - value > 4.0 * (best - middle)
}

pub(super) fn rows(plan: &Plan, series: &[Series]) -> Body {
    let is_share = plan.y.starts_with("accuracy.");
    let mut xs: Vec<String> = Vec::new();
    for group in series.iter().flat_map(|series| &series.groups) {
        if !xs.contains(&group.x) {
            xs.push(group.x.clone());
        }
    }
    // Keys that vary together have a row each; else a row has a point for each series.
    let crossed = xs.len() > 1 && series.iter().any(|series| series.groups.len() > 1);
    let baseline = is_share.then(|| plan.rows.distinct("accuracy.original.value"));
    let shown = |estimate: &Estimate| (estimate.value, estimate.low, estimate.high);
    let mut table: Vec<(String, String, Vec<Option<Estimate>>)> = Vec::new();
    let mut key: Vec<(String, RGBColor)> = Vec::new();
    if crossed {
        for (index, one) in series.iter().enumerate() {
            let name = if one.name.is_empty() {
                figure_words(&plan.y)
            } else {
                one.name.clone()
            };
            key.push((name, COLORS[index % COLORS.len()]));
        }
        for x in &xs {
            let value = |series: &Series| {
                series
                    .groups
                    .iter()
                    .find(|group| group.x == *x)
                    .and_then(|group| group.value)
            };
            table.push((
                capital(&value_words(&plan.x, x)),
                String::new(),
                series.iter().map(value).collect(),
            ));
        }
    } else {
        key.push(("polynomial".to_owned(), POLYNOMIAL));
        for (one, group) in series
            .iter()
            .flat_map(|one| one.groups.iter().map(move |group| (one, group)))
        {
            let label = match (one.name.is_empty(), xs.len() > 1 || one.name.is_empty()) {
                (true, _) => value_words(&plan.x, &group.x),
                (false, true) => format!("{}, {}", one.name, value_words(&plan.x, &group.x)),
                (false, false) => one.name.clone(),
            };
            table.push((
                capital(&label),
                group.rows.text("name").unwrap_or_default(),
                vec![group.value],
            ));
        }
    }
    // One original activation for all rows is a row of its own; otherwise each has its own.
    let first_group = series.iter().flat_map(|series| &series.groups).next();
    let originals: Vec<Option<Estimate>> = match (&baseline, crossed) {
        (Some(_), false) => series
            .iter()
            .flat_map(|series| &series.groups)
            .map(|group| original(&group.rows))
            .collect(),
        _ => Vec::new(),
    };
    if originals.iter().any(Option::is_some) {
        key.insert(0, ("original activation".to_owned(), ORIGINAL));
        for (row, original) in table.iter_mut().zip(originals) {
            row.2.insert(0, original);
        }
    } else if let Some(original) = baseline
        .filter(|shares| shares.len() == 1)
        .and(first_group)
        .and_then(|group| original(&group.rows))
    {
        let mut points = vec![None; key.len()];
        points.push(Some(original));
        key.push(("original activation".to_owned(), ORIGINAL));
        table.push(("Original activation".to_owned(), String::new(), points));
    }
    table.truncate(MAX_ROWS);
    let all = table
        .iter()
        .flat_map(|row| row.2.iter().flatten())
        .map(shown);
    let values = all.flat_map(|(_, low, high)| [low, high]);
    let (scale, place): (Scale, fn(f64) -> f64) = if is_share {
        accuracy_scale(values.map(|share| share.clamp(0.0, 1.0)))
    } else {
        (decades(values), |value| value)
    };
    let dot = |estimate: Estimate| Dot {
        value: place(estimate.value),
        low: place(estimate.low),
        high: place(estimate.high),
    };
    let row = |(label, detail, points): (String, String, Vec<Option<Estimate>>)| {
        let text = |estimate: &Estimate| {
            if is_share {
                percent(estimate.value)
            } else {
                format::short(estimate.value)
            }
        };
        let notes: Vec<String> = points.iter().flatten().map(text).collect();
        RowsRow {
            label,
            detail,
            note: notes.join(", "),
            dots: points.into_iter().map(|point| point.map(dot)).collect(),
            ..RowsRow::default()
        }
    };
    Body::Rows(Rows {
        axis: Some((
            scale,
            if is_share {
                "Test accuracy, %".to_owned()
            } else {
                format!("{} (log)", figure_words(&plan.y))
            },
        )),
        key,
        notes: String::new(),
        notes_width: 170.0,
        proportional: false,
        rows: table.into_iter().map(row).collect(),
    })
}

/// The original activation of a group, as the figures of its runs have it.
pub(super) fn original(rows: &Data) -> Option<Estimate> {
    let spread = |end: &str| {
        Spread::of(&rows.numbers(&format!("accuracy.original.{end}"))).map(|spread| spread.median)
    };
    Some(Estimate {
        value: spread("value")?,
        low: spread("low")?,
        high: spread("high")?,
        seeds: rows.rows(),
        n: rows.real("accuracy.original.n")? as u64,
    })
}
