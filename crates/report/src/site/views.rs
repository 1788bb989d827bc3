//! Parts of sweeps as a study looks at them: the points of one part, and the networks that differ in their seed alone.

use super::input::{PointRecord, PointStanding, Site, SweepRecord};
use cryptodl_results::RunRecord;

/// The points of one part of a sweep on one data set.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub sweep: &'a SweepRecord,
    /// Empty where the study has no parts.
    pub part: String,
    pub dataset: String,
    /// What ran to its end.
    pub done: Vec<(&'a PointRecord, &'a RunRecord)>,
    /// What did not.
    pub open: Vec<&'a PointRecord>,
}

/// Every part of every sweep, a data set apart.
pub(super) fn views(site: &Site) -> Vec<View<'_>> {
    let mut views = Vec::new();
    for sweep in &site.sweeps {
        let mut parts: Vec<&str> = Vec::new();
        for point in &sweep.points {
            for part in &point.parts {
                if !parts.contains(&part.as_str()) {
                    parts.push(part);
                }
            }
        }
        if parts.is_empty() {
            parts.push("");
        }
        for part in parts {
            let points: Vec<&PointRecord> = sweep
                .points
                .iter()
                .filter(|point| part.is_empty() || point.parts.iter().any(|own| own == part))
                .collect();
            views.extend(by_dataset(site, sweep, part, &points));
        }
    }
    views
}

fn by_dataset<'a>(
    site: &'a Site,
    sweep: &'a SweepRecord,
    part: &str,
    points: &[&'a PointRecord],
) -> Vec<View<'a>> {
    let mut views: Vec<View<'a>> = Vec::new();
    for point in points {
        let Some(run) = site.run(point) else { continue };
        let dataset = &run.summary.dataset;
        match views.iter_mut().find(|view| view.dataset == *dataset) {
            Some(view) => view.done.push((point, run)),
            None => views.push(View {
                sweep,
                part: part.to_owned(),
                dataset: dataset.clone(),
                done: vec![(point, run)],
                open: Vec::new(),
            }),
        }
    }
    // A point without a run names its data set only where that is an axis; else it is the others'.
    let only = views.len() == 1;
    for point in points {
        if matches!(point.state, PointStanding::Done(_)) {
            continue;
        }
        let named = point.values.get("dataset.name");
        for view in &mut views {
            if named.map_or(only, |name| *name == view.dataset) {
                view.open.push(point);
            }
        }
    }
    views
}

impl<'a> View<'a> {
    /// The runs.
    pub fn runs(&self) -> Vec<&'a RunRecord> {
        self.done.iter().map(|(_, run)| *run).collect()
    }

    /// The different values of something, in order.
    pub fn distinct<T: PartialEq>(&self, of: impl Fn(&'a RunRecord) -> T) -> Vec<T> {
        let mut found = Vec::new();
        for (_, run) in &self.done {
            let value = of(run);
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
    }

    /// The most values of `of` among points that are equal in `fixed`: whether the part varies it.
    pub fn varies<T: PartialEq, F: PartialEq>(
        &self,
        of: impl Fn(&'a RunRecord) -> T,
        fixed: impl Fn(&'a RunRecord) -> F,
    ) -> usize {
        self.distinct(&fixed)
            .into_iter()
            .map(|value| {
                let mut found: Vec<T> = Vec::new();
                for (_, run) in self.done.iter().filter(|(_, run)| fixed(run) == value) {
                    let one = of(run);
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
                found.len()
            })
            .max()
            .unwrap_or(0)
    }
}

/// The view that shows most of what `count` counts, of those with at least `least`.
pub(super) fn fullest<'v, 'a>(
    views: &'v [View<'a>],
    least: usize,
    count: impl Fn(&View<'a>) -> usize,
) -> Option<&'v View<'a>> {
    views
        .iter()
        .map(|view| (count(view), view))
        .filter(|(found, _)| *found >= least)
        // The first of equals: max_by_key gives the last.
        .rev()
        .max_by_key(|(found, _)| *found)
        .map(|(_, view)| view)
}

/// Keys that do not make another network: its name, its seed, and what is written about it.
fn is_repetition(key: &str) -> bool {
    key == "name" || key == "seed" || key.starts_with("output.")
}

/// Keys of a spec with their values.
type Conditions = Vec<(String, String)>;

/// Whether two runs are alike in everything but their seed and the keys that `free` names.
pub(super) fn alike(a: &RunRecord, b: &RunRecord, free: impl Fn(&str) -> bool) -> bool {
    let kept = |run: &RunRecord| -> Conditions {
        run.spec
            .iter()
            .filter(|(key, _)| !is_repetition(key) && !free(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    kept(a) == kept(b)
}

/// Runs that differ in their seed alone, in the order of the first of each. `also` names further keys that do not count.
pub(super) fn twins<'a>(
    runs: impl IntoIterator<Item = &'a RunRecord>,
    also: impl Fn(&str) -> bool,
) -> Vec<Vec<&'a RunRecord>> {
    let kept = |run: &RunRecord| -> Conditions {
        run.spec
            .iter()
            .filter(|(key, _)| !is_repetition(key) && !also(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut groups: Vec<(Conditions, Vec<&RunRecord>)> = Vec::new();
    for run in runs {
        let conditions = kept(run);
        match groups.iter_mut().find(|(known, _)| *known == conditions) {
            Some((_, group)) => group.push(run),
            None => groups.push((conditions, vec![run])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What tells trained networks apart: the key of the stage that trained them.
pub(super) fn trained_network(run: &RunRecord) -> String {
    let named = |name: &str| run.manifest.stages.iter().find(|stage| stage.name == name);
    // Of an exact activation there is the network itself alone.
    let stage = named("train").or_else(|| named("original"));
    stage.map_or_else(|| run.folder_name(), |stage| stage.key.clone())
}

/// The seed of a run.
pub(super) fn seed(run: &RunRecord) -> &str {
    run.spec.get("seed").map_or("", String::as_str)
}

/// One run a seed, the first.
pub(super) fn one_a_seed<'a>(group: &[&'a RunRecord]) -> Vec<&'a RunRecord> {
    let mut kept: Vec<&RunRecord> = Vec::new();
    for run in group {
        if !kept.iter().any(|other| seed(other) == seed(run)) {
            kept.push(run);
        }
    }
    kept
}

/// `ReLU, degree 2`, or `exact ReLU` where a look-up holds the function itself.
pub(super) fn activation(run: &RunRecord) -> String {
    let activation = &run.summary.activation;
    let name = super::palette::activation_name(&activation.function);
    match activation.degree {
        Some(degree) => format!("{name}, degree {degree}"),
        None => format!("exact {name}"),
    }
}

/// A network as the label of a row: `ReLU, degree 2, 2 conv.`.
pub(super) fn short_network(run: &RunRecord) -> String {
    let summary = &run.summary;
    let depth = match summary.network.depth {
        0 => "dense".to_owned(),
        depth => format!("{depth} conv."),
    };
    format!("{}, {depth}", activation(run))
}

/// A network in a few words: `ReLU, degree 2, 2 convolutions, 47 k weights`.
pub(super) fn network(run: &RunRecord) -> String {
    let summary = &run.summary;
    let depth = match summary.network.depth {
        0 => "no convolution".to_owned(),
        1 => "1 convolution".to_owned(),
        depth => format!("{depth} convolutions"),
    };
    format!(
        "{}, {depth}, {} weights",
        activation(run),
        crate::format::short(summary.network.parameters as f64)
    )
}
