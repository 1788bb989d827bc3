//! Which charts a study has, and the series of each.

use cryptodl_results::{Estimate, RunTable, Spread, Table as Data, key_column};

use super::super::{ChartRecord, SweepRecord};
use super::{ACCURACY, COLORS, Group, Plan, Series};
use crate::{ReportError, names};

/// The charts that the study declares; else one for each part, by what it varies.
pub(super) fn plans(record: &SweepRecord, done: &Data) -> Result<Vec<Plan>, ReportError> {
    let mut parts: Vec<String> = Vec::new();
    for part in record.points.iter().flat_map(|point| &point.parts) {
        if !parts.contains(part) {
            parts.push(part.clone());
        }
    }
    let every = |part: String| ChartRecord {
        part: Some(part),
        ..ChartRecord::default()
    };
    let charts: Vec<ChartRecord> = match (record.charts.is_empty(), parts.is_empty()) {
        (false, _) => record.charts.clone(),
        (true, false) => parts.into_iter().map(every).collect(),
        (true, true) => vec![ChartRecord::default()],
    };
    let mut plans = Vec::new();
    for (place, chart) in charts.iter().enumerate() {
        plans.extend(plan(record, done, chart, place)?);
    }
    Ok(plans)
}

/// A chart with what it leaves open; none where nothing varies.
pub(super) fn plan(
    record: &SweepRecord,
    done: &Data,
    chart: &ChartRecord,
    place: usize,
) -> Result<Option<Plan>, ReportError> {
    let rows = match &chart.part {
        Some(part) => done.with(&format!("part.{part}"), "true")?,
        None => done.clone(),
    };
    let varied = |key: &&String| *key != "seed" && rows.distinct(&key_column(key)).len() > 1;
    let varied: Vec<&String> = record.keys.iter().filter(varied).collect();
    let number = |key: &&&String| rows.is_number(&key_column(key));
    // What has a place on an axis of numbers; where keys vary together there is a row for each.
    let own = || {
        varied
            .iter()
            .find(number)
            .or(varied.first())
            .map(|key| (*key).clone())
    };
    let Some(x_key) = chart.x.clone().or_else(own) else {
        return Ok(None);
    };
    let others = varied
        .iter()
        .filter(|key| ***key != x_key)
        .map(|key| key_column(key));
    let series = chart
        .series
        .as_ref()
        .map_or_else(|| others.collect(), |key| vec![key_column(key)]);
    // The degree that the polynomial has, not the one that was asked for.
    let x = if x_key == "activation.degree" {
        "degree".to_owned()
    } else {
        key_column(&x_key)
    };
    let encrypted = rows.filled("accuracy.encrypted.value")?.rows() > 0;
    let y = chart
        .y
        .clone()
        .unwrap_or_else(|| match (encrypted, x_key.as_str()) {
            (true, "encryption.images") => "timing.images_per_hour".to_owned(),
            (true, _) => "rate".to_owned(),
            (false, _) => ACCURACY.to_owned(),
        });
    let about = chart.part.clone().unwrap_or_else(|| place.to_string());
    let words = figure_words(&y);
    let dataset = rows.text("dataset").unwrap_or_default();
    let title = chart.title.clone().unwrap_or_else(|| {
        format!(
            "{words} by {}, {}",
            key_words(&x_key),
            names::dataset(&dataset)
        )
    });
    Ok(Some(Plan {
        name: format!("study_{}_{about}", record.name),
        title,
        x,
        x_key,
        series,
        y,
        rows,
    }))
}

/// `activation.degree` as `degree`.
pub(super) fn key_words(key: &str) -> String {
    let word = key.rsplit('.').next().unwrap_or(key);
    word.replace('_', " ")
}

/// A figure for people.
pub(super) fn figure_words(y: &str) -> String {
    match y {
        "rate" => "Predictions an hour".to_owned(),
        "timing.images_per_hour" => "Images an hour".to_owned(),
        y if y.starts_with("accuracy.") => "Accuracy".to_owned(),
        y => y.to_owned(),
    }
}

/// A cell of a key for people.
pub(super) fn value_words(column: &str, value: &str) -> String {
    match column.rsplit('.').next().unwrap_or(column) {
        "function" => names::function(value).0.to_owned(),
        "method" => names::method(value).0.to_owned(),
        "trainable" if value == "false" => "fixed coefficients".to_owned(),
        "trainable" => format!("coefficients trained per {value}"),
        "degree" => format!("degree {value}"),
        key if value.parse::<f64>().is_ok() => format!("{} {value}", key.replace('_', " ")),
        _ => value.to_owned(),
    }
}

/// The series of a chart, the groups of each in the order of the axis.
pub(super) fn collect(plan: &Plan, runs: &RunTable) -> Result<Vec<Series>, ReportError> {
    let columns: Vec<&str> = plan.series.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for (place, own) in plan.rows.groups(&columns)?.into_iter().enumerate() {
        let named = columns
            .iter()
            .filter_map(|column| Some(value_words(column, &own.text(column)?)));
        let name = named.collect::<Vec<_>>().join(", ");
        let function = own
            .text("activation.function")
            .filter(|_| columns.iter().any(|column| column.ends_with(".function")));
        let color = function.map_or(COLORS[place % COLORS.len()], |function| {
            names::function(&function).1
        });
        let mut groups = Vec::new();
        for rows in own.sorted(&plan.x, false)?.groups(&[&plan.x])? {
            // Two degrees may be one polynomial: of a seed the first network is enough.
            let rows = rows.first_of(&["seed"])?;
            groups.push(Group {
                x: rows.text(&plan.x).unwrap_or_default(),
                value: value(plan, &rows, runs)?,
                rows,
            });
        }
        groups.retain(|group| group.value.is_some());
        found.push(Series {
            name,
            color,
            groups,
        });
    }
    found.retain(|series| !series.groups.is_empty());
    Ok(found)
}

pub(super) fn value(
    plan: &Plan,
    rows: &Data,
    runs: &RunTable,
) -> Result<Option<Estimate>, ReportError> {
    if let Some(evaluation) = plan.y.strip_prefix("accuracy.") {
        return Ok(runs.accuracy(rows, evaluation));
    }
    let spread = match plan.y.as_str() {
        "rate" => crate::study::speed::rate(rows, runs)?,
        column => Spread::of(&rows.numbers(column)),
    };
    Ok(spread.map(|spread| Estimate {
        value: spread.median,
        low: spread.min,
        high: spread.max,
        seeds: spread.n,
        n: 0,
    }))
}
