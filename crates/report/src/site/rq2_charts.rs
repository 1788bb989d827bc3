//! The charts of RQ2: accuracy and strayed inputs against degree, accuracy against depth, methods side by side.

use super::figure::{Estimate, number};
use super::palette::{activation_color, activation_name, dataset_name, method_name};
use super::plots::{Dot, DotRow, Dots, Line, LinePanel, Lines, Mark, accuracy_scale, decades};
use super::rq2::{polynomial, trained};
use super::views::{View, alike, fullest, one_a_seed};
use crate::axes::Scale;
use crate::format::{self, csv};
use crate::style::{MUTED, ORIGINAL, POLYNOMIAL};
use cryptodl_results::{RunRecord, median};

/// A line chart with the runs it shows and how to read it.
pub(super) struct Shown<'a> {
    pub drawing: Lines,
    pub note: String,
    pub runs: Vec<&'a RunRecord>,
}

/// Inputs outside the interval below this share are drawn on the axis.
const LEAST_OUTSIDE: f64 = 1e-5;

/// One function's figures by the value of an axis.
struct Series<'a> {
    function: String,
    /// Value, the polynomial's accuracy, the share of inputs outside.
    points: Vec<(usize, Estimate, Option<f64>)>,
    original: Vec<(usize, Estimate)>,
    runs: Vec<&'a RunRecord>,
}

/// The line charts that the views have data for.
pub(super) fn all<'a>(views: &[View<'a>], dataset: &str) -> Vec<Shown<'a>> {
    [degrees(views, dataset), depths(views, dataset)]
        .into_iter()
        .flatten()
        .collect()
}

fn degree(run: &RunRecord) -> usize {
    run.summary.activation.degree.unwrap_or(0)
}

fn depth(run: &RunRecord) -> usize {
    run.summary.network.depth
}

fn function(run: &RunRecord) -> String {
    run.summary.activation.function.clone()
}

/// The part that varies the degree.
fn degree_view<'v, 'a>(views: &'v [View<'a>]) -> Option<&'v View<'a>> {
    // Of the same function, and with nothing else that changes: methods and depths have their own charts.
    fullest(views, 1, |view| {
        let varied = view.varies(degree, |run| {
            (
                function(run),
                run.summary.activation.method.clone(),
                depth(run),
            )
        });
        if varied < 2 { 0 } else { view.done.len() }
    })
}

/// One series a function. Where the part changes more than `key`, only what is as the function's first run is shown.
fn series<'a>(view: &View<'a>, of: fn(&RunRecord) -> usize, key: &str) -> Vec<Series<'a>> {
    let mut all = Vec::new();
    for name in view.distinct(function) {
        let mut own: Vec<&RunRecord> = view
            .runs()
            .into_iter()
            .filter(|run| function(run) == name && polynomial(run).is_some())
            .collect();
        if let Some(first) = own.first().copied() {
            own.retain(|run| alike(first, run, |other| other.starts_with(key)));
        }
        let mut values: Vec<usize> = own.iter().map(|run| of(run)).collect();
        values.sort_unstable();
        values.dedup();
        let mut found = Series {
            function: name,
            points: Vec::new(),
            original: Vec::new(),
            runs: own.clone(),
        };
        for value in values {
            let here: Vec<&RunRecord> =
                own.iter().copied().filter(|run| of(run) == value).collect();
            let here = one_a_seed(&here);
            let accuracies: Vec<_> = here.iter().filter_map(|run| polynomial(run)).collect();
            let originals: Vec<_> = here
                .iter()
                .filter_map(|run| run.summary.accuracy.original)
                .collect();
            let outside: Vec<f64> = here.iter().filter_map(|run| run.outside).collect();
            if let Some(estimate) = Estimate::of(&accuracies) {
                found.points.push((value, estimate, median(&outside)));
            }
            if let Some(estimate) = Estimate::of(&originals) {
                found.original.push((value, estimate));
            }
        }
        if !found.points.is_empty() {
            all.push(found);
        }
    }
    all
}

fn accuracy_panel(all: &[Series<'_>], x_name: &str) -> LinePanel {
    let shares = all.iter().flat_map(|series| {
        let points = series
            .points
            .iter()
            .flat_map(|(_, estimate, _)| [estimate.low, estimate.high]);
        points.chain(series.original.iter().map(|(_, estimate)| estimate.value))
    });
    let (y, place) = accuracy_scale(shares);
    let values = || {
        all.iter()
            .flat_map(|series| &series.points)
            .map(|point| point.0)
    };
    let (first, last) = (values().min().unwrap_or(0), values().max().unwrap_or(1));
    let mut lines = Vec::new();
    for series in all {
        let color = activation_color(&series.function);
        let name = activation_name(&series.function);
        if !series.original.is_empty() {
            lines.push(Line {
                label: format!("{name} itself"),
                color,
                reference: true,
                values: false,
                marks: series
                    .original
                    .iter()
                    .map(|(value, estimate)| Mark {
                        x: *value as f64,
                        y: place(estimate.value),
                        interval: None,
                    })
                    .collect(),
            });
        }
        lines.push(Line {
            label: name.to_owned(),
            color,
            reference: false,
            values: false,
            marks: series
                .points
                .iter()
                .map(|(value, estimate, _)| Mark {
                    x: *value as f64,
                    y: place(estimate.value),
                    interval: Some((place(estimate.low), place(estimate.high))),
                })
                .collect(),
        });
    }
    LinePanel {
        y_name: "Test accuracy, %".to_owned(),
        x_name: x_name.to_owned(),
        x: whole_numbers(first, last),
        ticks: (first..=last)
            .map(|tick| (tick as f64, tick.to_string()))
            .collect(),
        y,
        lines,
    }
}

/// An axis of whole numbers with a little air at both ends.
fn whole_numbers(first: usize, last: usize) -> Scale {
    let air = if last > first { 0.2 } else { 0.5 };
    Scale::Linear(first as f64 - air, last as f64 + air)
}

fn outside_panel(all: &[Series<'_>], x_name: &str) -> Option<LinePanel> {
    let points = |series: &Series<'_>| -> Vec<(usize, f64)> {
        series
            .points
            .iter()
            .filter_map(|(value, _, outside)| {
                Some((*value, 100.0 * outside.as_ref()?.max(LEAST_OUTSIDE)))
            })
            .collect()
    };
    let shares: Vec<f64> = all
        .iter()
        .flat_map(|series| points(series).into_iter().map(|(_, share)| share))
        .collect();
    if shares.is_empty() {
        return None;
    }
    let like = accuracy_panel(all, x_name);
    Some(LinePanel {
        y_name: "Inputs outside the interval, %".to_owned(),
        y: decades(shares.into_iter()),
        lines: all
            .iter()
            .map(|series| Line {
                label: activation_name(&series.function).to_owned(),
                color: activation_color(&series.function),
                reference: false,
                values: false,
                marks: points(series)
                    .into_iter()
                    .map(|(value, share)| Mark {
                        x: value as f64,
                        y: share,
                        interval: None,
                    })
                    .collect(),
            })
            .collect(),
        ..like
    })
}

fn data(all: &[Series<'_>], axis: &str) -> String {
    let header = [
        "activation",
        axis,
        "accuracy",
        "low",
        "high",
        "seeds",
        "n",
        "original",
        "outside",
    ];
    let rows = all.iter().flat_map(|series| {
        series.points.iter().map(|(value, estimate, outside)| {
            let original = series.original.iter().find(|(known, _)| known == value);
            vec![
                series.function.clone(),
                value.to_string(),
                estimate.value.to_string(),
                estimate.low.to_string(),
                estimate.high.to_string(),
                estimate.seeds.to_string(),
                estimate.n.to_string(),
                number(original.map(|(_, estimate)| estimate.value)),
                number(*outside),
            ]
        })
    });
    csv(&header, rows)
}

/// What the bars of a chart are over.
fn bars(all: &[Series<'_>]) -> String {
    let estimates = || {
        all.iter()
            .flat_map(|series| series.points.iter().map(|point| &point.1))
    };
    let most = estimates()
        .map(|estimate| estimate.seeds)
        .max()
        .unwrap_or(1);
    let n = estimates().map(|estimate| estimate.n).max().unwrap_or(0);
    match most {
        1 => format!(
            "Bars: 95 % interval (Wilson), n = {}, one seed.",
            format::count(n)
        ),
        seeds => format!(
            "Bars: 95 % interval, over up to {seeds} seeds (Student's t) or, of one seed, over its n = {} images (Wilson).",
            format::count(n)
        ),
    }
}

fn degrees<'a>(views: &[View<'a>], dataset: &str) -> Option<Shown<'a>> {
    let view = degree_view(views)?;
    let all = series(view, degree, "activation.degree");
    let mut panels = vec![accuracy_panel(&all, "Degree")];
    panels.extend(outside_panel(&all, "Degree"));
    let runs = all
        .iter()
        .flat_map(|series| series.runs.iter().copied())
        .collect();
    Some(Shown {
        note: format!(
            "Study {}, part “{}”. {} A polynomial of an even or odd function may gain nothing from a degree: it is then the same one. At the right, the largest share of an activation's test inputs outside the polynomial's interval, where nothing was asked of it.",
            view.sweep.name,
            view.part,
            bars(&all)
        ),
        drawing: Lines {
            name: format!("rq2_degree_{dataset}"),
            title: format!("Accuracy against degree, {}", dataset_name(dataset)),
            subtitle: "Thin lines: the network with the activation itself. Each point is a network trained with the polynomial in its place.".to_owned(),
            height: 360.0,
            panels,
            data: data(&all, "degree"),
        },
        runs,
    })
}

fn depths<'a>(views: &[View<'a>], dataset: &str) -> Option<Shown<'a>> {
    let view = fullest(views, 1, |view| {
        let varied = view.varies(depth, |run| (function(run), degree(run)));
        if varied < 2 { 0 } else { view.done.len() }
    })?;
    let all = series(view, depth, "network.");
    let mut panels = vec![accuracy_panel(&all, "Convolution blocks")];
    panels.extend(outside_panel(&all, "Convolution blocks"));
    let runs = all
        .iter()
        .flat_map(|series| series.runs.iter().copied())
        .collect();
    Some(Shown {
        note: format!(
            "Study {}, part “{}”. {}",
            view.sweep.name,
            view.part,
            bars(&all)
        ),
        drawing: Lines {
            name: format!("rq2_depth_{dataset}"),
            title: format!("Accuracy against depth, {}", dataset_name(dataset)),
            subtitle: "Thin lines: the network with the activation itself.".to_owned(),
            height: 330.0,
            panels,
            data: data(&all, "depth"),
        },
        runs,
    })
}

/// Methods at one degree: as they are, and as a start for training.
pub(super) fn methods<'a>(
    views: &[View<'a>],
    dataset: &str,
) -> Option<(Dots, String, Vec<&'a RunRecord>)> {
    let method = |run: &RunRecord| run.summary.activation.method.clone();
    let view = fullest(views, 1, |view| {
        let varied = view.varies(method, |run| (function(run), degree(run)));
        if varied < 2 { 0 } else { view.done.len() }
    })?;
    let first = view.done.first()?.1;
    let (name, lowest) = (function(first), view.distinct(degree).into_iter().min()?);
    let runs: Vec<&RunRecord> = view
        .runs()
        .into_iter()
        .filter(|run| function(run) == name && degree(run) == lowest && polynomial(run).is_some())
        .collect();
    let of = |wanted: &str, fixed: bool| -> Vec<&'a RunRecord> {
        let here: Vec<&RunRecord> = runs
            .iter()
            .copied()
            .filter(|run| method(run) == wanted && (trained(run) == "no") == fixed)
            .collect();
        one_a_seed(&here)
    };
    let estimate = |runs: &[&RunRecord]| {
        let accuracies: Vec<_> = runs.iter().filter_map(|run| polynomial(run)).collect();
        Estimate::of(&accuracies)
    };
    let mut known: Vec<String> = Vec::new();
    for run in &runs {
        if !known.contains(&method(run)) {
            known.push(method(run));
        }
    }
    let baseline = runs.iter().find_map(|run| run.summary.accuracy.original);
    let estimates: Vec<[Option<Estimate>; 2]> = known
        .iter()
        .map(|one| [true, false].map(|fixed| estimate(&of(one, fixed))))
        .collect();
    let shares = estimates
        .iter()
        .flatten()
        .flatten()
        .flat_map(|estimate| [estimate.low, estimate.high])
        .chain(baseline.map(|baseline| baseline.value));
    let (x, place) = accuracy_scale(shares);
    let dot = |estimate: &Estimate| Dot {
        value: place(estimate.value),
        low: place(estimate.low),
        high: place(estimate.high),
    };
    let whole = baseline.map(|baseline| Dot {
        value: place(baseline.value),
        low: place(baseline.low),
        high: place(baseline.high),
    });
    let mut rows: Vec<DotRow> = known
        .iter()
        .zip(&estimates)
        .map(|(one, pair)| DotRow {
            label: method_name(one),
            detail: String::new(),
            note: [true, false]
                .map(|fixed| {
                    let outside: Vec<f64> = of(one, fixed)
                        .iter()
                        .filter_map(|run| run.outside)
                        .collect();
                    median(&outside).map_or("–".to_owned(), format::percent)
                })
                .join(", "),
            dots: vec![pair[0].as_ref().map(dot), pair[1].as_ref().map(dot), None],
            published: None,
        })
        .collect();
    if whole.is_some() {
        rows.push(DotRow {
            label: format!("{} itself", activation_name(&name)),
            detail: String::new(),
            note: String::new(),
            dots: vec![None, None, whole],
            published: None,
        });
    }
    let series = vec![
        ("the polynomial as it is".to_owned(), MUTED),
        ("trained on from there".to_owned(), POLYNOMIAL),
        ("the activation itself".to_owned(), ORIGINAL),
    ];
    let data = csv(
        &["method", "trained", "accuracy", "low", "high", "seeds", "n"],
        known.iter().zip(&estimates).flat_map(|(one, pair)| {
            pair.iter()
                .zip(["no", "yes"])
                .filter_map(move |(estimate, trained)| {
                    let estimate = estimate.as_ref()?;
                    Some(vec![
                        one.clone(),
                        trained.to_owned(),
                        estimate.value.to_string(),
                        estimate.low.to_string(),
                        estimate.high.to_string(),
                        estimate.seeds.to_string(),
                        estimate.n.to_string(),
                    ])
                })
        }),
    );
    let n = estimates
        .iter()
        .flatten()
        .flatten()
        .map(|one| one.n)
        .max()?;
    let dots = Dots {
        name: format!("rq2_method_{dataset}"),
        title: format!(
            "Ways to a polynomial of degree {lowest} for {}, {}",
            activation_name(&name),
            dataset_name(dataset)
        ),
        subtitle: "Each dot is a network trained with that polynomial in place of the activation."
            .to_owned(),
        x_name: "Test accuracy, %".to_owned(),
        x,
        series,
        notes: "Inputs outside (as it is, trained on)".to_owned(),
        rows,
        data,
    };
    let note = format!(
        "Study {}, part “{}”. Bars: 95 % interval (Wilson), n = {}.",
        view.sweep.name,
        view.part,
        format::count(n)
    );
    Some((dots, note, runs))
}

/// One end of a line: the degree, and the accuracy there.
type End = (usize, Estimate);

/// The lowest and the highest degree of the leading function, with their accuracies.
pub(super) fn ends_of_degrees(views: &[View<'_>]) -> Option<(String, End, End)> {
    let all = series(degree_view(views)?, degree, "activation.degree");
    let leading = all
        .iter()
        .filter(|series| series.points.len() > 1)
        .find(|series| series.function == "relu")
        .or(all.iter().find(|series| series.points.len() > 1))?;
    let end = |point: &(usize, Estimate, Option<f64>)| (point.0, point.1);
    Some((
        leading.function.clone(),
        leading.points.first().map(end)?,
        leading.points.last().map(end)?,
    ))
}
