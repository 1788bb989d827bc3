//! The same network by each way of encryption: what a polynomial costs beside the function itself, and what batches buy.

use super::palette::dataset_name;
use super::rq4::{System, threads};
use super::views::activation;
use crate::document::{Block, NONE, Table};
use crate::format;
use cryptodl_results::{Accuracy, RunRecord};

/// The layers of a network, whatever its activations and weights are.
fn layers(run: &RunRecord) -> Option<&str> {
    run.spec.get("network.layers").map(String::as_str)
}

/// A table for every network that more than one backend answered for, and a sentence on what they have in common.
pub(super) fn tables(systems: &[&System<'_>], dataset: &str) -> Vec<Block> {
    let mut found: Vec<(&str, Vec<&System<'_>>)> = Vec::new();
    for system in systems {
        let Some(layers) = system.runs.first().copied().and_then(layers) else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| *known == layers) {
            Some((_, group)) => group.push(system),
            None => found.push((layers, vec![system])),
        }
    }
    found
        .into_iter()
        .map(|(_, group)| group)
        .filter(|group| {
            let first = group.first().map_or("", |system| system.backend());
            group.iter().any(|system| system.backend() != first)
        })
        .map(|group| table(&group, dataset))
        .collect()
}

/// Each backend by its own name, with what tells its functions apart.
fn table(group: &[&System<'_>], dataset: &str) -> Block {
    let mut table = Table::new(
        format!(
            "One network on {}, each way of encryption: {}. Batched ciphertexts need polynomials and answer many images at once; bootstrapped \
             look-ups take any function and one image at a time. {}",
            dataset_name(dataset),
            group
                .first()
                .and_then(|system| system.runs.first())
                .map_or_else(String::new, |run| size(run)),
            apart(group)
        ),
        &[
            "Spec",
            "Activation",
            "Backend",
            "#In f32",
            "#As integers",
            "#Encrypted",
            "#Encrypted images",
            "#Same as f32",
            "#Latency of one image",
            "#Predictions an hour",
            "#Look-ups an image",
            "#Evaluation keys",
            "#Upload an image",
        ],
    );
    let shown = |value: Option<Accuracy>| {
        value.map_or(NONE.to_owned(), |value| format::percent(value.value))
    };
    for system in group {
        let Some(run) = system.runs.first() else {
            continue;
        };
        let accuracy = &run.summary.accuracy;
        let encryption = run.encrypted();
        let bytes = |value: Option<f64>| value.map_or(NONE.to_owned(), format::bytes);
        table.rows.push(vec![
            system.name().to_owned(),
            activation(run),
            format!("{}, {}", system.backend(), threads(system.threads())),
            shown(accuracy.polynomial.or(accuracy.original)),
            shown(accuracy.circuit),
            shown(accuracy.encrypted),
            accuracy
                .encrypted
                .map_or(NONE.to_owned(), |value| format::count(value.n)),
            run.summary
                .agreement
                .encrypted_vs_polynomial
                .map_or(NONE.to_owned(), |agreement| format::agreement(&agreement)),
            system.latency.map_or(NONE.to_owned(), format::seconds),
            format::count(system.per_hour.round() as u64),
            encryption
                .and_then(|one| one.bootstraps_per_image)
                .map_or(NONE.to_owned(), format::count),
            bytes(encryption.and_then(|one| Some(one.evaluation_key_bytes? as f64))),
            bytes(encryption.and_then(|one| one.input_bytes_per_image)),
        ]);
    }
    Block::Table(table)
}

fn size(run: &RunRecord) -> String {
    let network = &run.summary.network;
    format!(
        "{} weights, {} activations",
        format::short(network.parameters as f64),
        format::count(network.activations)
    )
}

/// The widest gaps between the backends.
fn apart(group: &[&System<'_>]) -> String {
    let fastest = group
        .iter()
        .max_by(|a, b| a.per_hour.total_cmp(&b.per_hour));
    let others = |system: &System<'_>| {
        group
            .iter()
            .copied()
            .filter(|other| other.backend() != system.backend())
            .max_by(|a, b| a.per_hour.total_cmp(&b.per_hour))
    };
    let Some((fastest, other)) = fastest.and_then(|one| Some((*one, others(one)?))) else {
        return String::new();
    };
    let mut words = format!(
        "{} answers {} times as many an hour as {}",
        fastest.name(),
        format::significant(fastest.per_hour / other.per_hour),
        other.name()
    );
    if let Some((a, b)) = fastest.latency.zip(other.latency) {
        words.push_str(&format!(
            "; one image alone takes {} and {}",
            format::seconds(a),
            format::seconds(b)
        ));
    }
    words.push('.');
    words
}
