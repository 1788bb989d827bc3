//! The network, its activations, and how it was trained.

use cryptodl_results::Tails;

use super::super::RunReport;
use super::activation;
use crate::format::{self, count, decimals, percent};
use crate::names;
use crate::page::{Block, Section, Table, fact};

/// The network, its activations, and how it was trained.
pub(super) fn network(report: &RunReport) -> Option<Section> {
    let (network, activation_summary) = (&report.summary.network, &report.summary.activation);
    let [low, high] = activation_summary.interval;
    let mut facts = vec![
        fact("Convolution blocks", network.depth.to_string()),
        fact("Trained numbers", count(network.parameters as u64)),
        fact("Multiply-accumulates of one image", count(network.macs)),
        fact("Activations of one image", count(network.activations)),
        fact(
            "Activation",
            format!(
                "{}, method {}, on [{}, {}]",
                activation(report),
                names::method(&activation_summary.method).0,
                format::plain(low),
                format::plain(high)
            ),
        ),
    ];
    if !activation_summary.coefficients.is_empty() {
        facts.push(fact(
            "Polynomial at the start",
            format::polynomial(&activation_summary.coefficients),
        ));
    }
    let mut inputs = Table::new(
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
        let measured = &layer.inputs;
        let numbers = [
            measured.ends.0,
            measured.ends.1,
            measured.mean,
            measured.deviation,
        ]
        .map(|value| decimals(value, 2));
        let rest = [
            percent(measured.outside),
            format::polynomial(&layer.mean_polynomial()),
        ];
        inputs.push([layer.name.clone()].into_iter().chain(numbers).chain(rest));
    }
    let mut tails = Table::new(
        "Largest |value| of each image: of half of the images, of 999 in 1,000, and of all.",
        &["Where", "Images", "#50 %", "#99.9 %", "#Largest"],
    );
    let mut past = Vec::new();
    if let Some(summary) = &report.summary.tails {
        let held_out = summary.held_out.as_ref().map(|tails| ("held out", tails));
        for (which, of) in held_out.into_iter().chain([("test", &summary.test)]) {
            for layer in &of.layers {
                tails.push(
                    [layer.name.clone(), which.to_owned()].into_iter().chain(
                        [layer.median, layer.p999, layer.max].map(|value| decimals(value, 2)),
                    ),
                );
            }
            past.push(past_bound(which, of));
        }
    }
    let mut blocks = vec![
        Block::Facts(facts),
        Block::Chart("training".to_owned(), "Validation accuracy is that of the averaged weights where averaging is on.".to_owned()),
        Block::Chart("activation".to_owned(), "A polynomial is only as good as its fit where the inputs are: compare the curves over the grey area.".to_owned()),
    ];
    blocks.extend(inputs.block());
    blocks.extend(tails.block());
    if !past.is_empty() {
        let text = "The circuit is planned for one and a half times the range that training images showed, which is a heuristic and no bound: it was passed somewhere by ";
        blocks.push(Block::Text(format!("{text}{}.", past.join(" and "))));
    }
    Some(Section {
        title: "Network and training".to_owned(),
        blocks,
    })
}

fn past_bound(which: &str, tails: &Tails) -> String {
    format!(
        "{} of {} {which} images",
        count(tails.past_bound),
        count(tails.images)
    )
}
