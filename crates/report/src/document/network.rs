//! The network, its activations, and how it was trained.

use super::{Block, Section, Table};
use crate::{RunReport, format};
use cryptodl_results::{TailSummary, Tails};

/// Facts, training curves, and what the activations were given.
pub(super) fn section(report: &RunReport) -> Option<Section> {
    let (network, activation) = (&report.summary.network, &report.summary.activation);
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("Convolution blocks", network.depth.to_string()),
        fact("Trained numbers", format::count(network.parameters as u64)),
        fact(
            "Multiply-accumulates of one image",
            format::count(network.macs),
        ),
        fact(
            "Activations of one image",
            format::count(network.activations),
        ),
        fact(
            "Activation",
            match activation.degree {
                Some(degree) => format!(
                    "{} by degree {} ({}) on [{}, {}]",
                    activation.function,
                    degree,
                    activation.method,
                    format::plain(activation.interval[0]),
                    format::plain(activation.interval[1])
                ),
                None => format!("{} itself", activation.function),
            },
        ),
    ];
    if !activation.coefficients.is_empty() {
        facts.push(fact(
            "Polynomial at the start",
            format::polynomial(&activation.coefficients),
        ));
    }
    let mut blocks = vec![Block::Facts(facts)];
    blocks.push(Block::Chart(
        "training".into(),
        "Validation accuracy is that of the averaged weights where averaging is on.".to_owned(),
    ));
    blocks.push(Block::Chart("activation".into(),
        "A polynomial is only as good as its fit where the inputs are: compare the curves over the grey area.".to_owned(),
    ));
    if !report.activations.is_empty() {
        blocks.push(Block::Table(inputs(report)));
    }
    if let Some(tails) = &report.summary.tails {
        blocks.push(Block::Table(tail_table(tails)));
        blocks.push(Block::Text(past_bound(tails)));
    }
    Some(Section {
        title: "Network and training".to_owned(),
        blocks,
    })
}

/// How far single images go, on held-out and on test images.
fn tail_table(tails: &TailSummary) -> Table {
    let mut table = Table::new(
        "Largest |value| of each image: of half of the images, of 999 in 1,000, and of all.",
        &["Where", "Images", "#50 %", "#99.9 %", "#Largest"],
    );
    let held_out = tails.held_out.as_ref().map(|tails| ("held out", tails));
    for (which, tails) in held_out.into_iter().chain([("test", &tails.test)]) {
        for layer in &tails.layers {
            table.rows.push(vec![
                layer.name.clone(),
                which.to_owned(),
                format::decimals(layer.median, 2),
                format::decimals(layer.p999, 2),
                format::decimals(layer.max, 2),
            ]);
        }
    }
    table
}

/// How many images passed what was planned for.
fn past_bound(tails: &TailSummary) -> String {
    let of = |tails: &Tails| {
        format!(
            "{} of {}",
            format::count(tails.past_bound),
            format::count(tails.images)
        )
    };
    let held_out = tails
        .held_out
        .as_ref()
        .map(|tails| format!(" ({} held-out images)", of(tails)))
        .unwrap_or_default();
    format!(
        "The circuit is planned for one and a half times the range that training images showed, which is a heuristic and no bound: {} test images{held_out} passed it somewhere.",
        of(&tails.test)
    )
}

fn inputs(report: &RunReport) -> Table {
    let mut table = Table::new(
        "Inputs of the activations on the test images.",
        &[
            "Layer",
            "#Smallest",
            "#Largest",
            "#Mean",
            "#Deviation",
            "#Outside the interval",
            "Mean polynomial after training",
        ],
    );
    for layer in &report.activations {
        let measured = &layer.measured;
        table.rows.push(vec![
            layer.name.clone(),
            format::decimals(measured.min, 2),
            format::decimals(measured.max, 2),
            format::decimals(measured.mean, 2),
            format::decimals(measured.std, 2),
            format::percent(measured.outside),
            format::polynomial(&layer.mean_polynomial()),
        ]);
    }
    table
}
