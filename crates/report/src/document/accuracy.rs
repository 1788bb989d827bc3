//! Where accuracy went, step by step on the same images.

use super::{Block, NONE, Section, Table};
use crate::format;
use crate::input::{RunReport, evaluation_words};
use cryptodl_results::agreement::{STEPS, accuracy_steps, compared_images};
use cryptodl_results::{Accuracy, Summary};

/// The result in one sentence.
pub(super) fn headline(report: &RunReport) -> String {
    let summary = &report.summary;
    let with_interval = |accuracy: &Accuracy| {
        format!(
            "{} (95 % interval {} %)",
            format::accuracy(accuracy),
            format::interval(accuracy)
        )
    };
    let Some(encrypted) = &summary.accuracy.encrypted else {
        let judged = RunReport::judged(&report.predictions);
        let made = judged.and_then(|name| Some((name, accuracy_of(summary, name)?)));
        return match made {
            Some((name, accuracy)) => format!(
                "Without encryption, {} classifies {} of {} {} test images correctly.",
                evaluation_words(name),
                with_interval(&accuracy),
                format::count(accuracy.n),
                summary.dataset
            ),
            None => "No evaluation was made.".to_owned(),
        };
    };
    let mut sentence = format!(
        "On ciphertexts, the network classifies {} of {} {} test images correctly",
        with_interval(encrypted),
        format::count(encrypted.n),
        summary.dataset
    );
    if let Some(agreement) = summary.agreement.encrypted_vs_polynomial {
        let share = if agreement.value >= 1.0 {
            "all".to_owned()
        } else {
            format::percent(agreement.value)
        };
        sentence.push_str(&format!(
            " and agrees with its own f32 version on {share} of them"
        ));
    }
    if let Some(rate) = summary.timing.predictions_per_hour {
        sentence.push_str(&format!(
            ", at {} predictions an hour on {}",
            format::short(rate.round()),
            super::encryption::threads(summary.timing.threads)
        ));
    }
    sentence.push('.');
    sentence
}

/// The five-row table.
pub(super) fn section(report: &RunReport) -> Option<Section> {
    let images = compared_images(&report.predictions);
    let encrypted = report.predictions.predicted("encrypted").is_some();
    let which = if encrypted {
        "the same encrypted images"
    } else {
        "the same test images; nothing was encrypted"
    };
    let mut steps = Table::new(
        format!(
            "Five evaluations of {which}, n = {}. Intervals: Wilson, 95 %.",
            format::count(images as u64)
        ),
        &[
            "Evaluation",
            "#Correct",
            "#Accuracy",
            "#95 % interval",
            "Agreement with the row above",
        ],
    );
    for step in accuracy_steps(&report.predictions) {
        let agreement = step
            .agreement
            .as_ref()
            .map(|(_, agreement)| format::agreement(agreement));
        let cells = match &step.accuracy {
            Some(accuracy) => vec![
                format!(
                    "{} of {}",
                    format::count(accuracy.correct),
                    format::count(accuracy.n)
                ),
                format::accuracy(accuracy),
                format!("{} %", format::interval(accuracy)),
                agreement.unwrap_or_else(|| NONE.to_owned()),
            ],
            None => vec![
                NONE.to_owned(),
                "not made".to_owned(),
                NONE.to_owned(),
                NONE.to_owned(),
            ],
        };
        steps.rows.push(
            std::iter::once(step.title.to_owned())
                .chain(cells)
                .collect(),
        );
    }
    let mut blocks = vec![
        Block::Text(
            "Each row changes one thing: the activation becomes a polynomial, the weights become integers, the noise of ciphertexts is \
             added by a simulator, and at last the images are really encrypted. A row agrees with the nearest row above that was made."
                .to_owned(),
        ),
        Block::Table(steps),
    ];
    let whole = STEPS
        .iter()
        .filter_map(|(name, title)| Some((*title, accuracy_of(&report.summary, name)?)));
    let whole: Vec<_> = whole
        .filter(|(_, accuracy)| accuracy.n > images as u64)
        .collect();
    if !whole.is_empty() {
        let mut table = Table::new(
            "The evaluations that need no encryption, on the whole test set.",
            &["Evaluation", "#Correct", "#Accuracy", "#95 % interval"],
        );
        for (title, accuracy) in whole {
            table.rows.push(vec![
                title.to_owned(),
                format!(
                    "{} of {}",
                    format::count(accuracy.correct),
                    format::count(accuracy.n)
                ),
                format::accuracy(&accuracy),
                format!("{} %", format::interval(&accuracy)),
            ]);
        }
        blocks.push(Block::Table(table));
    }

    (!report.predictions.labels.is_empty()).then(|| Section {
        title: "Where did accuracy go?".to_owned(),
        blocks,
    })
}

/// What the network gets wrong.
pub(super) fn errors(report: &RunReport) -> Option<Section> {
    let judged = RunReport::judged(&report.predictions)?;
    let text = format!(
        "Of {}: which classes are taken for which, and the images themselves.",
        evaluation_words(judged)
    );
    let blocks = vec![
        Block::Text(text),
        Block::Chart("confusion".into(), "Rows are true classes, columns predicted ones; at the right, the share of each row on the diagonal.".to_owned()),
        Block::Chart("misclassified".into(), "Images as the network gets them, before normalisation.".to_owned()),
    ];
    Some(Section {
        title: "What it gets wrong".to_owned(),
        blocks,
    })
}

fn accuracy_of(summary: &Summary, name: &str) -> Option<Accuracy> {
    let accuracy = &summary.accuracy;
    match name {
        "original" => accuracy.original,
        "polynomial" => accuracy.polynomial,
        "circuit" => accuracy.circuit,
        "simulated" => accuracy.simulated,
        "encrypted" => accuracy.encrypted,
        _ => None,
    }
}
