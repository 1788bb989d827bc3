//! What the page of a run says.

mod encryption;
mod network;
mod provenance;

use cryptodl_results::agreement::{STEPS, accuracy_steps, compared_images};
use cryptodl_results::{Accuracy, Paired};

use super::RunReport;
use crate::format::{self, count, percent};
use crate::names::{self, counted};
use crate::page::{Block, Card, Document, NONE, Section, Table, or_none};
use crate::words;
use encryption::encryption;
use network::network;
use provenance::provenance;

pub(super) fn document(report: &RunReport) -> Document {
    let summary = &report.summary;
    let scheme = summary
        .encryption
        .as_ref()
        .map_or("not encrypted", |encryption| encryption.scheme.as_str());
    let day = report
        .manifest
        .started
        .get(..10)
        .unwrap_or("an unknown day");
    let sections = [
        accuracy(report),
        encryption(report),
        network(report),
        errors(report),
        provenance(report),
    ];
    Document {
        title: summary.name.clone(),
        subtitle: format!(
            "{}, {}, {scheme}; run of {day}",
            names::dataset(&summary.dataset),
            activation(report)
        ),
        headline: headline(report),
        warning: report.watermark.clone(),
        cards: cards(report),
        sections: sections.into_iter().flatten().collect(),
    }
}

fn activation(report: &RunReport) -> String {
    let activation = &report.summary.activation;
    let name = names::function(&activation.function).0;
    match activation.degree {
        Some(_) => format!("{name} as a polynomial of {}", words::degree(activation)),
        None => format!("exact {name}"),
    }
}

/// The nearest evaluation to real ciphertexts that was made, with its accuracy.
fn judged(report: &RunReport) -> Option<(&'static str, Accuracy)> {
    let name = RunReport::judged(&report.predictions)?;
    Some((name, report.summary.accuracy.named(name)?))
}

/// The result in one sentence.
fn headline(report: &RunReport) -> String {
    let (summary, dataset) = (&report.summary, names::dataset(&report.summary.dataset));
    let Some((name, accuracy)) = judged(report) else {
        return "No evaluation was made.".to_owned();
    };
    let full = format!(
        "{} (95 % interval {} %)",
        format::accuracy(&accuracy),
        format::interval(&accuracy)
    );
    let images = format!("{} {dataset} test images", count(accuracy.n));
    if name != "encrypted" {
        return format!(
            "Without encryption, {} classifies {full} of {images} correctly.",
            names::evaluation(name)
        );
    }
    let mut sentence =
        format!("On ciphertexts, the network classifies {full} of {images} correctly");
    if let Some(agreement) = summary.agreement.encrypted_vs_polynomial {
        let share = if agreement.value >= 1.0 {
            "all".to_owned()
        } else {
            percent(agreement.value)
        };
        sentence.push_str(&format!(
            " and agrees with its own f32 version on {share} of them"
        ));
    }
    if let Some(rate) = words::rate(&summary.timing) {
        sentence.push_str(&format!(
            ", at {rate} on {}",
            counted(summary.timing.threads, "thread")
        ));
    }
    sentence.push('.');
    sentence
}

fn cards(report: &RunReport) -> Vec<Card> {
    let (summary, timing) = (&report.summary, &report.summary.timing);
    let threads = counted(timing.threads, "thread");
    let mut cards = Vec::new();
    let mut card = |label: &str, value: String, note: String| {
        cards.push(Card {
            label: label.to_owned(),
            value,
            note,
        });
    };
    if let Some((name, accuracy)) = judged(report) {
        let label = match name {
            "encrypted" => "Encrypted accuracy".to_owned(),
            name => format!("Accuracy of {}", names::evaluation(name)),
        };
        card(
            &label,
            format::accuracy(&accuracy),
            format!(
                "95 % interval {} %, n = {}",
                format::interval(&accuracy),
                count(accuracy.n)
            ),
        );
    }
    if let Some(pair) = Paired::of(&report.predictions, "polynomial", "encrypted") {
        let note = format!(
            "{} of {} predictions differ; accuracy {}",
            count(pair.differ),
            count(pair.n),
            words::paired(pair)
        );
        card(
            "Agreement with the f32 network",
            percent(1.0 - pair.differ as f64 / pair.n as f64),
            note,
        );
    }
    if let Some((rate, what)) = words::rate_parts(timing) {
        card(
            &format!("{} an hour", names::capital(what)),
            format::short(rate.round()),
            format!(
                "evaluation alone, {threads}; {}",
                words::evaluations(timing)
            ),
        );
    }
    if let Some(latency) = timing.latency_s {
        card(
            "One batch",
            format::seconds(latency),
            format!("evaluation alone, {threads}, however many images it holds"),
        );
    }
    if let Some(encryption) = &summary.encryption {
        card(
            "Security",
            format!("{} bit", encryption.security_bits),
            encryption.security_source.clone(),
        );
        let note = encryption
            .slots
            .map_or("one image at a time".to_owned(), |_| {
                format!("{} images in a batch", count(timing.batch))
            });
        card(
            "Upload of one image",
            format::bytes(encryption.input_bytes_per_image),
            note,
        );
    }
    cards
}

/// Where accuracy went: five evaluations of the same images.
fn accuracy(report: &RunReport) -> Option<Section> {
    let images = compared_images(&report.predictions) as u64;
    let which = match report.predictions.predicted("encrypted") {
        Some(_) => "the same encrypted images",
        None => "the same test images; nothing was encrypted",
    };
    let correct =
        |accuracy: &Accuracy| format!("{} of {}", count(accuracy.correct), count(accuracy.n));
    let interval = |accuracy: &Accuracy| format!("{} %", format::interval(accuracy));
    let mut steps = Table::new(
        format!(
            "Five evaluations of {which}, n = {}. Intervals: Wilson, 95 %. The change is that of the accuracy against the row above, with its 95 % interval and the exact p-value of McNemar’s test.",
            count(images)
        ),
        &[
            "Evaluation",
            "#Correct",
            "#Accuracy",
            "#95 % interval",
            "Agreement with the row above",
            "Change",
        ],
    );
    for step in accuracy_steps(&report.predictions) {
        let Some(accuracy) = &step.accuracy else {
            steps.push([step.title, NONE, "not made", NONE, NONE, NONE].map(str::to_owned));
            continue;
        };
        let pair = step.agreement.as_ref().and_then(|(above, _)| {
            Paired::of(&report.predictions.first(images as usize), above, step.name)
        });
        steps.push([
            step.title.to_owned(),
            correct(accuracy),
            format::accuracy(accuracy),
            interval(accuracy),
            or_none(step.agreement.as_ref(), |(_, agreement)| {
                format::agreement(agreement)
            }),
            or_none(pair, words::paired),
        ]);
    }
    let mut whole = Table::new(
        "The evaluations that need no encryption, on the whole test set.",
        &["Evaluation", "#Correct", "#Accuracy", "#95 % interval"],
    );
    for (name, title) in STEPS {
        if let Some(accuracy) = report
            .summary
            .accuracy
            .named(name)
            .filter(|accuracy| accuracy.n > images)
        {
            whole.push([
                title.to_owned(),
                correct(&accuracy),
                format::accuracy(&accuracy),
                interval(&accuracy),
            ]);
        }
    }
    let text = "Each row changes one thing: the activation becomes a polynomial, the weights become integers, the noise of ciphertexts is added by a \
                simulator, and at last the images are really encrypted. A row agrees with the nearest row above that was made.";
    let blocks = [
        Some(Block::Text(text.to_owned())),
        steps.block(),
        whole.block(),
    ];
    (!report.predictions.labels.is_empty()).then(|| Section {
        title: "Where did accuracy go?".to_owned(),
        blocks: blocks.into_iter().flatten().collect(),
    })
}

/// What the network gets wrong.
fn errors(report: &RunReport) -> Option<Section> {
    let judged = RunReport::judged(&report.predictions)?;
    let text = format!(
        "Of {}: which classes are taken for which, and the images themselves.",
        names::evaluation(judged)
    );
    Some(Section {
        title: "What it gets wrong".to_owned(),
        blocks: vec![
            Block::Text(text),
            Block::Chart(
                "confusion".to_owned(),
                "At the right, the share of each row on the diagonal.".to_owned(),
            ),
            Block::Chart(
                "misclassified".to_owned(),
                "Images as the network gets them, before normalisation.".to_owned(),
            ),
        ],
    })
}
