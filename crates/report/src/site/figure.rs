//! A figure with its interval and what the interval is over, and where it comes from.

use crate::format;
use cryptodl_results::{Accuracy, RunRecord, mean_interval};

/// A share of images, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Networks that differ in their seed alone.
    pub seeds: usize,
    /// Images of one of them.
    pub n: u64,
}

impl Estimate {
    /// Of one network: Wilson, over its images. Of several: Student's t, over their seeds. None of none.
    pub fn of(accuracies: &[Accuracy]) -> Option<Self> {
        let first = accuracies.first()?;
        let values: Vec<f64> = accuracies.iter().map(|accuracy| accuracy.value).collect();
        Some(match mean_interval(&values) {
            None => Self {
                value: first.value,
                low: first.low,
                high: first.high,
                seeds: 1,
                n: first.n,
            },
            Some((mean, half)) => Self {
                value: mean,
                low: (mean - half).max(0.0),
                high: (mean + half).min(1.0),
                seeds: values.len(),
                n: accuracies.iter().map(|one| one.n).min().unwrap_or(first.n),
            },
        })
    }

    /// `99.35 %`.
    pub fn percent(&self) -> String {
        format::percent(self.value)
    }

    /// `[99.17, 99.49]`.
    pub fn interval(&self) -> String {
        format!(
            "[{}, {}]",
            format::decimals(self.low * 100.0, 2),
            format::decimals(self.high * 100.0, 2)
        )
    }

    /// What the interval is over: `n = 10,000` or `3 seeds, n = 10,000 each`.
    pub fn over(&self) -> String {
        match self.seeds {
            1 => format!("n = {}", format::count(self.n)),
            seeds => format!("{seeds} seeds, n = {} each", format::count(self.n)),
        }
    }

    /// The whole: `99.35 % (95 % interval [99.17, 99.49], n = 10,000)`.
    pub fn full(&self) -> String {
        format!(
            "{} (95 % interval {}, {})",
            self.percent(),
            self.interval(),
            self.over()
        )
    }
}

/// Where figures come from: specs, machine, commit, in one line.
pub(super) fn sources(runs: &[&RunRecord]) -> String {
    let specs = listed(runs.iter().map(|run| run.summary.name.clone()), 3);
    let machines = listed(runs.iter().map(|run| machine(run)), 2);
    let commits = listed(runs.iter().map(|run| commit(run)), 3);
    format!("Spec: {specs}. Machine: {machines}. Commit: {commits}.")
}

/// The machine, without its instruction sets.
pub(super) fn machine(run: &RunRecord) -> String {
    let text = run.manifest.machine.describe();
    text.split_once(" (")
        .map_or(text.clone(), |(machine, _)| machine.to_owned())
}

/// The commit, short.
pub(super) fn commit(run: &RunRecord) -> String {
    let program = &run.manifest.program;
    let Some(commit) = &program.git_commit else {
        return format!("unknown (version {})", program.version);
    };
    let short: String = commit.chars().take(8).collect();
    match program.git_dirty {
        Some(true) => format!("{short} with changes"),
        _ => short,
    }
}

/// The first few different texts, and how many more there are.
fn listed(texts: impl Iterator<Item = String>, room: usize) -> String {
    let mut different: Vec<String> = Vec::new();
    for text in texts {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    let more = different.len().saturating_sub(room);
    let shown = different
        .get(..room.min(different.len()))
        .unwrap_or_default()
        .join("; ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A number in CSV; nothing for none.
pub(super) fn number(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_wilsons_interval_and_several_have_students() {
        let one = Estimate::of(&[Accuracy::wilson(9_921, 10_000)]).unwrap();
        assert_eq!(
            one.full(),
            "99.21 % (95 % interval [99.02, 99.37], n = 10,000)"
        );
        let two = Estimate::of(&[
            Accuracy::wilson(9_900, 10_000),
            Accuracy::wilson(9_910, 10_000),
        ])
        .unwrap();
        assert_eq!((two.seeds, two.n), (2, 10_000));
        // Deviations of 0.0005, standard error 0.0005, t(1) = 12.706.
        assert!((two.high - two.value - 12.706 * 0.0005).abs() < 1e-9);
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let names = ["a", "b", "a", "c"].map(str::to_owned);
        assert_eq!(listed(names.into_iter(), 2), "a; b and 1 more");
    }
}
