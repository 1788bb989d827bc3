//! The network, its activations, and how it was trained.

use super::{Block, Section, Table};
use crate::{RunReport, format};

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
    Some(Section {
        title: "Network and training".to_owned(),
        blocks,
    })
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
