//! What is said of speed: of the network that validation chose, and no more than its evaluations allow.

use cryptodl_results::{Accuracy, Spread, difference};

use super::super::published::{PaperEncrypted, Published};
use super::super::sweep::rate_words;
use super::Measured;
use super::tables::dollars;
use crate::format::{self, count, percent, seconds, significant};
use crate::names::{self, counted};
use crate::page::or_none;
use crate::words;

/// A rate is compared with others' from at least so many evaluations.
const MIN_EVALUATIONS: usize = 3;

/// Images of the MNIST test set, on which published accuracies are taken to be.
const PUBLISHED_IMAGES: u64 = 10_000;

pub(super) fn paper(row: &PaperEncrypted) -> String {
    let rate = or_none(row.per_hour, |rate| count(rate as u64));
    format!(
        "{rate} MNIST predictions an hour at {:.2} % with batches in HElib; printed in the paper, hardware not stated",
        row.accuracy
    )
}

/// The conclusion for one data set, and the figures that it rests on: of the system that validation chose, never the test set.
pub(super) fn conclude(
    systems: &[Measured<'_>],
    dataset: &str,
    published: &Published,
    price: f64,
) -> Option<(String, String)> {
    let comparable = systems.iter().filter(|system| system.is_comparable());
    let Some(best) = comparable.reduce(|best, next| {
        if next.validation > best.validation {
            next
        } else {
            best
        }
    }) else {
        let any = systems.iter().max_by_key(|system| system.images())?;
        let rate = words::rate(&any.run.summary.timing)?;
        let sentence = format!(
            "On {}, {} makes {rate} on {}; too few images were encrypted to compare it with others.",
            names::dataset(dataset),
            any.name,
            counted(any.threads(), "thread")
        );
        return Some((sentence, rate));
    };
    let (rate, accuracy) = (best.rate?, best.accuracy?);
    let mut sentence = format!(
        "On {}, the network that validation chose makes {} predictions an hour on {}",
        names::dataset(dataset),
        format::short(rate.median.round()),
        counted(best.threads(), "thread")
    );
    if let Some(whole) = best.end_to_end {
        sentence.push_str(&format!(
            ", {} with encryption and decryption",
            format::short(whole.median.round())
        ));
    }
    sentence.push_str(&format!(
        ", at {} encrypted accuracy",
        percent(accuracy.value)
    ));
    if let Some(paper) = published.encrypted(dataset) {
        let theirs = paper
            .per_hour
            .map_or_else(String::new, |rate| format!("{} at ", format::short(rate)));
        sentence.push_str(&format!(
            " (the paper, on other hardware: {theirs}{:.2} %)",
            paper.accuracy
        ));
    }
    sentence.push('.');
    let mut figures = vec![
        format!(
            "{}: {} predictions an hour",
            best.name,
            rate_words(Some(rate))
        ),
        format!("end to end {}", rate_words(best.end_to_end)),
        format!("accuracy {}", words::full(&accuracy)),
    ];
    figures.extend(
        published
            .encrypted(dataset)
            .map(|paper| beside_the_paper(best, rate, paper)),
    );
    figures.extend(
        best.batch_s
            .map(|batch| format!("one batch takes {}", seconds(batch.median))),
    );
    figures.extend(best.cost_per_million(price).map(|cost| {
        format!(
            "one million predictions cost {} at {} a core-hour",
            dollars(cost),
            dollars(price)
        )
    }));
    Some((sentence, figures.join("; ") + "."))
}

/// How a system compares with the paper's: in accuracy only as far as the test images can tell, in rate only from full batches evaluated often.
fn beside_the_paper(system: &Measured<'_>, rate: Spread, paper: &PaperEncrypted) -> String {
    let theirs = Accuracy::wilson(
        (paper.accuracy / 100.0 * PUBLISHED_IMAGES as f64).round() as u64,
        PUBLISHED_IMAGES,
    );
    let ours = system.accuracy.map(|estimate| Accuracy {
        low: estimate.low,
        high: estimate.high,
        ..Accuracy::wilson(
            (estimate.value * estimate.n as f64).round() as u64,
            estimate.n,
        )
    });
    let level = ours.map_or("", |ours| match difference(&theirs, &ours) {
        (low, _) if low > 0.0 => "higher than",
        (_, high) if high < 0.0 => "lower than",
        _ => "not measurably different from",
    });
    let mut words = format!(
        "that is {level} the paper’s {:.2} % (taken to be over the same {} test images)",
        paper.accuracy,
        count(PUBLISHED_IMAGES)
    );
    match paper.per_hour {
        Some(published) if rate.n >= MIN_EVALUATIONS => words.push_str(&format!(
            ", and its rate is {} times ({} to {}) the {} that the paper reports on other hardware",
            significant(rate.median / published),
            significant(rate.min / published),
            significant(rate.max / published),
            format::short(published)
        )),
        Some(published) => words.push_str(&format!(
            "; the paper reports {} an hour on other hardware ({} here: too few for a ratio)",
            format::short(published),
            counted(rate.n, "evaluation")
        )),
        None => {}
    }
    words
}
