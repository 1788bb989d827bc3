//! What a chart of a study shows, in a sentence drawn by queries.

use cryptodl_results::{Estimate, RunTable};

use super::chart::is_failed;
use super::plan::{key_words, value_words};
use super::{Group, Plan, Series};
use crate::format::{self, percent};
use crate::page::or_none;
use crate::{names, words};

/// What a chart shows, in a sentence, and the figures behind it: the difference between the ends of its lines, or which networks differ from
/// the original activation.
pub(super) fn conclude(
    plan: &Plan,
    series: &[Series],
    runs: &RunTable,
) -> Option<(String, String)> {
    let evaluation = plan.y.strip_prefix("accuracy.");
    let on_axis =
        plan.rows.is_number(&plan.x) && series.iter().any(|series| series.groups.len() > 1);
    let dataset = names::dataset(&plan.rows.text("dataset")?).to_owned();
    match (evaluation, on_axis) {
        (Some(evaluation), true) => {
            let ends: Vec<Ends> = series
                .iter()
                .filter_map(|one| by_ends(plan, one, evaluation, runs))
                .collect();
            let names = |same: bool| {
                names::listed(
                    &ends
                        .iter()
                        .filter(|end| end.same == same)
                        .map(|end| end.name.clone())
                        .collect::<Vec<_>>(),
                )
            };
            let key = key_words(&plan.x_key);
            let sentence = match (names(true), names(false)) {
                (same, other) if same.is_empty() && other.is_empty() => return None,
                (same, other) if other.is_empty() => format!(
                    "On {dataset}, the {key} makes no measurable difference to the accuracy of {same} networks."
                ),
                (same, other) if same.is_empty() => format!(
                    "On {dataset}, the {key} makes a measurable difference to the accuracy of {other} networks."
                ),
                (same, other) => format!(
                    "On {dataset}, the {key} makes no measurable difference to the accuracy of {same} networks, but it does to that of {other} networks."
                ),
            };
            Some((
                sentence,
                ends.into_iter()
                    .map(|end| end.figures)
                    .collect::<Vec<_>>()
                    .join("; ")
                    + ".",
            ))
        }
        (Some(evaluation), false) => against_original(series, evaluation, &dataset, runs),
        (None, _) => by_rates(plan, series).map(|sentence| (sentence, String::new())),
    }
}

/// The ends of a line compared.
struct Ends {
    name: String,
    figures: String,
    /// Whether the difference is within its interval.
    same: bool,
}

/// The difference between the ends of a line, failed networks apart.
fn by_ends(plan: &Plan, series: &Series, evaluation: &str, runs: &RunTable) -> Option<Ends> {
    let values: Vec<f64> = series
        .groups
        .iter()
        .filter_map(|group| group.value)
        .map(|value| value.value)
        .collect();
    let sound: Vec<&Group> = series
        .groups
        .iter()
        .filter(|group| {
            group
                .value
                .is_some_and(|value| values.len() < 3 || !is_failed(value.value, &values))
        })
        .collect();
    let (first, last) = (*sound.first()?, *sound.last()?);
    if first.x == last.x {
        return None;
    }
    let change = runs.difference((&first.rows, evaluation), (&last.rows, evaluation))?;
    let p = runs
        .paired((&first.rows, evaluation), (&last.rows, evaluation))
        .map_or_else(String::new, |pair| {
            format!(", p = {}", words::p_value(pair.p_value()))
        });
    let name = match (series.name.as_str(), plan.rows.text("activation.function")) {
        ("", Some(function)) => names::function(&function).0.to_owned(),
        (name, _) => name.to_owned(),
    };
    let from = |group: &Group| {
        format!(
            "{} at {}",
            or_none(group.value, |value| percent(value.value)),
            group.x
        )
    };
    let over = if change.seeds > 1 {
        format!("{} seeds", change.seeds)
    } else {
        "one seed".to_owned()
    };
    Some(Ends {
        figures: format!(
            "{name} {}, {}: {} points{p}, {over}",
            from(first),
            from(last),
            words::points(&change)
        ),
        name,
        same: change.holds_zero(),
    })
}

/// Which networks differ measurably from the same network with the original activation.
fn against_original(
    series: &[Series],
    evaluation: &str,
    dataset: &str,
    runs: &RunTable,
) -> Option<(String, String)> {
    let (mut apart, mut figures, mut directions) = (Vec::new(), Vec::new(), Vec::new());
    let mut compared = 0;
    let mut seeds = usize::MAX;
    for (one, group) in series
        .iter()
        .flat_map(|one| one.groups.iter().map(move |group| (one, group)))
    {
        let Some(change) = runs.difference((&group.rows, "original"), (&group.rows, evaluation))
        else {
            continue;
        };
        compared += 1;
        seeds = seeds.min(change.seeds);
        if !change.holds_zero() {
            let p = runs
                .paired((&group.rows, "original"), (&group.rows, evaluation))
                .map_or_else(String::new, |pair| {
                    format!(", p = {}", words::p_value(pair.p_value()))
                });
            let mut name = value_words("method", &group.x);
            if !one.name.is_empty() {
                name = if name.parse::<f64>().is_ok() {
                    one.name.clone()
                } else {
                    format!("{name} with {}", one.name)
                };
            }
            figures.push(format!("{name} {} points{p}", words::points(&change)));
            directions.push(change.value < 0.0);
            apart.push(name);
        }
    }
    let over = if seeds == 1 {
        "one seed each".to_owned()
    } else {
        format!("{seeds} seeds each")
    };
    match (compared, apart.len()) {
        (0, _) => None,
        (all, 0) => Some((
            format!(
                "On {dataset}, none of {all} polynomials makes a network measurably less accurate than its original activation."
            ),
            format!("Compared on the same test images, {over}."),
        )),
        (all, some) => Some((
            format!(
                "On {dataset}, {some} of {all} polynomials make a network measurably {} accurate than its original activation: {}.",
                match (directions.contains(&true), directions.contains(&false)) {
                    (true, false) => "less",
                    (false, true) => "more",
                    _ => "more or less",
                },
                names::listed(&apart)
            ),
            format!(
                "{}; {over}. One in twenty comparisons falls below p = 0.05 by chance.",
                figures.join("; ")
            ),
        )),
    }
}

/// The ends of a rate, where the spreads of the evaluations lie apart.
fn by_rates(plan: &Plan, series: &[Series]) -> Option<String> {
    let one = series.iter().max_by_key(|series| series.groups.len())?;
    let (first, last) = (one.groups.first()?, one.groups.last()?);
    let (low, high) = (first.value?, last.value?);
    if first.x == last.x {
        return None;
    }
    let at = |group: &Group, value: Estimate| {
        format!(
            "{} at {} {}",
            format::short(value.value.round()),
            key_words(&plan.x_key),
            group.x
        )
    };
    let apart = low.high < high.low || high.high < low.low;
    let what = if plan.y == "timing.images_per_hour" {
        "images an hour"
    } else {
        "predictions an hour"
    };
    let spread = match apart {
        true => String::new(),
        false => "; the evaluations of both overlap, so this is no measured effect".to_owned(),
    };
    Some(format!(
        "From {} to {} {what}{spread}.",
        at(first, low),
        at(last, high)
    ))
}
