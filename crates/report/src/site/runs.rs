//! The runs that every figure rests on, and what could not be read.

use super::figure::{commit, machine};
use super::input::{PointStanding, Site};
use super::palette::dataset_name;
use crate::document::{Block, NONE, Section, Table};
use crate::format;

/// What the report is made from, in one sentence.
pub(super) fn headline(site: &Site) -> String {
    let encrypted = site
        .runs
        .iter()
        .filter(|run| run.record.encrypted().is_some())
        .count();
    let polynomials: usize = site
        .approximations
        .iter()
        .map(|report| report.rows.len())
        .sum();
    let mut parts = Vec::new();
    if polynomials > 0 {
        parts.push(format!("{} polynomials", format::count(polynomials as u64)));
    }
    if !site.runs.is_empty() {
        parts.push(format!(
            "{} runs, {encrypted} of them on real ciphertexts",
            site.runs.len()
        ));
    }
    match parts.is_empty() {
        true => "No results were found.".to_owned(),
        false => format!(
            "Made from stored results alone: {}. Beside each figure stands what it rests on: n, a 95 % interval, machine, commit and spec.",
            parts.join(" and ")
        ),
    }
}

/// Notes, sweeps and runs.
pub(super) fn section(site: &Site) -> Section {
    let mut blocks = Vec::new();
    if !site.notes.is_empty() {
        blocks.push(Block::Heading("What is not in this report".to_owned()));
        blocks.extend(site.notes.iter().cloned().map(Block::Text));
    }
    if !site.sweeps.is_empty() {
        blocks.push(Block::Table(sweeps(site)));
    }
    if site.runs.is_empty() {
        blocks.push(Block::Text("No run was found.".to_owned()));
    } else {
        blocks.push(Block::Table(runs(site)));
    }
    Section {
        title: "Where the figures come from".to_owned(),
        blocks,
    }
}

fn sweeps(site: &Site) -> Table {
    let mut table = Table::new(
        "Studies over runs.",
        &[
            "Study", "Question", "#Points", "#Done", "#Failed", "#Not run", "Folder",
        ],
    );
    for sweep in &site.sweeps {
        let count = |wanted: fn(&PointStanding) -> bool| {
            let found = sweep.points.iter().filter(|point| wanted(&point.state));
            found.count().to_string()
        };
        table.rows.push(vec![
            sweep.name.clone(),
            sweep.title.clone(),
            sweep.points.len().to_string(),
            count(|state| matches!(state, PointStanding::Done(_))),
            count(|state| matches!(state, PointStanding::Failed(_))),
            count(|state| matches!(state, PointStanding::Missing | PointStanding::Lost(_))),
            sweep.place.clone(),
        ]);
    }
    table
}

fn runs(site: &Site) -> Table {
    let mut table = Table::new(
        "Every run: its folder holds the whole spec (`spec.toml`), the manifest and the raw tables.",
        &[
            "Spec",
            "Data",
            "#Seed",
            "Backend",
            "#Encrypted images",
            "Machine",
            "Commit",
            "Day",
            "Folder",
        ],
    );
    for run in &site.runs {
        let record = &run.record;
        let encrypted = record.summary.accuracy.encrypted;
        table.rows.push(vec![
            record.summary.name.clone(),
            dataset_name(&record.summary.dataset).to_owned(),
            super::views::seed(record).to_owned(),
            record
                .encrypted()
                .map_or("clear".to_owned(), |encryption| encryption.backend.clone()),
            encrypted.map_or(NONE.to_owned(), |accuracy| format::count(accuracy.n)),
            machine(record),
            commit(record),
            record.manifest.started.get(..10).unwrap_or(NONE).to_owned(),
            run.place.clone(),
        ]);
    }
    table
}
