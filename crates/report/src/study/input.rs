//! What the page of a study of approximations is told.

use polyapprox::{Approximation, Function, Interval, Method};
use serde::{Deserialize, Serialize};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct ApproximationReport {
    /// The study's question.
    pub title: String,
    /// One row a function, method, interval and degree.
    pub rows: Vec<ApproximationRow>,
    /// The interval that charts show.
    pub interval: Interval,
    /// The measured inputs, where the study has some.
    pub inputs: Option<Inputs>,
    /// Names and values that say where the figures come from.
    pub provenance: Vec<(String, String)>,
    /// The study, as it was read.
    pub spec_toml: String,
}

/// One polynomial and its errors.
#[derive(Clone, Debug)]
pub struct ApproximationRow {
    /// What it stands for.
    pub function: Function,
    /// How it was found.
    pub method: Method,
    /// Where.
    pub interval: Interval,
    /// The degree asked for.
    pub degree: usize,
    /// The polynomial, or why there is none.
    pub found: Result<Approximation, String>,
    /// Root mean square over the measured inputs within the interval.
    pub inputs_inside: Option<f64>,
    /// The same over all measured inputs, those outside the interval, too.
    pub inputs_all: Option<f64>,
}

/// The measured inputs of an activation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inputs {
    /// The layer.
    pub layer: String,
    /// What was measured.
    pub from: String,
    /// The command that measured it.
    pub command: String,
    /// Lower end of the histogram.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Inputs in each of its equal bins.
    pub counts: Vec<u64>,
    /// Share of the inputs within the charts' interval.
    pub inside: f64,
}

impl ApproximationReport {
    /// The functions, in the order of the rows.
    pub(crate) fn functions(&self) -> Vec<Function> {
        distinct(self.rows.iter().map(|row| row.function))
    }

    /// The methods, in the order of the rows.
    pub(super) fn methods(&self) -> Vec<Method> {
        distinct(self.rows.iter().map(|row| row.method))
    }

    /// The degrees, ascending.
    pub(crate) fn degrees(&self) -> Vec<usize> {
        let mut degrees = distinct(self.rows.iter().map(|row| row.degree));
        degrees.sort_unstable();
        degrees
    }

    /// The row of the charts' interval.
    pub(super) fn row(
        &self,
        function: Function,
        method: Method,
        degree: usize,
    ) -> Option<&ApproximationRow> {
        self.rows.iter().find(|row| {
            row.interval == self.interval
                && (row.function, row.method, row.degree) == (function, method, degree)
        })
    }

    /// The polynomial of the charts' interval.
    pub(super) fn found(
        &self,
        function: Function,
        method: Method,
        degree: usize,
    ) -> Option<&Approximation> {
        self.row(function, method, degree)?.found.as_ref().ok()
    }

    /// Up to `count` of the degrees that change something: of an odd function (or one that is odd but for a constant) the odd ones,
    /// of ReLU and its kin the even ones.
    pub(super) fn telling_degrees(&self, function: Function, count: usize) -> Vec<usize> {
        let odd = matches!(function, Function::Sigmoid | Function::Tanh);
        let all = self.degrees();
        let wanted = if odd { [3, 5, 9] } else { [2, 4, 8] };
        let chosen: Vec<usize> = wanted
            .into_iter()
            .filter(|degree| all.contains(degree))
            .collect();
        let from = if chosen.is_empty() { all } else { chosen };
        from.into_iter().take(count).collect()
    }
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}
