//! Phrases that are said in one way everywhere: differences with their intervals, rates with what they are of, commits.

use cryptodl_results::{ActivationSummary, Estimate, Paired, Spread, Timing};

use crate::format::{self, count, decimals, percent, short};

/// `degree 3`; `degree 3 (effectively 2)` where the leading coefficient is zero.
pub(crate) fn degree(activation: &ActivationSummary) -> String {
    let asked = activation.degree.unwrap_or(0);
    match activation.coefficients.len().checked_sub(1) {
        Some(effective) if effective != asked => {
            format!("degree {asked} (effectively {effective})")
        }
        _ => format!("degree {asked}"),
    }
}

/// `[99.17, 99.49]`.
pub(crate) fn interval(estimate: &Estimate) -> String {
    format!(
        "[{}, {}]",
        decimals(estimate.low * 100.0, 2),
        decimals(estimate.high * 100.0, 2)
    )
}

/// What an interval is over: `n = 10,000` or `3 seeds, n = 10,000 each`.
pub(crate) fn over(estimate: &Estimate) -> String {
    match estimate.seeds {
        1 => format!("one seed, n = {}", count(estimate.n)),
        seeds => format!("{seeds} seeds, n = {} each", count(estimate.n)),
    }
}

/// `99.35 % (95 % interval [99.17, 99.49], one seed, n = 10,000)`.
pub(crate) fn full(estimate: &Estimate) -> String {
    format!(
        "{} (95 % interval {}, {})",
        percent(estimate.value),
        interval(estimate),
        over(estimate)
    )
}

/// A difference in percentage points: `+0.07 [−0.03, +0.17]`.
pub(crate) fn points(estimate: &Estimate) -> String {
    format!(
        "{} [{}, {}]",
        signed(estimate.value),
        signed(estimate.low),
        signed(estimate.high)
    )
}

/// A difference of shares in points, with its sign.
pub(crate) fn signed(share: f64) -> String {
    let text = decimals(share * 100.0, 2);
    match text.starts_with('−') || text.chars().all(|character| matches!(character, '0' | '.')) {
        true => text,
        false => format!("+{text}"),
    }
}

/// A paired difference with its interval and p-value: `−0.04 [−0.09, +0.01] points, p = 0.13`.
pub(crate) fn paired(pair: Paired) -> String {
    format!(
        "{} points, p = {}",
        points(&Estimate::of_pair(pair)),
        p_value(pair.p_value())
    )
}

/// Two significant digits.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        p if p >= 0.995 => "1".to_owned(),
        p if p >= 0.1 => decimals(p, 2),
        p if p >= 0.01 => decimals(p, 3),
        p if p >= 0.001 => decimals(p, 4),
        _ => "less than 0.001".to_owned(),
    }
}

/// A spread of rates: `26.5 M (26.3 to 26.6 M, median of 3)`.
pub(crate) fn spread(spread: &Spread, text: impl Fn(f64) -> String) -> String {
    match spread.n {
        1 => format!("{} (one evaluation)", text(spread.median)),
        n => format!(
            "{} ({} to {}, median of {n})",
            text(spread.median),
            text(spread.min),
            text(spread.max)
        ),
    }
}

/// Share of the slots of the batches that held an image.
fn fill(timing: &Timing) -> Option<f64> {
    timing.evaluate_s?;
    let batches = timing.images.div_ceil(timing.batch.max(1)).max(1);
    Some(timing.images as f64 / (batches * timing.batch.max(1)) as f64)
}

/// The rate to show, and what it counts: predictions of full batches only where the batches of the run were at least half full.
pub(crate) fn rate_parts(timing: &Timing) -> Option<(f64, &'static str)> {
    match fill(timing)? >= 0.5 {
        true => Some((timing.predictions_per_hour?, "predictions")),
        false => Some((timing.images_per_hour?, "images")),
    }
}

/// The same in words, with what stands beside it.
pub fn rate(timing: &Timing) -> Option<String> {
    let (rate, what) = rate_parts(timing)?;
    let beside = match (what, timing.predictions_per_hour) {
        ("images", Some(full)) => format!(
            " (a full batch of {} would make it {}; {} were evaluated)",
            count(timing.batch),
            short(full.round()),
            count(timing.images)
        ),
        _ => String::new(),
    };
    Some(format!("{} {what} an hour{beside}", short(rate.round())))
}

/// Every rate by its name.
pub(crate) fn rates(timing: &Timing) -> Vec<(String, f64)> {
    let batches = match fill(timing) {
        Some(fill) if fill >= 0.5 => "of full batches".to_owned(),
        _ => format!("if batches of {} were full", count(timing.batch)),
    };
    let rates = [
        (
            format!("Evaluation, predictions {batches}"),
            timing.predictions_per_hour,
        ),
        (
            "Evaluation, images as run".to_owned(),
            timing.images_per_hour,
        ),
        (
            format!("End to end, predictions {batches}"),
            timing.predictions_per_hour_end_to_end,
        ),
    ];
    rates
        .into_iter()
        .filter_map(|(name, rate)| Some((name, rate?)))
        .collect()
}

/// How often the evaluation was made, with its spread.
pub(crate) fn evaluations(timing: &Timing) -> String {
    match (
        timing.evaluations,
        timing.evaluate_min_s,
        timing.evaluate_max_s,
    ) {
        (Some(times), Some(min), Some(max)) => format!(
            "median of {times} evaluations ({} to {})",
            format::seconds(min),
            format::seconds(max)
        ),
        _ => "one evaluation".to_owned(),
    }
}

/// A commit, short, and whether the program differed from it.
pub(crate) fn commit(commit: Option<&str>, dirty: Option<bool>) -> String {
    let Some(commit) = commit else {
        return "unknown".to_owned();
    };
    let short: String = commit.chars().take(12).collect();
    match dirty {
        Some(true) => format!("{short}, with local changes"),
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(images: u64, batch: u64, evaluate_s: f64) -> Timing {
        let batches = images.div_ceil(batch);
        Timing {
            images,
            batch,
            evaluate_s: Some(evaluate_s),
            predictions_per_hour: Some((batches * batch) as f64 * 3_600.0 / evaluate_s),
            images_per_hour: Some(images as f64 * 3_600.0 / evaluate_s),
            ..Timing::default()
        }
    }

    #[test]
    fn no_rate_of_full_batches_from_a_few_images() {
        let few = rate(&timing(100, 8_192, 7.5)).unwrap_or_default();
        assert_eq!(
            few,
            "48.0 k images an hour (a full batch of 8,192 would make it 3.93 M; 100 were evaluated)"
        );
        assert_eq!(
            rate(&timing(8_192, 8_192, 7.5)).unwrap_or_default(),
            "3.93 M predictions an hour"
        );
        assert_eq!(rate(&Timing::default()), None);
    }

    #[test]
    fn differences_carry_signs() {
        assert_eq!(
            [signed(0.0007), signed(-0.0123), signed(0.0)],
            ["+0.07", "−1.23", "0.00"]
        );
        assert_eq!(
            [1.0, 0.43, 0.0312, 0.0071, 1e-9].map(p_value),
            ["1", "0.43", "0.031", "0.0071", "less than 0.001"]
        );
    }
}
